"""Browsers that somebody has logged in with before: each holds a random token for long, and here there are only hashes.

Such a token opens nothing. It says that this browser is not one of those from which the name is being guessed, so that
the lock-out counts for it apart (OWASP calls it a device cookie).
"""

import json
import logging
import secrets
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.private_file import write_private

logger = logging.getLogger("vigia.web")

VERSION = 1
TOKEN_BYTES = 32
TOKEN_CHARACTERS_MAX = 64
DEVICES_OF_ONE_MAX = 20
"""Of one user; the one made longest ago goes for a new one."""
DEVICES_MAX = 5000
FILE_BYTES_MAX = 2_000_000
COOKIE_S = 15_552_000
"""180 days after the last log-in."""


class DeviceStore:
    """The known browsers, in memory and in a file (mode 0600).

    Owner: its lock; the file is one process's. Any thread; ``remember`` writes to the disk.
    Bounds: DEVICES_OF_ONE_MAX of one user, DEVICES_MAX in all.

    Args:
        path: need not be there.
        exists: whether there is a user of that name (still).
    """

    def __init__(self, path: Path, *, exists: Callable[[str], bool]) -> None:
        self._path = path
        self._exists = exists
        self._lock = threading.Lock()  # guards the one below
        self._users: dict[str, str] = self._read()
        """Whose each hash is; in the order in which they were made."""

    def __len__(self) -> int:
        with self._lock:
            return len(self._users)

    def find(self, user: str, token: str) -> str | None:
        """What the lock-out counts for, if this user has logged in with this token before."""
        if not token or len(token) > TOKEN_CHARACTERS_MAX:
            return None
        key = _hash(token)
        with self._lock:
            return key if self._users.get(key) == user else None

    def remember(self, user: str, token: str) -> str:
        """The token that the browser is to hold from now on: its own, where this user has it already, or a new one.

        What cannot be written is told, and counts until the end of this process.
        """
        if self.find(user, token) is not None:
            return token
        fresh = secrets.token_urlsafe(TOKEN_BYTES)
        with self._lock:
            self._users[_hash(fresh)] = user
            own = [key for key, name in self._users.items() if name == user]
            for key in [*own[:-DEVICES_OF_ONE_MAX], *[*self._users][:-DEVICES_MAX]]:
                self._users.pop(key, None)
            rows = dict(self._users)
        self._write({key: name for key, name in rows.items() if self._exists(name)})
        return fresh

    def _write(self, users: dict[str, str]) -> None:
        devices = [{"user": name, "hash": key} for key, name in users.items()]
        content = json.dumps({"version": VERSION, "devices": devices}, indent=1)
        try:
            write_private(self._path, content.encode(), make_directory=True)
        except ConfigurationError as error:
            logger.error("Known browsers are forgotten with the next start: %s", error)

    def _read(self) -> dict[str, str]:
        try:
            with self._path.open("rb") as stream:
                document: Any = json.loads(stream.read(FILE_BYTES_MAX))
            known: Any = document["devices"] if document["version"] == VERSION else None
            rows = [(str(row["hash"]), str(row["user"])) for row in known]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = getattr(error, "strerror", None) or "no list of browsers"
            logger.warning("%s cannot be read (%s): browsers that were known are not any more", self._path, why)
            return {}
        return dict(rows[-DEVICES_MAX:])


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
