"""Where lines go: a console for people, a rotating file of JSON lines for machines.

A sink is used by one thread, the logger's worker, and may raise: the writer counts that and goes on.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TextIO

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.i18n import translate
from vigia.infrastructure.logging.lines import Line

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_RESET = "\x1b[0m"
_DIM = "\x1b[2m"
_COLOURS = {
    logging.DEBUG: _DIM,
    logging.INFO: "",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}


class Sink(Protocol):
    """Takes lines. Owner: the logger's worker thread."""

    @property
    def name(self) -> str:
        """For the message that it failed."""
        ...

    @property
    def level_min(self) -> int:
        """It gets only lines of this level and above."""
        ...

    def write(self, lines: Sequence[Line]) -> None:
        """Write a batch, oldest first, and see it on its way. May raise anything."""
        ...

    def close(self) -> None:
        """Finish. Idempotent."""
        ...


class ConsoleSink:
    """Lines for people: time, level, message, and a traceback below when there is one.

    Control characters are shown, not obeyed: what a camera says of itself must not move the cursor.

    Args:
        stream: where to; by default whatever ``sys.stderr`` is at the time, so that a live display or a test that
            replaces it is respected.
        level_min: as in :class:`Sink`.
        colour: by default only on a terminal, and not with ``NO_COLOR`` set.
        tracebacks: show them; the file has them in any case.
    """

    name = "console"

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        level_min: int = logging.INFO,
        colour: bool | None = None,
        tracebacks: bool = True,
    ) -> None:
        self._stream = stream
        self._level_min = level_min
        self._colour = colour
        self._tracebacks = tracebacks

    @property
    def level_min(self) -> int:
        """It gets only lines of this level and above."""
        return self._level_min

    def write(self, lines: Sequence[Line]) -> None:
        """Write a batch in one call, and flush."""
        stream = self._stream if self._stream is not None else sys.stderr
        if stream is None:  # a process without a console, such as a detached service
            return
        colour = self._colour if self._colour is not None else _wants_colour(stream, os.environ)
        stream.write("".join(self._text(line, colour=colour) for line in lines))
        stream.flush()

    def close(self) -> None:
        """Nothing to do: the stream is not ours."""

    def _text(self, line: Line, *, colour: bool) -> str:
        at = datetime.fromtimestamp(line.created_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        message = console_safe(line.message)
        if line.exc and self._tracebacks:
            message = f"{message}\n{console_safe(line.exc)}"
        message = message.replace("\n", "\n    ")
        label = f"{level_label(line.levelno):<8}"
        if not colour:
            return f"{at} {label} {message}\n"
        tint = _COLOURS.get(line.levelno, "")
        return f"{_DIM}{at}{_RESET} {tint}{label}{_RESET if tint else ''} {message}\n"


class JsonFileSink:
    """One JSON object a line: ts, level, logger, message, msgid, thread, and exc and extra where there are any.

    The file is appended to and rotated before it would pass ``bytes_max``: ``vigia.jsonl`` → ``vigia.jsonl.1`` → …,
    the oldest dropped. One process writes to it.

    Bounds: ``(backups + 1) * bytes_max`` on disk, if no single line is larger.

    Args:
        path: its folder is made when it is missing.
        level_min: as in :class:`Sink`.
        bytes_max: of one file.
        backups: how many old files are kept, 0 or more.

    Raises:
        ConfigurationError: it cannot be written.
    """

    name = "file"

    def __init__(
        self, path: Path, *, level_min: int = logging.INFO, bytes_max: int = 20_000_000, backups: int = 5
    ) -> None:
        if bytes_max < 1 or backups < 0:
            raise ConfigurationError(
                "a log file needs room: %(bytes_max)s bytes and %(backups)s backups are too few",
                bytes_max=bytes_max,
                backups=backups,
            )
        self._path = path
        self._level_min = level_min
        self._bytes_max = bytes_max
        self._backups = backups
        self._fd: int | None = None
        self._size_bytes = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            raise ConfigurationError(
                "the log file %(path)s cannot be written: %(reason)s", path=path, reason=error.strerror or str(error)
            ) from error

    @property
    def path(self) -> Path:
        """The file that is written now."""
        return self._path

    @property
    def level_min(self) -> int:
        """It gets only lines of this level and above."""
        return self._level_min

    def write(self, lines: Sequence[Line]) -> None:
        """Append a batch, rotating where it must. After an OSError the next batch opens the file anew."""
        try:
            self._append(lines)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file. Idempotent; another write opens it again."""
        if self._fd is not None:
            fd, self._fd = self._fd, None
            with suppress(OSError):
                os.close(fd)

    def _append(self, lines: Sequence[Line]) -> None:
        if self._fd is None:
            self._open()
        waiting = bytearray()
        for line in lines:
            data = _json_line(line)
            if self._size_bytes + len(waiting) + len(data) > self._bytes_max and (self._size_bytes or waiting):
                self._put(waiting)
                waiting = bytearray()
                self._rotate()
            waiting += data
        self._put(waiting)

    def _put(self, data: bytearray) -> None:
        assert self._fd is not None  # noqa: S101 - _append opened it
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            self._size_bytes += written
            view = view[written:]

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        self._size_bytes = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        self.close()
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n + 1}") for n in range(self._backups))]
        for older, newer in zip(reversed(names), reversed(names[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)
        if not self._backups:
            self._path.unlink(missing_ok=True)
        self._open()


def level_label(levelno: int) -> str:
    """A level's name as an operator reads it."""
    if levelno >= logging.CRITICAL:
        return translate("CRITICAL")
    if levelno >= logging.ERROR:
        return translate("ERROR")
    if levelno >= logging.WARNING:
        return translate("WARNING")
    return translate("INFO") if levelno >= logging.INFO else translate("DEBUG")


def console_safe(text: str) -> str:
    r"""Return ``text`` with control characters written out (``\x1b``); line ends and tabs stay."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _json_line(line: Line) -> bytes:
    fields: dict[str, object] = {
        "ts": datetime.fromtimestamp(line.created_s, UTC).isoformat(timespec="milliseconds"),
        "level": line.level,
        "logger": line.logger,
        "message": line.message,
        "msgid": line.msgid,
        "thread": line.thread,
    }
    if line.exc:
        fields["exc"] = line.exc
    if line.extra:
        fields["extra"] = dict(line.extra)
    # A lone surrogate, from a file name that is no UTF-8, must not cost the batch.
    return json.dumps(fields, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace") + b"\n"


def _wants_colour(stream: TextIO, environment: Mapping[str, str]) -> bool:
    return not environment.get("NO_COLOR") and environment.get("TERM") != "dumb" and stream.isatty()
