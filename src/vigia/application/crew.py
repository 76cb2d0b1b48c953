"""A crew: all that stands between the cameras and the disk. The orchestrator starts, watches and stops it as one.

``ThreadCrew`` is the crew that lives in one process: source threads, shards, the commit thread. ``WorkerCrew``
(``worker_crew.py``) spreads the same over processes, each of which runs a ``ThreadCrew``.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vigia.application.camera_keeper import CameraKeeper
from vigia.application.camera_line import CameraLine
from vigia.application.camera_shard import CameraShard, ShardStatus
from vigia.application.camera_status import CameraStatus
from vigia.application.live_tap import LiveFeed, LiveTap
from vigia.application.load_control import LoadDecision
from vigia.application.ports import Clock
from vigia.application.recent_durations import DurationStats
from vigia.application.service import LoopService, Service, join_all, request_stop_all
from vigia.application.use_cases.commit_captures import CommitCapturesUseCase
from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.camera import Camera
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import LedgerPage

logger = logging.getLogger("vigia.orchestrator")

VIEW_KEPT_S = 0.75
"""The orchestrator builds a view every half second: within this there is always one, unless it is held up."""
SOURCES_SHARE = 0.15
SHARDS_SHARE = 0.35
"""Parts of the stop's deadline after which the next stage begins in any case."""


@dataclass(slots=True)
class CaptureCounts:
    """What became of captures on their way to the disk. Owner: the thread that commits."""

    committed: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class CrewView:
    """A crew at one moment."""

    details: Sequence[CameraStatus]
    """One of each camera."""
    shards: Sequence[ShardStatus]
    committed: int
    lost: int
    """Captures that never reached the disk."""
    commit_waiting: int
    ended: bool
    """All cameras have played to their end, and nothing waits for a shard."""
    restarts: int = 0
    """Worker processes that died and were started again."""
    retired: LedgerPage = field(default_factory=LedgerPage)
    """The books of cameras that were taken out."""

    @property
    def ledger(self) -> LedgerPage:
        """All cameras' books added up, those that were taken out too."""
        page = self.retired
        for camera in self.details:
            page = page.plus(camera.page)
        return page

    @property
    def connecting(self) -> bool:
        """True while a camera has neither come nor failed."""
        return any(camera.source is CameraState.CONNECTING for camera in self.details)

    @property
    def cameras_live(self) -> int:
        """Cameras that deliver."""
        return sum(1 for camera in self.details if camera.source in {CameraState.LIVE, CameraState.DEGRADED})


@dataclass(frozen=True, slots=True)
class OutsideFacts:
    """What a crew used outside this process; nothing for threads."""

    rss_bytes: int = 0
    cpu_s: float = 0.0
    gc_pause_p99_s: float = 0.0
    """The worst worker's."""
    gc_pause_max_s: float = 0.0


class RecentView:
    """A crew's view, built by one and shared by all who look at it now and then.

    Building one costs a snapshot of every camera's books, so it is not for each of them to have one of their own.
    Owner: none; the view is replaced as a whole. Any thread.

    Args:
        build: the crew's ``view``.
        clock: for its age.
        kept_s: how old it may be, seconds.
    """

    def __init__(self, build: Callable[[], CrewView], *, clock: Clock, kept_s: float = VIEW_KEPT_S) -> None:
        self._build = build
        self._clock = clock
        self._kept_s = kept_s
        self._known: tuple[float, CrewView] | None = None

    def fresh(self) -> CrewView:
        """As it is now; the others get this one from now on."""
        now_s = self._clock.mono_s()
        view = self._build()
        self._known = now_s, view
        return view

    def __call__(self) -> CrewView:
        """As it was ``kept_s`` ago at most."""
        known = self._known
        if known is None or self._clock.mono_s() - known[0] > self._kept_s:
            return self.fresh()
        return known[1]


class Crew(Protocol):
    """What the orchestrator runs between the cameras and the disk."""

    @property
    def cameras(self) -> Sequence[Camera]:
        """All of them."""
        ...

    @property
    def main_services(self) -> Sequence[Service]:
        """The run ends when one of them fails."""
        ...

    @property
    def camera_services(self) -> Sequence[Service]:
        """A failure here is told, and costs one camera."""
        ...

    @property
    def unclean(self) -> Sequence[str]:
        """After the stop: what had to be left or killed where this process has no service for it."""
        ...

    @property
    def live(self) -> LiveFeed:
        """Its cameras' pictures, for those who watch."""
        ...

    def start_shards(self) -> None:
        """Start everything but the cameras."""
        ...

    def start_cameras(self) -> None:
        """Start the cameras: whatever they deliver finds its way by now."""
        ...

    def set_cameras(self, cameras: Sequence[Camera], rules: object = None) -> None:
        """These and no others shall be watched, as they are described now. Done soon, one by one; one thread calls.

        Args:
            cameras: active ones, without tokens.
            rules: the settings that all cameras go by, when they have changed; for whoever makes their parts.
        """
        ...

    def begin_measuring(self) -> None:
        """Start-up is over: frame ages count from now on."""
        ...

    def stop(self, *, begun_s: float, deadline_s: float) -> None:
        """Stop sources, then shards, then commit what they handed on; return at the deadline, monotonic seconds."""
        ...

    def view(self) -> CrewView:
        """Its state. Any thread."""
        ...

    def ages(self) -> DurationHistogram:
        """How old frames were when they were done."""
        ...

    def outside(self) -> OutsideFacts:
        """What it uses beyond this process."""
        ...

    def decisions(self) -> Sequence[LoadDecision]:
        """What load control decided lately, in no particular order. Any thread."""
        ...

    def lock_holds(self) -> DurationStats:
        """How long the locks of the cameras' tracks were held: samples. Any thread."""
        ...


@dataclass(frozen=True, slots=True)
class ThreadCrew:
    """Source threads, shards and the commit thread of one process. Wired in the bootstrap."""

    keeper: CameraKeeper
    shards: Sequence[CameraShard]
    shard_services: Sequence[LoopService]
    commit: CommitCapturesUseCase
    commit_service: LoopService
    counts: CaptureCounts
    clock: Clock
    live: LiveTap
    holds: Callable[[], DurationStats] = DurationStats
    """Of its track manager."""
    unclean: Sequence[str] = field(default=(), init=False)

    @property
    def lines(self) -> Sequence[CameraLine]:
        """The cameras at work."""
        return self.keeper.lines

    @property
    def cameras(self) -> Sequence[Camera]:
        """All of them."""
        return [line.camera for line in self.lines]

    @property
    def main_services(self) -> Sequence[LoopService]:
        """The run ends when one of them fails."""
        return [self.commit_service, *self.shard_services, self.keeper.service]

    @property
    def camera_services(self) -> Sequence[Service]:
        """Cameras start over by themselves (``StreamCameraUseCase``); only a defect ends one of their services."""
        return self.keeper.camera_services

    @property
    def is_idle(self) -> bool:
        """True while no packet waits for any shard: a good moment for garbage collection."""
        return all(shard.is_idle for shard in self.shards)

    def start_shards(self) -> None:
        """Start the commit thread and the shards."""
        for line in self.lines:
            line.shard.add(line.pipeline)
        for service in (self.commit_service, *self.shard_services):
            service.start()

    def start_cameras(self) -> None:
        """Start the source threads, then what looks after them."""
        for service in self.camera_services:
            service.start()
        self.keeper.service.start()

    def set_cameras(self, cameras: Sequence[Camera], rules: object = None) -> None:
        """These and no others shall be watched. See ``Crew``."""
        self.keeper.want(cameras, rules)

    def begin_measuring(self) -> None:
        """Frame ages count from now on."""
        for shard in self.shards:
            shard.begin_measuring()

    def stop(self, *, begun_s: float, deadline_s: float) -> None:
        """Stop in the order of a frame's way, each stage within its part of the time. See ``Crew``."""
        clock = self.clock
        logger.info("Stopping: cameras")
        self.keeper.service.request_stop()
        join_all([self.keeper.service], deadline_mono_s=begun_s + SOURCES_SHARE * (deadline_s - begun_s), clock=clock)
        sources = self.camera_services  # no other ones from now on
        request_stop_all(sources)
        join_all(sources, deadline_mono_s=begun_s + SOURCES_SHARE * (deadline_s - begun_s), clock=clock)
        logger.info("Stopping: shards")
        request_stop_all(self.shard_services)
        join_all(self.shard_services, deadline_mono_s=deadline_s, clock=clock)
        if not any(service.is_alive for service in self.shard_services):
            # A camera that was on its way from one shard to another belongs to no thread now: once for those who let
            # go, once for those who take over.
            for shard in (*self.shards, *self.shards):
                shard.drain(deadline_mono_s=clock.mono_s())
        self.commit.begin_drain(deadline_s)
        join_all([self.commit_service], deadline_mono_s=deadline_s, clock=clock)

    def view(self) -> CrewView:
        """Its state. Any thread."""
        lines, now_s = self.lines, self.clock.mono_s()
        details = [line.status(now_s=now_s) for line in lines]
        ended = all(
            camera.source is CameraState.ENDED and not len(line.pipeline.queue)
            for camera, line in zip(details, lines, strict=True)
        )
        return CrewView(
            details=details,
            shards=[shard.status() for shard in self.shards],
            committed=self.counts.committed,
            lost=self.counts.lost,
            commit_waiting=self.commit.pending,
            ended=ended and bool(lines),
            retired=self.keeper.retired,
        )

    def ages(self) -> DurationHistogram:
        """How old frames were when they were done."""
        merged = DurationHistogram()
        for shard in self.shards:
            merged.merge(shard.ages)
        return merged

    def outside(self) -> OutsideFacts:
        """Nothing: all of it is in this process."""
        return OutsideFacts()

    def decisions(self) -> Sequence[LoadDecision]:
        """What its shards decided lately."""
        return [decision for shard in self.shards for decision in shard.load.decisions()]

    def lock_holds(self) -> DurationStats:
        """How long the locks of the cameras' tracks were held."""
        return self.holds()
