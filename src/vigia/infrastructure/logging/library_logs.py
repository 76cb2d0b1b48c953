"""Other libraries' logs, taken in quietly: held down in level, and to one line a second of each kind.

PyAV passes FFmpeg's messages to the loggers below ``libav``, once ``av.logging.set_level`` was called; a damaged
stream makes hundreds a second, with the camera's address in some. Python's warnings come through ``py.warnings``.
"""

import logging
import re
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from vigia.application.ports import Clock
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.logging.async_handler import AsyncHandler
from vigia.infrastructure.logging.loggers import ROOT_NAME
from vigia.infrastructure.logging.repeat_gate import RepeatGate

LIBRARIES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "libav": logging.DEBUG,
        "httpx": logging.DEBUG,
        "httpcore": logging.DEBUG,
        "urllib3": logging.DEBUG,
        "opentelemetry": logging.DEBUG,
        "asyncio": logging.WARNING,
        "uvicorn": logging.WARNING,
        "nicegui": logging.WARNING,
        "py.warnings": logging.WARNING,
    }
)
"""Logger → the highest level that its records may have here."""

_REPEATED: Final = mark("%s (and %d more like it)")
_KEY_LENGTH = 200
# Addresses and counts do not make a new kind of message.
_NUMBERS = re.compile(r"[-+]?(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*")


class LibraryHandler(logging.Handler):
    """Passes one library's records on to the asynchronous handler. Any thread; no lock of its own."""

    def __init__(self, target: AsyncHandler, *, level_max: int, clock: Clock, gate: RepeatGate) -> None:
        super().__init__()
        self._target = target
        self._level_max = level_max
        self._clock = clock
        self._gate = gate

    def createLock(self) -> None:  # noqa: N802 - the standard library's name
        """No lock: callers must not wait for each other."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record; from Python 3.13 on the standard library insists on a lock here."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on, with a level of ``level_max`` at most; repetitions are counted, not passed."""
        level = min(record.levelno, self._level_max)
        if not logging.getLogger(ROOT_NAME).isEnabledFor(level):
            return
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - a library's bad log call must not fail its caller
            text = str(record.msg)
        kind = _NUMBERS.sub("", text[:_KEY_LENGTH])
        swallowed = self._gate.admit((record.name, kind), self._clock.mono_s())
        if swallowed is None:
            return
        message, args = (_REPEATED, (text, swallowed)) if swallowed else ("%s", (text,))
        passed = logging.LogRecord(record.name, level, "", 0, message, args, record.exc_info)
        passed.created, passed.threadName = record.created, record.threadName
        self._target.handle(passed)


def capture_library_logs(
    target: AsyncHandler, *, clock: Clock, libraries: Mapping[str, int] = LIBRARIES
) -> Callable[[], None]:
    """Let libraries' records and Python's warnings go through vigia's logger instead of to the root logger.

    Args:
        target: ``AsyncLogger.handler``.
        clock: for the one line a second.
        libraries: logger name → highest level, as in ``LIBRARIES``.

    Returns:
        A function that undoes it.
    """
    gate = RepeatGate()
    undo = [
        _attach(logging.getLogger(name), LibraryHandler(target, level_max=level_max, clock=clock, gate=gate))
        for name, level_max in libraries.items()
    ]
    show = warnings.showwarning
    logging.captureWarnings(capture=True)

    def restore() -> None:
        logging.captureWarnings(capture=False)
        warnings.showwarning = show
        for step in undo:
            step()

    return restore


def _attach(logger: logging.Logger, handler: LibraryHandler) -> Callable[[], None]:
    propagate = logger.propagate
    logger.addHandler(handler)
    logger.propagate = False

    def detach() -> None:
        logger.removeHandler(handler)
        logger.propagate = propagate

    return detach
