"""Where tracked faces are and how they move.

A Kalman filter of constant velocity, driven by white noise of acceleration (Bar-Shalom, Li, Kirubarajan: Estimation
with Applications to Tracking and Navigation, 2001, section 6.2.2). Variances are in squared box sides, so that the
noise follows the box; all noise grows with the seconds passed, so that the cadence of detection changes nothing.
"""

from collections.abc import Sequence
from enum import StrEnum
from math import copysign, exp
from typing import NamedTuple, NewType, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vigia.domain.event import Box, FaceEvent
from vigia.domain.geometry import Boxes

TrackId = NewType("TrackId", int)
Corners: TypeAlias = tuple[float, float, float, float]
"""One box in plain numbers: left, top, right, bottom."""
Variance: TypeAlias = tuple[float, float, float]
"""Of place, of place with velocity, of velocity: in squared box sides, and those a second and a second squared."""

CENTRE_NOISE = 0.08
"""Standard deviation of a detected box's centre, in sides."""
ACCELERATION = 0.55
"""Root of the spectral density of a face's acceleration, sides / s^1.5: people change their pace within a second."""
VELOCITY_START = 3.0
"""Standard deviation of the velocity of somebody just seen, sides a second: a walk is three to six face widths."""
SIZE_NOISE = 0.08
SIZE_ACCELERATION = 0.3
GROWTH_START = 0.5
SIZE_HOLDS_S = 0.3
"""Time constant with which a change of size fades in a prediction: sizes jitter more than they change."""
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


class Motion(NamedTuple):
    """Where a face is and how it moves, one immutable row of plain floats: cheaper than arrays for one box.

    Centre and size are filtered apart; both axes of each share their variances, because they are measured together.
    """

    box_xyxy: Corners
    """As last found, cut by the frame's edge where it was."""
    x: float
    """Centre of the whole box, what the edge hides included."""
    y: float
    width: float
    height: float
    vx: float
    """Pixels a second."""
    vy: float
    wider: float
    """Pixels a second."""
    higher: float
    centre_variance: Variance
    size_variance: Variance
    at_s: float

    @classmethod
    def started(cls, event: FaceEvent) -> "Motion":
        """At rest where the first event is."""
        left, top, right, bottom = box = floats_of(event.box_xyxy)
        x, y, width, height = (left + right) * 0.5, (top + bottom) * 0.5, right - left, bottom - top
        return cls(box, x, y, width, height, 0.0, 0.0, 0.0, 0.0, CENTRE_AT_START, SIZE_AT_START, event.at_mono_s)

    def advanced(self, event: FaceEvent) -> "Motion":
        """The motion after one more, newer event; an older one changes nothing."""
        _, x, y, width, height, vx, vy, wider, higher, centre, size, at_s = self
        elapsed_s = event.at_mono_s - at_s
        if elapsed_s <= 0.0:
            return self
        elapsed_s = max(elapsed_s, ELAPSED_MIN_S)
        box = floats_of(event.box_xyxy)
        left, top, right, bottom = _whole(box, width, height, event.frame_size_wh)
        near, far, centre = _filtered(centre, elapsed_s, CENTRE_NOISE, ACCELERATION)
        x, y = x + vx * elapsed_s, y + vy * elapsed_s
        off_x, off_y = (left + right) * 0.5 - x, (top + bottom) * 0.5 - y
        x, y, vx, vy = x + near * off_x, y + near * off_y, vx + far * off_x, vy + far * off_y
        near, far, size = _filtered(size, elapsed_s, SIZE_NOISE, SIZE_ACCELERATION)
        width, height = width + wider * elapsed_s, height + higher * elapsed_s
        off_x, off_y = right - left - width, bottom - top - height
        width, height = max(width + near * off_x, 1.0), max(height + near * off_y, 1.0)
        wider, higher = wider + far * off_x, higher + far * off_y
        return Motion(box, x, y, width, height, vx, vy, wider, higher, centre, size, event.at_mono_s)


CENTRE_AT_START: Variance = (CENTRE_NOISE**2, 0.0, VELOCITY_START**2)
SIZE_AT_START: Variance = (SIZE_NOISE**2, 0.0, GROWTH_START**2)


def _filtered(before: Variance, elapsed_s: float, noise: float, acceleration: float) -> tuple[float, float, Variance]:
    """One step of the filter: gains of place and of velocity, and the variances after the measurement."""
    place, mixed, velocity = before
    drive = acceleration * acceleration * elapsed_s
    place += elapsed_s * (2.0 * mixed + elapsed_s * (velocity + drive / 3.0))
    mixed += elapsed_s * (velocity + 0.5 * drive)
    share = 1.0 / (place + noise * noise)
    near, far = place * share, mixed * share
    return near, far, (place * (1.0 - near), mixed * (1.0 - near), velocity + drive - far * mixed)


def _whole(box: Corners, width: float, height: float, frame_wh: tuple[int, int]) -> Corners:
    """The box as it would be without the frame's edge: what is cut off on one side is known from its size before."""
    left, top, right, bottom = box
    far_x, far_y = frame_wh[0] - EDGE_PX, frame_wh[1] - EDGE_PX
    if left > EDGE_PX and top > EDGE_PX and right < far_x and bottom < far_y:
        return box
    if left <= EDGE_PX and right < far_x:
        left = min(left, right - width)
    elif right >= far_x and left > EDGE_PX:
        right = max(right, left + width)
    if top <= EDGE_PX and bottom < far_y:
        top = min(top, bottom - height)
    elif bottom >= far_y and top > EDGE_PX:
        bottom = max(bottom, top + height)
    return left, top, right, bottom


class TrackSnapshot(NamedTuple):
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


class Expected(NamedTuple):
    """Where the faces of tracks should be at one moment."""

    boxes_xyxy: Boxes
    """float32 (T, 4), full-frame pixels; whole boxes, also where they reach beyond the frame."""
    spreads: NDArray[np.float32]
    """float32 (T,): standard deviation of the centre, in box sides."""
    silences_s: NDArray[np.float32]
    """float32 (T,): time since the track's face was last found, seconds."""
    at_edge: bool = True
    """Whether any of the boxes may reach the frame's edge."""

    @classmethod
    def of(cls, snapshots: Sequence[TrackSnapshot], at_s: float, *, frame_wh: tuple[int, int] = (0, 0)) -> "Expected":
        """Predict all tracks: constant velocity, never further than PREDICTION_MAX_S from the last measurement."""
        if not snapshots:
            return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32), at_edge=False)
        table = [_row(snapshot.motion, at_s) for snapshot in snapshots]
        far_x, far_y = frame_wh[0] - EDGE_PX, frame_wh[1] - EDGE_PX
        at_edge = any(r[0] <= EDGE_PX or r[1] <= EDGE_PX or r[2] >= far_x or r[3] >= far_y for r in table)
        rows = np.array(table, dtype=np.float32)
        return cls(rows[:, :4], rows[:, 4], rows[:, 5], at_edge)


def _row(motion: Motion, at_s: float) -> tuple[float, float, float, float, float, float]:
    _, x, y, width, height, vx, vy, wider, higher, (place, mixed, velocity), _, last_s = motion
    ahead_s = min(max(at_s - last_s, -PREDICTION_MAX_S), PREDICTION_MAX_S)
    faded_s = copysign(SIZE_HOLDS_S * (1.0 - exp(-abs(ahead_s) / SIZE_HOLDS_S)), ahead_s)
    x, y = x + vx * ahead_s, y + vy * ahead_s
    half_w, half_h = 0.5 * max(width + wider * faded_s, 1.0), 0.5 * max(height + higher * faded_s, 1.0)
    drive = ACCELERATION * ACCELERATION * abs(ahead_s)
    variance = place + ahead_s * (2.0 * mixed + ahead_s * (velocity + drive / 3.0))
    return x - half_w, y - half_h, x + half_w, y + half_h, max(variance, 0.0) ** 0.5, at_s - last_s


def expected_boxes(snapshots: Sequence[TrackSnapshot], at_s: float) -> Boxes:
    """Where the faces of tracks should be at ``at_s``: float32 (T, 4), full-frame pixels."""
    return Expected.of(snapshots, at_s).boxes_xyxy


def contradicts_leaving(
    snapshots: Sequence[TrackSnapshot], expected_xyxy: Boxes, boxes_xyxy: Boxes, frame_size: tuple[int, int]
) -> NDArray[np.bool_]:
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
        bool (E, T); True where the pair is out of the question; nowhere when no track is at an edge. Pure.
    """
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


def floats_of(box_xyxy: Box) -> Corners:
    """Plain numbers of one box: left, top, right, bottom."""
    left, top, right, bottom = box_xyxy.tolist()
    return left, top, right, bottom
