"""The life of the asynchronous logger: what is logged before, while and after its worker runs.

New → running → stopping → stopped. Records logged before ``start`` wait in the queue; those logged after ``stop`` go
to standard error in their caller's thread. The worker's first line says that it started. ``stop`` writes everything
that was queued when it was called, then its own line, which is the last one that any sink gets.
"""

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from vigia.application.errors import ConfigurationError
from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.logging.async_handler import AsyncHandler
from vigia.infrastructure.logging.emergency import Emergency
from vigia.infrastructure.logging.log_writer import LogWriter
from vigia.infrastructure.logging.loggers import close_route, get_logger, open_route
from vigia.infrastructure.logging.redaction import Redactor
from vigia.infrastructure.logging.sinks import Sink

QUEUE_SIZE: Final = 10_000
BATCH: Final = 1024
"""Records in one write: a slow sink is asked seldom."""
POLL_S: Final = 0.05
"""How often the idle worker looks into the queue. It comes by itself, because waking it would cost every caller."""
BREATH_S: Final = 0.0005
"""How long the worker steps aside between slices, so that a caller never waits for a whole batch to be formatted."""
STOP_TIMEOUT_S: Final = 5.0
EXIT_TIMEOUT_S: Final = 2.0
"""For a program that ends without ``stop``."""

_STARTED: Final = mark("✓ AsyncLogger started (queue size: %d)")
_STOPPED: Final = mark("✓ AsyncLogger stopped")
_FAILED: Final = mark("the log worker failed: %s")
_UNWRITTEN: Final = mark("the log was not written in time: %d records are lost")


class _State(Enum):
    NEW = "new"
    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class LogStats:
    """What became of the records."""

    queued: int
    """In the queue now."""
    dropped: int
    """Found the queue full."""
    written: int
    """Handed to the sinks."""
    sink_errors: int
    """Failed writes and closings; each may stand for many lines."""
    misfits: int
    """Messages whose arguments did not fit."""


class AsyncLogger:
    """Writes everything below the ``vigia`` logger in one worker thread; no caller ever waits.

    Owner: the worker owns the sinks; a lock guards the state, for moments only. Bounds: ``queue_size`` records, the
    last tenth for WARNING and above; beyond, records are dropped, counted and told. Stops when: asked, or at the
    program's end.

    Args:
        sinks: where lines go; the logger closes them.
        clock: for waiting and for notices of its own.
        queue_size: records that wait at most, 10 or more.
        secrets: texts that must never be shown, such as the configured password.
    """

    def __init__(
        self,
        sinks: Sequence[Sink],
        *,
        clock: Clock,
        queue_size: int = QUEUE_SIZE,
        secrets: Iterable[str] = (),
    ) -> None:
        if queue_size < 10:
            raise ConfigurationError("a log queue of %(size)s records is too short; 10 is the least", size=queue_size)
        self._clock = clock
        redactor = Redactor(secrets)
        self._emergency = Emergency(redactor)
        self._writer = LogWriter(sinks, clock=clock, redactor=redactor, emergency=self._emergency)
        self._never = threading.Event()
        self._abandoned = threading.Event()
        self._lock = threading.Lock()  # guards _state
        self._state = _State.NEW
        self._greeted = False
        self._flushed = False
        self._service = LoopService(
            "async-logger", self._step, clock=clock, on_stop=self._finish, on_exit=self._worker_ended
        )
        self._handler = AsyncHandler(
            queue_size=queue_size,
            emergency=self._emergency.entry,
            wake=self._service.wake,
            on_close=self._at_exit,
        )
        root = get_logger()
        self._before = (root.level, root.propagate)
        _displace_stopped(root)
        root.addHandler(self._handler)
        root.setLevel(min((sink.level_min for sink in sinks), default=logging.INFO))

    def __repr__(self) -> str:
        return f"<AsyncLogger {self._state.value} {self._handler!r}>"

    @property
    def handler(self) -> AsyncHandler:
        """For loggers outside ``vigia`` that shall write here too."""
        return self._handler

    @property
    def stats(self) -> LogStats:
        """What became of the records so far. Any thread."""
        return LogStats(
            queued=self._handler.queued,
            dropped=self._handler.dropped,
            written=self._writer.written,
            sink_errors=self._writer.sink_errors,
            misfits=self._writer.misfits,
        )

    def start(self) -> None:
        """Start the worker. Idempotent; nothing after ``stop``."""
        with self._lock:
            if self._state is not _State.NEW:
                return
            self._state = _State.RUNNING
            get_logger().propagate = False
            self._service.start()  # within the lock, so that a stop from elsewhere finds a worker to join
        open_route(self._handler, self._handler)

    def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Write what is queued, say goodbye, close the sinks. Idempotent; any thread but the worker's.

        Args:
            timeout_s: for all of it. A sink that hangs is left behind then, and what it kept from being written is
                counted on standard error.

        Returns:
            True when everything was written in time.
        """
        with self._lock:
            before, self._state = self._state, _State.STOPPED
            close_route(self._handler)
        self._service.request_stop()
        if before is _State.NEW:
            self._finish()
        elif not self._abandoned.is_set() and not self._service.join(timeout_s) and before is _State.RUNNING:
            self._abandon()
        return self._flushed

    def detach(self) -> None:
        """Stop, and give the ``vigia`` logger back to ordinary logging."""
        self.stop()
        root = get_logger()
        root.removeHandler(self._handler)
        root.level, root.propagate = self._before
        root.setLevel(root.level)  # clears the loggers' caches

    def _step(self) -> float:
        if not self._greeted:
            self._greeted = True
            self._writer.tell(logging.INFO, _STARTED, self._handler.queue_size)
        entries = self._handler.take(BATCH)
        if entries:
            self._writer.write(entries, self._breathe)
        self._writer.tell_drops(self._handler.dropped)
        return BREATH_S if len(entries) == BATCH else POLL_S

    def _breathe(self) -> None:
        if not self._service.stopping:
            self._clock.wait(self._never, BREATH_S)

    def _finish(self) -> None:
        """Write all that was queued until now, then close. In the worker's thread, if there ever was one."""
        left = self._handler.queued
        while left > 0 and not self._abandoned.is_set():
            entries = self._handler.take(min(BATCH, left))
            if not entries:
                break
            left -= len(entries)
            self._writer.write(entries)
        if not self._abandoned.is_set():
            self._writer.write(self._handler.close_gate())
            self._writer.tell_drops(self._handler.dropped, at_once=True)
            self._writer.tell(logging.INFO, _STOPPED)
            self._flushed = not self._abandoned.is_set()
        self._writer.close()

    def _abandon(self) -> None:
        """The deadline passed with the worker in some sink: count what it will not write, and leave it there."""
        self._abandoned.set()
        unwritten = len(self._handler.close_gate()) + self._writer.in_hand
        self._emergency.notice(_UNWRITTEN, unwritten)

    def _worker_ended(self, service: LoopService) -> None:
        """The worker must not end by itself; if it does, records go to standard error from then on."""
        if service.failure is not None:
            self._emergency.notice(_FAILED, repr(service.failure))
            for entry in self._handler.close_gate():
                self._emergency.entry(entry)

    def _at_exit(self) -> None:
        if self._state is _State.RUNNING:
            self.stop(timeout_s=EXIT_TIMEOUT_S)


def _displace_stopped(root: logging.Logger) -> None:
    """A stopped logger's handler stays, to catch late records, until another logger takes over."""
    for handler in list(root.handlers):
        if isinstance(handler, AsyncHandler):
            if not handler.gate_closed:
                raise RuntimeError("another AsyncLogger is in use")
            root.removeHandler(handler)
