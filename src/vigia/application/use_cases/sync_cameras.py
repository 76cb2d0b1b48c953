"""Sync cameras: where the list comes from, what has changed in it since, and what to do while it cannot be read.

The list is read every ``interval_s``, at once when its file has changed, and soon when a camera's token turned out to
be stale. What differs is handed to whoever follows it; a reading that fails changes nothing. What was read is kept on
disk, so that a start while FindFace is away goes on with the cameras known last.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from vigia.application.errors import (
    ApplicationError,
    ConfigurationError,
    CredentialsRejected,
    LicenseRejected,
    NoCameras,
    RetryableError,
)
from vigia.application.ports import CameraRepository, Clock
from vigia.domain.camera import Camera, CameraId

logger = logging.getLogger("vigia.cameras")

RETRY_MIN_S = 1.0
RETRY_MAX_S = 15.0
REFRESH_INTERVAL_S = 10.0
"""The list is read again for stale tokens no more often than this, however many are rejected."""
WATCH_S = 1.0
EMPTY_MIN_S = 30.0
"""A list that is suddenly empty must stay so for this long, and for one interval, before every camera is taken out."""
REMIND_S = 300.0
"""While the list cannot be read, that is told again no more often than this."""
FORMER_MAX = 10_000
"""Cameras that were taken out and whose tokens are kept: their captures may still wait."""

Follower = Callable[[Sequence[Camera]], None]


@dataclass(frozen=True, slots=True)
class KnownCameras:
    """A camera list as it was last read."""

    cameras: Sequence[Camera] = ()
    former: Sequence[Camera] = ()
    """Taken out since; their captures may still wait to be sent."""


class CameraListStore(Protocol):
    """Keeps the last known list over restarts. Owner: one thread."""

    def load(self) -> KnownCameras | None:
        """What was kept; None when there is nothing, or nothing that can be used (which is told)."""
        ...

    def save(self, known: KnownCameras) -> None:
        """Keep it, whole or not at all.

        Raises:
            ApplicationError: it cannot be written.
        """
        ...


class SyncCamerasUseCase:
    """Knows the cameras and their current tokens, and keeps them up to date.

    Owner: one thread (start-up, then the service around ``step``) replaces ``_cameras`` and ``_former`` as a whole and
    never changes them in place, so that any thread may read. ``request_refresh`` and ``request_reload`` are for any.

    Args:
        repository: FindFace, the configuration file, or both.
        clock: for waits between readings.
        interval_s: from one reading to the next, seconds.
        store: keeps the last list over restarts; None = nobody does.
        changed: True when the file behind the list was written since it was read; cheap.
        touched: True when the settings that all cameras go by have changed with the last reading: the list is handed
            on then although it is the same.
    """

    def __init__(
        self,
        repository: CameraRepository,
        *,
        clock: Clock,
        interval_s: float = 30.0,
        store: CameraListStore | None = None,
        changed: Callable[[], bool] | None = None,
        touched: Callable[[], bool] | None = None,
    ) -> None:
        self._repository = repository
        self._clock = clock
        self._interval_s = interval_s
        self._store = store
        self._changed = changed
        self._touched = touched
        self._cameras: dict[CameraId, Camera] = {}
        self._former: dict[CameraId, Camera] = {}
        self._follower: Follower | None = None
        self._refresh_wanted = threading.Event()
        self._reload_wanted = threading.Event()
        self._last_read_s = float("-inf")
        self._empty_since_s: float | None = None
        self._failing_since_s: float | None = None
        self._reminded_s = float("-inf")

    @property
    def cameras(self) -> list[Camera]:
        """The cameras to be watched, as last read."""
        return [camera for camera in self._cameras.values() if camera.active]

    @property
    def listed(self) -> list[Camera]:
        """All of the list, those that are not to be watched too."""
        return list(self._cameras.values())

    def camera(self, camera_id: CameraId) -> Camera | None:
        """A camera of the list; None when it is not in it."""
        return self._cameras.get(camera_id)

    @property
    def disabled(self) -> list[Camera]:
        """Those in the list that are not to be watched."""
        return [camera for camera in self._cameras.values() if not camera.active]

    def token(self, camera_id: CameraId) -> str | None:
        """The camera's current token, or its last one when it was taken out; None when it was never in the list."""
        camera = self._cameras.get(camera_id) or self._former.get(camera_id)
        return None if camera is None else camera.token

    def follow(self, follower: Follower) -> None:
        """Hand every list that differs from the one before to ``follower``: the cameras to be watched."""
        self._follower = follower

    def request_refresh(self, camera_id: CameraId) -> None:  # noqa: ARG002 - the whole list is one request
        """Have the list read again soon: a token was rejected. Any thread; never blocks."""
        self._refresh_wanted.set()

    def request_reload(self) -> None:
        """Have everything read again at the next look. Any thread, a signal handler too; never blocks."""
        self._reload_wanted.set()

    def recall(self) -> bool:
        """Take the list that was kept on disk for the present one; True when there was one with a camera to watch."""
        known = None if self._store is None else self._store.load()
        if known is None:
            return False
        self._former = {camera.id: camera for camera in known.former}
        if not any(camera.active for camera in known.cameras):
            return False
        self._cameras = {camera.id: camera for camera in known.cameras}
        return True

    def read_first(self, *, stop: threading.Event, on_wait: Callable[[str], None] | None = None) -> list[Camera]:
        """Read the list at start-up; while its keeper cannot be reached go on with the one kept on disk, or wait.

        Args:
            stop: ends the waiting.
            on_wait: told why it waits, for the status line.

        Returns:
            The cameras to be watched; empty only when ``stop`` was set.

        Raises:
            ConfigurationError: a person must act: wrong password, licence, no camera that fits.
        """
        recalled = self.recall()
        delay_s = RETRY_MIN_S
        while not stop.is_set():
            try:
                self._take(self._read())
            except (CredentialsRejected, LicenseRejected) as error:
                raise ConfigurationError(error.template, **error.facts) from error
            except RetryableError as error:
                if recalled:
                    self._tell_failure(error)
                    return self.cameras
                logger.warning("The camera list cannot be read: %s; next try in %.0f s", error, delay_s)
                if on_wait is not None:
                    on_wait(str(error))
                self._clock.wait(stop, delay_s)
                delay_s = min(RETRY_MAX_S, delay_s * 2.0)
            else:
                return self.cameras
        return []

    def step(self) -> float:
        """Read the list again when it is time to; return seconds until the next look."""
        since_s = self._clock.mono_s() - self._last_read_s
        told = self._reload_wanted.is_set() or (self._changed is not None and self._changed())
        stale = self._refresh_wanted.is_set() and since_s >= REFRESH_INTERVAL_S
        if told or stale or since_s >= self._interval_s:
            self._reload_wanted.clear()
            self._refresh_wanted.clear()
            self._update(stale=stale)
        return WATCH_S

    def _update(self, *, stale: bool) -> None:
        self._last_read_s = self._clock.mono_s()
        try:
            cameras = self._repository.all()
        except ApplicationError as error:
            self._empty_since_s = None  # who cannot be read says nothing, neither this nor that
            if stale:
                self._refresh_wanted.set()
            self._tell_failure(error)
            return
        if self._failing_since_s is not None:
            logger.info("The camera list can be read again, after %.0f s", self._clock.mono_s() - self._failing_since_s)
            self._failing_since_s, self._reminded_s = None, float("-inf")
        if not cameras and self._cameras and not self._is_empty_for_long():
            return
        if cameras:
            self._empty_since_s = None
        self._take(cameras)

    def _is_empty_for_long(self) -> bool:
        """Whether a list that is suddenly empty has been so for long enough: its keeper may be being restored."""
        now_s = self._clock.mono_s()
        if self._empty_since_s is None:
            self._empty_since_s = now_s
            logger.warning("The camera list is empty; the cameras go on until it has been so for %.0f s", self._empty_s)
        return now_s - self._empty_since_s >= self._empty_s

    @property
    def _empty_s(self) -> float:
        return max(EMPTY_MIN_S, self._interval_s)

    def _read(self) -> list[Camera]:
        """The list as it is now, for a start.

        Raises:
            NoCameras: also when none of them is active.
        """
        self._last_read_s = self._clock.mono_s()
        cameras = self._repository.list()
        if not any(camera.active for camera in cameras):
            raise NoCameras("no camera to watch: none of the %(count)d in the list is active", count=len(cameras))
        return cameras

    def _take(self, cameras: Sequence[Camera]) -> None:
        """Make a list the present one; if it differs, or what cameras go by does, keep it and hand it on."""
        before, after = self._cameras, {camera.id: camera for camera in cameras}
        touched = self._touched is not None and self._touched()
        if before == after:
            if touched and self._follower is not None:
                self._follower(self.cameras)
            return
        added = [camera for key, camera in after.items() if key not in before]
        removed = {key: camera for key, camera in before.items() if key not in after}
        changed = sum(1 for key, camera in after.items() if key in before and before[key] != camera)
        former = {key: camera for key, camera in (self._former | removed).items() if key not in after}
        while len(former) > FORMER_MAX:
            del former[next(iter(former))]
        self._former, self._cameras = former, after
        if before:
            logger.info(
                "Camera list: %d cameras; %d added, %d changed, %d removed",
                len(after),
                len(added),
                changed,
                len(removed),
            )
            if not self.cameras:
                logger.warning("No camera is watched any more: none in the list is active")
        if self._follower is not None:
            self._follower(self.cameras)
        self._keep()

    def _keep(self) -> None:
        if self._store is None or not self._cameras:  # an empty list is nothing to start from
            return
        try:
            self._store.save(KnownCameras(tuple(self._cameras.values()), tuple(self._former.values())))
        except ApplicationError as error:
            logger.warning("%s; a start without FindFace would not know the cameras", error)

    def _tell_failure(self, error: ApplicationError) -> None:
        now_s = self._clock.mono_s()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        if now_s - self._reminded_s >= REMIND_S:
            self._reminded_s = now_s
            logger.warning(
                "The camera list cannot be read: %s; going on with the %d cameras known last", error, len(self.cameras)
            )
