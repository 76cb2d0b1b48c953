"""Quality is honest: worse pictures score lower."""

import numpy as np
import pytest
from numpy.typing import NDArray

from vigia.domain.event import Landmarks, Quality
from vigia.domain.frame import Luma
from vigia.domain.quality import WEIGHTS, assess
from vigia.testing.video import landmarks_for

FRAME = (1280, 720)
BOX = np.array([500, 250, 620, 370], dtype=np.float32)


def textured(*, blur: int = 0, gain: float = 1.0) -> Luma:
    rng = np.random.default_rng(3)
    picture: NDArray[np.float64] = rng.normal(120, 45, (140, 140))
    kernel = np.ones(3) / 3
    for _ in range(2 + blur):
        for axis in (0, 1):
            picture = np.apply_along_axis(np.convolve, axis, picture, kernel, mode="same")
    deviation = picture.std()
    picture = (picture - picture.mean()) / deviation * 40 + 120
    frame = np.full((720, 1280), 120.0)
    frame[240:380, 490:630] = picture
    return np.clip(frame * gain, 0, 255).astype(np.uint8)


def judged(
    luma: Luma | None = None,
    *,
    box: NDArray[np.float32] = BOX,
    landmarks: Landmarks | None = None,
    confidence: float = 0.9,
) -> Quality:
    return assess(
        luma=textured() if luma is None else luma,
        box_xyxy=box,
        landmarks=landmarks_for(box[None])[0] if landmarks is None else landmarks,
        confidence=confidence,
        frame_size_wh=FRAME,
    )


def test_score_and_parts_are_shares() -> None:
    quality = judged()
    assert 0.0 <= quality.score <= 1.0
    assert set(quality.parts) == set(WEIGHTS)
    assert all(0.0 <= part <= 1.0 for part in quality.parts.values())
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


def test_blur_lowers_sharpness_step_by_step() -> None:
    sharpness = [judged(textured(blur=blur)).parts["sharpness"] for blur in (0, 2, 5, 10)]
    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[-1] < 0.5 * sharpness[0]


def test_too_dark_and_burnt_out_score_lower() -> None:
    normal, dark, bright = (judged(textured(gain=gain)).parts["exposure"] for gain in (1.0, 0.15, 2.2))
    assert dark < normal
    assert bright < normal


def test_turning_away_lowers_pose() -> None:
    marks = landmarks_for(BOX[None])[0]
    poses = []
    for shift in (0.0, 8.0, 16.0, 24.0):
        turned = marks.copy()
        turned[2, 0] += shift
        poses.append(judged(landmarks=turned).parts["pose"])
    assert poses == sorted(poses, reverse=True)
    assert poses[0] > 0.9
    assert poses[-1] < 0.3


def test_a_tilted_head_scores_lower_and_missing_eyes_score_nothing() -> None:
    marks = landmarks_for(BOX[None])[0]
    angle = 0.5
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], dtype=np.float32)
    centre = marks.mean(axis=0)
    tilted = ((marks - centre) @ turn.T + centre).astype(np.float32)
    assert judged(landmarks=tilted).parts["pose"] < judged(landmarks=marks).parts["pose"]
    assert judged(landmarks=np.zeros((5, 2), np.float32)).parts["pose"] == 0.0


def test_larger_is_better_until_it_is_enough() -> None:
    sizes = [
        judged(box=np.array([600 - s, 350 - s, 600 + s, 350 + s], np.float32)).parts["size"] for s in (10, 30, 80, 120)
    ]
    assert sizes[0] < sizes[1] < sizes[2] == sizes[3] == 1.0


def test_cut_off_at_the_edge_scores_lower() -> None:
    at_edge = judged(box=np.array([0, 250, 120, 370], np.float32))
    assert at_edge.parts["edge"] == 0.0
    assert at_edge.score < judged().score


def test_a_box_outside_the_frame_is_survived() -> None:
    assert judged(box=np.array([1279, 719, 1400, 800], np.float32)).score >= 0.0
