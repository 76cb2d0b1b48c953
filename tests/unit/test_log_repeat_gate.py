"""One line a second per key, with a count of what was swallowed."""

from hypothesis import given
from hypothesis import strategies as st

from vigia.infrastructure.logging import RepeatGate


def test_the_first_passes_the_rest_is_counted() -> None:
    gate = RepeatGate()
    told = [gate.admit("camera", now_s) for now_s in (10.0, 10.1, 10.9, 11.0, 11.5, 13.0)]
    assert told == [0, None, None, 2, None, 1]


def test_keys_do_not_disturb_each_other() -> None:
    gate = RepeatGate(interval_s=5.0)
    assert [gate.admit(key, 0.0) for key in ("a", "b", "a", "b")] == [0, 0, None, None]
    assert gate.admit("a", 5.0) == 1


def test_the_table_is_bounded_and_forgets_the_longest_unasked() -> None:
    gate = RepeatGate(keys_max=2)
    for key in ("a", "b"):
        gate.admit(key, 0.0)
    gate.admit("a", 0.1)  # asked again: "b" is the oldest now
    gate.admit("c", 0.2)
    assert len(gate._entries) == 2
    assert gate.admit("a", 0.3) is None
    assert gate.admit("b", 0.4) == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0.0, 0.7)), max_size=60))
def test_every_line_is_admitted_or_counted_and_never_two_within_the_interval(steps: list[tuple[str, float]]) -> None:
    gate = RepeatGate(interval_s=1.0)
    now_s = 0.0
    admitted: dict[str, list[float]] = {"a": [], "b": []}
    swallowed = {"a": 0, "b": 0}
    told = {"a": 0, "b": 0}
    for key, delay_s in steps:
        now_s += delay_s
        count = gate.admit(key, now_s)
        if count is None:
            swallowed[key] += 1
        else:
            admitted[key].append(now_s)
            told[key] += count
    for key in "ab":
        assert all(later - earlier >= 1.0 for earlier, later in zip(admitted[key], admitted[key][1:], strict=False))
        still_counted = gate.admit(key, now_s + 2.0)
        assert still_counted is not None
        assert told[key] + still_counted == swallowed[key]
