"""Sessions, kept on this side: a browser holds a random id, and here there is only its hash."""

import secrets
import threading
from dataclasses import dataclass
from hashlib import sha256

from vigia.application.audit_port import Person
from vigia.application.ports import Clock
from vigia.infrastructure.web.users import Role, User, UserFile

TOKEN_BYTES = 32
"""256 random bits."""
TOKEN_CHARACTERS_MAX = 64
SESSIONS_MAX = 1000
"""Of all users; the one used longest ago ends for a new one."""
SESSIONS_OF_ONE_MAX = 20


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in."""

    user: str
    role: Role
    address: str
    """Where the log-in came from."""
    csrf: str
    """What every request that changes something has to bring."""
    since_mono_s: float

    @property
    def person(self) -> Person:
        """Who that is, for the audit log."""
        return Person(self.user, self.role.value, self.address)


@dataclass(slots=True)
class _Kept:
    """Owner: the store's lock."""

    session: Session
    stamp: str
    used_mono_s: float


class SessionStore:
    """Owner: its lock. Any thread. Bounds: SESSIONS_MAX; gone after a restart.

    Args:
        users: a session ends when its user's password or role changes, or the user goes.
        clock: for both time-outs.
        idle_s: without a request, a session ends after so long.
        absolute_s: and in any case after so long.
    """

    def __init__(self, users: UserFile, *, clock: Clock, idle_s: float, absolute_s: float) -> None:
        self._users = users
        self._clock = clock
        self._idle_s = idle_s
        self._absolute_s = absolute_s
        self._lock = threading.Lock()  # guards the one below
        self._kept: dict[str, _Kept] = {}

    def __len__(self) -> int:
        with self._lock:
            self._expire()
            return len(self._kept)

    @property
    def absolute_s(self) -> float:
        """How long a session lasts at most."""
        return self._absolute_s

    def open(self, user: User, *, address: str) -> tuple[str, Session]:
        """Begin a session under a new id; return the id, which is kept nowhere here, and the session."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now_s = self._clock.mono_s()
        session = Session(user.name, user.role, address, secrets.token_urlsafe(TOKEN_BYTES), now_s)
        with self._lock:
            self._expire()
            own = [key for key, kept in self._kept.items() if kept.session.user == user.name]
            for crowd, most in ((own, SESSIONS_OF_ONE_MAX), ([*self._kept], SESSIONS_MAX)):
                if len(crowd) >= most:
                    del self._kept[min(crowd, key=lambda key: self._kept[key].used_mono_s)]
            self._kept[_hash(token)] = _Kept(session, user.stamp, now_s)
        return token, session

    def find(self, token: str, *, used: bool = True) -> Session | None:
        """The session of an id; None when there is none (any more). ``used``: this counts against idleness."""
        if not token or len(token) > TOKEN_CHARACTERS_MAX:
            return None
        key = _hash(token)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or self._is_over(kept):
                self._kept.pop(key, None)
                return None
            if used:
                kept.used_mono_s = self._clock.mono_s()
        user = self._users.find(kept.session.user)  # may read a file: not under the lock
        if user is None or user.stamp != kept.stamp:
            with self._lock:
                self._kept.pop(key, None)
            return None
        return kept.session

    def holds(self, session: Session) -> bool:
        """Whether this very session goes on: for who was let in before and acts now. Asking is no use of it."""
        with self._lock:
            kept = next((kept for kept in self._kept.values() if kept.session is session), None)
            if kept is None or self._is_over(kept):
                return False
        user = self._users.find(session.user)  # may read a file: not under the lock
        return user is not None and user.stamp == kept.stamp

    def close(self, token: str) -> None:
        """End a session. Idempotent."""
        with self._lock:
            self._kept.pop(_hash(token), None)

    def _expire(self) -> None:
        for key in [key for key, kept in self._kept.items() if self._is_over(kept)]:
            del self._kept[key]

    def _is_over(self, kept: _Kept) -> bool:
        now_s = self._clock.mono_s()
        return now_s - kept.used_mono_s >= self._idle_s or now_s - kept.session.since_mono_s >= self._absolute_s


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
