"""The newest captures are found by an index that holds all that may be asked for, in older outboxes too."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from vigia.infrastructure.outbox import SqliteOutbox
from vigia.infrastructure.outbox.desk import _NEWEST
from vigia.testing.sim_clock import SimClock

OF_VERSION_1 = Path(__file__).parent.parent / "data" / "outbox_v1"


@pytest.mark.parametrize("upgraded", [False, True])
@pytest.mark.parametrize("asked", [{}, {"camera": "gate"}, {"state": "dead", "quality": 0.9}])
def test_no_row_is_read_that_is_not_told(tmp_path: Path, asked: dict[str, object], *, upgraded: bool) -> None:
    directory = tmp_path / "outbox"
    if upgraded:
        shutil.copytree(OF_VERSION_1, directory)
    with closing(SqliteOutbox(directory, SimClock(), free_bytes_min=0)) as outbox:
        kept = [entry.seq for entry in outbox.entries()]
        assert [entry.seq for entry in outbox.newest(limit=100)] == kept[::-1]
    places = {"before": 2**63 - 1, "state": None, "camera": None, "quality": None, "limit": 60} | asked
    with closing(sqlite3.connect(directory / "outbox.sqlite3")) as connection:
        plan = " | ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {_NEWEST}", places))
    assert "USING COVERING INDEX capture_newest (seq<?)" in plan
    assert "USING INTEGER PRIMARY KEY (rowid=?)" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan
