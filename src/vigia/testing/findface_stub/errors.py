"""Refusals as FindFace words them: ``{traceback, code, desc, param}`` with an HTTP status.

The codes UNAUTHORIZED, BAD_PARAM, PERMISSION_DENIED and NOT_FOUND are FindFace's own. Where its code for a case is not
known (a wrong method, an unsupported type, a fault of the server), the HTTP phrase in the same style stands in.
"""

from http import HTTPStatus

from starlette.responses import JSONResponse

NO_FACE = 'Zero objects(type="face") detected on the provided image'


class ApiError(Exception):
    """One refusal, ready to be sent.

    Args:
        status: HTTP status.
        code: FindFace's machine word.
        desc: for people.
        param: the field at fault, when there is one.
        headers: sent with it.
        reason: the word under which the stand-in counts a refused event.
    """

    def __init__(
        self,
        status: int,
        code: str,
        *,
        desc: str,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {desc}")
        self.status = status
        self.code = code
        self.desc = desc
        self.param = param
        self.headers = headers
        self.reason = reason if reason is not None else (param or code.lower())

    def response(self) -> JSONResponse:
        """The answer on the wire."""
        return JSONResponse(
            error_body(self.code, desc=self.desc, param=self.param), status_code=self.status, headers=self.headers
        )


def error_body(code: str, *, desc: str, param: str | None = None) -> dict[str, str]:
    """FindFace's error body; ``param`` is absent when no field is at fault."""
    body = {"traceback": "", "code": code, "desc": desc}
    return body if param is None else {**body, "param": param}


def bad_param(param: str, desc: str) -> ApiError:
    """400: a field is missing or wrong."""
    return ApiError(HTTPStatus.BAD_REQUEST, "BAD_PARAM", desc=desc, param=param)


def no_face() -> ApiError:
    """400: there is no face, or none large enough, where it was asked to look."""
    return ApiError(HTTPStatus.BAD_REQUEST, "BAD_PARAM", desc=NO_FACE, param="fullframe", reason="no_face")


def unauthorized(desc: str, *, challenge: str = "Token") -> ApiError:
    """401: no session, or one that is not known."""
    return ApiError(HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED", desc=desc, headers={"WWW-Authenticate": challenge})


def wrong_camera_token() -> ApiError:
    """403: the form's token is not this camera's."""
    return ApiError(
        HTTPStatus.FORBIDDEN,
        "PERMISSION_DENIED",
        desc="You do not have permission to perform this action.",
        reason="camera_token",
    )


def not_found() -> ApiError:
    """404."""
    return ApiError(HTTPStatus.NOT_FOUND, "NOT_FOUND", desc="Not found.")


def code_of(status: int) -> str:
    """The machine word for a status that has no better one."""
    known = {400: "BAD_PARAM", 401: "UNAUTHORIZED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
    if status in known:
        return known[status]
    try:
        return HTTPStatus(status).name
    except ValueError:
        return "ERROR"
