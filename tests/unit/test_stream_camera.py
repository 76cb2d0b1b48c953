"""A camera's retry: capped, jittered, reset after good running; slow after a refused password."""

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from vigia.application.call_guard import CallGuard
from vigia.application.errors import (
    SourceAbandoned,
    SourceAuthFailed,
    SourceEnded,
    SourceError,
    SourceStalled,
    SourceUnreachable,
)
from vigia.application.packet_queue import PacketQueue
from vigia.application.use_cases.stream_camera import CameraState, SourceRetry, StreamCameraUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import StreamInfo
from vigia.domain.ledger import CameraLedger
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import STREAM, ScriptedPacket, ScriptedSource

GATE = Camera(CameraId("gate"), "Gate", "rtsp://admin:s3cret@10.0.0.9/1")
Run = SourceError | tuple[Sequence[ScriptedPacket], SourceError]


RETRY = SourceRetry(delay_max_s=30.0)


class Rig:
    def __init__(self, runs: list[Run], *, once: bool = False, packet_s: float = 0.1) -> None:
        self.made: list[tuple[Camera, CallGuard, int]] = []
        self.clock = SimClock()
        self.ledger = CameraLedger(GATE.id)
        self.queue = PacketQueue(capacity=1000, ledger=self.ledger, arrived=threading.Event(), clock=self.clock)
        self.source = ScriptedSource(GATE.id, runs, clock=self.clock, on_packet=lambda: self.clock.advance(packet_s))
        self.camera = StreamCameraUseCase(
            GATE, self.make_source, self.queue, clock=self.clock, retry=RETRY, once=once, jitter=lambda: 1.0
        )

    def make_source(self, camera: Camera, guard: CallGuard, first_index: int, /) -> ScriptedSource:
        self.made.append((camera, guard, first_index))
        return self.source


def packets(count: int) -> list[ScriptedPacket]:
    return [ScriptedPacket()] * count


def test_packets_reach_the_queue_and_the_state_is_live() -> None:
    rig = Rig([(packets(5), SourceEnded("x"))])
    assert rig.camera.state is CameraState.CONNECTING
    rig.camera.step()
    assert len(rig.queue) == rig.ledger.received == 5
    assert rig.source.closes >= 1


def test_delays_double_up_to_the_cap() -> None:
    rig = Rig([SourceUnreachable("no route")] * 8)
    assert [rig.camera.step() for _ in range(8)] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert rig.camera.state is CameraState.UNREACHABLE
    assert rig.camera.failure_text == "no route"
    assert rig.camera.reconnects == 8


def test_good_running_resets_the_delay() -> None:
    runs: list[Run] = [SourceUnreachable("x")] * 4
    rig = Rig([*runs, (packets(400), SourceStalled("x")), SourceUnreachable("x")])
    assert [rig.camera.step() for _ in range(6)] == [1, 2, 4, 8, 1, 2]


def test_short_running_does_not_reset_the_delay() -> None:
    rig = Rig([(packets(3), SourceEnded("x"))] * 4)
    assert [rig.camera.step() for _ in range(4)] == [1, 2, 4, 8]


def test_a_refused_password_is_its_own_state_and_retried_slowly() -> None:
    rig = Rig([SourceAuthFailed("refused")])
    assert rig.camera.step() == 60.0
    assert rig.camera.state is CameraState.AUTH_FAILED


def test_an_unforeseen_fault_restarts_only_this_camera() -> None:
    class Broken(ScriptedSource):
        def open(self) -> StreamInfo:
            raise RuntimeError("native library")

    rig = Rig([])
    rig.source = Broken(GATE.id, [], clock=rig.clock)
    rig.camera.change_to(GATE)
    assert rig.camera.step() == 1.0
    assert "RuntimeError" in rig.camera.failure_text


def test_a_file_played_once_ends() -> None:
    rig = Rig([(packets(3), SourceEnded("end"))], once=True)
    assert rig.camera.step() is None
    assert rig.camera.state is CameraState.ENDED


def test_a_missing_file_is_not_its_end() -> None:
    rig = Rig([SourceUnreachable("no such file")], once=True)
    assert rig.camera.step() == 1.0


def test_stopping_interrupts_the_source_and_ends_the_step() -> None:
    rig = Rig([(packets(10), SourceEnded("x"))])
    rig.camera.request_stop()
    assert rig.source.interrupted
    assert rig.camera.step() is None
    assert len(rig.queue) == 0


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_jitter_keeps_at_least_half(jitter: float) -> None:
    rig = Rig([SourceUnreachable("x")])
    rig.camera._jitter = lambda: jitter
    delay_s = rig.camera.step()
    assert delay_s is not None
    assert 0.5 <= delay_s <= 1.0


def test_a_stall_is_its_own_state_and_stays_until_packets_come_again() -> None:
    rig = Rig([(packets(3), SourceStalled("silent")), SourceUnreachable("gone"), (packets(1), SourceEnded("x"))])
    rig.camera.step()
    assert rig.camera.state is CameraState.STALLED
    rig.camera.step()
    assert (rig.camera.state, rig.camera.failure_text) == (CameraState.UNREACHABLE, "gone")
    rig.camera.step()
    assert rig.camera.last_packet_s is not None
    assert rig.camera.bytes_received == 4 * 1000


def test_a_changed_camera_is_opened_at_once_by_a_source_of_its_own() -> None:
    rig = Rig([SourceAuthFailed("refused")] * 3)
    rig.camera.step()
    moved = replace(GATE, url="rtsp://10.0.0.10/2")
    rig.source = ScriptedSource(GATE.id, [(packets(2), SourceEnded("x"))], clock=rig.clock)
    rig.camera.change_to(moved)
    assert rig.camera.step() == 1.0, "the back-off began anew"
    assert len(rig.queue) == 2
    assert [made[0] for made in rig.made] == [GATE, moved]


def test_a_change_while_packets_come_ends_the_old_source_without_a_failure() -> None:
    rig = Rig([(packets(100), SourceEnded("x"))])
    moved = replace(GATE, url="rtsp://10.0.0.10/2")
    seen = 0

    def change() -> None:
        nonlocal seen
        seen += 1
        if seen == 5:
            rig.camera.change_to(moved)

    rig.source._on_packet = change
    assert rig.camera.step() == 0.0
    assert len(rig.queue) == 4, "what comes after the change is the old camera's"
    assert rig.camera.reconnects == 0
    assert rig.source.interrupted


def test_a_new_name_does_not_touch_the_stream() -> None:
    rig = Rig([(packets(3), SourceEnded("x"))])
    rig.camera.describe(replace(GATE, name="Portão"))
    rig.camera.step()
    assert len(rig.made) == 1
    assert rig.camera.camera.name == "Portão"


def test_a_stream_of_which_nothing_can_be_made_is_opened_again() -> None:
    rig = Rig([(packets(10), SourceEnded("end of script")), (packets(2), SourceEnded("x"))])
    rig.source._on_packet = lambda: rig.camera.reopen(STREAM, SourceEnded("nothing could be decoded"))
    assert rig.camera.step() == 1.0
    assert rig.camera.failure_text == "nothing could be decoded"
    assert len(rig.queue) == 0
    rig.source._stream = replace(STREAM)
    rig.camera.step()
    assert len(rig.queue) == 2, "the order was for the stream of before, however often it is given"


def test_one_that_stays_away_is_told_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig([SourceUnreachable("no route")] * 200)
    for _ in range(200):
        rig.clock.advance(rig.camera.step() or 0.0)
    told = [record for record in caplog.records if record.levelname == "WARNING"]
    assert 2 <= len(told) <= 25, "every five minutes"


def test_a_change_during_a_change_is_not_lost() -> None:
    rig = Rig([])
    newest = replace(GATE, url="rtsp://10.0.0.11/3")

    class Late(ScriptedSource):
        def open(self) -> StreamInfo:
            raise SourceUnreachable("late")

    rig.source = Late(GATE.id, [], clock=rig.clock)
    original = rig.make_source
    pending = [newest]

    def make_source(camera: Camera, guard: CallGuard, first_index: int, /) -> ScriptedSource:
        if pending:  # the other thread comes in between
            rig.camera.change_to(pending.pop())
        return original(camera, guard, first_index)

    rig.camera._make_source = make_source
    rig.camera.change_to(replace(GATE, url="rtsp://10.0.0.10/2"))
    rig.camera.step()
    assert rig.made[-1][0] == newest
    assert not rig.camera.is_changed


def test_a_stuck_thread_is_left_behind_and_what_it_brings_later_is_nothing() -> None:
    rig = Rig([])
    inside, come_back = threading.Event(), threading.Event()

    class Stuck(ScriptedSource):
        def open(self) -> StreamInfo:
            with rig.made[0][1].call():
                inside.set()
                assert come_back.wait(10)
            return super().open()

    rig.source = Stuck(GATE.id, [(packets(5), SourceEnded("x"))], clock=rig.clock)
    rig.camera.change_to(GATE)
    rig.made.clear()
    service = rig.camera.make_service()
    service.start()
    assert inside.wait(10)
    assert not rig.camera.abandon_if_stuck(), "it has only begun"
    rig.clock.advance(RETRY.stuck_s + 1.0)
    rig.source = ScriptedSource(GATE.id, [(packets(3), SourceEnded("y"))], clock=rig.clock)
    assert rig.camera.abandon_if_stuck()
    assert rig.camera.state is CameraState.STALLED
    assert "stuck in the video library" in rig.camera.failure_text
    assert "s3cret" not in rig.camera.failure_text
    assert rig.camera.step() == 1.0, "the new thread waits first"
    rig.camera.step()
    assert len(rig.queue) == 3
    before = (rig.camera.state, rig.camera.failure_text, rig.camera.reconnects)
    come_back.set()
    assert service.join(10)
    assert service.failure is None
    assert len(rig.queue) == 3
    assert (rig.camera.state, rig.camera.failure_text, rig.camera.reconnects) == before


def test_packets_are_numbered_on_after_a_thread_was_left_behind() -> None:
    rig = Rig([(packets(7), SourceEnded("x"))])
    rig.camera.step()
    with pytest.raises(SourceAbandoned), rig.made[0][1].call():  # noqa: PT012 - it is raised on the way out
        rig.clock.advance(RETRY.stuck_s + 1.0)
        assert rig.camera.abandon_if_stuck()
    assert rig.made[-1][2] == 7
