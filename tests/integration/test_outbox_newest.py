"""The newest captures are found without walking through all of them, and the indices for it are no new version."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from vigia.application.errors import ConfigurationError
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureState
from vigia.infrastructure.outbox import SqliteOutbox
from vigia.infrastructure.outbox.desk import newest_text
from vigia.infrastructure.outbox.schema import INDICES, INTERIM_VERSION, MIGRATIONS, index_names
from vigia.testing.sim_clock import SimClock

OF_VERSION_1 = Path(__file__).parent.parent / "data" / "outbox_v1"
VERSION = 2
"""What vigias without these indices know."""
ROWS, FEW = 20_000, 20
STEPS_EVERY = 10
STEPS_MAX = 10_000
"""Of SQLite's machine: some hundred for each row told. To look at every row takes five and more for each of them."""
FILL = f"""
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS})
INSERT INTO capture (id, camera_id, track_id, at_utc, box_xyxy, roi_ltrb, width, height, quality, details, file,
                     file_bytes, size_bytes, sha256, state, due_at, committed_at, ended_at, picture_kept)
SELECT printf('%032x', n), CASE WHEN n <= {FEW} THEN 'rare' ELSE 'cam' || (n % 4) END, n,
       '2026-01-05T08:00:00+00:00',
       '[0, 0, 9, 9]', '[0, 0, 9, 9]', 64, 48, CASE WHEN n <= {FEW} THEN 0.95 ELSE 0.5 END, '{{}}', 'gone', 0, 0, '',
       CASE WHEN n <= {FEW} THEN 'refused' ELSE 'delivered' END, 0, n, n, 0
FROM numbers
"""  # noqa: S608 - constant text; the few are the oldest: whoever walks from the newest meets all the others first


def directory_of(kind: str, tmp_path: Path) -> Path:
    """An outbox as another vigia left it."""
    directory = tmp_path / "outbox"
    if kind == "version 1":
        shutil.copytree(OF_VERSION_1, directory)
        return directory
    open_outbox(directory).close()
    if kind != "new":
        with database(directory) as connection:
            for name in {"version 2": list(INDICES), "interim": ["capture_of_camera"]}.get(kind, []):
                connection.execute(f"DROP INDEX {name}")
            connection.execute(f"PRAGMA user_version = {VERSION if kind == 'version 2' else INTERIM_VERSION}")
    return directory


KINDS = ["new", "version 1", "version 2", "interim", "interim with all of them"]


def open_outbox(directory: Path, *, beside: bool = False) -> SqliteOutbox:
    return SqliteOutbox(directory, SimClock(), free_bytes_min=0, beside=beside)


def database(directory: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(directory / "outbox.sqlite3", isolation_level=None))


@pytest.mark.parametrize("kind", KINDS)
def test_indices_are_made_and_the_version_stays_that_of_vigias_without_them(kind: str, tmp_path: Path) -> None:
    directory = directory_of(kind, tmp_path)
    for _ in range(2):
        open_outbox(directory).close()
        with database(directory) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == VERSION == len(MIGRATIONS)
            assert index_names(connection) >= INDICES.keys()


@pytest.mark.parametrize("kind", ["version 2", "interim"])
def test_a_file_is_opened_beside_a_vigia_without_these_indices(kind: str, tmp_path: Path) -> None:
    directory = directory_of(kind, tmp_path)
    with database(directory) as connection:
        connection.execute(FILL)
        before = index_names(connection)
    with open_outbox(directory, beside=True) as outbox:
        assert [entry.track_id for entry in outbox.newest(limit=2)] == [ROWS, ROWS - 1]
        assert [entry.track_id for entry in outbox.newest(limit=1, camera_id=CameraId("rare"))] == [FEW]
        assert [entry.track_id for entry in outbox.newest(limit=1, quality_min=0.9)] == [FEW]
    with database(directory) as connection:
        assert index_names(connection) == before


def test_a_newer_file_is_still_left_alone(tmp_path: Path) -> None:
    """The version after the interim one is a newer vigia's: only that one number is forgiven."""
    directory = directory_of("new", tmp_path)
    with database(directory) as connection:
        connection.execute(f"PRAGMA user_version = {INTERIM_VERSION + 1}")
    for beside in (False, True):
        with pytest.raises(ConfigurationError, match="version 4"):
            open_outbox(directory, beside=beside)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteOutbox]:
    directory = directory_of("version 1", tmp_path_factory.mktemp("newest"))
    with open_outbox(directory) as outbox:
        with database(directory) as connection:
            connection.execute("DELETE FROM capture")
            connection.execute(FILL)
        yield outbox


def steps_of(outbox: SqliteOutbox, **asked: Any) -> tuple[list[int], int]:
    """The captures told, and the steps that SQLite's machine took for them."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += STEPS_EVERY
        return 0

    with outbox._database.reading() as connection:
        connection.set_progress_handler(count, STEPS_EVERY)
    try:
        found = [entry.track_id for entry in outbox.newest(limit=60, **asked)]
    finally:
        with outbox._database.reading() as connection:
            connection.set_progress_handler(None, 0)
    return found, steps


@pytest.mark.parametrize(
    "asked",
    [
        {"state": CaptureState.REFUSED},
        {"state": CaptureState.DEAD},
        {"state": CaptureState.REFUSED, "quality_min": 0.9},
        {"camera_id": "rare"},
        {"camera_id": "rare", "state": CaptureState.REFUSED},
        {"camera_id": "rare", "state": CaptureState.DELIVERED},
        {"camera_id": "rare", "quality_min": 0.99},
        {"camera_id": "unknown"},
    ],
    ids=str,
)
def test_a_few_are_found_among_many_without_a_look_at_the_others(filled: SqliteOutbox, asked: dict[str, Any]) -> None:
    found, steps = steps_of(filled, **asked)
    unmet = asked.get("state", CaptureState.REFUSED) is not CaptureState.REFUSED or asked.get("quality_min", 0.0) > 0.95
    assert found == ([] if unmet or asked.get("camera_id") == "unknown" else list(range(FEW, 0, -1)))
    assert steps < STEPS_MAX


@pytest.mark.parametrize(
    "asked", [{}, {"state": CaptureState.DELIVERED}, {"camera_id": "cam1"}, {"quality_min": 0.5}], ids=str
)
@pytest.mark.parametrize("before", [None, ROWS // 2])
def test_a_page_of_many_costs_no_more_than_the_page(
    filled: SqliteOutbox, asked: dict[str, Any], before: int | None
) -> None:
    oldest = filled.entries(limit=1)[0].seq
    found, steps = steps_of(filled, before=None if before is None else oldest + before, **asked)
    assert len(found) == 60
    assert found[0] <= (ROWS if before is None else before)
    assert steps < STEPS_MAX


def test_the_measure_sees_who_walks_through_all(filled: SqliteOutbox) -> None:
    """A quality that nobody has is looked for in the whole index, and in the index only."""
    found, steps = steps_of(filled, quality_min=0.99)
    assert found == []
    assert steps > STEPS_MAX
    places = {"before": 2**62, "quality": 0.99, "limit": 60}
    with filled._database.reading() as connection:
        text = newest_text(["quality"], filled._database.indices)
        plan = " | ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", places))
    assert "USING COVERING INDEX capture_newest (seq<?)" in plan
    assert "TEMP B-TREE" not in plan
