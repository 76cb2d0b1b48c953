"""What operators do with captures: send again and remove. Each is asked for first, and told afterwards."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from vigia.application.use_cases.operate import Act, ActResult
from vigia.domain.capture import CaptureId
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.shell import ask_first, off_loop, tell

RETRY: Final = mark("Send again")
DROP: Final = mark("Remove")
ASK_RETRY: Final = mark("Send to FindFace again? (%(count)d)")
ASK_RETRY_WHY: Final = mark(
    "They wait on disk again and are sent next. One that FindFace refused will likely be refused again."
)
ASK_DROP: Final = mark("Remove for good? (%(count)d)")
ASK_DROP_WHY: Final = mark("They and their pictures are deleted and cannot be brought back.")
DONE_RETRY: Final = mark("Sent again: %(count)d")
DONE_DROP: Final = mark("Removed: %(count)d")
NOT_DONE: Final = mark("Not done: %(count)d (%(why)s)")
RESULTS: Final = {
    ActResult.UNKNOWN: mark("no longer there"),
    ActResult.WRONG_STATE: mark("its state does not allow it"),
    ActResult.PICTURE_GONE: mark("its picture is gone"),
    ActResult.UNAVAILABLE: mark("the outbox does not answer"),
}
NOT_ALLOWED: Final = mark("Only operators may do this.")
RETRIED_FROM: Final = frozenset({"refused", "dead"})
"""States of which a capture can be sent again."""

After = Callable[[], Awaitable[None]]


def ask_retry(ctx: PageContext, ids: Sequence[str], *, after: After) -> None:
    """Ask, then make refused and dead captures wait again."""
    say = ctx.say

    async def act() -> None:
        await _do(ctx, ids, done=DONE_RETRY, do=ctx.parts.operate.retry, after=after)

    ask_first(ctx, question=say(ASK_RETRY, count=len(ids)), detail=say(ASK_RETRY_WHY), act_label=say(RETRY), on_yes=act)


def ask_drop(ctx: PageContext, ids: Sequence[str], *, after: After) -> None:
    """Ask, then remove captures and their pictures."""
    say = ctx.say

    async def act() -> None:
        await _do(ctx, ids, done=DONE_DROP, do=ctx.parts.operate.drop, after=after)

    ask_first(ctx, question=say(ASK_DROP, count=len(ids)), detail=say(ASK_DROP_WHY), act_label=say(DROP), on_yes=act)


async def carry_out(
    ctx: PageContext, ids: Sequence[str], *, done: str, do: Callable[..., list[Act]]
) -> list[Act] | None:
    """Do what was confirmed, and tell how often it went well; None where this person may not (any more)."""
    if not ctx.may_act:
        tell(ctx, ctx.say(NOT_ALLOWED), bad=True)
        return None
    acts = await off_loop(do, [CaptureId(one) for one in ids], who=ctx.session.person)
    well = sum(act.result is ActResult.OK for act in acts)
    if well:
        tell(ctx, ctx.say(done, count=well))
    return acts


async def _do(ctx: PageContext, ids: Sequence[str], *, done: str, do: Callable[..., list[Act]], after: After) -> None:
    acts = await carry_out(ctx, ids, done=done, do=do)
    if acts is None:
        return
    results = Counter(act.result for act in acts)
    for result, why in RESULTS.items():
        if results[result]:
            tell(ctx, ctx.say(NOT_DONE, count=results[result], why=ctx.say(why)), bad=True)
    await after()
