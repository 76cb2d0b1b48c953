"""A vigia without cameras that is killed again and again: a real outbox, real senders, the real HTTP client.

This file is also a program, the *nursery*: it has everything imported and forks one life for each line that it reads,
so that a life begins within milliseconds. What lives and nursery tell goes through one pipe, so the order is true: a
life tells *after* the call that it tells of has returned, and what was told before the end is read before the end.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from types import TracebackType
from typing import IO, Self

import numpy as np
import simplejpeg

import vigia.infrastructure.clients.httpx_transport  # noqa: F401 - read once, for all lives
from vigia.application.ports import Outbox
from vigia.application.retry import Backoff, RetryPolicy
from vigia.application.use_cases.send_to_findface import SendOptions, SendToFindfaceUseCase
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_recognizer import FindfaceRecognizer
from vigia.infrastructure.clients.findface_session import FindfaceSession
from vigia.infrastructure.clients.http_transport import TlsPolicy
from vigia.infrastructure.clients.look_ups import LookUpRules
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.outbox import SqliteOutbox
from vigia.infrastructure.outbox.fault_points import FaultPoint, no_fault

USER, PASSWORD, TOKEN = "operator", "pw", "a" * 32
CAMERAS = 4
SCRAP = CameraId("scrap")
"""The camera whose captures are given up, spoiled and removed: they need not arrive, only never twice."""
SCRAP_FINDFACE_ID = CAMERAS + 1
WIDTH, HEIGHT = 160, 120
SENDERS = 3
WAITING_MAX = 24
"""Lives that commit for ever rest while so many wait."""
MOMENT_S = 0.005
_ROIS = ((0, 0, 70, 110), (80, 0, 150, 110))
_BEGAN_UTC = datetime(2026, 1, 5, tzinfo=UTC)


def picture_of(number: int) -> bytes:
    """A JPEG that no other capture has."""
    noise = np.random.default_rng(number).integers(0, 255, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(noise.repeat(8, axis=0).repeat(8, axis=1)), quality=80))


def capture_of(number: int, *, scrap: bool = False) -> Capture:
    """A capture by its number; an even and the next odd one are two people in the same frame."""
    camera = SCRAP_FINDFACE_ID if scrap else number // 2 % CAMERAS + 1
    return Capture(
        id=CaptureId(f"{number:032x}"),
        camera_id=SCRAP if scrap else CameraId(f"camera-{camera}"),
        findface_camera_id=camera,
        track_id=number,
        at_utc=_BEGAN_UTC + timedelta(milliseconds=137 * (number // 2)),
        box_xyxy=(10.0, 10.0, 60.0, 60.0),
        roi_ltrb=_ROIS[number % 2],
        size_wh=(WIDTH, HEIGHT),
        quality=0.5,
        jpeg=picture_of(number),
    )


class LimitedOutbox(SqliteOutbox):
    """One whose disk can be made small. Owner: one thread."""

    room_bytes: int | None = None

    def _free_bytes(self) -> int:
        if self.room_bytes is None:
            return super()._free_bytes()
        folder = self._directory.pictures
        return self.room_bytes - sum(file.stat().st_size for file in folder.iterdir())


def open_outbox(directory: Path, *, fault_point: FaultPoint = no_fault) -> LimitedOutbox:
    """The outbox of these lives. Nothing has to settle: the test waits until the server has finished."""
    return LimitedOutbox(directory, SystemClock(), free_bytes_min=0, settle_s=0.0, fault_point=fault_point)


@contextlib.contextmanager
def recognizer_of(url: str) -> Iterator[FindfaceRecognizer]:
    """The real client, impatient where time only costs time: this server finishes before its answer is lost."""
    clock = SystemClock()
    # There is no TLS here; this spares each life the loading of certificates.
    tls = TlsPolicy(insecure_skip_verify=True)
    access = FindfaceAccess(url=url, user=USER, password=PASSWORD, uuid="vigia-1", tls=tls)
    session = FindfaceSession(clock=clock, refused_spacing_s=MOMENT_S, unreachable_spacing_s=MOMENT_S)
    client = FindfaceMultiAsync(FindfaceMulti(access, clock=clock, session=session))
    rules = LookUpRules(rate_per_s=1000.0, burst=1000, settle_s=0.0, finish_s=0.0, busy_s=MOMENT_S)
    with contextlib.closing(FindfaceRecognizer(client, look_ups=rules, sole_sender=True)) as recognizer:
        yield recognizer


def sender_of(outbox: Outbox, recognizer: FindfaceRecognizer, seed: int) -> SendToFindfaceUseCase:
    """The real use case, as impatient."""
    backoff = Backoff(base_s=0.001, cap_s=0.002)
    return SendToFindfaceUseCase(
        outbox,
        recognizer,
        clock=SystemClock(),
        camera_token=lambda _camera: TOKEN,
        refresh_cameras=lambda _camera: None,
        options=SendOptions(senders=SENDERS),
        policy=RetryPolicy(backoff=backoff, camera_backoff=backoff, pause_min_s=0.0, settle_s=0.0),
        rng=Random(seed),
    )


def send_until_empty(outbox: Outbox, sender: SendToFindfaceUseCase) -> None:
    """Step until nothing waits; the test's own time-out ends what does not end."""
    never = threading.Event()
    while outbox.stats().unsent:
        SystemClock().wait(never, min(sender.step() or 0.0, MOMENT_S))


@dataclass(frozen=True, slots=True)
class Life:
    """What one life shall do."""

    kind: str
    """``acts`` does one of everything in a fixed order, ``random`` commits and sends for ever, ``last`` sends all."""
    directory: str
    url: str
    number: int
    """Of the life: seeds it, and its captures' numbers begin at a thousand times that."""
    point: str = ""
    """The fault point at which it ends itself."""
    nth: int = 1
    """When it comes to that point so often."""


class Executioner:
    """Ends the process at a fault point, with SIGKILL. Any thread."""

    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._lock = threading.Lock()  # guards everything below
        self._left = nth
        self.came: Counter[str] = Counter()

    def __call__(self, name: str) -> None:
        with self._lock:
            self.came[name] += 1
            if name != self._point:
                return
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()  # never from here on, whenever the signal arrives


def say(word: str, capture_id: str) -> None:
    """One write: a line is whole or not there."""
    os.write(1, f"{word} {capture_id}\n".encode())


def live(life: Life) -> None:
    """One life, from the opening of the outbox on."""
    executioner = Executioner(life.point, life.nth)
    outbox = open_outbox(Path(life.directory), fault_point=executioner)
    with contextlib.closing(outbox), recognizer_of(life.url) as recognizer:
        sender = sender_of(outbox, recognizer, life.number)
        {"acts": _act, "random": _go_on, "last": _finish}[life.kind](life, outbox, sender)
    for name, times in executioner.came.items():
        say("came", f"{name}:{times}")


def _commit(outbox: Outbox, number: int, *, scrap: bool = False) -> CaptureId:
    capture = capture_of(number, scrap=scrap)
    outbox.commit(capture)
    say("committed", capture.id)
    return capture.id


def _go_on(life: Life, outbox: LimitedOutbox, sender: SendToFindfaceUseCase) -> None:
    never = threading.Event()
    rng = Random(life.number)

    def commit_for_ever() -> None:
        for number in count(life.number * 1000):
            _commit(outbox, number)
            while outbox.stats().unsent > WAITING_MAX or rng.random() < 0.2:
                SystemClock().wait(never, MOMENT_S)

    def send_for_ever() -> None:
        while (delay_s := sender.step()) is not None:
            SystemClock().wait(never, min(delay_s, MOMENT_S))

    with ThreadPoolExecutor(SENDERS + 1) as pool:
        jobs = [pool.submit(commit_for_ever), *(pool.submit(send_for_ever) for _ in range(SENDERS))]
        done, _ = wait(jobs, return_when=FIRST_COMPLETED)
        # None of them ends by itself: whatever ended it is told, and the other threads go down with the process.
        sys.stderr.write(repr([job.exception() for job in done]))
        sys.stderr.flush()
        os._exit(1)


def _finish(_life: Life, outbox: LimitedOutbox, sender: SendToFindfaceUseCase) -> None:
    _put_all_back(outbox)
    send_until_empty(outbox, sender)


def _put_all_back(outbox: LimitedOutbox) -> None:
    """What an earlier life refused by hand and did not come to put back."""
    for state in (CaptureState.REFUSED, CaptureState.DEAD):
        for entry in outbox.entries(state=state):
            if entry.camera_id != SCRAP:
                outbox.put_back(entry.id, expected=state)


def _act(life: Life, outbox: LimitedOutbox, sender: SendToFindfaceUseCase) -> None:
    """Everything that writes, in an order that comes by every fault point."""
    _put_all_back(outbox)
    numbers = count(life.number * 1000)
    for _ in range(3):
        _commit(outbox, next(numbers))
    for _ in range(4):
        _commit(outbox, next(numbers), scrap=True)
    _end_by_hand(outbox)
    _run_out_of_room(outbox, next(numbers))
    _tidy(outbox)
    send_until_empty(outbox, sender)
    _commit(outbox, next(numbers))
    _leave_a_spoilt_one(outbox, next(numbers))


def _end_by_hand(outbox: LimitedOutbox) -> None:
    """As senders do whose receiver refuses; what is to arrive is put back by a person."""
    for position, capture in enumerate(outbox.lease(limit=100, duration_s=60.0)):
        if capture.camera_id != SCRAP and position % 3 == 0:
            # Nothing was sent here; whether something was before, it knows itself.
            outbox.retry_later(capture, delay_s=0.0, reason="", counts=False, maybe_sent=capture.maybe_sent)
        elif int(capture.id, 16) % 2:
            outbox.mark_refused(capture, "by hand")
        else:
            outbox.mark_dead(capture, "by hand")
    _put_all_back(outbox)


def _run_out_of_room(outbox: LimitedOutbox, number: int) -> None:
    """Commit when there is room only if finished captures' pictures are given up."""
    outbox.room_bytes = sum(file.stat().st_size for file in outbox._directory.pictures.iterdir()) + 1
    _commit(outbox, number)
    outbox.room_bytes = None


def _tidy(outbox: LimitedOutbox) -> None:
    """What a person and the upkeep do: remove one, sweep, and repair one whose file was cut off."""
    removed, spoilt = [
        entry for entry in outbox.entries(state=CaptureState.DEAD) if entry.picture_kept and entry.reason == "by hand"
    ][:2]
    say("dropping", removed.id)
    outbox.drop(removed.id, expected=removed.state)
    outbox.sweep()
    os.truncate(spoilt.location, 5)
    assert not outbox.verify(repair=True).sound


def _leave_a_spoilt_one(outbox: LimitedOutbox, number: int) -> None:
    capture_id = _commit(outbox, number, scrap=True)
    entry = outbox.entry(capture_id)
    assert entry is not None
    os.truncate(entry.location, 5)


class Nursery:
    """Begins lives and hears what they tell. Owner: one thread. A context manager."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._file: IO[bytes] = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._file, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            if kind is not None:
                process.kill()
        self._file.close()

    def errors(self) -> str:
        """What lives and nursery wrote to standard error."""
        return self._log.read_text(errors="replace")

    def live(self, life: Life, *, kill_after: Callable[[str], bool] | None = None) -> tuple[list[list[str]], int]:
        """One life to its end; the words that it told, and its exit code, negative for a signal.

        Args:
            life: what it shall do.
            kill_after: asked after each line, the one that tells of its birth included; True kills it.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(life)) + "\n")
        process.stdin.flush()
        told: list[list[str]] = []
        pid = 0
        for line in process.stdout:
            word, about = line.split()
            if word == "ended":
                return told, int(about)
            if word == "born":
                pid = int(about)
            else:
                told.append([word, about])
            if kill_after is not None and kill_after(line):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                kill_after = None
        raise AssertionError(f"the nursery has ended: {self.errors()}")


def _nurse() -> None:
    for line in sys.stdin:
        life = Life(**json.loads(line))
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                say("born", str(os.getpid()))
                live(life)
                code = 0
            except BaseException:
                sys.excepthook(*sys.exc_info())
                raise
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        say("ended", str(os.waitstatus_to_exitcode(status)))


if __name__ == "__main__":
    _nurse()
