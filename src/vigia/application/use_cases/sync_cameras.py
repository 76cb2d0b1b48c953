"""Sync cameras: where the list comes from at the start, and how a stale camera token is renewed while running."""

import logging
import threading
from collections.abc import Callable

from vigia.application.errors import (
    ApplicationError,
    ConfigurationError,
    CredentialsRejected,
    LicenseRejected,
    RetryableError,
)
from vigia.application.ports import CameraRepository, Clock
from vigia.domain.camera import Camera, CameraId

logger = logging.getLogger("vigia.cameras")

RETRY_MIN_S = 1.0
RETRY_MAX_S = 15.0
REFRESH_INTERVAL_S = 30.0
"""The list is read again no more often than this, however many tokens are rejected."""
WATCH_S = 1.0


class SyncCamerasUseCase:
    """Knows the cameras and their current tokens.

    Owner: ``_cameras`` is replaced as a whole, never changed in place, so any thread may read; one thread (start-up,
    then the service around ``step``) replaces it.

    Args:
        repository: FindFace or the configuration file.
        clock: for waits between tries.
    """

    def __init__(self, repository: CameraRepository, *, clock: Clock) -> None:
        self._repository = repository
        self._clock = clock
        self._cameras: dict[CameraId, Camera] = {}
        self._refresh_wanted = threading.Event()
        self._last_read_s = float("-inf")

    @property
    def cameras(self) -> list[Camera]:
        """The cameras as last read."""
        return list(self._cameras.values())

    def token(self, camera_id: CameraId) -> str | None:
        """The camera's current token; None when it is not in the list."""
        camera = self._cameras.get(camera_id)
        return None if camera is None else camera.token

    def request_refresh(self, camera_id: CameraId) -> None:  # noqa: ARG002 - the whole list is one request
        """Have the list read again soon. Any thread; never blocks."""
        self._refresh_wanted.set()

    def read_first(self, *, stop: threading.Event, on_wait: Callable[[str], None] | None = None) -> list[Camera]:
        """Read the list at start-up; wait and try again while its keeper cannot be reached.

        Args:
            stop: ends the waiting.
            on_wait: told why it waits, for the status line.

        Returns:
            The cameras; empty only when ``stop`` was set.

        Raises:
            ConfigurationError: a person must act: wrong password, licence, no camera that fits.
        """
        delay_s = RETRY_MIN_S
        while not stop.is_set():
            try:
                return self._read()
            except (CredentialsRejected, LicenseRejected) as error:
                raise ConfigurationError(error.template, **error.facts) from error
            except RetryableError as error:
                logger.warning("The camera list cannot be read: %s; next try in %.0f s", error, delay_s)
                if on_wait is not None:
                    on_wait(str(error))
                self._clock.wait(stop, delay_s)
                delay_s = min(RETRY_MAX_S, delay_s * 2.0)
        return []

    def step(self) -> float:
        """Read the list again when somebody asked for it; return seconds until the next look."""
        if self._refresh_wanted.is_set() and self._clock.mono_s() - self._last_read_s >= REFRESH_INTERVAL_S:
            self._refresh_wanted.clear()
            before = self._cameras
            try:
                self._read()
            except ApplicationError as error:
                self._refresh_wanted.set()
                logger.warning("The camera list cannot be read: %s; next try in %.0f s", error, REFRESH_INTERVAL_S)
            else:
                changed = sum(1 for key, camera in self._cameras.items() if before.get(key) != camera)
                logger.info("Camera list read again: %d cameras, %d changed", len(self._cameras), changed)
        return WATCH_S

    def _read(self) -> list[Camera]:
        self._last_read_s = self._clock.mono_s()
        cameras = self._repository.list()
        self._cameras = {camera.id: camera for camera in cameras}
        return cameras
