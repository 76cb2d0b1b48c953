"""Real worker processes: killed, stopped dead, misled, and what the books and the outbox say afterwards."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from running import SECRET, wait_for
from vigia.application.worker_crew import WorkerCrew
from vigia.application.worker_supervisor import WorkerLimits
from vigia.bootstrap.parts import resolved_model
from vigia.bootstrap.worker import EXIT_ORPHANED
from vigia.bootstrap.worker_crew import WORKER_MODULE, WorkerOptions, _task, worker_crew
from vigia.domain.ledger import TrackFate
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository
from vigia.infrastructure.config.delivery_sections import CameraSettings, FindfaceSettings
from vigia.infrastructure.config.vision_sections import DetectorSettings, TracksSettings
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.process.channel import packed
from vigia.infrastructure.process.worker import SpawnedWorker
from vigia.testing.memory_outbox import MemoryOutbox

CLOCK = SystemClock()
LIMITS = WorkerLimits(silence_max_s=4.0)
LONG_S = 60.0


class Rig:
    """Workers on looping clips, and an outbox in this process."""

    def __init__(self, clips: list[DemoClip], *, workers: int, options: WorkerOptions | None = None) -> None:
        self.settings = Settings(
            detector=DetectorSettings(model="centerface", min_face_px=60, cadence_k=2),
            tracks=TracksSettings(filter_min_size=50, track_miss_interval_s=0.5),
            cameras=tuple(
                CameraSettings(
                    id=f"cam{n}", name=clip.camera_name, url=str(clip.path), loop=True, token=SecretStr(SECRET)
                )
                for n, clip in enumerate(clips)
            ),
        )
        self.cameras = CombinedCameraRepository(self.settings).list()
        self.outbox = MemoryOutbox(CLOCK)
        self.woken = threading.Event()
        self.crew: WorkerCrew = worker_crew(
            self.settings,
            self.cameras,
            count=workers,
            options=options or WorkerOptions(model=resolved_model(self.settings), windows=True, limits=LIMITS),
            store=self.outbox,
            wake_senders=self.woken.set,
            clock=CLOCK,
        )

    @contextmanager
    def running(self, *, drain_s: float = 10.0) -> Iterator[None]:
        self.crew.start_shards()
        self.crew.start_cameras()
        try:
            yield
        finally:
            now_s = CLOCK.mono_s()
            self.crew.stop(begun_s=now_s, deadline_s=now_s + drain_s)
            for service in self.crew.main_services:
                assert service.join(LONG_S)

    def pid(self, worker: int = 0) -> int:
        pid = self.crew.workers[worker].pid
        assert pid is not None
        return pid

    def wait_live(self, committed: int = 1) -> None:
        wait_for(
            lambda: self.crew.view().cameras_live == len(self.cameras) and len(self.outbox.entries()) >= committed,
            timeout_s=LONG_S,
            what=f"all cameras live and {committed} captures committed",
        )

    def check_books(self) -> None:
        """Everything has exactly one end, and the outbox has what the books say."""
        view = self.crew.view()
        assert view.ledger.balanced, view.ledger
        assert view.commit_waiting == 0
        assert view.ledger.tracks[TrackFate.CAPTURED] == view.committed + view.lost
        assert len(self.outbox.entries()) == view.committed


def test_a_task_holds_no_secret_but_cameras_own_addresses(clips: list[DemoClip]) -> None:
    rig = Rig(clips, workers=1)
    settings = rig.settings.model_copy(update={"findface": FindfaceSettings(password=SecretStr(SECRET))})
    options = WorkerOptions(model=resolved_model(settings))
    assert SECRET.encode() in packed(settings), "else this test would prove nothing"
    assert SECRET.encode() not in packed(_task(settings, rig.cameras, options, name="shard-0"))


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_workers_watch_commit_report_and_end(
    clips: list[DemoClip], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FINDFACE_PASSWORD", SECRET)
    caplog.set_level(logging.INFO, logger="vigia")
    rig = Rig(clips, workers=2)
    with rig.running():
        rig.wait_live(2)
        pids = [rig.pid(0), rig.pid(1)]
        for pid in pids:  # as a terminal and a service manager send them to everybody: the parent decides
            os.kill(pid, signal.SIGINT)
            os.kill(pid, signal.SIGTERM)
            told = Path(f"/proc/{pid}/environ").read_bytes() + Path(f"/proc/{pid}/cmdline").read_bytes()
            assert SECRET.encode() not in told
        rig.crew.begin_measuring()
        assert rig.crew.workers[0].shed() >= 0
        frames = rig.crew.view().ledger.frames_decoded
        wait_for(lambda: rig.crew.view().ledger.frames_decoded > frames + 30, timeout_s=LONG_S, what="more frames")
        outside = rig.crew.outside()
        assert outside.rss_bytes > 0
        assert outside.cpu_s > 0.0
    assert rig.crew.unclean == []
    rig.check_books()
    view = rig.crew.view()
    assert (view.lost, view.restarts) == (0, 0)
    assert {shard.name for shard in view.shards} == {"shard-0", "shard-1"}
    assert all(is_gone(pid) for pid in pids)
    assert rig.woken.is_set()
    assert {camera_id for camera_id, _ in rig.crew.windows} == {camera.id for camera in rig.cameras}
    assert rig.crew.ages().count > 0
    tracks = [entry.track_id for entry in rig.outbox.entries()]
    assert len(tracks) == len(set(tracks)), "a track's number is used once in a run"
    assert "live, h264" in caplog.text, "what workers log is told here"
    assert SECRET not in caplog.text


def test_a_killed_worker_comes_back_with_its_cameras_and_the_books_balance(
    clips: list[DemoClip], caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(clips, workers=1)
    with rig.running():
        rig.wait_live(1)
        first = rig.pid()
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: rig.crew.view().restarts == 1, timeout_s=LONG_S, what="the restart")
        rig.wait_live(rig.crew.view().committed + 1)
        assert rig.pid() != first
    rig.check_books()
    assert rig.crew.unclean == []
    assert "the worker process died (killed by signal 9)" in caplog.text
    tracks = [entry.track_id for entry in rig.outbox.entries()]
    assert len(tracks) == len(set(tracks))


def test_a_worker_that_stands_still_is_killed_and_comes_back(
    clips: list[DemoClip], caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(clips, workers=1)
    with rig.running():
        rig.wait_live(1)
        first = rig.pid()
        os.kill(first, signal.SIGSTOP)
        wait_for(lambda: rig.crew.view().restarts == 1, timeout_s=LONG_S, what="the restart")
        assert is_gone(first)
        rig.wait_live()
    rig.check_books()
    assert "it hangs" in caplog.text


def test_a_worker_that_stands_still_at_the_stop_is_killed_in_time_and_named(clips: list[DemoClip]) -> None:
    rig = Rig(clips, workers=2)
    with rig.running(drain_s=2.0):
        rig.wait_live(1)
        pid = rig.pid(1)
        os.kill(pid, signal.SIGSTOP)
    assert rig.crew.unclean == ["shard-1"]
    assert is_gone(pid)
    rig.check_books()


def test_a_worker_that_cannot_start_says_why_and_the_run_fails(clips: list[DemoClip], tmp_path: Path) -> None:
    rig = Rig(clips, workers=1)
    spec, _ = resolved_model(rig.settings)
    options = WorkerOptions(model=(spec, tmp_path / "gone.onnx"), limits=WorkerLimits(deaths_max=0))
    rig = Rig(clips, workers=1, options=options)
    with rig.running():
        service = rig.crew.main_services[0]
        wait_for(lambda: service.failure is not None, timeout_s=LONG_S, what="the failure")
        assert "gone.onnx" in str(service.failure)


BROKEN_SHARD = """
import vigia.application.camera_shard as module

def step(self):
    raise ZeroDivisionError("a defect")

module.CameraShard.step = step
"""


def test_a_defect_in_a_worker_is_told_with_its_cause(
    clips: list[DemoClip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "sitecustomize.py").write_text(BROKEN_SHARD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    options = WorkerOptions(model=resolved_model(Settings(detector=DetectorSettings(model="centerface"))))
    rig = Rig(clips, workers=1, options=replace(options, limits=WorkerLimits(deaths_max=0)))
    with rig.running():
        service = rig.crew.main_services[0]
        wait_for(lambda: service.failure is not None, timeout_s=LONG_S, what="the failure")
        assert "ZeroDivisionError: a defect" in str(service.failure)
    assert "shard-0 failed: ZeroDivisionError: a defect" in caplog.text, "in the worker's own words, and its traceback"
    rig.check_books()


def test_a_worker_whose_parent_lets_go_of_it_ends_by_itself(clips: list[DemoClip]) -> None:
    rig = Rig(clips, workers=1)
    options = WorkerOptions(model=resolved_model(rig.settings))
    worker = SpawnedWorker(WORKER_MODULE, _task(rig.settings, rig.cameras, options, name="shard-0"), clock=CLOCK)
    assert worker.control.receive(LONG_S) is not None
    worker.close()
    assert worker.wait(LONG_S) == EXIT_ORPHANED
