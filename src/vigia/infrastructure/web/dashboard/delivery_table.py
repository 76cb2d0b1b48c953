"""Captures that wait, were refused or were given up: why, what comes next, and what an operator may do with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from nicegui.events import GenericEventArguments

from vigia.application.gallery_view import FeedQuery
from vigia.application.use_cases.operate import Act, ActResult
from vigia.domain.capture import CaptureState
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.acts import (
    ASK_DROP,
    ASK_DROP_WHY,
    ASK_RETRY,
    ASK_RETRY_WHY,
    DONE_DROP,
    DONE_RETRY,
    DROP,
    RESULTS,
    RETRIED_FROM,
    RETRY,
    carry_out,
)
from vigia.infrastructure.web.dashboard.capture_card import SELECT, face_picture, why_told
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import LocalTime, Node, icon, node
from vigia.infrastructure.web.dashboard.formats import DASH, number, seconds
from vigia.infrastructure.web.dashboard.parts import table_head
from vigia.infrastructure.web.dashboard.shell import ask_first, off_loop

HEADING: Final = mark("Captures that are not delivered")
TABS: Final = {
    "pending": mark("Waiting (%(count)s)"),
    "refused": mark("Refused (%(count)s)"),
    "dead": mark("Given up (%(count)s)"),
}
NONE: Final = {
    "pending": mark("Nothing waits."),
    "refused": mark("FindFace refused none of those that are kept."),
    "dead": mark("None of those that are kept was given up."),
}
FACE: Final = mark("Face")
SEEN: Final = mark("Seen")
REASON: Final = mark("Reason")
ATTEMPTS: Final = mark("Attempts")
NEXT_TRY: Final = mark("Next try")
NOW: Final = mark("now")
IN: Final = mark("in %(time)s")
DOUBTFUL: Final = mark("An attempt may have arrived: it is looked up first.")
NOT_TRIED: Final = mark("Not tried yet")
SELECTED: Final = mark("Selected: %(count)d")
SELECT_ALL: Final = mark("Select all on this page")
OLDER: Final = mark("Older ones")
NEWEST: Final = mark("The newest")
FAILED: Final = mark("Not done:")
CLOSE: Final = mark("Close")
PER_PAGE: Final = 25
SEQ_MAX: Final = 2**62


@dataclass(frozen=True, slots=True)
class Wish:
    """What the address asks for."""

    state: CaptureState = CaptureState.PENDING
    before: int | None = None

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "Wish":
        """Whatever makes no sense counts as not asked."""
        state, before = asked.get("state", ""), asked.get("before", "")
        usable = before.isascii() and before.isdigit() and len(before) < 20
        return cls(
            CaptureState(state) if state in TABS else CaptureState.PENDING,
            min(int(before), SEQ_MAX) if usable else None,
        )

    def address(self, *, state: str = "", before: int | None = None) -> str:
        """Where the same is shown with something changed."""
        values = {"state": state or self.state.value} | ({} if before is None else {"before": str(before)})
        return f"/delivery?{urlencode(values)}#not-delivered"


class WaitingTable:
    """Owner: the page's tasks. Bounds: PER_PAGE rows.

    Args:
        ctx: who looks; only operators select and act.
        asked: of the address.
    """

    def __init__(self, ctx: PageContext, asked: Mapping[str, str]) -> None:
        self._ctx, self._wish = ctx, Wish.of(asked)
        self._rows: dict[str, _Row] = {}
        self._known: dict[str, Mapping[str, Any]] = {}
        self._chosen: set[str] = set()
        self._tabs: dict[str, Node] = {}
        say, state = ctx.say, self._wish.state.value
        with node("section", classes="vg-card vg-card--flush", id="not-delivered", testid="not-delivered",
                  aria_label=say(HEADING)) as self.element:  # fmt: skip
            with node("div", classes="vg-head vg-pad"):
                node("h2", say(HEADING))
                with node("nav", classes="vg-row", aria_label=say(HEADING)):
                    for name in TABS:
                        self._tabs[name] = node(
                            "a", classes="vg-button", href=self._wish.address(state=name), testid=f"tab-{name}",
                            aria_current="page" if name == state else None,
                        )  # fmt: skip
            self._results = node("div", classes="vg-pad", role="status", testid="act-results")
            self._results.show(False)
            self._none = node("p", say(NONE[state]), classes="vg-muted vg-pad", testid="not-delivered-none")
            with (
                node("div", classes="vg-scroll") as self._frame,
                node("table", classes="vg-table vg-table--edge vg-stacked vg-stacked--three"),
            ):
                self._body = self._head()
            self._acts()
            with node("div", classes="vg-row vg-row--end vg-pad") as self._pager:
                self._newest = node("a", say(NEWEST), classes="vg-button", href=self._wish.address(), testid="newest")
                self._older = node("a", say(OLDER), classes="vg-button", testid="older")

    def _head(self) -> Node:
        say = self._ctx.say
        titles = [(say(FACE), False), (say(SEEN), False), (say(REASON), False), (say(ATTEMPTS), True)]
        if self._wish.state is CaptureState.PENDING:
            titles.append((say(NEXT_TRY), True))
        if self._ctx.may_act:
            titles.insert(0, ("", False))
        table_head(titles)
        return node("tbody")

    def _acts(self) -> None:
        self._count: Node | None = None
        if not self._ctx.may_act:
            return
        say = self._ctx.say
        with node("div", classes="vg-bulk", role="toolbar", testid="selection") as self._bar:
            self._all = node("button", say(SELECT_ALL), type="button", classes="vg-button", testid="select-all")
            self._all.on("click", self._select_all)
            self._retry_button = node("button", say(RETRY), type="button", classes="vg-button vg-button--act",
                                      testid="retry")  # fmt: skip
            self._retry_button.on("click", self._retry)
            self._retry_button.show(self._wish.state.value in RETRIED_FROM)
            self._drop_button = node(
                "button", say(DROP), type="button", classes="vg-button vg-button--bad", testid="drop"
            )
            self._drop_button.on("click", self._drop)
            self._count = node("span", classes="vg-num vg-muted", role="status")
        self._tell_chosen()

    async def step(self, kept: Mapping[str, int] | None) -> None:
        """Show what is now; ``kept`` says how many there are of each state, None that the outbox does not answer."""
        for name, tab in self._tabs.items():
            count = DASH if kept is None else number(kept.get(name, 0), self._ctx.language)
            tab.text = self._ctx.say(TABS[name], count=count)
        if kept is None:  # the page says that the outbox does not answer
            return
        query = FeedQuery(state=self._wish.state, before=self._wish.before, limit=PER_PAGE + 1)
        found = await off_loop(self._ctx.parts.gallery.feed, query)
        self._take(found[:PER_PAGE])
        more = len(found) > PER_PAGE
        self._older.show(more)
        if more:
            self._older.set("href", self._wish.address(before=int(found[PER_PAGE - 1]["seq"])))
        self._newest.show(self._wish.before is not None)
        self._pager.show(more or self._wish.before is not None)

    def _take(self, found: Sequence[Mapping[str, Any]]) -> None:
        self._known = {str(row["id"]): row for row in found}
        for gone in [name for name in self._rows if name not in self._known]:
            self._rows.pop(gone).element.delete()
            self._chosen.discard(gone)
        for place, (name, row) in enumerate(self._known.items()):
            if name in self._rows:
                self._rows[name].tell(row)
                continue
            with self._body:
                made = self._rows[name] = _Row(self._ctx, row, on_select=self._select if self._ctx.may_act else None)
            if place < len(self._rows) - 1:
                made.element.move(self._body, target_index=place)
        self._none.show(not found)
        self._frame.show(bool(found))
        self._tell_chosen()

    def _tell_chosen(self) -> None:
        if self._count is None:
            return
        count = len(self._chosen)
        self._bar.show(bool(self._rows))
        self._count.text = self._ctx.say(SELECTED, count=count)
        for button in (self._retry_button, self._drop_button):
            button.set("disabled", None if count else True)

    def _select(self, name: str, chosen: bool) -> None:
        self._chosen = self._chosen | {name} if chosen else self._chosen - {name}
        self._tell_chosen()

    def _select_all(self) -> None:
        whole = len(self._chosen) < len(self._rows)
        for row in self._rows.values():
            row.select(whole)
        self._chosen = set(self._rows) if whole else set()
        self._tell_chosen()

    def _retry(self) -> None:
        self._ask(ASK_RETRY, ASK_RETRY_WHY, RETRY, do=self._ctx.parts.operate.retry, done=DONE_RETRY)

    def _drop(self) -> None:
        self._ask(ASK_DROP, ASK_DROP_WHY, DROP, do=self._ctx.parts.operate.drop, done=DONE_DROP)

    def _ask(self, question: str, detail: str, label: str, *, do: Callable[..., list[Act]], done: str) -> None:
        say, ids = self._ctx.say, sorted(self._chosen)
        if not ids:
            return
        known = {name: self._known[name] for name in ids if name in self._known}  # some may be gone when it is done

        async def act() -> None:
            await self._do(ids, known, do=do, done=done)

        ask_first(
            self._ctx, question=say(question, count=len(ids)), detail=say(detail), act_label=say(label), on_yes=act
        )

    async def _do(
        self, ids: Sequence[str], known: Mapping[str, Mapping[str, Any]], *, do: Callable[..., list[Act]], done: str
    ) -> None:
        ctx = self._ctx
        acts = await carry_out(ctx, ids, done=done, do=do)
        if acts is None:
            return
        self._tell_failed([act for act in acts if act.result is not ActResult.OK], known)
        for act in acts:
            if act.id in self._rows:
                self._rows[act.id].select(False)
        self._chosen = set()
        outbox = await off_loop(ctx.parts.system.outbox)
        await self.step(None if outbox is None else outbox["kept"])

    def _tell_failed(self, failed: Sequence[Act], known: Mapping[str, Mapping[str, Any]]) -> None:
        """Which were not done, one by one, until somebody has read it."""
        self._results.clear()
        self._results.show(bool(failed))
        say = self._ctx.say
        with self._results, node("div", classes="vg-banner vg-banner--warn"):
            icon("warning")
            node("strong", say(FAILED))
            with node("div", classes="vg-banner__list"):
                with node("ul"):
                    for act in failed:
                        row = known.get(act.id)
                        with node("li", testid="act-failed", data_result=act.result.value):
                            node("span", "" if row is None else f"{row['camera_name']}, ")
                            LocalTime(None if row is None else row["at_utc"])
                            node("span", f": {say(RESULTS[act.result])}")
                close = node("button", say(CLOSE), type="button", classes="vg-button", testid="act-results-close")
                close.on("click", lambda: self._results.show(False))


class _Row:
    """One capture. Owner: the table."""

    def __init__(
        self, ctx: PageContext, row: Mapping[str, Any], *, on_select: Callable[[str, bool], None] | None
    ) -> None:
        self._ctx = ctx
        self._id = str(row["id"])
        self._box: Node | None = None
        self._next: Node | None = None
        self._face_kept: bool | None = None
        say, camera = ctx.say, str(row["camera_name"])
        with node("tr", testid=f"waiting-{self._id}") as self.element:
            if on_select is not None:
                self._box = self._tick(on_select)
            with node("td"):
                self._face = node("a", href=f"/captures/{self._id}", testid="capture-link")
            with node("td"):
                node("div", camera)
                LocalTime(row["at_utc"])
            self._why = node("td", classes="vg-reason vg-wide", testid="reason")
            self._attempts = node("td", classes="vg-num vg-wide", data_label=say(ATTEMPTS), testid="attempts")
            if row["state"] == CaptureState.PENDING:
                self._next = node("td", classes="vg-num vg-wide", data_label=say(NEXT_TRY), testid="next-try")
        self.tell(row)

    def _tick(self, on_select: Callable[[str, bool], None]) -> Node:
        with node("td", classes="vg-check-cell"):
            box = node("input", type="checkbox", classes="vg-check", aria_label=self._ctx.say(SELECT), testid="select")

        def changed(event: GenericEventArguments) -> None:
            box.set("checked", event.args is True)
            on_select(self._id, event.args is True)

        box.on("change", changed, js_handler="(event) => emit(event.target.checked)")
        return box

    def select(self, chosen: bool) -> None:
        """Set or take away the tick."""
        if self._box is not None:
            self._box.set("checked", chosen)

    def tell(self, row: Mapping[str, Any]) -> None:
        """Show what is now."""
        say, language = self._ctx.say, self._ctx.language
        self._tell_face(row)
        parts = [why_told(self._ctx, row) or (say(NOT_TRIED) if not row["attempts"] else "")]
        if row["maybe_sent"] and row["state"] == CaptureState.PENDING:
            parts.append(say(DOUBTFUL))
        self._why.text = " ".join(part for part in parts if part)
        self._attempts.text = number(row["attempts"], language)
        if self._next is not None:
            due_s = row["due_in_s"]
            self._next.text = DASH if due_s is None else say(IN, time=seconds(due_s, language)) if due_s else say(NOW)

    def _tell_face(self, row: Mapping[str, Any]) -> None:
        kept = bool(row["face_kept"])
        if kept == self._face_kept:
            return
        self._face_kept = kept
        self._face.clear()
        with self._face:
            address = f"/api/captures/{self._id}/face" if kept else None
            face_picture(self._ctx, address, str(row["camera_name"]), classes="vg-thumb")
