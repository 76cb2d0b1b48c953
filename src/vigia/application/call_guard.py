"""Knowing when a native call does not come back, and cutting it loose.

A thread inside native code cannot be stopped from outside. What can be done: leave it behind, with everything it holds,
and begin again beside it; should it ever come back, it learns that it is not wanted any more and ends.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vigia.application.errors import SourceAbandoned
from vigia.application.ports import Clock


class CallGuard:
    """Marks when one thread is inside a native call. One guard for each life of a source.

    Owner: its lock, which guards both fields and is held for nothing else. ``call`` is for the source's thread,
    the rest for any.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards the two below
        self._since_s: float | None = None
        self._abandoned = False

    @contextmanager
    def call(self) -> Iterator[None]:
        """Around every native call that may take long.

        Raises:
            SourceAbandoned: on the way out, when the thread was left behind meanwhile; nothing may be done any more.
        """
        with self._lock:
            if self._abandoned:
                raise SourceAbandoned
            self._since_s = self._clock.mono_s()
        try:
            yield
        finally:
            with self._lock:
                self._since_s = None
                abandoned = self._abandoned
            if abandoned:
                raise SourceAbandoned

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Like ``call``, for giving resources back: that must be done by a thread that was left behind, too."""
        with self._lock:
            self._since_s = self._clock.mono_s()
        try:
            yield
        finally:
            with self._lock:
                self._since_s = None

    @property
    def inside_s(self) -> float:
        """How long it has been inside the present call, seconds; 0 outside."""
        with self._lock:
            since_s = self._since_s
        return 0.0 if since_s is None else self._clock.mono_s() - since_s

    @property
    def is_abandoned(self) -> bool:
        """True once its thread was left behind."""
        with self._lock:
            return self._abandoned

    def abandon(self, *, limit_s: float) -> bool:
        """Leave the thread behind if it has been inside one call for longer than ``limit_s``; True when it has."""
        with self._lock:
            if self._since_s is None or self._clock.mono_s() - self._since_s <= limit_s:
                return False
            self._abandoned = True
            return True
