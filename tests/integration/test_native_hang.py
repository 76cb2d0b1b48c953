"""A camera that hangs for real inside the video library: opening a pipe that nobody writes to has no time-out there."""

import os
import threading
from pathlib import Path

import pytest

from running import wait_for
from vigia.application.call_guard import CallGuard
from vigia.application.packet_queue import PacketQueue
from vigia.application.use_cases.stream_camera import CameraState, SourceRetry, StreamCameraUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.ledger import CameraLedger
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.video.source import AvFrameSource, SourceOptions

STUCK_S = 0.5


def state(stream: StreamCameraUseCase) -> CameraState:
    """Another thread sets it."""
    return stream.state


@pytest.mark.timeout(60)
def test_a_thread_that_hangs_in_native_code_is_left_behind_and_ends_when_it_comes_back(
    tmp_path: Path, clips: list[DemoClip]
) -> None:
    pipe = tmp_path / "camera"
    os.mkfifo(pipe)
    clock = SystemClock()
    camera = Camera(CameraId("1"), "Gate", str(pipe))
    queue = PacketQueue(capacity=1000, ledger=CameraLedger(camera.id), arrived=threading.Event(), clock=clock)

    def make_source(described: Camera, guard: CallGuard, first_index: int, /) -> AvFrameSource:
        return AvFrameSource(described, clock=clock, options=SourceOptions(), guard=guard, first_index=first_index)

    retry = SourceRetry(delay_min_s=0.05, delay_max_s=0.05, stuck_s=STUCK_S)
    stream = StreamCameraUseCase(camera, make_source, queue, clock=clock, retry=retry)
    stuck = stream.make_service()
    stuck.start()
    wait_for(stream.abandon_if_stuck, timeout_s=20, what="a call beyond its limit")
    assert state(stream) is CameraState.STALLED
    assert stuck.is_alive, "nothing can end it from outside"

    stream.change_to(Camera(camera.id, camera.name, str(clips[0].path)))
    fresh = stream.make_service()
    fresh.start()
    wait_for(
        lambda: state(stream) is CameraState.LIVE and len(queue) > 3, timeout_s=20, what="packets of the new thread"
    )

    os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))  # lets the old one out: end of file
    assert stuck.join(20)
    assert stuck.failure is None
    assert state(stream) is CameraState.LIVE
    fresh.request_stop()
    assert fresh.join(20)
    assert stream.abandoned == 1
