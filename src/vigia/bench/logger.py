"""One ``logger.info`` while the sink stalls: vigia's AsyncLogger beside the loggers that others use.

The load is in ``rivals_logging.py``. What counts is what the caller pays: the hot path logs too.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from vigia.bench.context import BenchContext
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Spread, Table, Verdict
from vigia.bench.rivals_logging import RIVALS, STALL_S, THREADS, LoggerFigures

OURS = "AsyncLogger"
RATE_HZ = 1000.0
"""Calls a second of each thread."""
FULL_S, QUICK_S = 1.8, 0.5
HANG_S = 60.0
P50_MAX_S, P999_MAX_S = 5e-6, 1e-3
MICRO = 1e6


def run(context: BenchContext) -> BenchResult:
    """Every logger a few times, round after round, so that a noisy moment is everybody's."""
    duration_s = context.pick(FULL_S, QUICK_S)
    found: dict[str, list[LoggerFigures]] = {name: [] for name in RIVALS if _is_here(name)}
    for _ in range(context.repeats()):
        for name, figures in found.items():
            figures.append(_measured(name, duration_s=duration_s))
    tails = {name: Spread.of([one.p999_s for one in figures]) for name, figures in found.items()}
    medians = {name: Spread.of([one.p50_s for one in figures]) for name, figures in found.items()}
    best_rival = min((name for name in found if name != OURS), key=lambda name: tails[name].median)
    ours_p50_s, ours_p999_s = medians[OURS].median, tails[OURS].median
    held = ours_p50_s <= P50_MAX_S and ours_p999_s <= P999_MAX_S and ours_p999_s < tails[best_rival].median
    measured = (
        f"p50 {ours_p50_s * MICRO:.1f} µs, p99.9 {ours_p999_s * MICRO:.0f} µs; "
        f"{best_rival} {tails[best_rival].median * MICRO:.0f} µs"
    )
    return BenchResult(
        name="logger",
        title=f"one info call, {THREADS} threads, the sink stalls {STALL_S * 1e3:.0f} ms a write",
        tables=(_table(found),),
        chart=_chart(found),
        verdicts=(Verdict("logger", measured, held),),
        data={name: _data(figures) for name, figures in found.items()},
        notes=_notes(found, duration_s=duration_s),
    )


def _is_here(name: str) -> bool:
    """False for what cannot be had: picologging has no release for the newest Pythons."""
    if not name.startswith("picologging"):
        return True
    try:
        import picologging  # noqa: F401, PLC0415 - only to see whether it can be imported
    except ImportError:
        return False
    return True


def _measured(name: str, *, duration_s: float) -> LoggerFigures:
    """One run in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="vigia-bench-") as folder:
        arguments = [sys.executable, "-m", "vigia.bench.rivals_logging", name, "--folder", str(Path(folder))]
        arguments += ["--seconds", str(duration_s), "--rate", str(RATE_HZ)]
        ended = subprocess.run(  # noqa: S603 - our own module
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=duration_s + HANG_S
        )
    return LoggerFigures(**json.loads(ended.stdout.splitlines()[-1]))


def _median(figures: list[LoggerFigures], field: str) -> float:
    return Spread.of([getattr(one, field) for one in figures]).median


def _table(found: dict[str, list[LoggerFigures]]) -> Table:
    rows = []
    for name, figures in found.items():
        tail = Spread.of([one.p999_s for one in figures])
        times = (_median(figures, field) for field in ("p50_s", "p99_s", "p999_s", "max_s"))
        rows.append(
            (
                name,
                *(f"{value_s * MICRO:.1f}" for value_s in times),
                f"{tail.low * MICRO:.0f} … {tail.high * MICRO:.0f}",
                f"{_median(figures, 'rate'):.0f}",
                *(f"{_median(figures, field):.0f}" for field in ("calls", "written", "dropped")),
            )
        )
    columns = ("µs a call", "p50", "p99", "p99.9", "max", "p99.9 from … to", "calls/s", "calls", "written", "dropped")
    return Table("Duration of the call, medians of the runs", columns, tuple(rows))


def _chart(found: dict[str, list[LoggerFigures]]) -> Chart:
    series = []
    for label, field in (("p50", "p50_s"), ("p99", "p99_s"), ("p99.9", "p999_s"), ("max", "max_s")):
        spreads = [Spread.of([getattr(one, field) * MICRO for one in figures]) for figures in found.values()]
        series.append(Series.of(label, spreads))
    return Chart(
        title=f"One info call, {THREADS} threads, sink stalls {STALL_S * 1e3:.0f} ms a write",
        kind=ChartKind.BARS,
        y_label="µs",
        series=tuple(series),
        categories=tuple(found),
        logarithmic=True,
        marks={"promised p50": P50_MAX_S * MICRO, "promised p99.9": P999_MAX_S * MICRO},
    )


def _data(figures: list[LoggerFigures]) -> dict[str, object]:
    fields = ("calls", "rate", "p50_s", "p99_s", "p999_s", "max_s", "written", "dropped")
    return {field: Spread.of([getattr(one, field) for one in figures]).as_json() for field in fields}


def _notes(found: dict[str, list[LoggerFigures]], *, duration_s: float) -> tuple[str, ...]:
    notes = [
        f"load: {THREADS} threads with {RATE_HZ:.0f} calls/s each, {duration_s:g} s a run, in a process of its own",
        "garbage collection is off while calls are timed: that favours those who keep every record in memory",
        "'written' is what the sink had when the load ended: one record a write makes 20 a second, the rest waits",
        "AsyncLogger has a bound (10 000 records): what does not fit is dropped and counted",
        "'logging, file' blocks its callers, so that it has few samples: its p99.9 is its maximum",
    ]
    if not any(name.startswith("picologging") for name in found):
        notes.append("picologging is not installed (it has no release for this Python)")
    return tuple(notes)
