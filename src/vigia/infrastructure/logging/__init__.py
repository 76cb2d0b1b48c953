"""Logging that never makes its caller wait: ordinary loggers, a bounded queue, one worker that writes.

Everybody uses :func:`get_logger`; only ``bootstrap.py`` makes an :class:`AsyncLogger`. A record's way:
``loggers.py`` (the call) → ``async_handler.py`` (queued) and ``snapshot.py`` (made safe to keep) → ``async_logger.py``
(the worker) → ``lines.py`` and ``redaction.py`` (told) → ``log_writer.py`` → ``sinks.py``.
"""

from vigia.infrastructure.logging.async_handler import AsyncHandler
from vigia.infrastructure.logging.async_logger import AsyncLogger, LogStats
from vigia.infrastructure.logging.library_logs import capture_library_logs
from vigia.infrastructure.logging.lines import Line
from vigia.infrastructure.logging.loggers import get_logger
from vigia.infrastructure.logging.redaction import Redactor, redact
from vigia.infrastructure.logging.repeat_gate import RepeatGate
from vigia.infrastructure.logging.sinks import ConsoleSink, JsonFileSink, Sink

__all__ = [
    "AsyncHandler",
    "AsyncLogger",
    "ConsoleSink",
    "JsonFileSink",
    "Line",
    "LogStats",
    "Redactor",
    "RepeatGate",
    "Sink",
    "capture_library_logs",
    "get_logger",
    "redact",
]
