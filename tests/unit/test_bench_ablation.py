"""The ablation's load: the same for every design, and as stated."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from threading import Event, Lock

import pytest

from making import MakeEvent
from vigia.bench import ablation
from vigia.bench.ablation import DESIGNS, THEIRS_FPS, Design, DesignSamples
from vigia.bench.ablation_load import (
    CAMERAS,
    EVENT_EVERY_FRAMES,
    FACES,
    FPS,
    STAY_FRAMES,
    LoopParts,
    LoopWorkload,
    faces_of_camera,
    scheduled_box,
)
from vigia.bench.ablation_vigia import WholeVigia
from vigia.bench.context import BenchContext
from vigia.bench.flat_out import CaptureNotes, flat_streams
from vigia.bench.naive_parts import OneLockTracker, OptimisticTracker, leave_alone
from vigia.domain.camera import Camera
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip

VIDEO_FRAMES = 20 * int(FPS)
WAIT_S = 60.0


def boxes_of(camera: int) -> dict[int, list[float]]:
    """The camera's events: frame → box."""
    found = ((frame, scheduled_box(camera, frame)) for frame in range(VIDEO_FRAMES))
    return {frame: box.tolist() for frame, box in found if box is not None}


def test_eight_cameras_at_30_fps_make_60_events_a_second_of_50_faces() -> None:
    assert sum(len(boxes_of(camera)) for camera in range(CAMERAS)) == 60 * VIDEO_FRAMES / FPS
    assert sum(faces_of_camera(camera) for camera in range(CAMERAS)) == FACES
    for camera in range(CAMERAS):
        cycle = faces_of_camera(camera) * EVENT_EVERY_FRAMES
        places = {(left // 170.0, top) for frame, (left, top, *_) in boxes_of(camera).items() if frame < cycle}
        assert len(places) == faces_of_camera(camera)


@pytest.mark.parametrize("camera", [0, CAMERAS - 1])
def test_faces_stay_inside_the_picture_and_their_silences_within_what_a_track_survives(camera: int) -> None:
    boxes = boxes_of(camera)
    corners = list(zip(*boxes.values(), strict=True))
    assert (min(corners[0]) >= 0.0, min(corners[1]) >= 0.0) == (True, True)
    assert (max(corners[2]) <= 1280.0, max(corners[3]) <= 720.0) == (True, True)
    frames = [frame for frame in boxes if (frame // EVENT_EVERY_FRAMES) % faces_of_camera(camera) == 0]
    assert max(second - first for first, second in pairwise(frames)) < FPS


@pytest.mark.parametrize("make", [OneLockTracker, OptimisticTracker])
def test_both_trackers_see_as_many_passages_as_are_scheduled(
    make: type[OneLockTracker] | type[OptimisticTracker], make_event: MakeEvent
) -> None:
    tracker = make(_silent)
    boxes = boxes_of(0).items()
    seen = Counter(tracker.follow(make_event(left, top, frame=frame)) for frame, (left, top, *_) in boxes)
    stays = faces_of_camera(0) * VIDEO_FRAMES / STAY_FRAMES
    assert stays <= len(seen) <= stays + faces_of_camera(0)
    assert seen.total() == len(boxes_of(0))


def test_a_loop_deals_with_each_event_at_once_follow_log_post_log(clips: list[DemoClip]) -> None:
    streams = flat_streams(clips, frames=12, count=2)
    lock, enough = Lock(), Event()
    posted: Counter[str] = Counter()
    lines: list[str] = []

    def post(camera: Camera, jpeg: bytes, *, roi: tuple[int, int, int, int]) -> None:
        assert jpeg.startswith(b"\xff\xd8")
        assert roi[2] > roi[0]
        with lock:
            posted[camera.name] += 1
            if len(posted) == len(streams) and min(posted.values()) >= 8:  # the clip has begun anew meanwhile
                enough.set()

    def info(message: str, *args: object) -> None:
        lines.append(message % args)

    parts = LoopParts(tracker=OneLockTracker(info), info=info, post=post, make_tidy=leave_alone)
    workload = LoopWorkload(streams, parts, SystemClock())
    with workload.running():
        assert enough.wait(WAIT_S)
    assert workload.events == posted.total()
    assert len(lines) == 2 * workload.events
    assert workload.frames > (workload.events - len(streams)) * EVENT_EVERY_FRAMES


def test_a_loop_that_fails_is_not_taken_for_a_slow_one(clips: list[DemoClip]) -> None:
    def post(camera: Camera, jpeg: bytes, *, roi: tuple[int, int, int, int]) -> None:
        failed.set()
        raise OSError(f"no receiver for {len(jpeg)} bytes of {camera.name} at {roi}")

    failed = Event()
    parts = LoopParts(tracker=OneLockTracker(_silent), info=_silent, post=post, make_tidy=leave_alone)
    workload = LoopWorkload(flat_streams(clips, frames=12, count=1), parts, SystemClock())
    with pytest.raises(OSError, match="no receiver"), workload.running():
        assert failed.wait(WAIT_S)


def test_vigia_whole_meets_the_same_faces(clips: list[DemoClip], tmp_path: Path) -> None:
    captured = Event()

    class Taker:
        def offer(self, _request: object) -> None:
            captured.set()

    settings = BenchContext(tmp_path).settings(
        detector__cadence_k=1,
        detector__motion_gate="false",
        tracks__filter_min_quality=0,
        tracks__track_miss_interval_s=2.0,  # the tests' clips have 15 frames a second, not 30
    )
    notes = CaptureNotes(Taker())
    workload = WholeVigia(flat_streams(clips, frames=12, count=2), settings, captures=notes, clock=SystemClock())
    with workload.running():
        assert captured.wait(WAIT_S)
    frames, events = workload.frames, workload.events
    assert events == pytest.approx(frames / EVENT_EVERY_FRAMES, abs=2)
    assert notes.captures


def test_the_steps_are_the_users_own_each_alone_and_each_left_out() -> None:
    def parts(design: Design) -> tuple[bool, bool, bool, bool]:
        return design.gc, design.log, design.lock, design.http

    steps = [design for design in DESIGNS if design.theirs_fps is not None]
    assert [design.theirs_fps for design in steps] == list(THEIRS_FPS)
    assert [sum(parts(design)) for design in steps] == [0, 1, 2, 3, 4]
    made = Counter(parts(design) for design in DESIGNS if not design.whole)
    assert set(made.values()) == {1}
    assert Counter(sum(which) for which in made) == {0: 1, 1: 4, 2: 1, 3: 4, 4: 1}


def test_a_run_has_a_row_a_design_and_a_chart_of_the_users_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: list[DemoClip]
) -> None:
    def measure(samples: DesignSamples, *_arguments: object, seconds: float) -> None:
        assert seconds > 0.0
        for counted in (samples.fps, samples.cores, samples.events_per_s, samples.posts_per_s, samples.writes_per_s):
            counted.append(10.0 * (1 + DESIGNS.index(samples.design)))

    monkeypatch.setattr(ablation, "_measure", measure)
    monkeypatch.setattr(ablation, "CLIP_FRAMES", 12)
    monkeypatch.setattr(BenchContext, "clips", lambda _self, _height: clips)
    result = ablation.run(BenchContext(tmp_path))
    (table,) = result.tables
    assert [(row[0], row[table.columns.index("ours")]) for row in table.rows] == [
        (design.name, f"{number}.0 times") for number, design in enumerate(DESIGNS, start=1)
    ]
    assert [series.values for series in result.chart.series] == [THEIRS_FPS, (10.0, 20.0, 30.0, 40.0, 50.0)]
    assert len(result.chart.categories) == len(THEIRS_FPS)
    assert dict(result.chart.marks) == {"vigia whole": 10.0 * len(DESIGNS)}


def _silent(_message: object, *_args: object) -> None:
    """No log."""
