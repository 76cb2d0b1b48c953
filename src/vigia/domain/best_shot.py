"""How good a shot of a face is, and which tracks are worth sending.

The score is a weighted geometric mean of six parts in [0, 1]: one part near zero makes the shot poor however good the
rest is. The parts are kept beside the score, so that a person can see why a shot won.

Sources: size, sharpness, exposure and pose are components of ISO/IEC 29794-5 (face image quality), reduced here to
what a luma plane and five landmarks give.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vigia.domain.event import Box, Landmarks, Quality
from vigia.domain.frame import Luma
from vigia.domain.ledger import FilterReason
from vigia.domain.track import Track

SIZE_ENOUGH_PX = 160.0
"""A larger face gains nothing: recognisers work on crops of 112 to 160 px."""
SAMPLE_SIDE_PX = 48
"""A face is reduced to about this many pixels a side before it is judged: neither cost nor score follow its size."""
SHARPNESS_HALF = 0.06
"""Laplacian energy relative to contrast that scores one half; from rendered faces blurred by a known sigma."""
YAW_MAX = 0.55
"""Nose off the middle of the eyes, in eye distances: about 45 degrees."""
ROLL_MAX_RAD = 0.7
EDGE_ENOUGH = 0.25
"""Distance to the frame's edge, in face sides, from which on nothing is cut off (hair, chin, ears)."""

WEIGHTS: dict[str, float] = {
    "size": 0.30,
    "sharpness": 0.20,
    "pose": 0.20,
    "exposure": 0.10,
    "edge": 0.10,
    "confidence": 0.10,
}
"""Shares of the parts; they add up to 1."""
PART_FLOOR = 0.02
"""A part never counts as less than this, so that scores stay comparable below."""


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
        Score and parts in [0, 1]. Pure; any thread; allocates only a sample of the face.
    """
    sample = _sample(luma, box_xyxy)
    left, top, right, bottom = (float(v) for v in box_xyxy)
    size_px = min(right - left, bottom - top)
    parts = {
        "size": _unit((size_px / SIZE_ENOUGH_PX) ** 0.5),
        "sharpness": _sharpness(sample),
        "pose": _frontality(landmarks),
        "exposure": _exposure(sample),
        "edge": _edge(box_xyxy, frame_size_wh, size_px),
        "confidence": _unit(confidence),
    }
    logarithm = sum(weight * np.log(max(parts[name], PART_FLOOR)) for name, weight in WEIGHTS.items())
    return Quality(float(np.exp(logarithm)), parts)


@dataclass(frozen=True, slots=True)
class TrackFilter:
    """Which tracks are worth sending. FindFace's names and meanings where it has them."""

    min_size_px: float = 60.0
    """``filter_min_size``: the smaller side of the chosen face, pixels; 0 = off."""
    max_size_px: float = 8192.0
    """``filter_max_size``: the larger side, pixels."""
    min_quality: float = 0.3
    """``filter_min_quality``, in [0, 1]."""
    movement_min_px: float = 0.0
    """A face that never moved this far from where it began is a picture on a wall, pixels; 0 = off."""
    movement_min_percent: float = 0.0
    """The same in percent of the frame's diagonal; the larger of both counts."""
    events_min: int = 2
    """Seen only once is a false face more often than a person."""

    def large_enough(self, box_xyxy: Box) -> bool:
        """Whether a face is not below ``filter_min_size``: its smaller side."""
        left, top, right, bottom = (float(v) for v in box_xyxy)
        return self.min_size_px <= 0.0 or min(right - left, bottom - top) >= self.min_size_px

    def small_enough(self, box_xyxy: Box) -> bool:
        """Whether a face is not above ``filter_max_size``: its larger side."""
        left, top, right, bottom = (float(v) for v in box_xyxy)
        return max(right - left, bottom - top) <= self.max_size_px

    def size_fits(self, box_xyxy: Box) -> bool:
        """Whether a face may be sent as far as its size goes."""
        return self.large_enough(box_xyxy) and self.small_enough(box_xyxy)

    def reject(self, track: Track) -> FilterReason | None:
        """Why the track is not worth sending, or None."""
        best = track.best
        movement_min_px = max(
            self.movement_min_px, self.movement_min_percent / 100.0 * float(np.hypot(*best.frame_size_wh))
        )
        checks = (
            (track.events_count < self.events_min, FilterReason.TOO_FEW_EVENTS),
            (not self.large_enough(best.box_xyxy), FilterReason.TOO_SMALL),
            (not self.small_enough(best.box_xyxy), FilterReason.TOO_LARGE),
            (best.quality.score < self.min_quality, FilterReason.POOR_QUALITY),
            (track.moved_max_px < movement_min_px, FilterReason.DID_NOT_MOVE),
            (best.picture is None, FilterReason.NO_PICTURE),
        )
        return next((reason for failed, reason in checks if failed), None)


def _unit(value: float) -> float:
    return min(max(float(value), 0.0), 1.0)


def _sample(luma: Luma, box_xyxy: Box) -> NDArray[np.float32]:
    """The face's luma, averaged over blocks down to about SAMPLE_SIDE_PX a side, float32; at least 3x3."""
    height, width = luma.shape
    left, top = max(int(box_xyxy[0]), 0), max(int(box_xyxy[1]), 0)
    right, bottom = min(int(np.ceil(box_xyxy[2])), width), min(int(np.ceil(box_xyxy[3])), height)
    face = luma[top:bottom, left:right]
    rows, columns = face.shape
    if rows < 3 or columns < 3:
        return np.zeros((3, 3), dtype=np.float32)
    block = max(1, min(rows, columns) // SAMPLE_SIDE_PX)
    if block == 1:
        return face.astype(np.float32)
    rows, columns = rows - rows % block, columns - columns % block
    blocks = face[:rows, :columns].reshape(rows // block, block, columns // block, block)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def _sharpness(sample: NDArray[np.float32]) -> float:
    """Energy of the four-neighbour Laplacian relative to the face's contrast: s / (s + half)."""
    inner = sample[1:-1, 1:-1]
    laplacian = sample[:-2, 1:-1] + sample[2:, 1:-1] + sample[1:-1, :-2] + sample[1:-1, 2:] - 4.0 * inner
    energy = float(np.square(laplacian).mean()) / 16.0
    contrast = float(inner.var()) + 25.0  # 5 grey levels: below that there is nothing to be sharp
    ratio = energy / contrast
    return ratio / (ratio + SHARPNESS_HALF)


def _exposure(sample: NDArray[np.float32]) -> float:
    """Share of pixels neither black nor burnt out, lowered when the mean is far from the middle or contrast is flat."""
    usable = 1.0 - float(((sample < 24.0) | (sample > 240.0)).mean())
    mean, spread = float(sample.mean()), float(sample.std())
    centred = 1.0 - max(0.0, abs(mean - 125.0) - 45.0) / 80.0
    return _unit(usable * _unit(centred) * _unit(spread / 25.0))


def _frontality(landmarks: Landmarks) -> float:
    """1 for a face that looks into the camera, 0 for a profile; from the nose's place between the eyes and the roll."""
    right_eye, left_eye, nose = landmarks[0], landmarks[1], landmarks[2]
    across = left_eye - right_eye
    eye_distance = float(np.hypot(across[0], across[1]))
    if eye_distance < 1.0:
        return 0.0
    along = across / eye_distance
    mouth = (landmarks[3] + landmarks[4]) * 0.5
    eyes = (right_eye + left_eye) * 0.5
    yaw = abs(float(np.dot(nose - eyes, along))) / eye_distance
    roll = abs(float(np.arctan2(across[1], across[0])))
    down = np.array([-along[1], along[0]], dtype=np.float32)
    to_mouth = float(np.dot(mouth - eyes, down))
    nose_share = float(np.dot(nose - eyes, down)) / to_mouth if to_mouth > 1.0 else 0.0
    pitch = abs(nose_share - 0.58) / 0.4  # frontal portraits have the nose tip 0.5 to 0.65 of the way to the mouth
    return _unit(1.0 - (yaw / YAW_MAX) ** 2) * _unit(1.0 - (roll / ROLL_MAX_RAD) ** 2) * _unit(1.0 - pitch**2)


def _edge(box_xyxy: Box, frame_size_wh: tuple[int, int], size_px: float) -> float:
    width, height = frame_size_wh
    left, top, right, bottom = (float(v) for v in box_xyxy)
    nearest = min(left, top, width - right, height - bottom)
    return _unit(nearest / max(EDGE_ENOUGH * size_px, 1.0))
