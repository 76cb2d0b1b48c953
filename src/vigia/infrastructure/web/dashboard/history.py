"""A capture's life as a list of moments: seen, on disk, tried, ended."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import LocalTime, icon, node
from vigia.infrastructure.web.dashboard.formats import number, seconds

SEEN: Final = mark("Seen by the camera")
COMMITTED: Final = mark("On disk")
TRIED: Final = mark("Tried %(count)s times")
TRIED_ONCE: Final = mark("Tried once")
MAYBE_SENT: Final = mark("An attempt may have arrived: it is looked up before it is sent again.")
DUE: Final = mark("Next attempt in %(wait)s")
DUE_NOW: Final = mark("Due now")
ENDED: Final = {
    "delivered": (mark("Taken by FindFace"), "check_circle"),
    "refused": (mark("Refused by FindFace"), "block"),
    "dead": (mark("Given up"), "error"),
}
UNSENT: Final = frozenset({"pending", "leased", "dead"})
AFTER: Final = mark("%(time)s after it was seen")


def fate_history(ctx: PageContext, row: Mapping[str, Any]) -> None:
    """The list."""
    language, state = ctx.language, str(row["state"])
    with node("ol", classes="vg-life", testid="history"):
        _moment("visibility", ctx.say(SEEN), row["at_utc"])
        _moment("save", ctx.say(COMMITTED), row["committed_at_utc"], note=_after(ctx, row, "committed_at_utc"))
        attempts = int(row["attempts"])
        if attempts:
            told = ctx.say(TRIED_ONCE) if attempts == 1 else ctx.say(TRIED, count=number(attempts, language))
            _moment("send", told, None, note=ctx.say(MAYBE_SENT) if row["maybe_sent"] and state in UNSENT else "")
        if state == "pending":
            due_s = row["due_in_s"]
            told = ctx.say(DUE, wait=seconds(due_s, language)) if due_s else ctx.say(DUE_NOW)
            _moment("schedule", told, None)
        if state in ENDED:
            text, sign = ENDED[state]
            _moment(sign, ctx.say(text), row["ended_at_utc"], note=_after(ctx, row, "ended_at_utc"))


def _moment(sign: str, text: str, at: str | None, *, note: str = "") -> None:
    with node("li"):
        icon(sign)
        with node("div"):
            node("span", text, classes="vg-strong")
            if at is not None:
                node("span", " ")
                LocalTime(at)
            if note:
                node("p", note, classes="vg-muted vg-small")


def _after(ctx: PageContext, row: Mapping[str, Any], name: str) -> str:
    passed_s = passed(row["at_utc"], row[name])
    return "" if passed_s is None else ctx.say(AFTER, time=seconds(passed_s, ctx.language))


def passed(began: str | None, ended: str | None) -> float | None:
    """Seconds from one moment to another, both ISO 8601; None where one is missing or they are out of order."""
    if not began or not ended:
        return None
    length_s = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    return length_s if length_s >= 0.0 else None
