"""Where tracked faces are and how they move: constant velocity, smoothed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import exp
from typing import NewType

import numpy as np
from numpy.typing import NDArray

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
        return cls(floats_of(event.box_xyxy), (0.0, 0.0, 0.0, 0.0), event.at_mono_s)

    def advanced(self, event: FaceEvent) -> "Motion":
        """The motion after one more, newer event; an older one changes nothing."""
        elapsed_s = event.at_mono_s - self.at_s
        if elapsed_s <= 0.0:
            return self
        elapsed_s = max(elapsed_s, ELAPSED_MIN_S)
        box = floats_of(event.box_xyxy)
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


def floats_of(box_xyxy: Box) -> tuple[float, float, float, float]:
    """Plain numbers of one box: left, top, right, bottom."""
    left, top, right, bottom = box_xyxy.tolist()
    return left, top, right, bottom
