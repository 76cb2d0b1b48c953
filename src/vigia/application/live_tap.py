"""Live pictures for whoever watches: one reference to a decoded picture a camera, left by the shard, taken by a reader.

The hot path pays one attribute read a frame while nobody watches. While somebody does, it leaves, a few times a second,
a reference and a few numbers: nothing is scaled, encoded or waited for there. Both sides let pictures go when the watch
is over, so that neither a browser that stalled nor a camera that fell silent keeps one alive.
"""

import itertools
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vigia.application.ports import Clock
from vigia.domain.camera import CameraId
from vigia.domain.frame import Frame, Picture
from vigia.domain.motion import Corners

WATCH_S = 2.0
"""A watch ends so long after the last request. Requests wait up to a second for a picture."""


@dataclass(frozen=True, slots=True)
class LiveBox:
    """One track as it is drawn over a picture."""

    track_id: int
    box_xyxy: Corners
    """Where its face should be at the picture's time, pixels of the camera's picture; may reach beyond it."""
    quality: float
    """Of its best shot so far, in [0, 1]."""
    confidence: float
    """The detector's, when the face was last found."""
    unseen_s: float
    """Seconds since then."""


@dataclass(frozen=True, slots=True)
class LiveJpeg:
    """A picture as a browser gets it."""

    content: bytes = field(repr=False)
    size_wh: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class LiveShot:
    """One camera at one moment. Immutable; any thread."""

    camera_id: CameraId
    seq: int
    """Grows with every picture of any camera of the same feed."""
    size_wh: tuple[int, int]
    """Of the camera's picture, pixels."""
    received_mono_s: float
    """When its packet arrived: the age is counted from here. All processes of a machine share this clock."""
    boxes: tuple[LiveBox, ...]
    picture: Picture | None = field(default=None, repr=False)
    """As decoded; None where it was made a file elsewhere."""
    jpeg: LiveJpeg | None = field(default=None, repr=False)
    """As a file already, where the picture is in another process."""


class LiveFeed(Protocol):
    """Where live pictures come from: this process's shards, or worker processes. Any thread; no call waits."""

    @property
    def interval_s(self) -> float:
        """From one picture of a camera to its next, seconds; 0 = there are none."""
        ...

    def watch(self, camera_ids: Sequence[CameraId], *, width_px: int) -> Collection[CameraId]:
        """Somebody watches these from now on, for WATCH_S; return those that there are.

        ``width_px``: how wide the pictures will be shown; for who makes files of them before it is known who asks.
        """
        ...

    def latest(self, camera_id: CameraId) -> LiveShot | None:
        """The newest picture of a camera that is watched."""
        ...

    def sweep(self) -> bool:
        """Let go of pictures whose watch is over; True while any is left."""
        ...


class LiveSlot:
    """What one camera's shard leaves for those who watch.

    Owner: the shard's thread; ``extend`` and ``sweep`` are for any. Fields are replaced as a whole: nobody waits.
    Bounds: one picture, and none when nobody watches.
    """

    __slots__ = ("_interval_s", "_next_s", "_numbers", "_until_s", "closed", "shot", "watched", "width_px")

    def __init__(self, *, interval_s: float = 0.0, numbers: Iterator[int] | None = None) -> None:
        self.watched = False
        """The one thing that the hot path reads for each frame."""
        self.shot: LiveShot | None = None
        self.width_px = 0
        self.closed = False
        """The camera is no more."""
        self._interval_s = interval_s
        self._numbers = numbers if numbers is not None else itertools.count(1)
        self._until_s = float("-inf")
        self._next_s = float("-inf")

    def extend(self, until_s: float, *, width_px: int) -> None:
        """Somebody watches, until then (monotonic seconds). Any thread."""
        if self._interval_s <= 0.0 or self.closed:
            return
        self.width_px = max(width_px, self.width_px if self.watched else 0)
        self._until_s = until_s
        self.watched = True  # after the time: see _end

    def is_due(self, now_s: float) -> bool:
        """Whether a picture is wanted now (monotonic seconds); ends a watch that is over. The shard's."""
        self.tick(now_s)
        return self.watched and now_s >= self._next_s

    def leave(self, frame: Frame, boxes: tuple[LiveBox, ...], *, now_s: float) -> None:
        """Leave a picture in place of the last one. The shard's."""
        self._next_s = now_s + self._interval_s
        self.shot = LiveShot(
            frame.camera_id, next(self._numbers), frame.size_wh, frame.received_mono_s, boxes, picture=frame.picture
        )

    def tick(self, now_s: float) -> None:
        """End a watch that is over. The shard's, whether pictures come or not."""
        if self.watched and now_s >= self._until_s:
            self.watched, self.shot = False, None
            if now_s < self._until_s:  # somebody came in between, whose word must not be lost
                self.watched = True

    def sweep(self, now_s: float) -> bool:
        """Let go of the picture when the watch is over; True when one stays. Any thread: the shard may be stuck."""
        if now_s >= self._until_s:
            self.shot = None
        return self.shot is not None

    def close(self) -> None:
        """The camera is no more. The shard's."""
        self.closed = True
        self.watched, self.shot = False, None


class LiveTap:
    """The slots of one process's cameras; a ``LiveFeed``.

    Owner: its lock guards the list of slots, for moments; the hot path never takes it. Bounds: one slot a camera.

    Args:
        clock: for watches; monotonic seconds as the shards read them.
        fps: pictures a second of a camera that is watched; 0 = never any.
    """

    def __init__(self, clock: Clock, *, fps: float) -> None:
        self._clock = clock
        self._interval_s = 1.0 / fps if fps > 0.0 else 0.0
        self._numbers = itertools.count(1)  # next() on it is atomic
        self._lock = threading.Lock()
        self._slots: dict[CameraId, LiveSlot] = {}

    @property
    def interval_s(self) -> float:
        """See ``LiveFeed``."""
        return self._interval_s

    def slot(self, camera_id: CameraId) -> LiveSlot:
        """A new slot, for a camera that begins; in place of one that an earlier camera of this id had."""
        slot = LiveSlot(interval_s=self._interval_s, numbers=self._numbers)
        with self._lock:
            self._slots = {key: other for key, other in self._slots.items() if not other.closed}
            self._slots[camera_id] = slot
        return slot

    def watch(self, camera_ids: Sequence[CameraId], *, width_px: int) -> Collection[CameraId]:
        """See ``LiveFeed``."""
        until_s = self._clock.mono_s() + WATCH_S
        known = set()
        for camera_id in camera_ids:
            slot = self._slots.get(camera_id)
            if slot is not None and not slot.closed:
                slot.extend(until_s, width_px=width_px)
                known.add(camera_id)
        return known

    def latest(self, camera_id: CameraId) -> LiveShot | None:
        """See ``LiveFeed``."""
        slot = self._slots.get(camera_id)
        return None if slot is None else slot.shot

    def sweep(self) -> bool:
        """See ``LiveFeed``."""
        now_s = self._clock.mono_s()
        return sum(slot.sweep(now_s) for slot in list(self._slots.values())) > 0  # each of them: any() would stop

    def watched(self) -> list[tuple[CameraId, LiveSlot]]:
        """The cameras that somebody watches now. Any thread."""
        return [(camera_id, slot) for camera_id, slot in list(self._slots.items()) if slot.watched]
