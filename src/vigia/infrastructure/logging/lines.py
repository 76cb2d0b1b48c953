"""An entry of the queue, told: translated, filled in, cut to size and free of secrets. What sinks get."""

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vigia.infrastructure.i18n import translate
from vigia.infrastructure.logging.redaction import Redactor
from vigia.infrastructure.logging.snapshot import Entry, Trace

MESSAGE_MAX: Final = 16_384
"""Characters of a message."""
TRACE_MAX: Final = 65_536
"""Characters of a traceback."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log. Immutable, and safe to show."""

    created_s: float
    """Wall time, seconds since 1970 UTC."""
    levelno: int
    level: str
    """``DEBUG`` … ``CRITICAL``, untranslated."""
    logger: str
    message: str
    """In the operator's language."""
    msgid: str
    """The English message id, places unfilled: what to search and count by."""
    thread: str
    exc: str = ""
    """The traceback as text; empty without one."""
    extra: Mapping[str, object] = field(default_factory=dict)


class LineFormatter:
    """Turns what waited in the queue into lines.

    Owner: the thread that writes; ``misfits`` may be read from any.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redact = redactor
        self.misfits = 0
        """Messages whose arguments did not fit their places; they are shown with the arguments behind them."""

    def line(self, entry: Entry) -> Line:
        """Tell one entry. Never raises."""
        created_s, logger, levelno, template, args, thread, trace, extra = entry
        return Line(
            created_s=created_s,
            levelno=levelno,
            level=logging.getLevelName(levelno),
            logger=logger,
            message=self._redact(_cut(self._filled(template, args), MESSAGE_MAX)),
            msgid=self._redact(_cut(template, MESSAGE_MAX)),
            thread=thread,
            exc="" if trace is None else self._trace(trace),
            extra={name: self._shown(value) for name, value in extra.items()},
        )

    def _filled(self, template: str, args: object) -> str:
        if not args:
            return translate(template)
        for text in (translate(template), template):
            try:
                return text % args
            except Exception:  # noqa: BLE001, S112 - __format__ and friends may raise anything; the next way follows
                continue
        self.misfits += 1
        return f"{template} {args}"

    def _trace(self, trace: Trace) -> str:
        try:
            text = "".join(trace.format()) if isinstance(trace, traceback.TracebackException) else trace
        except Exception as error:  # noqa: BLE001 - a source file that cannot be read must not cost the message
            text = f"(the traceback cannot be told: {type(error).__name__})"
        return self._redact(_cut(text, TRACE_MAX)).rstrip("\n")

    def _shown(self, value: object) -> object:
        return value if isinstance(value, bool | int | float | None) else self._redact(_cut(str(value), MESSAGE_MAX))


def _cut(text: str, length_max: int) -> str:
    return text if len(text) <= length_max else f"{text[:length_max]}…"
