"""What is noted of a track's events, for whoever asks later how its shot was chosen: numbers and small cuttings.

Bounded, whatever the track's length: the first, the last and the best event, those that were sent last, and an even
spread of the others, which is thinned by half whenever it has grown too large.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from vigia.domain.event import Box, FaceEvent, Quality

SPREAD_MAX = 16
SENT_MAX = 8
MOMENTS_MAX = SPREAD_MAX + SENT_MAX + 3


class Moment(NamedTuple):
    """One event of a track, without its picture."""

    frame_index: int
    at_mono_s: float
    at_utc: datetime
    quality: Quality
    confidence: float
    box_xyxy: Box
    cutting: Any
    """The face, cut out small while the picture was there; None where none was made. Opaque here."""

    @property
    def size_px(self) -> float:
        """See ``FaceEvent.size_px``."""
        left, top, right, bottom = self.box_xyxy.tolist()
        return float(min(right - left, bottom - top))


def _no_cutting(_event: FaceEvent) -> None:
    """Numbers are enough."""


class TrackNote:
    """What is noted of one open track.

    Owner: the camera's shard. Bounds: ``MOMENTS_MAX`` moments, each with one cutting at most.

    Args:
        cut: makes the cutting of an event's face, its picture being there; must be quick. Asked for those that are kept
            in the spread, that are the best so far, or that are sent.
    """

    __slots__ = ("_best", "_count", "_cut", "_first", "_last", "_sent", "_spread", "_stride")

    def __init__(self, cut: Callable[[FaceEvent], Any] = _no_cutting) -> None:
        self._cut = cut
        self._count = 0
        self._stride = 1
        self._spread: list[Moment] = []  # every stride-th event, as they came
        self._first: Moment | None = None
        self._last: Moment | None = None
        self._best: Moment | None = None
        self._sent: dict[int, Moment] = {}  # by frame, as they were sent

    def add(self, event: FaceEvent, *, is_best: bool) -> None:
        """Note one more event of the track; ``is_best``: it is the best so far."""
        kept = self._count % self._stride == 0
        self._count += 1
        moment = self._moment(event, cut=kept or is_best)
        if kept:
            self._spread.append(moment)
            if len(self._spread) > SPREAD_MAX:
                self._spread = self._spread[::2]
                self._stride *= 2
        if is_best:
            self._best = moment
        if self._first is None or moment.at_mono_s < self._first.at_mono_s:
            self._first = moment
        if self._last is None or moment.at_mono_s >= self._last.at_mono_s:
            self._last = moment

    def mark_sent(self, event: FaceEvent) -> None:
        """A shot of the track was taken."""
        noted = (self._best, self._last, self._first, *self._spread)
        known = next((one for one in noted if one is not None and one.frame_index == event.frame_index), None)
        if known is None or known.cutting is None:
            known = self._moment(event, cut=True)
        self._sent.pop(event.frame_index, None)
        self._sent[event.frame_index] = known
        if len(self._sent) > SENT_MAX:
            del self._sent[next(iter(self._sent))]

    def moments(self) -> list[Moment]:
        """What is noted now, in order of time."""
        found: dict[int, Moment] = {}
        for moment in (self._first, self._last, *self._spread, self._best, *self._sent.values()):
            if moment is not None and (moment.cutting is not None or moment.frame_index not in found):
                found[moment.frame_index] = moment
        return sorted(found.values(), key=lambda moment: moment.at_mono_s)

    @property
    def best_cutting(self) -> Any:
        """The best event's; None where there is none."""
        return None if self._best is None else self._best.cutting

    @property
    def sent_frames(self) -> frozenset[int]:
        """The frames of the shots that were sent last."""
        return frozenset(self._sent)

    def _moment(self, event: FaceEvent, *, cut: bool) -> Moment:
        cutting = self._cut(event) if cut and event.picture is not None else None
        return Moment(
            event.frame_index, event.at_mono_s, event.at_utc, event.quality, event.confidence, event.box_xyxy, cutting
        )
