"""What a common interpreter leaves of many shards: the model's limits, which need no clock."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.bench.interpreter import Held


def test_without_a_lock_nothing_is_lost_and_with_nothing_else_all_but_one_share() -> None:
    assert Held(native_s=0.002, interpreter_s=0.0).threads_share(16) == pytest.approx(1.0)
    assert Held(native_s=0.0, interpreter_s=0.002).threads_share(16) == pytest.approx(1 / 16)


@given(native_s=st.floats(1e-4, 1e-2), interpreter_s=st.floats(1e-5, 1e-2))
def test_more_shards_never_gain_a_greater_share_and_never_pass_the_lock(native_s: float, interpreter_s: float) -> None:
    held = Held(native_s, interpreter_s)
    shares = [held.threads_share(count) for count in (1, 2, 4, 8, 16, 32)]
    assert shares[0] == pytest.approx(1.0)
    assert all(later <= sooner + 1e-9 for sooner, later in itertools.pairwise(shares))
    fps = 32 * shares[-1] / (native_s + interpreter_s)
    assert fps <= 1.0 / interpreter_s * (1.0 + 1e-9), "no more frames than the interpreter can serve"
