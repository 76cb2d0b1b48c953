"""The whole application with real threads on fakes: start, watch, stop, and what the report says afterwards."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from outbox_rigs import capture_of
from vigia.application.camera_keeper import CameraKeeper
from vigia.application.camera_line import CameraLine
from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.camera_shard import CameraShard
from vigia.application.crew import CaptureCounts, ThreadCrew
from vigia.application.errors import SourceEnded, SourceUnreachable
from vigia.application.frame_windows import FrameWindows
from vigia.application.live_tap import LiveTap
from vigia.application.load_control import LoadControl
from vigia.application.orchestrator import ApplicationOrchestrator, RunStatus, Wiring
from vigia.application.packet_queue import PacketQueue
from vigia.application.run_report import RunFacts, run_report
from vigia.application.service import LoopService
from vigia.application.use_cases.commit_captures import CommitCapturesUseCase
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.application.use_cases.send_to_findface import SendToFindfaceUseCase
from vigia.application.use_cases.stream_camera import StreamCameraUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet, Picture, StreamInfo
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, LedgerPage
from vigia.domain.motion_gate import MotionGate
from vigia.domain.outbox_policy import OutboxPolicy, WhenFull
from vigia.domain.passages import PassageReport, ProcessedWindow
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.infrastructure.clock import SystemClock
from vigia.testing.flaky_recognizer import FlakyRecognizer
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.video import STREAM, ScriptedDecoder, ScriptedDetector, ScriptedPacket, ScriptedSource, packet, walk

CLOCK = SystemClock()
WALK = [ScriptedPacket(p) for p in walk(start_xy=(20, 100), step_xy=(6, 0), side_px=80, frames=60)]


class TinyJpeg:
    def encode_jpeg(self, picture: Picture, *, quality: int, **_part: object) -> bytes:
        return b"\xff\xd8" + bytes([quality]) + str(picture.width).encode() + b"\xff\xd9"


class LiveSource(ScriptedSource):
    """Goes on until it is interrupted: a live camera, which delivers at a pace (here a quick one)."""

    def packets(self) -> Iterator[Packet]:
        yield from self._some()

    def _some(self) -> Iterator[Packet]:
        try:
            for made in super().packets():
                CLOCK.wait(threading.Event(), 0.008)
                yield replace(made, received_mono_s=CLOCK.mono_s(), at_mono_s=CLOCK.mono_s())
        except SourceEnded:
            while not self.interrupted:
                CLOCK.wait(threading.Event(), 0.01)
            raise


class Rig:
    """One shard, some cameras, memory outbox, a recogniser that takes everything."""

    def __init__(
        self,
        *,
        sources: dict[str, ScriptedSource],
        once: bool = False,
        broken_shard: bool = False,
        policy: OutboxPolicy | None = None,
    ) -> None:
        self.outbox = MemoryOutbox(CLOCK, policy=policy)
        self.recognizer = FlakyRecognizer(tokens={1: "t"})
        self.counts = CaptureCounts()
        self.windows = FrameWindows()
        self.side_failure: Exception | None = None
        self.broken_shard = broken_shard
        arrived = threading.Event()
        self.shard = CameraShard("shard-0", load=LoadControl(), ages=DurationHistogram(), clock=CLOCK, arrived=arrived)
        self.send = SendToFindfaceUseCase(
            self.outbox, self.recognizer, clock=CLOCK, camera_token=lambda _: "t", refresh_cameras=lambda _: None
        )
        sender = LoopService("sender-0", self.send.step, clock=CLOCK)
        self.commit = CommitCapturesUseCase(
            self.outbox,
            TinyJpeg(),
            clock=CLOCK,
            on_committed=lambda *_: self._committed(),
            on_failed=lambda *_: None,
            wake_senders=sender.wake,
        )
        tracks = ManageTracksUseCase(TrackMatchingService())
        detect = DetectFacesUseCase(ScriptedDetector(), min_face_px=20)
        lines = [self._line(name, source, detect, tracks, once=once) for name, source in sources.items()]
        crew = ThreadCrew(
            keeper=CameraKeeper(lines, maker=None, clock=CLOCK),
            shards=[self.shard],
            shard_services=[
                LoopService(
                    "shard-0",
                    self._shard_step,
                    clock=CLOCK,
                    wake=arrived,
                    on_stop=lambda: self.shard.drain(deadline_mono_s=CLOCK.mono_s() + 2),
                )
            ],
            commit=self.commit,
            commit_service=LoopService("commit", self.commit.step, clock=CLOCK, wake=self.commit.work),
            counts=self.counts,
            clock=CLOCK,
            live=LiveTap(CLOCK, fps=0.0),
        )
        self.lines = lines
        self.wiring = Wiring(
            crew=crew,
            send=self.send,
            sender_services=[sender],
            side_services=[LoopService("side", self._side_step, clock=CLOCK)],
            outbox=self.outbox,
            recognizer=self.recognizer,
        )

    def orchestrator(
        self, *, drain_s: float = 5.0, on_status: Callable[[RunStatus], None] | None = None
    ) -> ApplicationOrchestrator:
        return ApplicationOrchestrator(self.wiring, clock=CLOCK, drain_timeout_s=drain_s, on_status=on_status)

    def facts(self, orchestrator: ApplicationOrchestrator) -> RunFacts:
        return RunFacts(
            status=orchestrator.status(),
            ledger=orchestrator.ledger(),
            steady=orchestrator.steady(),
            ages=orchestrator.ages(),
            model="scripted",
            carried_over=orchestrator.carried_over,
            lost=self.counts.lost,
            pending=self.outbox.stats().unsent,
            cpu_s=1.0,
            rss_bytes=100_000_000,
            survivors=tuple(orchestrator.survivors),
        )

    def _committed(self) -> None:
        self.counts.committed += 1

    def _shard_step(self) -> float:
        if self.broken_shard:
            raise RuntimeError("the shard broke")
        return self.shard.step()

    def _side_step(self) -> float:
        if self.side_failure is not None:
            raise self.side_failure
        return 0.05

    def _line(
        self, name: str, source: ScriptedSource, detect: DetectFacesUseCase, tracks: ManageTracksUseCase, *, once: bool
    ) -> CameraLine:
        camera = Camera(CameraId(name), name, "scripted", findface_id=1)
        ledger = CameraLedger(camera.id)
        queue = PacketQueue(capacity=1000, ledger=ledger, arrived=self.shard.arrived, clock=CLOCK)
        stream = StreamCameraUseCase(camera, lambda *_: source, queue, clock=CLOCK, once=once)
        pipeline = CameraPipeline(
            camera,
            queue=queue,
            ledger=ledger,
            decoders=_decoder,
            detect=detect,
            tracks=tracks,
            track_filter=TrackFilter(min_size_px=20, min_quality=0.0),
            captures=self.commit,
            load=self.shard.load,
            gate=MotionGate(threshold=0.0),
            clock=CLOCK,
            ages=self.shard.ages,
            on_frame=self.windows.see,
        )
        service = LoopService(f"camera-{name}", stream.step, clock=CLOCK, on_request_stop=stream.request_stop)
        return CameraLine(camera, stream, service, pipeline, ledger, self.shard)


def _decoder(stream: StreamInfo, /) -> ScriptedDecoder:
    return ScriptedDecoder(stream)


def a_file(name: str) -> ScriptedSource:
    stream = replace(STREAM, live=False)
    return ScriptedSource(CameraId(name), [(WALK, SourceEnded("end"))], clock=CLOCK, stream=stream)


def a_camera(name: str) -> LiveSource:
    return LiveSource(CameraId(name), [(WALK, SourceEnded("gone"))], clock=CLOCK)


def test_files_are_played_delivered_and_the_run_ends_by_itself() -> None:
    rig = Rig(sources={"a": a_file("a"), "b": a_file("b")}, once=True)
    orchestrator = rig.orchestrator()
    orchestrator.run(duration_s=30)
    report = run_report(rig.facts(orchestrator))
    assert orchestrator.survivors == []
    assert orchestrator.failure is None
    assert report["balanced"] is True
    assert report["frames"]["received"] == report["frames"]["detected"] == 120
    assert report["captures"]["committed"] == report["captures"]["delivered"] == 2
    assert report["tracks"]["captured"] == 2
    assert report["passages"] is None


def test_captures_that_are_given_up_for_room_are_in_the_ledger_and_it_balances() -> None:
    names = ("a", "b", "c", "d")
    rig = Rig(
        sources={name: a_file(name) for name in names},
        once=True,
        policy=OutboxPolicy(captures_max=2, when_full=WhenFull.OLDEST),
    )
    rig.recognizer.set_down(True)
    rig.outbox.commit(capture_of(99))  # an earlier run's
    orchestrator = rig.orchestrator(drain_s=1.0)
    orchestrator.run(duration_s=30)

    facts = rig.facts(orchestrator)
    captures = run_report(facts)["captures"]
    assert (captures["carried_over"], captures["committed"], captures["delivered"]) == (1, 4, 0)
    assert captures["given_up"] == {"outbox_full": 3}
    assert captures["pending"] == facts.status.unsent == 2
    assert facts.balanced


def test_the_duration_ends_a_run_of_live_cameras_and_open_tracks_are_delivered() -> None:
    rig = Rig(sources={"a": a_camera("a")})
    seen: list[RunStatus] = []
    orchestrator = rig.orchestrator(on_status=seen.append)
    orchestrator.run(duration_s=1.2)
    assert seen
    assert seen[-1].cameras_live == 1
    report = run_report(rig.facts(orchestrator))
    assert report["balanced"] is True
    assert report["captures"]["delivered"] == 1
    assert report["duration_s"] >= 1.2


def test_a_failing_shard_ends_the_run_and_is_kept() -> None:
    rig = Rig(sources={"a": a_camera("a")}, broken_shard=True)
    orchestrator = rig.orchestrator()
    orchestrator.run(duration_s=30)
    assert isinstance(orchestrator.failure, RuntimeError)


def test_a_failing_side_service_is_told_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(sources={"a": a_camera("a")})
    rig.side_failure = RuntimeError("beside")
    orchestrator = rig.orchestrator()
    orchestrator.run(duration_s=1.5)
    assert orchestrator.failure is None
    assert caplog.text.count("side failed: RuntimeError: beside") == 1


def test_survivors_are_named() -> None:
    release = threading.Event()

    class Stuck(LiveSource):
        def packets(self) -> Iterator[Packet]:
            release.wait(20)
            yield from ()
            raise SourceUnreachable("at last")

    rig = Rig(sources={"a": Stuck(CameraId("a"), [((), SourceEnded("x"))], clock=CLOCK)})
    orchestrator = rig.orchestrator(drain_s=0.5)
    orchestrator.run(duration_s=0.3)
    assert orchestrator.survivors == ["camera-a"]
    assert run_report(rig.facts(orchestrator))["survivors"] == ["camera-a"]
    release.set()
    assert rig.lines[0].service.join(5)


def test_what_is_in_flight_or_lost_is_not_balanced() -> None:
    rig = Rig(sources={"a": a_file("a")}, once=True)
    orchestrator = rig.orchestrator()
    orchestrator.run(duration_s=30)
    facts = rig.facts(orchestrator)
    assert facts.balanced
    assert not replace(facts, pending=1).balanced, "a capture too many"
    assert not replace(facts, lost=1).balanced, "a track whose capture is nowhere"
    assert not replace(facts, carried_over=1).balanced
    assert not replace(facts, ledger=facts.ledger.plus(LedgerPage(received=1))).balanced


def test_the_report_holds_the_passages_where_the_truth_is_known() -> None:
    rig = Rig(sources={"a": a_file("a")}, once=True)
    orchestrator = rig.orchestrator()
    orchestrator.run(duration_s=30)
    judged = PassageReport(truth=4, delivered=3, captures=4, small_captures=0, false_captures=0, unjudged=0, missed=())
    report = run_report(replace(rig.facts(orchestrator), passages=judged))
    assert report["passages"]["recall"] == 0.75
    assert report["passages"]["captures_per_passage"] == pytest.approx(4 / 3, abs=1e-3)


def test_windows_remember_the_first_and_last_frame_of_each_loop() -> None:
    rig = Rig(sources={})
    windows = rig.windows
    decoder = ScriptedDecoder(STREAM)

    for loop, index in ((0, 5), (0, 3), (0, 9), (1, 0), (1, 7)):
        made = packet(CameraId("a"), index, clock=CLOCK, media_index=index, loop=loop)
        for item in decoder.decode(made).frames:
            windows.see(item.frame)
    for item in decoder.decode(packet(CameraId("a"), 99, clock=CLOCK)).frames:
        windows.see(item.frame)
    assert windows.snapshot() == {
        (CameraId("a"), 0): ProcessedWindow(3, 9),
        (CameraId("a"), 1): ProcessedWindow(0, 7),
    }
