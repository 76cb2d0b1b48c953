"""How good a shot of a face is: a score, and the parts it is made of.

The score is a product of powers of the parts, so that one part near zero makes the shot poor however good the rest is,
and a part that grows never lowers it. The parts are kept beside the score: a person can see why a shot won.

Where each part comes from, its range and its formula: ``docs/quality.md``. ``quality_luma.py`` measures what the pixels
say, ``quality_pose.py`` what the five landmarks say.

Sources: the components of ISO/IEC 29794-5 (face image quality) that a luma plane, a box and five landmarks allow.
"""

from collections.abc import Mapping
from math import exp, log

from vigia.domain.event import Box, Landmarks, Quality
from vigia.domain.frame import Luma
from vigia.domain.quality_luma import measure_luma
from vigia.domain.quality_pose import measure_pose

INTER_EYE_ENOUGH_PX = 60.0
"""More pixels between the eyes gain nothing; 37 are left of them in the 112 px crops that recognisers look at."""
SIZE_ENOUGH_PX = 140.0
"""The same for the box's smaller side."""
EDGE_ENOUGH = 0.1
"""Distance to the frame's edge, in box sides, from which on a box is not suspected to have been cut off there."""
EDGE_SUSPECT = 0.6
"""What a box that touches the edge counts, though the landmarks say that the face is inside."""
HALF_WIDTH_SPANS, HALF_HEIGHT_SPANS = 1.2, 1.55
"""A face (ear to ear, forehead to chin) around the middle between eyes and mouth, in spans; see ``quality_pose.py``."""

WEIGHTS: dict[str, float] = {
    "inter_eye": 0.12,
    "size": 0.04,
    "sharpness": 0.40,
    "detail": 0.14,
    "motion": 0.04,
    "contrast": 0.12,
    "under_exposure": 0.28,
    "over_exposure": 0.20,
    "evenness": 0.08,
    "yaw": 0.70,
    "pitch": 0.70,
    "roll": 0.35,
    "truncation": 0.39,
    "confidence": 0.70,
}
"""Exponents of the parts, none below 0; what ``scripts/fit_quality.py`` fits on rendered truth."""
PART_FLOOR = 0.02
"""A part never counts as less than this, so that scores stay comparable below."""
BEHIND_MIN = 0.005
"""A part that costs a shot no more than half a percent of its score is not behind another's."""


def assess(
    *, luma: Luma, box_xyxy: Box, landmarks: Landmarks, confidence: float, frame_size_wh: tuple[int, int]
) -> Quality:
    """Judge one face.

    Args:
        luma: uint8 (height, width), the whole frame's luma plane, a view.
        box_xyxy: float32 (4,), full-frame pixels.
        landmarks: float32 (5, 2), full-frame pixels, order as in ``domain/event.py``.
        confidence: of the detector, in [0, 1].
        frame_size_wh: width and height, pixels.

    Returns:
        Score and parts, each in [0, 1]; the parts by the names of ``WEIGHTS``. Pure; any thread; allocates only a
        sample of the face. A box outside the frame, or with next to no pixels in it, scores next to nothing.
    """
    left, top, right, bottom = box_xyxy.tolist()
    box = (left, top, right, bottom)
    size_px = max(min(right - left, bottom - top), 0.0)
    pixels = measure_luma(luma, box)
    pose = measure_pose(landmarks)
    parts = {
        "inter_eye": _saturating(pose.inter_eye_px / INTER_EYE_ENOUGH_PX),
        "size": _saturating(size_px / SIZE_ENOUGH_PX),
        "sharpness": pixels.sharpness,
        "detail": pixels.detail,
        "motion": pixels.motion,
        "contrast": pixels.contrast,
        "under_exposure": pixels.under_exposure,
        "over_exposure": pixels.over_exposure,
        "evenness": pixels.evenness,
        "yaw": pose.yaw,
        "pitch": pose.pitch,
        "roll": pose.roll,
        "truncation": _inside(pose.centre_xy, pose.span_px, frame_size_wh) * _clear(box, size_px, frame_size_wh),
        "confidence": min(max(confidence, 0.0), 1.0),
    }
    return Quality(_score(parts), parts)


def with_pose(quality: Quality, landmarks: Landmarks) -> Quality:
    """The same shot with the pose of better landmarks: from a closer look at the face.

    Args:
        quality: from ``assess``.
        landmarks: float32 (5, 2), pixels of the same picture.
    """
    pose = measure_pose(landmarks)
    parts = quality.parts | {"yaw": pose.yaw, "pitch": pose.pitch, "roll": pose.roll}
    return Quality(_score(parts), parts)


def furthest_behind(parts: Mapping[str, float], others: Mapping[str, float]) -> str | None:
    """The part that costs a shot most beside another one, by what it counts in the score.

    Args:
        parts: of the shot.
        others: of the other one.

    Returns:
        None where no part is worth mentioning: all are as good as the other's, or nearly. Pure.
    """
    worst, most = None, BEHIND_MIN
    for name, weight in WEIGHTS.items():
        own, other = max(parts.get(name, 0.0), PART_FLOOR), max(others.get(name, 0.0), PART_FLOOR)
        lost = weight * log(other / own)
        if lost > most:
            worst, most = name, lost
    return worst


def _score(parts: dict[str, float]) -> float:
    logarithm = 0.0
    for name, weight in WEIGHTS.items():
        logarithm += weight * log(max(parts[name], PART_FLOOR))
    return exp(logarithm)


def _saturating(share: float) -> float:
    """Quickly up at first, then ever slower to 1: x (2 - x)."""
    share = min(max(share, 0.0), 1.0)
    return share * (2.0 - share)


def _inside(centre_xy: tuple[float, float], span_px: float, frame_size_wh: tuple[int, int]) -> float:
    """Share of the face, as the landmarks say where it is, that lies inside the frame."""
    if span_px < 1.0:
        return 0.0
    share = 1.0
    for middle, half, side in zip(
        centre_xy, (HALF_WIDTH_SPANS * span_px, HALF_HEIGHT_SPANS * span_px), frame_size_wh, strict=True
    ):
        share *= max(min(middle + half, side) - max(middle - half, 0.0), 0.0) / (2.0 * half)
    return min(share, 1.0)


def _clear(box: tuple[float, float, float, float], size_px: float, frame_size_wh: tuple[int, int]) -> float:
    """1 for a box clear of the frame's edge, EDGE_SUSPECT for one that touches it: detectors cut boxes off there."""
    width, height = frame_size_wh
    nearest = min(box[0], box[1], width - box[2], height - box[3])
    share = min(max(nearest / max(EDGE_ENOUGH * size_px, 1.0), 0.0), 1.0)
    return EDGE_SUSPECT + (1.0 - EDGE_SUSPECT) * share
