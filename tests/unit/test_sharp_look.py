"""Sharp looks: when they come, what they cost at most, and that two looks at one face stay one face."""

from dataclasses import dataclass, field
from math import ceil

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.ports import Detections
from vigia.application.sharp_look import (
    FOLLOW_S,
    SAME_FACE_IOU,
    SEARCH_S,
    WHOLE_AREA_MAX,
    WHOLE_S,
    SharpAims,
    SharpLook,
    merge_looks,
)
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.domain.camera import CameraId
from vigia.domain.frame import Frame, Picture
from vigia.domain.geometry import iou_matrix
from vigia.domain.regions import Region, cut_by, tile
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import STREAM, ScriptedDecoder, ScriptedPacket, ScriptedPicture, landmarks_for, packet

WIDE, HIGH = 1920, 1080
FLOOR_PX = 12.0


@dataclass
class Sighted:
    """Finds a scripted face only when it has FLOOR_PX pixels of the input; notes every look."""

    name = "sighted"
    sure_confidence = 0.6
    looks: list[tuple[int, Region | None]] = field(default_factory=list)

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:
        return max(32, ceil(frame_width * min(1.0, FLOOR_PX / min_face_px)))

    def detect(self, picture: Picture, *, input_width: int, region: Region | None = None) -> Detections:
        assert isinstance(picture, ScriptedPicture)
        self.looks.append((input_width, region))
        seen = region if region is not None else Region(0, 0, picture.width, picture.height)
        scale = input_width / seen.width
        edges = np.array([seen.left, seen.top, seen.right, seen.bottom], np.float32)
        rows = np.array(picture.faces_xyxy, np.float32).reshape(-1, 4)
        rows = np.clip(rows, np.tile(edges[:2], 2), np.tile(edges[2:], 2))
        rows = rows[(rows[:, 2:] - rows[:, :2]).min(axis=1) * scale >= FLOOR_PX]
        return Detections(rows, landmarks_for(rows), np.full(len(rows), 0.9, np.float32))


def frame_at(at_s: float, *faces: tuple[float, float, float, float], camera: str = "gate") -> Frame:
    clock = SimClock()
    clock.advance(at_s)
    script = ScriptedPacket(ScriptedPicture(tuple(faces), width=WIDE, height=HIGH))
    return ScriptedDecoder(STREAM).decode(packet(CameraId(camera), 0, clock=clock, script=script)).frames[0].frame


def play(look: SharpLook, seconds: float, *faces: tuple[float, float, float, float], fps: int = 30) -> list[Detections]:
    """Every frame looked at, whoever was found last being followed."""
    known = np.zeros((0, 4), np.float32)
    found: list[Detections] = []
    for n in range(round(seconds * fps)):
        aims = SharpAims(followed=lambda known=known: known)  # type: ignore[misc]
        found.append(look.detect(frame_at(n / fps, *faces), input_width=288, aims=aims))
        known = found[-1].boxes_xyxy if len(found[-1]) >= len(known) else known
    return found


SMALL = (700.0, 400.0, 762.0, 480.0)
LARGE = (1200.0, 400.0, 1360.0, 600.0)


def test_the_whole_picture_is_looked_at_sharply_instead_where_that_is_cheap() -> None:
    detector = Sighted()
    found = play(SharpLook(detector, face_px=60, min_face_px=80), 3.0, LARGE)
    assert len(detector.looks) == 90, "a sharp look takes the place of an ordinary one"
    assert {width for width, _ in detector.looks} == {288, 384}
    assert all(region is None for _, region in detector.looks)
    assert sum(width == 384 for width, _ in detector.looks) in {int(3.0 / WHOLE_S), int(3.0 / WHOLE_S) + 1}
    assert all(len(one) == 1 for one in found)


def test_a_face_too_small_for_ordinary_looks_is_found_now_and_then() -> None:
    detector = Sighted()
    found = play(SharpLook(detector, face_px=60, min_face_px=80), 3.0, SMALL, LARGE)
    times = [n / 30 for n, one in enumerate(found) if len(one) == 2]
    assert times[0] <= WHOLE_S
    assert np.diff(times).max() < 1.0, "a track waits a second for its face"
    assert len(times) < 5, "this detector never finds it otherwise"


@given(
    sharp_px=st.floats(8, 79),
    frames=st.integers(1, 90),
    fps=st.sampled_from([5, 10, 25, 30]),
    small=st.booleans(),
)
def test_sharp_looks_stay_within_their_budget(sharp_px: float, frames: int, fps: int, small: bool) -> None:
    detector = Sighted()
    look = SharpLook(detector, face_px=sharp_px, min_face_px=80)
    ordinary = detector.input_width_for(frame_width=WIDE, min_face_px=80)
    for n in range(frames):
        look.detect(frame_at(n / fps, SMALL if small else LARGE), input_width=ordinary, aims=SharpAims())
    area = sum((width / ordinary) ** 2 for width, _ in detector.looks)
    sharp = 1 + (frames - 1) / fps / FOLLOW_S
    assert area <= frames + sharp * max(1.0, WHOLE_AREA_MAX - 1.0) * 1.001


def test_the_same_times_give_the_same_looks() -> None:
    first, second = Sighted(), Sighted()
    for detector in (first, second):
        play(SharpLook(detector, face_px=25, min_face_px=80), 4.0, SMALL, (100, 100, 130, 140), LARGE)
    assert first.looks == second.looks
    assert any(region is not None for _, region in first.looks)


def test_cameras_have_turns_of_their_own_and_do_not_begin_together() -> None:
    detector = Sighted()
    look = SharpLook(detector, face_px=60, min_face_px=80)
    names = [f"camera-{n}" for n in range(16)]
    sharp: list[set[str]] = []
    for n in range(60):
        sharp.append(set())
        for name in names:
            look.detect(frame_at(n / 30, camera=name), input_width=288, aims=SharpAims())
            if detector.looks[-1][0] == 384:
                sharp[-1].add(name)
    assert set().union(*sharp[: round(WHOLE_S * 30) + 1]) == set(names), "every camera had its turn in the first period"
    assert max(len(names) for names in sharp) <= 6


def test_time_that_jumps_back_does_not_stop_sharp_looks() -> None:
    detector = Sighted()
    look = SharpLook(detector, face_px=60, min_face_px=80)
    for at_s in (500.0, 501.0, 3.0, 3.1):
        look.detect(frame_at(at_s), input_width=288, aims=SharpAims())
    assert [width for width, _ in detector.looks][1:] == [384, 384, 288]


def test_nothing_is_done_where_ordinary_looks_are_as_sharp() -> None:
    detector = Sighted()
    look = SharpLook(detector, face_px=60, min_face_px=60)
    for n in range(60):
        look.detect(frame_at(n / 30), input_width=384, aims=SharpAims())
    assert detector.looks == [(384, None)] * 60


def test_very_small_faces_are_looked_for_in_regions_beside_the_ordinary_look() -> None:
    detector = Sighted()
    tiny = (1500.0, 800.0, 1530.0, 838.0)
    found = play(SharpLook(detector, face_px=25, min_face_px=80), 20.0, tiny, LARGE)
    regions = [(width, region) for width, region in detector.looks if region is not None]
    assert {width for width, _ in regions} == {288}, "an input as large as an ordinary look's: one shape for both"
    assert len(detector.looks) - len(regions) == 600, "and the ordinary look is made all the same"
    assert all(len(one) in {1, 2} for one in found)
    times = [n / 30 for n, one in enumerate(found) if len(one) == 2]
    tiles = len(tile((WIDE, HIGH), (regions[0][1].width, regions[0][1].height), overlap_px=120))
    assert times[0] <= (2 * tiles + 2) * SEARCH_S
    assert np.diff(times).max() <= 2 * FOLLOW_S + 0.05, "once found, it has every other look, and looks come more often"


def test_a_followed_face_is_looked_at_again_where_it_is_expected() -> None:
    detector = Sighted()
    look = SharpLook(detector, face_px=25, min_face_px=80)
    expected = np.array([[1500, 800, 1530, 838]], np.float32)
    still = np.zeros((135, 240), dtype=bool)
    aims = SharpAims(still, lambda: expected)
    assert len(look.detect(frame_at(1.0, (1500, 800, 1530, 838)), input_width=288, aims=aims)) == 0
    found = look.detect(frame_at(1.0 + SEARCH_S, (1500, 800, 1530, 838)), input_width=288, aims=aims)
    assert [tuple(row) for row in found.boxes_xyxy] == [(1500, 800, 1530, 838)]


def test_where_nothing_moves_and_nobody_is_known_no_region_is_looked_at() -> None:
    detector = Sighted()
    look = SharpLook(detector, face_px=25, min_face_px=80)
    still = np.zeros((135, 240), dtype=bool)
    for n in range(60):
        look.detect(frame_at(n / 30), input_width=288, aims=SharpAims(still))
    assert all(region is None for _, region in detector.looks)


BOXES = st.lists(
    st.tuples(st.integers(0, 900), st.integers(0, 500), st.integers(12, 160), st.floats(0.5, 1.0)), max_size=8
)


def found_of(rows: list[tuple[int, int, int, float]]) -> Detections:
    """Faces of one look: what overlaps an earlier one is left out, as detectors do."""
    kept: list[tuple[float, float, float, float]] = []
    scores: list[float] = []
    for left, top, side, score in sorted(rows, key=lambda row: -row[3]):
        box = (float(left), float(top), float(left + side), float(top + 1.3 * side))
        if not kept or iou_matrix(np.array([box], np.float32), np.array(kept, np.float32)).max() <= SAME_FACE_IOU:
            kept.append(box)
            scores.append(score)
    made = np.array(kept, np.float32).reshape(-1, 4)
    return Detections(made, landmarks_for(made), np.array(scores, np.float32))


@given(ordinary=BOXES, sharp=BOXES)
def test_two_looks_make_one_box_a_face_and_lose_none(
    ordinary: list[tuple[int, int, int, float]], sharp: list[tuple[int, int, int, float]]
) -> None:
    region, frame_wh = Region(200, 100, 600, 400), (1100, 800)
    wide, near = found_of(ordinary), found_of(sharp)
    merged = merge_looks(wide, near, region=region, frame_wh=frame_wh, slack_px=4.0)
    assert merged.boxes_xyxy.shape == (len(merged), 4)
    assert merged.landmarks.shape == (len(merged), 5, 2)
    assert (np.diff(merged.confidences) <= 0).all()
    overlaps = iou_matrix(merged.boxes_xyxy, merged.boxes_xyxy)
    np.fill_diagonal(overlaps, 0.0)
    assert overlaps.max(initial=0.0) <= SAME_FACE_IOU
    whole = near.boxes_xyxy[~cut_by(region, near.boxes_xyxy, frame_wh, slack_px=4.0)]
    for box in (*whole, *wide.boxes_xyxy):
        assert len(merged)
        assert iou_matrix(box[None], merged.boxes_xyxy).max() > SAME_FACE_IOU
    kept = {tuple(box) for box in merged.boxes_xyxy.tolist()}
    assert kept >= {tuple(box) for box in whole.tolist()}, "what was seen sharply and whole is believed"
    assert kept <= {tuple(box) for box in (*whole.tolist(), *wide.boxes_xyxy.tolist())}


def test_a_face_that_the_regions_edge_cuts_keeps_the_ordinary_box() -> None:
    box = (780.0, 200.0, 840.0, 280.0)
    wide = Detections(*_one(box, 0.7))
    cut = Detections(*_one((780.0, 200.0, 799.0, 280.0), 0.9))
    merged = merge_looks(wide, cut, region=Region(200, 100, 600, 400), frame_wh=(1100, 800), slack_px=4.0)
    assert [tuple(row) for row in merged.boxes_xyxy.tolist()] == [box]


def _one(box: tuple[float, float, float, float], score: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = np.array([box], np.float32)
    return rows, landmarks_for(rows), np.array([score], np.float32)


def test_the_use_case_looks_sharply_only_where_it_is_told_to_and_may() -> None:
    for sharp_px, aims, expected in ((None, SharpAims(), {288}), (60.0, None, {288}), (60.0, SharpAims(), {288, 384})):
        detector = Sighted()
        detect = DetectFacesUseCase(detector, min_face_px=80, sharp_face_px=sharp_px)
        for n in range(30):
            detect.execute(frame_at(n / 30, SMALL), aims=aims)
        assert {width for width, _ in detector.looks} == expected, (sharp_px, aims)
