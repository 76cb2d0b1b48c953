"""Looking for the most cameras."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.bench.paced import Search, search_most


@given(limit=st.integers(0, 60), start=st.integers(1, 60), step=st.integers(1, 9), most=st.integers(1, 60))
def test_the_search_finds_the_last_number_that_holds_and_tries_none_twice(
    limit: int, start: int, step: int, most: int
) -> None:
    tried: list[int] = []

    def holds(cameras: int) -> bool:
        tried.append(cameras)
        return cameras <= limit

    assert search_most(holds, start=start, step=step, most=most) == Search(min(limit, most), finished=True)
    assert len(tried) == len(set(tried))
    assert all(1 <= cameras <= most for cameras in tried)


@pytest.mark.parametrize(("tries", "found"), [(0, 0), (1, 12), (3, 16), (4, 16)])
def test_a_search_that_runs_out_of_time_says_so(tries: int, found: int) -> None:
    left = iter([True] * tries)
    search = search_most(lambda n: n <= 17, start=12, step=2, most=40, more=lambda: next(left, False))
    assert search == Search(found, finished=False)
