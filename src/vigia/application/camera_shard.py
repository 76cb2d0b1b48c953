"""A shard: a worker that owns some cameras outright. Shared nothing: two shards never touch the same mutable object.

``step(now)`` is callable without any thread; run as a service it is one thread per core. The packet that has waited
longest, of any of its cameras, goes first: that is fair, and it is what keeps frames young. Where packets have piled
up, a few of one camera are processed in a row: its reference pictures are still in the processor's cache then.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.camera_status import LoadReason
from vigia.application.load_control import LoadControl, predicted_load
from vigia.application.ports import Clock
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.domain.camera import CameraId
from vigia.domain.histogram import DurationHistogram

logger = logging.getLogger("vigia.shard")

TICK_S = 0.1
"""How often tracks are checked for their end when no packet comes."""
RUN_MAX = 4
"""Packets of one camera in a row, when several wait; measured: 3 to 5 % more frames than one camera after another."""
BACKLOG_SHARE = 0.5
"""Skipping goes on until what waits could be done within this share of the age from which on packets are skipped."""


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """A shard as the status line and the dashboard see it."""

    name: str
    cameras: int
    k: int
    waiting: int
    """Packets in its queues."""
    scale: float = 1.0
    """Of the detector's input, in (0, 1]; below 1 under overload only."""
    load: float = 0.0
    """Share of its time that its cameras take, as measured; above 1 it falls behind."""


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
        detect: its detector, for cameras that come from another shard; without it none may come.
    """

    def __init__(
        self,
        name: str,
        *,
        load: LoadControl,
        ages: DurationHistogram,
        clock: Clock,
        arrived: threading.Event,
        detect: DetectFacesUseCase | None = None,
    ) -> None:
        self.name = name
        self.load = load
        self.detect = detect
        self.ages = ages
        self.arrived = arrived
        self._clock = clock
        self._pipelines: dict[CameraId, CameraPipeline] = {}
        self._orders: deque[Callable[[], object]] = deque()  # from other threads, carried out by the owner
        self._next_tick_s = float("-inf")
        self._idle = True
        self._run: tuple[CameraPipeline | None, int] = (None, 0)  # whose packets are being processed, how many in a row

    def add(self, pipeline: CameraPipeline) -> None:
        """Take a camera over. Any thread; done before the next packet."""
        self._orders.append(lambda: self._pipelines.__setitem__(pipeline.camera.id, pipeline))
        self.arrived.set()

    def hand_over(self, camera_id: CameraId, to: "CameraShard") -> None:
        """Give a camera to another shard, with its open tracks and what waits. Any thread.

        The pipeline is let go by this shard's thread between two packets, then taken by the other's: it never has two.
        """
        self._orders.append(lambda: self._hand_over(camera_id, to))
        self.arrived.set()

    def _hand_over(self, camera_id: CameraId, to: "CameraShard") -> None:
        pipeline = self._pipelines.pop(camera_id, None)
        if pipeline is not None:
            self._run = (None, 0)
            to.take_over(pipeline)

    def take_over(self, pipeline: CameraPipeline) -> None:
        """Take a camera over that another shard has let go. Any thread; done before the next packet."""
        detect = self.detect
        if detect is None:
            raise ValueError(f"{self.name} has no detector for cameras of other shards")

        def take() -> None:
            pipeline.move(load=self.load, ages=self.ages, detect=detect, arrived=self.arrived)
            self._pipelines[pipeline.camera.id] = pipeline

        self._orders.append(take)
        self.arrived.set()

    def costs(self) -> dict[CameraId, float]:
        """What each camera would take of a shard's time in full, as measured; those not measured yet are missing.

        In full, whatever the shard's rung is: a shard that looks less often is not less busy for that. Any thread.
        """
        return {
            pipeline.camera.id: pipeline.cost.load(k=self.load.limits.k_min)
            for pipeline in list(self._pipelines.values())
            if pipeline.cost.decode.count
        }

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
        self._orders.extend(partial(self._shed_one, pipeline.camera.id) for pipeline in pipelines)
        self.arrived.set()
        return sum(pipeline.queue.bytes_before_newest_key() for pipeline in pipelines)

    def _shed_one(self, camera_id: CameraId) -> None:
        pipeline = self._pipelines.get(camera_id)  # it may have moved to another shard meanwhile
        if pipeline is not None:
            pipeline.skip_to_key(LoadReason.MEMORY)

    def status(self) -> ShardStatus:
        """A recent state; any thread."""
        pipelines = list(self._pipelines.values())
        waiting = sum(len(pipeline.queue) for pipeline in pipelines)
        rung = self.load.rung
        load = predicted_load([pipeline.cost for pipeline in pipelines if pipeline.is_decoding], rung)
        return ShardStatus(self.name, len(pipelines), rung.k, waiting, rung.scale, load)

    def step(self) -> float:
        """Process one packet; return how long to wait before the next call: 0 while there is work."""
        now_s = self._clock.mono_s()
        while self._orders:
            self._orders.popleft()()
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + TICK_S
            self._tick(now_s)
        pipeline = self._next_in_turn()
        if pipeline is None:
            self._idle = True
            return TICK_S
        self._idle = False
        pipeline.process(pipeline.queue.pop())
        return 0.0

    def drain(self, *, deadline_mono_s: float) -> None:
        """Process what waits until the deadline, then end everything: tracks are handed on, the rest is booked.

        May be called again when the shard's thread has ended: a camera that another shard handed over since then is
        ended too.
        """
        while self._orders:
            self._orders.popleft()()
        while self._clock.mono_s() < deadline_mono_s:
            pipeline = self._next_in_turn()
            if pipeline is None:
                break
            pipeline.process(pipeline.queue.pop())
        for camera_id in list(self._pipelines):
            self._remove(camera_id)

    def _remove(self, camera_id: CameraId) -> None:
        pipeline = self._pipelines.pop(camera_id, None)
        if pipeline is not None:
            self._run = (None, 0)
            pipeline.stop()

    def _next_in_turn(self) -> CameraPipeline | None:
        """Whose packet is the next: the same camera's for a few packets, then that of the camera furthest behind."""
        pipeline, length = self._run
        if pipeline is None or length >= RUN_MAX or not len(pipeline.queue):
            pipeline, length = self._furthest_behind(), 0
        self._run = (pipeline, length + 1)
        return pipeline

    def _furthest_behind(self) -> CameraPipeline | None:
        """The camera whose oldest packet has waited longest."""
        chosen, oldest_s = None, float("inf")
        for pipeline in self._pipelines.values():
            head = pipeline.queue.head()
            if head is not None and head.received_mono_s < oldest_s:
                chosen, oldest_s = pipeline, head.received_mono_s
        return chosen

    def _tick(self, now_s: float) -> None:
        for pipeline in list(self._pipelines.values()):
            if pipeline.is_leaving:  # asked of the pipeline, not of the shard: it may have moved here a moment ago
                self._remove(pipeline.camera.id)
            else:
                pipeline.tick(now_s)
        costs = [pipeline.cost for pipeline in self._pipelines.values() if pipeline.is_decoding]
        oldest_age_s = max((_live_age_s(pipeline, now_s) for pipeline in self._pipelines.values()), default=0.0)
        if self.load.decide(now_s, oldest_age_s=oldest_age_s, costs=costs):
            self._skip(now_s)

    def _skip(self, now_s: float) -> None:
        """Let cameras skip to their next key frame until the rest can be caught up with.

        Of those that are far behind, the one that has skipped the smallest share of its packets is the next. One whose
        next key frame has not come yet skips what waits and what comes until then: so no camera pays for the others,
        however far apart its key frames are. At most half of those at once.
        """
        limits, rung = self.load.limits, self.load.rung
        behind = [
            pipeline
            for pipeline in self._pipelines.values()
            if _live_age_s(pipeline, now_s) > BACKLOG_SHARE * limits.age_skip_s
        ]
        behind.sort(key=lambda pipeline: pipeline.skip_share)
        for pipeline in behind[: (len(behind) + 1) // 2]:
            backlog_s = sum(
                len(other.queue) * other.cost.frame_s(k=rung.k, scale=rung.scale) for other in self._pipelines.values()
            )
            if backlog_s < BACKLOG_SHARE * limits.age_skip_s:
                break
            if skipped := pipeline.skip_to_key(self.load.reason, also_to_come=True):
                logger.warning(
                    "Camera %s: overload, %d packets skipped to the next key frame", pipeline.camera.name, skipped
                )


def _live_age_s(pipeline: CameraPipeline, now_s: float) -> float:
    """How long a camera's oldest packet has waited, seconds; 0 for a file that can be asked to wait."""
    head = pipeline.queue.head()
    return now_s - head.received_mono_s if head is not None and head.stream.live else 0.0
