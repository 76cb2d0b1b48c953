"""States in words, with a colour and a sign: a colour alone tells nothing to one man in twelve."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vigia.application.camera_health import STATE_NAMES
from vigia.application.use_cases.stream_camera import CameraState
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import Node, icon, node


@dataclass(frozen=True, slots=True)
class StateLook:
    """How a state is shown."""

    name: str
    """English; the catalogue's message id."""
    kind: str
    """``ok``, ``warn``, ``bad`` or ``idle``: the badge's colour."""
    sign: str
    """Of the icon font."""


_CAMERA: Final = {
    CameraState.CONNECTING: ("idle", "sync"),
    CameraState.LIVE: ("ok", "check_circle"),
    CameraState.DEGRADED: ("warn", "warning"),
    CameraState.STALLED: ("bad", "pause_circle"),
    CameraState.UNREACHABLE: ("bad", "link_off"),
    CameraState.AUTH_FAILED: ("bad", "lock"),
    CameraState.DISABLED: ("idle", "block"),
    CameraState.ENDED: ("idle", "stop_circle"),
}
LOOKS: Final[Mapping[str, StateLook]] = {
    **{state.value: StateLook(STATE_NAMES[state].template, kind, sign) for state, (kind, sign) in _CAMERA.items()},
    "pending": StateLook(mark("Waiting"), "idle", "schedule"),
    "leased": StateLook(mark("Being sent"), "idle", "upload"),
    "delivered": StateLook(mark("Delivered"), "ok", "check_circle"),
    "refused": StateLook(mark("Refused"), "warn", "block"),
    "dead": StateLook(mark("Given up"), "bad", "error"),
    "full": StateLook(mark("in full"), "ok", "check_circle"),
    "reduced": StateLook(mark("less closely"), "warn", "trending_down"),
    "skipping": StateLook(mark("skipping"), "bad", "fast_forward"),
    "ok": StateLook(mark("answers"), "ok", "check_circle"),
    "down": StateLook(mark("does not answer"), "bad", "cloud_off"),
}
UNKNOWN: Final = StateLook(mark("unknown"), "idle", "help")


def look_of(state: str) -> StateLook:
    """How a state is shown; one that is not known is shown as that."""
    return LOOKS.get(state, UNKNOWN)


def told(ctx: PageContext, reason: Mapping[str, Any] | None) -> str:
    """A reason, ``{"template", "facts"}``, in the reader's language; nothing where there is none.

    Facts stay as they are: names, addresses and what others said, of which one may read like a text of ours.
    """
    if not reason:
        return ""
    try:
        return ctx.say(str(reason["template"]), **reason["facts"])
    except (KeyError, TypeError, ValueError):  # a text that does not fit its facts is better than none
        return str(reason["template"])


class StateBadge(Node):
    """A state with its sign, its word and, where given, the reason. Replaced in place by ``tell``."""

    def __init__(self, ctx: PageContext, state: str, reason: Mapping[str, Any] | None = None) -> None:
        super().__init__(tag="span", text="")
        self._ctx = ctx
        with self:
            self._sign = icon("help")
            self._word = node("span", classes="vg-badge__word")
            self._why = node("span", classes="vg-badge__why")
        self.tell(state, reason)

    def tell(self, state: str, reason: Mapping[str, Any] | None = None) -> None:
        """Show another state."""
        look = look_of(state)
        why = told(self._ctx, reason)
        self.look(f"vg-badge vg-badge--{look.kind}")
        self.set("data-state", state)
        self._sign.text = look.sign
        self._word.text = self._ctx.say(look.name)
        self._why.text = why
        self._why.show(bool(why))


def state_badge(ctx: PageContext, state: str, *, reason: Mapping[str, Any] | None = None) -> StateBadge:
    """A state of a camera, of a capture, of its load, or of FindFace."""
    return StateBadge(ctx, state, reason)
