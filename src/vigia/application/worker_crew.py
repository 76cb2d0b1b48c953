"""A crew of worker processes: each owns some cameras outright, from their sockets to the commit of their captures.

What remains in the parent is the outbox, delivery, the camera list, the log and the figures, which are added up here.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from vigia.application.crew import CrewView, OutsideFacts
from vigia.application.live_tap import LiveFeed
from vigia.application.load_control import LoadDecision
from vigia.application.ports import Clock
from vigia.application.recent_durations import DurationStats
from vigia.application.remote_live import RemoteLive
from vigia.application.service import LoopService, join_all
from vigia.application.worker_supervisor import WorkerSupervisor
from vigia.domain.camera import Camera, CameraId
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import LedgerPage
from vigia.domain.passages import ProcessedWindow

logger = logging.getLogger("vigia.orchestrator")


@dataclass(frozen=True, slots=True)
class WorkerCrew:
    """All worker processes of a run. See ``Crew``.

    Args:
        workers: one supervisor each, not started.
        clock: for deadlines.
        live_interval_s: from one live picture of a camera to its next, seconds; 0 = none.
    """

    workers: Sequence[WorkerSupervisor]
    clock: Clock
    live_interval_s: float = 0.0

    @property
    def cameras(self) -> Sequence[Camera]:
        """All of them."""
        return [camera for worker in self.workers for camera in worker.cameras]

    @property
    def main_services(self) -> Sequence[LoopService]:
        """The supervisors: one that fails has lost its worker for good."""
        return [worker.service for worker in self.workers]

    @property
    def camera_services(self) -> Sequence[LoopService]:
        """None here: source threads live in the workers, which watch them."""
        return []

    @property
    def unclean(self) -> Sequence[str]:
        """Workers that had to be killed, and threads that workers left behind."""
        return [name for worker in self.workers for name in worker.unclean]

    @property
    def live(self) -> LiveFeed:
        """Their cameras' pictures."""
        return RemoteLive(self.workers, interval_s=self.live_interval_s)

    @property
    def windows(self) -> dict[tuple[CameraId, int], ProcessedWindow]:
        """What was seen of each clip."""
        return {key: window for worker in self.workers for key, window in worker.books.windows.items()}

    def start_shards(self) -> None:
        """Nothing yet: a worker starts its shard and its cameras by itself, in this order."""

    def start_cameras(self) -> None:
        """Start the workers."""
        for worker in self.workers:
            worker.service.start()

    def set_cameras(self, cameras: Sequence[Camera], rules: object = None) -> None:
        """These and no others shall be watched: each by the worker that has it, new ones by who has the fewest.

        See ``Crew``.
        """
        by_id = {camera.id: camera for camera in cameras}
        shares = [[by_id.pop(camera.id) for camera in worker.cameras if camera.id in by_id] for worker in self.workers]
        for camera in by_id.values():
            min(shares, key=len).append(camera)
        for worker, share in zip(self.workers, shares, strict=True):
            if rules is not None or tuple(share) != tuple(worker.cameras):
                worker.want(share, rules)

    def begin_measuring(self) -> None:
        """Frame ages count from now on."""
        for worker in self.workers:
            worker.begin_measuring()

    def stop(self, *, begun_s: float, deadline_s: float) -> None:  # noqa: ARG002 - a worker divides its time itself
        """Have every worker stop its sources, its shard and its commits, all at once. See ``Crew``."""
        logger.info("Stopping: cameras and shards")
        for worker in self.workers:
            worker.begin_stop(deadline_s)
        join_all(self.main_services, deadline_mono_s=deadline_s, clock=self.clock)

    def view(self) -> CrewView:
        """Its state, from the workers' latest reports. Any thread."""
        books = [worker.books for worker in self.workers]
        busy = [worker.books.report for worker in self.workers if worker.cameras]  # one without cameras has no end
        return CrewView(
            details=[camera for book in books for camera in book.details],
            shards=[shard for book in books for shard in book.shards],
            committed=sum(book.commits for book in books),
            lost=sum(book.lost for book in books),
            commit_waiting=sum(book.commit_waiting for book in books),
            ended=bool(busy) and all(report is not None and report.ended for report in busy),
            restarts=sum(book.restarts for book in books),
            retired=reduce(LedgerPage.plus, (book.retired for book in books), LedgerPage()),
        )

    def ages(self) -> DurationHistogram:
        """How old frames were when they were done."""
        merged = DurationHistogram()
        for worker in self.workers:
            merged.merge(worker.books.ages())
        return merged

    def outside(self) -> OutsideFacts:
        """What the worker processes use, by their latest reports."""
        books = [worker.books for worker in self.workers]
        return OutsideFacts(
            rss_bytes=sum(book.rss_bytes for book in books),
            cpu_s=sum(book.cpu_s for book in books),
            gc_pause_p99_s=max((book.gc_pauses_s[0] for book in books), default=0.0),
            gc_pause_max_s=max((book.gc_pauses_s[1] for book in books), default=0.0),
        )

    def decisions(self) -> Sequence[LoadDecision]:
        """What the workers' shards decided lately, those of workers that have died since too."""
        return [decision for worker in self.workers for decision in worker.books.decisions]

    def lock_holds(self) -> DurationStats:
        """How long the locks of the cameras' tracks were held; the percentiles are those of the worst worker."""
        return reduce(DurationStats.plus, (worker.books.lock_holds for worker in self.workers), DurationStats())
