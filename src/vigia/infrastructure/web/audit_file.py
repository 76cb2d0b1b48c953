"""The audit log as files of JSON lines, put aside when they are large."""

import json
import logging
import os
import threading
from pathlib import Path

from vigia.application.audit_port import AuditAction, AuditEntry

logger = logging.getLogger("vigia.web")

BYTES_MAX = 5_000_000
BACKUPS = 9
NAME_CHARACTERS_MAX = 64
TARGET_CHARACTERS_MAX = 200


class AuditFile:
    """Behind ``AuditLog``. Owner: its lock, held while a line is written: lines stand in the order of the acts.

    Bounds: BYTES_MAX bytes, and BACKUPS older files of that size.

    Args:
        path: the newest of them.
        bytes_max: of one.
        backups: older ones that are kept.
        sync: have each line on disk before ``record`` returns; without it a line may be lost when the power fails.
    """

    def __init__(self, path: Path, *, bytes_max: int = BYTES_MAX, backups: int = BACKUPS, sync: bool = True) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._backups = backups
        self._sync = sync
        self._lock = threading.Lock()

    def record(self, entry: AuditEntry) -> None:
        """Write a line. See ``AuditLog``."""
        line = json.dumps(  # escapes whatever is not plain: one entry is one line, whatever somebody typed
            {
                "at_utc": entry.at_utc.isoformat(),
                "user": entry.who.name[:NAME_CHARACTERS_MAX],
                "role": entry.who.role,
                "address": entry.who.address,
                "action": entry.action.value,
                "target": entry.target[:TARGET_CHARACTERS_MAX],
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
            if self._sync:
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


class AuditFiles:
    """Behind ``AuditLog``: log-ins that failed in a file of their own. Owner: none.

    Anybody can make those, as many as they like: they must not push out what was done, nor cost the disk a sync each.

    Args:
        acts: gets what was done by somebody who was let in.
        log_ins: gets attempts to be let in.
    """

    def __init__(self, acts: AuditFile, log_ins: AuditFile) -> None:
        self._acts = acts
        self._log_ins = log_ins

    def record(self, entry: AuditEntry) -> None:
        """Write a line. See ``AuditLog``."""
        failed = entry.action is AuditAction.LOGIN and entry.result != "ok"
        (self._log_ins if failed else self._acts).record(entry)
