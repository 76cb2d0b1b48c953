"""A camera's health: every change of its state, in words, and how long each lasted."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.camera_card import ALARMS
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import LocalTime, icon, node
from vigia.infrastructure.web.dashboard.formats import seconds
from vigia.infrastructure.web.dashboard.history import passed
from vigia.infrastructure.web.dashboard.parts import section, table_head
from vigia.infrastructure.web.dashboard.shell import state_badge
from vigia.infrastructure.web.dashboard.states import told

HEALTH: Final = mark("Health")
HINT: Final = mark("The latest changes since the start, the newest first.")
TIME: Final = mark("When")
WHAT: Final = mark("What happened")
LASTED: Final = mark("Lasted")
SO_FAR: Final = mark("%(time)s so far")
BEGAN: Final = mark("Seen for the first time")
ALARM: Final = mark("Alarm: %(what)s")
ALARM_OVER: Final = mark("Over: %(what)s")


def lengths_of(history: Sequence[Mapping[str, Any]], now_utc: str) -> list[tuple[float | None, bool]]:
    """How long the state after each event lasted, seconds, and whether it still does; None for what is no state. Pure.

    ``history`` is in order of time; an alarm does not end a state.
    """
    found: list[tuple[float | None, bool]] = []
    ends, open_still = now_utc, True
    for event in reversed(history):
        if event["alarm"] is not None:
            found.append((None, False))
            continue
        found.append((passed(event["at_utc"], ends), open_still))
        ends, open_still = event["at_utc"], False
    return found[::-1]


class HealthHistory:
    """Owner: the page's tasks. Bounds: the events that a camera is told with."""

    def __init__(self, ctx: PageContext) -> None:
        self._ctx = ctx
        self._told: Sequence[Mapping[str, Any]] = ()
        self._open: Any = None
        self._since = ""
        with section(ctx.say(HEALTH), testid="health"):
            node("p", ctx.say(HINT), classes="vg-muted vg-small")
            with node("div", classes="vg-scroll"), node("table", classes="vg-table vg-table--cells"):
                table_head([(ctx.say(TIME), False), (ctx.say(WHAT), False), (ctx.say(LASTED), True)])
                self._body = node("tbody")

    def tell(self, camera: Mapping[str, Any]) -> None:
        """Show what is known of it now."""
        history = camera["history"]
        if history != self._told:
            self._told = history
            self._draw(history)
        if self._open is not None:
            length_s = passed(self._since, datetime_now(self._ctx))
            self._open.text = self._ctx.say(SO_FAR, time=seconds(length_s, self._ctx.language))

    def _draw(self, history: Sequence[Mapping[str, Any]]) -> None:
        self._open = None
        self._body.clear()
        lengths = lengths_of(history, datetime_now(self._ctx))
        with self._body:
            for event, (length_s, still) in reversed(list(zip(history, lengths, strict=True))):
                with node("tr", testid="health-event", data_state=event["state"]):
                    with node("td"):
                        LocalTime(event["at_utc"])
                    with node("td"):
                        self._what(event)
                    text = "" if length_s is None else seconds(length_s, self._ctx.language)
                    cell = node("td", text, classes="vg-num")
                    if still:
                        self._open, self._since = cell, event["at_utc"]

    def _what(self, event: Mapping[str, Any]) -> None:
        say, why = self._ctx.say, told(self._ctx, event["reason"])
        if event["alarm"] is None:
            state_badge(self._ctx, event["state"])
            if why:
                node("div", why, classes="vg-small vg-muted")
            elif event["before"] is None:
                node("div", say(BEGAN), classes="vg-small vg-muted")
            return
        text = say(
            ALARM if event["raised"] else ALARM_OVER, what=why or say(ALARMS.get(event["alarm"], event["alarm"]))
        )
        with node("span", classes=f"vg-badge vg-badge--{'warn' if event['raised'] else 'idle'}"):
            icon("notification_important" if event["raised"] else "notifications_off")
            node("span", text)


def datetime_now(ctx: PageContext) -> str:
    """This moment, as events have theirs."""
    now: datetime = ctx.parts.clock.utc()
    return now.astimezone(UTC).isoformat()
