"""Quality is honest: worse pictures never score higher."""

import itertools
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vigia.domain.event import Landmarks, Quality
from vigia.domain.quality import WEIGHTS, assess
from vigia.infrastructure.demo.photographs import load_photograph
from vigia.infrastructure.demo.planes import rgb_to_yuv
from vigia.infrastructure.demo.portraits import PORTRAITS
from vigia.testing.video import landmarks_for

FRAME = (1280, 720)
CENTRE = (640.0, 360.0)
SLACK = 1e-6
PIXEL_SLACK = 0.02
"""Of tests that change pixels: rounding to grey levels moves a measure a little."""
USABLE = 0.3
"""``filter_min_quality``: below it there is no order that would matter."""
few = settings(max_examples=25, deadline=None)
many = settings(max_examples=200, deadline=None)


def face_plane(name: str) -> NDArray[np.float32]:
    """A portrait's face with a rim of half its size, float32."""
    left, top, right, bottom = PORTRAITS[name].face_xyxy
    rim = (right - left) // 2
    return rgb_to_yuv(load_photograph(name))[0][max(top - rim, 0) : bottom + rim, left - rim : right + rim]


PLANES = {name: face_plane(name) for name in sorted(PORTRAITS)}
names = st.sampled_from(sorted(PLANES))


def scene(name: str, side_px: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A frame with the portrait's face ``side_px`` wide in its middle, float32, and the face's box."""
    plane = PLANES[name]
    left, top, right, bottom = PORTRAITS[name].face_xyxy
    scale = side_px / (right - left)
    small = cv2.resize(plane, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    frame = np.full((FRAME[1], FRAME[0]), 110.0, np.float32)
    y, x = int(CENTRE[1]) - small.shape[0] // 2, int(CENTRE[0]) - small.shape[1] // 2
    frame[y : y + small.shape[0], x : x + small.shape[1]] = small
    box_x, box_y = x + side_px / 2, y + min((right - left) // 2, top) * scale
    return frame, np.array(
        [box_x, box_y, box_x + side_px, box_y + side_px * (bottom - top) / (right - left)], np.float32
    )


def judged(
    frame: NDArray[Any],
    box: NDArray[np.float32],
    *,
    landmarks: Landmarks | None = None,
    confidence: float = 0.9,
) -> Quality:
    height, width = frame.shape
    return assess(
        luma=np.clip(np.rint(frame), 0, 255).astype(np.uint8),
        box_xyxy=box,
        landmarks=landmarks_for(box[None])[0] if landmarks is None else landmarks,
        confidence=confidence,
        frame_size_wh=(width, height),
    )


def never_up(qualities: list[Quality], slack: float = SLACK) -> None:
    scores = [quality.score for quality in qualities]
    assert all(later <= earlier + slack for earlier, later in itertools.pairwise(scores)), scores


def test_weights_lower_no_score_for_a_better_part() -> None:
    assert set(judged(*scene("astronaut", 90)).parts) == set(WEIGHTS)
    assert all(weight > 0.0 for weight in WEIGHTS.values())


@few
@given(name=names, side_px=st.floats(40, 250), sigma=st.floats(0.004, 0.02))
def test_more_defocus_never_scores_higher(name: str, side_px: float, sigma: float) -> None:
    frame, box = scene(name, side_px)
    sharp_to_soft = [
        frame,
        *(cv2.GaussianBlur(frame, (0, 0), times * sigma * side_px) for times in (1.0, 1.6, 2.5, 4.0)),
    ]
    qualities = [judged(one, box) for one in sharp_to_soft]
    usable = [quality for quality in qualities if quality.score >= USABLE]
    never_up(usable, PIXEL_SLACK)
    assert qualities[: len(usable)] == usable  # what is no longer usable does not become so again
    assert qualities[-1].parts["sharpness"] < qualities[0].parts["sharpness"]


@few
@given(name=names, side_px=st.floats(60, 250), level=st.booleans())
def test_more_motion_never_scores_higher(name: str, side_px: float, level: bool) -> None:
    frame, box = scene(name, side_px)
    qualities = [judged(frame, box)]
    for share in (0.05, 0.1, 0.2, 0.3):
        length = max(1, round(share * side_px))
        qualities.append(judged(cv2.blur(frame, (length, 1) if level else (1, length)), box))
    # Beyond a fifth of the face a trace also takes the contrast that detail is measured by: no longer strictly down.
    never_up(qualities[:-1], PIXEL_SLACK)
    assert qualities[-1].score < 0.86 * qualities[0].score
    assert qualities[-1].parts["sharpness"] < qualities[0].parts["sharpness"]


@pytest.mark.parametrize("name", sorted(PLANES))
@pytest.mark.parametrize("side_px", [70.0, 120.0, 200.0])
def test_a_trace_is_told_from_defocus(name: str, side_px: float) -> None:
    frame, box = scene(name, side_px)
    trace = judged(cv2.blur(frame, (round(0.15 * side_px), 1)), box).parts["motion"]
    defocus = judged(cv2.GaussianBlur(frame, (0, 0), 0.03 * side_px), box).parts["motion"]
    assert trace < 0.6
    assert trace < defocus - 0.1


@pytest.mark.parametrize("name", sorted(PLANES))
@pytest.mark.parametrize("side_px", [70.0, 100.0, 150.0, 250.0])
def test_detail_tells_sharp_faces_apart_where_sharpness_hardly_does(name: str, side_px: float) -> None:
    frame, box = scene(name, side_px)
    sharp = judged(frame, box).parts
    nearly = judged(cv2.GaussianBlur(frame, (0, 0), 0.01 * side_px), box).parts
    assert nearly["sharpness"] > 0.75 * sharp["sharpness"]
    assert nearly["detail"] / sharp["detail"] < nearly["sharpness"] / sharp["sharpness"] - 0.05


@few
@given(name=names, side_px=st.floats(40, 250), noise=st.floats(0.5, 4.0))
def test_noise_is_not_taken_for_sharpness(name: str, side_px: float, noise: float) -> None:
    frame, box = scene(name, side_px)
    soft = cv2.GaussianBlur(frame, (0, 0), 0.05 * side_px)
    grains = np.random.default_rng(3).standard_normal(frame.shape).astype(np.float32) * noise
    clean, grainy = judged(frame, box).parts, judged(soft + grains, box).parts
    assert grainy["sharpness"] < 0.7 * clean["sharpness"]
    assert grainy["detail"] < 0.7 * clean["detail"]


@few
@given(name=names, side_px=st.floats(40, 250))
def test_less_light_and_too_much_never_score_higher(name: str, side_px: float) -> None:
    frame, box = scene(name, side_px)
    for gains in ((1.0, 0.7, 0.45, 0.25, 0.1, 0.03), (1.0, 1.4, 1.9, 2.6, 4.0)):
        qualities = [judged(np.clip(16 + (frame - 16) * gain, 16, 235), box) for gain in gains]
        part = "under_exposure" if gains[-1] < 1 else "over_exposure"
        parts = [quality.parts[part] for quality in qualities]
        assert parts == sorted(parts, reverse=True)
        assert qualities[-1].score < 0.7 * qualities[0].score


@few
@given(name=names, side_px=st.floats(50, 250), flip=st.booleans())
def test_light_from_the_side_lowers_evenness(name: str, side_px: float, flip: bool) -> None:
    frame, box = scene(name, side_px)
    ramp = np.clip((np.arange(FRAME[0]) - CENTRE[0]) / side_px, -0.5, 0.5)
    ramp = -ramp if flip else ramp
    worse = [judged(16 + (frame - 16) * (1 + share * ramp), box).parts["evenness"] for share in (0.0, 0.8, 1.6)]
    assert worse[2] < worse[0] + 0.02
    assert worse[2] < 0.85


@many
@given(shift=st.floats(0.0, 0.5), more=st.floats(0.01, 0.4), left=st.booleans())
def test_turning_away_never_scores_higher(shift: float, more: float, left: bool) -> None:
    frame, box = scene("grace_hopper", 120)
    qualities = []
    for share in (0.0, shift, shift + more):
        turned = landmarks_for(box[None])[0].copy()
        turned[2, 0] += (-share if left else share) * (turned[1, 0] - turned[0, 0])
        qualities.append(judged(frame, box, landmarks=turned))
    yaws = [quality.parts["yaw"] for quality in qualities]
    assert yaws == sorted(yaws, reverse=True)
    never_up(qualities)


@many
@given(nod=st.floats(0.0, 0.4), more=st.floats(0.01, 0.3), up=st.booleans())
def test_nodding_never_scores_higher(nod: float, more: float, up: bool) -> None:
    frame, box = scene("grace_hopper", 120)
    marks = landmarks_for(box[None])[0].copy()
    to_mouth = float(marks[3, 1] - marks[0, 1])
    marks[2, 1] = marks[0, 1] + 0.54 * to_mouth
    qualities = []
    for share in (0.0, nod, nod + more):
        nodded = marks.copy()
        nodded[2, 1] += (-share if up else share) * to_mouth
        qualities.append(judged(frame, box, landmarks=nodded))
    never_up(qualities)


@many
@given(angle=st.floats(0.0, 1.4), more=st.floats(0.01, 0.5))
def test_tilting_lowers_roll_and_nothing_else_of_the_pose(angle: float, more: float) -> None:
    frame, box = scene("grace_hopper", 120)
    marks = landmarks_for(box[None])[0].astype(np.float64)
    found = []
    for turn in (0.0, angle, angle + more):
        rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        tilted = ((marks - marks.mean(axis=0)) @ rotation.T + marks.mean(axis=0)).astype(np.float32)
        found.append(judged(frame, box, landmarks=tilted).parts)
    assert found[0]["roll"] >= found[1]["roll"] >= found[2]["roll"] or angle + more > np.pi / 2
    assert found[1]["yaw"] == pytest.approx(found[0]["yaw"], abs=1e-3)
    assert found[1]["pitch"] == pytest.approx(found[0]["pitch"], abs=1e-3)


def test_larger_is_better_until_it_is_enough() -> None:
    qualities = [judged(*scene("grace_hopper", side)) for side in (20, 40, 60, 90, 140, 150)]
    for part in ("inter_eye", "size"):
        values = [quality.parts[part] for quality in qualities]
        assert values == sorted(values)
        assert values[-1] > 0.98
    assert qualities[0].score < qualities[2].score < qualities[-1].score


@many
@given(out=st.floats(-0.5, 1.5), more=st.floats(0.01, 0.5), edge=st.sampled_from(["left", "top", "right", "bottom"]))
def test_more_of_it_outside_the_frame_never_scores_higher(out: float, more: float, edge: str) -> None:
    parts = []
    for share in (out, out + more):
        box = np.array([0, 0, 100, 120], np.float32) + np.array([600, 300, 600, 300], np.float32)
        move = {
            "left": (-600 - share * 100, 0),
            "top": (0, -300 - share * 120),
            "right": (FRAME[0] - 700 + share * 100, 0),
            "bottom": (0, FRAME[1] - 420 + share * 120),
        }[edge]
        whole = box + np.array([*move, *move], np.float32)
        clipped = np.clip(whole, 0, [FRAME[0], FRAME[1]] * 2).astype(np.float32)
        marks = landmarks_for(whole[None])[0]
        parts.append(judged(np.full((720, 1280), 110, np.uint8), clipped, landmarks=marks).parts["truncation"])
    assert parts[1] <= parts[0] + SLACK


@few
@given(name=names, side_px=st.sampled_from([64.0, 128.0]), x=st.integers(-300, 300), y=st.integers(-100, 100))
def test_where_a_face_is_does_not_matter(name: str, side_px: float, x: int, y: int) -> None:
    frame, box = scene(name, side_px)
    box = np.rint(box).astype(np.float32)
    here = judged(frame, box)
    there = judged(np.roll(frame, (y, x), (0, 1)), box + np.array([x, y, x, y], np.float32))
    assert there.score == pytest.approx(here.score, abs=1e-4)
    assert there.parts == pytest.approx(here.parts, abs=1e-4)


@pytest.mark.parametrize("name", sorted(PLANES))
def test_pixels_of_a_large_face_are_judged_alike_at_every_size(name: str) -> None:
    found = [judged(*scene(name, side)).parts for side in (150.0, 180.0)]
    for part in ("contrast", "under_exposure", "over_exposure", "evenness"):
        assert found[0][part] == pytest.approx(found[1][part], abs=0.03)
    assert found[0]["sharpness"] == pytest.approx(found[1]["sharpness"], abs=0.15)


@few
@given(confidence=st.floats(0.0, 1.0), other=st.floats(0.0, 1.0))
def test_a_surer_detector_scores_no_lower(confidence: float, other: float) -> None:
    frame, box = scene("astronaut", 90)
    low, high = sorted([confidence, other])
    never_up([judged(frame, box, confidence=high), judged(frame, box, confidence=low)])


@many
@given(
    box=st.tuples(*[st.floats(-300, 1600, width=32)] * 4),
    marks=st.lists(st.floats(-300, 1600, width=32), min_size=10, max_size=10),
    fill=st.sampled_from([0, 16, 110, 235, 255]),
    confidence=st.floats(0.0, 1.0),
)
def test_whatever_comes_parts_and_score_are_shares(
    box: tuple[float, ...], marks: list[float], fill: int, confidence: float
) -> None:
    left, top, right, bottom = box
    edges = np.array([min(left, right), min(top, bottom), max(left, right), max(top, bottom)], np.float32)
    quality = judged(
        np.full((720, 1280), fill, np.uint8),
        edges,
        landmarks=np.array(marks, np.float32).reshape(5, 2),
        confidence=confidence,
    )
    assert 0.0 <= quality.score <= 1.0
    assert all(0.0 <= part <= 1.0 for part in quality.parts.values())
    assert all(isinstance(part, float) for part in quality.parts.values())


@pytest.mark.parametrize(
    "box",
    [
        (1279, 719, 1400, 800),
        (5000, 5000, 5100, 5100),
        (100, 100, 101, 101),
        (100, 100, 100, 100),
        (-200, -200, -10, -10),
    ],
)
def test_a_box_with_nothing_in_it_scores_next_to_nothing(box: tuple[float, ...]) -> None:
    frame, _ = scene("astronaut", 90)
    quality = judged(frame, np.array(box, np.float32))
    assert 0.0 <= quality.score < 0.05


def test_eyes_in_one_place_and_a_mouth_above_them_are_no_pose() -> None:
    frame, box = scene("astronaut", 90)
    nothing = judged(frame, box, landmarks=np.zeros((5, 2), np.float32)).parts
    assert (nothing["yaw"], nothing["pitch"], nothing["roll"], nothing["inter_eye"]) == (0.0, 0.0, 0.0, 0.0)
    upside_down = landmarks_for(box[None])[0][[1, 0, 2, 4, 3]]
    assert judged(frame, box, landmarks=upside_down).parts["roll"] == 0.0


@pytest.mark.parametrize("name", sorted(PLANES))
def test_the_scale_holds_what_it_says(name: str) -> None:
    """A clean face that fills the detector's needs is good; FindFace's smallest is usable; a smear is not."""
    assert judged(*scene(name, 150)).score > 0.7
    frame, box = scene(name, 60)
    assert 0.4 < judged(frame, box).score < 0.9
    assert judged(cv2.GaussianBlur(frame, (0, 0), 0.06 * 60), box).score < 0.3
