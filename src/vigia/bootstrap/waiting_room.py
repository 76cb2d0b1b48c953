"""Before a run: who is asked whether vigia works while it waits for FindFace or for its outbox to answer first."""

import logging
from types import TracebackType
from typing import TYPE_CHECKING, Self

from vigia.application.errors import (
    ConfigurationError,
    CredentialsRejected,
    LicenseRejected,
    RetryableError,
)
from vigia.application.ports import Clock, Recognizer
from vigia.application.site_view import Readiness
from vigia.application.use_cases.sync_cameras import SyncCamerasUseCase
from vigia.infrastructure.config import Settings

if TYPE_CHECKING:
    import threading

    from vigia.infrastructure.web.server import WebServer

logger = logging.getLogger("vigia.bootstrap")

CLOSE_S = 5.0
FINDFACE_DOWN = "findface_down"
OUTBOX_AWAY = "outbox_unavailable"
RETRY_MAX_S = 15.0


class WaitingRoom:
    """A web server in the run's place, from the first wait until the run begins.

    It is there only when something is waited for: a start to which everybody answers at once makes none.

    Owner: the thread that begins the run; ``alive`` and ``readiness`` are for any.

    Args:
        settings: checked.
        wanted: a web server is asked for.
        clock: for how long it waits.
    """

    def __init__(self, settings: Settings, *, wanted: bool, clock: Clock) -> None:
        self._settings = settings
        self._wanted = wanted and settings.web.enabled
        self._clock = clock
        self._server: WebServer | None = None
        self._waits_for: tuple[str, float] = ("", clock.mono_s())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tell(self, code: str) -> None:
        """Say what is waited for, as a reason of ``/readyz``; serve that from the first time on.

        Raises:
            ConfigurationError: the certificate cannot be used.
        """
        if self._waits_for[0] != code:
            self._waits_for = (code, self._clock.mono_s())
        if self._wanted and self._server is None:
            from vigia.bootstrap.web import waiting_server  # noqa: PLC0415 - the framework is loaded where it serves

            self._server = waiting_server(self._settings, self, clock=self._clock)
            self._server.service.start()

    def close(self) -> None:
        """Free the port for the run's own server. Idempotent."""
        server, self._server, self._wanted = self._server, None, False
        if server is not None:
            server.service.request_stop()
            if not server.service.join(CLOSE_S):
                logger.warning("The web server of the start did not end within %.0f s", CLOSE_S)

    def alive(self) -> bool:
        """Waiting is no failure."""
        return True

    def readiness(self) -> Readiness:
        """What is waited for; no camera is known before that."""
        code, since_s = self._waits_for
        waits: dict[str, object] = {"code": code}
        if code == FINDFACE_DOWN:
            waits["seconds"] = round(self._clock.mono_s() - since_s)
        return Readiness(alive=True, reasons=[waits, {"code": "cameras_unknown"}])


def log_in_first(
    recognizer: Recognizer,
    sync: SyncCamerasUseCase,
    *,
    settings: Settings,
    room: WaitingRoom,
    stop: "threading.Event",
    clock: Clock,
) -> bool:
    """Log in, or wait until it is possible; where the cameras are known go on. False when stopped meanwhile.

    Raises:
        ConfigurationError: a person must change something.
    """
    delay_s = 1.0
    while not stop.is_set():
        try:
            recognizer.log_in()
        except (CredentialsRejected, LicenseRejected) as error:
            raise ConfigurationError(error.template, **error.facts) from error
        except RetryableError as error:
            if (settings.findface.start_without and settings.cameras) or sync.recall():
                logger.warning("Starting without FindFace: %s; captures wait on disk", error)
                return True
            wait_s = max(delay_s, error.retry_after_s or 0.0)  # what was answered may be asked again only so soon
            logger.warning("FindFace cannot be reached: %s; next try in %.0f s", error, wait_s)
            room.tell(FINDFACE_DOWN)
            clock.wait(stop, wait_s)
            delay_s = min(RETRY_MAX_S, delay_s * 2.0)
        else:
            return True
    return False
