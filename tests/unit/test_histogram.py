"""Durations in buckets: percentiles to 5 %, merging is adding."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vigia.domain.histogram import GROWTH, DurationHistogram

DURATIONS = st.lists(st.floats(2e-5, 100.0), min_size=1, max_size=200)


def filled(values: list[float]) -> DurationHistogram:
    histogram = DurationHistogram()
    for value in values:
        histogram.record(value)
    return histogram


@given(DURATIONS, st.sampled_from([1.0, 50.0, 95.0, 99.0, 100.0]))
def test_a_percentile_is_exact_to_a_bucket(values: list[float], percent: float) -> None:
    exact = float(np.percentile(values, percent, method="inverted_cdf"))
    told = filled(values).percentile_s(percent)
    assert exact / GROWTH <= told <= exact * GROWTH * 1.001


@given(DURATIONS, DURATIONS)
def test_merging_is_counting_together(first: list[float], second: list[float]) -> None:
    merged = filled(first)
    merged.merge(filled(second))
    together = filled(first + second)
    assert merged.count == together.count
    assert [merged.percentile_s(p) for p in (5, 50, 99)] == [together.percentile_s(p) for p in (5, 50, 99)]


def test_nothing_counted_is_zero_and_clear_starts_over() -> None:
    histogram = filled([0.5, -1.0, 1e9])
    assert histogram.count == 3
    histogram.clear()
    assert (histogram.count, histogram.percentile_s(50), histogram.max_s) == (0, 0.0, 0.0)


@given(DURATIONS, DURATIONS)
def test_what_came_since_is_what_was_added(first: list[float], second: list[float]) -> None:
    earlier, alone = filled(first), filled(second)
    since = filled(first + second).since(earlier)
    assert since.count == alone.count
    for percent in (5, 50, 99):
        assert since.percentile_s(percent) <= alone.percentile_s(percent) * GROWTH
        assert since.percentile_s(percent) * GROWTH >= alone.percentile_s(percent)


def test_since_it_was_cleared_everything_is_new() -> None:
    earlier, now = filled([1.0, 2.0, 3.0]), filled([0.5])
    assert now.since(earlier).percentile_s(100) == now.percentile_s(100)
    assert earlier.since(earlier).count == 0
    assert earlier.since(earlier).max_s == 0.0
