"""One clear line when captures are given up for room, and not one for each."""

import threading

from vigia.application.ports import Clock
from vigia.infrastructure.logging import get_logger

logger = get_logger("vigia.outbox")

REPEAT_S = 60.0
"""While it goes on, it is told again no more often than this."""


class FullAlarm:
    """Tells that the outbox gives captures up, once at the beginning, then every minute, and when it is over.

    Owner: a lock, held for moments. Any thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards the rest
        self._told_mono_s: float | None = None
        self._gave_up_mono_s = 0.0
        self._captures = 0
        self._pictures = 0

    def gave_up(self, *, captures: int, pictures: int) -> None:
        """So many pending captures, and so many pictures of finished ones, were given up just now."""
        if not captures and not pictures:
            return
        now_s = self._clock.mono_s()
        with self._lock:
            self._captures += captures
            self._pictures += pictures
            self._gave_up_mono_s = now_s
            if self._told_mono_s is not None and now_s - self._told_mono_s < REPEAT_S:
                return
            self._told_mono_s = now_s
            told = (self._captures, self._pictures)
        logger.error(
            "the outbox is full: %d waiting captures were given up so far, and %d pictures of finished ones", *told
        )

    def has_room(self) -> None:
        """A capture was stored and nothing was given up for it."""
        with self._lock:
            if self._told_mono_s is None or self._clock.mono_s() - self._gave_up_mono_s < REPEAT_S:
                return
            told = (self._captures, self._pictures)
            self._told_mono_s, self._captures, self._pictures = None, 0, 0
        logger.warning(
            "the outbox has room again; %d waiting captures and %d pictures of finished ones were given up", *told
        )
