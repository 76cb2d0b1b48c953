"""Ways to keep captures on disk until they are delivered: vigia's outbox, persist-queue, and files in a directory.

Each commits so that a power cut does not harm what was taken, hands out to ``SENDERS`` threads, and forgets a capture
when the receiver has it. All send by the same pooled client. Only vigia's knows cameras, limits, doubt and a ledger.
"""

import contextlib
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vigia.application.ports import Clock
from vigia.application.service import LoopService, wake_one
from vigia.application.use_cases.send_to_findface import SendOptions, SendToFindfaceUseCase
from vigia.bench.naive_parts import pooled_client
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_recognizer import FindfaceRecognizer
from vigia.infrastructure.outbox.sqlite_outbox import SqliteOutbox

SENDERS = 4
CAMERAS = 8
TOKEN = "bench"  # noqa: S105 - of a receiver that lets everybody in
ROI = (100, 100, 300, 300)
BEGIN_UTC = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
DRAIN_S = 60.0
LOOK_S = 0.05
"""How long a rival's sender waits for something to do before it looks whether it is to end."""


@dataclass(frozen=True, slots=True)
class QueueAtWork:
    """One way, with its senders running."""

    put: Callable[[int, bytes], None]
    """Take capture n with its picture; durable when it returns. Any thread."""
    delivered: Callable[[], int]
    """Captures that the receiver took. Any thread."""


def at_utc(number: int) -> datetime:
    """When capture n was taken: no two at the same moment."""
    return BEGIN_UTC + timedelta(milliseconds=number)


@contextlib.contextmanager
def outbox(folder: Path, url: str, ca_file: Path, clock: Clock) -> Iterator[QueueAtWork]:
    """The product's own."""
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(contextlib.closing(pooled_client(url, ca_file, clock)))
        client.login()
        box = stack.enter_context(contextlib.closing(SqliteOutbox(folder, clock)))
        send = SendToFindfaceUseCase(
            box,
            FindfaceRecognizer(client),
            clock=clock,
            camera_token=lambda _camera_id: TOKEN,
            refresh_cameras=lambda _camera_id: None,
            options=SendOptions(senders=SENDERS),
        )
        senders = [LoopService(f"bench-sender-{n}", send.step, clock=clock) for n in range(SENDERS)]

        def put(number: int, picture: bytes) -> None:
            box.commit(_capture(number, picture))
            wake_one(senders)

        for sender in senders:
            sender.start()
        try:
            yield QueueAtWork(put, lambda: send.stats.delivered)
        finally:
            send.begin_drain(clock.mono_s() + DRAIN_S)
            for sender in senders:
                sender.wake()
            join_all(senders, timeout_s=DRAIN_S)


@contextlib.contextmanager
def persist_queue(folder: Path, url: str, ca_file: Path, clock: Clock) -> Iterator[QueueAtWork]:
    """persist-queue's SQLiteAckQueue: what it hands out is its own until it is acknowledged."""
    import persistqueue  # noqa: PLC0415 - of an optional extra

    box: Any = persistqueue.SQLiteAckQueue(str(folder), multithreading=True)

    def take() -> tuple[int, bytes, Any] | None:
        try:
            item = box.get(timeout=LOOK_S)
        except persistqueue.Empty:
            return None
        return item[0], item[1], item

    try:
        with _senders(url, ca_file, clock, take=take, done=box.ack) as delivered:
            yield QueueAtWork(lambda number, picture: box.put((number, picture)), delivered)
    finally:
        box.close()


@contextlib.contextmanager
def directory(folder: Path, url: str, ca_file: Path, clock: Clock) -> Iterator[QueueAtWork]:
    """A file each, written beside, fsynced, renamed, the folder fsynced; removed when it was delivered."""
    folder.mkdir(parents=True, exist_ok=True)
    waiting: queue.SimpleQueue[Path] = queue.SimpleQueue()

    def sync_folder() -> None:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def put(number: int, picture: bytes) -> None:
        final = folder / f"{number:012d}.jpg"
        part = final.with_suffix(".part")
        with part.open("wb") as file:
            file.write(picture)
            file.flush()
            os.fsync(file.fileno())
        part.rename(final)
        sync_folder()
        waiting.put(final)

    def take() -> tuple[int, bytes, Path] | None:
        try:
            path = waiting.get(timeout=LOOK_S)
        except queue.Empty:
            return None
        return int(path.stem), path.read_bytes(), path

    with _senders(url, ca_file, clock, take=take, done=Path.unlink) as delivered:
        yield QueueAtWork(put, delivered)


@contextlib.contextmanager
def _senders(
    url: str,
    ca_file: Path,
    clock: Clock,
    *,
    take: Callable[[], tuple[int, bytes, Any] | None],
    done: Callable[[Any], object],
) -> Iterator[Callable[[], int]]:
    """Threads that take, send and acknowledge; at the end they go on until nothing is left."""
    ending = threading.Event()
    sent: deque[int] = deque()

    def step(client: FindfaceMultiAsync) -> float | None:
        taken = take()
        if taken is None:
            return None if ending.is_set() else 0.0
        number, picture, handle = taken
        client.add_face_event(1 + number % CAMERAS, TOKEN, fullframe_jpeg=picture, roi=ROI, timestamp=at_utc(number))
        done(handle)
        sent.append(number)
        return 0.0

    with contextlib.closing(pooled_client(url, ca_file, clock)) as client:
        client.login()
        senders = [LoopService(f"bench-sender-{n}", lambda: step(client), clock=clock) for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            yield lambda: len(sent)
        finally:
            ending.set()
            join_all(senders, timeout_s=DRAIN_S)


def join_all(services: list[LoopService], *, timeout_s: float) -> None:
    """Wait for threads that end by themselves. Raises RuntimeError when one does not, or failed."""
    for service in services:
        if not service.join(timeout_s) or service.failure is not None:
            raise RuntimeError(f"{service.name} did not end well") from service.failure


def _capture(number: int, picture: bytes) -> Capture:
    camera = 1 + number % CAMERAS
    return Capture(
        id=CaptureId(f"{number:032x}"),
        camera_id=CameraId(f"camera-{camera}"),
        findface_camera_id=camera,
        track_id=number,
        at_utc=at_utc(number),
        box_xyxy=(150.0, 150.0, 250.0, 250.0),
        roi_ltrb=ROI,
        size_wh=(1920, 1080),
        quality=0.8,
        jpeg=picture,
        details={"quality": {"size": 0.8, "pose": 0.7, "sharpness": 0.9}, "frame": number},
    )
