"""The orchestrator's order and figures, without video: who starts and stops when, and what counts as steady."""

import threading
from dataclasses import dataclass, field

import pytest

from vigia.application.camera_keeper import CameraKeeper
from vigia.application.camera_line import CameraLine
from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.camera_shard import CameraShard
from vigia.application.crew import CaptureCounts, ThreadCrew
from vigia.application.errors import RecognizerUnavailable, SourceEnded
from vigia.application.live_tap import LiveTap
from vigia.application.load_control import LoadControl
from vigia.application.orchestrator import (
    WARM_UP_MAX_S,
    WARM_UP_S,
    ApplicationOrchestrator,
    SteadyFigures,
    Wiring,
)
from vigia.application.packet_queue import PacketQueue
from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.application.use_cases.commit_captures import CommitCapturesUseCase
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.application.use_cases.send_to_findface import SendToFindfaceUseCase
from vigia.application.use_cases.stream_camera import CameraState, StreamCameraUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, FrameFate
from vigia.domain.motion_gate import MotionGate
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.testing.flaky_recognizer import FlakyRecognizer
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedDecoder, ScriptedDetector, ScriptedSource

LONG_S = 60.0
"""A service that waits so long is only ever woken."""


@dataclass
class Diary:
    """What was called, in order. Thread-safe: list.append is."""

    entries: list[str] = field(default_factory=list)

    def of(self, what: str) -> list[str]:
        return [entry.removeprefix(what + " ") for entry in self.entries if entry.startswith(what + " ")]


class WrittenDown(LoopService):
    """A real service that writes down when it is started, asked to stop, and over."""

    def __init__(self, name: str, diary: Diary, *, clock: Clock, ends_when_woken: bool = False) -> None:
        self._diary = diary
        self._woken_before = False
        self._ends_when_woken = ends_when_woken
        super().__init__(name, self._wait, clock=clock, on_exit=lambda _: diary.entries.append(f"over {name}"))

    def start(self) -> None:
        self._diary.entries.append(f"start {self.name}")
        super().start()

    def request_stop(self) -> None:
        if not self.stopping:
            self._diary.entries.append(f"stop {self.name}")
        super().request_stop()

    def _wait(self) -> float | None:
        if self._ends_when_woken and self._woken_before:
            return None
        self._woken_before = True
        return LONG_S


class Farewell(FlakyRecognizer):
    """Writes the log-out down; its session may be gone."""

    def __init__(self, diary: Diary, *, gone: bool = False) -> None:
        super().__init__(tokens={1: "t"})
        self._diary = diary
        self._gone = gone

    def log_out(self) -> None:
        self._diary.entries.append("stop session")
        if self._gone:
            raise RecognizerUnavailable("nobody there")
        super().log_out()


class Rig:
    """Two cameras, two shards, nothing in them."""

    def __init__(self, *, clock: Clock | None = None, session_gone: bool = False) -> None:
        self.clock: Clock = clock if clock is not None else SystemClock()
        self.diary = Diary()
        self.outbox = MemoryOutbox(self.clock)
        self.recognizer = Farewell(self.diary, gone=session_gone)
        self.shards = [
            CameraShard(
                f"shard-{n}", load=LoadControl(), ages=DurationHistogram(), clock=self.clock, arrived=threading.Event()
            )
            for n in range(2)
        ]
        self.commit = CommitCapturesUseCase(
            self.outbox,
            SimpleJpegEncoder(),
            clock=self.clock,
            on_committed=lambda *_: None,
            on_failed=lambda *_: None,
        )
        self.lines = [self._line(f"camera-{n}", self.shards[n]) for n in range(2)]
        self.crew = ThreadCrew(
            keeper=CameraKeeper(self.lines, maker=None, clock=self.clock),
            shards=self.shards,
            shard_services=[self.service(shard.name) for shard in self.shards],
            commit=self.commit,
            commit_service=LoopService("commit", self.commit.step, clock=self.clock, wake=self.commit.work),
            counts=CaptureCounts(),
            clock=self.clock,
            live=LiveTap(self.clock, fps=0.0),
        )
        self.wiring = Wiring(
            crew=self.crew,
            send=SendToFindfaceUseCase(
                self.outbox,
                self.recognizer,
                clock=self.clock,
                camera_token=lambda _: "t",
                refresh_cameras=lambda _: None,
            ),
            sender_services=[WrittenDown("sender", self.diary, clock=self.clock, ends_when_woken=True)],
            side_services=[self.service("side")],
            outbox=self.outbox,
            recognizer=self.recognizer,
        )
        self.orchestrator = ApplicationOrchestrator(self.wiring, clock=self.clock, drain_timeout_s=20.0)

    def service(self, name: str) -> WrittenDown:
        return WrittenDown(name, self.diary, clock=self.clock)

    def set_states(self, *states: CameraState) -> None:
        for line, state in zip(self.lines, states, strict=True):
            line.stream.state = state

    def book(self, frames: int) -> None:
        """Frames of the first camera reach their end."""
        self.lines[0].ledger.received += frames
        self.lines[0].ledger.book(FrameFate.TRACKED, frames)

    def _line(self, name: str, shard: CameraShard) -> CameraLine:
        camera = Camera(CameraId(name), name, "scripted", findface_id=1)
        ledger = CameraLedger(camera.id)
        queue = PacketQueue(capacity=10, ledger=ledger, arrived=shard.arrived, clock=self.clock)
        source = ScriptedSource(camera.id, [((), SourceEnded("over"))], clock=self.clock)
        pipeline = CameraPipeline(
            camera,
            queue=queue,
            ledger=ledger,
            decoders=ScriptedDecoder,
            detect=DetectFacesUseCase(ScriptedDetector(), min_face_px=20),
            tracks=ManageTracksUseCase(TrackMatchingService()),
            track_filter=TrackFilter(),
            captures=self.commit,
            load=shard.load,
            gate=MotionGate(threshold=0.0),
            clock=self.clock,
            ages=shard.ages,
        )
        stream = StreamCameraUseCase(camera, lambda *_: source, queue, clock=self.clock)
        return CameraLine(camera, stream, self.service(name), pipeline, ledger, shard)


def test_cameras_start_last_and_stop_first() -> None:
    rig = Rig()
    rig.orchestrator.start()
    rig.orchestrator.stop()
    diary = rig.diary
    assert diary.of("start") == ["shard-0", "shard-1", "sender", "side", "camera-0", "camera-1"]
    order = {name: n for n, name in enumerate(diary.entries)}
    cameras_over = max(order["over camera-0"], order["over camera-1"])
    assert cameras_over < order["stop shard-0"], "a shard must outlive the cameras that feed it"
    assert max(order["over shard-0"], order["over shard-1"]) < order["over sender"]
    assert order["over sender"] < order["stop side"], "tokens are renewed until everything is sent"
    assert diary.entries.index("stop session") > order["over sender"], "nothing can be sent without a session"
    assert rig.orchestrator.survivors == []
    assert not rig.crew.commit_service.is_alive


def test_a_log_out_that_fails_is_told_and_spoils_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(session_gone=True)
    rig.orchestrator.start()
    rig.orchestrator.stop()
    assert "Log-out failed" in caplog.text
    assert "nobody there" in caplog.text
    assert rig.orchestrator.survivors == []


def test_a_stop_asked_for_before_the_start_ends_the_run_at_once() -> None:
    rig = Rig()
    rig.orchestrator.request_stop()
    rig.orchestrator.request_stop()
    rig.orchestrator.run()
    assert rig.orchestrator.survivors == []
    assert sorted(rig.diary.of("over")) == sorted(rig.diary.of("start"))


def test_a_camera_service_that_fails_is_told_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(clock=SimClock())
    rig.lines[0].service._failure = ValueError("a defect")
    for _ in range(3):
        rig.orchestrator.watch()
    assert caplog.text.count("camera-0 failed: ValueError: a defect") == 1
    assert rig.orchestrator.failure is None


def test_the_first_failure_of_a_main_service_is_kept() -> None:
    rig = Rig(clock=SimClock())
    first, second = OSError("first"), OSError("second")
    rig.crew.commit_service._failure = first
    rig.orchestrator.watch()
    rig.wiring.sender_services[0]._failure = second
    rig.orchestrator.watch()
    assert rig.orchestrator.failure is first


def watched(rig: Rig, clock: SimClock, seconds: float, *, fps: int = 0) -> None:
    """Let ``seconds`` pass, looked at twice a second."""
    for _ in range(round(seconds * 2)):
        clock.advance(0.5)
        rig.book(fps // 2)
        rig.orchestrator.watch()


def test_figures_count_from_the_end_of_the_warm_up_to_the_stop() -> None:
    clock = SimClock()
    rig = Rig(clock=clock)
    rig.set_states(CameraState.CONNECTING, CameraState.LIVE)
    watched(rig, clock, 3.0, fps=10)
    assert rig.orchestrator.steady() == SteadyFigures()
    assert rig.orchestrator.steady().fps == 0.0
    rig.set_states(CameraState.LIVE, CameraState.LIVE)
    watched(rig, clock, WARM_UP_S + 0.5, fps=10)
    assert rig.orchestrator.steady().duration_s == 0.0
    watched(rig, clock, 4.0, fps=100)
    steady = rig.orchestrator.steady()
    assert steady == SteadyFigures(duration_s=4.0, frames=400)
    assert steady.fps == 100.0
    rig.orchestrator.stop()
    clock.advance(50.0)
    rig.book(1000)
    assert rig.orchestrator.steady() == steady, "what comes after the stop does not count"


def test_a_camera_that_never_connects_does_not_keep_the_others_from_counting() -> None:
    clock = SimClock()
    rig = Rig(clock=clock)
    rig.set_states(CameraState.CONNECTING, CameraState.LIVE)
    watched(rig, clock, WARM_UP_MAX_S + WARM_UP_S + 1.0, fps=20)
    watched(rig, clock, 2.0, fps=20)
    assert rig.orchestrator.steady().fps == pytest.approx(20.0)


@pytest.mark.parametrize("state", [CameraState.UNREACHABLE, CameraState.AUTH_FAILED, CameraState.ENDED])
def test_a_camera_that_has_failed_is_not_waited_for(state: CameraState) -> None:
    clock = SimClock()
    rig = Rig(clock=clock)
    rig.set_states(state, CameraState.LIVE)
    watched(rig, clock, WARM_UP_S + 0.5 + 1.0, fps=20)
    assert rig.orchestrator.steady().duration_s == pytest.approx(1.0)


def test_frame_ages_of_the_warm_up_are_forgotten() -> None:
    clock = SimClock()
    rig = Rig(clock=clock)
    rig.set_states(CameraState.LIVE, CameraState.LIVE)
    rig.shards[0].ages.record(5.0)
    watched(rig, clock, WARM_UP_S + 0.5)
    rig.shards[0].step()
    rig.shards[0].ages.record(0.1)
    rig.shards[1].ages.record(0.2)
    ages = rig.orchestrator.ages()
    assert (ages.count, ages.max_s) == (2, 0.2)


def test_the_status_holds_the_last_seconds_rate_and_what_is_unsent() -> None:
    clock = SimClock()
    rig = Rig(clock=clock)
    rig.set_states(CameraState.LIVE, CameraState.UNREACHABLE)
    rig.crew.counts.committed = 3
    watched(rig, clock, 1.0, fps=30)
    watched(rig, clock, 1.0, fps=60)
    status = rig.orchestrator.status()
    assert status.fps == pytest.approx(60.0)
    assert (status.cameras, status.cameras_live) == (2, 1)
    assert status.elapsed_s == pytest.approx(2.0)
    assert (status.committed, status.unsent) == (3, 3)
    assert status.ledger.received == 90
    assert [shard.name for shard in status.shards] == ["shard-0", "shard-1"]
