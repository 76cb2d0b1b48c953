"""Whether memory grew."""

import pytest

from vigia.bench.site import SiteSample
from vigia.bench.soak import rss_growth, thinned


def _samples(*rss_bytes: int) -> list[SiteSample]:
    return [SiteSample(float(at_s), rss, 0.0, 0) for at_s, rss in enumerate(rss_bytes)]


def test_growth_compares_two_windows_and_not_what_was_before() -> None:
    growth = rss_growth(_samples(1, 1, 100, 102, 500, 110, 112), settled_s=2.0, window_s=2.0)
    assert growth is not None
    assert (growth.before_bytes, growth.after_bytes) == (101.0, 111.0)
    assert growth.share == pytest.approx(10.0 / 101.0)


@pytest.mark.parametrize("count", [0, 1, 5, 6])
def test_a_run_too_short_for_two_windows_says_nothing_of_growth(count: int) -> None:
    assert rss_growth(_samples(*[100] * count), settled_s=2.0, window_s=2.0) is None


def test_thinned_keeps_the_first_of_each_step() -> None:
    samples = [SiteSample(at_s, 1, 0.0, 0) for at_s in (0.5, 1.0, 1.5, 1.9, 4.2)]
    assert [one.at_s for one in thinned(samples, step_s=1.0)] == [0.5, 1.0, 4.2]
