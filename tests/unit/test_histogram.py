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
