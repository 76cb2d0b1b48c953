"""A lock of which one hold in so many is timed, so that production has the figure too, at next to no cost."""

import threading
from typing import Final

from vigia.application.ports import Clock
from vigia.application.recent_durations import RecentDurations

ONE_IN: Final = 64
"""Holds from one that is timed to the next."""


class MeteredLock:
    """A ``threading.Lock`` for ``with`` only. Owner: its holder, of everything here; any thread may take it.

    Args:
        holds: gets how long it was held, seconds, each time that it was timed. May be shared by several locks.
        clock: for the time.
    """

    __slots__ = ("_began_s", "_clock", "_holds", "_left", "_lock")

    def __init__(self, holds: RecentDurations, *, clock: Clock) -> None:
        self._lock = threading.Lock()
        self._holds = holds
        self._clock = clock
        self._left = ONE_IN
        self._began_s: float | None = None

    def __enter__(self) -> None:
        self._lock.acquire()
        self._left -= 1
        if not self._left:
            self._left = ONE_IN
            self._began_s = self._clock.mono_s()

    def __exit__(self, *_: object) -> None:
        began_s = self._began_s
        if began_s is None:
            self._lock.release()
            return
        held_s = self._clock.mono_s() - began_s
        self._began_s = None
        self._lock.release()
        self._holds.record(held_s)
