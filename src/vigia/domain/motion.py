"""Where tracked faces are and how they move.

A Kalman filter of constant velocity, driven by white noise of acceleration (Bar-Shalom, Li, Kirubarajan: Estimation
with Applications to Tracking and Navigation, 2001, section 6.2.2). Variances are in squared box sides, so that the
noise follows the box; all noise grows with the seconds passed, so that the cadence of detection changes nothing.
"""

from collections.abc import Sequence
from enum import StrEnum
from math import copysign, exp, inf
from typing import NamedTuple, NewType, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vigia.domain.event import Box, FaceEvent
from vigia.domain.geometry import Boxes

TrackId = NewType("TrackId", int)
Corners: TypeAlias = tuple[float, float, float, float]
"""One box in plain numbers: left, top, right, bottom."""
Place: TypeAlias = tuple[float, float, float, float, float, float]
"""Where a face should be: left, top, right, bottom, full-frame pixels, of the whole box, also where it reaches beyond
the frame; the standard deviation of its centre, in box sides; and the seconds since it was last found."""
Variance: TypeAlias = tuple[float, float, float]
"""Of place, of place with velocity, of velocity: in squared box sides, and those a second and a second squared."""

BOX_NOISE = 0.08
"""Standard deviation of a detected box's centre, and of its size, in sides."""
ACCELERATION = 0.55
"""Root of the spectral density of a face's acceleration, sides / s^1.5: people change their pace within a second."""
VELOCITY_START = 3.0
"""Standard deviation of the velocity of somebody just seen, sides a second: a walk is three to six face widths."""
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

    Centre and size, both axes of each, share their variances: they are measured together, and a smoother size, which
    needs variances of its own, kept no track more.
    """

    box_xyxy: Corners
    """As last found."""
    x: float
    """Centre, pixels."""
    y: float
    width: float
    height: float
    vx: float
    """Pixels a second."""
    vy: float
    wider: float
    """Pixels a second."""
    higher: float
    variance: Variance
    at_s: float

    @classmethod
    def started(cls, event: FaceEvent) -> "Motion":
        """At rest where the first event is."""
        left, top, right, bottom = box = floats_of(event.box_xyxy)
        x, y, width, height = (left + right) * 0.5, (top + bottom) * 0.5, right - left, bottom - top
        return cls(box, x, y, width, height, 0.0, 0.0, 0.0, 0.0, VARIANCE_AT_START, event.at_mono_s)

    def advanced(self, event: FaceEvent) -> "Motion":
        """The motion after one more, newer event; an older one changes nothing."""
        _, x, y, width, height, vx, vy, wider, higher, variance, at_s = self
        elapsed_s = event.at_mono_s - at_s
        if elapsed_s <= 0.0:
            return self
        elapsed_s = max(elapsed_s, ELAPSED_MIN_S)
        box = floats_of(event.box_xyxy)
        left, top, right, bottom = box
        near, far, variance = _filtered(variance, elapsed_s)
        x, y = x + vx * elapsed_s, y + vy * elapsed_s
        width, height = width + wider * elapsed_s, height + higher * elapsed_s
        off_x, off_y = (left + right) * 0.5 - x, (top + bottom) * 0.5 - y
        off_w, off_h = right - left - width, bottom - top - height
        return Motion(
            box,
            x + near * off_x,
            y + near * off_y,
            max(width + near * off_w, 1.0),
            max(height + near * off_h, 1.0),
            vx + far * off_x,
            vy + far * off_y,
            wider + far * off_w,
            higher + far * off_h,
            variance,
            event.at_mono_s,
        )


VARIANCE_AT_START: Variance = (BOX_NOISE**2, 0.0, VELOCITY_START**2)


def _filtered(before: Variance, elapsed_s: float) -> tuple[float, float, Variance]:
    """One step of the filter: gains of place and of velocity, and the variances after the measurement."""
    place, mixed, velocity = before
    drive = ACCELERATION * ACCELERATION * elapsed_s
    place += elapsed_s * (2.0 * mixed + elapsed_s * (velocity + drive / 3.0))
    mixed += elapsed_s * (velocity + 0.5 * drive)
    share = 1.0 / (place + BOX_NOISE * BOX_NOISE)
    near, far = place * share, mixed * share
    return near, far, (place * (1.0 - near), mixed * (1.0 - near), velocity + drive - far * mixed)


class TrackSnapshot(NamedTuple):
    """What matching needs to know of a track. Immutable: taken under the lock, used outside it."""

    id: TrackId
    version: int
    """The track's version then; a commit is valid only while it is still that."""
    motion: Motion
    recent_frames: tuple[int, ...]
    """Frames that gave this track its latest events: no frame gives a track two."""
    newest_frame: int
    """The highest of all frames that did."""
    first_at_s: float
    """When its first event was; its last was at ``motion.at_s``."""

    def has_frame(self, frame_index: int) -> bool:
        """Whether that frame gave the track an event. Frames come mostly in order: one comparison tells."""
        return frame_index <= self.newest_frame and frame_index in self.recent_frames

    def due_end(self, now: float, *, miss_interval_s: float, duration_max_s: float) -> TrackEnd | None:
        """Why the track would have to end at ``now`` (the camera's monotonic time, seconds), or None."""
        if now - self.motion.at_s > miss_interval_s:
            return TrackEnd.SILENCE
        if duration_max_s > 0.0 and now - self.first_at_s > duration_max_s:
            return TrackEnd.DURATION
        return None


class Expected(NamedTuple):
    """Where the faces of tracks should be at one moment."""

    places: Sequence[Place]
    """One a track."""
    at_edge: bool = True
    """Whether any of the boxes may reach the frame's edge."""

    @classmethod
    def of(cls, snapshots: Sequence[TrackSnapshot], at_s: float, *, frame_wh: tuple[int, int] = (0, 0)) -> "Expected":
        """Predict all tracks: constant velocity, never further than PREDICTION_MAX_S from the last measurement."""
        places = [_place(snapshot.motion, at_s) for snapshot in snapshots]
        far_x, far_y = frame_wh[0] - EDGE_PX, frame_wh[1] - EDGE_PX
        for left, top, right, bottom, _, _ in places:
            if left <= EDGE_PX or top <= EDGE_PX or right >= far_x or bottom >= far_y:
                return cls(places, at_edge=True)
        return cls(places, at_edge=False)

    def arrays(self) -> tuple[Boxes, NDArray[np.float32], NDArray[np.float32]]:
        """Boxes, float32 (T, 4); spreads and silences, float32 (T,) each."""
        table = np.array(self.places, dtype=np.float32).reshape(-1, 6)
        return table[:, :4], table[:, 4], table[:, 5]


def _place(motion: Motion, at_s: float) -> Place:
    _, x, y, width, height, vx, vy, wider, higher, (place, mixed, velocity), last_s = motion
    ahead_s = min(max(at_s - last_s, -PREDICTION_MAX_S), PREDICTION_MAX_S)
    faded_s = copysign(SIZE_HOLDS_S * (1.0 - exp(-abs(ahead_s) / SIZE_HOLDS_S)), ahead_s)
    x, y = x + vx * ahead_s, y + vy * ahead_s
    half_w, half_h = 0.5 * max(width + wider * faded_s, 1.0), 0.5 * max(height + higher * faded_s, 1.0)
    drive = ACCELERATION * ACCELERATION * abs(ahead_s)
    variance = place + ahead_s * (2.0 * mixed + ahead_s * (velocity + drive / 3.0))
    return x - half_w, y - half_h, x + half_w, y + half_h, max(variance, 0.0) ** 0.5, at_s - last_s


def expected_boxes(snapshots: Sequence[TrackSnapshot], at_s: float) -> Boxes:
    """Where the faces of tracks should be at ``at_s``: float32 (T, 4), full-frame pixels."""
    return Expected.of(snapshots, at_s).arrays()[0]


def room_for_leaving(motion: Motion, place: Place, frame_wh: tuple[int, int]) -> Corners:
    """Where the next box of a track must lie when it is on its way out of the picture.

    Where one person leaves and another enters at the same edge within a second, their boxes overlap: only the inner
    edge tells them apart. The leaver's goes on outwards; a face whose inner edge is further inside than expected, by
    more than LEAVING_SLACK of its size, is somebody else.

    Args:
        motion: of the track.
        place: where its face should be.
        frame_wh: width and height, pixels.

    Returns:
        Least left and top, greatest right and bottom; infinite where nothing is said. Pure.
    """
    (was_left, was_top, was_right, was_bottom), (left, top, right, bottom, _, _) = motion.box_xyxy, place
    slack_x, slack_y = LEAVING_SLACK * (was_bottom - was_top), LEAVING_SLACK * (was_right - was_left)
    return (
        left - slack_x if right >= frame_wh[0] - EDGE_PX and left > was_left else -inf,
        top - slack_y if bottom >= frame_wh[1] - EDGE_PX and top > was_top else -inf,
        right + slack_x if left <= EDGE_PX and right < was_right else inf,
        bottom + slack_y if top <= EDGE_PX and bottom < was_bottom else inf,
    )


def floats_of(box_xyxy: Box) -> Corners:
    """Plain numbers of one box: left, top, right, bottom."""
    left, top, right, bottom = box_xyxy.tolist()
    return left, top, right, bottom
