"""Why one of a track's looks was chosen: the sentence, and where each look stands in the chart. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vigia.infrastructure.i18n import mark

ONLY_ONE: Final = mark("It is the only look at this face that is kept.")
BEST: Final = mark("Of %(count)d looks at this face it has the highest quality: %(best)s; the next one has %(next)s.")
BEHIND: Final = mark("Where the others fall behind, it is mostly in: %(parts)s.")
LOOKED_CLOSER: Final = mark(
    "Another look has a higher score (%(next)s instead of %(best)s). The two best were compared once more from close "
    "up, and in this one the face is turned to the camera more."
)
SENT_TOO: Final = mark("Other shots of this track were sent as well: %(count)d.")
NOT_KEPT: Final = mark(
    "The other looks at this face are no longer kept: pictures for this page are held in memory, and only for a while."
)
NAMED_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Why:
    """What to tell of the choice; texts are ids of the catalogue."""

    text: str
    count: int = 0
    best: float = 0.0
    next: float = 0.0
    parts: tuple[str, ...] = ()
    """In which the others are furthest behind, the most frequent first."""
    sent_too: int = 0


def why_chosen(candidates: Sequence[Mapping[str, Any]]) -> Why:
    """Why the chosen one was chosen."""
    chosen = next((one for one in candidates if one["chosen"]), None)
    if chosen is None:
        return Why(NOT_KEPT)
    others = [one for one in candidates if not one["chosen"]]
    if not others:
        return Why(ONLY_ONE)
    best, following = float(chosen["quality"]), max(float(one["quality"]) for one in others)
    behind = Counter(str(one["behind"]) for one in others if one["behind"])
    return Why(
        BEST if best >= following else LOOKED_CLOSER,
        count=len(candidates),
        best=best,
        next=following,
        parts=tuple(part for part, _ in behind.most_common(NAMED_MAX)),
        sent_too=sum(bool(one["sent"]) for one in others),
    )


def chart_places(candidates: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Where each look stands, in percent of the chart from its left and from its top: time across, quality upwards."""
    if not candidates:
        return []
    times = [float(one["at_s"]) for one in candidates]
    began, length = min(times), max(times) - min(times)
    return [
        (
            round(50.0 if length <= 0.0 else 100.0 * (at_s - began) / length, 2),
            round(100.0 * (1.0 - min(max(float(one["quality"]), 0.0), 1.0)), 2),
        )
        for at_s, one in zip(times, candidates, strict=True)
    ]
