"""Logging in once for everybody, and not too often."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vigia.application.errors import (
    CredentialsRejected,
    LicenseRejected,
    RecognizerBusy,
    RecognizerMisaddressed,
    RecognizerUnavailable,
    RecognizerUnreachable,
    RetryableError,
    SessionRejected,
)
from vigia.infrastructure.clients.findface_session import FindfaceSession
from vigia.infrastructure.clock import SystemClock
from vigia.testing.sim_clock import SimClock


class Door:
    """Counts log-ins and gives a new token each time, or fails as told."""

    def __init__(self) -> None:
        self.calls = 0
        self.failure: Exception | None = None

    def __call__(self) -> str:
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        return f"token-{self.calls}"


def test_one_log_in_serves_many_calls() -> None:
    session, door = FindfaceSession(clock=SimClock()), Door()
    first = session.obtain(door)
    assert session.obtain(door) is first
    assert (first.value, door.calls) == ("token-1", 1)
    assert "token-1" not in repr(first) + repr(session)


def test_late_rejection_of_an_older_token_changes_nothing() -> None:
    session, door = FindfaceSession(clock=SimClock()), Door()
    old = session.obtain(door)
    session.prove(old)
    session.reject(old)
    new = session.obtain(door)
    session.reject(old)
    session.prove(old)
    assert session.obtain(door) is new
    assert door.calls == 2


def test_eight_senders_with_a_dead_token_log_in_once() -> None:
    senders = 8
    session = FindfaceSession(clock=SystemClock())
    dead = session.obtain(lambda: "dead")
    session.prove(dead)
    rejected = threading.Barrier(senders, timeout=10.0)
    entered, calls = threading.Event(), []

    def slow_door() -> str:
        calls.append(threading.get_ident())
        entered.set()
        assert others_wait.wait(10.0)
        return "alive"

    others_wait = threading.Event()

    def sender(_: int) -> str:
        session.reject(dead)
        rejected.wait()
        return session.obtain(slow_door).value

    with ThreadPoolExecutor(senders) as pool:
        futures = [pool.submit(sender, i) for i in range(senders)]
        assert entered.wait(10.0)
        others_wait.set()
        assert [future.result(10.0) for future in futures] == ["alive"] * senders
    assert len(calls) == 1


def test_waiters_share_the_leaders_failure_each_as_its_own_exception() -> None:
    session = FindfaceSession(clock=SystemClock())
    entered, go_on = threading.Event(), threading.Event()

    def failing_door() -> str:
        entered.set()
        assert go_on.wait(10.0)
        raise CredentialsRejected("wrong password of %(user)s", user="ana")

    def never() -> str:
        raise AssertionError("a second log-in")

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(session.obtain, failing_door)
        assert entered.wait(10.0)
        waiter = pool.submit(session.refresh, never)
        go_on.set()
        errors = [future.exception(10.0) for future in (leader, waiter)]
    assert [type(error) for error in errors] == [CredentialsRejected, CredentialsRejected]
    assert errors[0] is not errors[1]
    assert str(errors[1]) == "wrong password of ana"


@pytest.mark.parametrize("kind", [CredentialsRejected, LicenseRejected])
def test_refused_log_in_is_not_repeated_for_half_a_minute(kind: type[RetryableError]) -> None:
    clock = SimClock()
    session, door = FindfaceSession(clock=clock), Door()
    door.failure = kind("no")
    with pytest.raises(kind):
        session.obtain(door)
    clock.advance(29.0)
    for call in (session.obtain, session.refresh):
        with pytest.raises(kind) as caught:
            call(door)
        assert caught.value.retry_after_s == pytest.approx(1.0)
    assert door.calls == 1
    clock.advance(1.1)
    door.failure = None
    assert session.obtain(door).value == "token-2"


def test_server_that_nobody_reaches_is_asked_again_soon() -> None:
    clock = SimClock()
    session, door = FindfaceSession(clock=clock), Door()
    door.failure = RecognizerUnreachable("down")
    for calls in range(1, 4):
        for _ in range(5):
            with pytest.raises(RecognizerUnreachable):
                session.obtain(door)
        assert door.calls == calls
        clock.advance(1.1)


@pytest.mark.parametrize(
    "kind", [RecognizerUnavailable, RecognizerBusy, RecognizerMisaddressed, CredentialsRejected, LicenseRejected]
)
def test_whoever_answered_a_log_in_is_asked_again_after_half_a_minute(kind: type[RetryableError]) -> None:
    clock = SimClock()
    session, door = FindfaceSession(clock=clock), Door()
    door.failure = kind("a page")
    for _ in range(300):
        with pytest.raises(kind) as caught:
            session.obtain(door)
        assert type(caught.value) is kind
        clock.advance(0.5)
    assert door.calls == 5


def test_longer_pause_that_the_server_asks_for_is_kept() -> None:
    clock = SimClock()
    session, door = FindfaceSession(clock=clock), Door()
    door.failure = RecognizerBusy("busy", retry_after_s=50.0)
    for advance_s, calls in ((0.0, 1), (49.0, 1), (1.1, 2)):
        clock.advance(advance_s)
        with pytest.raises(RecognizerBusy):
            session.obtain(door)
        assert door.calls == calls


def test_session_that_reads_but_may_not_post_logs_in_once_in_half_a_minute() -> None:
    clock = SimClock()
    session, door = FindfaceSession(clock=clock), Door()
    first = session.obtain(door)
    session.prove(first)
    clock.advance(5.0)
    log_ins_at_s: list[float] = []
    for _ in range(200):
        calls = door.calls
        try:
            token = session.obtain(door)
        except SessionRejected:
            pass
        else:
            session.prove(token)  # the camera list is given
            session.reject(token)  # a capture is not taken
        if door.calls > calls:
            log_ins_at_s.append(clock.mono_s())
        clock.advance(1.0)

    gaps_s = [later - earlier for earlier, later in itertools.pairwise(log_ins_at_s)]
    assert 5 <= len(log_ins_at_s) <= 7
    assert min(gaps_s) >= 30.0


def test_token_refused_at_its_first_use_counts_as_a_refused_log_in() -> None:
    clock = SimClock()
    session, door = FindfaceSession(clock=clock), Door()
    session.reject(session.obtain(door))
    with pytest.raises(SessionRejected, match="just opened"):
        session.obtain(door)
    assert door.calls == 1
    clock.advance(30.1)
    session.obtain(door)
    assert door.calls == 2


def test_proven_token_that_dies_is_replaced_at_once() -> None:
    session, door = FindfaceSession(clock=SimClock()), Door()
    token = session.obtain(door)
    session.prove(token)
    session.reject(token)
    assert session.obtain(door).value == "token-2"


def test_failed_refresh_keeps_the_good_token() -> None:
    session, door = FindfaceSession(clock=SimClock()), Door()
    token = session.obtain(door)
    door.failure = RecognizerUnavailable("down")
    with pytest.raises(RecognizerUnavailable):
        session.refresh(door)
    assert session.obtain(door) is token


def test_unexpected_failure_of_the_leader_frees_the_way() -> None:
    session, door = FindfaceSession(clock=SimClock()), Door()
    door.failure = KeyError("defect")
    with pytest.raises(KeyError):
        session.obtain(door)
    door.failure = None
    assert session.obtain(door).value == "token-2"


def test_waiting_for_another_sender_has_an_end() -> None:
    session = FindfaceSession(clock=SimClock(), wait_s=5.0)  # a simulated wait is over at once
    entered, go_on = threading.Event(), threading.Event()

    def stuck_door() -> str:
        entered.set()
        assert go_on.wait(10.0)
        return "late"

    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(session.obtain, stuck_door)
        assert entered.wait(10.0)
        with pytest.raises(SessionRejected, match="too long"):
            session.obtain(Door())
        go_on.set()
        assert leader.result(10.0).value == "late"


def test_remembered_failure_holds_no_frames() -> None:
    session, door = FindfaceSession(clock=SimClock()), Door()
    door.failure = CredentialsRejected("no")
    with pytest.raises(CredentialsRejected):
        session.obtain(door)
    assert session._failure is not None
    assert session._failure.__traceback__ is None


def test_clear_forgets_the_token() -> None:
    session, door = FindfaceSession(clock=SimClock()), Door()
    token = session.obtain(door)
    assert session.clear() is token
    assert session.clear() is None
    assert session.token is None
