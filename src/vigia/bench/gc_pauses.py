"""How long garbage collection stops everything: vigia's memory manager beside three other ways, and a real run.

The load for the comparison is in ``gc_load.py``. The verdict is on the real run: the whole system with eight cameras,
from when it has started up until before it stops.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from vigia.application.orchestrator import RunStatus
from vigia.application.run_report import RunFacts
from vigia.bench.context import BenchContext
from vigia.bench.gc_load import (
    COLLECT_EVERY_FRAMES,
    CYCLES_A_FRAME,
    EVENTS_A_FRAME,
    FRAMES_HZ,
    INTERVAL_S,
    WAYS,
    PauseFigures,
    PauseLog,
)
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Spread, Table, Verdict, percent, thousandths
from vigia.bench.rivals_logging import quantile
from vigia.bench.site import run_site, site_model

FULL_S, QUICK_S = 1.3, 0.5
FULL_ROUNDS = 2
HANG_S = 60.0
CAMERAS = 8
SITE_FULL_S, SITE_QUICK_S = 10.0, 5.0
START_UP_S = 3.0
"""Of the real run: cameras are opened and first pictures decoded."""
BEFORE_STOP_S = 1.0
SITE_INTERVAL_S = 2.0
"""Of the real run's memory manager, overdue after twice that: its usual 5 s and 30 s would show next to none."""
MAX_S, P99_MAX_S = 5e-3, 2e-3


@dataclass(frozen=True, slots=True)
class SteadyPauses:
    """The collector's pauses in a real run between start-up and stop."""

    window_s: float
    pauses: int
    full: int
    """Collections of the oldest generation among them."""
    p50_s: float
    p99_s: float
    max_s: float
    share: float
    """Of the window, in pauses."""


class _Window:
    """Measures while the run is steady. Owner: the run's thread."""

    def __init__(self, *, ends_s: float) -> None:
        self.log = PauseLog()
        self._ends_s = ends_s
        self._from_s: float | None = None
        self._until_s = 0.0

    @property
    def duration_s(self) -> float:
        """How long was measured."""
        return self._until_s - self._from_s if self._from_s is not None else 0.0

    def update(self, status: RunStatus) -> None:
        """Take one status of the run."""
        if self._from_s is None and status.elapsed_s >= START_UP_S:
            self._from_s = self._until_s = status.elapsed_s
            self.log.install()
        elif self._from_s is not None and self._until_s < self._ends_s:
            self._until_s = status.elapsed_s
            if self._until_s >= self._ends_s:
                self.log.remove()


def run(context: BenchContext) -> BenchResult:
    """The ways of collecting, then the real run."""
    duration_s = context.pick(FULL_S, QUICK_S)
    found: dict[str, list[PauseFigures]] = {name: [] for name in WAYS}
    for _ in range(1 if context.quick else FULL_ROUNDS):
        for name, figures in found.items():
            figures.append(_measured(name, duration_s=duration_s))
    site_s = context.pick(SITE_FULL_S, SITE_QUICK_S)
    steady, facts = real_run(context, duration_s=site_s)
    held = steady.max_s <= MAX_S and steady.p99_s <= P99_MAX_S
    measured = (
        f"max {thousandths(steady.max_s)}, p99 {thousandths(steady.p99_s)} ({steady.pauses} pauses, {steady.full} full)"
    )
    return BenchResult(
        name="gc",
        title="pauses of the garbage collector",
        tables=(_table(found), _site_table(steady, facts)),
        chart=_chart(found, steady),
        verdicts=(Verdict("gc", measured, held),) if steady.full else (),
        data={
            "ways": {name: _data(figures) for name, figures in found.items()},
            "run": {
                **asdict(steady),
                "whole_run_p99_s": facts.gc_pause_p99_s,
                "whole_run_max_s": facts.gc_pause_max_s,
                "model": facts.model,
            },
        },
        notes=(
            f"load: {FRAMES_HZ:.0f} frames/s, {EVENTS_A_FRAME} events and {CYCLES_A_FRAME} cycles each, all modules",
            f"'in the loop': every {COLLECT_EVERY_FRAMES} frames; by time: every {INTERVAL_S:g} s (in a run 5 s)",
            "'automatic' collects all once a quarter of the heap is new: seldom, and at any moment",
            "'full': pauses of the oldest generation; 'frame': how long the loop took for one, pauses included",
            f"the verdict: {CAMERAS} x 720p30 with everything, {steady.window_s:.0f} s between start-up and stop",
            f"there the oldest generation is collected every {SITE_INTERVAL_S:g} s (default 5 s); else no verdict",
            "'whole run' has the one collection before start-up is frozen, which no camera has to wait for",
        ),
    )


def real_run(context: BenchContext, *, duration_s: float) -> tuple[SteadyPauses, RunFacts]:
    """The whole system in this process, its collector watched while it is steady."""
    window = _Window(ends_s=duration_s - BEFORE_STOP_S)
    try:
        facts = run_site(
            context,
            context.clips(720),
            cameras=CAMERAS,
            duration_s=duration_s,
            on_status=window.update,
            detector__model=site_model(context),
            memory__interval_s=SITE_INTERVAL_S,
            memory__overdue_s=2 * SITE_INTERVAL_S,
        )
    finally:
        window.log.remove()
    pauses_s = window.log.pauses_s
    if window.duration_s <= 0.0:
        raise RuntimeError("the run ended before it was steady")
    steady = SteadyPauses(
        window_s=window.duration_s,
        pauses=len(pauses_s),
        full=window.log.full,
        p50_s=quantile(pauses_s, 0.5),
        p99_s=quantile(pauses_s, 0.99),
        max_s=pauses_s[-1] if pauses_s else 0.0,
        share=sum(pauses_s) / window.duration_s,
    )
    return steady, facts


def _measured(name: str, *, duration_s: float) -> PauseFigures:
    """One way in a process of its own: what was frozen or imported stays there."""
    arguments = [sys.executable, "-m", "vigia.bench.gc_load", name, "--seconds", str(duration_s)]
    ended = subprocess.run(  # noqa: S603 - our own module
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True, timeout=duration_s + HANG_S
    )
    return PauseFigures(**json.loads(ended.stdout.splitlines()[-1]))


def _spread_ms(figures: Sequence[PauseFigures], field: str) -> Spread:
    return Spread.of([getattr(one, field) * 1e3 for one in figures])


def _table(found: dict[str, list[PauseFigures]]) -> Table:
    rows = []
    for name, figures in found.items():
        longest = _spread_ms(figures, "max_s")
        rows.append(
            (
                name,
                *(f"{_spread_ms(figures, field).median:.2f}" for field in ("p50_s", "p99_s", "max_s")),
                f"{longest.low:.2f} … {longest.high:.2f}",
                *(f"{Spread.of([getattr(one, field) for one in figures]).median:.0f}" for field in ("pauses", "full")),
                percent(Spread.of([one.share for one in figures]).median),
                *(f"{_spread_ms(figures, field).median:.2f}" for field in ("frame_p99_s", "frame_max_s")),
                f"{Spread.of([one.objects for one in figures]).median:.0f}",
            )
        )
    columns = (
        "ms a pause",
        "p50",
        "p99",
        "max",
        "max from … to",
        "pauses",
        "full",
        "of the time",
        "frame p99",
        "frame max",
    )
    return Table("One hot loop, four ways to collect; medians of the runs", (*columns, "objects"), tuple(rows))


def _site_table(steady: SteadyPauses, facts: RunFacts) -> Table:
    times = (f"{value_s * 1e3:.2f}" for value_s in (steady.p50_s, steady.p99_s, steady.max_s))
    whole = (f"{facts.gc_pause_p99_s * 1e3:.2f}", f"{facts.gc_pause_max_s * 1e3:.2f}")
    return Table(
        f"A real run: {CAMERAS} x 720p30, {facts.model}",
        ("ms a pause", "p50", "p99", "max", "pauses", "full", "of the time"),
        (
            ("steady", *times, str(steady.pauses), str(steady.full), percent(steady.share)),
            ("whole run", "", *whole, "", "", ""),
        ),
    )


def _chart(found: dict[str, list[PauseFigures]], steady: SteadyPauses) -> Chart:
    series = []
    for label, field, of_run_s in (("p99", "p99_s", steady.p99_s), ("max", "max_s", steady.max_s)):
        spreads = [*(_spread_ms(figures, field) for figures in found.values()), Spread.of([of_run_s * 1e3])]
        values, low, high = zip(*((one.median, one.low, one.high) for one in spreads), strict=True)
        series.append(Series(label, values, low, high))
    return Chart(
        title="Pauses of the garbage collector",
        kind=ChartKind.BARS,
        y_label="ms",
        series=tuple(series),
        categories=(*found, f"real run, {CAMERAS} cameras"),
        logarithmic=True,
        marks={"promised max": MAX_S * 1e3, "promised p99": P99_MAX_S * 1e3},
    )


def _data(figures: Sequence[PauseFigures]) -> dict[str, object]:
    return {field: Spread.of([asdict(one)[field] for one in figures]).as_json() for field in asdict(figures[0])}
