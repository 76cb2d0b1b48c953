"""A disk that really fills: the outbox on a file system of a few MB. Captures go on, one alarm, policy, recovery."""

import logging
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from outbox_rigs import capture_of
from vigia.application.errors import OutboxUnavailable
from vigia.application.use_cases.commit_captures import CaptureRequest, CommitCapturesUseCase, CommitOptions
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState
from vigia.domain.event import EventId, FaceEvent, Quality
from vigia.domain.frame import Picture
from vigia.domain.outbox_policy import GivenUp, OutboxPolicy, WhenFull
from vigia.infrastructure.outbox import SqliteOutbox
from vigia.testing.sim_clock import SimClock

DISK_MB = 12
FREE_BYTES_MIN = 4 << 20
JPEG_BYTES = 100_000
LEASE_S = 60.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 12 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=700", "tmpfs", str(place)],  # noqa: S607
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)  # noqa: S607


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


def open_outbox(disk: Path, clock: SimClock, when_full: WhenFull) -> SqliteOutbox:
    policy = OutboxPolicy(when_full=when_full)
    return SqliteOutbox(disk / "outbox", clock, policy=policy, free_bytes_min=FREE_BYTES_MIN)


def large_capture(number: int) -> Capture:
    return capture_of(number, f"camera-{number % 3}", jpeg=bytes([number % 251]) * JPEG_BYTES)


def commit_until_full(outbox: SqliteOutbox) -> int:
    for number in range(1, 1000):
        try:
            outbox.commit(large_capture(number))
        except OutboxUnavailable:
            return number - 1
    raise AssertionError("the disk never fills")


def fill(disk: Path) -> Path:
    """What another program does: take every byte that is left."""
    filler = disk / "somebody else's"
    with filler.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(1 << 16))
            except OSError:
                return filler


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def test_the_newest_is_refused_and_taken_as_soon_as_a_delivery_makes_room(disk: Path, clock: SimClock) -> None:
    with open_outbox(disk, clock, WhenFull.NEWEST) as outbox:
        committed = commit_until_full(outbox)
        assert committed > 20
        assert outbox.verify().sound
        for _ in range(3):
            with pytest.raises(OutboxUnavailable, match="disk is full"):
                outbox.commit(large_capture(committed + 1))
        assert outbox.stats().counts == {CaptureState.PENDING: committed}

        leased = outbox.lease(limit=committed, duration_s=LEASE_S)
        assert len(leased) == committed
        for capture in leased:
            outbox.mark_delivered(capture, ["1"])
        outbox.commit(large_capture(committed + 1))


def test_finished_pictures_make_room_before_anything_is_refused(
    disk: Path, clock: SimClock, caplog: pytest.LogCaptureFixture
) -> None:
    with open_outbox(disk, clock, WhenFull.NEWEST) as outbox:
        committed = commit_until_full(outbox)
        for position, capture in enumerate(outbox.lease(limit=20, duration_s=LEASE_S)):
            if position % 2:
                outbox.mark_refused(capture, "no_face")
            else:
                outbox.mark_dead(capture, "given up")

        for number in range(committed + 1, committed + 7):
            outbox.commit(large_capture(number))

        books = outbox.entries()
        gone = [entry.state for entry in books if entry.code is not GivenUp.OUTBOX_FULL and not entry.picture_kept]
        assert gone.count(CaptureState.REFUSED) == 10  # all of them, before the first dead one
        assert 1 <= gone.count(CaptureState.DEAD) < 10
        assert outbox.tally().pictures_given_up == len(gone)
        assert outbox.tally().given_up == {}
        assert outbox.stats().kept[CaptureState.PENDING] == committed - 20 + 6
        assert outbox.verify().sound
    (alarm,) = errors(caplog)
    assert alarm.startswith("the outbox is full: 0 waiting captures were given up so far, and ")


def test_the_oldest_are_given_up_one_alarm_tells_and_the_books_add_up(
    disk: Path, clock: SimClock, caplog: pytest.LogCaptureFixture
) -> None:
    committed = 300
    with open_outbox(disk, clock, WhenFull.OLDEST) as outbox:
        for number in range(1, committed + 1):
            outbox.commit(large_capture(number))  # none is refused: capture goes on

        given_up = outbox.tally().given_up[GivenUp.OUTBOX_FULL]
        assert given_up > 100
        assert outbox.stats().unsent == committed - given_up
        oldest_kept = min(entry.track_id for entry in outbox.entries(state=CaptureState.PENDING))
        assert oldest_kept == given_up + 1
        assert outbox.verify().sound
    assert errors(caplog) == [
        "the outbox is full: 1 waiting captures were given up so far, and 0 pictures of finished ones"
    ]
    with open_outbox(disk, clock, WhenFull.OLDEST) as outbox:
        leased = outbox.lease(limit=committed, duration_s=LEASE_S)
        assert sorted(int(capture.id, 16) for capture in leased) == list(range(given_up + 1, committed + 1))
        for capture in leased:
            outbox.mark_delivered(capture, ["1"])
        clock.advance(61.0)
        caplog.clear()
        outbox.commit(large_capture(1000))
        assert outbox.verify().sound


def test_a_disk_without_a_byte_left_harms_nothing_and_is_used_again_when_there_is_space(
    disk: Path, clock: SimClock
) -> None:
    with open_outbox(disk, clock, WhenFull.NEWEST) as outbox:
        for number in range(1, 6):
            outbox.commit(large_capture(number))
        filler = fill(disk)
        with pytest.raises(OutboxUnavailable):
            outbox.commit(large_capture(6))
        assert outbox.stats().unsent == 5  # reading goes on

        filler.unlink()

        outbox.commit(large_capture(6))
        assert sorted(int(c.id, 16) for c in outbox.lease(limit=9, duration_s=LEASE_S)) == [1, 2, 3, 4, 5, 6]
    with open_outbox(disk, clock, WhenFull.NEWEST) as outbox:
        assert outbox.stats().counts == {CaptureState.PENDING: 6}
        assert outbox.verify().sound


def test_a_full_disk_without_a_limit_of_free_space_harms_nothing(disk: Path, clock: SimClock) -> None:
    """The kernel itself says no, in the middle of a file or of a transaction."""
    with SqliteOutbox(disk / "outbox", clock, free_bytes_min=0) as outbox:
        committed = commit_until_full(outbox)
        assert committed > 50
        assert outbox.verify().checked == committed
        assert outbox.verify().sound
    (disk / "outbox" / "lock").unlink()
    with SqliteOutbox(disk / "outbox", clock, free_bytes_min=0, settle_s=0.0) as outbox:
        assert outbox.stats().counts == {CaptureState.PENDING: committed}


class LargeEncoder:
    """JPEGs of 100 kB."""

    def encode_jpeg(self, *_pictures: Picture, **_how: object) -> bytes:
        return bytes(JPEG_BYTES)


class SmallPicture:
    width = 640
    height = 360

    def to_bgr(self) -> Any:
        return np.zeros((360, 640, 3), dtype=np.uint8)


def request_of(number: int) -> CaptureRequest:
    event = FaceEvent(
        id=EventId(number),
        camera_id=CameraId("gate"),
        frame_index=number,
        at_mono_s=5.0,
        at_utc=datetime(2026, 1, 5, tzinfo=UTC),
        box_xyxy=np.array([100.0, 50.0, 200.0, 150.0], dtype=np.float32),
        landmarks=np.zeros((5, 2), dtype=np.float32),
        confidence=0.9,
        frame_size_wh=(640, 360),
        quality=Quality(0.5, {}),
        picture=SmallPicture(),  # type: ignore[arg-type]
        media_index=None,
        loop=0,
    )
    return CaptureRequest(event, Camera(CameraId("gate"), "Gate", "rtsp://x", findface_id=4), number, "silence")


def test_shards_go_on_while_the_disk_is_full_and_what_waits_is_written_when_there_is_space(
    disk: Path, clock: SimClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Every capture ends as committed or as lost, and the time spent waiting is bounded for the whole outage."""
    done: list[CaptureId] = []
    options = CommitOptions(queue_size=4, offer_timeout_s=2.0)
    with open_outbox(disk, clock, WhenFull.NEWEST) as outbox:
        commits = CommitCapturesUseCase(
            outbox,
            LargeEncoder(),
            clock=clock,
            on_committed=lambda capture_id, _request: done.append(capture_id),
            on_failed=lambda request, error: pytest.fail(f"{request}: {error}"),
            options=options,
            rng=Random(1),
        )
        commits.offer(request_of(0))
        assert commits.step() == 0.0
        filler = fill(disk)
        lost = 0
        begun_s = clock.mono_s()
        for number in range(1, 101):
            try:
                commits.offer(request_of(number))
            except OutboxUnavailable:
                lost += 1
            commits.step()
        assert clock.mono_s() - begun_s <= options.offer_timeout_s + 0.001
        assert (len(done), commits.pending, lost) == (1, 5, 95)

        filler.unlink()
        while commits.pending:
            clock.advance(commits.step() or 0.0)

        assert len(done) == 6
        assert {entry.id for entry in outbox.entries()} == set(done)
    told = [record.getMessage() for record in caplog.records if record.name == "vigia.captures"]
    assert len([line for line in told if line.startswith("captures wait in memory, the outbox does not")]) == 1
    assert told[-1] == "captures are written to the outbox again"
