"""Delivery: whether FindFace takes what is sent, how fast, what lies on disk, and what waits or was given up."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any, Final

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.capture_card import CODES
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.delivery_table import WaitingTable
from vigia.infrastructure.web.dashboard.elements import LocalTime, node
from vigia.infrastructure.web.dashboard.formats import DASH, number, seconds, size
from vigia.infrastructure.web.dashboard.parts import Facts, Figures, add_looks, section
from vigia.infrastructure.web.dashboard.shell import OUTBOX_AWAY, every, off_loop, page_shell, state_badge
from vigia.infrastructure.web.dashboard.states import told

TITLE: Final = mark("Delivery")
FINDFACE: Final = mark("FindFace now")
SINCE: Final = mark("Since")
UP: Final = mark("Captures are sent as they come.")
SLOWER: Final = mark("FindFace sets the pace: only %(allowed)s of %(all)s senders may ask it at once now.")
CAUSE: Final = mark("Cause: %(cause)s")
MEANWHILE: Final = mark(
    "Meanwhile captures are kept on disk (%(waiting)s wait now) and sent when it is back, the oldest first. "
    "vigia tries by itself; nobody has to do anything here."
)
ROOM: Final = mark("%(free)s are free on the disk.")
OUTBOX: Final = mark("On disk")
FIGURES: Final = (
    ("senders", mark("Senders"), mark("How many may ask FindFace at once now, of how many there are.")),
    ("in-flight", mark("Being sent"), ""),
    ("rate", mark("Delivered a minute"), mark("Over the last minute.")),
    ("answer", mark("FindFace's answer"), mark("How long a post takes, median, since the start.")),
    ("arrival", mark("Seen to taken"), mark("From the moment the capture shows until FindFace has it, median.")),
    ("attempts", mark("Attempts"), mark("Posts since the start, whatever came of them.")),
    ("failures", mark("Failed attempts"), mark("No answer, or an error that is not about the capture: tried again.")),
    ("found", mark("Found delivered"), mark("An attempt without an answer had arrived after all.")),
)
P95: Final = mark("p95 %(time)s")
KEPT: Final = {
    "pending": mark("To be sent"),
    "leased": mark("On their way"),
    "refused": mark("Refused, kept"),
    "dead": mark("Given up, kept"),
    "delivered": mark("Delivered, kept as numbers"),
}
OLDEST: Final = mark("Oldest waiting")
BYTES: Final = mark("Pictures")
FREE: Final = mark("Free on disk")
GIVEN_UP: Final = mark("Given up in this run")
REFUSED: Final = mark("refused by FindFace")
PUT_BACK: Final = mark("Sent again by a person")
DROPPED: Final = mark("Removed by a person")
STEP_S: Final = 2.0
MINUTE_S: Final = 60.0


async def build(ctx: PageContext, asked: Mapping[str, str]) -> None:
    """The page at ``/delivery``."""
    add_looks()
    with page_shell(ctx, title=ctx.say(TITLE), current="delivery"):
        state = Findface(ctx)
        figures = Figures(
            [(key, ctx.say(name), ctx.say(hint) if hint else "") for key, name, hint in FIGURES], testid="figures"
        )
        with node("div", classes="vg-columns"):
            outbox = Outbox(ctx)
        table = WaitingTable(ctx, asked)

        async def step() -> None:
            seen = await off_loop(_read, ctx)
            state.tell(seen)
            _tell_figures(ctx, figures, seen)
            outbox.tell(seen)
            await table.step(seen["kept"])

        await step()
        every(STEP_S, step)


def _read(ctx: PageContext) -> dict[str, Any]:
    system = ctx.parts.system
    outbox = system.outbox()
    rates = [rate for rate in system.history(span_s=MINUTE_S)["delivered_per_s"] if rate is not None]
    return {
        "status": ctx.parts.view.status(),
        "latency": system.latency(),
        "outbox": outbox,
        "kept": None if outbox is None else outbox["kept"],
        "per_minute": MINUTE_S * fmean(rates) if rates else None,
    }


class Findface:
    """How FindFace is doing, in words. Owner: the page's tasks."""

    def __init__(self, ctx: PageContext) -> None:
        self._ctx = ctx
        with section(ctx.say(FINDFACE), testid="findface"):
            with node("p", classes="vg-row"):
                self._badge = state_badge(ctx, "ok")
                with node("span", classes="vg-muted") as self._since:
                    node("span", f"{ctx.say(SINCE)} ")
                    self._time = LocalTime(None)
                    self._lasts = node("span", classes="vg-num")
            self._cause = node("p", testid="findface-cause")
            self._means = node("p", testid="findface-means")
            self._room = node("p", classes="vg-muted")

    def tell(self, seen: Mapping[str, Any]) -> None:
        """Show what is now."""
        say, language = self._ctx.say, self._ctx.language
        status, outbox = seen["status"], seen["outbox"]
        delivery = status["delivery"]
        down = delivery["state"] == "down"
        self._badge.tell(delivery["state"])
        self._since.show(down)
        self._time.tell(delivery["down_since_utc"])
        cause = told(self._ctx, delivery.get("reason")) or delivery["cause"]
        self._cause.text = say(CAUSE, cause=cause)
        self._cause.show(down and bool(cause))
        if down:
            self._means.text = say(MEANWHILE, waiting=number(status["unsent"], language))
        elif delivery["senders_allowed"] < delivery["senders_max"]:
            self._means.text = say(
                SLOWER,
                allowed=number(delivery["senders_allowed"], language),
                all=number(delivery["senders_max"], language),
            )
        else:
            self._means.text = say(UP)
        free = None if outbox is None else outbox["disk_free_bytes"]
        self._room.text = say(ROOM, free=size(free, language))
        self._room.show(down and free is not None)


def _tell_figures(ctx: PageContext, figures: Figures, seen: Mapping[str, Any]) -> None:
    language, delivery, latency = ctx.language, seen["status"]["delivery"], seen["latency"]

    def ms(value: float | None) -> str:
        return DASH if value is None else seconds(value / 1e3, language)

    def long(value_s: float | None) -> str:
        return seconds(value_s, language)

    def p95(text: str) -> str:
        return "" if text == DASH else ctx.say(P95, time=text)

    allowed, most = delivery["senders_allowed"], delivery["senders_max"]
    figures.tell("senders", f"{number(allowed, language)} / {number(most, language)}")
    figures.tell("in-flight", number(delivery["in_flight"], language))
    figures.tell("rate", number(seen["per_minute"], language, digits=1))
    figures.tell("answer", ms(latency["post_p50_ms"]), p95(ms(latency["post_p95_ms"])))
    figures.tell("arrival", long(latency["arrival_p50_s"]), p95(long(latency["arrival_p95_s"])))
    figures.tell("attempts", number(delivery["attempts"], language))
    figures.tell("failures", number(delivery["failures"], language))
    figures.tell("found", number(delivery["looked_up"], language))


class Outbox:
    """What lies on disk. Owner: the page's tasks."""

    def __init__(self, ctx: PageContext) -> None:
        self._ctx = ctx
        say = ctx.say
        with section(say(OUTBOX), testid="outbox"):
            self._away = node("p", say(OUTBOX_AWAY), classes="vg-muted", testid="outbox-away")
            self._kept = Facts(
                [*((f"kept-{state}", say(name)) for state, name in KEPT.items()),
                 ("oldest", say(OLDEST)), ("bytes", say(BYTES)), ("free", say(FREE))]
            )  # fmt: skip
        with section(say(GIVEN_UP), testid="given-up"):
            self._given_up = Facts(
                [*((f"given-{code}", say(name)) for code, name in CODES.items()),
                 ("refused", say(REFUSED)), ("put-back", say(PUT_BACK)), ("dropped", say(DROPPED))]
            )  # fmt: skip

    def tell(self, seen: Mapping[str, Any]) -> None:
        """Show what is now."""
        language, outbox, status = self._ctx.language, seen["outbox"], seen["status"]
        self._away.show(outbox is None)
        self._kept.element.show(outbox is not None)
        if outbox is not None:
            kept = {f"kept-{state}": number(outbox["kept"].get(state, 0), language) for state in KEPT}
            oldest_s = outbox["oldest_waiting_s"]
            self._kept.tell(
                **kept,
                oldest=seconds(oldest_s, language),
                bytes=size(outbox["picture_bytes"], language),
                free=size(outbox["disk_free_bytes"], language),
            )
        given_up = status["outbox"]["given_up"]
        counts = {code: given_up.get(code, 0) for code in CODES}
        counts["delivery"] += status["delivery"]["dead"]
        self._given_up.tell(**{f"given-{code}": number(count, language) for code, count in counts.items()})
        self._given_up.tell(
            **{
                "refused": number(status["delivery"]["refused"], language),
                "put-back": number(status["outbox"]["put_back"], language),
                "dropped": number(status["outbox"]["dropped"], language),
            }
        )
