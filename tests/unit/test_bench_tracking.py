"""The tracking benchmark compares what it says: metrics, sequences, rivals and verdicts; nothing is timed."""

import importlib.util
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from vigia.application.errors import ConfigurationError
from vigia.application.use_cases.manage_tracks_use_case import Association
from vigia.bench import tracking
from vigia.bench.context import BenchContext
from vigia.bench.flat_out import flat_streams
from vigia.bench.promises import PROMISES
from vigia.bench.result import Spread
from vigia.bench.rivals_tracking import GRIDS, OURS, TrackerSetting, our_setting, rival_settings
from vigia.bench.tracking_cost import SIZE_WH, TrackingCost, cpu_a_frame_s, measure_costs, moving_boxes
from vigia.bench.tracking_metrics import TrackScores, score
from vigia.bench.tracking_passages import measure_passages, passages_of_tracks
from vigia.bench.tracking_runs import Comparison, Run, run_all, run_tracker
from vigia.bench.tracking_sequences import (
    DetectorErrors,
    folder_sequences,
    generator_sequences,
    sequence_of,
)
from vigia.cli import main
from vigia.domain.camera import CameraId
from vigia.domain.event import EventId, FaceEvent
from vigia.domain.ground_truth import ClipTruth, TruthFace
from vigia.domain.motion import TrackId
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.i18n import catalogue
from vigia.infrastructure.mot import MotBoxes

SCORES = TrackScores(hota=50.0, ass_a=50.0, idf1=50.0, mota=50.0, switches=5)


def _ours(tmp_path: Path) -> TrackerSetting:
    return our_setting(BenchContext(tmp_path).settings())


# Metrics


def test_the_truth_itself_is_perfect() -> None:
    sequence = moving_boxes(7, frames=30)
    perfect = score(sequence, sequence.truth)
    assert (perfect.hota, perfect.ass_a, perfect.idf1, perfect.mota, perfect.switches) == (100, 100, 100, 100, 0)


def test_swapped_identities_cost_association_and_nothing_else() -> None:
    sequence = moving_boxes(2, frames=40)
    swapped = {n: boxes if n <= 20 else boxes.with_ids([1, 0]) for n, boxes in sequence.truth.items()}
    found = score(sequence, swapped)
    assert found.switches == 2
    assert found.idf1 == pytest.approx(50.0)
    assert found.ass_a == pytest.approx(100.0 / 3.0)
    assert found.mota == pytest.approx(100.0 * (1.0 - 2 / 80))


def test_nobody_found_is_nothing_reached() -> None:
    sequence = moving_boxes(3, frames=10)
    nothing = score(sequence, {})
    assert (nothing.hota, nothing.idf1, nothing.mota, nothing.switches) == (0.0, 0.0, 0.0, 0)


def test_only_the_frames_looked_at_are_evaluated() -> None:
    sequence = moving_boxes(3, frames=30).every(3)
    assert list(sequence.numbers) == [1, 4, 7, 10, 13, 16, 19, 22, 25, 28]
    some = {n: boxes for n, boxes in sequence.truth.items() if n in sequence.numbers}
    wrong = {n: boxes.with_ids([7, 8, 9]) for n, boxes in sequence.truth.items() if n not in sequence.numbers}
    assert score(sequence, {**some, **wrong}).hota == pytest.approx(100.0)


# Sequences


def test_the_generators_sequences_repeat_and_err_as_stated() -> None:
    (first,), (again,) = (generator_sequences(count=1) for _ in range(2))
    assert list(first.detections) == list(again.detections)
    for number, boxes in first.detections.items():
        np.testing.assert_array_equal(boxes.boxes_xyxy, again.detections[number].boxes_xyxy)
        assert set(boxes.ids.tolist()) <= {-1}
        assert (boxes.confidences >= 0.0).all()
        assert (boxes.confidences <= 1.0).all()
        assert boxes.boxes_xyxy.min() >= 0.0
        assert boxes.boxes_xyxy[:, 2].max() <= first.size_wh[0]
    people = {owner for boxes in first.truth.values() for owner in boxes.ids.tolist()}
    assert len(people) >= 8


def _standing(frames: int, *, visible: float = 1.0) -> ClipTruth:
    face = TruthFace(3, 0, (100.0, 100.0, 180.0, 190.0), visible)
    return ClipTruth(640, 480, 30.0, ((face,),) * frames)


def test_a_detector_without_errors_sees_what_is_there() -> None:
    errors = DetectorErrors(jitter=0.0, miss=0.0, burst=0.0, false_a_frame=0.0)
    sequence = sequence_of(_standing(20), name="x", errors=errors, seed=(1,))
    assert len(sequence.detections) == 20
    for boxes in sequence.detections.values():
        assert boxes.boxes_xyxy.tolist() == [[100.0, 100.0, 180.0, 190.0]]
    assert score(sequence, {n: boxes.with_ids([0]) for n, boxes in sequence.detections.items()}).hota == 100.0


def test_what_is_hidden_is_neither_found_nor_wanted() -> None:
    errors = DetectorErrors(false_a_frame=0.0)
    sequence = sequence_of(_standing(20, visible=0.1), name="x", errors=errors, seed=(1,))
    assert (sequence.detections, sequence.truth) == ({}, {})


def test_misses_and_false_boxes_are_as_many_as_stated() -> None:
    errors = DetectorErrors(jitter=0.0, miss=0.2, burst=0.0, false_a_frame=0.0)
    seen = sequence_of(_standing(1000), name="x", errors=errors, seed=(2,)).detections
    assert 740 < len(seen) < 860
    errors = DetectorErrors(false_a_frame=0.5, false_stay_frames=1)
    truth = ClipTruth(640, 480, 30.0, ((),) * 1000)
    false = sequence_of(truth, name="x", errors=errors, seed=(2,)).detections
    assert 600 < sum(len(boxes) for boxes in false.values()) < 900  # 500, and half of them stay for one frame more


def _write_sequence(folder: Path, *, info: str = "", truth: str = "1,1,0,0,9,9,1\n4,1,0,0,9,9,0\n") -> None:
    folder.mkdir()
    (folder / "det.txt").write_text("1,-1,0,0,9,9,0.9\n", encoding="utf-8")
    (folder / "gt.txt").write_text(truth, encoding="utf-8")
    if info:
        (folder / "seqinfo.ini").write_text(info, encoding="utf-8")


def test_a_folders_sequences_are_read(tmp_path: Path) -> None:
    _write_sequence(tmp_path / "b", info="[Sequence]\nframeRate=14\nimWidth = 640\nimHeight=480\n")
    _write_sequence(tmp_path / "tud_stadtmitte")
    (tmp_path / "README.md").write_text("not a sequence", encoding="utf-8")
    one, two = folder_sequences(tmp_path)
    assert (one.name, one.fps, one.size_wh, one.frames) == ("b", 14.0, (640, 480), 4)
    assert len(one.truth[4]) == 0  # marked as not to be evaluated
    assert (two.name, two.fps, two.size_wh) == ("tud_stadtmitte", 25.0, (640, 480))


def test_what_a_folder_lacks_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"holds no sequence: wanted are folders with det\.txt"):
        folder_sequences(tmp_path)
    _write_sequence(tmp_path / "mine")
    with pytest.raises(ConfigurationError, match=r"seqinfo\.ini must say frameRate, imWidth and imHeight"):
        folder_sequences(tmp_path)
    (tmp_path / "mine" / "gt.txt").unlink()
    with pytest.raises(ConfigurationError, match=r"gt\.txt cannot be read"):
        folder_sequences(tmp_path)


# Trackers

RIVALS = {setting.tracker: setting for setting in rival_settings() if setting.is_default}


def test_every_rival_is_measured_at_its_defaults_and_at_a_grid() -> None:
    settings = rival_settings()
    assert set(RIVALS) == set(GRIDS)
    for name, grid in GRIDS.items():
        labels = [setting.label for setting in settings if setting.tracker == name]
        assert labels[0] == "defaults"
        assert len(set(labels)) == len(grid) + 1 >= 4


@pytest.mark.parametrize("name", [OURS, *RIVALS])
@pytest.mark.parametrize("k", [1, 3])
def test_every_tracker_follows_what_cannot_be_confused(tmp_path: Path, name: str, k: int) -> None:
    setting = _ours(tmp_path) if name == OURS else RIVALS[name]
    sequence = moving_boxes(4, frames=60).every(k)
    result = run_tracker(setting, sequence)
    assert {owner for boxes in result.values() for owner in boxes.ids.tolist()} <= {*range(100)}
    found = score(sequence, result)
    assert found.switches == 0
    assert found.ass_a > 85.0 if k == 1 else found.ass_a > 50.0  # some tell nothing of a track's first boxes
    last = result[max(result)]
    assert len(set(last.ids.tolist())) == 4


@pytest.mark.parametrize("name", [OURS, *RIVALS])
def test_every_tracker_takes_frames_without_boxes(tmp_path: Path, name: str) -> None:
    setting = _ours(tmp_path) if name == OURS else RIVALS[name]
    whole = moving_boxes(2, frames=40)
    gaps = {n: boxes for n, boxes in whole.detections.items() if n not in {1, 2, 20, 21}}
    found = score(whole, run_tracker(setting, replace(whole, detections=gaps)))
    assert found.hota > 50.0


def test_two_boxes_of_a_frame_in_one_track_are_no_result() -> None:
    class Confused:
        def prepare(self, frame: int, boxes: MotBoxes) -> object:
            return frame, boxes

        def step(self, prepared: object) -> object:
            return prepared

        def owners(self, prepared: tuple[int, MotBoxes], answer: object) -> list[int]:
            assert answer is prepared
            return [1] * len(prepared[1])

    with pytest.raises(RuntimeError, match=r"Confused.*two boxes of frame 1 in one track"):
        run_tracker(TrackerSetting("Confused", lambda _: Confused()), moving_boxes(2, frames=3))


@pytest.mark.parametrize("objects", [7, 50])
def test_the_load_that_is_timed_moves_and_does_not_meet(objects: int) -> None:
    sequence = moving_boxes(objects, frames=90)
    boxes = np.stack([sequence.truth[n].boxes_xyxy for n in (1, 46)])
    assert (np.abs(boxes[0] - boxes[1]).max(axis=1) > 5.0).all()
    assert boxes.min() >= 0.0
    assert boxes[..., 2].max() <= SIZE_WH[0]
    assert boxes[..., 3].max() <= SIZE_WH[1]


def test_what_is_timed_is_the_stated_load(tmp_path: Path) -> None:
    assert cpu_a_frame_s(_ours(tmp_path), moving_boxes(5, frames=20)) > 0.0
    sequence = moving_boxes(5, frames=20)
    with pytest.raises(RuntimeError, match="trackers SORT"):
        cpu_a_frame_s(
            TrackerSetting("trackers SORT", RIVALS["trackers SORT"].make),
            replace(sequence, detections=_flicker(sequence.detections)),
        )


def _flicker(detections: Mapping[int, MotBoxes]) -> dict[int, MotBoxes]:
    """Boxes that jump about: nobody can follow them."""
    rng = np.random.default_rng(1)
    moved = {}
    for number, boxes in detections.items():
        shift = rng.uniform(0.0, 1500.0, (len(boxes), 1)).astype(np.float32)
        moved[number] = MotBoxes(boxes.ids, boxes.boxes_xyxy + shift, boxes.confidences)
    return moved


# What is compared


def _run(tracker: str, label: str = "", *, place: tuple[str, int] = ("a", 1), **figures: float) -> Run:
    setting = TrackerSetting(tracker, RIVALS["norfair"].make, {"x": label} if label else {})
    scores = {**asdict(SCORES), **figures}
    return Run(setting, *place, TrackScores(**{**scores, "switches": int(scores["switches"])}))


def test_a_sequence_is_judged_figure_by_figure_the_mean_by_one_setting() -> None:
    found = Comparison([
        _run(OURS, hota=60.0, idf1=70.0), _run(OURS, place=("b", 1), hota=60.0, idf1=70.0),
        _run("A", hota=59.0, idf1=71.0), _run("A", place=("b", 1), hota=20.0, idf1=20.0),
        _run("A", "2", hota=40.0, idf1=40.0), _run("A", "2", place=("b", 1), hota=55.0, idf1=69.0),
    ])  # fmt: skip
    hota, idf1 = tracking.FIGURES["HOTA"], tracking.FIGURES["IDF1"]
    assert found.margins(hota) == {("a", 1): pytest.approx(1.0), ("b", 1): pytest.approx(5.0)}
    assert found.margins(idf1) == {("a", 1): pytest.approx(-1.0), ("b", 1): pytest.approx(1.0)}
    name, mean = found.best_mean(hota)
    assert name == ("A", "x=2")
    assert mean == pytest.approx(47.5)
    assert tracking._place_verdict(found, "HOTA").held
    verdict = tracking._place_verdict(found, "IDF1")
    assert not verdict.held
    assert verdict.measured == "at or above on 1 of 2; worst -1.0 on a, k=1: 70.0, A 71.0"
    assert tracking._mean_verdict(found, "HOTA").measured == "60.0; A (x=2) 47.5: +12.5"
    assert tracking._mean_verdict(found, "HOTA").held


@pytest.mark.parametrize(("ours", "held"), [(52.0, True), (51.9, False)])
def test_two_points_above_on_the_mean(ours: float, held: bool) -> None:
    found = Comparison([_run(OURS, hota=ours), _run("A", hota=50.0)])
    assert tracking._mean_verdict(found, "HOTA").held is held


@pytest.mark.parametrize(
    ("theirs", "held"),
    [
        ([(49.5, 4)], False),  # as good, and fewer
        ([(49.5, 5)], True),
        ([(48.0, 1)], True),  # fewer, but not as good: the next best is compared
        ([(48.0, 1), (48.5, 3)], False),
        ([(80.0, 5), (30.0, 0)], True),
    ],
)
def test_switches_are_compared_at_equal_idf1(theirs: list[tuple[float, int]], held: bool) -> None:
    rivals = [_run("A", str(n), idf1=idf1, switches=switches) for n, (idf1, switches) in enumerate(theirs)]
    if theirs == [(48.0, 1)]:
        rivals.append(_run("B", idf1=48.9, switches=9))
    verdict = tracking._switches_verdict(Comparison([_run(OURS, idf1=50.0, switches=5), *rivals]))
    assert verdict.held is held


def _cost(tracker: str, seconds: float) -> TrackingCost:
    return TrackingCost(_run(tracker).setting, 7, Spread.of([seconds, seconds * 1.1, seconds * 0.9]))


@pytest.mark.parametrize(("ours", "held"), [(0.99e-4, True), (1.01e-4, False)])
def test_a_third_of_the_cheapest(ours: float, held: bool) -> None:
    verdict = tracking._cost_verdict([_cost(OURS, ours), _cost("A", 3e-4), _cost("B", 9e-4)], 7)
    assert verdict.held is held
    assert "A 300 µs" in verdict.measured


def test_without_the_folder_what_needs_it_is_left_open() -> None:
    found = Comparison([_run(OURS), _run("A")])
    costs = [replace(_cost(name, 1e-4), objects=objects) for name in (OURS, "A") for objects in (7, 50)]
    some, all_ = (
        {verdict.promise for verdict in tracking._verdicts(tracking._Measured(found, costs, complete))}
        for complete in (False, True)
    )
    assert some == {"track-cpu-7", "track-cpu-50"}
    promised = {promise.id for promise in PROMISES if promise.benchmark == "tracking"}
    assert all_ | {"passages-k1", "passages-k3", "passages-k5"} == promised


def test_tables_show_the_defaults_and_the_best_setting() -> None:
    found = Comparison([_run(OURS), _run("A", hota=40.0), _run("A", "2", hota=45.0), _run("A", "3", hota=44.0)])
    (table,) = tracking._place_tables(found)
    assert [row[:3] for row in table.rows] == [
        (OURS, "defaults", "50.0"), ("A", "defaults", "40.0"), ("A", "x=2", "45.0"),
    ]  # fmt: skip
    chart = tracking._chart(found)
    assert [(series.label, series.values) for series in chart.series] == [(OURS, (50.0,)), ("A", (45.0,))]


def test_processes_find_what_one_process_finds_and_the_tables_tell_it(tmp_path: Path) -> None:
    settings = [_ours(tmp_path), RIVALS["trackers SORT"], RIVALS["motpy"]]
    sequences = [moving_boxes(count, frames=30) for count in (2, 3)]
    found = run_all(settings, sequences, (1, 3))
    assert found.places == [("2 boxes", 1), ("2 boxes", 3), ("3 boxes", 1), ("3 boxes", 3)]
    assert found.rivals == ["trackers SORT", "motpy"]
    for run in found.runs:
        sequence = next(one for one in sequences if one.name == run.sequence).every(run.k)
        setting = next(one for one in settings if one.tracker == run.setting.tracker)
        assert run.scores == score(sequence, run_tracker(setting, sequence))
    mean = tracking._mean_table(found)
    assert [row[:2] for row in mean.rows] == [(name, "defaults") for name in (OURS, "trackers SORT", "motpy")]
    assert mean.columns[2:] == ("HOTA", "IDF1", "AssA", "MOTA", "switches")
    costs = measure_costs(settings[:2], repeats=2, quick=True, objects=(7,))
    table = tracking._cost_table(costs)
    assert [row[0] for row in table.rows] == [OURS, "trackers SORT"]
    assert table.rows[0][-1] == "1.0"
    assert all(0.0 < cost.frame_s.low <= cost.frame_s.median <= cost.frame_s.high for cost in costs)


def test_whose_events_a_track_has() -> None:
    faces = (TruthFace(1, 0, (0.0, 0.0, 50.0, 50.0)), TruthFace(2, 1, (200.0, 0.0, 250.0, 50.0)))
    truths = {CameraId("c"): ClipTruth(640, 480, 30.0, (faces, faces, faces))}

    def seen(track: int, frame: int, left: float) -> Association:
        event = FaceEvent(
            EventId(frame), CameraId("c"), frame, frame / 30.0, datetime(2026, 1, 1, tzinfo=UTC),
            np.array([left, 0.0, left + 50.0, 50.0], dtype=np.float32), np.zeros((5, 2), dtype=np.float32),
            0.9, (640, 480), media_index=frame,
        )  # fmt: skip
        return Association(event, TrackId(track), None)

    found = passages_of_tracks(
        [seen(7, 0, 2.0), seen(7, 1, 1.0), seen(7, 2, 201.0), seen(8, 0, 199.0), seen(9, 0, 500.0)], truths
    )
    near = (faces[0], TruthFace(2, 1, (12.0, 0.0, 62.0, 50.0)))
    meeting = {CameraId("c"): ClipTruth(640, 480, 30.0, (near,))}
    assert passages_of_tracks([seen(7, 0, 6.0)], meeting) == {}  # it may be either
    assert passages_of_tracks([seen(7, 0, -4.0)], meeting) == {7: Counter({1: 1})}
    assert found == {7: Counter({1: 2, 2: 1}), 8: Counter({2: 1})}


@pytest.mark.parametrize("k", [1, 2])
def test_the_generators_people_go_through_the_product(tmp_path: Path, clips: list[DemoClip], k: int) -> None:
    settings = BenchContext(tmp_path).settings(
        detector__model="centerface", detector__cadence_k=k, detector__input_width=320
    )
    streams = flat_streams(clips, frames=60, count=2)
    found, again = (measure_passages(settings, streams, k=k) for _ in range(2))
    assert found == again  # however busy the machine is
    assert found.held
    assert found.report.truth == found.report.delivered > 0
    assert found.tracks <= found.events


# The command


@pytest.fixture
def english(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGIA_LANGUAGE", "en")
    monkeypatch.setattr(catalogue._Active, "state", catalogue._Active.state)


@pytest.mark.usefixtures("english")
def test_missing_trackers_are_told_to_who_asks_for_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "motpy" else found(name))
    assert main(["bench", "tracking"]) == 2
    told = capsys.readouterr().err
    assert told == (
        "Error: the benchmark tracking needs motpy: run pip install --no-deps -r requirements/tracking-peers.txt\n"
    )
    assert (Path(__file__).parents[2] / "requirements" / "tracking-peers.txt").is_file()
    assert main(["bench", "lock", "--tracks", "nowhere"]) == 2  # another benchmark does not need them
    assert capsys.readouterr().err == "Error: nowhere is not a directory\n"
