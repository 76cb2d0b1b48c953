"""The running vigia's own account of itself: ``status.json`` in ``data_dir``, written every second, without secrets.

Commands such as ``vigia cameras list`` read it; nothing needs to listen on a port for that. A file that is older than
STALE_S, or whose process is gone, says nothing.
"""

import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from vigia.application.ports import Clock

VERSION = 1
STALE_S = 6.0
"""A few missed writes: a machine that is short of time writes late."""
BYTES_MAX = 64_000_000


class StatusFile:
    """Owner: the one thread that writes.

    Args:
        path: replaced as a whole by every write, so that a reader never sees a half of it.
        clock: for the time of writing.
    """

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._started = psutil.Process().create_time()

    def write(self, page: dict[str, Any]) -> None:
        """Put ``page`` in the place of the one before.

        Raises:
            OSError: the disk is full, or the directory may not be written.
        """
        head = {
            "version": VERSION,
            "pid": os.getpid(),
            "process_started": self._started,
            "written_utc": self._clock.utc().isoformat(),
        }
        fresh = self._path.with_name(f"{self._path.name}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(head | page, stream, ensure_ascii=False)
        fresh.replace(self._path)

    def remove(self) -> None:
        """The run is over."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def read_status(path: Path, *, clock: Clock) -> dict[str, Any] | None:
    """The page of the vigia that runs now with this ``data_dir``; None when none does."""
    try:
        with path.open("rb") as stream:
            page = json.loads(stream.read(BYTES_MAX))
        age_s = (clock.utc() - datetime.fromisoformat(page["written_utc"])).total_seconds()
        if page["version"] != VERSION or not -STALE_S <= age_s <= STALE_S:
            return None
        started = psutil.Process(int(page["pid"])).create_time()
        # Another process may have got the number since.
        alive = abs(started - float(page["process_started"])) < 1.0
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return page if alive and isinstance(page, dict) else None
