"""The application: which address leads to which endpoint, and how refusals leave the house."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route

from vigia.application.ports import Clock
from vigia.testing.findface_stub import add_event_api, auth_api, cameras_api, events_api, page_api
from vigia.testing.findface_stub.context import FindFaces, StubContext
from vigia.testing.findface_stub.database import StubDatabase
from vigia.testing.findface_stub.errors import ApiError, code_of, not_found
from vigia.testing.findface_stub.event_store import StubEventStore
from vigia.testing.findface_stub.faults import ADD_EVENT_PATH
from vigia.testing.findface_stub.middleware import BodyLimitMiddleware, CallCountMiddleware
from vigia.testing.findface_stub.registry import StubRegistry
from vigia.testing.findface_stub.settings import StubSettings


def create_app(
    settings: StubSettings,
    *,
    database: StubDatabase,
    find_faces: FindFaces,
    clock: Clock,
    middleware: Sequence[Middleware] = (),
    fault_report: Callable[[], dict[str, Any]] = dict,
) -> Starlette:
    """Make the stand-in's ASGI application.

    Args:
        settings: who may log in, and the groups and cameras to seed; they are written to the database here.
        database: open; the caller closes it after the server has ended.
        find_faces: decides what is a face, and so what is "Zero objects".
        clock: tells when something was received and when a session ends.
        middleware: put around the whole API, first one outermost: the place for faults.
        fault_report: what ``/_stub/faults`` tells. Any thread.
    """
    registry = StubRegistry(database, clock=clock)
    registry.seed(settings)
    events = StubEventStore(database, clock=clock)
    context = StubContext(settings, registry=registry, events=events, find_faces=find_faces, clock=clock)
    context.fault_report = fault_report
    app = Starlette(
        routes=[*_pages(), *_api(""), *_api("/api")],
        middleware=[
            Middleware(CallCountMiddleware, calls=context.calls),
            *middleware,
            Middleware(BodyLimitMiddleware),
        ],
        exception_handlers={
            ApiError: _refuse,
            HTTPException: _refuse_http,
            Exception: _fail,
        },
    )
    # Starlette would answer 307, which keeps a body; Django's 301 does not, and that is the trap to show.
    app.router.redirect_slashes = False
    app.state.stub = context
    return app


def _pages() -> list[Route]:
    return [
        Route("/", page_api.show_page),
        Route("/_stub/stats", page_api.show_stats),
        Route("/_stub/events", page_api.show_events),
        Route("/_stub/faults", page_api.show_faults),
        Route("/_stub/sessions", page_api.end_sessions, methods=["DELETE"]),
    ]


def _api(prefix: str) -> list[Route]:
    """The calls of FindFace; a base URL may end in ``/api``, so there are two sets of them."""
    return [
        Route(f"{prefix}/auth/login/", auth_api.log_in, methods=["POST"]),
        Route(f"{prefix}/auth/logout/", auth_api.log_out, methods=["POST"]),
        Route(f"{prefix}/camera-groups/", cameras_api.groups, methods=["GET", "POST"]),
        Route(f"{prefix}/camera-groups/{{id:int}}/", cameras_api.one_group, methods=["GET", "PATCH", "DELETE"]),
        Route(f"{prefix}/cameras/", cameras_api.cameras, methods=["GET", "POST"]),
        Route(f"{prefix}/cameras/{{id:int}}/", cameras_api.one_camera, methods=["GET", "PATCH", "DELETE"]),
        Route(f"{prefix}{ADD_EVENT_PATH}", add_event_api.add_event, methods=["POST"]),
        Route(f"{prefix}/events/faces/", events_api.list_events),
        Route(f"{prefix}/events/faces/{{id}}/", events_api.one_event),
        Route(f"{prefix}/uploads/events/{{id}}/thumbnail.jpg", events_api.event_thumbnail),
        Route(f"{prefix}/uploads/events/{{id}}/fullframe.{{format}}", events_api.event_fullframe),
    ]


async def _refuse(_request: Request, error: Exception) -> Response:
    if not isinstance(error, ApiError):
        raise error
    return error.response()


async def _refuse_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.NOT_FOUND:
        return _with_slash(request) or not_found().response()
    desc = error.detail
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        desc = f'Method "{request.method}" not allowed.'
    headers = None if error.headers is None else dict(error.headers)
    return ApiError(error.status_code, code_of(error.status_code), desc=desc, headers=headers).response()


async def _fail(_request: Request, _error: Exception) -> Response:
    # The server logs the traceback; the caller learns no more than that it was not their fault.
    return ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL_SERVER_ERROR", desc="Internal server error.").response()


def _with_slash(request: Request) -> Response | None:
    """Django's APPEND_SLASH: 301 to the address with its slash, whatever the method, so that a POST loses its body."""
    path = request.url.path
    if path.endswith("/"):
        return None
    scope = {**request.scope, "path": f"{path}/"}
    if all(route.matches(scope)[0] is Match.NONE for route in request.app.routes):
        return None
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{path}/{query}", status_code=HTTPStatus.MOVED_PERMANENTLY)
