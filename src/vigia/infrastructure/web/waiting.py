"""What is served before there is a run to show: the probes, and a page that says so. Nothing personal."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, Response

from vigia.application.site_view import Probed
from vigia.infrastructure.web.headers import answer_headers
from vigia.infrastructure.web.pages import CSS, waiting_page
from vigia.infrastructure.web.probes import Probes
from vigia.infrastructure.web.texts import chosen_language

AGAIN_S = "5"


def waiting_app(view: Probed, *, language: Callable[[], str]) -> FastAPI:
    """The site until the run is there. Nobody can log in to it, and there is nothing behind it.

    Args:
        view: why it is not there yet.
        language: the operator's, for browsers that say nothing.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, title="vigia")
    app.include_router(Probes(view).routes())

    @app.middleware("http")
    async def guarded(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await call(request)
        response.headers.update(answer_headers(request.url.path, strict=True, own_caching=False))
        return response

    @app.get("/login.css")
    async def style() -> Response:
        return Response(CSS, media_type="text/css")

    @app.api_route("/{path:path}", methods=["GET", "HEAD"])
    async def wait(request: Request) -> Response:
        accepts = request.headers.get("accept-language", "")
        spoken = chosen_language(asked="", kept="", accepts=accepts, default=language())
        return HTMLResponse(waiting_page(language=spoken), 503, headers={"retry-after": AGAIN_S})

    return app
