"""What five landmarks say of a face: how large it is, and where it looks.

All angles are measured along and across the line between the eyes, so that a tilted head is not taken for a turned one.
"""

from dataclasses import dataclass
from math import hypot

from vigia.domain.event import Landmarks

NOSE_ASIDE = 0.28
"""How far the tip of the nose is seen to move for a turn of 45 degrees, in eye distances: the slope of what three
detectors find in rendered faces. It lies 0.5 before the plane of eyes and mouth, but detectors that look at small faces
put landmarks nearer to where they are seen from the front."""
NOSE_UP = 0.18
"""The same for a nod of 45 degrees, as a share of the way from the eyes to the mouth."""
NOSE_SHARE = 0.54
"""How far down from the eyes to the mouth the tip of the nose is seen from the front."""
EYES_TO_MOUTH = 1.0
"""From the middle of the eyes to the middle of the mouth, in eye distances, seen from the front."""


@dataclass(frozen=True, slots=True)
class Pose:
    """What the landmarks say. Angles as cos² in [0, 1]: 1 looks into the camera, 0.75 is 30 degrees off it."""

    inter_eye_px: float
    span_px: float
    """The larger of eye distance and eyes to mouth: neither turning nor nodding makes both small."""
    centre_xy: tuple[float, float]
    """The middle between eyes and mouth, pixels."""
    yaw: float
    pitch: float
    roll: float


def measure_pose(landmarks: Landmarks) -> Pose:
    """Where a face looks.

    The nose lies before the plane of eyes and mouth: it moves by the tangent of the angle when the head turns or nods,
    in distances as they are seen, and cos² of an angle is 1 / (1 + tan²).

    Args:
        landmarks: float32 (5, 2), pixels, order as in ``domain/event.py``.

    Returns:
        The pose; zeros where the eyes lie in one place, or the mouth above them.
    """
    (right_x, right_y), (left_x, left_y), (nose_x, nose_y), mouth_right, mouth_left = landmarks.tolist()
    across_x, across_y = left_x - right_x, left_y - right_y
    eyes_x, eyes_y = (right_x + left_x) * 0.5, (right_y + left_y) * 0.5
    mouth_x, mouth_y = (mouth_right[0] + mouth_left[0]) * 0.5, (mouth_right[1] + mouth_left[1]) * 0.5
    centre = ((eyes_x + mouth_x) * 0.5, (eyes_y + mouth_y) * 0.5)
    apart_px = hypot(across_x, across_y)
    span_px = max(apart_px, hypot(mouth_x - eyes_x, mouth_y - eyes_y) / EYES_TO_MOUTH)
    if apart_px < 1.0:
        return Pose(apart_px, span_px, centre, 0.0, 0.0, 0.0)
    along_x, along_y = across_x / apart_px, across_y / apart_px
    roll = along_x * along_x if along_x > 0.0 else 0.0
    mouth_down = (mouth_y - eyes_y) * along_x - (mouth_x - eyes_x) * along_y
    if mouth_down < 1.0:
        return Pose(apart_px, span_px, centre, 0.0, 0.0, roll)
    nose_down = ((nose_y - eyes_y) * along_x - (nose_x - eyes_x) * along_y) / mouth_down
    # Off the line from the eyes to the mouth: four points tell where it is, two would be half as sure.
    mouth_aside = (mouth_x - eyes_x) * along_x + (mouth_y - eyes_y) * along_y
    aside = (nose_x - eyes_x) * along_x + (nose_y - eyes_y) * along_y - nose_down * mouth_aside
    yaw_tan = aside / (NOSE_ASIDE * apart_px)
    pitch_tan = (nose_down - NOSE_SHARE) / NOSE_UP
    return Pose(apart_px, span_px, centre, 1.0 / (1.0 + yaw_tan * yaw_tan), 1.0 / (1.0 + pitch_tan * pitch_tan), roll)
