"""vigia whole under the ablation's load: shards, its own tracks and log lines, captures on disk and then delivered."""

import contextlib
import threading
from collections.abc import Iterator, Sequence

from vigia.application.camera_line import CameraLine
from vigia.application.camera_shard import CameraShard
from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.application.track_poster import CaptureSink
from vigia.bench.ablation_load import ScheduledDetector
from vigia.bench.flat_out import FlatStream, endless, make_shard, packets_of, run_shard
from vigia.bench.flat_workers import WORKERS
from vigia.bootstrap.hot_path import HotPath
from vigia.domain.frame import Packet
from vigia.infrastructure.config import Settings

STOP_S = 30.0


class WholeVigia:
    """The product's shards, fed flat out with the same packets as the loops, their detector told whom to find.

    Owner: one thread; ``frames`` and ``events`` may be read by any.

    Args:
        streams: one a camera.
        settings: of the product.
        captures: takes what finished tracks are worth sending.
        clock: of the shards.
    """

    def __init__(
        self, streams: Sequence[FlatStream], settings: Settings, *, captures: CaptureSink, clock: Clock
    ) -> None:
        self._clock = clock
        self._stop = threading.Event()
        schedule = ScheduledDetector([stream.camera for stream in streams])
        hot_path = HotPath(settings, clock=clock, on_frame=schedule.see)
        self._lines: list[CameraLine] = []
        self._services: list[LoopService] = []
        for number in range(WORKERS):
            own = streams[number::WORKERS]
            cameras = [stream.camera for stream in own]
            name = f"ablation-shard-{number}"
            shard, lines = make_shard(hot_path, schedule.for_shard(), cameras, name=name, captures=captures)
            self._lines += lines
            self._services.append(self._service(shard, lines, own))

    @property
    def frames(self) -> int:
        """All cameras together."""
        return sum(line.ledger.snapshot().frames_decoded for line in self._lines)

    @property
    def events(self) -> int:
        """Followed, all cameras together."""
        return sum(line.ledger.faces for line in self._lines)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Shards run within the block. Raises what one of them failed with."""
        for service in self._services:
            service.start()
        try:
            yield
        finally:
            self._stop.set()
            for service in self._services:
                service.join(STOP_S)
        for service in self._services:
            if service.failure is not None:
                raise service.failure

    def _service(self, shard: CameraShard, lines: Sequence[CameraLine], streams: Sequence[FlatStream]) -> LoopService:
        def step() -> None:
            run_shard(shard, lines, self._rounds(streams), clock=self._clock)

        return LoopService(shard.name, step, clock=self._clock)

    def _rounds(self, streams: Sequence[FlatStream]) -> Iterator[list[Packet]]:
        packets_each = [iter(endless(packets_of(stream))) for stream in streams]
        while not self._stop.is_set():
            yield [next(packets) for packets in packets_each]
