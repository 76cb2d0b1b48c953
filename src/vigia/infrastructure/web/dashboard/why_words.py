"""The ledger's words for people: every column of the table, and every reason with what it means and what to do."""

from dataclasses import dataclass
from typing import Final

from vigia.domain.ledger import FilterReason, FrameFate, TrackFate
from vigia.infrastructure.i18n import mark


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table."""

    key: str
    name: str
    meaning: str
    kind: str = ""
    """``bad`` or ``warn``: what is not zero stands out."""


FRAMES: Final = (
    Column(FrameFate.DETECTED, mark("detected"), mark("Decoded, and faces were looked for.")),
    Column(FrameFate.TRACKED, mark("tracked"), mark("Decoded, between two looks: known faces are followed.")),
    Column(FrameFate.QUIET, mark("quiet"), mark("Decoded; nothing moved and nobody was followed.")),
    Column(FrameFate.SKIPPED, mark("skipped"), mark("Not looked at; a click tells why."), "warn"),
    Column(FrameFate.CORRUPT, mark("corrupt"), mark("The decoder made nothing of it, or a damaged picture."), "bad"),
)
REASONS: Final = (
    Column(
        FilterReason.TOO_FEW_EVENTS,
        mark("found too few times"),
        mark("A face that is found once only is a false find more often than a person."),
    ),
    Column(
        FilterReason.TOO_SMALL,
        mark("face too small"),
        mark(
            "FindFace takes no faces below 50 px, and recognises small ones badly. A camera closer by, or zoom, helps."
        ),
    ),
    Column(FilterReason.TOO_LARGE, mark("face too large"), mark("Larger than a face can be at this place.")),
    Column(
        FilterReason.OUTSIDE_ROI,
        mark("outside the region"),
        mark("Never seen inside the region from which faces are sent."),
    ),
    Column(
        FilterReason.POOR_QUALITY,
        mark("poor quality"),
        mark("Too blurred, dark or turned away, or the detector was not sure. Light and the camera's place help most."),
    ),
    Column(
        FilterReason.DID_NOT_MOVE,
        mark("did not move"),
        mark("A face that never moves is a picture on a wall more often than a person."),
    ),
    Column(
        FilterReason.NO_PICTURE,
        mark("no picture"),
        mark("No picture of it was left to send: memory was short, or the stream was cut."),
        "warn",
    ),
    Column(
        FilterReason.DUPLICATE,
        mark("seen already"),
        mark("The same passage was captured a moment before, under another track."),
    ),
    Column(
        TrackFate.LOST,
        mark("lost on the way"),
        mark("Worth sending, and none of its shots could be handed on. The log has a line for each."),
        "bad",
    ),
)
"""Why a track was not sent."""
TRACKS: Final = (
    Column(TrackFate.CAPTURED, mark("captured"), mark("A shot of it at least was kept to be sent.")),
    *REASONS,
)
CAPTURES: Final = (
    Column("waiting", mark("waiting"), mark("On disk, to be sent.")),
    Column("delivered", mark("delivered"), mark("Taken by FindFace since the start.")),
    Column("refused", mark("refused"), mark("FindFace will not take them; each tells why."), "warn"),
    Column("dead", mark("given up"), mark("Not sent any more unless an operator says so; each tells why."), "bad"),
)
SKIPS: Final = {
    "no_key_frame": (
        mark("before a key frame"),
        mark("Nothing can be made of a stream before its next key frame: after a connection, a gap, or a skip."),
    ),
    "overload": (
        mark("overload"),
        mark("The machine has more to do than time: fewer cameras, more cores, or a larger detector.min_face_px help."),
    ),
    "queue_full": (mark("queue full"), mark("The worker did not keep up, and the camera's queue overflowed.")),
    "memory": (mark("memory"), mark("The memory limit was passed, and waiting packets were given back.")),
    "no_decoder": (mark("no decoder"), mark("There is no decoder for what this camera sends.")),
    "stopped": (mark("vigia was stopped"), mark("Still in the queue when the time to stop was over.")),
    "worker_died": (mark("a worker died"), mark("They were inside a worker that ended unexpectedly.")),
}
"""Why a packet was skipped: name and meaning."""


def column_of(key: str) -> Column | None:
    """The reason of this name."""
    return next((column for column in REASONS if column.key == key), None)
