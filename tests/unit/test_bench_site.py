"""The site of the benchmarks: files that play cameras from another place, and a whole run of the real system."""

from dataclasses import replace
from pathlib import Path

import av
import pytest

from vigia.bench.context import BenchContext
from vigia.bench.site import PacedFigures, in_child, open_site, watched_run
from vigia.bench.site_clips import LAP_IDS, played, played_truth, site_cameras
from vigia.domain.ground_truth import ClipTruth, TruthFace
from vigia.infrastructure.demo import DemoClip, load_truth
from vigia.infrastructure.demo.spec import DemoSpec

FIGURES = PacedFigures(
    cameras=8,
    fps=240.0,
    window_s=4.0,
    skipped=0,
    p50_age_s=0.01,
    p99_age_s=0.05,
    k=1,
    cpu_cores=1.0,
    cpu_per_frame_s=0.004,
    rss_bytes=1,
    passages=4,
    passages_delivered=3,
    balanced=True,
)


def _pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray").tobytes() for frame in container.decode(video=0)]


def test_a_file_plays_the_rest_of_its_clip_and_one_whole_clip() -> None:
    assert played(start=2, clip_frames=4, frames=None) == [(0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3)]
    assert played(start=0, clip_frames=3, frames=None) == [(0, 0), (0, 1), (0, 2)]


def test_a_file_of_a_given_length_goes_round_as_often_as_needed() -> None:
    assert played(start=2, clip_frames=3, frames=5) == [(0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]


def test_a_passage_of_the_next_lap_is_another_passage() -> None:
    face = TruthFace(7, 1, (0.0, 0.0, 80.0, 80.0))
    truth = ClipTruth(640, 360, 15.0, ((face,), ()))
    moved = played_truth(truth, played(start=1, clip_frames=2, frames=None))
    assert moved.frames == ((), (replace(face, passage_id=7 + LAP_IDS),), ())


def test_cameras_play_different_files_with_truths_as_long_as_they(tmp_path: Path, clips: list[DemoClip]) -> None:
    cameras = site_cameras(clips, count=4, folder=tmp_path)
    assert len({camera.path for camera in cameras}) == 4
    for camera in cameras:
        assert len(_pictures(camera.path)) == len(camera.truth.frames)


def test_a_moved_file_shows_the_pictures_that_its_truth_speaks_of(tmp_path: Path, clips: list[DemoClip]) -> None:
    spec, original = DemoSpec.tiny(), _pictures(clips[0].path)
    moved = site_cameras(clips[:1], count=2, folder=tmp_path)[1]
    assert _pictures(moved.path) == original[spec.gop_frames :] + original
    assert moved.truth.frames[0] == load_truth(clips[0].truth_path).frames[spec.gop_frames]


def test_files_that_end_are_all_equally_long_and_not_looped(tmp_path: Path, clips: list[DemoClip]) -> None:
    cameras = site_cameras(clips, count=4, folder=tmp_path, frames=100)
    assert [(len(_pictures(camera.path)), camera.loop) for camera in cameras] == [(100, False)] * 4


@pytest.mark.parametrize(("fps", "keeps_up"), [(240.0, True), (238.1, True), (237.9, False), (0.0, False)])
def test_a_window_may_cut_one_frame_of_each_camera(fps: float, keeps_up: bool) -> None:
    assert replace(FIGURES, fps=fps).keeps_up is keeps_up


def test_a_run_without_a_steady_window_does_not_keep_up() -> None:
    assert not replace(FIGURES, fps=0.0, window_s=0.0).keeps_up


def test_the_whole_system_runs_twice_against_one_stand_in(tmp_path: Path, clips: list[DemoClip]) -> None:
    context = BenchContext(out=tmp_path, quick=True)
    with open_site(context, model="centerface") as site:
        for cameras in (1, 3):
            run = in_child(
                watched_run,
                site,
                clips,
                cameras=cameras,
                duration_s=4.0,
                detector__model="centerface",
                detector__cadence_k=3,
                detector__min_face_px=60,
            )
            assert run.figures.balanced
            assert run.figures.cameras == cameras
            assert run.figures.k == 3
            assert run.samples[-1].frames > 0
            assert run.samples[-1].rss_bytes > 0
        assert (site.folder / "run-2" / "logs" / "vigia.jsonl").exists()
