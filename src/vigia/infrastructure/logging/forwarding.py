"""A log whose lines are written by another process: a worker's records wait here, and its parent tells them.

The queue is the asynchronous logger's (``async_handler.py``), with its bound and its policy: no caller waits, what
finds no room is dropped and counted. Only the end differs: whoever takes the entries sends them on, and the parent
queues them in its own logger, which translates them, blanks secrets and knows the sinks.
"""

import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from vigia.infrastructure.logging.async_handler import AsyncHandler
from vigia.infrastructure.logging.emergency import Emergency
from vigia.infrastructure.logging.loggers import close_route, get_logger, open_route
from vigia.infrastructure.logging.redaction import Redactor
from vigia.infrastructure.logging.snapshot import PLAIN, Entry, Told, ToldError, Trace

TRACE_LOST: Final = "(the traceback cannot be told)"


class LogForwarder:
    """Gathers everything below the ``vigia`` logger, to be sent elsewhere.

    Owner: whoever calls ``take``, one thread; logging is for any. Bounds: ``queue_size`` records.

    Args:
        name: of this process; put before the name of the thread that logged.
        level: records below it are not made.
        queue_size: records that wait at most.
        wake: called now and then when the queue fills up quicker than somebody takes.
    """

    def __init__(self, name: str, *, level: int, queue_size: int, wake: Callable[[], None] = lambda: None) -> None:
        self._name = name
        self.handler = AsyncHandler(queue_size=queue_size, emergency=Emergency(Redactor()).entry, wake=wake)
        root = get_logger()
        root.addHandler(self.handler)
        root.setLevel(level)
        root.propagate = False
        open_route(self.handler, self.handler)

    @property
    def dropped(self) -> int:
        """Records that found no room, ever."""
        return self.handler.dropped

    def take(self, limit: int) -> list[Entry]:
        """Up to ``limit`` entries, oldest first, fit to be sent to another process."""
        return [self._portable(entry) for entry in self.handler.take(limit)]

    def close(self) -> list[Entry]:
        """Queue nothing more: what comes now goes to standard error. Returns what was queued."""
        close_route(self.handler)
        return [self._portable(entry) for entry in self.handler.close_gate()]

    def _portable(self, entry: Entry) -> Entry:
        created_s, logger, level, template, args, thread, trace, extra = entry
        told: object = args
        if isinstance(args, tuple):
            told = tuple(_portable(arg) for arg in args)
        elif isinstance(args, Mapping):
            told = {name: _portable(arg) for name, arg in args.items()}
        shown = {name: _portable(value) for name, value in extra.items()}
        return created_s, logger, level, template, told, f"{self._name}/{thread}", _text(trace), shown


def tell(entries: Iterable[Entry]) -> None:
    """Tell what another process logged, as if it had been logged here. Any thread; never blocks."""
    root = get_logger()
    handler = next((h for h in root.handlers if isinstance(h, AsyncHandler) and not h.gate_closed), None)
    for entry in entries:
        if handler is not None:
            handler.forward(entry)
            continue
        created_s, name, level, template, args, thread, trace, _ = entry
        logger = logging.getLogger(name)
        if logger.isEnabledFor(level):
            parts = {
                "name": name, "levelno": level, "levelname": logging.getLevelName(level), "msg": template,
                "args": args, "created": created_s, "threadName": thread, "exc_text": trace,
            }  # fmt: skip
            logger.handle(logging.makeLogRecord(parts))


def _portable(value: object) -> object:
    """A value that any process can read: numbers stay numbers, what else there is becomes its text."""
    if type(value) in PLAIN or isinstance(value, Told | ToldError):
        return value
    if isinstance(value, int):
        return int(value)
    return float(value) if isinstance(value, float) else Told(str(value))


def _text(trace: Trace | None) -> Trace | None:
    """Source lines are looked up here: the other process may see other files."""
    if not isinstance(trace, traceback.TracebackException):
        return trace
    try:
        return "".join(trace.format())
    except Exception:  # noqa: BLE001 - a source file that cannot be read must not cost the message
        return TRACE_LOST
