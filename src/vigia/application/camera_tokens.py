"""The cameras' own tokens, and asking for new ones not too often."""

import logging
import threading
from collections.abc import Callable

from vigia.application.ports import Clock
from vigia.domain.camera import CameraId

logger = logging.getLogger("vigia.delivery")

REFRESH_INTERVAL_S = 5.0
"""A camera's token is asked for again no more often than this."""

CameraToken = Callable[[CameraId], str | None]
"""The camera's current token; None when the camera is not in the list any more."""


class CameraTokens:
    """Current tokens, and the wish for the list to be read again.

    Owner: its lock, which guards when each camera's token was asked for: one entry per camera at most. Any thread.
    """

    def __init__(self, current: CameraToken, refresh: Callable[[CameraId], None], *, clock: Clock) -> None:
        self._current = current
        self._refresh = refresh
        self._clock = clock
        self._lock = threading.Lock()  # guards _asked_mono_s
        self._asked_mono_s: dict[CameraId, float] = {}

    def current(self, camera_id: CameraId) -> str | None:
        """See ``CameraToken``."""
        return self._current(camera_id)

    def was_renewed(self, camera_id: CameraId, rejected: str | None) -> bool:
        """Whether there is another token by now than the one that was rejected."""
        return rejected is not None and self._current(camera_id) not in {rejected, None}

    def ask_for_new(self, camera_id: CameraId) -> None:
        """Have the list read again, unless that was asked for this camera a moment ago."""
        now_mono_s = self._clock.mono_s()
        with self._lock:
            asked_mono_s = self._asked_mono_s.get(camera_id)
            due = asked_mono_s is None or now_mono_s - asked_mono_s >= REFRESH_INTERVAL_S
            if due:
                self._asked_mono_s[camera_id] = now_mono_s
        if due:
            logger.warning("camera %s has no valid token: reading the camera list again", camera_id)
            self._refresh(camera_id)
