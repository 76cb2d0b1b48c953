"""The closer look: which face is looked at, how large, and how often."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import event_maker
from vigia.application.closer_look import (
    CREDIT_A_LOOK,
    CREDIT_MAX,
    INPUT_PX,
    REGION_SIDES,
    REGION_STEP_PX,
    CloserLook,
    LookCredit,
)
from vigia.application.ports import Detections
from vigia.domain.event import FaceEvent, Quality
from vigia.domain.frame import Picture
from vigia.domain.quality import WEIGHTS, with_pose
from vigia.domain.regions import Region
from vigia.testing.video import ScriptedPicture, landmarks_for

ROUGH = Quality(0.5, dict.fromkeys(WEIGHTS, 0.9) | {"yaw": 0.2})


class Watching:
    """Finds the faces that it is told, and notes where it looked."""

    name = "watching"
    sure_confidence = 0.6

    def __init__(self, *boxes: tuple[float, float, float, float], turned: float = 0.0) -> None:
        self.boxes = np.array(boxes, np.float32).reshape(-1, 4)
        self.turned = turned
        self.looks: list[tuple[int, Region | None]] = []

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:  # noqa: ARG002 - needs no input
        return frame_width

    def detect(self, picture: Picture, *, input_width: int, region: Region | None = None) -> Detections:  # noqa: ARG002
        self.looks.append((input_width, region))
        landmarks = landmarks_for(self.boxes)
        landmarks[:, 2, 0] += self.turned
        return Detections(self.boxes, landmarks, np.full(len(self.boxes), 0.9, np.float32))


def shot(x: float = 400.0, y: float = 300.0, side_px: float = 90.0) -> FaceEvent:
    return replace(event_maker()(x, y, side_px=side_px, picture=ScriptedPicture()), quality=ROUGH)


def test_the_pose_is_that_of_the_closer_look_and_nothing_else_changes() -> None:
    event = shot()
    frontal = CloserLook(Watching((400, 300, 490, 390))).judge(event)
    turned = CloserLook(Watching((402, 301, 488, 391), turned=12.0)).judge(event)
    assert frontal.parts["yaw"] > 0.99
    assert turned.parts["yaw"] < 0.7
    assert frontal.score > turned.score
    assert {name: value for name, value in turned.parts.items() if name not in {"yaw", "pitch", "roll"}} == {
        name: value for name, value in ROUGH.parts.items() if name not in {"yaw", "pitch", "roll"}
    }


def test_of_several_faces_it_judges_the_one_that_is_meant() -> None:
    beside = (470.0, 300.0, 560.0, 390.0)
    event = shot()
    both = CloserLook(Watching(beside, (400, 300, 490, 390))).judge(event)
    assert both == CloserLook(Watching((400, 300, 490, 390))).judge(event)
    assert CloserLook(Watching(beside)).judge(event) is ROUGH


def test_a_face_that_is_not_found_again_and_one_without_picture_are_judged_as_before() -> None:
    detector = Watching()
    assert CloserLook(detector).judge(shot()) is ROUGH
    assert len(detector.looks) == 1
    assert CloserLook(detector).judge(shot().without_picture()) is ROUGH
    assert len(detector.looks) == 1


@given(x=st.floats(-40, 1240), y=st.floats(-40, 700), side_px=st.floats(20, 500))
def test_the_face_is_alone_in_a_small_region_of_the_frame(x: float, y: float, side_px: float) -> None:
    detector = Watching()
    event = shot(x, y, side_px)
    picture = event.picture
    assert picture is not None
    CloserLook(detector).judge(event)
    ((width, region),) = detector.looks
    assert width == INPUT_PX
    assert region is not None
    assert region.left >= 0
    assert region.top >= 0
    assert region.right <= picture.width
    assert region.bottom <= picture.height
    side = min(REGION_SIDES * side_px, picture.height - 1, picture.width - 1)
    assert min(region.width, region.height) >= side - 1
    assert max(region.width, region.height) <= REGION_SIDES * side_px + REGION_STEP_PX
    if region.width < picture.width and region.height < picture.height:
        assert region.width == region.height
        assert region.width % REGION_STEP_PX == 0, "few sizes: the detector remembers each"


def test_a_better_pose_alone_never_scores_lower() -> None:
    box = np.array([[0, 0, 100, 100]], np.float32)
    scores = []
    for aside in (0.0, 4.0, 8.0, 16.0):
        landmarks = landmarks_for(box)[0]
        landmarks[2, 0] += aside
        scores.append(with_pose(ROUGH, landmarks).score)
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 1.5 * scores[-1]


@given(st.lists(st.one_of(st.none(), st.integers(1, 4)), max_size=200))
def test_closer_looks_are_a_share_of_the_ordinary_ones(steps: list[int | None]) -> None:
    credit, looks, closer = LookCredit(), 0, 0
    for count in steps:
        if count is None:
            credit.earn()
            looks += 1
        elif credit.take(count):
            closer += count
        assert closer <= CREDIT_MAX + CREDIT_A_LOOK * looks


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_is_refused_is_not_spent_and_comes_back_with_looks(count: int) -> None:
    credit = LookCredit()
    while credit.take(1):
        pass
    for _ in range(round(count / CREDIT_A_LOOK) - 1):
        credit.earn()
        assert not credit.take(count)
    credit.earn()
    assert credit.take(count)
