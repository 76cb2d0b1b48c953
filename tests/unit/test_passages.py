"""Judging a run by the ground truth: examples, then laws that hold for every run."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigia.domain.camera import CameraId
from vigia.domain.errors import ShapeError
from vigia.domain.ground_truth import ClipTruth, TruthFace
from vigia.domain.passages import (
    DeliveredCapture,
    PassageKey,
    PassageReport,
    ProcessedWindow,
    eligible_passages,
    find_face,
    judge_passages,
)

GATE = CameraId("gate")
YARD = CameraId("yard")
FPS = 10.0
WHOLE = ProcessedWindow(0, 39)


def face(passage_id: int, *, left: float = 100.0, size: float = 80.0, visible: float = 1.0) -> TruthFace:
    return TruthFace(passage_id, passage_id, (left, 50.0, left + size, 50.0 + 1.2 * size), visible)


def clip(*stays: tuple[TruthFace, range], frames: int = 40) -> ClipTruth:
    """A clip in which each face stands still for a range of frames."""
    return ClipTruth(640, 360, FPS, tuple(tuple(f for f, stay in stays if number in stay) for number in range(frames)))


def capture_of(shown: TruthFace, *, at: int, camera_id: CameraId = GATE, loop: int = 0) -> DeliveredCapture:
    return DeliveredCapture(camera_id, at, loop, shown.box_xyxy)


def judge(
    truth: ClipTruth, *captures: DeliveredCapture, loops: int = 1, window: ProcessedWindow = WHOLE, size: float = 60.0
) -> PassageReport:
    windows = {(GATE, loop): window for loop in range(loops)}
    return judge_passages({GATE: truth}, windows=windows, captures=captures, min_face_px=size)


def test_nothing_to_judge_is_no_failure() -> None:
    report = judge_passages({}, windows={}, captures=[], min_face_px=60.0)
    assert (report.truth, report.delivered, report.recall, report.captures_per_passage) == (0, 0, 1.0, 0.0)
    assert judge(clip()).missed == ()


def test_a_delivered_and_a_missed_passage() -> None:
    first, second = face(1), face(2, left=400.0)
    truth = clip((first, range(20)), (second, range(10, 40)))
    report = judge(truth, capture_of(first, at=5), capture_of(first, at=15))
    assert (report.truth, report.delivered, report.recall, report.captures_per_passage) == (2, 1, 0.5, 2.0)
    assert report.missed == (PassageKey(GATE, 0, 2),)


def test_each_loop_holds_passages_of_its_own() -> None:
    shown = face(1)
    report = judge(clip((shown, range(20))), capture_of(shown, at=5, loop=1), loops=3)
    assert (report.truth, report.delivered) == (3, 1)
    assert report.missed == (PassageKey(GATE, 0, 1), PassageKey(GATE, 2, 1))


@pytest.mark.parametrize(
    ("shown", "stay", "expected"),
    [
        (face(1, size=60.0), range(10), 1),  # exactly large and long enough
        (face(1, size=59.9), range(40), 0),
        (face(1, visible=0.5), range(40), 1),
        (face(1, visible=0.49), range(40), 0),
        (face(1), range(9), 0),
    ],
)
def test_what_makes_a_passage_eligible(shown: TruthFace, stay: range, expected: int) -> None:
    assert judge(clip((shown, stay))).truth == expected


def test_the_second_may_be_made_of_pieces() -> None:
    shown = face(1)
    hidden = replace(shown, visible=0.1)
    truth = clip((shown, range(6)), (hidden, range(6, 20)), (shown, range(20, 24)))
    assert eligible_passages(truth, WHOLE, min_face_px=60.0) == {1}
    assert eligible_passages(truth, ProcessedWindow(0, 22), min_face_px=60.0) == frozenset()


def test_only_the_processed_part_counts() -> None:
    truth = clip((face(1), range(10, 30)))
    assert judge(truth, window=ProcessedWindow(0, 18)).truth == 0
    assert judge(truth, window=ProcessedWindow(0, 19)).truth == 1
    assert judge(truth, window=ProcessedWindow(-5, 400)).truth == 1
    assert judge(truth, window=ProcessedWindow(50, 400)).truth == 0


def test_a_window_grows_by_what_is_seen() -> None:
    window = ProcessedWindow(7, 7).including(9).including(3).including(8)
    assert window == ProcessedWindow(3, 9)


def test_captures_of_small_faces_are_neither_false_nor_counted() -> None:
    small = face(1, size=40.0)
    report = judge(clip((small, range(40))), capture_of(small, at=3))
    assert (report.truth, report.small_captures, report.false_captures, report.captures) == (0, 1, 0, 0)


@pytest.mark.parametrize(
    "capture",
    [
        DeliveredCapture(GATE, 3, 0, (400.0, 200.0, 480.0, 300.0)),  # nobody there
        DeliveredCapture(GATE, 30, 0, face(1).box_xyxy),  # not any more
        DeliveredCapture(GATE, 99, 0, face(1).box_xyxy),  # no such frame
        DeliveredCapture(GATE, -1, 0, face(1).box_xyxy),
        DeliveredCapture(GATE, 3, 0, (135.0, 95.0, 145.0, 105.0)),  # within the face, but far too small
    ],
)
def test_false_captures(capture: DeliveredCapture) -> None:
    report = judge(clip((face(1), range(20))), capture)
    assert (report.false_captures, report.captures, report.delivered) == (1, 0, 0)


def test_a_camera_without_truth_is_not_judged() -> None:
    shown = face(1)
    report = judge(clip((shown, range(20))), capture_of(shown, at=3, camera_id=YARD))
    assert (report.unjudged, report.false_captures, report.delivered) == (1, 0, 0)


def test_the_best_overlap_wins() -> None:
    left, right = face(1, left=100.0), face(2, left=130.0)
    truth = clip((left, range(20)), (right, range(20)))
    for shown in (left, right):
        found = find_face(truth, capture_of(shown, at=0))
        assert found is not None
        assert found.passage_id == shown.passage_id


def test_a_wholly_hidden_face_is_not_what_was_captured() -> None:
    front, behind = face(1, left=104.0), face(2, left=100.0, visible=0.0)
    found = find_face(clip((front, range(20)), (behind, range(20))), capture_of(behind, at=0))
    assert found is not None
    assert found.passage_id == 1


def test_a_box_that_leaves_the_picture_is_clipped_first() -> None:
    shown = TruthFace(1, 1, (0.0, 50.0, 30.0, 150.0), 0.375)
    found = find_face(clip((shown, range(20))), DeliveredCapture(GATE, 0, 0, (-50.0, 50.0, 30.0, 150.0)))
    assert found == shown


def test_a_box_that_is_none_is_an_error() -> None:
    with pytest.raises(ShapeError):
        judge(clip((face(1), range(20))), DeliveredCapture(GATE, 0, 0, (50.0, 50.0, 10.0, 10.0)))


def test_the_summary_is_the_report() -> None:
    shown = face(1)
    report = judge(clip((shown, range(20))), capture_of(shown, at=3))
    assert report.summary() == {
        "truth": 1,
        "delivered": 1,
        "recall": 1.0,
        "captures_per_passage": 1.0,
        "captures": 1,
        "small_captures": 0,
        "false_captures": 0,
        "unjudged": 0,
    }


@st.composite
def clips(draw: st.DrawFn) -> ClipTruth:
    frames = draw(st.integers(0, 30))
    stays = []
    for passage_id in range(draw(st.integers(0, 4))):
        shown = face(
            passage_id,
            left=draw(st.floats(0.0, 500.0)),
            size=draw(st.floats(20.0, 120.0)),
            visible=draw(st.sampled_from([0.0, 0.4, 0.5, 1.0])),
        )
        first = draw(st.integers(0, 30))
        stays.append((shown, range(first, first + draw(st.integers(0, 30)))))
    return clip(*stays, frames=frames)


@st.composite
def captures_in(draw: st.DrawFn, truth: ClipTruth) -> DeliveredCapture:
    """Half of them on a face, half of them anywhere."""
    camera_id, loop = draw(st.sampled_from([GATE, YARD])), draw(st.integers(0, 2))
    at = draw(st.integers(0, 32))
    faces = truth.frames[at] if at < len(truth.frames) else ()
    on_face: bool = draw(st.booleans())
    if faces and on_face:
        return DeliveredCapture(camera_id, at, loop, draw(st.sampled_from(faces)).box_xyxy)
    left, top, size = draw(st.floats(-20, 600)), draw(st.floats(-20, 300)), draw(st.floats(1, 200))
    return DeliveredCapture(camera_id, at, loop, (left, top, left + size, top + size))


@st.composite
def runs(draw: st.DrawFn) -> tuple[ClipTruth, dict[tuple[CameraId, int], ProcessedWindow], list[DeliveredCapture]]:
    truth = draw(clips())
    windows = {}
    for loop in range(draw(st.integers(0, 3))):
        first = draw(st.integers(0, 30))
        windows[GATE, loop] = ProcessedWindow(first, first + draw(st.integers(0, 30)))
    return truth, windows, draw(st.lists(captures_in(truth), max_size=8))


Run = tuple[ClipTruth, dict[tuple[CameraId, int], ProcessedWindow], list[DeliveredCapture]]


@settings(max_examples=60)
@given(runs())
def test_every_capture_is_counted_once(run: Run) -> None:
    truth, windows, captures = run
    report = judge_passages({GATE: truth}, windows=windows, captures=captures, min_face_px=60.0)
    counted = report.captures + report.small_captures + report.false_captures + report.unjudged
    assert counted == len(captures)
    assert report.unjudged == sum(c.camera_id == YARD for c in captures)


@settings(max_examples=60)
@given(runs())
def test_figures_stay_in_their_ranges(run: Run) -> None:
    truth, windows, captures = run
    report = judge_passages({GATE: truth}, windows=windows, captures=captures, min_face_px=60.0)
    assert 0.0 <= report.recall <= 1.0
    assert 0 <= report.delivered <= report.captures
    assert report.captures_per_passage == 0.0 or report.captures_per_passage >= 1.0
    assert report.delivered + len(report.missed) == report.truth


@settings(max_examples=60)
@given(runs(), st.randoms(use_true_random=False))
def test_no_order_matters(run: Run, random: Random) -> None:
    truth, windows, captures = run
    before = judge_passages({GATE: truth}, windows=windows, captures=captures, min_face_px=60.0)
    shuffled, keys = list(captures), list(windows)
    random.shuffle(shuffled)
    random.shuffle(keys)
    mixed = ClipTruth(
        truth.width, truth.height, truth.fps, tuple(tuple(random.sample(f, len(f))) for f in truth.frames)
    )
    after = judge_passages(
        {GATE: mixed}, windows={key: windows[key] for key in keys}, captures=shuffled, min_face_px=60.0
    )
    assert before == after


@settings(max_examples=60)
@given(runs(), st.floats(20.0, 120.0), st.floats(20.0, 120.0))
def test_a_stricter_size_never_asks_for_more(run: Run, one: float, other: float) -> None:
    truth, windows, captures = run
    lax, strict = (
        judge_passages({GATE: truth}, windows=windows, captures=captures, min_face_px=size)
        for size in sorted((one, other))
    )
    assert strict.truth <= lax.truth
    assert strict.false_captures == lax.false_captures


@settings(max_examples=60)
@given(runs())
def test_one_more_loop_adds_its_own_passages_only(run: Run) -> None:
    truth, windows, captures = run
    before = judge_passages({GATE: truth}, windows=windows, captures=captures, min_face_px=60.0)
    added = {**windows, (GATE, 9): WHOLE}
    after = judge_passages({GATE: truth}, windows=added, captures=captures, min_face_px=60.0)
    assert after.truth == before.truth + len(eligible_passages(truth, WHOLE, min_face_px=60.0))
    assert after.delivered == before.delivered
    assert set(before.missed) <= set(after.missed)
