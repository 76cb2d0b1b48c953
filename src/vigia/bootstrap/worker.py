"""A worker process: one shard with its cameras and its commit thread, run by orders from the parent.

Threads: the main one obeys orders and watches; ``news`` sends log records and reports, and is the only one that sends
on the control channel; source threads, the shard, ``commit`` and ``memory`` are as in a vigia of one process. Garbage
collection is this process's own affair, so that no other worker's shard ever waits for it.
"""

import logging
from collections import Counter
from contextlib import suppress

from vigia.application.camera_shard import CameraShard
from vigia.application.crew import CaptureCounts, ThreadCrew
from vigia.application.frame_windows import FrameWindows
from vigia.application.gallery_desk import GalleryDesk
from vigia.application.gallery_parcels import ParcelBox
from vigia.application.messages import (
    BeginMeasuring,
    Channel,
    ChannelClosed,
    ChannelFull,
    LogEntries,
    SetCameras,
    ShedMemory,
    StopWork,
    WatchLive,
    WorkerFailed,
    WorkerReport,
)
from vigia.application.ports import Clock
from vigia.application.remote_commit import RemoteStore
from vigia.application.remote_live import LiveCourier
from vigia.application.service import LoopService, Service, join_all
from vigia.application.service_watch import ServiceWatch, cause
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.bootstrap.crews import CaptureHooks, Step, thread_crew
from vigia.bootstrap.gallery import desk_service, gallery_desk
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.parts import WEAK_SHARE, detector_factory
from vigia.bootstrap.worker_task import WorkerTask
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId
from vigia.domain.errors import VigiaError
from vigia.domain.passages import ProcessedWindow
from vigia.infrastructure.i18n import translate_error
from vigia.infrastructure.logging.forwarding import LogForwarder
from vigia.infrastructure.memory import MemoryManager, steady_heap, trim_heap
from vigia.infrastructure.metrics import ProcessFacts
from vigia.infrastructure.video.live_jpeg import SwscaleSmallJpegs

logger = logging.getLogger("vigia.workers")

EXIT_FAILED = 1
EXIT_ORPHANED = 3
WATCH_S = 0.25
REPORT_S = 0.5
NEWS_S = 0.05
"""How often log records are sent on."""
LOG_BATCH = 512
DECISIONS_SENT = 8
"""With each report: there are at most two a second, so that a report that was not taken loses none."""
SEND_TIMEOUT_S = 0.5
FAREWELL_S = 0.4
"""For the last log records and the last report."""
LEFT_S = 0.1
"""For threads to end after the deadline, before they are named."""


class News:
    """Sends log records, reports, live pictures and what the dashboard remembers to the parent.

    Owner: the thread of ``service``. Bounds: one batch of records in hand; the rest waits in the log's queue, which
    drops and counts when the parent does not read.
    """

    def __init__(self, channel: Channel, *, clock: Clock) -> None:
        self.service = LoopService("news", self.step, clock=clock)
        self.log: LogForwarder | None = None
        self.work: Worker | None = None
        """Reports begin once it is there."""
        self.live: LiveCourier | None = None
        self.gallery: ParcelBox | None = None
        self._channel = channel
        self._clock = clock
        self._batch: LogEntries | None = None
        self._next_report_s = 0.0

    def step(self) -> float | None:
        """Send what there is; return how long to wait, None when the parent is gone."""
        try:
            more = self._send_log()
            now_s = self._clock.mono_s()
            if self.work is not None and now_s >= self._next_report_s:
                self._next_report_s = now_s + REPORT_S
                self._channel.send(self.work.report(), timeout_s=SEND_TIMEOUT_S)
            self._send_live()
            self._send_gallery()
        except ChannelFull:
            return NEWS_S
        except ChannelClosed:
            return None
        return 0.0 if more else NEWS_S

    def _send_gallery(self) -> None:
        """Send what the dashboard remembers; it waits where the parent does not read."""
        box = self.gallery
        parcel = None if box is None else box.take()
        if box is not None and parcel is not None:
            try:
                self._channel.send(parcel, timeout_s=0.0)
            except ChannelFull:
                box.put_back(parcel)

    def _send_live(self) -> None:
        """Send new pictures to those who watch; drop them where the parent does not read."""
        pictures = None if self.live is None else self.live.news()
        if pictures is not None:
            with suppress(ChannelFull):
                self._channel.send(pictures, timeout_s=0.0)

    def finish(self, last: object) -> None:
        """After the thread has ended: the rest of the log, then ``last``."""
        deadline_s = self._clock.mono_s() + FAREWELL_S
        try:
            while self._send_log() and self._clock.mono_s() < deadline_s:
                pass
            self._channel.send(last, timeout_s=FAREWELL_S)
            self._channel.flush(FAREWELL_S)
        except (ChannelClosed, ChannelFull):
            pass  # nobody listens: the parent finds out by itself

    def _send_log(self) -> bool:
        """Send a batch; True when there may be more."""
        log = self.log
        if log is None:
            return False
        if self._batch is None:
            entries = log.take(LOG_BATCH)
            if not entries:
                return False
            self._batch = LogEntries(entries, log.dropped)
        self._channel.send(self._batch, timeout_s=SEND_TIMEOUT_S)
        more = len(self._batch.entries) == LOG_BATCH
        self._batch = None
        return more


class Worker:
    """Does what its task says until it is told to stop, or the parent is gone.

    Owner: the main thread. ``report`` is for the news thread.
    """

    def __init__(self, task: WorkerTask, *, control: Channel, captures: Channel, clock: Clock, news: News) -> None:
        self._task = task
        self._control = control
        self._clock = clock
        self._news = news
        self._store = RemoteStore(captures, clock=clock)
        self._windows = FrameWindows()
        self._windows_sent: dict[tuple[CameraId, int], ProcessedWindow] = {}
        self._lost: Counter[CameraId] = Counter()
        self._doubtful: list[tuple[CameraId, CaptureId]] = []
        self._beats = 0
        self._facts = ProcessFacts()
        self._desk: GalleryDesk | None = None
        self._gallery: LoopService | None = None
        steady_heap()
        self._crew = self._wire()
        self._memory = MemoryManager(
            clock,
            is_idle=lambda: self._crew.is_idle,
            interval_s=task.settings.memory.interval_s,
            overdue_s=task.settings.memory.overdue_s,
        )
        self._cpu_before_s = self._facts.cpu_s()

    def run(self) -> int:
        """Work; return the exit code."""
        crew, watch = self._crew, ServiceWatch()
        self._memory.freeze_startup()
        for service in self._side:
            service.start()
        crew.start_shards()
        crew.start_cameras()
        self._news.live = LiveCourier(crew.live, SwscaleSmallJpegs())
        self._news.work = self
        while True:
            try:
                order = self._control.receive(WATCH_S)
            except ChannelClosed:
                return EXIT_ORPHANED
            if isinstance(order, StopWork):
                return self._stop(order.left_s)
            self._obey(order)
            failure = watch.look(
                main=[*crew.main_services, self._news.service], side=[*crew.camera_services, *self._side]
            )
            if failure is not None:
                self._end_news(WorkerFailed(cause(failure)))
                return EXIT_FAILED

    def _obey(self, order: object) -> None:
        """Carry out an order that does not end the work; None is none."""
        crew = self._crew
        if isinstance(order, BeginMeasuring):
            crew.begin_measuring()
        elif isinstance(order, SetCameras):
            crew.set_cameras(order.cameras, order.rules)
        elif isinstance(order, WatchLive):
            crew.live.watch(order.cameras, width_px=order.width_px)
        elif isinstance(order, ShedMemory):
            for shard in crew.shards:
                shard.shed()
            if self._desk is not None:
                self._desk.shed()
            trim_heap()

    def report(self, *, final: bool = False, survivors: tuple[str, ...] = ()) -> WorkerReport:
        """Everything that is known of this worker now."""
        crew = self._crew
        view, pauses = crew.view(), self._memory.stats.pauses
        fresh = {key: seen for key, seen in self._windows.snapshot().items() if self._windows_sent.get(key) != seen}
        self._windows_sent.update(fresh)
        return WorkerReport(
            shards=view.shards,
            details=view.details,
            ages=crew.ages(),
            commit_waiting=view.commit_waiting,
            commit_room=max(0, self._task.settings.capture.queue_size - view.commit_waiting),
            lost=dict(self._lost),
            doubtful=tuple(self._doubtful),
            ended=view.ended,
            beats=self._beats,
            spare_bytes=sum(line.pipeline.queue.bytes_before_newest_key() for line in crew.lines),
            rss_bytes=self._facts.rss_bytes(),
            cpu_s=self._facts.cpu_s() - self._cpu_before_s,
            gc_pause_p99_s=pauses.p99_s,
            gc_pause_max_s=pauses.max_s,
            windows=fresh,
            retired=view.retired,
            final=final,
            survivors=survivors,
            decisions=sorted(crew.decisions(), key=lambda decision: decision.at_mono_s)[-DECISIONS_SENT:],
            lock_holds=crew.lock_holds(),
        )

    @property
    def _side(self) -> list[Service]:
        """A failure here is told, and costs nothing else."""
        return [self._memory] if self._gallery is None else [self._memory, self._gallery]

    def _gallery_desk(self) -> GalleryDesk | None:
        """What tells the parent's dashboard, where that wants to know."""
        if not self._task.gallery:
            return None
        box = ParcelBox()
        self._desk = desk = gallery_desk(self._task.settings, deliver=box.put)
        self._gallery = desk_service(desk, clock=self._clock)
        self._news.gallery = box
        return desk

    def _wire(self) -> ThreadCrew:
        task = self._task
        hot_path = HotPath(
            task.settings,
            clock=self._clock,
            loop_files=task.loop_files,
            on_frame=self._windows.see if task.windows else None,
            first_id=task.first_id,
            id_step=task.id_step,
        )
        return thread_crew(
            task.settings,
            [(task.name, task.cameras)],
            hot_path=hot_path,
            make_detector=detector_factory(task.settings, task.model, weak_share=WEAK_SHARE),
            store=self._store,
            # The parent counts commits.
            hooks=CaptureHooks(
                committed=lambda *_: None,
                failed=self._capture_failed,
                counts=CaptureCounts(),
                gallery=self._gallery_desk(),
            ),
            clock=self._clock,
            step_of=self._beating,
        )

    def _beating(self, shard: CameraShard) -> Step:
        def step() -> float:
            self._beats += 1
            return shard.step()

        return step

    def _capture_failed(self, request: CaptureRequest, _error: Exception) -> None:
        """Called by the commit thread; the use case has told why."""
        camera_id, in_doubt = request.camera.id, self._store.in_doubt
        if in_doubt is not None and all(known != in_doubt for _, known in self._doubtful):
            self._doubtful.append((camera_id, in_doubt))  # the one in hand fails first
        self._lost[camera_id] += 1

    def _stop(self, left_s: float) -> int:
        """Sources, shard, commits, in this order; then the last report."""
        begun_s = self._clock.mono_s()
        deadline_s = begun_s + left_s
        crew = self._crew
        crew.stop(begun_s=begun_s, deadline_s=deadline_s)
        if self._gallery is not None:
            self._gallery.request_stop()
        services: list[Service] = [*crew.camera_services, *crew.main_services]
        last_s = max(deadline_s, self._clock.mono_s()) + LEFT_S
        survivors = [
            f"{self._task.name}/{name}" for name in join_all(services, deadline_mono_s=last_s, clock=self._clock)
        ]
        self._memory.stop(timeout_s=LEFT_S)
        self._end_news(self.report(final=True, survivors=tuple(survivors)))
        return 0

    def _end_news(self, last: object) -> None:
        self._news.service.request_stop()
        if self._news.service.join(2.0 * SEND_TIMEOUT_S):
            self._news.finish(last)


def work(task: WorkerTask, *, control: Channel, captures: Channel, clock: Clock, news: News) -> int:
    """Wire and run a worker; return its exit code. What keeps it from starting is told to the parent."""
    try:
        worker = Worker(task, control=control, captures=captures, clock=clock, news=news)
    except Exception as error:
        text = translate_error(error) if isinstance(error, VigiaError) else cause(error)
        logger.exception("%s cannot start: %s", task.name, text)
        news.service.request_stop()
        news.service.join(2.0 * SEND_TIMEOUT_S)
        news.finish(WorkerFailed(text))
        return EXIT_FAILED
    return worker.run()
