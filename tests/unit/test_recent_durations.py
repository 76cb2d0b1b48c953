"""Durations of lately, and the lock that is timed now and then."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.metered_lock import ONE_IN, MeteredLock
from vigia.application.recent_durations import DurationStats, RecentDurations
from vigia.application.service import LoopService
from vigia.infrastructure.clock import SystemClock
from vigia.testing.sim_clock import SimClock

DURATIONS = st.lists(st.floats(0.0, 1e3), min_size=1, max_size=80)


@given(values=DURATIONS, size=st.integers(1, 40))
def test_percentiles_are_of_the_latest_and_sums_of_all(values: list[float], size: int) -> None:
    durations = RecentDurations(size)
    for value in values:
        durations.record(value)
    stats, latest = durations.stats, values[-size:]
    assert (stats.count, stats.max_s) == (len(values), max(values))
    assert stats.total_s == pytest.approx(sum(values))
    assert stats.p50_s in latest
    assert stats.p50_s <= stats.p95_s <= stats.p99_s <= max(latest)
    assert stats.p50_s >= float(np.percentile(latest, 50, method="inverted_cdf"))


def test_nothing_recorded_is_zero_and_time_never_runs_backwards() -> None:
    durations = RecentDurations()
    assert durations.stats == DurationStats()
    durations.record(-5.0)
    assert durations.stats == DurationStats(count=1)


@given(first=DURATIONS, second=DURATIONS)
def test_added_up_the_worse_percentile_counts(first: list[float], second: list[float]) -> None:
    both = []
    for values in (first, second):
        durations = RecentDurations()
        for value in values:
            durations.record(value)
        both.append(durations.stats)
    together = both[0].plus(both[1])
    assert together.count == len(first) + len(second)
    assert together.p99_s == max(one.p99_s for one in both)
    assert both[0].plus(DurationStats()) == both[0]


def test_one_hold_in_so_many_is_timed() -> None:
    clock, holds = SimClock(), RecentDurations()
    lock = MeteredLock(holds, clock=clock)
    for n in range(3 * ONE_IN):
        with lock:
            clock.advance(0.001 if (n + 1) % ONE_IN else 0.25)
    assert holds.stats.count == 3
    assert holds.stats.p50_s == pytest.approx(0.25)


def test_an_error_under_the_lock_lets_go_of_it() -> None:
    holds = RecentDurations()
    lock = MeteredLock(holds, clock=SimClock())
    for _ in range(2 * ONE_IN):
        with pytest.raises(ValueError, match="inside"), lock:
            raise ValueError("inside")
    with lock:
        assert holds.stats.count == 2


def test_it_keeps_threads_apart() -> None:
    clock = SystemClock()
    lock, together, count = MeteredLock(RecentDurations(), clock=clock), threading.Barrier(4), [0]

    def work() -> None:
        together.wait(10.0)
        for _ in range(5000):
            with lock:
                before = count[0]
                count[0] = before + 1

    workers = [LoopService(f"worker-{n}", work, clock=clock) for n in range(4)]
    for worker in workers:
        worker.start()
    assert all(worker.join(30.0) for worker in workers)
    assert [worker.failure for worker in workers] == [None] * 4
    assert count == [20_000]
