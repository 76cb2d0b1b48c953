"""The benchmark of small faces: what counts as found, looks made once, and the verdict over all models."""

from pathlib import Path

import pytest

from vigia.bench.context import BenchContext
from vigia.bench.small_faces import DEFAULT, RECALL_MIN, _verdicts, scenes
from vigia.bench.small_faces_run import Tally, Way, _Finds, look_in_full, run_beside, whole_clip
from vigia.bootstrap.parts import detector_factory
from vigia.infrastructure.demo import DemoClip, DemoSpec


def test_ways_of_looking_share_frames_and_looks_and_are_judged_apart(tmp_path: Path, clips: list[DemoClip]) -> None:
    context = BenchContext(out=tmp_path, quick=True)
    stream = whole_clip(clips[0].path, clips[0].truth_path, number=0, frames=DemoSpec.tiny().frame_count)
    shared = {"detector__model": "centerface", "tracks__filter_min_size": 0}
    ways = [
        Way("every", context.settings(**shared, detector__cadence_k=1, detector__sharp_look="off")),
        Way("third", context.settings(**shared, detector__cadence_k=3, detector__sharp_look="off")),
        Way("sharp", context.settings(**shared, detector__cadence_k=3)),
        Way("blind", context.settings(**shared, detector__cadence_k=3, detector__input_width=64)),
    ]
    detector = detector_factory(ways[0].settings)()
    tallies = run_beside(stream, ways, face_px=60.0, detector=detector)
    every, third, sharp, blind = (tallies[way.name] for way in ways)
    assert [tally.frames for tally in tallies.values()] == [60] * 4
    assert every.looks > 2 * third.looks >= 2
    assert third.looks == sharp.looks
    assert every.cpu_s > 2.0 * third.cpu_s > 0.0, "each way is charged with the looks that it wanted"
    assert sharp.cpu_s > third.cpu_s
    assert every.passages == third.passages == sharp.passages >= 1
    assert every.recall == sharp.recall == 1.0
    assert every.captured == every.passages
    assert 0 < third.faces_found <= third.faces < every.faces
    assert blind.faces_found < third.faces_found
    assert blind.found == 0
    full = look_in_full(stream, detector, face_px=60.0, looks=4)
    assert (full.frames, full.looks) == (4, 4)
    both = Tally()
    both.add(every)
    both.add(third)
    assert (both.looks, both.passages) == (every.looks + third.looks, 2 * every.passages)


def test_a_passage_is_found_when_its_finds_are_near_enough_for_one_track() -> None:
    def most(*indexes: int) -> int:
        finds = _Finds(indexes[0], 0, 0)
        for index in indexes:
            finds.add(index, pause_frames_max=30.0)
        return finds.most

    assert most(5) == 1
    assert most(5, 35) == 2
    assert most(5, 36) == 1
    assert most(5, 36, 50, 60, 200) == 3


def test_every_model_must_reach_it_at_every_cadence() -> None:
    def tally(found: int) -> Tally:
        return Tally(passages=40, found=found)

    rows = {("scene", "a", f"{DEFAULT}, k=1"): tally(40), ("scene", "b", f"{DEFAULT}, k=3"): tally(38)}
    (held,) = _verdicts(rows)
    assert held.held
    assert held.promise == "small_faces"
    assert held.measured == "a k=1 100.0 %, b k=3 95.0 %"
    (missed,) = _verdicts({**rows, ("scene", "b", f"{DEFAULT}, k=1"): tally(37)})
    assert not missed.held
    assert pytest.approx(0.95) == RECALL_MIN
    (others,) = _verdicts({**rows, ("scene", "b", "ordinary only, k=1"): tally(0)})
    assert others.held, "only the default settings were promised"
    assert _verdicts({}) == ()


@pytest.mark.parametrize("quick", [False, True])
def test_the_promised_scene_holds_faces_of_its_size_only(tmp_path: Path, quick: bool) -> None:
    promised, *others = scenes(BenchContext(out=tmp_path, quick=quick))
    assert promised.judged
    assert not any(scene.judged for scene in others)
    assert (promised.spec.height, promised.face_px) == (1080, 60.0)
    assert promised.spec.face_px is not None
    assert promised.spec.face_px[0] >= promised.face_px
