"""The outbox on a real disk: permissions, locks, damage, a full disk, older and newer files."""

import os
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vigia.application.errors import ConfigurationError, OutboxUnavailable
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.outbox import SqliteOutbox
from vigia.infrastructure.outbox.schema import APPLICATION_ID, INTERIM_VERSION, MIGRATIONS, migrate
from vigia.testing.sim_clock import SimClock

LEASE_S = 60.0


def capture_of(number: int, *, jpeg: bytes | None = None) -> Capture:
    return Capture(
        id=CaptureId(f"{number:032x}"),
        camera_id=CameraId("gate"),
        findface_camera_id=7,
        track_id=number,
        at_utc=datetime(2026, 1, 5, tzinfo=UTC),
        box_xyxy=(10.0, 20.0, 30.0, 40.0),
        roi_ltrb=(2, 12, 38, 48),
        size_wh=(64, 48),
        quality=0.5,
        jpeg=jpeg if jpeg is not None else bytes([number % 256]) * 1000,
    )


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "data" / "outbox"


def open_outbox(directory: Path, clock: SimClock, *, settle_s: float = 5.0) -> SqliteOutbox:
    return SqliteOutbox(directory, clock, free_bytes_min=0, settle_s=settle_s)


def pictures_of(directory: Path) -> list[Path]:
    return sorted((directory / "pictures").iterdir())


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_is_private(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))

        assert mode_of(directory) == 0o700
        assert mode_of(directory / "pictures") == 0o700
        files = [path for path in directory.rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"lock", "outbox.sqlite3", "outbox.sqlite3-wal"}
        assert {mode_of(path) for path in files} == {0o600}


def test_an_existing_empty_directory_becomes_private_and_a_strange_one_is_left_alone(
    tmp_path: Path, clock: SimClock
) -> None:
    empty, strange = tmp_path / "empty", tmp_path / "strange"
    for path in (empty, strange):
        path.mkdir()
        path.chmod(0o755)
    (strange / "holiday.txt").write_text("mine")

    for path in (empty, strange):
        open_outbox(path, clock).close()

    assert mode_of(empty) == 0o700
    assert mode_of(strange) == 0o755
    assert mode_of(strange / "pictures") == 0o700
    assert (strange / "holiday.txt").read_text() == "mine"


def test_two_vigias_do_not_share_a_directory(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock), pytest.raises(ConfigurationError, match=f"process {os.getpid()}"):
        open_outbox(directory, clock)

    open_outbox(directory, clock).close()  # free again


def test_the_lock_is_free_after_a_failed_opening(directory: Path, clock: SimClock) -> None:
    directory.mkdir(parents=True)
    (directory / "outbox.sqlite3").write_bytes(b"this is not a database at all, and long enough to be read as one" * 20)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="not a database"):
            open_outbox(directory, clock)


@pytest.mark.parametrize("path", ["/proc/vigia/outbox", "file/outbox"])
def test_a_directory_that_cannot_be_made_is_told_in_one_line(tmp_path: Path, clock: SimClock, path: str) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        open_outbox(tmp_path / path, clock)

    assert "\n" not in str(caught.value)
    assert path in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_write_permission_is_told_in_one_line(tmp_path: Path, clock: SimClock) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)

    with pytest.raises(ConfigurationError, match="Permission denied"):
        open_outbox(locked / "outbox", clock)


def test_captures_survive_closing_and_leases_of_the_past_come_back_doubtful(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        for number in range(3):
            outbox.commit(capture_of(number))
        outbox.lease(limit=1, duration_s=3600.0)
        second = outbox.lease(limit=1, duration_s=3600.0)[0]
        outbox.mark_delivered(second, ["77"])

    with open_outbox(directory, clock, settle_s=5.0) as outbox:
        assert outbox.stats().counts == {CaptureState.PENDING: 2, CaptureState.DELIVERED: 1}
        # What was being sent waits a little: the receiver may still be busy with it.
        assert [(c.id, c.maybe_sent) for c in outbox.lease(limit=5, duration_s=LEASE_S)] == [(capture_of(2).id, False)]
        clock.advance(5.1)
        (returned,) = outbox.lease(limit=5, duration_s=LEASE_S)
        assert (returned.id, returned.maybe_sent, returned.attempts) == (capture_of(0).id, True, 1)
        assert returned.jpeg == capture_of(0).jpeg


def test_fairness_goes_on_after_opening_again(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        for number, camera in enumerate(["a", "a", "b", "b"]):
            capture = capture_of(number)
            outbox.commit(
                Capture(**{f: getattr(capture, f) for f in Capture.__slots__} | {"camera_id": CameraId(camera)})
            )
        outbox.lease(limit=1, duration_s=LEASE_S)

    with open_outbox(directory, clock) as outbox:
        assert outbox.lease(limit=1, duration_s=LEASE_S)[0].camera_id == "b"


def test_setting_the_wall_clock_ends_no_lease_and_delays_no_retry(directory: Path) -> None:
    class SetClock(SimClock):
        offset = timedelta()

        def utc(self) -> datetime:
            return super().utc() + self.offset

    clock = SetClock()
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))
        leased = outbox.lease(limit=1, duration_s=LEASE_S)[0]
        clock.offset = timedelta(days=1)
        assert outbox.lease(limit=1, duration_s=LEASE_S) == []
        outbox.retry_later(leased, delay_s=30.0, reason="")
        clock.offset = timedelta(days=-1)
        clock.advance(30.1)
        assert len(outbox.lease(limit=1, duration_s=LEASE_S)) == 1

    # The next process starts with a clock that is a day behind: nothing waits for a day.
    with open_outbox(directory, clock) as outbox:
        due_s = outbox.next_due_s()
        assert due_s is not None
        assert due_s <= 600.0


def test_pictures_without_a_row_are_removed_and_strange_files_are_not(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))
    (kept,) = pictures_of(directory)
    orphans = [f"{2:032x}.0123abcd.jpg", f"{3:032x}.0123abcd.jpg.part"]
    for name in [*orphans, "notes.txt"]:
        (directory / "pictures" / name).write_bytes(b"x")

    with open_outbox(directory, clock) as outbox:
        assert [path.name for path in pictures_of(directory)] == sorted([kept.name, "notes.txt"])
        assert len(outbox.lease(limit=5, duration_s=LEASE_S)) == 1


def test_the_picture_of_a_delivered_capture_is_deleted_at_once_or_at_the_next_opening(
    directory: Path, clock: SimClock
) -> None:
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))
        (picture,) = pictures_of(directory)
        outbox.mark_delivered(outbox.lease(limit=1, duration_s=LEASE_S)[0], ["1"])
        assert pictures_of(directory) == []

    picture.write_bytes(b"as if the process had died between the row and the file")
    with open_outbox(directory, clock):
        assert pictures_of(directory) == []


def test_missing_and_cut_pictures_are_dead_when_opened_and_changed_ones_when_leased(
    directory: Path, clock: SimClock
) -> None:
    with open_outbox(directory, clock) as outbox:
        for number in range(4):
            outbox.commit(capture_of(number))
    missing, cut, changed, good = pictures_of(directory)
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-1])
    changed.write_bytes(b"?" * len(changed.read_bytes()))

    with open_outbox(directory, clock) as outbox:
        reasons = {entry.track_id: entry.reason for entry in outbox.entries(state=CaptureState.DEAD)}
        assert reasons == {
            0: "its picture is missing",
            1: "its picture is damaged: 999 bytes found, 1000 written",
        }
        assert [capture.id for capture in outbox.lease(limit=5, duration_s=LEASE_S)] == [good.name[:32]]
        assert [entry.track_id for entry in outbox.entries(state=CaptureState.DEAD)] == [0, 1, 2]


@contextmanager
def file_size_limit(limit_bytes: int) -> Iterator[None]:
    """Make the kernel refuse to grow any file beyond the limit: a full disk that every file system has."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_picture_that_the_disk_does_not_take_leaves_nothing_behind(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))
        before = pictures_of(directory)
        with file_size_limit(1_000_000), pytest.raises(OutboxUnavailable, match="cannot be written"):
            outbox.commit(capture_of(2, jpeg=bytes(2_000_000)))

        assert pictures_of(directory) == before
        outbox.commit(capture_of(2, jpeg=bytes(2_000_000)))
        assert outbox.stats().counts == {CaptureState.PENDING: 2}


def test_a_row_that_the_disk_does_not_take_leaves_nothing_behind(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))
        before = pictures_of(directory)
        wal_bytes = (directory / "outbox.sqlite3-wal").stat().st_size
        with file_size_limit(wal_bytes), pytest.raises(OutboxUnavailable, match="cannot be used"):
            outbox.commit(capture_of(2))

        assert pictures_of(directory) == before
        assert outbox.stats().counts == {CaptureState.PENDING: 1}
        outbox.commit(capture_of(2))
    with open_outbox(directory, clock) as outbox:
        assert outbox.stats().counts == {CaptureState.PENDING: 2}


def test_space_is_left_for_delivering_what_waits(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))
    with SqliteOutbox(directory, clock, free_bytes_min=1 << 60) as outbox:
        with pytest.raises(OutboxUnavailable, match="disk is full"):
            outbox.commit(capture_of(2))
        outbox.mark_delivered(outbox.lease(limit=1, duration_s=LEASE_S)[0], ["1"])
        assert outbox.stats().unsent == 0


def test_readers_do_not_wait_for_a_transaction(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))
        with outbox._database.transaction("commit") as connection:
            connection.execute("UPDATE capture SET reason = 'half done'")
            assert outbox.stats().unsent == 1
            assert outbox.next_due_s() == 0.0
            assert outbox.entries()[0].reason == ""


def delete_and_fail(outbox: SqliteOutbox) -> None:
    with outbox._database.transaction("commit") as connection:
        connection.execute("DELETE FROM capture")
        connection.execute("INSERT INTO camera VALUES ('x', 1), ('x', 2)")


def test_a_transaction_that_fails_in_the_middle_changes_nothing(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))
        with pytest.raises(sqlite3.IntegrityError):
            delete_and_fail(outbox)
        assert outbox.stats().unsent == 1
        outbox.commit(capture_of(2))


def test_commits_are_durable(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox, outbox._database.transaction("commit") as connection:
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_file_of_a_newer_vigia_is_left_alone(directory: Path, clock: SimClock) -> None:
    open_outbox(directory, clock).close()
    with closing(sqlite3.connect(directory / "outbox.sqlite3")) as connection:
        connection.execute(f"PRAGMA user_version = {INTERIM_VERSION + 1}")

    with pytest.raises(ConfigurationError, match="newer vigia"):
        open_outbox(directory, clock)


def test_a_database_of_somebody_else_is_left_alone(directory: Path, clock: SimClock) -> None:
    directory.mkdir(parents=True)
    with closing(sqlite3.connect(directory / "outbox.sqlite3")) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")

    with pytest.raises(ConfigurationError, match="not an outbox"):
        open_outbox(directory, clock)


def test_migrations_run_in_order_once_and_a_failed_one_leaves_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite3"
    newest = len(MIGRATIONS)
    another = "ALTER TABLE capture ADD COLUMN colour TEXT NOT NULL DEFAULT 'grey';"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert migrate(connection, path) == 0
        assert migrate(connection, path) == newest
        broken = (*MIGRATIONS, another + "DROP TABLE nowhere;")
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            migrate(connection, path, migrations=broken)
        assert connection.execute("PRAGMA user_version").fetchone()[0] == newest
        assert migrate(connection, path, migrations=(*MIGRATIONS, another)) == newest
        assert connection.execute("PRAGMA user_version").fetchone()[0] == newest + 1
        assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
        columns = [row[1] for row in connection.execute("PRAGMA table_info(capture)")]
        assert columns[-1] == "colour"


def test_damaged_pages_are_told_when_opened(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        for number in range(30):
            outbox.commit(capture_of(number))
    database = directory / "outbox.sqlite3"
    content = bytearray(database.read_bytes())
    content[4096:] = bytes(b ^ 0x5A for b in content[4096:])
    database.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"damaged|cannot be used"):
        open_outbox(directory, clock)


@pytest.mark.parametrize(
    "change",
    [
        {"id": CaptureId("../../etc/passwd")},
        {"id": CaptureId("A" * 32)},
        {"at_utc": datetime(2026, 1, 5)},  # noqa: DTZ001 - the point of the test
        {"details": {"x": float("nan")}},
    ],
)
def test_a_capture_that_cannot_be_stored_truly_is_refused_before_anything_is_written(
    directory: Path, clock: SimClock, change: dict[str, object]
) -> None:
    capture = capture_of(1)
    with open_outbox(directory, clock) as outbox:
        with pytest.raises(ValueError, match=r"."):
            outbox.commit(Capture(**{f: getattr(capture, f) for f in Capture.__slots__} | change))
        assert pictures_of(directory) == []
        assert outbox.entries() == []


def test_the_real_clock_works_too(directory: Path) -> None:
    with SqliteOutbox(directory, SystemClock(), free_bytes_min=0) as outbox:
        outbox.commit(capture_of(1))
        assert len(outbox.lease(limit=1, duration_s=LEASE_S)) == 1
        due_s = outbox.next_due_s()
        assert due_s is not None
        assert 0.0 < due_s <= LEASE_S
