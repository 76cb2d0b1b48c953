"""kill -9 at random moments: what was said to be committed is there, and what arrived is never sent twice.

The children are this very file, run as a program. A child writes a line *after* the call it reports has returned; the
parent reads some lines, kills, and reads what is left in the pipe: all of that the child had said before it died.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from uuid import uuid4

from vigia.application.errors import DeliveryAmbiguous, RecognizerUnavailable
from vigia.application.retry import Backoff, RetryPolicy
from vigia.application.use_cases.send_to_findface import SendToFindfaceUseCase
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.outbox import SqliteOutbox

KILLS_COMMITTING = 15
KILLS_DELIVERING = 10
SEED = 20260105
LINES_MAX = 40
"""A child is killed after a random number of lines up to this."""


def picture_of(capture_id: str) -> bytes:
    rng = Random(capture_id)
    return rng.randbytes(rng.randrange(1, 60_000))


def new_capture(number: int) -> Capture:
    capture_id = uuid4().hex
    return Capture(
        id=CaptureId(capture_id),
        camera_id=CameraId(f"camera-{number % 3}"),
        findface_camera_id=number % 3 + 1,
        track_id=number,
        at_utc=datetime(2026, 1, 5, tzinfo=UTC),
        box_xyxy=(0.0, 0.0, 10.0, 10.0),
        roi_ltrb=(0, 0, 10, 10),
        size_wh=(64, 48),
        quality=0.5,
        jpeg=picture_of(capture_id),
    )


def say(word: str, capture_id: str) -> None:
    os.write(1, f"{word} {capture_id}\n".encode())  # one write: a line is whole or not there


class FileReceiver:
    """Keeps what arrives in a file that outlives its process. Now and then it keeps a capture and says nothing, as a
    receiver does whose answer gets lost; or it does not answer at all."""

    def __init__(self, path: Path, rng: Random) -> None:
        self._path = path
        self._rng = rng

    def log_in(self) -> None:
        """There is no session."""

    def deliver(self, capture: LeasedCapture, *, camera_token: str) -> tuple[str, ...]:
        assert camera_token == "token"
        assert capture.jpeg == picture_of(capture.id)
        fate = self._rng.random()
        if fate < 0.1:
            raise RecognizerUnavailable("busy")
        with self._path.open("ab", buffering=0) as file:
            file.write(f"{capture.id}\n".encode())
        if fate < 0.3:
            raise DeliveryAmbiguous("no answer")
        return (str(int(capture.id[:8], 16)),)

    def find_delivered(self, capture: LeasedCapture) -> tuple[str, ...]:
        return (str(int(capture.id[:8], 16)),) if capture.id in received(self._path) else ()

    def log_out(self) -> None:
        """There is no session."""

    def close(self) -> None:
        """Nothing is open."""


def received(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def sender_of(outbox: SqliteOutbox, directory: Path, seed: int) -> SendToFindfaceUseCase:
    return SendToFindfaceUseCase(
        outbox,
        FileReceiver(directory / "received", Random(seed)),
        clock=SystemClock(),
        camera_token=lambda _camera: "token",
        refresh_cameras=lambda _camera: None,
        # The receiver is done when the call returns or its process is dead: nothing has to settle.
        policy=RetryPolicy(backoff=Backoff(base_s=0.001, cap_s=0.002), pause_min_s=0.0, settle_s=0.0),
        rng=Random(seed),
    )


def open_outbox(directory: Path) -> SqliteOutbox:
    return SqliteOutbox(directory / "outbox", SystemClock(), free_bytes_min=0, settle_s=0.0)


def commit_for_ever(outbox: SqliteOutbox) -> None:
    for number in count():
        capture = new_capture(number)
        outbox.commit(capture)
        say("committed", capture.id)


def finish_for_ever(outbox: SqliteOutbox, rng: Random) -> None:
    while True:
        for leased in outbox.lease(limit=rng.randint(1, 3), duration_s=60.0):
            assert leased.jpeg == picture_of(leased.id)
            ending = rng.choice(["delivered", "refused", "retry"])
            if ending == "delivered":
                outbox.mark_delivered(leased, ["1"])
                say("delivered", leased.id)
            elif ending == "refused":
                outbox.mark_refused(leased, "no_face")
                say("refused", leased.id)
            else:
                outbox.retry_later(leased, delay_s=0.0, reason="later")


def send_for_ever(sender: SendToFindfaceUseCase) -> None:
    while sender.step() is not None:
        pass


def child_main(job: str, directory: Path, seed: int) -> None:
    outbox = open_outbox(directory)
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(commit_for_ever, outbox)]
        if job == "commit":
            jobs.append(pool.submit(finish_for_ever, outbox, Random(seed)))
        else:
            sender = sender_of(outbox, directory, seed)
            jobs += [pool.submit(send_for_ever, sender) for _ in range(2)]
        done, _ = wait(jobs, return_when=FIRST_COMPLETED)
        # None of them ends by itself: whatever ended it is told, and the other threads go down with the process.
        sys.stderr.write(repr([job.exception() for job in done]))
        sys.stderr.flush()
        os._exit(1)


@contextmanager
def child(job: str, directory: Path, seed: int) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, __file__, job, str(directory), str(seed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def lines_until_killed(job: str, directory: Path, rng: Random) -> list[list[str]]:
    lines: list[str] = []
    with child(job, directory, rng.randrange(1 << 30)) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines += [process.stdout.readline() for _ in range(rng.randint(1, LINES_MAX))]
        for _ in range(rng.randrange(20_000)):  # not always in the moment after a line was written
            pass
        process.kill()
        lines += process.stdout.readlines()
        errors = process.stderr.read()
        assert process.wait(timeout=30) == -9, errors
    return [line.split() for line in lines if line.endswith("\n")]


def test_what_was_said_to_be_committed_is_there_after_kill_9(tmp_path: Path) -> None:
    rng = Random(SEED)
    print("seed", SEED)  # noqa: T201 - to replay a failure
    said: dict[str, str] = {}
    kills_that_left_work = 0
    for _ in range(KILLS_COMMITTING):
        for word, capture_id in lines_until_killed("commit", tmp_path, rng):
            if word != "committed" or capture_id not in said:  # another thread may have told of its end sooner
                said[capture_id] = word
        with open_outbox(tmp_path) as outbox:
            states = {entry.id: entry.state for entry in outbox.entries()}
            assert_nothing_is_half_done(tmp_path, said, states)
            kills_that_left_work += any(state is CaptureState.PENDING for state in states.values())
    assert kills_that_left_work > 0
    with open_outbox(tmp_path) as outbox:
        pending = {entry.id for entry in outbox.entries(state=CaptureState.PENDING)}
        leased = outbox.lease(limit=len(pending) + 1, duration_s=60.0)
        assert {capture.id for capture in leased} == pending
        assert all(capture.jpeg == picture_of(capture.id) for capture in leased)


def assert_nothing_is_half_done(tmp_path: Path, said: dict[str, str], states: dict[CaptureId, CaptureState]) -> None:
    assert set(said) <= set(states)
    for capture_id, word in said.items():
        if word != "committed":
            assert states[CaptureId(capture_id)] == word
    assert set(states.values()) <= {CaptureState.PENDING, CaptureState.DELIVERED, CaptureState.REFUSED}
    needed = {capture_id for capture_id, state in states.items() if state is not CaptureState.DELIVERED}
    files = list((tmp_path / "outbox" / "pictures").iterdir())
    assert sorted(file.name[:32] for file in files) == sorted(needed)
    assert all(file.read_bytes() == picture_of(file.name[:32]) for file in files)


def test_every_capture_arrives_exactly_once_whenever_the_sender_is_killed(tmp_path: Path) -> None:
    rng = Random(SEED + 1)
    print("seed", SEED + 1)  # noqa: T201 - to replay a failure
    committed: set[str] = set()
    for _ in range(KILLS_DELIVERING):
        committed |= {capture_id for _, capture_id in lines_until_killed("deliver", tmp_path, rng)}
        with open_outbox(tmp_path) as outbox:
            # Said to be committed: arrived exactly once, or still in the outbox.
            arrivals = Counter(received(tmp_path / "received"))
            assert set(arrivals.values()) <= {1}
            unsent = {entry.id for entry in outbox.entries(state=CaptureState.PENDING)}
            assert committed <= set(arrivals) | unsent

    with open_outbox(tmp_path) as outbox:
        sender = sender_of(outbox, tmp_path, SEED)
        while outbox.stats().unsent:
            sender.step()
        states = {entry.id: entry.state for entry in outbox.entries()}

    arrivals = Counter(received(tmp_path / "received"))
    assert set(arrivals.values()) == {1}
    assert committed <= set(arrivals)
    assert set(states) == set(arrivals)
    assert set(states.values()) == {CaptureState.DELIVERED}


if __name__ == "__main__":
    child_main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
