"""How good a shot of a face is.

The score is a weighted geometric mean of six parts in [0, 1]: one part near zero makes the shot poor however good the
rest is. The parts are kept beside the score, so that a person can see why a shot won.

Sources: size, sharpness, exposure and pose are components of ISO/IEC 29794-5 (face image quality), reduced here to
what a luma plane and five landmarks give.
"""

from math import atan2, ceil, exp, hypot, log, sqrt

import numpy as np
from numpy.typing import NDArray

from vigia.domain.event import Box, Landmarks, Quality
from vigia.domain.frame import Luma

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
    left, top, right, bottom = box_xyxy.tolist()
    size_px = min(right - left, bottom - top)
    sharpness, exposure = _sharpness_and_exposure(_sample(luma, (left, top, right, bottom)))
    parts = {
        "size": _unit((max(size_px, 0.0) / SIZE_ENOUGH_PX) ** 0.5),
        "sharpness": sharpness,
        "pose": _frontality(landmarks),
        "exposure": exposure,
        "edge": _edge((left, top, right, bottom), frame_size_wh, size_px),
        "confidence": _unit(confidence),
    }
    logarithm = sum(weight * log(max(parts[name], PART_FLOOR)) for name, weight in WEIGHTS.items())
    return Quality(exp(logarithm), parts)


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _sample(luma: Luma, box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """The face's luma, averaged over blocks down to about SAMPLE_SIDE_PX a side, float32; at least 3x3.

    Strided rows and columns are added up: a tenth of the time of a mean over reshaped axes, and the same numbers.
    """
    height, width = luma.shape
    left, top = max(int(box[0]), 0), max(int(box[1]), 0)
    right, bottom = min(ceil(box[2]), width), min(ceil(box[3]), height)
    face = luma[top:bottom, left:right]
    rows, columns = face.shape
    if rows < 3 or columns < 3:
        return np.zeros((3, 3), dtype=np.float32)
    block = max(1, min(rows, columns) // SAMPLE_SIDE_PX)
    if block == 1:
        return face.astype(np.float32)
    rows, columns = rows - rows % block, columns - columns % block
    lines = face[:rows:block, :columns].astype(np.float32)
    for offset in range(1, block):
        lines += face[offset:rows:block, :columns]
    sums: NDArray[np.float32] = lines[:, ::block].copy()
    for offset in range(1, block):
        sums += lines[:, offset::block]
    sums *= np.float32(1.0 / (block * block))
    return sums


def _sharpness_and_exposure(sample: NDArray[np.float32]) -> tuple[float, float]:
    """Two parts from one look at the sample.

    Sharpness: energy of the four-neighbour Laplacian relative to the face's contrast, s / (s + half). Exposure: the
    share of pixels neither black nor burnt out, lowered when the mean is far from the middle or contrast is flat.
    """
    inner = sample[1:-1, 1:-1]
    laplacian = sample[:-2, 1:-1] + sample[2:, 1:-1]
    laplacian += sample[1:-1, :-2]
    laplacian += sample[1:-1, 2:]
    laplacian -= 4.0 * inner
    edges = laplacian.ravel()
    energy = float(np.dot(edges, edges)) / (16.0 * edges.size)
    levels = sample.ravel()
    mean = float(levels.sum()) / levels.size
    variance = max(float(np.dot(levels, levels)) / levels.size - mean * mean, 0.0)
    ratio = energy / (variance + 25.0)  # 5 grey levels: below that there is nothing to be sharp
    unusable = np.count_nonzero(levels < 24.0) + np.count_nonzero(levels > 240.0)
    centred = 1.0 - max(0.0, abs(mean - 125.0) - 45.0) / 80.0
    exposure = (1.0 - unusable / levels.size) * _unit(centred) * _unit(sqrt(variance) / 25.0)
    return ratio / (ratio + SHARPNESS_HALF), _unit(exposure)


def _frontality(landmarks: Landmarks) -> float:
    """1 for a face that looks into the camera, 0 for a profile; from the nose's place between the eyes and the roll."""
    (right_x, right_y), (left_x, left_y), (nose_x, nose_y), mouth_right, mouth_left = landmarks.tolist()
    across_x, across_y = left_x - right_x, left_y - right_y
    eye_distance = hypot(across_x, across_y)
    if eye_distance < 1.0:
        return 0.0
    along_x, along_y = across_x / eye_distance, across_y / eye_distance
    eyes_x, eyes_y = (right_x + left_x) * 0.5, (right_y + left_y) * 0.5
    nose_x, nose_y = nose_x - eyes_x, nose_y - eyes_y
    mouth_x = (mouth_right[0] + mouth_left[0]) * 0.5 - eyes_x
    mouth_y = (mouth_right[1] + mouth_left[1]) * 0.5 - eyes_y
    yaw = abs(nose_x * along_x + nose_y * along_y) / eye_distance
    roll = abs(atan2(across_y, across_x))
    to_mouth = mouth_y * along_x - mouth_x * along_y
    nose_share = (nose_y * along_x - nose_x * along_y) / to_mouth if to_mouth > 1.0 else 0.0
    pitch = abs(nose_share - 0.58) / 0.4  # frontal portraits have the nose tip 0.5 to 0.65 of the way to the mouth
    return _unit(1.0 - (yaw / YAW_MAX) ** 2) * _unit(1.0 - (roll / ROLL_MAX_RAD) ** 2) * _unit(1.0 - pitch**2)


def _edge(box: tuple[float, float, float, float], frame_size_wh: tuple[int, int], size_px: float) -> float:
    width, height = frame_size_wh
    left, top, right, bottom = box
    nearest = min(left, top, width - right, height - bottom)
    return _unit(nearest / max(EDGE_ENOUGH * size_px, 1.0))
