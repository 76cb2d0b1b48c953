"""The outbox on SQLite: older files, a second opener, verification, upkeep in parts, and faults at every write."""

import errno
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from outbox_rigs import age_file, capture_id_of, capture_of
from vigia.application.errors import ConfigurationError, OutboxUnavailable
from vigia.application.ports import Damage, OutboxTally
from vigia.domain.capture import CaptureState, LeasedCapture
from vigia.domain.outbox_policy import DAY_S, GivenUp, OutboxPolicy, WhenFull
from vigia.infrastructure.outbox import SqliteOutbox, upkeep
from vigia.infrastructure.outbox.fault_points import FAULT_POINTS, PICTURE_STEPS, TRANSACTIONS, FaultPoint, no_fault
from vigia.infrastructure.outbox.schema import MIGRATIONS
from vigia.infrastructure.outbox.sqlite_outbox import OWED_MAX
from vigia.infrastructure.outbox.verification import ORPHAN_AGE_S
from vigia.testing.sim_clock import SimClock

LEASE_S = 60.0
OF_VERSION_1 = Path(__file__).parent.parent / "data" / "outbox_v1"
"""Made by the vigia whose outbox had version 1, and left as ``kill -9`` left it."""


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def open_outbox(
    directory: Path,
    clock: SimClock,
    *,
    policy: OutboxPolicy | None = None,
    fault_point: FaultPoint = no_fault,
    beside: bool = False,
) -> SqliteOutbox:
    return SqliteOutbox(directory, clock, policy=policy, free_bytes_min=0, fault_point=fault_point, beside=beside)


def pictures_of(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "pictures").iterdir())


def lease_one(outbox: SqliteOutbox) -> LeasedCapture:
    (leased,) = outbox.lease(limit=1, duration_s=LEASE_S)
    return leased


# Older files


def test_an_outbox_of_version_1_is_brought_up_to_date_and_nothing_is_lost(directory: Path, clock: SimClock) -> None:
    shutil.copytree(OF_VERSION_1, directory)

    with open_outbox(directory, clock) as outbox:
        entries = {entry.track_id: entry for entry in outbox.entries()}
        assert {number: entry.state for number, entry in entries.items()} == {
            2: CaptureState.DELIVERED,  # 1 was delivered too, and is counted only
            3: CaptureState.REFUSED,
            4: CaptureState.DEAD,
            **dict.fromkeys((5, 6, 7, 8), CaptureState.PENDING),
        }
        assert entries[4].code is GivenUp.DELIVERY
        assert entries[4].reason == "given up after 20 failures"
        assert entries[5].maybe_sent
        stats = outbox.stats()
        assert stats.counts == {
            CaptureState.DELIVERED: 2,
            CaptureState.REFUSED: 1,
            CaptureState.DEAD: 1,
            CaptureState.PENDING: 4,
        }
        assert stats.bytes_on_disk == 6 * 102
        assert outbox.tally() == OutboxTally()
        assert outbox.verify().sound
        assert not entries[2].picture_kept
        outbox.put_back(capture_id_of(4), expected=CaptureState.DEAD)
        clock.advance(60.0)
        leased = outbox.lease(limit=10, duration_s=LEASE_S)
        assert sorted(int(capture.id, 16) for capture in leased) == [4, 5, 6, 7, 8]
        assert all(capture.jpeg == b"\xff\xd8" + bytes([int(capture.id, 16)]) * 100 for capture in leased)


def test_the_days_of_captures_from_an_older_file_begin_with_the_new_version(directory: Path, clock: SimClock) -> None:
    shutil.copytree(OF_VERSION_1, directory)
    policy = OutboxPolicy(delivered_days=1.0, refused_days=1.0, dead_days=1.0)

    with open_outbox(directory, clock, policy=policy) as outbox:
        assert outbox.sweep().forgotten == {}


def test_an_older_file_is_not_opened_beside_a_running_vigia(directory: Path, clock: SimClock) -> None:
    shutil.copytree(OF_VERSION_1, directory)

    with pytest.raises(ConfigurationError, match=f"version 1 and this vigia knows {len(MIGRATIONS)}"):
        open_outbox(directory, clock, beside=True)


# Beside a running vigia


def test_a_person_looks_and_acts_beside_a_running_vigia(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as running:
        for number in range(1, 5):
            running.commit(capture_of(number))
        running.mark_dead(lease_one(running), "given up")
        held = lease_one(running)
        orphan = directory / "pictures" / f"{9:032x}.0123abcd.jpg"
        orphan.write_bytes(b"a commit that goes on")

        with open_outbox(directory, clock, beside=True) as person:
            assert [entry.state for entry in person.entries()] == ["dead", "leased", "pending", "pending"]
            assert person.picture(capture_id_of(3)) == capture_of(3).jpeg
            person.put_back(capture_id_of(1), expected=CaptureState.DEAD)
            person.drop(capture_id_of(4), expected=CaptureState.PENDING)

        assert orphan.exists()
        running.mark_delivered(held, ["1"])
        assert [int(c.id, 16) for c in running.lease(limit=9, duration_s=LEASE_S)] == [1, 3]
        assert running.tally() == OutboxTally(put_back=1, dropped=1)


def test_beside_nothing_there_is_nothing(directory: Path, clock: SimClock) -> None:
    with pytest.raises(ConfigurationError, match="there is no outbox in"):
        open_outbox(directory, clock, beside=True)
    assert not directory.exists()


# Verification


def test_verify_tells_orphans_and_foreign_files_and_removes_only_old_orphans(directory: Path, clock: SimClock) -> None:
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))
        folder = directory / "pictures"
        old = folder / f"{2:032x}.0123abcd.jpg"
        half = folder / f"{3:032x}.0123abcd.jpg.part"
        young = folder / f"{4:032x}.0123abcd.jpg"
        foreign = folder / "notes.txt"
        for path, age_s in ((old, ORPHAN_AGE_S), (half, 9e9), (young, ORPHAN_AGE_S - 1.0), (foreign, 9e9)):
            path.write_bytes(b"x")
            age_file(path, clock, age_s=min(age_s, 1e8))

        report = outbox.verify()
        assert {(finding.damage, finding.name) for finding in report.findings} == {
            (Damage.ORPHAN, old.name),
            (Damage.ORPHAN, half.name),
            (Damage.FOREIGN, foreign.name),
        }
        assert (report.checked, report.sound) == (1, False)
        assert old.exists()

        outbox.verify(repair=True)

        assert not old.exists()
        assert not half.exists()
        assert young.exists()
        assert foreign.exists()
        report = outbox.verify()
        assert report.sound
        assert report.counts[Damage.FOREIGN] == 1


# Upkeep in parts


@pytest.fixture
def small_sweeps(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(upkeep, "SWEEP_MAX", 2)
    return 2


def sweeps(outbox: SqliteOutbox) -> int:
    """Sweep until nothing is left; how often there was more."""
    for number in range(100):
        if not outbox.sweep().more:
            return number
    raise AssertionError("the sweep never ends")


def test_a_sweep_does_a_bounded_part_and_says_that_there_is_more(
    directory: Path, clock: SimClock, small_sweeps: int
) -> None:
    with open_outbox(directory, clock, policy=OutboxPolicy(age_max_s=10.0, dead_days=1.0)) as outbox:
        for number in range(5):
            outbox.commit(capture_of(number))
        clock.advance(10.0)

        assert outbox.sweep().expired == small_sweeps
        assert sweeps(outbox) == 1
        assert outbox.stats().kept == {CaptureState.DEAD: 5}
        clock.advance(DAY_S)
        assert sweeps(outbox) == 2
        assert (outbox.stats().kept, outbox.stats().counts) == ({}, {CaptureState.DEAD: 5})
        assert pictures_of(directory) == []


@pytest.mark.parametrize("lowered", [OutboxPolicy(captures_max=3), OutboxPolicy(bytes_max=3 * 102)])
def test_limits_that_were_lowered_are_reached_by_sweeping(
    directory: Path, clock: SimClock, small_sweeps: int, lowered: OutboxPolicy
) -> None:
    with open_outbox(directory, clock) as outbox:
        for number in range(9):
            outbox.commit(capture_of(number))

    with open_outbox(directory, clock, policy=lowered) as outbox:
        assert sweeps(outbox) == 0
        assert outbox.stats().unsent == 9  # what waits is given up only where that was chosen
    with open_outbox(directory, clock, policy=replace(lowered, when_full=WhenFull.OLDEST)) as outbox:
        assert sweeps(outbox) == 6 / small_sweeps
        assert [entry.track_id for entry in outbox.entries(state=CaptureState.PENDING)] == [6, 7, 8]
        assert outbox.tally().given_up == {GivenUp.OUTBOX_FULL: 6}
        assert len(pictures_of(directory)) == 3


def test_rows_without_a_picture_have_an_end(directory: Path, clock: SimClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "BARE_KEPT", 2)
    policy = OutboxPolicy(captures_max=1, when_full=WhenFull.OLDEST, dead_days=0.0)
    with open_outbox(directory, clock, policy=policy) as outbox:
        for number in range(6):
            outbox.commit(capture_of(number))
        assert outbox.stats().kept[CaptureState.DEAD] == 5

        assert outbox.sweep().forgotten == {CaptureState.DEAD: 3}

        assert [entry.track_id for entry in outbox.entries()] == [3, 4, 5]
        assert outbox.stats().counts[CaptureState.DEAD] == 5


def test_counts_that_triggers_keep_are_those_of_the_rows(directory: Path, clock: SimClock) -> None:
    policy = OutboxPolicy(bytes_max=4 * 102, when_full=WhenFull.OLDEST, delivered_kept=1)
    with open_outbox(directory, clock, policy=policy) as outbox:
        for number in range(9):
            outbox.commit(capture_of(number))
            if number % 2:
                outbox.mark_delivered(lease_one(outbox), ["1"])
        with outbox._database.reading() as connection:
            kept = connection.execute("SELECT state, captures, bytes FROM usage WHERE captures > 0").fetchall()
            counted = connection.execute(
                "SELECT state, count(*), sum(file_bytes * picture_kept) FROM capture GROUP BY state"
            ).fetchall()
        assert sorted(map(tuple, kept)) == sorted(map(tuple, counted))


# Faults at every write


class Faults:
    """Notes which points are passed, and raises at one of them."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.at = ""

    def __call__(self, name: str) -> None:
        self.seen.append(name)
        if name == self.at:
            if name.startswith("picture."):
                raise OSError(errno.EIO, "Input/output error")
            raise sqlite3.OperationalError("disk I/O error")


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def faulty(directory: Path, clock: SimClock, faults: Faults) -> Iterator[SqliteOutbox]:
    """Captures 1 pending, 2 dead, 3 leased; age limit 1000 s."""
    with open_outbox(directory, clock, policy=OutboxPolicy(age_max_s=1000.0), fault_point=faults) as outbox:
        for number in (2, 3, 1):
            outbox.commit(capture_of(number))
        outbox.mark_dead(lease_one(outbox), "given up")
        yield outbox


def test_a_commit_passes_its_points_in_order(faulty: SqliteOutbox, faults: Faults) -> None:
    faults.seen.clear()

    faulty.commit(capture_of(7))

    steps = [step for step in PICTURE_STEPS if step != "remove"]
    assert faults.seen == [
        *(f"picture.{step}.{when}" for step in steps for when in ("before", "after")),
        "commit.before",
        "commit.written",
        "commit.after",
    ]


def test_every_point_is_passed_by_somebody(directory: Path, clock: SimClock, faults: Faults) -> None:
    policy = OutboxPolicy(age_max_s=1000.0)
    with open_outbox(directory, clock, policy=policy, fault_point=faults) as outbox:
        for number in range(6):
            outbox.commit(capture_of(number))
        outbox.mark_delivered(lease_one(outbox), ["1"])
        outbox.mark_refused(lease_one(outbox), "no_face")
        outbox.mark_dead(lease_one(outbox), "given up")
        outbox.retry_later(lease_one(outbox), delay_s=0.0, reason="later")
        outbox.put_back(capture_id_of(2), expected=CaptureState.DEAD)
        outbox.drop(capture_id_of(2), expected=CaptureState.PENDING)
        outbox.sweep()
        next((directory / "pictures").glob(f"{capture_id_of(5)}.*")).unlink()
        outbox.verify(repair=True)
        outbox._make_space(1)

    assert set(faults.seen) == set(FAULT_POINTS)


@pytest.mark.parametrize(
    "point", [name for name in FAULT_POINTS if name.startswith("picture.") and "remove" not in name]
)
def test_a_commit_that_fails_at_its_picture_leaves_nothing(
    directory: Path, faulty: SqliteOutbox, faults: Faults, point: str
) -> None:
    before = pictures_of(directory)
    faults.at = point
    with pytest.raises(OutboxUnavailable, match="Input/output error"):
        faulty.commit(capture_of(7))

    assert pictures_of(directory) == before
    assert faulty.entry(capture_id_of(7)) is None
    faults.at = ""
    faulty.commit(capture_of(7))
    assert faulty.picture(capture_id_of(7)) == capture_of(7).jpeg


def transactions(outbox: SqliteOutbox, clock: SimClock) -> dict[str, Callable[[], object]]:
    leased = lease_one(outbox)
    clock.advance(1000.0)
    return {
        "commit": lambda: outbox.commit(capture_of(7)),
        "make_room": lambda: outbox._make_space(1),
        "lease": lambda: outbox.lease(limit=1, duration_s=LEASE_S),
        "delivered": lambda: outbox.mark_delivered(leased, ["1"]),
        "refused": lambda: outbox.mark_refused(leased, "no_face"),
        "dead": lambda: outbox.mark_dead(leased, "given up"),
        "retry": lambda: outbox.retry_later(leased, delay_s=1.0, reason="later"),
        "put_back": lambda: outbox.put_back(capture_id_of(2), expected=CaptureState.DEAD),
        "drop": lambda: outbox.drop(capture_id_of(2), expected=CaptureState.DEAD),
        "sweep": outbox.sweep,
    }


@pytest.mark.parametrize("when", ["before", "written"])
@pytest.mark.parametrize("name", [name for name in TRANSACTIONS if name not in {"recover", "repair"}])
def test_a_transaction_that_fails_changes_nothing_and_succeeds_later(
    directory: Path, clock: SimClock, faulty: SqliteOutbox, faults: Faults, name: str, when: str
) -> None:
    call = transactions(faulty, clock)[name]

    def books() -> tuple[object, ...]:
        return faulty.entries(), faulty.stats(), faulty.tally(), pictures_of(directory)

    before = books()
    faults.at = f"{name}.{when}"
    with pytest.raises(OutboxUnavailable, match="disk I/O error"):
        call()
    assert books() == before

    faults.at = ""
    call()
    assert books() != before


def test_a_picture_that_cannot_be_deleted_is_removed_at_the_next_opening(
    directory: Path, clock: SimClock, faulty: SqliteOutbox, faults: Faults, caplog: pytest.LogCaptureFixture
) -> None:
    leased = lease_one(faulty)
    faults.at = "picture.remove.before"
    faulty.mark_delivered(leased, ["1"])

    assert faulty.entry(leased.id).state is CaptureState.DELIVERED  # type: ignore[union-attr]
    faulty.close()
    assert "cannot be deleted" in caplog.text
    assert len(pictures_of(directory)) == 3
    with open_outbox(directory, clock):
        assert len(pictures_of(directory)) == 2


def test_recovery_that_fails_is_told_and_tried_again(directory: Path, clock: SimClock, faults: Faults) -> None:
    with open_outbox(directory, clock) as outbox:
        outbox.commit(capture_of(1))
        lease_one(outbox)
    faults.at = "recover.written"
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        open_outbox(directory, clock, fault_point=faults)
    with closing(sqlite3.connect(directory / "outbox.sqlite3")) as connection:
        assert connection.execute("SELECT state FROM capture").fetchall() == [("leased",)]

    with open_outbox(directory, clock) as outbox:
        assert outbox.stats().counts == {CaptureState.PENDING: 1}


def test_while_others_wait_delivered_pictures_go_together_with_the_next_durable_write(
    directory: Path, clock: SimClock
) -> None:
    """A power cut may then forget that they were delivered: they must still be there to be looked up."""
    count = OWED_MAX + 3
    with open_outbox(directory, clock) as outbox:
        for number in range(1, count + 1):
            outbox.commit(capture_of(number))
        leased = outbox.lease(limit=count, duration_s=60.0)
        kept = []
        for capture in leased:
            outbox.mark_delivered(capture, ["1"])
            kept.append(len(pictures_of(directory)))
        assert kept[: OWED_MAX - 1] == [count] * (OWED_MAX - 1)
        assert kept[OWED_MAX - 1] == count - OWED_MAX
        assert kept[-1] == 0, "nothing waits any more: all are gone at once"
