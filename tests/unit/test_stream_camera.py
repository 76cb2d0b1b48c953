"""A camera's retry: capped, jittered, reset after good running; slow after a refused password."""

import threading
from collections.abc import Sequence

import pytest

from vigia.application.errors import SourceAuthFailed, SourceEnded, SourceError, SourceStalled, SourceUnreachable
from vigia.application.packet_queue import PacketQueue
from vigia.application.use_cases.stream_camera import CameraState, RetryPolicy, StreamCameraUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import StreamInfo
from vigia.domain.ledger import CameraLedger
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedPacket, ScriptedSource

GATE = Camera(CameraId("gate"), "Gate", "rtsp://admin:s3cret@10.0.0.9/1")
Run = SourceError | tuple[Sequence[ScriptedPacket], SourceError]


class Rig:
    def __init__(self, runs: list[Run], *, once: bool = False, packet_s: float = 0.1) -> None:

        self.clock = SimClock()
        self.ledger = CameraLedger(GATE.id)
        self.queue = PacketQueue(capacity=1000, ledger=self.ledger, arrived=threading.Event(), clock=self.clock)
        self.source = ScriptedSource(GATE.id, runs, clock=self.clock, on_packet=lambda: self.clock.advance(packet_s))
        self.camera = StreamCameraUseCase(
            GATE, self.source, self.queue, clock=self.clock, retry=RetryPolicy(), once=once, jitter=lambda: 1.0
        )


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
    rig.camera._source = Broken(GATE.id, [], clock=rig.clock)
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
