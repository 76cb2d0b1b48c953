"""Watching over one worker process: started, listened to, told to stop, and started again when it dies.

One thread a worker runs ``step``. A worker is taken for dead when its channel closes, when it says nothing for
``silence_max_s``, or when its shard does not move although it could. Its books are closed then, loudly, and the next
life begins with the same cameras; more than ``deaths_max`` deaths within ``deaths_window_s`` end the run.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from vigia.application.errors import ApplicationError
from vigia.application.gallery_values import GalleryItem
from vigia.application.messages import (
    BeginMeasuring,
    Channel,
    ChannelClosed,
    ChannelFull,
    GalleryNews,
    LiveNews,
    LogEntries,
    Order,
    SetCameras,
    ShedMemory,
    StopWork,
    WorkerFailed,
    WorkerReport,
)
from vigia.application.ports import CaptureStore, Clock
from vigia.application.remote_commit import CaptureDesk
from vigia.application.remote_live import LiveInbox
from vigia.application.service import LoopService
from vigia.application.worker_books import WorkerBooks
from vigia.domain.camera import Camera
from vigia.domain.capture import Capture

logger = logging.getLogger("vigia.workers")

POLL_S = 0.1
"""How often orders are looked for while the worker says nothing."""
ORDER_TIMEOUT_S = 0.5
REAP_TIMEOUT_S = 5.0
"""A process that was killed is gone within moments; one in an uninterruptible read of a dead disk is not waited for."""
MARGIN_MAX_S = 0.5
"""What a worker is given less than there is, so that its last report comes in time."""


def nobody(_item: GalleryItem) -> None:
    """Nothing is remembered."""


class WorkerLost(ApplicationError):
    """A worker process died too often."""


def _end_of(code: int | None) -> WorkerLost:
    """How a process ended that did not say why."""
    if code is not None and code < 0:
        return WorkerLost("killed by signal %(number)d", number=-code)
    return WorkerLost("exit code %(code)s", code=code)


class WorkerProcess(Protocol):
    """One life of a worker process, started. Owner: its supervisor; ``captures`` is for the thread that commits."""

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def control(self) -> Channel:
        """Orders and news."""
        ...

    @property
    def captures(self) -> Channel:
        """Captures and answers."""
        ...

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code, negative for a signal; None when it has not ended in time."""
        ...

    def kill(self) -> None:
        """End it at once. Idempotent."""
        ...

    def close(self) -> None:
        """Let go of its channels. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """How long a worker may be silent, and how often it may die."""

    start_max_s: float = 90.0
    """Until its first report: it loads a model, perhaps on a busy machine."""
    silence_max_s: float = 10.0
    """Without a report, or without its shard moving."""
    deaths_max: int = 3
    deaths_window_s: float = 60.0


class WorkerSupervisor:
    """Keeps one worker at work.

    Owner: the thread of ``service`` owns the process and its control channel. ``begin_stop``, ``begin_measuring``,
    ``shed`` and the figures may be used by any thread.
    Stops when: the worker has ended after ``begin_stop``, or was killed at its deadline.

    Args:
        name: of the worker; its only shard has the same.
        cameras: its own.
        launch: starts a process for its n-th life, 0 first, with the cameras and the rules of then; called by the
            supervisor's thread, which lives as long as the process: the kernel ends the process with that thread.
        store: the outbox.
        on_committed: told of every capture that is on disk.
        on_log: tells what the worker logged.
        on_gallery: keeps what the dashboard remembers.
        clock: for silences and deadlines.
        limits: when to give up on it.
    """

    def __init__(  # noqa: PLR0913 - what a worker gives and takes, all named at the call
        self,
        name: str,
        cameras: Sequence[Camera],
        *,
        launch: Callable[[int, Sequence[Camera], object], WorkerProcess],
        store: CaptureStore,
        on_committed: Callable[[Capture], None],
        on_log: Callable[[Sequence[Any]], None],
        on_gallery: Callable[[GalleryItem], None] = nobody,
        clock: Clock,
        limits: WorkerLimits | None = None,
    ) -> None:
        self.name = name
        self.cameras = tuple(cameras)
        self.books = WorkerBooks(name, cameras)
        self.live = LiveInbox(clock)
        self.service = LoopService(name, self.step, clock=clock, on_exit=self._thread_ended)
        self.unclean: list[str] = []
        self._launch = launch
        self._store = store
        self._on_committed = on_committed
        self._on_log = on_log
        self._on_gallery = on_gallery
        self._clock = clock
        self._limits = limits if limits is not None else WorkerLimits()
        self._orders: deque[Order] = deque(maxlen=64)  # from other threads; sheds repeat, so the oldest may go
        self._cameras_told: tuple[Camera, ...] = self.cameras
        self.rules: object = None
        self._measuring = False
        self._stop_by_s: float | None = None
        self._stop_told = False
        self._process: WorkerProcess | None = None
        self._desk: LoopService | None = None
        self._lives = 0
        self._deaths: deque[float] = deque()
        self._heard_s = 0.0
        self._moved_s = 0.0
        self._beats = -1
        self._why: WorkerLost | str | None = None
        self._drops_told = 0

    @property
    def pid(self) -> int | None:
        """Of the process that lives now."""
        process = self._process
        return None if process is None else process.pid

    @property
    def shed_name(self) -> str:
        """For the memory manager's log."""
        return self.name

    def shed(self) -> int:
        """Have the worker give waiting packets back; return about how many bytes. Any thread."""
        self._orders.append(ShedMemory())
        report = self.books.report
        return 0 if report is None else report.spare_bytes

    def want(self, cameras: Sequence[Camera], rules: object = None) -> None:
        """Have the worker watch these cameras and no others. One thread at a time; done soon.

        ``rules``: see ``SetCameras``; they also count for its later lives.
        """
        if rules is not None:
            self.rules = rules
        self.cameras = tuple(cameras)
        self.books.set_cameras(self.cameras)

    def begin_measuring(self) -> None:
        """Frame ages count from now on. Any thread."""
        self._measuring = True
        self.books.forget_ages()
        self._orders.append(BeginMeasuring())

    def begin_stop(self, deadline_mono_s: float) -> None:
        """Have the worker finish what it has, until the deadline. Idempotent; any thread; never blocks."""
        if self._stop_by_s is None:
            self._stop_by_s = deadline_mono_s

    def step(self) -> float | None:
        """Listen to the worker for a moment; None when all is over.

        Raises:
            WorkerLost: it died too often.
        """
        process = self._process
        if process is None:
            if self._stop_by_s is not None:
                return None
            process = self._begin_life()
        try:
            self._give_orders(process)
            message = process.control.receive(POLL_S)
        except ChannelClosed:
            return self._end_life(process)
        if message is not None:
            self._hear(message)
        elif self._is_stuck():  # only when nothing waits to be heard: this process may have stood still itself
            self._why = WorkerLost("it hangs")
            process.kill()
        if self._stop_by_s is not None and self._clock.mono_s() >= self._stop_by_s:
            self._why = WorkerLost("it did not stop in time")
            process.kill()
        return 0.0

    def _begin_life(self) -> WorkerProcess:
        self._cameras_told = self.cameras
        process = self._launch(self._lives, self._cameras_told, self.rules)
        self._process = process
        self._lives += 1
        self._heard_s = self._moved_s = self._clock.mono_s()
        self._beats, self._why, self._drops_told = -1, None, 0
        self.live.begin_life()
        self._orders.clear()
        if self._measuring:
            self._orders.append(BeginMeasuring())
        desk = CaptureDesk(process.captures, self._store, on_committed=self._committed)
        self._desk = LoopService(f"captures-{self.name}", desk.step, clock=self._clock)
        self._desk.start()
        return process

    def _committed(self, capture: Capture) -> None:
        self.books.committed(capture.camera_id, capture.id)
        self._on_committed(capture)

    def _give_orders(self, process: WorkerProcess) -> None:
        stop_by_s = self._stop_by_s
        if stop_by_s is not None and not self._stop_told:
            left_s = max(0.0, stop_by_s - self._clock.mono_s())
            self._orders.append(StopWork(left_s - min(MARGIN_MAX_S, 0.1 * left_s)))
            self._stop_told = True
        cameras = self.cameras
        if cameras is not self._cameras_told and not self._stop_told:
            try:
                process.control.send(SetCameras(cameras, self.rules), timeout_s=ORDER_TIMEOUT_S)
            except ChannelFull:
                return
            self._cameras_told = cameras
        while self._orders:
            try:
                process.control.send(self._orders[0], timeout_s=ORDER_TIMEOUT_S)
            except ChannelFull:
                return
            self._orders.popleft()
        if (watch := self.live.order()) is not None:
            with suppress(ChannelFull):
                process.control.send(watch, timeout_s=0.0)

    def _hear(self, message: object) -> None:
        now_s = self._clock.mono_s()
        if isinstance(message, LogEntries):
            self._on_log(message.entries)
            if message.dropped > self._drops_told:
                fresh, self._drops_told = message.dropped - self._drops_told, message.dropped
                logger.warning("%s: %d log records dropped: the queue was full", self.name, fresh)
        elif isinstance(message, WorkerReport):
            self._heard_s = now_s
            if message.beats != self._beats or not message.commit_room or message.final:
                self._beats, self._moved_s = message.beats, now_s
            self.books.take(message)
        elif isinstance(message, GalleryNews):
            for item in message.items:
                self._on_gallery(item)
        elif isinstance(message, LiveNews):
            self.live.take(message)
        elif isinstance(message, WorkerFailed):
            self._why = message.text

    def _is_stuck(self) -> bool:
        """Whether its silence, or its shard's, has lasted too long."""
        now_s, limits = self._clock.mono_s(), self._limits
        if self._stop_by_s is not None:  # it has its deadline
            return False
        if self.books.report is None:
            return now_s - self._heard_s > limits.start_max_s
        return now_s - min(self._heard_s, self._moved_s) > limits.silence_max_s

    def _end_life(self, process: WorkerProcess) -> float | None:
        """The channel closed: the process is ending or dead. Decide whether there is another life."""
        self._hear_rest(process)
        code = self._reap(process)
        report = self.books.report
        if report is not None and report.final:
            self.unclean += report.survivors
            return None
        costs, why = self.books.close_life(), self._why or _end_of(code)
        logger.error(
            "%s: the worker process died (%s); lost with it: %d packets, %d open tracks, %d captures",
            self.name,
            why,
            costs.packets,
            costs.tracks,
            costs.captures,
        )
        if self._stop_by_s is not None:
            self.unclean.append(self.name)
            return None
        now_s = self._clock.mono_s()
        self._deaths.append(now_s)
        while now_s - self._deaths[0] > self._limits.deaths_window_s:
            self._deaths.popleft()
        if len(self._deaths) > self._limits.deaths_max:
            raise WorkerLost(
                "%(worker)s died %(deaths)d times within %(window).0f s, the last time because: %(why)s",
                worker=self.name,
                deaths=len(self._deaths),
                window=self._limits.deaths_window_s,
                why=why,
            )
        self.books.restarts += 1
        logger.warning("%s: starting the worker process again, with its %d cameras", self.name, len(self.cameras))
        return 0.0

    def _hear_rest(self, process: WorkerProcess) -> None:
        """What it had said before it ended; the channel may have been found closed by an order."""
        try:
            while (message := process.control.receive(0.0)) is not None:
                self._hear(message)
        except ChannelClosed:
            pass

    def _reap(self, process: WorkerProcess) -> int | None:
        """Make sure that it is gone, and that everything it had sent is in the outbox and in the books."""
        code = process.wait(REAP_TIMEOUT_S)
        if code is None:
            process.kill()
            code = process.wait(REAP_TIMEOUT_S)
        desk = self._desk
        if desk is not None and not desk.join(REAP_TIMEOUT_S):
            logger.error("%s: the outbox still has a capture in hand", self.name)
        process.close()
        self._process = self._desk = None
        return code

    def _thread_ended(self, _service: LoopService) -> None:
        """However this thread ends, its process does not outlive it."""
        process = self._process
        if process is not None:
            process.kill()
            self._reap(process)
