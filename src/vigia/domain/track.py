"""A track: one passage of one face before one camera.

It keeps its first, best and last event, and a picture only for the best: that is the only one that may be posted.
Its motion is a constant velocity, smoothed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import exp, hypot
from typing import NewType

import numpy as np
from numpy.typing import NDArray

from vigia.domain.camera import CameraId
from vigia.domain.errors import TransitionError
from vigia.domain.event import Box, FaceEvent
from vigia.domain.geometry import Boxes

TrackId = NewType("TrackId", int)

VELOCITY_MEMORY_S = 0.3
"""Time constant of the velocity's running mean. In seconds, so that it means the same at any detection cadence: a box
that jitters by 2 px seems to move 60 px/s between two frames at 30 fps, and to stand still over a third of a second."""
ELAPSED_MIN_S = 1.0 / 120.0
"""Live frames are timed by their arrival: those that a network held up come at once, and a face would seem to fly."""
PREDICTION_MAX_S = 1.0
"""A face is not expected to hold its velocity for longer than this."""
EDGE_PX = 4.0
"""A box this near to the frame's edge is cut by it: detectors leave a pixel or two."""
LEAVING_SLACK = 0.25
"""In face sides; a leaving face is not found further inside than expected by more than this."""
RECENT_FRAMES = 32
"""How many frames back a late event is still recognised as one the track already has."""


class TrackEnd(StrEnum):
    """Why a track ended."""

    SILENCE = "silence"
    """The face was not seen for ``track_miss_interval``."""
    DURATION = "duration"
    """It grew older than ``track_max_duration``."""
    DISCONTINUITY = "discontinuity"
    """The stream was cut: reconnect, loop, another resolution."""
    STOP = "stop"
    """vigia is stopping, or the camera was removed."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Where a face was last and how it moves. Plain floats: cheaper than arrays for one box."""

    box_xyxy: tuple[float, float, float, float]
    velocity_px_s: tuple[float, float, float, float]
    """Of each edge, pixels a second."""
    at_s: float
    measurements: int = 1

    @classmethod
    def started(cls, event: FaceEvent) -> "Motion":
        """At rest where the first event is."""
        return cls(_floats(event.box_xyxy), (0.0, 0.0, 0.0, 0.0), event.at_mono_s)

    def advanced(self, event: FaceEvent) -> "Motion":
        """The motion after one more, newer event; an older one changes nothing."""
        elapsed_s = event.at_mono_s - self.at_s
        if elapsed_s <= 0.0:
            return self
        elapsed_s = max(elapsed_s, ELAPSED_MIN_S)
        box = _floats(event.box_xyxy)
        # Until a memory's worth of time has passed the mean is a plain one: the first measurement counts whole.
        share = max(1.0 - exp(-elapsed_s / VELOCITY_MEMORY_S), 1.0 / self.measurements)
        old, before, gain, keep = self.box_xyxy, self.velocity_px_s, share / elapsed_s, 1.0 - share
        velocity = (  # written out: a fifth of the time of a loop, several times a frame
            gain * (box[0] - old[0]) + keep * before[0],
            gain * (box[1] - old[1]) + keep * before[1],
            gain * (box[2] - old[2]) + keep * before[2],
            gain * (box[3] - old[3]) + keep * before[3],
        )
        return Motion(box, velocity, event.at_mono_s, self.measurements + 1)


@dataclass(frozen=True, slots=True)
class TrackSnapshot:
    """What matching needs to know of a track. Immutable: taken under the lock, used outside it."""

    id: TrackId
    version: int
    """The track's version then; a commit is valid only while it is still that."""
    motion: Motion
    recent_frames: tuple[int, ...]
    """Frames that gave this track its latest events: no frame gives a track two."""
    first_at_s: float
    """When its first event was; its last was at ``motion.at_s``."""

    def due_end(self, now: float, *, miss_interval_s: float, duration_max_s: float) -> TrackEnd | None:
        """Why the track would have to end at ``now`` (the camera's monotonic time, seconds), or None."""
        if now - self.motion.at_s > miss_interval_s:
            return TrackEnd.SILENCE
        if duration_max_s > 0.0 and now - self.first_at_s > duration_max_s:
            return TrackEnd.DURATION
        return None


def expected_boxes(snapshots: Sequence[TrackSnapshot], at_s: float) -> Boxes:
    """Where the faces of tracks should be at ``at_s``: float32 (T, 4), full-frame pixels.

    Constant velocity, never further than PREDICTION_MAX_S from the last measurement, forward or back.
    """
    if not snapshots:
        return np.zeros((0, 4), dtype=np.float32)
    rows = np.array([(*s.motion.box_xyxy, *s.motion.velocity_px_s, s.motion.at_s) for s in snapshots], dtype=np.float64)
    ahead_s = np.clip(at_s - rows[:, 8:9], -PREDICTION_MAX_S, PREDICTION_MAX_S)
    boxes: Boxes = (rows[:, :4] + rows[:, 4:8] * ahead_s).astype(np.float32)
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1.0)
    return boxes


def contradicts_leaving(
    snapshots: Sequence[TrackSnapshot], expected_xyxy: Boxes, boxes_xyxy: Boxes, frame_size: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """Which faces cannot continue which tracks because the track is on its way out of the picture.

    Where one person leaves and another enters at the same edge within a second, their boxes overlap: only the inner
    edge tells them apart. The leaver's goes on outwards; a face whose inner edge is further inside than expected, by
    more than LEAVING_SLACK of its size, is somebody else.

    Args:
        snapshots: the tracks, T of them.
        expected_xyxy: float32 (T, 4), where they should be.
        boxes_xyxy: float32 (E, 4), the faces found.
        frame_size: (width, height), pixels.

    Returns:
        bool (E, T); True where the pair is out of the question. None, almost always, when no track is at an edge. Pure.
    """
    if expected_xyxy[:, :2].min(initial=np.inf) > EDGE_PX and (
        expected_xyxy[:, 2].max(initial=0.0) < frame_size[0] - EDGE_PX
        and expected_xyxy[:, 3].max(initial=0.0) < frame_size[1] - EDGE_PX
    ):
        return None
    last = np.array([snapshot.motion.box_xyxy for snapshot in snapshots], dtype=np.float32).reshape(-1, 4)
    forbidden = np.zeros((len(boxes_xyxy), len(last)), dtype=np.bool_)
    for axis in (0, 1):
        across = last[:, 3 - axis] - last[:, 1 - axis]  # the side that the edge does not cut
        slack, far = LEAVING_SLACK * across, float(frame_size[axis])
        near_edge, far_edge = axis, axis + 2
        out_low = (expected_xyxy[:, near_edge] <= EDGE_PX) & (expected_xyxy[:, far_edge] < last[:, far_edge])
        back_low = boxes_xyxy[:, None, far_edge] > (expected_xyxy[:, far_edge] + slack)[None, :]
        out_high = (expected_xyxy[:, far_edge] >= far - EDGE_PX) & (expected_xyxy[:, near_edge] > last[:, near_edge])
        back_high = boxes_xyxy[:, None, near_edge] < (expected_xyxy[:, near_edge] - slack)[None, :]
        forbidden |= (out_low[None, :] & back_low) | (out_high[None, :] & back_high)
    return forbidden


class Track:
    """One passage of one face.

    Owner: whoever holds the camera's lock in ``ManageTracksUseCase``.
    Bounds: three events, one picture and the numbers of the last frames, whatever its length.
    Stops when: silent for ``miss_interval_s``, older than ``duration_max_s`` (0 = no limit), or told to end.

    Args:
        track_id: never used again within a run.
        event: the first one.
        miss_interval_s: silence after which it is over, seconds.
        duration_max_s: longest life, seconds; 0 for no limit.
    """

    __slots__ = (
        "_duration_max_s",
        "_miss_interval_s",
        "_start_xy",
        "best",
        "camera_id",
        "end",
        "events_count",
        "first",
        "id",
        "last",
        "moved_max_px",
        "snapshot",
    )

    def __init__(self, track_id: TrackId, event: FaceEvent, *, miss_interval_s: float, duration_max_s: float) -> None:
        self.id = track_id
        self.camera_id: CameraId = event.camera_id
        self.first = event.without_picture()
        self.best = event
        self.last = self.first
        self.events_count = 1
        self.moved_max_px = 0.0
        """Farthest that the centre has been from where it began, pixels."""
        self.end: TrackEnd | None = None
        motion = Motion.started(event)
        self.snapshot = TrackSnapshot(track_id, 1, motion, (event.frame_index,), event.at_mono_s)
        self._start_xy = _centre(motion.box_xyxy)
        self._miss_interval_s = miss_interval_s
        self._duration_max_s = duration_max_s

    def __repr__(self) -> str:
        state = "active" if self.end is None else self.end.value
        return f"<Track {self.id} of {self.camera_id}: {self.events_count} events, {state}>"

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self.snapshot.version

    @property
    def duration_s(self) -> float:
        """From the first to the last event, seconds."""
        return self.last.at_mono_s - self.first.at_mono_s

    def is_active(self, now: float) -> bool:
        """True while the track may still get events at ``now`` (the camera's monotonic time, seconds)."""
        return self.end is None and self.due_end(now) is None

    def due_end(self, now: float) -> TrackEnd | None:
        """Why the track would have to end at ``now``, or None."""
        return self.snapshot.due_end(now, miss_interval_s=self._miss_interval_s, duration_max_s=self._duration_max_s)

    def add_event(self, event: FaceEvent, *, motion: Motion | None = None) -> None:
        """Take one more event of the same face. A late one, from a frame before the last, is taken too.

        Args:
            event: of the same camera, of a frame that has not given this track an event yet.
            motion: ``self.snapshot.motion.advanced(event)`` when the caller has worked it out beforehand.

        Raises:
            TransitionError: the track has ended, or the event is of another camera or of a frame it already has.
        """
        if self.end is not None:
            raise TransitionError("track %(track)d has ended", track=self.id)
        if event.camera_id != self.camera_id:
            raise TransitionError(
                "track %(track)d is of camera %(camera)s, not of %(other)s",
                track=self.id,
                camera=self.camera_id,
                other=event.camera_id,
            )
        before = self.snapshot
        if event.frame_index in before.recent_frames:
            raise TransitionError("track %(track)d already has an event of that frame", track=self.id)
        motion = before.motion.advanced(event) if motion is None else motion
        frames = (*before.recent_frames[-(RECENT_FRAMES - 1) :], event.frame_index)
        first_at_s = min(before.first_at_s, event.at_mono_s)
        self.snapshot = TrackSnapshot(self.id, before.version + 1, motion, frames, first_at_s)
        self.events_count += 1
        x, y = _centre(_floats(event.box_xyxy))
        self.moved_max_px = max(self.moved_max_px, hypot(x - self._start_xy[0], y - self._start_xy[1]))
        if event.better_than(self.best):
            self.best = event
        if event.at_mono_s >= self.last.at_mono_s:
            self.last = event.without_picture()
        elif event.at_mono_s < self.first.at_mono_s:
            self.first = event.without_picture()

    def finish(self, end: TrackEnd) -> None:
        """End the track. Raises TransitionError when it already has."""
        if self.end is not None:
            raise TransitionError("track %(track)d has already ended", track=self.id)
        self.end = end
        before = self.snapshot
        self.snapshot = replace(before, version=before.version + 1)


def _floats(box_xyxy: Box) -> tuple[float, float, float, float]:
    left, top, right, bottom = box_xyxy.tolist()
    return left, top, right, bottom


def _centre(box_xyxy: tuple[float, float, float, float]) -> tuple[float, float]:
    return (box_xyxy[0] + box_xyxy[2]) / 2.0, (box_xyxy[1] + box_xyxy[3]) / 2.0
