"""A run's history: bounded, merged without losing peaks or counts, and empty where nothing is known."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.run_history import AT, SERIES, Merging, RunHistory

MOMENTS = st.lists(st.one_of(st.none(), st.integers(0, 1000).map(float)), max_size=60)


def filled(values: Sequence[float | None], size: int) -> RunHistory:
    history = RunHistory(size)
    for n, value in enumerate(values):
        history.add(5.0 * n, dict.fromkeys(SERIES, value))
    return history


@given(values=MOMENTS, size=st.integers(1, 40), points_max=st.integers(1, 50), since=st.integers(-1, 320))
def test_whatever_is_asked_nothing_is_made_up(
    values: list[float | None], size: int, points_max: int, since: int
) -> None:
    kept = [(5.0 * n, value) for n, value in enumerate(values)][-size:]
    asked = [(at, value) for at, value in kept if at > since]
    found = filled(values, size).read(since_unix_s=since, points_max=points_max)
    assert set(found) == {AT, *SERIES}
    assert {len(one) for one in found.values()} == {len(found[AT])}
    assert len(found[AT]) <= points_max
    times = [at for at in found[AT] if at is not None]
    assert times == sorted(set(times))
    assert (times[-1:] == [asked[-1][0]]) if asked else not times
    known = [value for _, value in asked if value is not None]
    told = {name: [value for value in found[name] if value is not None] for name in SERIES}
    assert all(min(known) <= value <= max(known) for value in told["fps"])
    assert all(value in known for value in told["age_p99_ms"])
    if len(asked) <= points_max:
        assert [found["fps"][n] for n in range(len(asked))] == [value for _, value in asked]


@pytest.mark.parametrize(("merging", "merged"), [(Merging.MEAN, 2.0), (Merging.MAX, 3.0), (Merging.SUM, 4.0)])
def test_moments_become_one_point_as_their_kind_wants(merging: Merging, merged: float) -> None:
    name = next(name for name, kind in SERIES.items() if kind is merging)
    found = filled([1.0, None, 3.0, None, None, None], 6).read(since_unix_s=-1.0, points_max=2)
    assert found[name] == [merged, None]
    assert found[AT] == [10.0, 25.0]


def test_points_stay_where_they_are_as_time_goes_on() -> None:
    values: list[float | None] = [float(n) for n in range(120)]
    history = filled(values, 60)
    before = history.read(since_unix_s=-1.0, points_max=10)[AT]
    history.add(600.0, {"fps": 1.0})
    after = history.read(since_unix_s=-1.0, points_max=10)[AT]
    assert set(before[1:-1]) <= set(after)


def test_what_is_left_out_is_not_known() -> None:
    history = RunHistory(4)
    history.add(0.0, {"fps": 25.0})
    found = history.read(since_unix_s=-1.0, points_max=4)
    assert found["fps"] == [25.0]
    assert all(found[name] == [None] for name in SERIES if name != "fps")
