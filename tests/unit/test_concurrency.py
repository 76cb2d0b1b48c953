"""How many requests at once: up by one after a good round, down by half after a bad sign."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.concurrency import ConcurrencyLimit, ConcurrencyRules


class Load:
    """Senders on a clock that is moved by hand."""

    def __init__(self, limit_max: int = 8, **rules: float) -> None:
        self.limit = ConcurrencyLimit(ConcurrencyRules(limit_max=limit_max, **rules))
        self.now_s = 100.0

    def fill(self) -> int:
        """As many as may, enter."""
        count = 0
        while self.limit.enter():
            count += 1
        return count

    def round(self, latency_s: float) -> list[int]:
        """Everybody inside is answered once; the limits that were told."""
        self.now_s += 0.001  # later than whatever was told before
        began_s, told = self.now_s, list[int]()
        self.now_s += latency_s
        for _ in range(self.limit.inside):
            changed = self.limit.good(began_mono_s=began_s, now_mono_s=self.now_s)
            told += [] if changed is None else [changed]
        return told

    def fail(self) -> int | None:
        self.now_s += 0.001
        began_s = self.now_s
        self.now_s += 1.0
        return self.limit.bad(began_mono_s=began_s, now_mono_s=self.now_s)


def test_it_begins_with_all_and_lets_no_more_in() -> None:
    load = Load(limit_max=3)
    assert (load.fill(), load.limit.limit, load.limit.inside) == (3, 3, 3)
    load.limit.leave()
    assert load.limit.enter()
    assert not load.limit.enter()


def test_a_probe_is_let_in_however_full_it_is() -> None:
    load = Load(limit_max=1)
    load.fill()
    assert load.limit.enter(force=True)
    load.limit.leave()
    assert not load.limit.enter()


def test_a_bad_sign_halves_down_to_one() -> None:
    load = Load(limit_max=9)
    assert [load.fail() for _ in range(5)] == [4, 2, 1, None, None]


def test_requests_that_were_out_when_it_was_halved_are_not_counted_again() -> None:
    load = Load(limit_max=8)
    began_s = load.now_s
    load.now_s += 10.0
    told = [load.limit.bad(began_mono_s=began_s, now_mono_s=load.now_s) for _ in range(8)]
    assert told == [4] + [None] * 7


def test_a_good_round_adds_one_and_no_more_than_there_are() -> None:
    load = Load(limit_max=4)
    load.fail()
    load.fail()
    told: list[int] = []
    for _ in range(10):
        load.fill()
        told += load.round(0.01)
    assert told == [2, 3, 4]


def test_what_was_not_used_does_not_grow() -> None:
    load = Load(limit_max=8)
    load.fail()
    assert load.limit.enter()
    told = [changed for _ in range(20) for changed in load.round(0.01)]
    assert (told, load.limit.limit) == ([], 4)


def test_a_round_much_slower_than_the_best_halves() -> None:
    load = Load(limit_max=8, slow_factor=4.0, slow_min_s=0.5)
    load.fill()
    assert load.round(0.2) == []
    assert load.round(0.7) == []  # less than four times the best
    assert load.round(0.9) == [4]


def test_a_queue_that_nobody_feels_is_no_queue() -> None:
    load = Load(limit_max=8, slow_factor=4.0, slow_min_s=0.5)
    load.fill()
    for latency_s in (0.001, 0.4, 0.49):
        assert load.round(latency_s) == []


def test_one_slow_answer_among_quick_ones_is_no_sign() -> None:
    load = Load(limit_max=8, slow_min_s=0.0)
    load.fill()
    load.round(1.0)
    told = [
        load.limit.good(began_mono_s=load.now_s - latency_s, now_mono_s=load.now_s + 1e-6)
        for latency_s in (0.9, 0.95, 10.0, 0.9, 0.9, 0.9, 0.9, 0.9)
    ]
    assert told == [None] * 8


def test_a_receiver_that_became_slower_for_good_is_measured_by_what_it_is_now() -> None:
    load = Load(limit_max=4, best_window_s=60.0)
    load.fill()
    load.round(0.2)
    slow = [load.round(2.0) for _ in range(40)]
    assert slow[0] == [2]
    for _ in range(load.limit.inside):
        load.limit.leave()
    for _ in range(100):
        load.fill()
        load.round(2.0)
    assert load.limit.limit == 4


@pytest.mark.parametrize(
    "rules", [{"limit_max": 0}, {"slow_factor": 1.0}, {"slow_min_s": -1.0}, {"best_window_s": 0.0}]
)
def test_rules_that_make_no_sense_are_refused(rules: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="limit_max"):
        ConcurrencyRules(**rules)  # type: ignore[arg-type]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.floats(0.0, 5.0)),
        st.tuples(st.just("leave"), st.floats(0.0, 5.0)),
        st.tuples(st.just("good"), st.floats(0.0, 100.0)),
        st.tuples(st.just("bad"), st.floats(0.0, 100.0)),
    ),
    max_size=200,
)


@given(limit_max=st.integers(1, 64), steps=STEPS)
def test_whatever_happens_the_bounds_hold_and_every_change_is_told(
    limit_max: int, steps: list[tuple[str, float]]
) -> None:
    limit, now_s, known = ConcurrencyLimit(ConcurrencyRules(limit_max=limit_max)), 0.0, limit_max
    for what, number in steps:
        now_s += number / 10.0
        told: int | None = None
        if what == "enter":
            inside = limit.inside
            assert limit.enter() is (inside < limit.limit)
        elif what == "leave" and limit.inside:
            limit.leave()
        elif what == "good":
            told = limit.good(began_mono_s=now_s - number, now_mono_s=now_s)
        elif what == "bad":
            told = limit.bad(began_mono_s=now_s - number, now_mono_s=now_s)
        assert 1 <= limit.limit <= limit_max
        assert limit.limit == (known if told is None else told)
        if told is not None:
            assert told == known + 1 or told == max(1, known // 2)
        known = limit.limit


@given(limit_max=st.integers(1, 64))
def test_without_bad_signs_it_comes_back_in_a_bounded_number_of_rounds(limit_max: int) -> None:
    load = Load(limit_max=limit_max)
    for _ in range(7):
        load.fail()
    assert load.limit.limit == 1
    for _ in range(limit_max - 1):
        load.fill()
        load.round(0.01)
    assert load.limit.limit == limit_max
