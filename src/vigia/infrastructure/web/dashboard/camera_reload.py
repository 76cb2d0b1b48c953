"""For operators: have the settings and the camera list read again."""

from typing import Final

from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.acts import NOT_ALLOWED
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import Node, icon, node
from vigia.infrastructure.web.dashboard.shell import off_loop, tell

RELOAD: Final = mark("Read settings and camera list again")
ASKED: Final = mark("They are read again now. What is wrong with them, the log tells.")


def reload_button(ctx: PageContext) -> Node:
    """The button; only where ``ctx.may_act``."""
    with node("button", type="button", classes="vg-button vg-button--long", testid="reload-cameras") as button:
        icon("sync")
        node("span", ctx.say(RELOAD))

    async def act() -> None:
        if not ctx.may_act:
            tell(ctx, ctx.say(NOT_ALLOWED), bad=True)
            return
        await off_loop(ctx.parts.operate.reload, who=ctx.session.person)
        tell(ctx, ctx.say(ASKED))

    button.on("click", act)
    return button
