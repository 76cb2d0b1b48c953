"""One vigia, wired for one run. Nothing here decides anything that a use case could decide."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from vigia.application.balancer import Balancer
from vigia.application.crew import CaptureCounts, RecentView
from vigia.application.errors import OutboxUnavailable
from vigia.application.frame_windows import FrameWindows
from vigia.application.orchestrator import ApplicationOrchestrator, RunStatus, Wiring
from vigia.application.ports import Clock, ManagedOutbox, Outbox, Recognizer
from vigia.application.retry import Backoff
from vigia.application.retry import RetryPolicy as DeliveryRetryPolicy
from vigia.application.run_report import RunFacts
from vigia.application.service import LoopService, wake_one
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.keep_outbox import KeepOutboxUseCase
from vigia.application.use_cases.send_to_findface import SendOptions, SendToFindfaceUseCase
from vigia.application.use_cases.sync_cameras import SyncCamerasUseCase
from vigia.bootstrap.camera_watch import CameraWatch
from vigia.bootstrap.crews import CaptureHooks, placed, tell_committed, thread_crew, without_tokens
from vigia.bootstrap.gallery import run_gallery
from vigia.bootstrap.hands import Hands
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.outbox_choice import settle_s, wait_for_outbox
from vigia.bootstrap.parts import WEAK_SHARE, detector_factory, findface_client, resolved_model
from vigia.bootstrap.traces import RunTraces, run_traces
from vigia.bootstrap.waiting_room import FINDFACE_DOWN, OUTBOX_AWAY, WaitingRoom, log_in_first
from vigia.bootstrap.web_entry import web_services
from vigia.bootstrap.web_view import RunParts
from vigia.bootstrap.worker_crew import WorkerOptions, worker_crew
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import CaptureId, CaptureState
from vigia.domain.ground_truth import ClipTruth
from vigia.domain.passages import DeliveredCapture, PassageReport, judge_passages
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_recognizer import FindfaceRecognizer
from vigia.infrastructure.clients.look_ups import LookUpRules
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.reloading import SettingsFiles
from vigia.infrastructure.detection.registry import ModelSpec
from vigia.infrastructure.memory import MemoryManager, steady_heap
from vigia.infrastructure.metrics import ProcessFacts
from vigia.infrastructure.outbox.sqlite_outbox import SqliteOutbox

logger = logging.getLogger("vigia.bootstrap")

SHARDS_MIN = 4
"""Cameras may be added while it runs: there is a shard for twice as many as there are, or for so many."""
MATCHED_CAPTURES_MAX = 100_000
"""The report holds captures against the ground truth up to this many."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a run is asked for beyond the settings."""

    duration_s: float | None = None
    loop_files: bool = False
    """Files that FindFace or the demo lists as cameras start over at their end."""
    allow_file_cameras: bool = False
    """FindFace's cameras may name files of this machine (the demo's do)."""
    files: SettingsFiles | None = None
    """Where the settings stand: read again when they change; None = nowhere that could."""
    truths: Mapping[str, ClipTruth] = field(default_factory=dict)
    """Ground truth by camera name, for the report."""
    web: bool = False
    """Serve the web pages, where the settings say so."""


class System:
    """One vigia, wired for one run.

    Owner: the thread that makes and runs it. ``request_stop`` and ``request_reload`` may come from any, a signal
    handler included.

    Args:
        settings: checked.
        options: what is asked of this run.
        clock: the system's.
        on_status: called about twice a second while it runs.
    """

    def __init__(
        self,
        settings: Settings,
        options: RunOptions,
        *,
        clock: Clock | None = None,
        on_status: Callable[[RunStatus], None] | None = None,
    ) -> None:
        self._settings = settings
        self._options = options
        self._clock: Clock = clock if clock is not None else SystemClock()
        self._on_status = on_status
        self._stop = threading.Event()
        self._facts = ProcessFacts()
        self._model = ""
        self._began_utc = self._clock.utc()
        self._watch: CameraWatch | None = None
        self._gallery = run_gallery(settings, wanted=options.web, clock=self._clock)

    def request_stop(self) -> None:
        """Ask the run to end. Idempotent; never blocks."""
        self._stop.set()

    def request_reload(self) -> None:
        """Ask for the settings' files and the camera list to be read again. Idempotent; never blocks."""
        if self._watch is not None:
            self._watch.reload()

    @property
    def stopping(self) -> bool:
        """True once a stop was requested."""
        return self._stop.is_set()

    def run(self) -> RunFacts | None:
        """Start, run, stop; return what was measured, or None when it was stopped before it could start.

        Raises:
            ConfigurationError: a person must change something; nothing runs any more.
            BaseException: what ended a main service unexpectedly.
        """
        settings = self._settings
        steady_heap()
        model = resolved_model(settings)
        self._model = model[0].name
        traces = run_traces(settings, clock=self._clock)
        with contextlib.ExitStack() as held:
            room = held.enter_context(WaitingRoom(settings, wanted=self._options.web, clock=self._clock))
            outbox = wait_for_outbox(
                settings, clock=self._clock, stop=self._stop, on_wait=partial(room.tell, OUTBOX_AWAY)
            )
            if outbox is None:
                return None
            held.callback(outbox.close)
            client = findface_client(settings, clock=self._clock)
            held.callback(client.close)
            return self._run_with(outbox, client, model, traces, room)

    def _run_with(
        self,
        outbox: ManagedOutbox,
        client: FindfaceMultiAsync,
        model: tuple[ModelSpec, Path],
        traces: RunTraces,
        room: WaitingRoom,
    ) -> RunFacts | None:
        settings = self._settings
        recognizer = self._recognizer(client, sole_sender=isinstance(outbox, SqliteOutbox))
        watch = CameraWatch(
            settings,
            client,
            allow_files=self._options.allow_file_cameras,
            files=self._options.files,
            clock=self._clock,
        )
        self._watch, sync = watch, watch.sync
        if not log_in_first(recognizer, sync, settings=settings, room=room, stop=self._stop, clock=self._clock):
            return None
        with contextlib.ExitStack() as session:
            session.callback(recognizer.log_out)  # until the orchestrator takes the session over
            cameras = sync.read_first(stop=self._stop, on_wait=lambda _why: room.tell(FINDFACE_DOWN))
            if not cameras:
                return None
            session.pop_all()
        room.close()
        traced = traces.outbox(outbox)
        send = self._send(traced, traces.recognizer(recognizer), sync)
        senders = [LoopService(f"sender-{n}", send.step, clock=self._clock) for n in range(settings.delivery.senders)]
        hands = self._hire([*without_tokens(cameras)], outbox=traced, senders=senders, model=model)
        view = RecentView(hands.crew.view, clock=self._clock)
        side = [
            *watch.services(hands.crew, view),
            LoopService("keep-outbox", KeepOutboxUseCase(outbox).step, clock=self._clock),
            *hands.side_services,
            *self._gallery.services,
        ]
        wiring = Wiring(
            crew=hands.crew,
            send=send,
            sender_services=senders,
            side_services=side,
            outbox=outbox,
            recognizer=recognizer,
            shared_outbox=settings.outbox.url is not None,
            view=view,
        )
        orchestrator = ApplicationOrchestrator(
            wiring,
            clock=self._clock,
            drain_timeout_s=settings.delivery.drain_timeout_s,
            stop=self._stop,
            on_status=self._on_status,
        )
        memory = self._memory_manager(hands)
        if self._options.web:
            parts = RunParts(
                orchestrator, outbox, watch, client, memory, self._facts, settings, self._model, self._gallery
            )
            side += web_services(parts, reload=self.request_reload, clock=self._clock)
        traces.start()
        try:
            return self._measured(orchestrator, outbox, hands, memory)
        finally:
            traces.stop(deadline_mono_s=orchestrator.stop_deadline_mono_s)
            memory.stop()

    def _measured(
        self, orchestrator: ApplicationOrchestrator, outbox: ManagedOutbox, hands: Hands, memory: MemoryManager
    ) -> RunFacts:
        """Run until the end; what was measured. Raises what ended a main service unexpectedly."""
        memory.freeze_startup()
        memory.start()
        cpu_before_s = self._facts.cpu_s()
        orchestrator.run(duration_s=self._options.duration_s)
        pauses, outside = memory.stats.pauses, hands.crew.outside()
        facts = replace(
            self._gather(orchestrator, outbox, hands, cpu_s=self._facts.cpu_s() - cpu_before_s + outside.cpu_s),
            gc_pause_p99_s=max(pauses.p99_s, outside.gc_pause_p99_s),
            gc_pause_max_s=max(pauses.max_s, outside.gc_pause_max_s),
        )
        if orchestrator.failure is not None:
            raise orchestrator.failure
        return facts

    def _recognizer(self, client: FindfaceMultiAsync, *, sole_sender: bool) -> FindfaceRecognizer:
        """``sole_sender``: nobody else sends from the outbox; its directory belongs to one vigia at a time."""
        return FindfaceRecognizer(
            client,
            mf_selector=self._settings.delivery.mf_selector,
            look_ups=LookUpRules(finish_s=self._settings.findface.processing_max_s),
            sole_sender=sole_sender,
        )

    def _memory_manager(self, hands: Hands) -> MemoryManager:
        chosen = self._settings.memory
        return MemoryManager(
            self._clock,
            is_idle=hands.is_idle,
            sheddables=[*self._gallery.sheddables, *hands.sheddables],
            read_rss_bytes=lambda: self._facts.rss_bytes() + hands.crew.outside().rss_bytes,
            interval_s=chosen.interval_s,
            overdue_s=chosen.overdue_s,
            soft_limit_bytes=chosen.soft_limit_bytes,
            hard_limit_bytes=chosen.hard_limit_bytes,
        )

    def _hire(
        self, cameras: list[Camera], *, outbox: Outbox, senders: list[LoopService], model: tuple[ModelSpec, Path]
    ) -> Hands:
        """Everything between the cameras and the disk, as threads or as processes."""
        settings = self._settings
        count = min(settings.shard_count(cores=len(os.sched_getaffinity(0))), max(SHARDS_MIN, 2 * len(cameras)))
        wake_senders = partial(wake_one, senders)
        if settings.shards_are_threads(count):
            return self._threads(cameras, outbox=outbox, wake_senders=wake_senders, count=count, model=model)
        options = WorkerOptions(
            model, self._options.loop_files, windows=bool(self._options.truths), on_gallery=self._gallery.take
        )
        crew = worker_crew(
            settings,
            cameras,
            count=count,
            options=options,
            store=self._gallery.watched(outbox),
            wake_senders=wake_senders,
            clock=self._clock,
        )
        return Hands(crew, crew.workers, windows=lambda: crew.windows, is_idle=lambda: True)

    def _threads(
        self,
        cameras: list[Camera],
        *,
        outbox: Outbox,
        wake_senders: Callable[[], None],
        count: int,
        model: tuple[ModelSpec, Path],
    ) -> Hands:
        settings, counts, windows = self._settings, CaptureCounts(), FrameWindows()

        def committed(capture_id: CaptureId, request: CaptureRequest) -> None:
            counts.committed += 1
            event, name = request.event, request.camera.name
            tell_committed(camera=name, capture_id=capture_id, track_id=request.track_id, quality=event.quality.score)

        def failed(_request: CaptureRequest, _error: Exception) -> None:
            counts.lost += 1  # the use case has told why

        crew = thread_crew(
            settings,
            [(f"shard-{number}", own) for number, own in enumerate(placed(cameras, count))],
            hot_path=HotPath(
                settings,
                clock=self._clock,
                loop_files=self._options.loop_files,
                on_frame=windows.see if self._options.truths else None,
            ),
            make_detector=detector_factory(settings, model, weak_share=WEAK_SHARE),
            store=self._gallery.watched(outbox),
            hooks=CaptureHooks(committed, failed, counts, wake_senders, self._gallery.desk()),
            clock=self._clock,
        )
        balancer = Balancer(crew.shards, clock=self._clock)
        return Hands(
            crew,
            crew.shards,
            windows=windows.snapshot,
            is_idle=lambda: crew.is_idle,
            side_services=[LoopService("balancer", balancer.step, clock=self._clock)] if count > 1 else [],
        )

    def _send(self, outbox: Outbox, recognizer: Recognizer, sync: SyncCamerasUseCase) -> SendToFindfaceUseCase:
        settings = self._settings
        return SendToFindfaceUseCase(
            outbox,
            recognizer,
            clock=self._clock,
            camera_token=sync.token,
            refresh_cameras=sync.request_refresh,
            options=SendOptions(
                senders=settings.delivery.senders,
                lease_s=settings.outbox.lease_s,
                send_max_s=3.0 * settings.findface.timeouts_total_s,
            ),
            policy=DeliveryRetryPolicy(
                backoff=Backoff(cap_s=settings.delivery.retry_max_s),
                failures_max=settings.delivery.attempts_max,
                settle_s=settle_s(settings),
            ),
        )

    def _gather(
        self, orchestrator: ApplicationOrchestrator, outbox: ManagedOutbox, hands: Hands, *, cpu_s: float
    ) -> RunFacts:
        return RunFacts(
            status=orchestrator.status(),
            ledger=orchestrator.ledger(),
            steady=orchestrator.steady(),
            ages=orchestrator.ages(),
            model=self._model,
            carried_over=orchestrator.carried_over,
            lost=hands.crew.view().lost,
            pending=_unsent(orchestrator, outbox),
            cpu_s=cpu_s,
            rss_bytes=self._facts.rss_bytes() + hands.crew.outside().rss_bytes,
            passages=self._passages(hands, outbox),
            survivors=tuple(orchestrator.survivors),
            shared_outbox=self._settings.outbox.url is not None,
        )

    def _passages(self, hands: Hands, outbox: ManagedOutbox) -> PassageReport | None:
        """Hold what this run delivered against the ground truth, where there is one."""
        truths: dict[CameraId, ClipTruth] = {
            camera.id: self._options.truths[camera.name]
            for camera in hands.crew.cameras
            if camera.name in self._options.truths
        }
        if not truths:
            return None
        delivered = [
            DeliveredCapture(
                camera_id=entry.camera_id,
                media_index=entry.details["media_index"],
                loop=entry.details["loop"],
                box_xyxy=entry.details["box"],  # of the camera's picture; the entry's own is of the posted one
            )
            for entry in outbox.entries(state=CaptureState.DELIVERED, limit=MATCHED_CAPTURES_MAX)
            if entry.at_utc >= self._began_utc and entry.details.get("media_index") is not None
        ]
        return judge_passages(
            truths,
            windows=hands.windows(),
            captures=delivered,
            min_face_px=self._settings.detector.min_face_px,
        )


def _unsent(orchestrator: ApplicationOrchestrator, outbox: Outbox) -> int:
    """What waits at the end; as last known when the outbox's server is away."""
    try:
        return outbox.stats().unsent
    except OutboxUnavailable as error:
        logger.warning("how many captures wait cannot be read: %s", error)
        return orchestrator.status().unsent
