"""One camera that comes and goes, in a process of its own: ``reconnect_life.py URL COUNT WARM_UP``; prints JSON.

The whole way from the socket to the decoder, with the shard's part done in the same thread.
"""

import json
import sys
import threading

import psutil

from vigia.application.call_guard import CallGuard
from vigia.application.packet_queue import PacketQueue
from vigia.application.use_cases.stream_camera import SourceRetry, StreamCameraUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.ledger import CameraLedger
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.memory import steady_heap, trim_heap
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.source import AvFrameSource, SourceOptions


def main(url: str, count: int, warm_up: int) -> None:
    """Open the camera until it ends, ``warm_up`` times, then ``count`` times, and say what was left behind."""
    steady_heap()
    clock = SystemClock()
    camera = Camera(CameraId("1"), "Gate", url)
    ledger = CameraLedger(camera.id)
    queue = PacketQueue(capacity=1000, ledger=ledger, arrived=threading.Event(), clock=clock)
    options = SourceOptions(open_timeout_s=5.0, first_frame_timeout_s=5.0, read_timeout_s=2.0)

    def make_source(described: Camera, guard: CallGuard, first_index: int, /) -> AvFrameSource:
        return AvFrameSource(described, clock=clock, options=options, guard=guard, first_index=first_index)

    stream = StreamCameraUseCase(camera, make_source, queue, clock=clock, retry=SourceRetry(0.01, 0.01))
    frames = opened = 0

    def once() -> None:
        nonlocal frames, opened
        stream.step()
        opened += 1
        decoder = None
        while len(queue):
            packet = queue.pop()
            if decoder is None:
                decoder = AvVideoDecoder(packet.stream)
            frames += len(decoder.decode(packet).frames)
        if decoder is not None:
            frames += len(decoder.flush().frames)
            decoder.close()

    process = psutil.Process()

    def now() -> dict[str, int]:
        trim_heap()
        return {"rss": process.memory_info().rss, "threads": process.num_threads(), "fds": process.num_fds()}

    for _ in range(warm_up):
        once()
    before, frames_before = now(), frames
    for _ in range(count):
        once()
    facts = {"before": before, "after": now(), "opened": opened, "frames": frames - frames_before}
    sys.stdout.write(json.dumps(facts | {"reconnects": stream.reconnects, "failure": stream.failure_text}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
