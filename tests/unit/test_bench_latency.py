"""What lies between a face, its capture and the stand-in's answer."""

from dataclasses import replace

import pytest

from vigia.bench.latency import TimedCapture, latencies, percentile
from vigia.domain.camera import CameraId
from vigia.domain.ground_truth import ClipTruth, TruthFace

GATE = CameraId("c0")
SMALL = TruthFace(1, 1, (100.0, 50.0, 140.0, 90.0))
FACE = TruthFace(1, 1, (100.0, 50.0, 200.0, 150.0))
CAPTURE = TimedCapture(
    camera_id=GATE,
    loop=0,
    media_index=6,
    box_xyxy=FACE.box_xyxy,
    taken_s=1000.6,
    last_seen_s=1001.0,
    committed_s=1002.1,
    accepted_s=1002.25,
    silent=True,
)


def _truth(*faces: TruthFace | None) -> ClipTruth:
    return ClipTruth(640, 360, 10.0, tuple(() if face is None else (face,) for face in faces))


TRUTH = _truth(None, None, SMALL, SMALL, FACE, FACE, FACE, FACE)


def test_each_way_is_counted_from_its_own_station() -> None:
    found = latencies([CAPTURE], {GATE: TRUTH}, min_face_px=80.0, miss_interval_s=1.0)
    assert found.entered_committed_s == pytest.approx((1002.1 - 1000.4,))  # the fifth frame is the first large one
    assert found.entered_accepted_s == pytest.approx((1002.25 - 1000.4,))
    assert found.silence_committed_s == pytest.approx((0.1,))
    assert found.silence_accepted_s == pytest.approx((0.25,))
    assert found.committed_accepted_s == pytest.approx((0.15,))


def test_the_first_capture_of_a_passage_counts_and_another_loop_is_another_passage() -> None:
    captures = [replace(CAPTURE, committed_s=1009.0, accepted_s=1009.5), CAPTURE, replace(CAPTURE, loop=1)]
    found = latencies(captures, {GATE: TRUTH}, min_face_px=80.0, miss_interval_s=1.0)
    assert found.entered_accepted_s == pytest.approx((1.85, 1.85))
    assert len(found.silence_accepted_s) == 3


@pytest.mark.parametrize(
    "truth",
    [
        _truth(*[FACE] * 8),  # there when the file began: nobody knows since when
        _truth(*[SMALL] * 8),
        _truth(*[None] * 8),
    ],
)
def test_who_never_entered_is_left_out(truth: ClipTruth) -> None:
    found = latencies([CAPTURE], {GATE: truth}, min_face_px=80.0, miss_interval_s=1.0)
    assert found.entered_committed_s == ()
    assert len(found.committed_accepted_s) == 1


def test_a_track_that_was_cut_short_has_no_silence() -> None:
    found = latencies([replace(CAPTURE, silent=False)], {GATE: TRUTH}, min_face_px=80.0, miss_interval_s=1.0)
    assert found.silence_accepted_s == ()
    assert len(found.entered_accepted_s) == 1


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, percent) for percent in (50, 95, 99, 100, 0)] == [50.0, 95.0, 99.0, 100.0, 1.0]
    with pytest.raises(ValueError, match="needs a value"):
        percentile([], 50)
