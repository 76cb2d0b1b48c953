"""The dashboard's pages, laid over the application with NiceGUI; only one such application can live in a process."""

import copy
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fastapi import FastAPI, Request
from nicegui import ui
from nicegui.translations import translations
from starlette.responses import JSONResponse, Response

from vigia.application.errors import OutboxUnavailable
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.access import session_of
from vigia.infrastructure.web.dashboard import camera, cameras, capture, captures, delivery, overview, system, why
from vigia.infrastructure.web.dashboard.assets import add_assets, asset_url
from vigia.infrastructure.web.dashboard.context import DashboardParts, PageContext
from vigia.infrastructure.web.dashboard.elements import icon, node
from vigia.infrastructure.web.dashboard.shell import (
    DARK,
    OUTBOX_AWAY,
    THEME_COOKIE,
    UNEXPECTED,
    NoSuchPage,
    keep_context,
    page_shell,
)
from vigia.infrastructure.web.headers import wants_page
from vigia.infrastructure.web.login import LANGUAGE_COOKIE
from vigia.infrastructure.web.texts import chosen_language, say

logger = logging.getLogger("vigia.web")

Build = Callable[[PageContext, Mapping[str, str]], Awaitable[None] | None]
"""Makes a page: for whom, and what the address asks for, path and query together."""

PAGES: Final[Mapping[str, Build]] = {
    "/": overview.build,
    "/captures": captures.build,
    "/captures/{capture_id}": capture.build,
    "/why": why.build,
    "/delivery": delivery.build,
    "/system": system.build,
    "/cameras": cameras.build,
    "/cameras/{camera_id}": camera.build,
}
BUILD_S: Final = 20.0
"""A busy machine may take a while for a page that reads the disk."""
RECONNECT_S: Final = 8.0
"""How long a browser that lost the connection may take to come back to its page."""
HISTORY_MAX: Final = 200
"""Messages kept for a browser that comes back."""
FIRST_BACK: Final[Mapping[bool | None, str]] = {False: "#f3f5f8", True: "#10151b"}
"""The background until the library has begun: the device's is in the style sheet."""
ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="#0b5cab"/>'
    '<path fill="#fff" d="M12 6c-4 0-7.4 2.5-8.8 6 1.4 3.5 4.8 6 8.8 6s7.4-2.5 8.8-6c-1.4-3.5-4.8-6-8.8-6zm0 '
    '10a4 4 0 1 1 0-8 4 4 0 0 1 0 8zm0-6.4a2.4 2.4 0 1 0 0 4.8 2.4 2.4 0 0 0 0-4.8z"/></svg>'
)
NOT_FOUND: Final = mark("There is no such page")
NOT_FOUND_WHY: Final = mark("What was asked for is not here, or is no longer kept.")
BACK: Final = mark("To the overview")
TROUBLE: Final = mark("The page cannot be shown")
LOST: Final = mark("The connection is lost.")
RECONNECTING: Final = mark("Trying to reach vigia again …")
TOO_LONG: Final = mark("A message is too long.")


def dashboard(parts: DashboardParts) -> Callable[[FastAPI], None]:
    """What ``make_app`` lays over the application."""

    def lay(app: FastAPI) -> None:
        for path, build in PAGES.items():
            _add_page(parts, path, build)
        _add_page(parts, "/{rest:path}", _nothing)  # the last one, for whatever no page has
        translations["pt-BR"] = {
            "connection_lost": say(LOST, "pt_BR"),
            "trying_to_reconnect": say(RECONNECTING, "pt_BR"),
            "message_too_long": say(TOO_LONG, "pt_BR"),
            "message_too_long_body": "",
        }
        add_assets(app)
        ui.run_with(
            app,
            title="vigia",
            favicon=ICON,
            dark=None,
            language="en-US",
            mount_path="/",
            tailwind=False,
            binding_refresh_interval=None,
            reconnect_timeout=RECONNECT_S,
            message_history_length=HISTORY_MAX,
            show_welcome_message=False,
        )

    return lay


def _add_page(parts: DashboardParts, path: str, build: Build) -> None:
    async def opened(request: Request) -> Response | None:
        return await _open(parts, request, build)

    ui.page(path, response_timeout=BUILD_S)(opened)


def _nothing(_ctx: PageContext, _asked: Mapping[str, str]) -> None:
    raise NoSuchPage


async def _open(parts: DashboardParts, request: Request, build: Build) -> Response | None:
    if build is _nothing and not wants_page(request.headers):
        return JSONResponse({"error": "not_found"}, 404)
    ctx = _dress(parts, request)
    if ctx is None:  # the door lets nobody through without a session
        return Response(status_code=401)
    client = ui.context.client
    try:
        made = build(ctx, {**request.query_params, **request.path_params})
        if inspect.isawaitable(made):
            await made
    except NoSuchPage:
        client.content.clear()
        client.status_code = 404
        _trouble(ctx, NOT_FOUND, NOT_FOUND_WHY, testid="not-found")
    except OutboxUnavailable as error:
        logger.warning("The outbox does not answer: %s", error)
        client.content.clear()
        client.status_code = 503
        _trouble(ctx, TROUBLE, OUTBOX_AWAY, testid="trouble")
    except Exception as error:
        logger.exception("Web: %s failed: %s", request.url.path, type(error).__name__)
        client.content.clear()
        client.status_code = 500
        _trouble(ctx, TROUBLE, UNEXPECTED, testid="trouble")
    return None


def _dress(parts: DashboardParts, request: Request) -> PageContext | None:
    """Language, colours and style of the page that is being made; None without a session."""
    session = session_of(request)
    if session is None:
        return None
    language = chosen_language(
        asked="",
        kept=request.cookies.get(LANGUAGE_COOKIE, ""),
        accepts=request.headers.get("accept-language", ""),
        default=parts.language(),
    )
    client = ui.context.client
    # One page object serves all readers of a path: this reader's gets a copy, so that the first byte is right already.
    client.page = copy.copy(client.page)
    client.page.language = "pt-BR" if language == "pt_BR" else "en-US"
    client.page.dark = DARK.get(request.cookies.get(THEME_COOKIE, ""))
    back = FIRST_BACK.get(client.page.dark)
    ui.add_head_html(
        ("" if back is None else f"<style>body:not(.body--light):not(.body--dark){{background:{back}}}</style>")
        + f'<link rel="stylesheet" href="{asset_url("dashboard.css")}">'
        f'<script defer src="{asset_url("dashboard.js")}"></script>'
    )
    ctx = PageContext(parts, session, language)
    keep_context(ctx)
    return ctx


def _trouble(ctx: PageContext, title: str, why: str, *, testid: str) -> None:
    with page_shell(ctx, title=ctx.say(title), current=""), node("div", classes="vg-card vg-empty", testid=testid):
        icon("search_off", classes="vg-empty__sign")
        node("p", ctx.say(why))
        node("a", ctx.say(BACK), classes="vg-button", href="/")
