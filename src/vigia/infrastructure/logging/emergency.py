"""Straight to standard error, past the queue: for what the logger cannot write in the ordinary way."""

import os
import select
import sys
from contextlib import suppress
from io import UnsupportedOperation
from typing import Final, TextIO

from vigia.infrastructure.i18n import translate
from vigia.infrastructure.logging.lines import LineFormatter
from vigia.infrastructure.logging.redaction import Redactor
from vigia.infrastructure.logging.sinks import console_safe, level_label
from vigia.infrastructure.logging.snapshot import Entry

WRITABLE_TIMEOUT_S: Final = 0.2
"""How long a full pipe on standard error may keep us: the reader may have stopped reading for good."""
CHUNK_BYTES: Final = 4096
"""What a pipe that calls itself writable takes without blocking."""


class Emergency:
    """Writes single lines to standard error. Any thread; never raises, and never waits for a reader that is gone.

    It writes to the file itself and not to Python's buffer, whose lock may be held for ever: by a worker that hangs
    in a write, or in the parent of a forked process.
    """

    def __init__(self, redactor: Redactor) -> None:
        self._redact = redactor
        self._formatter = LineFormatter(redactor)

    def entry(self, entry: Entry) -> None:
        """Write what came too late for the worker, or was never fetched by it."""
        line = self._formatter.line(entry)
        trace = f"\n{line.exc}" if line.exc else ""
        self._write(f"{level_label(line.levelno)} {line.message}{trace}")

    def notice(self, template: str, *args: object) -> None:
        """Write a translated notice of the logger's own."""
        self._write(self._redact(translate(template) % args))

    def _write(self, text: str) -> None:
        stream = sys.stderr
        if stream is None:
            return
        with suppress(Exception):  # there is nowhere left to tell it
            _put(stream, f"vigia: {console_safe(text)}\n")


def _put(stream: TextIO, text: str) -> None:
    try:
        fd = stream.fileno()
    except (AttributeError, UnsupportedOperation):  # not a file at all: a display or a test captures it
        stream.write(text)
        return
    data = memoryview(text.encode(getattr(stream, "encoding", None) or "utf-8", "backslashreplace"))
    while data:
        _, writable, _ = select.select([], [fd], [], WRITABLE_TIMEOUT_S)
        if not writable:
            return
        data = data[os.write(fd, data[:CHUNK_BYTES]) :]
