"""Both ends of a worker without a process: messages in memory, reports made by hand."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from vigia.application.camera_shard import ShardStatus
from vigia.application.camera_status import CameraStatus
from vigia.application.messages import ChannelClosed, ChannelFull, WorkerReport
from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.camera import Camera, CameraId
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, LedgerPage
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.process.channel import SocketChannel, channel_pair
from vigia.testing.sim_clock import SimClock


class MemoryChannel:
    """One end. Nothing to receive means that the whole time-out passes on the simulated clock."""

    def __init__(self, clock: SimClock) -> None:
        self.arrived: deque[Any] = deque()
        self.sent: list[Any] = []
        self.closed = False
        self.full = False
        self._clock = clock

    def send(self, message: object, *, timeout_s: float) -> None:
        if self.closed:
            raise ChannelClosed
        if self.full:
            self._clock.advance(timeout_s)
            raise ChannelFull
        self.sent.append(message)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - nothing is ever owed
        return True

    def receive(self, timeout_s: float) -> Any:
        if self.arrived:
            return self.arrived.popleft()
        if self.closed:
            raise ChannelClosed
        self._clock.advance(timeout_s)
        return None

    def close(self) -> None:
        self.closed = True


class FakeProcess:
    """A worker process that does what a test says. Its captures channel is a real one, served by a real thread."""

    def __init__(self, life: int, clock: SimClock) -> None:
        self.life = life
        self.control = MemoryChannel(clock)
        self.captures, end = channel_pair(clock=SystemClock())
        self.worker_captures = SocketChannel(end, clock=SystemClock())
        self.code: int | None = None
        self.deaf = False
        """Cannot be killed, as a process in an uninterruptible read."""

    @property
    def pid(self) -> int:
        return 1000 + self.life

    def wait(self, timeout_s: float) -> int | None:  # noqa: ARG002 - it has ended or it has not
        return self.code

    def die(self, code: int) -> None:
        if self.code is None:
            self.code = code
        self.control.closed = True
        self.worker_captures.close()

    def kill(self) -> None:
        if not self.deaf:
            self.die(-9)

    def close(self) -> None:
        self.control.close()
        self.captures.close()
        self.worker_captures.close()


def a_page(camera_id: str, ledger: CameraLedger | None = None) -> LedgerPage:
    return (ledger if ledger is not None else CameraLedger(CameraId(camera_id))).snapshot()


def a_report(
    cameras: Sequence[Camera], *, pages: Sequence[LedgerPage] = (), source: CameraState = CameraState.LIVE, **facts: Any
) -> WorkerReport:
    """A worker's report; ``pages`` in the order of the cameras."""
    books = [*pages, *(LedgerPage() for _ in range(len(cameras) - len(pages)))]
    details = [
        CameraStatus(camera.id, camera.name, source, "shard-0", page=page)
        for camera, page in zip(cameras, books, strict=True)
    ]
    plain: dict[str, Any] = {
        "shards": [ShardStatus("shard-0", len(cameras), 1, 0)], "details": details, "ages": DurationHistogram(),
        "commit_waiting": 0, "commit_room": 64, "lost": {}, "doubtful": (), "ended": False, "beats": 0,
        "spare_bytes": 0, "rss_bytes": 0, "cpu_s": 0.0, "gc_pause_p99_s": 0.0, "gc_pause_max_s": 0.0,
    }  # fmt: skip
    return WorkerReport(**(plain | facts))
