"""The audit log as a file of JSON lines, put aside when it is large."""

import json
import logging
import os
import threading
from pathlib import Path

from vigia.application.audit_port import AuditEntry

logger = logging.getLogger("vigia.web")

BYTES_MAX = 5_000_000
BACKUPS = 9
TEXT_CHARACTERS_MAX = 200
"""Of a name that somebody typed."""


class AuditFile:
    """Behind ``AuditLog``. Owner: its lock, held while a line is written: lines stand in the order of the acts.

    Bounds: BYTES_MAX bytes, and BACKUPS older files of that size.
    """

    def __init__(self, path: Path, *, bytes_max: int = BYTES_MAX, backups: int = BACKUPS) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._backups = backups
        self._lock = threading.Lock()

    def record(self, entry: AuditEntry) -> None:
        """Write a line. See ``AuditLog``."""
        line = json.dumps(
            {
                "at_utc": entry.at_utc.isoformat(),
                "user": entry.who.name[:TEXT_CHARACTERS_MAX],
                "role": entry.who.role,
                "address": entry.who.address,
                "action": entry.action.value,
                "target": entry.target[:TEXT_CHARACTERS_MAX],
                "result": entry.result,
            }
        )
        try:
            with self._lock:
                self._append(line.encode() + b"\n")
        except OSError as error:
            logger.error(
                "The audit log cannot be written: %s; not in it: %s", error.strerror or type(error).__name__, line
            )

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size + len(line) > self._bytes_max:
            self._rotate()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _rotate(self) -> None:
        for number in range(self._backups - 1, 0, -1):
            older = self._aside(number)
            if older.exists():
                older.replace(self._aside(number + 1))
        if self._backups:
            self._path.replace(self._aside(1))
        else:
            self._path.unlink()

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
