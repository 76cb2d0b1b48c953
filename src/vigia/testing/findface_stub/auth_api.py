"""``/auth/``: log in with Basic and a device's uuid, log out."""

import binascii
import secrets
from base64 import b64decode
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vigia.testing.findface_stub.bodies import LoginBody, read_body
from vigia.testing.findface_stub.context import StubContext, context_of
from vigia.testing.findface_stub.errors import unauthorized
from vigia.testing.findface_stub.fields import datetime_text


async def log_in(request: Request) -> Response:
    """Open a session: 200 with its token; 401 for wrong credentials, 400 without a uuid."""
    context = context_of(request)
    _check_credentials(request, context)
    body = await read_body(request, LoginBody)
    token, expires_us = await context.in_store(
        context.registry.open_session, uuid=body.uuid, length_s=context.settings.session_length_s
    )
    return JSONResponse(
        {"token": token, "token_expiration_datetime": datetime_text(expires_us), "user": _user(context)}
    )


async def log_out(request: Request) -> Response:
    """End the session in use: 204."""
    context = context_of(request)
    token = await context.require_session(request)
    if token is not None:
        await context.in_store(context.registry.close_session, token)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _check_credentials(request: Request, context: StubContext) -> None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        raise unauthorized("Authentication credentials were not provided.", challenge='Basic realm="api"')
    try:
        given = b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        given = b""
    wanted = f"{context.settings.user}:{context.settings.password}".encode()
    if not secrets.compare_digest(given, wanted):
        raise unauthorized("Invalid username/password.", challenge='Basic realm="api"')


def _user(context: StubContext) -> dict[str, object]:
    return {
        "id": 1,
        "active": True,
        "created_date": datetime_text(0),
        "modified_date": datetime_text(0),
        "groups": [1],
        "primary_group": 1,
        "permissions": [],
        "camera_group_permissions": {},
        "watch_list_permissions": {},
        "group_permissions": {},
        "name": context.settings.user,
        "real_name": context.settings.user,
        "comment": "",
        "language": "en-us",
        "has_face": False,
        "face_cover": None,
        "ad_user": False,
    }
