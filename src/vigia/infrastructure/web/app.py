"""The application that the server runs: routes put together behind the door. The dashboard is laid over it."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from vigia.application.errors import OutboxUnavailable
from vigia.application.gallery_view import GalleryView
from vigia.application.live_pictures import LivePictures
from vigia.application.site_view import SiteView
from vigia.application.system_view import SystemView
from vigia.application.use_cases.operate import OperateUseCase
from vigia.infrastructure.web.access import METRICS_PATH, AccessMiddleware
from vigia.infrastructure.web.api import Api
from vigia.infrastructure.web.api_gallery import GalleryApi
from vigia.infrastructure.web.api_live import LiveApi
from vigia.infrastructure.web.api_system import SystemApi
from vigia.infrastructure.web.headers import answer_headers
from vigia.infrastructure.web.login import Entrance, LoginPages
from vigia.infrastructure.web.probes import Probes

logger = logging.getLogger("vigia.web")

THREADS = 4
"""For answers that touch the disk."""
Exposition = Callable[[str], tuple[bytes, str]]
"""The metrics for an ``Accept`` header: text and its media type."""


@dataclass(frozen=True, slots=True)
class SiteParts:
    """What is served."""

    entrance: Entrance
    view: SiteView
    operate: OperateUseCase
    exposition: Exposition
    live: LivePictures | None = None
    gallery: GalleryView | None = None
    system: SystemView | None = None


def make_app(parts: SiteParts, *, dashboard: Callable[[FastAPI], None] | None = None) -> FastAPI:
    """The whole site; every route is behind ``AccessMiddleware``.

    Args:
        parts: what is served.
        dashboard: adds its pages to the application, ``/`` among them; without it there is a plain page.
    """
    entrance = parts.entrance
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, title="vigia", lifespan=_lifespan)
    app.include_router(LoginPages(entrance).routes(home=dashboard is None))
    app.include_router(Api(parts.view, parts.operate, audit=entrance.audit, clock=entrance.clock).routes())
    if parts.gallery is not None:
        app.include_router(GalleryApi(parts.gallery).routes())
    if parts.live is not None:
        app.include_router(LiveApi(parts.live).routes())

    if parts.system is not None:
        app.include_router(SystemApi(parts.system).routes())

    @app.api_route(METRICS_PATH, methods=["GET", "HEAD"], include_in_schema=False)
    def metrics(request: Request) -> Response:
        content, media_type = parts.exposition(request.headers.get("accept", ""))
        return Response(content, headers={"content-type": media_type})

    app.include_router(Probes(parts.view).routes())
    _tell_errors(app)
    if dashboard is not None:
        dashboard(app)
    app.add_middleware(AccessMiddleware, rules=entrance.rules, sessions=entrance.sessions)
    return app


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield


def _tell_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        # Not what was sent: it may be no JSON (NaN), or a password in the wrong place.
        told = [{"where": [str(part) for part in one["loc"]], "why": one["msg"]} for one in error.errors()]
        return JSONResponse({"error": "invalid", "details": told}, 422)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": str(error.detail)}, error.status_code, headers=error.headers)

    @app.exception_handler(OutboxUnavailable)
    async def away(_request: Request, error: OutboxUnavailable) -> Response:
        logger.warning("The outbox does not answer: %s", error)
        return JSONResponse({"error": "outbox_unavailable"}, 503, headers={"retry-after": "5"})

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> Response:
        logger.error("Web: %s failed: %s", request.url.path, type(error).__name__)
        # This handler stands outside the door, which could not add them.
        headers = answer_headers(request.url.path, strict=True, own_caching=False)
        return JSONResponse({"error": "internal"}, 500, headers=headers)
