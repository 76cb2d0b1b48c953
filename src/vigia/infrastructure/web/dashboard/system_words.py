"""What load control decided, in words. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from vigia.application.load_control import DecisionKind
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.formats import number, percent, seconds

EVERY_FRAME: Final = mark("detection in every frame")
ONE_IN: Final = mark("detection in one frame of %(k)s")
SMALLER: Final = mark("%(look)s, in an input of %(scale)s of its width")
PLANNED: Final = mark("Planned at the start: %(look)s")
WAITED: Final = mark("Frames waited for %(waited)s: %(look)s from now on")
PREDICTED: Final = mark("More work than time, as measured: %(look)s from now on")
RESTORED: Final = mark("Room again: %(look)s from now on")
SKIPPING: Final = mark("Frames waited for %(waited)s and no step is left: cameras skip to their next key frame")
_WAITING: Final = "frames_wait"


def look_told(ctx: PageContext, k: int, scale: float) -> str:
    """How closely a shard looks."""
    look = ctx.say(EVERY_FRAME) if k <= 1 else ctx.say(ONE_IN, k=number(k, ctx.language))
    return look if scale >= 1.0 else ctx.say(SMALLER, look=look, scale=percent(scale, ctx.language))


def decision_told(ctx: PageContext, decision: Mapping[str, Any]) -> str:
    """One decision, as a sentence without its end."""
    look = look_told(ctx, int(decision["k"]), float(decision["scale"]))
    waited = seconds(decision["waited_s"], ctx.language)
    kind = decision["kind"]
    if kind == DecisionKind.PLANNED:
        return ctx.say(PLANNED, look=look)
    if kind == DecisionKind.SKIPPING:
        return ctx.say(SKIPPING, waited=waited)
    if kind == DecisionKind.RESTORED:
        return ctx.say(RESTORED, look=look)
    return ctx.say(WAITED if decision["reason"] == _WAITING else PREDICTED, look=look, waited=waited)
