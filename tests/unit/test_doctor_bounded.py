"""Looks that hang are left behind; the others are heard, in their order."""

import threading
from collections.abc import Callable, Iterator

import pytest

from vigia.bootstrap.doctor import bounded
from vigia.bootstrap.doctor.bounded import call, call_all
from vigia.infrastructure.clock import SystemClock

CLOCK = SystemClock()
LONG_S = 30.0


@pytest.fixture
def never() -> Iterator[Callable[[], str]]:
    release = threading.Event()

    def hang() -> str:
        release.wait(LONG_S)
        return "too late"

    yield hang
    release.set()


def fail() -> str:
    raise ValueError("no")


def test_outcomes_come_in_the_order_of_the_calls(never: Callable[[], str]) -> None:
    calls = [("a", lambda: "first"), ("b", never), ("c", fail), ("d", lambda: "last")]
    outcomes = call_all(calls, at_once=2, limit_s=0.3, clock=CLOCK)
    assert [outcome.result for outcome in outcomes] == ["first", None, None, "last"]
    assert [outcome.hung for outcome in outcomes] == [False, True, False, False]
    assert isinstance(outcomes[2].failure, ValueError)


def test_no_more_run_at_once_than_allowed() -> None:
    running, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def act() -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait(LONG_S)  # two do run at the same time
        with lock:
            running -= 1
        return 1

    outcomes = call_all([(str(n), act) for n in range(8)], at_once=2, limit_s=LONG_S, clock=CLOCK)
    assert [outcome.result for outcome in outcomes] == [1] * 8
    assert most == 2


def test_when_too_many_hang_the_rest_is_given_up(never: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "LEFT_BEHIND_MAX", 2)
    calls = [("a", never), ("b", never), ("c", lambda: "would work")]
    outcomes = call_all(calls, at_once=1, limit_s=0.1, clock=CLOCK)  # of two at once, one may end a moment earlier
    assert all(outcome.hung for outcome in outcomes)


def test_one_call() -> None:
    assert call("one", lambda: 7, limit_s=LONG_S, clock=CLOCK).result == 7
    assert call_all([], at_once=1, limit_s=1.0, clock=CLOCK) == []
