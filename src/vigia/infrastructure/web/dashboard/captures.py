"""Captures: what was seen, the newest first, and what became of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from nicegui import ui

from vigia.application.gallery_view import FeedQuery
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureState
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.acts import DROP, RETRIED_FROM, RETRY, ask_drop, ask_retry
from vigia.infrastructure.web.dashboard.capture_card import CaptureCard
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import InView, icon, node
from vigia.infrastructure.web.dashboard.formats import camera_asked, number, share_asked
from vigia.infrastructure.web.dashboard.quality_parts import load_part_words
from vigia.infrastructure.web.dashboard.shell import every, off_loop, page_shell
from vigia.infrastructure.web.dashboard.states import LOOKS

TITLE: Final = mark("Captures")
CAMERA: Final = mark("Camera")
STATE: Final = mark("State")
ANY: Final = mark("all")
QUALITY_FROM: Final = mark("Quality from")
MORE: Final = mark("Show older ones")
NEW_ONES: Final = mark("New: %(count)d. Show")
SELECTED: Final = mark("Selected: %(count)d")
SELECT_ALL: Final = mark("Select all that can be sent again")
CLEAR: Final = mark("Clear the selection")
NO_MATCH: Final = mark("No capture matches the filter.")
NO_FILTER: Final = mark("Take the filter away")
NONE_YET: Final = mark("There is no capture yet.")
NO_LIVE: Final = mark("No camera delivers pictures: the overview tells why.")
NO_FACES: Final = mark(
    "No face was found so far. Cameras look on; faces smaller than the detector can find are not seen."
)
NOT_WORTH: Final = mark("Faces were found, but no passage is over yet or none was worth sending: see why.")
TO_OVERVIEW: Final = mark("To the overview")
TO_WHY: Final = mark("Why not sent?")
PER_PAGE: Final = 60
SHOWN_MAX: Final = 600
"""Cards on one page; further back lead the filters."""
STEP_S: Final = 0.5
"""A capture is promised to be seen two seconds after its commit; the browser takes its time too."""
STEPS_OF_ALL: Final = 10
"""Older cards are looked at anew with every so many steps."""
QUALITIES: Final = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks for."""

    camera: str = ""
    state: CaptureState | None = None
    quality: float | None = None

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "Wish":
        """Whatever makes no sense counts as not asked."""
        state = asked.get("state", "")
        known = CaptureState(state) if state in {one.value for one in CaptureState} else None
        return cls(camera_asked(asked.get("camera")), known, share_asked(asked.get("quality")))

    @property
    def filters(self) -> bool:
        """Whether anything is left out."""
        return bool(self.camera) or self.state is not None or self.quality is not None

    def query(self, *, limit: int) -> FeedQuery:
        """For the gallery."""
        return FeedQuery(self.state, CameraId(self.camera) if self.camera else None, self.quality, limit=limit)


def captures_address(*, camera: str = "", state: str = "") -> str:
    """Where captures are shown with a filter."""
    kept = {name: value for name, value in (("camera", camera), ("state", state)) if value}
    return f"/captures?{urlencode(kept)}" if kept else "/captures"


async def build(ctx: PageContext, asked: Mapping[str, str]) -> None:
    """The page at ``/captures``."""
    wish = Wish.of(asked)
    cameras = await off_loop(ctx.parts.view.cameras)
    load_part_words(ctx)
    with page_shell(ctx, title=ctx.say(TITLE), current="captures"):
        _filters(ctx, wish, cameras)
        feed = Feed(ctx, wish)
        await feed.step()
        every(STEP_S, feed.step)


def _filters(ctx: PageContext, wish: Wish, cameras: Sequence[Mapping[str, Any]]) -> None:
    say = ctx.say
    with node("form", action="/captures", method="get", classes="vg-card vg-filters", role="search", testid="filters"):
        names = {str(camera["id"]): str(camera["name"]) for camera in cameras}
        if wish.camera and wish.camera not in names:
            names[wish.camera] = wish.camera
        _choice(ctx, CAMERA, "camera", [("", say(ANY)), *names.items()], wish.camera)
        states = [(state.value, say(LOOKS[state.value].name)) for state in CaptureState]
        _choice(ctx, STATE, "state", [("", say(ANY)), *states], "" if wish.state is None else wish.state.value)
        levels = sorted({*QUALITIES, *(() if wish.quality is None else (wish.quality,))})
        shown = [(f"{level:g}", f"≥ {number(level, ctx.language, digits=2)}") for level in levels]
        chosen = "" if wish.quality is None else f"{wish.quality:g}"
        _choice(ctx, QUALITY_FROM, "quality", [("", say(ANY)), *shown], chosen)
        if wish.filters:
            node("a", say(NO_FILTER), classes="vg-button", href="/captures", testid="filter-none")


def _choice(ctx: PageContext, label: str, name: str, options: Sequence[tuple[str, str]], chosen: str) -> None:
    with node("label", classes="vg-field"):
        node("span", ctx.say(label))
        with node("select", name=name, testid=f"filter-{name}") as select:
            for value, text in options:
                node("option", text, value=value, selected=True if value == chosen else None)
        select.on("change", js_handler="(event) => event.target.form.requestSubmit()")


class Feed:
    """The list, which goes on by itself. While somebody scrolls or selects, it stays as it is and counts what is new.

    Owner: the page's tasks in the server's loop. Bounds: SHOWN_MAX cards.
    """

    def __init__(self, ctx: PageContext, wish: Wish) -> None:
        self._ctx, self._wish = ctx, wish
        self._cards: dict[str, CaptureCard] = {}
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._chosen: set[str] = set()
        self._limit = PER_PAGE
        self._steps = 0
        self._at_top = True
        self._busy = False
        self._empty_told: str | None = None
        InView(self._seen)
        self._news = node("button", type="button", classes="vg-button vg-button--act vg-news", testid="new-captures")
        self._news.on("click", self._show_news)
        self._news.show(False)
        self._empty = node("div", classes="vg-card vg-empty", testid="captures-empty")
        self._empty.show(False)
        self._list = node("div", classes="vg-shots", testid="feed", role="feed", aria_label=ctx.say(TITLE))
        self._more = node("button", ctx.say(MORE), type="button", classes="vg-button", testid="more")
        self._more.on("click", self._show_more)
        self._more.show(False)
        if ctx.may_act:
            self._acts()

    def _acts(self) -> None:
        say = self._ctx.say
        with node("div", classes="vg-card vg-acts", role="toolbar", testid="selection") as self._bar:
            self._count = node("span", classes="vg-num")
            for text, kind, act, name in (
                (RETRY, "vg-button--act", self._retry, "retry"),
                (DROP, "vg-button--bad", self._drop, "drop"),
                (SELECT_ALL, "", self._select_all, "select-all"),
                (CLEAR, "", self._clear, "select-none"),
            ):
                node("button", say(text), type="button", classes=f"vg-button {kind}", testid=name).on("click", act)
        self._bar.show(False)

    async def step(self) -> None:
        """Show what is now."""
        if self._busy:
            return
        self._busy = True
        try:
            self._steps += 1
            everything = self._limit == PER_PAGE or self._steps % STEPS_OF_ALL == 1
            limit = self._limit if everything else PER_PAGE
            rows = await off_loop(self._ctx.parts.gallery.feed, self._wish.query(limit=limit + 1))
            if everything:
                self._more.show(len(rows) > limit and self._limit < SHOWN_MAX)
            self._take(rows[:limit], complete=everything and len(rows) <= limit)
            await self._tell_empty()
        finally:
            self._busy = False

    def _take(self, rows: Sequence[Mapping[str, Any]], *, complete: bool) -> None:
        """Bring the cards up to ``rows``, the newest first. ``complete``: there are no older ones."""
        found = {str(row["id"]): row for row in rows}
        self._rows.update(found)
        for name, row in found.items():
            if name in self._cards:
                self._cards[name].tell(row)
        fresh = [row for row in rows if row["id"] not in self._cards]
        oldest = -1 if complete or not rows else int(rows[-1]["seq"])
        gone = [name for name, card in self._cards.items() if card.seq >= oldest and name not in found]
        newest = max((card.seq for card in self._cards.values()), default=-1)
        if self._may_move:
            self._arrange(fresh, gone)
            self._tell_news(0)
        else:
            older = [row for row in fresh if row["seq"] < newest]
            self._arrange(older, [])
            self._tell_news(len(fresh) - len(older))

    @property
    def _may_move(self) -> bool:
        return (self._at_top and not self._chosen) or not self._cards

    def _arrange(self, fresh: Sequence[Mapping[str, Any]], gone: Sequence[str]) -> None:
        for name in gone:
            self._cards.pop(name).element.delete()
            self._rows.pop(name, None)
        select = self._select if self._ctx.may_act else None
        for row in sorted(fresh, key=lambda one: -int(one["seq"])):
            with self._list:
                card = CaptureCard(self._ctx, row, on_select=select)
            place = sum(other.seq > card.seq for other in self._cards.values())
            if place < len(self._cards):
                card.element.move(self._list, target_index=place)
            self._cards[card.id] = card
        extra = len(self._cards) - self._limit
        if extra > 0 and self._may_move:
            for card in sorted(self._cards.values(), key=lambda one: one.seq)[:extra]:
                self._cards.pop(card.id).element.delete()
                self._rows.pop(card.id, None)
        self._rows = {name: row for name, row in self._rows.items() if name in self._cards}

    def _tell_news(self, count: int) -> None:
        self._news.text = self._ctx.say(NEW_ONES, count=count)
        self._news.show(count > 0)

    async def _show_news(self) -> None:
        self._clear()
        self._at_top = True
        await self.step()
        ui.run_javascript("window.scrollTo({ top: 0 })")

    async def _show_more(self) -> None:
        self._limit = min(self._limit + PER_PAGE, SHOWN_MAX)
        self._steps = 0
        await self.step()

    def _seen(self, seen: bool) -> None:
        self._at_top = seen

    def _select(self, name: str, chosen: bool) -> None:
        self._chosen = self._chosen | {name} if chosen else self._chosen - {name}
        self._count.text = self._ctx.say(SELECTED, count=len(self._chosen))
        self._bar.show(bool(self._chosen))

    def _select_all(self) -> None:
        for name, row in self._rows.items():
            if row["state"] in RETRIED_FROM:
                self._cards[name].select(True)
                self._select(name, chosen=True)

    def _clear(self) -> None:
        for name in list(self._chosen):
            if name in self._cards:
                self._cards[name].select(False)
            self._select(name, chosen=False)

    def _retry(self) -> None:
        ask_retry(self._ctx, sorted(self._chosen), after=self._acted)

    def _drop(self) -> None:
        ask_drop(self._ctx, sorted(self._chosen), after=self._acted)

    async def _acted(self) -> None:
        self._clear()
        await self.step()

    async def _tell_empty(self) -> None:
        if self._cards:
            self._empty.show(False)
            return
        why, way, address = await self._why_empty()
        self._empty.show(True)
        if why == self._empty_told:
            return
        self._empty_told = why
        self._empty.clear()
        with self._empty:
            icon("face_retouching_off", classes="vg-empty__sign")
            node("p", self._ctx.say(NO_MATCH if self._wish.filters else NONE_YET))
            if why:
                node("p", self._ctx.say(why), classes="vg-muted")
            if way:
                node("a", self._ctx.say(way), classes="vg-button", href=address)

    async def _why_empty(self) -> tuple[str, str, str]:
        if self._wish.filters:
            return "", "", ""
        status = await off_loop(self._ctx.parts.view.status)
        if status["cameras_live"] == 0:
            return NO_LIVE, TO_OVERVIEW, "/"
        if status["ledger"]["faces"] == 0:
            return NO_FACES, TO_OVERVIEW, "/"
        return NOT_WORTH, TO_WHY, "/why"
