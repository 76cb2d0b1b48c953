"""vigia's way from a capture to the receiver, for runs that must end with everything delivered."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vigia.application.ports import Clock
from vigia.application.service import LoopService, wake_one
from vigia.application.use_cases.commit_captures import CaptureRequest, CommitCapturesUseCase, CommitOptions
from vigia.application.use_cases.send_to_findface import SendOptions, SendToFindfaceUseCase
from vigia.bench.naive_parts import pooled_client
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId
from vigia.domain.posted_picture import PictureRules
from vigia.infrastructure.clients.findface_recognizer import FindfaceRecognizer
from vigia.infrastructure.outbox.sqlite_outbox import SqliteOutbox
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder

SENDERS = 4
JPEG_QUALITY = 95
"""As OpenCV's and vigia's default."""
DRAIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """Commit and senders at work. ``offer`` from any thread."""

    commit: CommitCapturesUseCase
    send: SendToFindfaceUseCase
    commit_service: LoopService
    sender_services: tuple[LoopService, ...]
    clock: Clock

    def offer(self, request: CaptureRequest) -> None:
        """Take one capture."""
        self.commit.offer(request)

    @property
    def delivered(self) -> int:
        """Captures that the receiver took so far."""
        return self.send.stats.delivered

    def finish(self) -> None:
        """Commit and deliver everything that was offered; nothing is taken any more. Idempotent."""
        deadline_s = self.clock.mono_s() + DRAIN_S
        self.commit.begin_drain(deadline_s)
        self.commit_service.join(DRAIN_S)
        self.send.begin_drain(deadline_s)
        for service in self.sender_services:
            service.wake()
        for service in self.sender_services:
            service.join(DRAIN_S)


@contextlib.contextmanager
def delivery(folder: Path, *, url: str, ca_file: Path, clock: Clock) -> Iterator[Delivery]:
    """The product's outbox on disk, its commit thread, its senders and its pooled client.

    Args:
        folder: new; the outbox lies in it.
        url: of a receiver that speaks FindFace's calls.
        ca_file: vouches for it.
        clock: for waits.
    """
    with contextlib.ExitStack() as stack:
        outbox = stack.enter_context(contextlib.closing(SqliteOutbox(folder, clock)))
        client = stack.enter_context(contextlib.closing(pooled_client(url, ca_file, clock)))
        client.login()
        send = SendToFindfaceUseCase(
            outbox,
            FindfaceRecognizer(client, mf_selector="biggest"),
            clock=clock,
            camera_token=_same_token,
            refresh_cameras=_nothing,
            options=SendOptions(senders=SENDERS),
        )
        senders = tuple(LoopService(f"flat-sender-{n}", send.step, clock=clock) for n in range(SENDERS))

        def wake() -> None:
            wake_one(senders)

        commit = CommitCapturesUseCase(
            outbox,
            SimpleJpegEncoder(),
            clock=clock,
            on_committed=_committed,
            on_failed=_failed,
            wake_senders=wake,
            options=CommitOptions(picture=PictureRules(jpeg_quality=JPEG_QUALITY)),
        )
        service = LoopService("flat-commit", commit.step, clock=clock, wake=commit.work)
        made = Delivery(commit, send, service, senders, clock)
        for one in (service, *senders):
            one.start()
        try:
            yield made
        finally:
            made.finish()


def _same_token(_camera_id: CameraId) -> str:
    return "flat"


def _nothing(_camera_id: CameraId) -> None:
    """The receiver refuses no camera's token."""


def _committed(_capture_id: CaptureId, _request: CaptureRequest) -> None:
    """Counted when delivered."""


def _failed(_request: CaptureRequest, _error: Exception) -> None:
    """The use case has told why; what is missing shows in ``delivered``."""
