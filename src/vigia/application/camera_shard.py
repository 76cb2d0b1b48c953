"""A shard: a worker that owns some cameras outright. Shared nothing: two shards never touch the same mutable object.

``step(now)`` is callable without any thread; run as a service it is one thread per core. The packet that has waited
longest, of any of its cameras, goes first: that is fair, and it is what keeps frames young.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.load_control import LoadControl
from vigia.application.ports import Clock
from vigia.domain.camera import CameraId
from vigia.domain.histogram import DurationHistogram

logger = logging.getLogger("vigia.shard")

TICK_S = 0.1
"""How often tracks are checked for their end when no packet comes."""
FPS_ASSUMED = 25.0


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """A shard as the status line and the dashboard see it."""

    name: str
    cameras: int
    k: int
    waiting: int
    """Packets in its queues."""


class CameraShard:
    """Decodes, detects and follows for its cameras.

    Owner: one thread (or whoever calls ``step``). Other threads may call ``add``, ``remove``, ``status``.
    Bounds: the queues of its cameras.

    Args:
        name: for the log and the thread.
        load: its cadence.
        ages: how old frames were when they were done.
        clock: for ticks and ages.
        arrived: set by its cameras' queues.
    """

    def __init__(
        self, name: str, *, load: LoadControl, ages: DurationHistogram, clock: Clock, arrived: threading.Event
    ) -> None:
        self.name = name
        self.load = load
        self.ages = ages
        self.arrived = arrived
        self._clock = clock
        self._pipelines: dict[CameraId, CameraPipeline] = {}
        self._orders: deque[Callable[[], object]] = deque()  # from other threads, carried out by the owner
        self._next_tick_s = float("-inf")
        self._idle = True

    def add(self, pipeline: CameraPipeline) -> None:
        """Take a camera over. Any thread; done before the next packet."""
        self._orders.append(lambda: self._pipelines.__setitem__(pipeline.camera.id, pipeline))
        self.arrived.set()

    def remove(self, camera_id: CameraId) -> None:
        """Let a camera go: its tracks end and are handed on. Any thread."""
        self._orders.append(lambda: self._remove(camera_id))
        self.arrived.set()

    def begin_measuring(self) -> None:
        """Start counting frame ages anew: start-up is over. Any thread."""
        self._orders.append(self.ages.clear)
        self.arrived.set()

    @property
    def is_idle(self) -> bool:
        """True while no packet waits: a good moment for garbage collection."""
        return self._idle

    @property
    def shed_name(self) -> str:
        """For the memory manager's log."""
        return self.name

    def shed(self) -> int:
        """Give waiting packets back, up to each camera's newest key frame; return their bytes. Any thread.

        The owner does it before its next packet, and the ledger books them as skipped.
        """
        pipelines = list(self._pipelines.values())
        self._orders.extend(pipeline.skip_to_key for pipeline in pipelines)
        self.arrived.set()
        return sum(pipeline.queue.bytes_before_newest_key() for pipeline in pipelines)

    def status(self) -> ShardStatus:
        """A recent state; any thread."""
        pipelines = list(self._pipelines.values())
        waiting = sum(len(pipeline.queue) for pipeline in pipelines)
        return ShardStatus(self.name, len(pipelines), self.load.k, waiting)

    def step(self) -> float:
        """Process one packet; return how long to wait before the next call: 0 while there is work."""
        now_s = self._clock.mono_s()
        while self._orders:
            self._orders.popleft()()
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + TICK_S
            self._tick(now_s)
        pipeline = self._furthest_behind()
        if pipeline is None:
            self._idle = True
            return TICK_S
        self._idle = False
        pipeline.process(pipeline.queue.pop())
        return 0.0

    def drain(self, *, deadline_mono_s: float) -> None:
        """Process what waits until the deadline, then end everything: tracks are handed on, the rest is booked."""
        while self._orders:
            self._orders.popleft()()
        while self._clock.mono_s() < deadline_mono_s:
            pipeline = self._furthest_behind()
            if pipeline is None:
                break
            pipeline.process(pipeline.queue.pop())
        for camera_id in list(self._pipelines):
            self._remove(camera_id)

    def _remove(self, camera_id: CameraId) -> None:
        pipeline = self._pipelines.pop(camera_id, None)
        if pipeline is not None:
            pipeline.stop()

    def _furthest_behind(self) -> CameraPipeline | None:
        """The camera whose oldest packet has waited longest."""
        chosen, oldest_s = None, float("inf")
        for pipeline in self._pipelines.values():
            head = pipeline.queue.head()
            if head is not None and head.received_mono_s < oldest_s:
                chosen, oldest_s = pipeline, head.received_mono_s
        return chosen

    def _tick(self, now_s: float) -> None:
        frames_per_s = 0.0
        for pipeline in self._pipelines.values():
            pipeline.tick(now_s)
            if pipeline.stream is not None:
                frames_per_s += pipeline.stream.fps or FPS_ASSUMED
        behind = self._furthest_behind()
        head = None if behind is None else behind.queue.head()
        live = head is not None and head.stream.live
        oldest_age_s = now_s - head.received_mono_s if head is not None and live else 0.0
        skip = self.load.decide(now_s, oldest_age_s=oldest_age_s, frames_per_s=frames_per_s)
        if skip and behind is not None and (skipped := behind.skip_to_key()):
            logger.warning("Camera %s: overload, %d packets skipped to the next key frame", behind.camera.name, skipped)
