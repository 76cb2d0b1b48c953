"""Cameras come, change and go while others run; a stuck thread is left behind. Real threads on scripted sources."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Self

import pytest

from vigia.application.call_guard import CallGuard
from vigia.application.camera_keeper import STUCK_MAX, CameraKeeper
from vigia.application.camera_line import CameraLine
from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.camera_shard import CameraShard
from vigia.application.load_control import LoadControl
from vigia.application.packet_queue import PacketQueue
from vigia.application.service import LoopService, join_all, request_stop_all
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.application.use_cases.stream_camera import CameraState, SourceRetry, StreamCameraUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet, StreamInfo
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, LedgerPage
from vigia.domain.motion_gate import MotionGate
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.infrastructure.clock import SystemClock
from vigia.testing.video import STREAM, ScriptedDecoder, ScriptedDetector, ScriptedPacket, packet, walk

CLOCK = SystemClock()
PATH = walk(start_xy=(20, 100), step_xy=(6, 0), side_px=80, frames=60)
LIMIT_S = 20.0
"""Longest wait for another thread: reached only when a test fails."""
STUCK_S = 0.2


class Endless:
    """A live camera: a person walks to and fro until it is interrupted. ``hang`` keeps its open in a native call."""

    bad_stamps = 0
    clock_off_s = None

    def __init__(self, site: "Site", camera: Camera, guard: CallGuard, first_index: int) -> None:
        self._site = site
        self._camera = camera
        self._guard = guard
        self._index = first_index
        self._interrupted = threading.Event()
        self._stream = STREAM
        self.closed = False

    def open(self) -> StreamInfo:
        self._site.opened.append(self._camera.url)
        hang = self._site.hangs.get(self._camera.url)
        with self._guard.call():
            if hang is not None:
                self._site.hanging.release()
                assert hang.wait(LIMIT_S)
        self._stream = replace(STREAM)
        return self._stream

    def packets(self) -> Iterator[Packet]:
        first = True
        while not self._interrupted.is_set():
            picture = PATH[self._index % len(PATH)]
            script = ScriptedPacket(None if self._site.undecodable else picture)
            yield packet(
                self._camera.id, self._index, clock=CLOCK, script=script, stream=self._stream, discontinuity=first
            )
            first = False
            self._index += 1
            self._site.delivered.setdefault(self._camera.url, threading.Event()).set()
            CLOCK.wait(self._interrupted, 0.004)

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self.closed = True
        self._site.closed.append(self._camera.url)


class Site:
    """One shard, a keeper, and the cameras that a test asks for. The keeper is stepped by the test."""

    def __init__(self, *cameras: Camera) -> None:
        self.opened: list[str] = []
        self.closed: list[str] = []
        self.delivered: dict[str, threading.Event] = {}
        self.hangs: dict[str, threading.Event] = {}
        self.hanging = threading.Semaphore(0)
        self.requests: list[CaptureRequest] = []
        self.urls: dict[CameraId, str] = {}
        self.rules: list[object] = []
        self.beside: list[list[str]] = []
        self.broken = False
        self.undecodable = False
        self.refused: set[str] = set()
        arrived = threading.Event()
        self.shard = CameraShard("shard-0", load=LoadControl(), ages=DurationHistogram(), clock=CLOCK, arrived=arrived)
        self.detect = DetectFacesUseCase(ScriptedDetector(), min_face_px=20)
        self.tracks = ManageTracksUseCase(TrackMatchingService())
        self.shard_service = LoopService(
            "shard-0",
            self.shard.step,
            clock=CLOCK,
            wake=arrived,
            on_stop=lambda: self.shard.drain(deadline_mono_s=CLOCK.mono_s() + 2.0),
        )
        self.ledgers: list[CameraLedger] = []
        self.keeper = CameraKeeper([], maker=self, clock=CLOCK)
        self.shard_service.start()
        self.keeper.want(cameras)
        self.keeper.step()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for hang in self.hangs.values():
            hang.set()
        everything = [*self.keeper.camera_services, self.shard_service]
        request_stop_all(everything)
        assert join_all(everything, deadline_mono_s=CLOCK.mono_s() + LIMIT_S, clock=CLOCK) == []

    def offer(self, request: CaptureRequest) -> None:
        self.requests.append(request)

    def make(self, camera: Camera, beside: Sequence[CameraLine], /) -> CameraLine:
        if camera.url in self.refused:
            raise ValueError("a contradiction in its settings")
        self.beside.append([str(line.camera.id) for line in beside])
        self.urls[camera.id] = camera.url
        ledger = CameraLedger(camera.id)
        self.ledgers.append(ledger)
        queue = PacketQueue(capacity=1000, ledger=ledger, arrived=self.shard.arrived, clock=CLOCK)
        stream = StreamCameraUseCase(
            camera,
            self._source,
            queue,
            clock=CLOCK,
            retry=SourceRetry(delay_min_s=0.01, delay_max_s=0.01, stuck_s=STUCK_S),
        )
        pipeline = CameraPipeline(
            camera,
            queue=queue,
            ledger=ledger,
            decoders=ScriptedDecoder,
            detect=self.detect,
            tracks=self.tracks,
            track_filter=TrackFilter(min_size_px=20, min_quality=0.0),
            captures=self,
            load=self.shard.load,
            gate=MotionGate(threshold=0.0),
            clock=CLOCK,
            ages=self.shard.ages,
        )
        return CameraLine(camera, stream, stream.make_service(), pipeline, ledger, self.shard)

    def change(self, line: CameraLine, new: Camera, /) -> bool:
        if new.url in self.refused:
            raise ValueError("a contradiction in its settings")
        if self.urls.get(new.id) == new.url:
            return False
        self.urls[new.id] = new.url
        line.stream.change_to(new)
        return True

    def adopt(self, rules: object, /) -> None:
        self.rules.append(rules)

    def _source(self, camera: Camera, guard: CallGuard, first_index: int, /) -> Endless:
        if self.broken:
            self.broken = False
            raise RuntimeError("a defect")
        return Endless(self, camera, guard, first_index)

    def step_until(self, condition: Callable[[], bool]) -> None:
        """Step the keeper until ``condition`` holds."""
        deadline_s = CLOCK.mono_s() + LIMIT_S
        while not condition():
            assert CLOCK.mono_s() < deadline_s, "it never came to that"
            self.keeper.step()
            CLOCK.wait(threading.Event(), 0.01)

    def comes(self, url: str) -> None:
        """Wait until a packet of ``url`` has come after now."""
        event = self.delivered.setdefault(url, threading.Event())
        event.clear()
        assert event.wait(LIMIT_S), f"nothing comes from {url}"

    def names(self) -> list[str]:
        return [str(line.camera.id) for line in self.keeper.lines]


def camera(number: str, *, name: str = "", url: str = "") -> Camera:
    return Camera(CameraId(number), name or number, url or f"rtsp://{number}")


def test_cameras_are_added_and_taken_out_while_the_others_run() -> None:
    with Site(camera("a"), camera("b")) as site:
        site.comes("rtsp://a")
        site.keeper.want([camera("b"), camera("c")])
        site.step_until(lambda: site.names() == ["b", "c"] and site.keeper.retired.received > 0)
        site.step_until(lambda: not site.keeper._leaving)
        site.comes("rtsp://c")
        assert site.beside == [[], ["a"], ["b"]]
        assert site.opened.count("rtsp://b") == 1, "it had nothing to do with it"
        assert site.closed == ["rtsp://a"]
        assert site.keeper.retired.balanced
        assert site.shard.status().cameras == 2


def test_a_camera_that_is_taken_out_hands_its_best_shot_on() -> None:
    with Site(camera("a")) as site:
        site.step_until(lambda: site.keeper.lines[0].ledger.faces > 5)
        site.keeper.want([])
        site.step_until(lambda: not site.keeper._leaving and not site.keeper.lines)
        assert len(site.requests) >= 1
        assert site.keeper.retired.tracks_started == site.keeper.retired.tracks_ended
        assert site.keeper.retired.balanced


def test_a_new_name_is_told_and_touches_nothing() -> None:
    with Site(camera("a")) as site:
        site.comes("rtsp://a")
        site.keeper.want([camera("a", name="Portão")])
        site.keeper.step()
        line = site.keeper.lines[0]
        assert (line.camera.name, line.stream.camera.name, line.pipeline.camera.name) == ("Portão",) * 3
        site.comes("rtsp://a")
        assert site.opened == ["rtsp://a"]


def test_a_new_address_opens_only_that_camera_anew() -> None:
    with Site(camera("a"), camera("b")) as site:
        site.comes("rtsp://a")
        ledger = site.keeper.lines[0].ledger
        site.keeper.want([camera("a", url="rtsp://moved"), camera("b")])
        site.keeper.step()
        site.comes("rtsp://moved")
        assert site.opened.count("rtsp://b") == 1
        assert site.keeper.lines[0].ledger is ledger, "its books go on"
        assert "rtsp://a" in site.closed


def test_one_that_is_wanted_again_while_it_is_leaving_comes_back_once() -> None:
    with Site(camera("a")) as site:
        site.comes("rtsp://a")
        site.keeper.want([])
        site.keeper.step()
        site.keeper.want([camera("a")])
        site.step_until(lambda: site.names() == ["a"])
        site.comes("rtsp://a")
        assert site.opened == ["rtsp://a"] * 2
        pages = [ledger.snapshot() for ledger in site.ledgers]
        assert pages[0].balanced
        assert site.keeper.retired.received == pages[0].received


def test_a_thread_stuck_in_native_code_costs_only_its_camera_and_is_replaced() -> None:
    hang = threading.Event()
    site = Site()
    site.hangs["rtsp://stuck"] = hang
    with site:
        site.keeper.want([camera("stuck"), camera("b")])
        site.keeper.step()
        assert site.hanging.acquire(timeout=LIMIT_S)
        left_behind = site.keeper.lines[0].service
        del site.hangs["rtsp://stuck"]
        site.step_until(lambda: site.keeper.lines[0].service is not left_behind)
        site.comes("rtsp://stuck")
        site.comes("rtsp://b")
        status = site.keeper.lines[0].status(now_s=CLOCK.mono_s())
        assert status.stream.abandoned == 1
        assert status.source is CameraState.LIVE
        assert left_behind in site.keeper.camera_services, "a stop must know of it"
        hang.set()
        assert left_behind.join(LIMIT_S)
        site.keeper.step()
        assert left_behind not in site.keeper.camera_services
        assert site.opened.count("rtsp://b") == 1
        assert site.closed.count("rtsp://stuck") == 1, "what it held was given back, late"


def test_a_camera_never_has_more_than_a_few_stuck_threads_and_recovers_when_one_comes_back() -> None:
    hang = threading.Event()
    site = Site()
    site.hangs["rtsp://stuck"] = hang
    with site:
        site.keeper.want([camera("stuck")])
        site.keeper.step()
        site.step_until(lambda: site.keeper.lines[0].stream.abandoned == STUCK_MAX)
        for _ in range(3):
            CLOCK.wait(threading.Event(), STUCK_S)
            site.keeper.step()
        assert len(site.opened) == STUCK_MAX
        assert site.keeper.lines[0].state is CameraState.STALLED
        hang.set()
        del site.hangs["rtsp://stuck"]
        site.step_until(lambda: site.keeper.lines[0].state is CameraState.LIVE)
        site.comes("rtsp://stuck")


def test_one_that_is_stuck_can_be_taken_out() -> None:
    hang = threading.Event()
    site = Site()
    site.hangs["rtsp://stuck"] = hang
    with site:
        site.keeper.want([camera("stuck"), camera("b")])
        site.keeper.step()
        assert site.hanging.acquire(timeout=LIMIT_S)
        site.keeper.want([camera("b")])
        site.step_until(lambda: site.names() == ["b"] and not site.keeper._leaving)
        assert site.shard.status().cameras == 1


def test_a_thread_that_died_of_a_defect_is_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    with Site(camera("a")) as site:
        site.comes("rtsp://a")
        site.broken = True
        site.keeper.want([camera("a", url="rtsp://moved")])
        site.step_until(lambda: "died of a defect" in caplog.text)
        site.step_until(lambda: site.keeper.lines[0].state is CameraState.LIVE)
        site.comes("rtsp://moved")


def test_one_camera_that_cannot_be_made_or_changed_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    with Site(camera("a")) as site:
        site.comes("rtsp://a")
        site.refused = {"rtsp://bad", "rtsp://worse"}
        site.keeper.want([camera("a", url="rtsp://worse"), camera("b", url="rtsp://bad"), camera("c")])
        for _ in range(3):
            site.keeper.step()
        assert site.names() == ["a", "c"]
        assert caplog.text.count("cannot be set up as it is described") == 2
        site.comes("rtsp://a")
        site.comes("rtsp://c")
        site.keeper.want([camera("a"), camera("b"), camera("c")])
        site.step_until(lambda: site.names() == ["a", "c", "b"])
        site.comes("rtsp://b")


def test_a_stream_that_cannot_be_decoded_is_opened_again_and_then_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vigia.application.camera_keeper.UNDECODABLE_MAX_S", 0.3)
    hang = threading.Event()
    site = Site()
    site.undecodable = True
    with site:
        site.keeper.want([camera("a")])
        site.keeper.step()
        site.comes("rtsp://a")
        site.hangs["rtsp://a"] = hang  # opening again takes longer than a look
        site.step_until(lambda: site.opened.count("rtsp://a") == 2)
        site.undecodable = False
        for _ in range(3):
            site.keeper.step()
        hang.set()
        del site.hangs["rtsp://a"]
        site.step_until(lambda: site.keeper.lines[0].ledger.faces > 5)
        assert site.opened.count("rtsp://a") == 2


def test_a_camera_for_which_there_is_no_thread_begins_when_there_is_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Site(camera("a")) as site:
        site.comes("rtsp://a")
        with monkeypatch.context() as patch:
            patch.setattr("threading.Thread.start", _no_thread)
            site.keeper.want([camera("a"), camera("b")])
            for _ in range(3):
                site.keeper.step()
        assert caplog.text.count("no thread can be started") == 1
        site.step_until(lambda: "rtsp://b" in site.opened)
        site.comes("rtsp://b")


def _no_thread(_thread: object) -> None:
    raise RuntimeError("can't start new thread")


def test_books_of_nobody_are_empty() -> None:
    with Site() as site:
        assert site.keeper.retired == LedgerPage()
        assert site.keeper.lines == ()
