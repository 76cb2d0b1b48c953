"""Native calls: how long one takes is known, and one that was left behind learns it when it comes back."""

import pytest

from vigia.application.call_guard import CallGuard
from vigia.application.errors import SourceAbandoned
from vigia.testing.sim_clock import SimClock


def test_time_counts_inside_a_call_only() -> None:
    clock = SimClock()
    guard = CallGuard(clock)
    clock.advance(5.0)
    assert guard.inside_s == 0.0
    with guard.call():
        clock.advance(3.0)
        assert guard.inside_s == 3.0
    assert guard.inside_s == 0.0


def test_only_a_call_beyond_the_limit_is_left_behind() -> None:
    clock = SimClock()
    guard = CallGuard(clock)
    assert not guard.abandon(limit_s=0.0), "nobody is inside"
    with guard.call():
        clock.advance(3.0)
        assert not guard.abandon(limit_s=3.0)
    assert not guard.is_abandoned


def test_who_was_left_behind_learns_it_on_the_way_out_and_gets_in_no_more() -> None:
    clock = SimClock()
    guard = CallGuard(clock)
    with pytest.raises(SourceAbandoned), guard.call():  # noqa: PT012 - it is raised on the way out
        clock.advance(4.0)
        assert guard.abandon(limit_s=3.0)
        assert guard.is_abandoned
    with pytest.raises(SourceAbandoned), guard.call():
        raise AssertionError("it must not get in")


def test_a_failure_inside_passes_through_unless_the_thread_was_left_behind() -> None:
    clock = SimClock()
    guard = CallGuard(clock)
    with pytest.raises(OSError, match="native"), guard.call():
        raise OSError("native")
    with pytest.raises(SourceAbandoned), guard.call():  # noqa: PT012 - it is raised on the way out
        clock.advance(4.0)
        guard.abandon(limit_s=3.0)
        raise OSError("native")


def test_giving_back_is_for_who_was_left_behind_too() -> None:
    clock = SimClock()
    guard = CallGuard(clock)
    with pytest.raises(SourceAbandoned), guard.call():  # noqa: PT012 - it is raised on the way out
        clock.advance(4.0)
        guard.abandon(limit_s=3.0)
    closed = False
    with guard.closing():
        clock.advance(2.0)
        assert guard.inside_s == 2.0
        closed = True
    assert closed
