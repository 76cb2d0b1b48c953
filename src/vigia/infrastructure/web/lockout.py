"""Guessing passwords gets slower with every failure: per user name and per network, or per known browser.

An attempt counts as failed before it is checked and is taken back when it was right, so that attempts at the same time
do not outrun the count. Names that nobody has count like any other: the answer tells nothing about who exists.

A browser that its user has logged in with before has a count of its own (``devices.py``), and the counts of the name
and of the network are not its: who locks a name out from elsewhere does not keep its user out. Guesses stay bounded,
because such browsers are few and each one's count is kept in the same way.
"""

import threading
from dataclasses import dataclass
from typing import Literal

from vigia.application.ports import Clock
from vigia.infrastructure.web.addresses import network_of

FREE_FAILURES = 5
"""Failures in a row before there is a pause."""
FIRST_PAUSE_S = 30.0
"""Doubles with each further failure."""
PAUSE_MAX_S = 900.0
FORGET_S = 3600.0
"""After so long without an attempt, failures are forgotten."""
ENTRIES_MAX = 10_000
NAME_CHARACTERS_MAX = 64

_Key = tuple[Literal["user", "network", "device"], str]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tries to log in."""

    keys: tuple[_Key, ...]
    """What it counts for."""
    wait_s: float
    """0.0: go on, and tell ``right`` if the password is. Else seconds to wait; nothing is to be checked then."""
    is_news: bool = False
    """Of one that has to wait: the first of this pause."""


@dataclass(slots=True)
class _Failures:
    """Owner: the table's lock."""

    count: int
    last_mono_s: float
    told: bool = False
    """Whether somebody was told of this pause."""

    @property
    def pause_s(self) -> float:
        beyond = self.count - FREE_FAILURES
        return 0.0 if beyond < 0 else min(PAUSE_MAX_S, FIRST_PAUSE_S * 2.0 ** min(beyond, 16))

    def wait_s(self, now_s: float) -> float:
        """How long its pause still is."""
        return max(0.0, self.last_mono_s + self.pause_s - now_s)


class LockOut:
    """Owner: its lock. Any thread. Bounds: ENTRIES_MAX; whoever failed least goes first."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards the two below
        self._failures: dict[_Key, _Failures] = {}
        self._refused = 0

    def __len__(self) -> int:
        with self._lock:
            return len(self._failures)

    @property
    def failures(self) -> int:
        """Attempts that failed or were not let in, ever."""
        with self._lock:
            return self._refused

    def begin(self, user: str, address: str, *, device: str | None = None) -> Attempt:
        """Announce an attempt.

        Args:
            user: as typed.
            address: of the visitor.
            device: the known browser, if that user has logged in with it before.
        """
        now_s = self._clock.mono_s()
        keys = _keys(user, address, device)
        with self._lock:
            known = [found for key in keys if (found := self._recent(key, now_s)) is not None]
            pausing = [entry for entry in known if entry.wait_s(now_s) > 0.0]
            self._refused += 1
            if pausing:
                is_news = not all(entry.told for entry in pausing)
                for entry in pausing:
                    entry.told = True
                return Attempt(keys, max(entry.wait_s(now_s) for entry in pausing), is_news)
            for key in keys:
                failed = self._failures.get(key)
                if failed is None:
                    self._make_room(now_s)
                    self._failures[key] = _Failures(1, now_s)
                else:
                    failed.count, failed.last_mono_s, failed.told = failed.count + 1, now_s, False
        return Attempt(keys, 0.0)

    def right(self, attempt: Attempt) -> None:
        """The attempt was good: what was counted against its keys is forgotten."""
        with self._lock:
            self._refused -= 1
            for key in attempt.keys:
                self._failures.pop(key, None)

    def _recent(self, key: _Key, now_s: float) -> _Failures | None:
        entry = self._failures.get(key)
        if entry is not None and now_s - entry.last_mono_s >= FORGET_S:
            del self._failures[key]
            return None
        return entry

    def _make_room(self, now_s: float) -> None:
        if len(self._failures) < ENTRIES_MAX:
            return
        for key in [key for key, entry in self._failures.items() if now_s - entry.last_mono_s >= FORGET_S]:
            del self._failures[key]
        if len(self._failures) >= ENTRIES_MAX:
            ranked = sorted(self._failures, key=lambda k: (self._failures[k].count, self._failures[k].last_mono_s))
            for key in ranked[: ENTRIES_MAX // 10]:  # many at once: sorting is not for every attempt
                del self._failures[key]


def _keys(user: str, address: str, device: str | None) -> tuple[_Key, ...]:
    if device is not None:
        return (("device", device),)
    return ("user", user[:NAME_CHARACTERS_MAX].casefold()), ("network", network_of(address))
