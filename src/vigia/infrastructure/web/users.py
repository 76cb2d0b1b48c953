"""Who may log in: names, roles and hashes of passwords in one file, mode 0600. No password is ever kept."""

import json
import logging
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from vigia.application.errors import ConfigurationError
from vigia.application.ports import Clock
from vigia.infrastructure.private_file import write_private

logger = logging.getLogger("vigia.web")

VERSION = 1
FIRST_USER = "operator"
PASSWORD_MIN = 10
PASSWORD_MAX = 256
"""Characters; a hash of more would cost more than a password is worth."""
USERS_MAX = 1000
KEEP_S = 30.0
"""How long a file that cannot be read, or is not there, counts as it was."""
FILE_BYTES_MAX = 1_000_000
GENERATED_BYTES = 12
"""96 random bits: 16 characters."""
_NAME = re.compile(r"[\w@+-][\w@+.-]{0,63}")
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""Argon2id with OWASP's second choice of costs: a log-in takes about 25 ms of one core."""


class Role(StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"
    """Look."""
    OPERATOR = "operator"
    """Look and act."""

    def includes(self, needed: "Role") -> bool:
        """Whether this role may do what ``needed`` may."""
        return self is needed or self is Role.OPERATOR


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may log in."""

    name: str
    role: Role
    hash: str
    changed_utc: str

    @property
    def stamp(self) -> str:
        """Changes with the password and the role: sessions made before end then."""
        return f"{self.role}:{self.hash}"


class UserFile:
    """The file, read again when somebody has written it.

    Owner: its lock, for the list in memory; ``set_password`` is for one process at a time. Any thread reads.
    Bounds: USERS_MAX users.

    Args:
        path: need not be there.
        hasher: makes and checks hashes.
        clock: with one, whoever was known stays so for KEEP_S while the file cannot be read.
    """

    def __init__(self, path: Path, *, hasher: PasswordHasher = HASHER, clock: Clock | None = None) -> None:
        self._path = path
        self._hasher = hasher
        self._clock = clock
        self._lock = threading.Lock()  # guards the three below
        self._seen: tuple[int, int, int] | None = None
        self._users: dict[str, User] = {}
        self._away_mono_s: float | None = None
        """Since when it cannot be read."""
        self._nobody = hasher.hash(secrets.token_urlsafe(GENERATED_BYTES))

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def users(self) -> list[User]:
        """All of them, by name.

        Raises:
            ConfigurationError: the file cannot be read or is not one of vigia's.
        """
        return sorted(self._current().values(), key=lambda user: user.name)

    def find(self, name: str) -> User | None:
        """A user; None when there is none of that name, or the file cannot be read, which is told once.

        A file that is away, or half written, for a moment throws nobody out: an editor does that.
        """
        try:
            users = self._current()
            if not users and self._users:  # what was read last is kept when the file is not there
                raise self._unreadable("it is not there")
        except ConfigurationError as error:
            return self._last_known(error).get(name)
        with self._lock:
            was_away, self._away_mono_s = self._away_mono_s is not None, None
        if was_away:
            logger.info("The users' file %s can be read again", self._path)
        return users.get(name)

    def _last_known(self, error: ConfigurationError) -> dict[str, User]:
        now_s = 0.0 if self._clock is None else self._clock.mono_s()
        with self._lock:
            is_news = self._away_mono_s is None
            since_s = now_s if self._away_mono_s is None else self._away_mono_s
            self._away_mono_s = since_s
            kept = self._users if self._clock is not None and now_s - since_s < KEEP_S else {}
        if is_news and kept:
            logger.error("%s; who is known stays so for %.0f s", error, KEEP_S)
        elif is_news:
            logger.error("Nobody can log in: %s", error)
        return kept

    def check(self, name: str, password: str) -> User | None:
        """The user, if the password is theirs. Takes as long for a name that nobody has."""
        user = self.find(name)
        try:
            self._hasher.verify(self._nobody if user is None else user.hash, password[: PASSWORD_MAX + 1])
        except (VerificationError, InvalidHashError):
            return None
        return user

    def set_password(self, name: str, password: str, *, role: Role | None = None, now_utc: datetime) -> User:
        """Give a user a password, and make the user where there is none of that name.

        Args:
            name: letters, digits, ``@ + - . _``.
            password: PASSWORD_MIN characters or more.
            role: None keeps the one there is; a new user becomes a viewer.
            now_utc: noted beside it.

        Raises:
            ConfigurationError: name or password will not do, or the file cannot be read or written.
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                "the user name %(name)s must have 1 to 64 letters, digits, or @ + - . _", name=name[:64]
            )
        if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
            raise ConfigurationError(
                "a password has %(least)d to %(most)d characters", least=PASSWORD_MIN, most=PASSWORD_MAX
            )
        users = dict(self._current())
        known = users.get(name)
        if known is None and len(users) >= USERS_MAX:
            raise ConfigurationError("there are %(count)d users already", count=USERS_MAX)
        chosen = role if role is not None else (Role.VIEWER if known is None else known.role)
        users[name] = User(name, chosen, self._hasher.hash(password), now_utc.isoformat())
        self._write(users)
        return users[name]

    def make_first(self, *, now_utc: datetime, keep: Callable[[str], None] = lambda _password: None) -> str | None:
        """Make the file with one operator; return the password, or None when the file is there already.

        Args:
            now_utc: noted beside it.
            keep: called with the password before the file is written: where it fails, no user is made whose password
                nobody knows.

        Raises:
            ConfigurationError: it cannot be read or written.
        """
        if self._path.exists():
            self._current()
            return None
        password = secrets.token_urlsafe(GENERATED_BYTES)
        keep(password)
        user = User(FIRST_USER, Role.OPERATOR, self._hasher.hash(password), now_utc.isoformat())
        self._write({user.name: user})
        return password

    def _write(self, users: dict[str, User]) -> None:
        rows = [
            {"name": user.name, "role": user.role.value, "hash": user.hash, "changed_utc": user.changed_utc}
            for user in users.values()
        ]
        content = json.dumps({"version": VERSION, "users": rows}, ensure_ascii=False, indent=1)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                "%(directory)s cannot be written: %(why)s",
                directory=self._path.parent,
                why=error.strerror or type(error).__name__,
            ) from error
        write_private(self._path, content.encode())

    def _current(self) -> dict[str, User]:
        try:
            facts = self._path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise self._unreadable(error.strerror or type(error).__name__) from error
        seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
        with self._lock:
            if seen == self._seen:
                return self._users
        users = self._read()
        with self._lock:
            self._seen, self._users = seen, users
        return users

    def _read(self) -> dict[str, User]:
        try:
            with self._path.open("rb") as stream:
                document: Any = json.loads(stream.read(FILE_BYTES_MAX))
            if document["version"] != VERSION:
                raise self._unreadable("another version")
            users = [User(r["name"], Role(r["role"]), str(r["hash"]), str(r["changed_utc"])) for r in document["users"]]
        except OSError as error:
            raise self._unreadable(error.strerror or type(error).__name__) from error
        except (ValueError, KeyError, TypeError) as error:
            raise self._unreadable("no list of users") from error
        return {user.name: user for user in users}

    def _unreadable(self, why: str) -> ConfigurationError:
        return ConfigurationError("the users' file %(file)s cannot be read: %(why)s", file=self._path, why=why)
