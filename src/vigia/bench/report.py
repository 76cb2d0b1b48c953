"""Results as text and JSON, benchmark by benchmark, and the last table: what became of every promise."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from vigia.bench.machine import MachineFacts
from vigia.bench.promises import PROMISES
from vigia.bench.registry import BenchEntry
from vigia.bench.result import BenchResult, Table, Verdict

SUMMARY = "summary"
HELD, MISSED, NOT_MEASURED = "held", "missed", "not measured"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one benchmark: a result, or why there is none."""

    entry: BenchEntry
    machine: MachineFacts
    """Just before it began."""
    started_utc: datetime
    quick: bool
    elapsed_s: float
    result: BenchResult | None = None
    failure: str = ""
    """Empty when it did not fail."""
    notes: tuple[str, ...] = ()
    """The runner's own."""


def table_text(table: Table) -> str:
    """A table as lines: the first column left, the others right, two blanks between."""
    rows = (table.columns, *table.rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.columns))]
    lines = [table.title] if table.title else []
    for number, row in enumerate(rows):
        cells = (cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths)))  # noqa: B905 - a row that is too short is shown as far as it goes
        lines.append("  ".join(cells).rstrip())
        if not number:
            lines.append("  ".join("-" * width for width in widths))
    return "\n".join(lines)


def outcome_text(outcome: Outcome) -> str:
    """One benchmark for people: heading, tables, verdicts, notes, machine."""
    mode = "quick" if outcome.quick else "full"
    result = outcome.result
    heading = f"{outcome.entry.name}: {result.title if result is not None else outcome.entry.what}"
    parts = [f"{heading}\n{'=' * len(heading)}"]
    if result is not None:
        parts += [table_text(table) for table in result.tables]
        what = {promise.id: f"{promise.what}: wanted {promise.wanted}" for promise in PROMISES}
        verdicts = [
            f"{HELD if verdict.held else MISSED}: {what.get(verdict.promise, verdict.promise)}; got {verdict.measured}"
            for verdict in result.verdicts
        ]
        if verdicts:
            parts.append("\n".join(verdicts))
    if outcome.failure:
        parts.append(f"FAILED: {outcome.failure}")
    notes = [*outcome.notes, *(result.notes if result is not None else ())]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    parts.append(
        f"{outcome.machine.line()}\n"
        f"{outcome.started_utc:%Y-%m-%d %H:%M} UTC, {mode}, {outcome.elapsed_s:.0f} s, "
        f"load average {outcome.machine.load_1min:.2f} at the start"
    )
    return "\n\n".join(parts) + "\n"


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """One benchmark for programs."""
    result = outcome.result
    return {
        "name": outcome.entry.name,
        "title": result.title if result is not None else outcome.entry.what,
        "date_utc": outcome.started_utc.isoformat(timespec="seconds"),
        "mode": "quick" if outcome.quick else "full",
        "elapsed_s": round(outcome.elapsed_s, 1),
        "machine": outcome.machine.as_json(),
        "failure": outcome.failure or None,
        "tables": [asdict(table) for table in result.tables] if result is not None else [],
        "data": dict(result.data) if result is not None else {},
        "verdicts": [asdict(verdict) for verdict in result.verdicts] if result is not None else [],
        "notes": [*outcome.notes, *(result.notes if result is not None else ())],
    }


def write_outcome(outcome: Outcome, folder: Path) -> Outcome:
    """``NAME.txt``, ``NAME.json`` and, when there is a result, ``NAME.png`` in ``folder``.

    Returns:
        The outcome as it was written: failed, when its result holds what JSON or the chart cannot.

    Raises:
        OSError: the folder cannot be written.
    """
    try:
        _write(outcome, folder)
    except (TypeError, ValueError) as error:
        outcome = replace(outcome, result=None, failure=f"its result cannot be written: {error}")
        _write(outcome, folder)
    return outcome


def _write(outcome: Outcome, folder: Path) -> None:
    name = outcome.entry.name
    (folder / f"{name}.txt").write_text(outcome_text(outcome), encoding="utf-8")
    (folder / f"{name}.json").write_text(_json(outcome_json(outcome)), encoding="utf-8")
    chart = folder / f"{name}.png"
    chart.unlink(missing_ok=True)  # of an earlier run: it would pass for this one's
    if outcome.result is not None:
        from vigia.bench.plot import draw  # noqa: PLC0415 - of an optional extra; texts do without

        draw(outcome.result.chart, chart)


def promise_rows(outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """Every promise in order: id, benchmark, what, wanted, measured, and ``held``, ``missed`` or ``not measured``."""
    verdicts: dict[str, Verdict] = {}
    for outcome in outcomes:
        if outcome.result is not None:
            verdicts |= {verdict.promise: verdict for verdict in outcome.result.verdicts}
    rows = []
    for promise in PROMISES:
        verdict = verdicts.get(promise.id)
        state = NOT_MEASURED if verdict is None else HELD if verdict.held else MISSED
        row = {"id": promise.id, "benchmark": promise.benchmark, "what": promise.what, "wanted": promise.wanted}
        rows.append({**row, "measured": "" if verdict is None else verdict.measured, "state": state})
    return rows


def summary_text(outcomes: Sequence[Outcome], machine: MachineFacts) -> str:
    """The last table."""
    rows = promise_rows(outcomes)
    table = Table(
        "What was promised",
        ("what", "wanted", "measured", "verdict"),
        tuple((row["what"], row["wanted"], row["measured"], row["state"]) for row in rows),
    )
    count = {state: sum(row["state"] == state for row in rows) for state in (HELD, MISSED, NOT_MEASURED)}
    lines = [table_text(table), "", ", ".join(f"{number} {state}" for state, number in count.items())]
    lines += [
        f"failed: {outcome.entry.name}: {outcome.failure.splitlines()[0]}" for outcome in outcomes if outcome.failure
    ]
    if any(outcome.quick for outcome in outcomes):
        lines.append("a quick run: short and with few repeats; its figures are a first look")
    warning = machine.warning(by_load=True)
    lines += [warning] if warning is not None else []
    lines += ["", machine.line()]
    return "\n".join(lines) + "\n"


def summary_json(outcomes: Sequence[Outcome], machine: MachineFacts) -> dict[str, Any]:
    """The last table and, one by one, how the benchmarks went."""
    return {
        "machine": machine.as_json(),
        "promises": promise_rows(outcomes),
        "benchmarks": [
            {
                "name": outcome.entry.name,
                "date_utc": outcome.started_utc.isoformat(timespec="seconds"),
                "mode": "quick" if outcome.quick else "full",
                "elapsed_s": round(outcome.elapsed_s, 1),
                "failure": outcome.failure or None,
            }
            for outcome in outcomes
        ],
    }


def write_summary(outcomes: Sequence[Outcome], machine: MachineFacts, folder: Path) -> None:
    """``summary.txt`` and ``summary.json`` in ``folder``."""
    (folder / f"{SUMMARY}.txt").write_text(summary_text(outcomes, machine), encoding="utf-8")
    (folder / f"{SUMMARY}.json").write_text(_json(summary_json(outcomes, machine)), encoding="utf-8")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=_plain) + "\n"


def _plain(value: object) -> object:
    """Numbers of numpy as Python's own."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} in a result cannot be written as JSON")
