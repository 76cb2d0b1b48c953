"""``vigia process --send``: captures of videos to FindFace, through the outbox and the senders of a run."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from vigia.application.errors import (
    ConfigurationError,
    CredentialsRejected,
    LicenseRejected,
    OutboxUnavailable,
)
from vigia.application.ports import Clock, ManagedOutbox
from vigia.application.retry import Backoff
from vigia.application.retry import RetryPolicy as DeliveryRetryPolicy
from vigia.application.service import LoopService, join_all, request_stop_all, wake_one
from vigia.application.use_cases.send_to_findface import DeliveryStats, SendOptions, SendToFindfaceUseCase
from vigia.bootstrap.outbox_choice import open_outbox, settle_s
from vigia.bootstrap.parts import camera_repository, findface_client
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_recognizer import FindfaceRecognizer
from vigia.infrastructure.clients.look_ups import LookUpRules
from vigia.infrastructure.config import Settings
from vigia.infrastructure.outbox.sqlite_outbox import SqliteOutbox

LOOK_S = 0.1
CAMERAS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class VideoDelivery:
    """Senders at work beside the processing of videos. Owner: the thread that opened it."""

    camera: Camera
    """As which camera the videos' captures are sent."""
    outbox: ManagedOutbox
    senders: Sequence[LoopService]
    send: SendToFindfaceUseCase
    clock: Clock
    quiet_s: float
    """Without any answer for so long, what waits is left to the next run, seconds."""

    def wake(self) -> None:
        """A capture is in the outbox. Any thread."""
        wake_one(self.senders)

    def finish(self, stop: threading.Event) -> tuple[DeliveryStats, int]:
        """Wait for what is on its way; return what the senders did, and how many captures still wait.

        Ends early when ``stop`` is set, or when nothing is answered for ``quiet_s``. What waits stays on disk.
        """
        clock = self.clock
        answered, since_s = -1, clock.mono_s()
        while (unsent := self._unsent()) and not stop.is_set():
            stats = self.send.stats
            if stats.delivered + stats.refused + stats.dead != answered:
                answered, since_s = stats.delivered + stats.refused + stats.dead, clock.mono_s()
            elif clock.mono_s() - since_s > self.quiet_s:
                break
            clock.wait(stop, LOOK_S)
        deadline_mono_s = clock.mono_s() + self.quiet_s
        self.send.begin_drain(clock.mono_s() if unsent else deadline_mono_s)
        request_stop_all(self.senders)
        join_all(self.senders, deadline_mono_s=deadline_mono_s, clock=clock)
        for sender in self.senders:
            if sender.failure is not None:
                raise sender.failure
        return self.send.stats, self._unsent()

    def _unsent(self) -> int:
        try:
            return self.outbox.stats().unsent
        except OutboxUnavailable:
            return 1  # not known just now: surely not nothing


@contextmanager
def video_delivery(settings: Settings, wanted: str | None, *, clock: Clock) -> Iterator[VideoDelivery]:
    """Open the outbox, log in, choose the camera and start the senders; end all of it.

    Args:
        settings: checked.
        wanted: id or name of the camera that the videos are of; None where there is only one.
        clock: the system's.

    Raises:
        ConfigurationError: the account, the outbox or the camera is not as it must be.
        RecognizerUnavailable: FindFace does not answer.
    """
    with ExitStack() as stack:
        outbox = stack.enter_context(closing(open_outbox(settings, clock=clock)))
        client = stack.enter_context(closing(findface_client(settings, clock=clock)))
        recognizer = FindfaceRecognizer(
            client,
            mf_selector=settings.delivery.mf_selector,
            look_ups=LookUpRules(finish_s=settings.findface.processing_max_s),
            sole_sender=isinstance(outbox, SqliteOutbox),
        )
        try:
            recognizer.log_in()
        except (CredentialsRejected, LicenseRejected) as error:
            raise ConfigurationError(error.template, **error.facts) from error
        stack.callback(recognizer.log_out)
        cameras = _cameras(settings, client)
        delivery = _delivery(settings, _chosen(cameras, wanted), cameras, outbox, recognizer, clock)
        for sender in delivery.senders:
            sender.start()
        try:
            yield delivery
        finally:
            request_stop_all(delivery.senders)
            join_all(delivery.senders, deadline_mono_s=clock.mono_s() + delivery.quiet_s, clock=clock)


def _cameras(settings: Settings, client: FindfaceMultiAsync) -> list[Camera]:
    """Those that captures can be sent for."""
    found = [camera for camera in camera_repository(settings, client).all() if camera.findface_id is not None]
    if not found:
        raise ConfigurationError("there is no camera that captures can be sent for; see vigia cameras list")
    return found


def _chosen(cameras: Sequence[Camera], wanted: str | None) -> Camera:
    fitting = [
        camera for camera in cameras if wanted is None or wanted in {camera.id, camera.name, str(camera.findface_id)}
    ]
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(camera.name for camera in cameras[:CAMERAS_SHOWN])
    if wanted is None or fitting:
        raise ConfigurationError(
            "say with --camera, by its id, as which camera the captures are sent; there are: %(names)s", names=names
        )
    raise ConfigurationError("there is no camera %(camera)s; there are: %(names)s", camera=wanted, names=names)


def _delivery(
    settings: Settings,
    camera: Camera,
    cameras: Sequence[Camera],
    outbox: ManagedOutbox,
    recognizer: FindfaceRecognizer,
    clock: Clock,
) -> VideoDelivery:
    tokens: dict[CameraId, str] = {one.id: one.token for one in cameras}
    send = SendToFindfaceUseCase(
        outbox,
        recognizer,
        clock=clock,
        camera_token=tokens.get,
        refresh_cameras=lambda _camera_id: None,  # a token that changes meanwhile is read by the next run
        options=SendOptions(
            senders=settings.delivery.senders,
            lease_s=settings.outbox.lease_s,
            send_max_s=3.0 * settings.findface.timeouts_total_s,
        ),
        policy=DeliveryRetryPolicy(
            backoff=Backoff(cap_s=settings.delivery.retry_max_s),
            failures_max=settings.delivery.attempts_max,
            settle_s=settle_s(settings),
        ),
    )
    senders = [LoopService(f"sender-{n}", send.step, clock=clock) for n in range(settings.delivery.senders)]
    return VideoDelivery(camera, outbox, senders, send, clock, quiet_s=settings.delivery.drain_timeout_s)
