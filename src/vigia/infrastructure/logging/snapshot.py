"""What may wait in the queue: nothing that changes later, and nothing big.

A message waits while its caller goes on. Numbers and texts wait as they are, which is the quick path and nearly every
message. Anything else is told at once, by the caller: an array or a track would have changed by the time the worker
looks, a frame would be kept alive by its log line. Errors keep their template and facts, so that the worker can
translate them; tracebacks keep file names and line numbers, never frames, whose locals hold pictures.
"""

import logging
import traceback
from collections.abc import Callable, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Final, TypeAlias
from uuid import UUID

import numpy as np

from vigia.domain.errors import VigiaError
from vigia.infrastructure.i18n import translate_template

Trace: TypeAlias = traceback.TracebackException | str
Entry: TypeAlias = tuple[float, str, int, str, object, str, Trace | None, Mapping[str, object]]
"""(created_s, logger, level, message id, arguments, thread, traceback, extra): a tuple, as it must cost nothing."""

TEXT_MAX: Final = 2000
"""Characters that are kept of an argument which had to be told at once."""
TRACE_FRAMES_MAX: Final = 60
ARRAY_SIZE_MAX: Final = 32
"""Elements of an array that are shown; of a larger one only the type and shape."""
PLAIN: Final = frozenset({int, float, str, bool, type(None)})
"""Types that wait as they are."""
NOTHING: Final[Mapping[str, object]] = {}

_IMMUTABLE = (str, date, time, timedelta, Decimal, Fraction, UUID, PurePath, Enum)
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has, or gets from a formatter; anything else came with ``extra``."""


class Told:
    """A text in the place of an object that was not kept. Immutable."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"

    def __str__(self) -> str:
        return self._text

    __repr__ = __str__


class ToldError:
    """A VigiaError's template and facts, without the error: told in the language in use when it is formatted."""

    __slots__ = ("_facts", "_kind", "_template")

    def __init__(self, error: VigiaError) -> None:
        self._kind = type(error).__name__
        self._template = error.template
        self._facts = {name: held(fact) for name, fact in error.facts.items()}

    def __str__(self) -> str:
        return translate_template(self._template, self._facts)

    def __repr__(self) -> str:
        return f"{self._kind}({str(self)!r})"


def held(value: object, show: Callable[[object], str] = str) -> object:
    """Return ``value`` when it is small and cannot change, else a text that tells it. Never raises."""
    if type(value) in PLAIN or isinstance(value, _IMMUTABLE):
        return value
    try:
        return _told(value, show)
    except Exception as error:  # noqa: BLE001 - an object that cannot tell itself must not fail the caller
        return Told(f"<{type(value).__name__}: {type(error).__name__}>")


def held_message(msg: object) -> str:
    """The message id, or the text of what was given instead of one."""
    return msg if isinstance(msg, str) else str(held(msg))


def held_arguments(msg: object, args: object) -> object:
    """Arguments as they may wait: a tuple, or a dict for named places. Never raises."""
    show: Callable[[object], str] = repr if isinstance(msg, str) and "%r" in msg else str
    if isinstance(args, tuple):
        if len(args) == 1 and isinstance(args[0], Mapping) and args[0]:  # named places, as in the standard library
            args = args[0]
        else:
            return tuple(held(arg, show) for arg in args)
    if isinstance(args, Mapping):
        return {str(name): held(arg, show) for name, arg in args.items()}
    return () if args is None else (held(args, show),)


def entry_of(record: logging.LogRecord) -> Entry:
    """All of a record that is worth keeping. Never raises; the record is left as it is, others may use it too."""
    extra = {name: held(value) for name, value in record.__dict__.items() if name not in _RECORD_ATTRIBUTES}
    return (
        record.created,
        record.name,
        record.levelno,
        held_message(record.msg),
        held_arguments(record.msg, record.args),
        record.threadName or "",
        _held_trace(record),
        extra,
    )


def _told(value: object, show: Callable[[object], str]) -> object:  # noqa: PLR0911 - a table, one kind a line
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, int | float):  # a subclass: keep the number, %d and %.1f need it
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, VigiaError):
        return ToldError(value)
    if isinstance(value, BaseException):
        return Told(show(value) or type(value).__name__)
    if isinstance(value, np.ndarray) and value.size > ARRAY_SIZE_MAX:
        return Told(f"<{value.dtype} array {value.shape}>")
    if isinstance(value, bytes | bytearray | memoryview) and len(value) > ARRAY_SIZE_MAX:
        return Told(f"<{len(value)} bytes>")
    return Told(show(value))


def _held_trace(record: logging.LogRecord) -> Trace | None:
    info = record.exc_info
    if not isinstance(info, tuple) or info[0] is None:
        return record.exc_text or record.stack_info
    try:
        # Source lines are looked up by the worker: reading files is not for the caller.
        return traceback.TracebackException(*info, limit=-TRACE_FRAMES_MAX, lookup_lines=False, compact=True)
    except Exception as error:  # noqa: BLE001 - see held()
        return f"{info[0].__name__} (its traceback cannot be told: {type(error).__name__})"
