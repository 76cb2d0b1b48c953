"""What every page stands in: the bar with its ways, the reader's menu, and how a page asks, tells and looks again."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar
from urllib.parse import quote

import anyio.to_thread
from nicegui import Client, ui
from nicegui.events import GenericEventArguments

from vigia.application.errors import OutboxUnavailable
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import Node, icon, node
from vigia.infrastructure.web.dashboard.states import StateBadge, state_badge
from vigia.infrastructure.web.pages import LOG_OUT, ROLES, TONGUES

__all__ = ["NoSuchPage", "StateBadge", "ask_first", "every", "off_loop", "page_shell", "state_badge", "tell"]

logger = logging.getLogger("vigia.web")

WAYS: Final = {
    "overview": ("/", "dashboard", mark("Overview")),
    "captures": ("/captures", "face", mark("Captures")),
    "why": ("/why", "help_outline", mark("Not sent?")),
    "delivery": ("/delivery", "send", mark("Delivery")),
    "system": ("/system", "monitor_heart", mark("System")),
    "cameras": ("/cameras", "videocam", mark("Cameras")),
}
"""The main pages: path, sign and name."""
THEME_COOKIE: Final = "vigia-theme"
THEMES: Final = {"auto": mark("As the device"), "light": mark("Light"), "dark": mark("Dark")}
DARK: Final = {"light": False, "dark": True}
"""What the library calls it; None is the device's choice."""
THEME_SIGNS: Final = {"auto": "brightness_auto", "light": "light_mode", "dark": "dark_mode"}
TO_CONTENT: Final = mark("Skip to the content")
PAGES: Final = mark("Pages")
MENU: Final = mark("Your menu: language, colours, log out")
LANGUAGE: Final = mark("Language")
COLOURS: Final = mark("Colours")
CANCEL: Final = mark("Cancel")
FAILED: Final = mark("This did not work: %(why)s")
OUTBOX_AWAY: Final = mark("The outbox does not answer.")
UNEXPECTED: Final = mark("An unexpected error; the log tells more.")
TOLD_FOR_S: Final = 4
LEAVE_S: Final = 2.0
"""How long a page whose session is over may take to lead away; then it is taken away."""
SIGHT_EVENT: Final = "sight"
"""What ``dashboard.js`` calls it that the page is seen again, or no longer."""
_KEPT: Final = "vigia"

P = ParamSpec("P")
T = TypeVar("T")


class NoSuchPage(Exception):
    """What was asked for is not there: the answer is a page that says so, with the status 404."""


@contextmanager
def page_shell(ctx: PageContext, *, title: str, current: str) -> Iterator[None]:
    """The page around its content.

    Args:
        ctx: who looks.
        title: already in the reader's language.
        current: the way that is marked, of ``WAYS``; another word marks none.
    """
    ui.page_title(f"{title} · vigia")
    node("a", ctx.say(TO_CONTENT), classes="vg-skip", href="#content")
    with node("header", classes="vg-top"):
        with node("a", classes="vg-brand", href="/", aria_label="vigia"):
            icon("visibility")
            node("span", "vigia")
        with node("nav", classes="vg-nav", aria_label=ctx.say(PAGES)):
            for name, (path, sign, word) in WAYS.items():
                here = "page" if name == current else None
                with node("a", classes="vg-nav__way", href=path, testid=f"nav-{name}", aria_current=here):
                    icon(sign)
                    node("span", ctx.say(word))
        _menu(ctx)
    with node("main", classes="vg-main", id="content", tabindex="-1", testid=f"page-{current}"):
        node("h1", title, classes="vg-title")
        yield


def _menu(ctx: PageContext) -> None:
    request = ui.context.client.request
    button = ui.button(icon="account_circle").props("flat round dense data-testid=user-menu").classes("vg-user")
    button.props["aria-label"] = ctx.say(MENU)
    with button, ui.menu().classes("vg-menu"):
        session = ctx.session
        node("p", f"{session.user} ({ctx.say(ROLES[session.role.value])})", classes="vg-menu__who", testid="user-name")
        node("p", ctx.say(LANGUAGE), classes="vg-menu__head")
        query = f"?{request.url.query}" if request.url.query else ""
        back = quote(f"{request.url.path}{query}", safe="/")
        for key, name in TONGUES.items():
            chosen = "true" if key == ctx.language else None
            with node("a", classes="vg-menu__row", href=f"/login?lang={key}&next={back}", lang=key.replace("_", "-"),
                      testid=f"language-{key}", aria_current=chosen):  # fmt: skip
                icon("check" if chosen else "translate")
                node("span", name)
        node("p", ctx.say(COLOURS), classes="vg-menu__head")
        _themes(ctx, kept=request.cookies.get(THEME_COOKIE, "auto"))
        with node("form", method="post", action="/logout", classes="vg-menu__out"):
            node("input", type="hidden", name="token", value=session.csrf)
            with node("button", type="submit", classes="vg-menu__row", testid="log-out"):
                icon("logout")
                node("span", ctx.say(LOG_OUT))


def _themes(ctx: PageContext, *, kept: str) -> None:
    dark = ui.dark_mode(DARK.get(kept))
    rows: dict[str, Node] = {}

    def choose(name: str) -> None:
        dark.set_value(DARK.get(name))
        for other, row in rows.items():
            row.set("aria-pressed", "true" if other == name else "false")

    for name, word in THEMES.items():
        keep = f"document.cookie = '{THEME_COOKIE}={name}; path=/; max-age=31536000; samesite=strict'"
        with node("button", type="button", classes="vg-menu__row", testid=f"theme-{name}",
                  aria_pressed="true" if name == kept else "false") as row:  # fmt: skip
            icon(THEME_SIGNS[name])
            node("span", ctx.say(word))
        row.on("click", lambda name=name: choose(name), js_handler=f"() => {{ {keep}; emit(); }}")
        rows[name] = row


def tell(ctx: PageContext, text: str, *, bad: bool = False) -> None:
    """A short notification; ``text`` is in the reader's language already."""
    del ctx  # the same for everybody; a page passes it as to everything else here
    ui.notify(text, type="negative" if bad else "positive", position="bottom", timeout=1000 * TOLD_FOR_S)


def ask_first(
    ctx: PageContext, *, question: str, detail: str, act_label: str, on_yes: Callable[[], Awaitable[None]]
) -> None:
    """Ask before something is done that somebody may regret. Texts are in the reader's language already.

    Args:
        ctx: who is asked.
        question: one line.
        detail: what will happen.
        act_label: on the button that does it.
        on_yes: called once, in the page's content: the dialog is gone before a slow act is done. A failure is told.
    """
    content = ui.context.client.content
    with (
        content,
        ui.dialog() as dialog,
        node("div", classes="vg-card vg-dialog", role="alertdialog", testid="ask-first", aria_label=question),
    ):
        node("h2", question)
        node("p", detail, classes="vg-muted")
        with node("div", classes="vg-row vg-row--end"):
            cancel = node("button", ctx.say(CANCEL), type="button", classes="vg-button", testid="ask-no")
            act = node("button", act_label, type="button", classes="vg-button vg-button--bad", testid="ask-yes")

    async def yes() -> None:
        act.set("disabled", True)  # twice would be twice
        dialog.close()
        with content:
            try:
                await on_yes()
            except Exception as error:  # noqa: BLE001 - whatever it was, the person is told
                tell(ctx, ctx.say(FAILED, why=_why(ctx, error)), bad=True)

    cancel.on("click", dialog.close)
    act.on("click", yes)
    dialog.on("hide", dialog.delete)
    dialog.open()


def every(seconds: float, callback: Callable[[], Any]) -> ui.timer:
    """Call again and again, at once for the first time, while somebody looks. See ``Rounds``."""
    page = _page_of(ui.context.client)
    rounds = Rounds(ui.context.client, page, callback, place=ui.context.slot)
    if page is not None:
        page.rounds.append(rounds)
    return ui.timer(seconds, rounds.run)


@dataclass(slots=True, eq=False)
class OpenPage:
    """One page in a browser. Owner: the page's tasks."""

    ctx: PageContext
    hidden: bool = False
    """Behind another window or tab: nobody sees what would be sent."""
    led_away_mono_s: float | None = None
    rounds: "list[Rounds]" = field(default_factory=list)

    async def seen(self, seen: bool) -> None:
        """It came into sight, and shows at once what is now; or it went."""
        self.hidden = not seen
        for rounds in self.rounds if seen else ():
            with rounds.place:
                await rounds.run()


class Rounds:
    """What a page does again and again: not while it is hidden, and never twice at a time. Owner: the page's tasks.

    A failure is told once, on the page and in the log, and tried again. A page whose session is over does nothing any
    more and leads to the log-in: a browser that lost the connection may come back with another person's session.

    Args:
        client: the page, as the library knows it.
        page: the same; None where nobody's page it is.
        callback: one round.
        place: where on the page it may add something.
    """

    def __init__(
        self, client: Client, page: OpenPage | None, callback: Callable[[], Any], *, place: AbstractContextManager[Any]
    ) -> None:
        self._client, self._page, self._callback = client, page, callback
        self.place = place
        self._failing = self._busy = False

    async def run(self) -> None:
        """One round."""
        page = self._page
        if self._busy or not self._client.has_socket_connection:
            return
        if page is not None and not page.ctx.still_in:
            self._lead_away(page)
            return
        if page is not None and page.hidden:
            return
        self._busy = True
        try:
            result = self._callback()
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001 - told below
            if not self._failing and page is not None:
                tell(page.ctx, page.ctx.say(FAILED, why=_why(page.ctx, error)), bad=True)
            self._failing = True
        else:
            self._failing = False
        finally:
            self._busy = False

    def _lead_away(self, page: OpenPage) -> None:
        now_s = page.ctx.parts.clock.mono_s()
        if page.led_away_mono_s is None:
            page.led_away_mono_s = now_s
            self._client.run_javascript("window.location.reload()")  # the door answers with the log-in
        elif now_s - page.led_away_mono_s >= LEAVE_S:
            self._client.delete()


async def off_loop(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what touches the disk, or takes long, in one of the server's few threads."""
    return await anyio.to_thread.run_sync(partial(call, *args, **kwargs))


def keep_context(ctx: PageContext) -> None:
    """Remember whose page this is, and follow whether it is seen."""
    client = ui.context.client
    page = client.storage[_KEPT] = OpenPage(ctx)

    async def changed(event: GenericEventArguments) -> None:
        await page.seen(event.args is True)

    ui.on(SIGHT_EVENT, changed)


def context_of_page() -> PageContext | None:
    """Whose page this is; None before it was kept."""
    page = _page_of(ui.context.client)
    return None if page is None else page.ctx


def _page_of(client: Client) -> "OpenPage | None":
    found = client.storage.get(_KEPT)
    return found if isinstance(found, OpenPage) else None


def _why(ctx: PageContext, error: Exception) -> str:
    if isinstance(error, OutboxUnavailable):
        logger.warning("The outbox does not answer: %s", error)
        return ctx.say(OUTBOX_AWAY)
    logger.error("Web: a page failed: %s", type(error).__name__, exc_info=error)
    return ctx.say(UNEXPECTED)
