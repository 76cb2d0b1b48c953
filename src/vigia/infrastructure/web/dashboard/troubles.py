"""What is wrong with the run as a whole, in words, and what it means for the person who reads it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vigia.application.site_view import Readiness
from vigia.infrastructure.i18n import mark

DOWN_STATES: Final = frozenset({"stalled", "unreachable", "auth_failed"})
"""A camera in one of them delivers nothing although it should."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong. ``title`` and ``meaning`` are ids of the catalogue, with ``facts`` to fill in."""

    code: str
    title: str
    meaning: str
    bad: bool = True
    facts: tuple[tuple[str, object], ...] = ()
    since_utc: str | None = None
    cause: Mapping[str, Any] | None = None
    """Told in the place of the fact ``cause``: a reason in any language."""


STOPPED: Final = Trouble(
    "stopped",
    mark("A part of vigia has stopped"),
    mark("What it did is not done any more. The log tells why; start vigia again."),
)
KNOWN: Final = {
    "outbox_unavailable": Trouble(
        "outbox_unavailable",
        mark("The outbox does not answer"),
        mark("Captures cannot be kept while this lasts, and passages of now may be lost. The log tells why."),
    ),
    "disk_full": Trouble(
        "disk_full",
        mark("The disk has next to no room left"),
        mark("New captures may not be kept, or older ones given up for them. Make room, or let vigia keep less."),
    ),
    "cameras_unknown": Trouble(
        "cameras_unknown",
        mark("There is no camera in the list"),
        mark("Nothing is watched. The list comes from FindFace or the configuration: look at both, and the log."),
        bad=False,
    ),
}
"""By the code of ``Readiness``, the worst first. FindFace being away is told by what the senders say of it."""


def in_trouble(camera: Mapping[str, Any]) -> bool:
    """Whether a camera is worth a look: it delivers nothing, or something is wrong with what it delivers."""
    state = camera["state"]
    return state in DOWN_STATES or state == "degraded" or bool(camera["alarms"]) or camera.get("load") == "skipping"


def troubles(status: Mapping[str, Any], cameras: Sequence[Mapping[str, Any]], readiness: Readiness) -> list[Trouble]:
    """What to tell, the worst first."""
    codes = {str(reason["code"]) for reason in readiness.reasons}
    found = [] if readiness.alive else [STOPPED]
    found += [trouble for code, trouble in KNOWN.items() if code in codes]
    delivery = status["delivery"]
    if delivery["state"] == "down":
        found.append(
            Trouble(
                "findface_down",
                mark("FindFace does not answer"),
                mark("Captures wait on disk and are sent when it is back; nobody has to act. Cause: %(cause)s"),
                facts=(("cause", delivery["cause"] or "?"),),
                since_utc=delivery["down_since_utc"],
                cause=delivery.get("reason"),
            )
        )
    down = sum(camera["state"] in DOWN_STATES for camera in cameras)
    if down:
        found.append(
            Trouble(
                "cameras_down",
                mark("Cameras that deliver nothing: %(down)d of %(all)d"),
                mark("Nobody is seen there. vigia keeps trying to reach them; each card tells why it cannot."),
                facts=(("down", down), ("all", len(cameras))),
            )
        )
    if status["lost"]:
        found.append(
            Trouble(
                "lost",
                mark("Captures that were lost: %(lost)d"),
                mark("They could not be put on disk. The log has a line for each."),
                facts=(("lost", status["lost"]),),
            )
        )
    return found
