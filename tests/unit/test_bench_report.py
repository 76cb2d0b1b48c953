"""What ``vigia bench`` writes: tables, JSON, charts and what became of each promise."""

import importlib.util
import json
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from vigia.bench.machine import MachineFacts
from vigia.bench.plot import draw
from vigia.bench.promises import PROMISES
from vigia.bench.registry import BENCHES
from vigia.bench.report import (
    HELD,
    MISSED,
    NOT_MEASURED,
    Outcome,
    outcome_text,
    promise_rows,
    summary_text,
    table_text,
    write_outcome,
    write_summary,
)
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Table, Verdict

MACHINE = MachineFacts("A CPU", 2, 8 * 2**30, "Linux 6", "3.11.7", {"av": "18"}, load_1min=0.1, busy_share=0.01)
BARS = Chart(
    "bars",
    ChartKind.BARS,
    "µs",
    (Series("p50", (1.0, 20.0), (0.5, 10.0), (2.0, 30.0)), Series("max", (9.0, 2000.0))),
    categories=("one", "two"),
    logarithmic=True,
    marks={"promised": 5.0},
)
LINES = Chart("lines", ChartKind.LINES, "fps", (Series("a", (1.0, 2.0, 3.0)),), positions=(1.0, 2.0, 4.0), x_label="n")
RESULT = BenchResult(
    "lock",
    "a title",
    (Table("holds", ("what", "µs"), (("ours", "7.1"), ("coarse lock", "1000.0"))),),
    BARS,
    verdicts=(Verdict("lock", "p99 7.1 µs", held=True),),
    data={"p99": np.float64(7.1), "n": np.int64(3)},
    notes=("a note",),
)


def outcome(name: str = "lock", result: BenchResult | None = RESULT, failure: str = "") -> Outcome:
    entry = next(entry for entry in BENCHES if entry.name == name)
    return Outcome(entry, MACHINE, datetime(2026, 1, 2, 3, 4, tzinfo=UTC), True, 12.3, result, failure)


def test_names_are_left_and_numbers_right() -> None:
    assert table_text(RESULT.tables[0]).splitlines() == [
        "holds",
        "what             µs",
        "-----------  ------",
        "ours            7.1",
        "coarse lock  1000.0",
    ]


def test_every_promise_has_a_row_in_order() -> None:
    missed = replace(RESULT, verdicts=(Verdict("http", "40 %", held=False),))
    rows = promise_rows([outcome(), outcome("http", missed), outcome("gc", None, "ended with 1")])
    assert [row["id"] for row in rows] == [promise.id for promise in PROMISES]
    states = {row["id"]: (row["state"], row["measured"]) for row in rows}
    assert states.pop("lock") == (HELD, "p99 7.1 µs")
    assert states.pop("http") == (MISSED, "40 %")
    assert set(states.values()) == {(NOT_MEASURED, "")}


def test_the_summary_counts_and_tells_failures_in_a_line() -> None:
    text = summary_text([outcome(), outcome("gc", None, "ended with 1; see gc.log\nTraceback")], MACHINE)
    assert f"1 held, 0 missed, {len(PROMISES) - 1} not measured" in text
    assert "failed: gc: ended with 1; see gc.log\n" in text
    assert "Traceback" not in text
    assert "quick run" in text


def test_one_benchmark_is_written_in_three_ways(tmp_path: Path) -> None:
    write_outcome(outcome(), tmp_path)
    text = (tmp_path / "lock.txt").read_text(encoding="utf-8")
    assert text == outcome_text(outcome())
    for part in ("a title", "coarse lock", "held: ", "p99 7.1 µs", "- a note", "A CPU", "2026-01-02 03:04 UTC, quick"):
        assert part in text
    document = json.loads((tmp_path / "lock.json").read_text(encoding="utf-8"))
    assert document["data"] == {"p99": 7.1, "n": 3}
    assert (document["mode"], document["date_utc"], document["failure"]) == ("quick", "2026-01-02T03:04:00+00:00", None)
    assert document["machine"]["cores"] == 2
    assert document["verdicts"] == [{"promise": "lock", "measured": "p99 7.1 µs", "held": True}]
    assert png_size(tmp_path / "lock.png") >= (900, 500)


def test_a_failure_leaves_no_chart_of_an_earlier_run(tmp_path: Path) -> None:
    write_outcome(outcome(), tmp_path)
    write_outcome(outcome(result=None, failure="ended with 1"), tmp_path)
    assert not (tmp_path / "lock.png").exists()
    assert "FAILED: ended with 1" in (tmp_path / "lock.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "broken", [replace(RESULT, data={"x": object()}), replace(RESULT, chart=replace(BARS, categories=("one",)))]
)
def test_what_cannot_be_written_is_a_failure(tmp_path: Path, broken: BenchResult) -> None:
    written = write_outcome(outcome(result=broken), tmp_path)
    assert written.result is None
    assert "cannot be written" in written.failure
    assert json.loads((tmp_path / "lock.json").read_text(encoding="utf-8"))["failure"] == written.failure
    assert not (tmp_path / "lock.png").exists()


def test_the_summary_is_written_for_programs_too(tmp_path: Path) -> None:
    write_summary([outcome()], MACHINE, tmp_path)
    document = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert [row["state"] for row in document["promises"] if row["id"] == "lock"] == [HELD]
    assert [(one["name"], one["failure"]) for one in document["benchmarks"]] == [("lock", None)]


def png_size(path: Path) -> tuple[int, int]:
    head = path.read_bytes()[:24]
    assert head.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def test_lines_are_drawn(tmp_path: Path) -> None:
    draw(LINES, tmp_path / "lines.png")
    assert png_size(tmp_path / "lines.png") >= (900, 500)


@pytest.mark.parametrize("series", [Series("short", (1.0,)), Series("range", (1.0, 2.0), (1.0,), (2.0,))])
def test_a_series_that_does_not_fit_its_chart_is_refused(tmp_path: Path, series: Series) -> None:
    with pytest.raises(ValueError, match=series.label):
        draw(replace(BARS, series=(series,)), tmp_path / "x.png")


@pytest.mark.parametrize(
    ("busy_share", "load_1min", "by_load", "told"),
    [(0.01, 0.1, True, ""), (0.5, 0.1, False, "50%"), (0.01, 1.5, True, "load average 1.5"), (0.01, 1.5, False, "")],
)
def test_a_busy_machine_is_told(busy_share: float, load_1min: float, by_load: bool, told: str) -> None:
    warning = replace(MACHINE, busy_share=busy_share, load_1min=load_1min).warning(by_load=by_load)
    assert (warning is None) == (not told)
    assert told in (warning or "")


def test_every_promise_has_a_benchmark_and_every_benchmark_a_module() -> None:
    assert {promise.benchmark for promise in PROMISES} <= {entry.name for entry in BENCHES}
    assert [entry.module for entry in BENCHES if importlib.util.find_spec(entry.module) is None] == []
