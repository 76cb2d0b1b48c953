"""A supervisor and its worker on a simulated clock: lives, deaths, silences, orders and the stop."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from making import START_UTC
from vigia.application import worker_supervisor
from vigia.application.messages import (
    BeginMeasuring,
    CommitCapture,
    LogEntries,
    SetCameras,
    ShedMemory,
    StopWork,
    WorkerFailed,
)
from vigia.application.use_cases.stream_camera import CameraState
from vigia.application.worker_crew import WorkerCrew
from vigia.application.worker_supervisor import WorkerLimits, WorkerLost, WorkerSupervisor
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import Capture, CaptureId
from vigia.domain.ledger import CameraLedger, FrameFate, TrackFate
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock
from worker_fakes import FakeProcess, a_report

CAMERAS = [Camera(CameraId(name), name.title(), f"rtsp://{name}") for name in ("gate", "door")]
LIMITS = WorkerLimits(start_max_s=30.0, silence_max_s=5.0, deaths_max=2, deaths_window_s=60.0)


class Rig:
    """One supervisor; its thread is the test."""

    def __init__(self) -> None:
        self.clock = SimClock()
        self.outbox = MemoryOutbox(self.clock)
        self.lives: list[FakeProcess] = []
        self.launched: list[tuple[tuple[Camera, ...], object]] = []
        self.told: list[CaptureId] = []
        self.log: list[Any] = []
        self.supervisor = WorkerSupervisor(
            "shard-0",
            CAMERAS,
            launch=self._launch,
            store=self.outbox,
            on_committed=lambda capture: self.told.append(capture.id),
            on_log=self._log,
            clock=self.clock,
            limits=LIMITS,
        )
        self.crew = WorkerCrew([self.supervisor], self.clock)

    @property
    def process(self) -> FakeProcess:
        return self.lives[-1]

    def _launch(self, life: int, cameras: Sequence[Camera], rules: object) -> FakeProcess:
        self.launched.append((tuple(cameras), rules))
        self.lives.append(FakeProcess(life, self.clock))
        return self.process

    def _log(self, entries: Sequence[Any]) -> None:
        self.log += entries

    def says(self, *messages: object) -> None:
        self.process.control.arrived.extend(messages)
        self.steps(len(messages))

    def steps(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.supervisor.step() == 0.0

    def pass_s(self, seconds: float) -> None:
        """Let the worker be silent for so long."""
        end_s = self.clock.mono_s() + seconds
        while self.clock.mono_s() < end_s:
            self.steps()

    def commits(self, *captures: Capture) -> None:
        """The worker commits, and waits until each is on disk."""
        for capture in captures:
            self.process.worker_captures.send(CommitCapture(capture), timeout_s=10.0)
            assert self.process.worker_captures.receive(10.0).id == capture.id


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    for process in made.lives:
        process.die(0)
        process.close()


def a_capture(name: str) -> Capture:
    return Capture(
        id=CaptureId(name),
        camera_id=CAMERAS[0].id,
        findface_camera_id=1,
        track_id=1,
        at_utc=START_UTC,
        box_xyxy=(0.0, 0.0, 9.0, 9.0),
        roi_ltrb=(0, 0, 9, 9),
        size_wh=(64, 48),
        quality=0.5,
        jpeg=b"\xff\xd8\xff\xd9",
    )


def busy_page(captured: int = 1) -> CameraLedger:
    ledger = CameraLedger(CAMERAS[0].id, received=10, tracks_started=captured + 1)
    ledger.book(FrameFate.DETECTED, 8)
    for _ in range(captured):
        ledger.book_track(TrackFate.CAPTURED)
    return ledger


def test_an_orderly_run_adds_up(rig: Rig) -> None:
    rig.steps()
    assert rig.crew.view().connecting
    rig.says(a_report(CAMERAS, beats=1))
    assert rig.crew.view().cameras_live == 2
    rig.commits(a_capture("a"))
    rig.supervisor.begin_stop(rig.clock.mono_s() + 10.0)
    rig.steps()
    order = rig.process.control.sent[-1]
    assert isinstance(order, StopWork)
    assert 8.0 < order.left_s < 10.0, "less than there is: its last report has to come in time"
    ledger = CameraLedger(CAMERAS[0].id, received=5, tracks_started=1)
    ledger.book(FrameFate.DETECTED, 5)
    ledger.book_track(TrackFate.CAPTURED)
    rig.says(a_report(CAMERAS, pages=[ledger.snapshot()], final=True, beats=2))
    rig.process.die(0)
    assert rig.supervisor.step() is None
    view = rig.crew.view()
    assert view.ledger.balanced
    assert (view.committed, view.lost, view.commit_waiting, view.restarts) == (1, 0, 0, 0)
    assert view.ledger.tracks[TrackFate.CAPTURED] == view.committed
    assert rig.crew.unclean == []
    assert rig.told == ["a"]


def test_a_worker_that_dies_is_told_booked_and_started_again_with_its_cameras(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.steps()
    rig.says(a_report(CAMERAS, pages=[busy_page(captured=2).snapshot()], beats=1))
    rig.commits(a_capture("a"))
    rig.process.die(-9)
    rig.steps()
    assert "died (killed by signal 9); lost with it: 2 packets, 1 open tracks, 1 captures" in caplog.text
    view = rig.crew.view()
    assert (view.committed, view.lost, view.restarts) == (1, 1, 1)
    assert view.ledger.balanced
    assert view.ledger.skip_reasons == {"worker_died": 2}
    assert {camera.source for camera in view.details} == {CameraState.CONNECTING}
    rig.steps()
    assert [process.life for process in rig.lives] == [0, 1]
    rig.says(a_report(CAMERAS, pages=[busy_page(captured=1).snapshot()], beats=1))
    assert rig.crew.view().ledger.received == 20


def test_the_last_words_of_a_dead_worker_are_heard_though_an_order_found_the_channel_closed(rig: Rig) -> None:
    rig.steps()
    rig.process.control.arrived.append(a_report(CAMERAS, final=True, survivors=["shard-0/camera-gate"]))
    rig.process.die(0)
    rig.supervisor.begin_stop(rig.clock.mono_s() + 5.0)
    assert rig.supervisor.step() is None
    assert rig.crew.unclean == ["shard-0/camera-gate"]


def silent(rig: Rig) -> None:
    while rig.process.code is None:
        rig.steps()


def without_a_beat(rig: Rig) -> None:
    while rig.process.code is None:
        rig.says(a_report(CAMERAS, beats=7))
        rig.steps(2)


@pytest.mark.parametrize("hang", [silent, without_a_beat])
def test_a_worker_that_hangs_is_killed_and_started_again(
    rig: Rig, hang: Callable[[Rig], None], caplog: pytest.LogCaptureFixture
) -> None:
    rig.steps()
    rig.says(a_report(CAMERAS, beats=7))
    hang(rig)
    rig.steps(2)
    assert [process.life for process in rig.lives] == [0, 1]
    assert "it hangs" in caplog.text
    assert rig.lives[0].code == -9


def test_a_shard_that_waits_for_the_disk_does_not_hang(rig: Rig) -> None:
    rig.steps()
    for _ in range(40):
        rig.says(a_report(CAMERAS, beats=7, commit_room=0, commit_waiting=64))
        rig.pass_s(0.5)
    assert len(rig.lives) == 1


def test_loading_a_model_may_take_longer_than_a_silence_but_not_for_ever(rig: Rig) -> None:
    rig.steps()
    rig.pass_s(LIMITS.start_max_s - 1.0)
    assert rig.process.code is None
    rig.pass_s(3.0)
    assert rig.lives[0].code == -9


def test_too_many_deaths_end_the_run_with_the_reason(rig: Rig) -> None:
    for _ in range(LIMITS.deaths_max):
        rig.steps()
        rig.says(WorkerFailed("OSError: no model"))
        rig.process.die(1)
        rig.steps()
    rig.steps()
    rig.says(WorkerFailed("OSError: no model"))
    rig.process.die(1)
    with pytest.raises(WorkerLost, match=r"shard-0 died 3 times within 60 s, the last time because: OSError: no model"):
        rig.supervisor.step()


def test_deaths_far_apart_do_not_add_up(rig: Rig) -> None:
    for _ in range(3 * LIMITS.deaths_max):
        rig.steps()
        rig.says(a_report(CAMERAS))
        rig.process.die(1)
        rig.steps()
        rig.clock.advance(LIMITS.deaths_window_s)
    assert rig.crew.view().restarts == 3 * LIMITS.deaths_max


def test_a_worker_that_does_not_stop_in_time_is_killed_and_named(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.steps()
    rig.says(a_report(CAMERAS, pages=[busy_page().snapshot()]))
    rig.supervisor.begin_stop(rig.clock.mono_s() + 3.0)
    while (again := rig.supervisor.step()) is not None:
        assert again == 0.0
    assert rig.crew.unclean == ["shard-0"]
    assert "it did not stop in time" in caplog.text
    assert len(rig.lives) == 1
    assert rig.crew.view().ledger.balanced


def test_a_worker_that_dies_while_it_stops_is_not_started_again(rig: Rig) -> None:
    rig.steps()
    rig.supervisor.begin_stop(rig.clock.mono_s() + 3.0)
    rig.steps()
    rig.process.die(1)
    assert rig.supervisor.step() is None
    assert rig.crew.unclean == ["shard-0"]


def test_a_stop_before_the_start_starts_nothing(rig: Rig) -> None:
    rig.supervisor.begin_stop(rig.clock.mono_s() + 3.0)
    assert rig.supervisor.step() is None
    assert rig.lives == []


def test_orders_reach_the_worker_and_measuring_also_its_next_life(rig: Rig) -> None:
    rig.steps()
    rig.says(a_report(CAMERAS, spare_bytes=1234))
    assert rig.supervisor.shed() == 1234
    rig.crew.begin_measuring()
    rig.steps()
    assert rig.process.control.sent == [ShedMemory(), BeginMeasuring()]
    rig.process.die(1)
    rig.steps(2)
    assert rig.process.control.sent == [BeginMeasuring()]


def test_orders_wait_for_a_worker_that_does_not_read(rig: Rig) -> None:
    rig.steps()
    rig.process.control.full = True
    rig.crew.begin_measuring()
    rig.steps(2)
    rig.process.control.full = False
    rig.steps()
    assert rig.process.control.sent == [BeginMeasuring()]


def test_log_records_are_passed_on_and_drops_are_told_once(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.steps()
    rig.says(LogEntries(["a", "b"], dropped=5), LogEntries(["c"], dropped=5))
    assert rig.log == ["a", "b", "c"]
    assert caplog.text.count("5 log records dropped") == 1


def test_a_process_that_cannot_be_killed_does_not_hold_up_the_stop(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_supervisor, "REAP_TIMEOUT_S", 0.01)
    rig.steps()
    rig.process.deaf = True
    rig.supervisor.begin_stop(rig.clock.mono_s() + 1.0)
    for _ in range(30):
        rig.steps()
    rig.supervisor.service.request_stop()
    rig.supervisor._thread_ended(rig.supervisor.service)
    assert rig.supervisor.pid is None


YARD = Camera(CameraId("yard"), "Yard", "rtsp://yard")


def orders(process: FakeProcess) -> list[SetCameras]:
    return [message for message in process.control.sent if isinstance(message, SetCameras)]


def test_other_cameras_are_told_once_and_count_for_the_next_life(rig: Rig) -> None:
    rig.steps()
    rig.says(a_report(CAMERAS))
    rig.crew.set_cameras([CAMERAS[0], YARD])
    rig.steps(3)
    assert [[camera.id for camera in order.cameras] for order in orders(rig.process)] == [["gate", "yard"]]
    rig.process.die(-9)
    rig.steps(2)
    assert rig.launched[-1] == ((CAMERAS[0], YARD), None)
    assert orders(rig.process) == [], "it knows from its start"


def test_the_same_cameras_again_are_no_order(rig: Rig) -> None:
    rig.steps()
    rig.says(a_report(CAMERAS))
    rig.crew.set_cameras(list(CAMERAS))
    rig.steps(2)
    assert orders(rig.process) == []


def test_changed_rules_are_told_though_the_cameras_are_the_same_and_stay_known(rig: Rig) -> None:
    rig.steps()
    rig.says(a_report(CAMERAS))
    rig.crew.set_cameras(list(CAMERAS), "rules")
    rig.steps(2)
    assert [order.rules for order in orders(rig.process)] == ["rules"]
    rig.process.die(-9)
    rig.steps(2)
    assert rig.launched[-1][1] == "rules"


def test_the_books_of_a_camera_that_was_taken_out_stay_in_the_sum(rig: Rig) -> None:
    rig.steps()
    page = busy_page().snapshot()
    rig.says(a_report(CAMERAS, pages=[page]))
    rig.process.die(-9)
    rig.steps(2)
    before = rig.crew.view().ledger
    rig.crew.set_cameras([CAMERAS[1]])
    rig.says(a_report([CAMERAS[1]]))
    view = rig.crew.view()
    assert [camera.id for camera in view.details] == ["door"]
    assert view.ledger == before
    assert view.retired.received == before.received > 0


def test_new_cameras_go_to_the_worker_that_has_the_fewest() -> None:
    rigs = [Rig(), Rig()]
    rigs[1].supervisor.want([])
    crew = WorkerCrew([rig.supervisor for rig in rigs], rigs[0].clock)
    more = [Camera(CameraId(f"new-{n}"), "New", "rtsp://new") for n in range(4)]
    crew.set_cameras([*CAMERAS, *more])
    assert [len(rig.supervisor.cameras) for rig in rigs] == [3, 3]
    assert list(rigs[0].supervisor.cameras[:2]) == CAMERAS, "who has a camera keeps it"
