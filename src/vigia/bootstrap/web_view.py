"""What the web server reads of a run: status, cameras, captures, readiness, and the figures of a scrape."""

import logging
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigia.application.camera_health import CameraHealth
from vigia.application.camera_status import CameraStatus
from vigia.application.crew import ThreadCrew
from vigia.application.errors import OutboxUnavailable
from vigia.application.orchestrator import ApplicationOrchestrator
from vigia.application.ports import Clock, ManagedOutbox, OutboxStats
from vigia.application.site_view import CaptureQuery, Readiness
from vigia.application.use_cases.stream_camera import CameraState
from vigia.bootstrap.camera_watch import CameraWatch
from vigia.bootstrap.gallery import RunGallery
from vigia.bootstrap.status_page import camera_page
from vigia.bootstrap.web_pages import capture_page, ledger_page, status_page
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, CaptureState
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.config import Settings
from vigia.infrastructure.logging.async_handler import AsyncHandler
from vigia.infrastructure.memory import MemoryManager
from vigia.infrastructure.metrics import ProcessFacts
from vigia.infrastructure.metrics.figures import Figures, PauseFigures, PoolFigures, ProcessFigures

FINDFACE_DOWN_S = 60.0
"""A FindFace that is away for longer is a reason not to be ready: captures wait on disk meanwhile."""
READINESS_KEPT_S = 1.0
JUDGE_MAX_S = 5.0
"""Who judges for longer waits for an outbox that hangs."""

STARTING = {"code": "starting"}
OUTBOX_AWAY = {"code": "outbox_unavailable"}


@dataclass(frozen=True, slots=True)
class RunParts:
    """What a run is made of, for whoever looks at it."""

    orchestrator: ApplicationOrchestrator
    outbox: ManagedOutbox
    watch: CameraWatch
    client: FindfaceMultiAsync
    memory: MemoryManager
    facts: ProcessFacts
    settings: Settings
    model: str
    """The detector's."""
    gallery: RunGallery
    """What the dashboard remembers."""


class RunView:
    """Behind ``SiteView`` and ``FigureSource``. Owner: none, it replaces its last judgement as a whole; any thread.

    Bounds: one thread at a time judges, and may hang with the outbox; others get what is known.
    """

    def __init__(self, parts: RunParts, *, clock: Clock, web_figures: Callable[[], tuple[int, int]]) -> None:
        self._parts = parts
        self._clock = clock
        self._web_figures = web_figures
        self._started_utc = clock.utc()
        self._judging = threading.Lock()  # held by who judges
        self._judging_since_s = clock.mono_s()
        self._readiness = (self._judging_since_s - READINESS_KEPT_S, Readiness(alive=True, reasons=[STARTING]))

    def status(self) -> dict[str, Any]:
        """The run as a whole."""
        orchestrator = self._parts.orchestrator
        page = status_page(orchestrator.recent_status(), lost=orchestrator.view().lost)
        return {"started_utc": self._started_utc.isoformat(), **page}

    def cameras(self) -> list[dict[str, Any]]:
        """Every camera of the list."""
        parts = self._parts
        statuses = {status.id: status for status in parts.orchestrator.view().details}
        delivered = parts.orchestrator.wiring.send.counts.delivered_of()
        return [
            camera_page(camera, statuses.get(camera.id), self._health(camera.id))
            | {"delivered": delivered.get(camera.id, 0)}
            for camera in parts.watch.sync.listed
        ]

    def others(self) -> dict[str, Any]:
        """What was counted that is no listed camera's. See ``SiteView``."""
        parts = self._parts
        listed = {camera.id for camera in parts.watch.sync.listed}
        view = parts.orchestrator.view()
        page = view.retired
        for status in view.details:
            if status.id not in listed:
                page = page.plus(status.page)
        delivered = parts.orchestrator.wiring.send.counts.delivered_of()
        return {
            "ledger": ledger_page(page),
            "delivered": sum(count for camera_id, count in delivered.items() if camera_id not in listed),
        }

    def captures_by_camera(self) -> Mapping[CameraId, Mapping[CaptureState, int]]:
        """How many captures of each camera lie on disk in each state."""
        return self._parts.outbox.counts_by_camera()

    def captures(self, query: CaptureQuery) -> list[dict[str, Any]]:
        """Captures, the oldest first."""
        entries = self._parts.outbox.entries(
            state=query.state,
            camera_id=query.camera_id,
            older_than_s=query.older_than_s,
            younger_than_s=query.younger_than_s,
            limit=query.limit,
            after=query.after,
        )
        return [capture_page(entry) for entry in entries]

    def picture(self, capture_id: CaptureId) -> bytes | None:
        """A capture's JPEG file. See ``SiteView``."""
        return self._parts.outbox.picture(capture_id)

    def alive(self) -> bool:
        """Whether all main services run."""
        orchestrator = self._parts.orchestrator
        services = [*orchestrator.wiring.crew.main_services, *orchestrator.wiring.sender_services]
        return orchestrator.failure is None and all(one.failure is None for one in services)

    def readiness(self) -> Readiness:
        """Whether it works, as of READINESS_KEPT_S ago at most: anybody may ask, as often as they like.

        While somebody else judges, what was known before; after JUDGE_MAX_S of that, that the outbox does not answer.
        """
        now_s = self._clock.mono_s()
        judged_s, known = self._readiness
        if now_s - judged_s < READINESS_KEPT_S:
            return known
        if not self._judging.acquire(blocking=False):
            if now_s - self._judging_since_s < JUDGE_MAX_S:
                return known
            return Readiness(alive=self.alive(), reasons=[OUTBOX_AWAY])
        try:
            self._judging_since_s = now_s
            found = self._judge()
            self._readiness = (self._clock.mono_s(), found)
        finally:
            self._judging.release()
        return found

    def _judge(self) -> Readiness:
        wiring = self._parts.orchestrator.wiring
        reasons: list[dict[str, Any]] = []
        if not self._parts.watch.sync.listed:
            reasons.append({"code": "cameras_unknown"})
        if self._outbox_stats() is None:
            reasons.append(OUTBOX_AWAY)
        free_bytes = self._free_bytes()
        if free_bytes is None or free_bytes < self._parts.settings.outbox.free_bytes_min:
            reasons.append({"code": "disk_full"})
        down = wiring.send.stats.down_since_utc
        down_s = 0.0 if down is None else (self._clock.utc() - down).total_seconds()
        if down_s > FINDFACE_DOWN_S:
            reasons.append({"code": "findface_down", "seconds": round(down_s)})
        return Readiness(alive=self.alive(), reasons=reasons)

    def figures(self) -> Figures:
        """What a scrape reads."""
        parts = self._parts
        orchestrator, status = parts.orchestrator, parts.orchestrator.status()
        pool = parts.client.pool_stats
        sessions, login_failures = self._web_figures()
        listed = parts.watch.sync.listed
        return Figures(
            status=status,
            started_unix_s=self._started_utc.timestamp(),
            now_unix_s=self._clock.utc().timestamp(),
            lost=orchestrator.view().lost,
            mode="threads" if isinstance(orchestrator.wiring.crew, ThreadCrew) else "processes",
            states=self._states(status.details),
            alarms={
                camera.id: frozenset(alarm.value for alarm in health.alarms)
                for camera in listed
                if (health := self._health(camera.id)) is not None
            },
            outbox=self._outbox_stats(),
            ages=orchestrator.ages(),
            latencies=orchestrator.wiring.send.counts.latencies(),
            pool=PoolFigures()
            if pool is None
            else PoolFigures(pool.in_use, pool.idle, pool.waiting, pool.connections_max),
            process=self._process(),
            lock_holds=orchestrator.wiring.crew.lock_holds(),
            sessions=sessions,
            login_failures=login_failures,
        )

    def _health(self, camera_id: CameraId) -> CameraHealth | None:
        board = self._parts.watch.board
        return None if board is None else board.health(camera_id)

    def _states(self, details: Sequence[CameraStatus]) -> dict[CameraId, str]:
        states: dict[CameraId, str] = {
            camera.id: (CameraState.CONNECTING if camera.active else CameraState.DISABLED).value
            for camera in self._parts.watch.sync.listed
        }
        return states | {camera.id: camera.source.value for camera in details}

    def _process(self) -> ProcessFigures:
        parts = self._parts
        outside, pauses = parts.orchestrator.wiring.crew.outside(), parts.memory.stats.pauses
        log = log_handler()
        return ProcessFigures(
            rss_bytes=parts.facts.rss_bytes(),
            cpu_s=parts.facts.cpu_s(),
            workers_rss_bytes=outside.rss_bytes,
            workers_cpu_s=outside.cpu_s,
            pauses=PauseFigures(
                pauses.count, pauses.total_s, pauses.p50_s, pauses.p99_s, max(pauses.max_s, outside.gc_pause_max_s)
            ),
            log_queued=0 if log is None else log.queued,
            log_queue_max=0 if log is None else log.queue_size,
            log_dropped=0 if log is None else log.dropped,
            disk_free_bytes=self._free_bytes(),
        )

    def _free_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self._parts.settings.data_dir).free
        except OSError:
            return None

    def _outbox_stats(self) -> OutboxStats | None:
        try:
            return self._parts.outbox.stats()
        except OutboxUnavailable:
            return None


def log_handler() -> AsyncHandler | None:
    """The queue of the logger that runs now."""
    handlers = logging.getLogger("vigia").handlers
    return next((handler for handler in handlers if isinstance(handler, AsyncHandler)), None)
