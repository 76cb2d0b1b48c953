"""ApplicationOrchestrator: starts, watches and stops everything, in the right order, within one deadline.

Start: commit queue, shards, senders, cameras last, so that whatever a camera delivers finds its way. Stop, the other
way round: sources, shards (what waits is processed, open tracks give their best shots), commit queue, senders (until
the deadline; the rest stays on disk), log-out. Logger, memory and outbox belong to the caller: they outlive it.

Everything up to the disk is the crew's (``crew.py``): threads of this process, or worker processes.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vigia.application.camera_shard import ShardStatus
from vigia.application.camera_status import CameraStatus
from vigia.application.crew import VIEW_KEPT_S, Crew, CrewView, RecentView
from vigia.application.errors import OutboxUnavailable
from vigia.application.ports import Clock, ManagedOutbox, OutboxTally, Recognizer
from vigia.application.service import LoopService, Service, join_all, request_stop_all
from vigia.application.service_watch import ServiceWatch, cause
from vigia.application.use_cases.send_to_findface import DeliveryStats, SendToFindfaceUseCase
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import LedgerPage

logger = logging.getLogger("vigia.orchestrator")

WATCH_S = 0.5
"""How often the services are looked at."""
WARM_UP_S = 2.0
"""After the last camera went live, before figures count as steady."""
WARM_UP_MAX_S = 15.0
"""A camera that never goes live does not keep the others' figures from counting for longer than this."""
LOG_OUT_MAX_S = 2.0
"""A stop does not wait longer than this for the log-out."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the bootstrap made, ready to start."""

    crew: Crew
    """From the cameras to captures on disk."""
    send: SendToFindfaceUseCase
    sender_services: Sequence[LoopService]
    side_services: Sequence[LoopService]
    """Beside the main path: their failure is told, but stops nothing."""
    outbox: ManagedOutbox
    recognizer: Recognizer
    shared_outbox: bool = False
    """Other vigias commit to the outbox and send from it: how many captures wait is read and not reckoned."""
    view: RecentView | None = None
    """Of the crew, where somebody else looks at it too; made here when not given."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The whole system at one moment, for the status line and the report."""

    elapsed_s: float
    cameras: int
    cameras_live: int
    fps: float
    ledger: LedgerPage
    committed: int
    commit_waiting: int
    delivery: DeliveryStats
    unsent: int
    shards: Sequence[ShardStatus]
    details: Sequence[CameraStatus] = ()
    """One of each camera."""
    restarts: int = 0
    """Worker processes that died and were started again."""
    tally: OutboxTally = field(default_factory=OutboxTally)
    """What the outbox or a person did to captures in this run, without a sender."""


@dataclass(frozen=True, slots=True)
class SteadyFigures:
    """What was measured after start-up."""

    duration_s: float = 0.0
    frames: int = 0

    @property
    def fps(self) -> float:
        """Frames decoded and booked a second."""
        return self.frames / self.duration_s if self.duration_s > 0.0 else 0.0


class ApplicationOrchestrator:
    """Runs the system until it is asked to stop.

    Owner: the thread that calls ``run``. ``request_stop`` and ``status`` may come from any.
    Stops when: asked, the duration is over, all cameras have ended, or a main service fails.

    Args:
        wiring: every part, not yet started.
        clock: for everything that waits or measures.
        drain_timeout_s: longest that the stop may take, seconds.
        stop: set to end the run; made here when not given.
        on_status: called about twice a second with the state of everything; must be quick.
    """

    def __init__(
        self,
        wiring: Wiring,
        *,
        clock: Clock,
        drain_timeout_s: float = 10.0,
        stop: threading.Event | None = None,
        on_status: Callable[[RunStatus], None] | None = None,
    ) -> None:
        self._wiring = wiring
        self._view = wiring.view if wiring.view is not None else RecentView(wiring.crew.view, clock=clock)
        self._clock = clock
        self._drain_timeout_s = drain_timeout_s
        self._on_status = on_status
        self._stop = stop if stop is not None else threading.Event()
        self._tally_before = wiring.outbox.tally()
        self._tally = OutboxTally()
        self._carried_over = self._unsent_read = wiring.outbox.stats().unsent
        self._started_s = clock.mono_s()
        self._steady_from: tuple[float, int] | None = None
        self._steady_to: tuple[float, int] | None = None
        self._all_live_s: float | None = None
        self._fps_window: tuple[float, int] = (self._started_s, 0)
        self._fps = 0.0
        self._status: tuple[float, RunStatus] | None = None
        self._watch = ServiceWatch()
        self.survivors: list[str] = []
        self.stop_deadline_mono_s = float("-inf")
        """Until when a stop that has begun may take; set by ``stop``."""

    def request_stop(self) -> None:
        """Ask the run to end. Idempotent; any thread; never blocks."""
        self._stop.set()

    @property
    def failure(self) -> BaseException | None:
        """What ended a main service unexpectedly, if anything did."""
        return self._watch.failure

    @property
    def carried_over(self) -> int:
        """Captures that an earlier run left in the outbox."""
        return self._carried_over

    @property
    def view(self) -> RecentView:
        """Of the crew."""
        return self._view

    @property
    def wiring(self) -> Wiring:
        """Its parts."""
        return self._wiring

    def run(self, *, duration_s: float | None = None) -> None:
        """Start everything, watch until it is time to stop, stop everything. Never raises for a service's failure."""
        self.start()
        deadline_s = None if duration_s is None else self._clock.mono_s() + duration_s
        try:
            while not self._stop.is_set() and not self._over(deadline_s):
                left_s = WATCH_S if deadline_s is None else min(WATCH_S, deadline_s - self._clock.mono_s())
                self._clock.wait(self._stop, max(left_s, 0.0))
                self.watch()
        finally:
            self.stop()

    def start(self) -> None:
        """Start all services, cameras last."""
        wiring = self._wiring
        self._started_s = self._clock.mono_s()
        self._fps_window = (self._started_s, 0)
        wiring.crew.start_shards()
        for service in (*wiring.sender_services, *wiring.side_services):
            service.start()
        wiring.crew.start_cameras()
        logger.info("vigia started: %d cameras, %d shards", len(wiring.crew.cameras), len(self._view().shards))

    def watch(self) -> None:
        """Look at every service once: a main service that failed ends the run, the others are told of once."""
        wiring = self._wiring
        main: list[Service] = [*wiring.crew.main_services, *wiring.sender_services]
        side: list[Service] = [*wiring.side_services, *wiring.crew.camera_services]
        if self._watch.look(main=main, side=side) is not None:
            self._stop.set()
        self._read_tally()
        view = self._view.fresh()
        ledger = view.ledger
        self._measure(view, ledger)
        status = self._status_of(view, ledger)
        self._status = self._clock.mono_s(), status
        if self._on_status is not None:
            self._on_status(status)

    def stop(self) -> None:
        """Stop everything in order, within the deadline; afterwards ``survivors`` names what would not end."""
        wiring, clock = self._wiring, self._clock
        self._stop.set()
        self._steady_to = (clock.mono_s(), self.ledger().frames_decoded)
        begun_s = clock.mono_s()
        deadline_s = self.stop_deadline_mono_s = begun_s + self._drain_timeout_s
        wiring.crew.stop(begun_s=begun_s, deadline_s=deadline_s)
        logger.info("Stopping: delivery")
        wiring.send.begin_drain(deadline_s)
        for sender in wiring.sender_services:
            sender.wake()
        join_all(wiring.sender_services, deadline_mono_s=deadline_s, clock=clock)
        request_stop_all((*wiring.sender_services, *wiring.side_services))
        crew = wiring.crew
        everything: list[Service] = [
            *crew.camera_services,
            *crew.main_services,
            *wiring.sender_services,
            *wiring.side_services,
        ]
        still = join_all(everything, deadline_mono_s=max(deadline_s, clock.mono_s() + 0.5), clock=clock)
        self.survivors = [*crew.unclean, *still]
        if self.survivors:
            logger.error("Still running after %.0f s: %s", clock.mono_s() - begun_s, ", ".join(self.survivors))
        self._read_tally()
        self._close()

    def ledger(self) -> LedgerPage:
        """All cameras' books added up."""
        return self._view.fresh().ledger

    def ages(self) -> DurationHistogram:
        """How old frames were when they were done, since the figures count as steady."""
        return self._wiring.crew.ages()

    def steady(self) -> SteadyFigures:
        """What was measured between the end of start-up and the stop."""
        if self._steady_from is None:
            return SteadyFigures()
        end_s, frames = self._steady_to or (self._clock.mono_s(), self.ledger().frames_decoded)
        return SteadyFigures(end_s - self._steady_from[0], frames - self._steady_from[1])

    def status(self) -> RunStatus:
        """The whole system now. Any thread."""
        view = self._view.fresh()
        return self._status_of(view, view.ledger)

    def recent_status(self) -> RunStatus:
        """The whole system as it was a moment ago, VIEW_KEPT_S at most: for who looks often. Any thread."""
        known = self._status
        if known is None or self._clock.mono_s() - known[0] > VIEW_KEPT_S:
            return self.status()
        return known[1]

    def _status_of(self, view: CrewView, ledger: LedgerPage) -> RunStatus:
        wiring, tally = self._wiring, self._tally
        stats = wiring.send.stats
        sent = stats.delivered + stats.refused + stats.dead
        return RunStatus(
            elapsed_s=self._clock.mono_s() - self._started_s,
            cameras=len(view.details),
            cameras_live=view.cameras_live,
            fps=self._fps,
            ledger=ledger,
            committed=view.committed,
            commit_waiting=view.commit_waiting,
            delivery=stats,
            unsent=(
                self._unsent_read
                if wiring.shared_outbox
                else max(0, self._carried_over + view.committed - sent - tally.lost_to_senders)
            ),
            shards=view.shards,
            details=view.details,
            restarts=view.restarts,
            tally=tally,
        )

    def _read_tally(self) -> None:
        """What happened to captures without a sender since the start; that of a moment ago while it cannot be read."""
        try:
            self._tally = self._wiring.outbox.tally().since(self._tally_before)
            if self._wiring.shared_outbox:
                self._unsent_read = self._wiring.outbox.stats().unsent
        except OutboxUnavailable:
            logger.debug("the outbox's tally cannot be read now")

    def _over(self, deadline_s: float | None) -> bool:
        if deadline_s is not None and self._clock.mono_s() >= deadline_s:
            return True
        return self._view().ended

    def _measure(self, view: CrewView, ledger: LedgerPage) -> None:
        now_s, frames = self._clock.mono_s(), ledger.frames_decoded
        since_s, before = self._fps_window
        if now_s - since_s >= 1.0:
            self._fps = (frames - before) / (now_s - since_s)
            self._fps_window = (now_s, frames)
        if self._steady_from is not None:
            return
        if self._all_live_s is None:
            if not view.connecting or now_s - self._started_s > WARM_UP_MAX_S:
                self._all_live_s = now_s
        elif now_s - self._all_live_s >= WARM_UP_S:
            self._steady_from = (now_s, frames)
            self._wiring.crew.begin_measuring()

    def _close(self) -> None:
        """Log out, but wait for a FindFace that hangs only so long: its thread ends with the process."""

        def log_out() -> None:
            self._wiring.recognizer.log_out()
            self._wiring.recognizer.close()

        farewell = LoopService("log-out", log_out, clock=self._clock)
        farewell.start()
        if not farewell.join(LOG_OUT_MAX_S):
            logger.warning("FindFace did not answer the log-out within %.0f s", LOG_OUT_MAX_S)
        elif farewell.failure is not None:
            logger.warning("Log-out failed: %s", cause(farewell.failure))
