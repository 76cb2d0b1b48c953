"""Backoff, the outcome table and the gate that all senders share."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import (
    CameraTokenRejected,
    CaptureRefused,
    CredentialsRejected,
    DeliveryAmbiguous,
    LicenseRejected,
    LookUpDeferred,
    OutboxUnavailable,
    RecognizerBusy,
    RecognizerMisaddressed,
    RecognizerUnavailable,
    RecognizerUnreachable,
    SessionRejected,
)
from vigia.application.retry import (
    PROBE_POLL_S,
    Backoff,
    DeliveryGate,
    Permit,
    RetryPolicy,
    asked_pause_s,
)
from vigia.application.retry_table import UNEXPECTED, Blame, outcome_of
from vigia.testing.sim_clock import SimClock

UNAVAILABLE = RecognizerUnavailable("no answer")


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


@pytest.fixture
def gate(clock: SimClock) -> DeliveryGate:
    return DeliveryGate(RetryPolicy(), clock=clock, rng=Random(1))


def admitted(gate: DeliveryGate) -> Permit:
    permit = gate.admit()
    assert isinstance(permit, Permit)
    return permit


@given(failures=st.integers(-3, 10_000), base_s=st.floats(1e-3, 10.0), cap_s=st.floats(10.0, 1e4), seed=st.integers())
def test_a_delay_is_between_nothing_and_the_cap_and_the_ceiling_never_shrinks(
    failures: int, base_s: float, cap_s: float, seed: int
) -> None:
    backoff = Backoff(base_s, cap_s)

    assert 0.0 <= backoff.delay_s(failures, Random(seed)) <= backoff.ceiling_s(failures) <= cap_s
    assert backoff.ceiling_s(failures) <= backoff.ceiling_s(failures + 1)
    assert math.isfinite(backoff.ceiling_s(failures))


def test_the_ceiling_doubles_up_to_the_cap() -> None:
    backoff = Backoff(base_s=0.5, cap_s=60.0)

    assert [backoff.ceiling_s(n) for n in range(1, 10)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_jitter_uses_the_whole_range() -> None:
    rng = Random(3)
    delays = [Backoff(base_s=1.0, cap_s=60.0).delay_s(1, rng) for _ in range(500)]

    assert min(delays) < 0.05
    assert max(delays) > 0.95


@pytest.mark.parametrize(("base_s", "cap_s"), [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0)])
def test_a_backoff_that_makes_no_sense_is_refused(base_s: float, cap_s: float) -> None:
    with pytest.raises(ValueError, match="base_s"):
        Backoff(base_s, cap_s)


def test_a_policy_gives_every_capture_a_chance() -> None:
    with pytest.raises(ValueError, match="failures_max"):
        RetryPolicy(failures_max=0)


@pytest.mark.parametrize(
    ("error", "blame", "maybe_sent"),
    [
        (CaptureRefused("no_face", "zero objects"), Blame.CAPTURE, False),
        (DeliveryAmbiguous("time-out"), Blame.RECOGNIZER, True),
        (RecognizerUnavailable("refused"), Blame.RECOGNIZER, False),
        (RecognizerUnreachable("refused"), Blame.RECOGNIZER, False),
        (RecognizerBusy("429"), Blame.RECOGNIZER, False),
        (RecognizerMisaddressed("404"), Blame.RECOGNIZER, False),
        (LookUpDeferred("later"), Blame.CAPTURE, True),
        (SessionRejected("401"), Blame.RECOGNIZER, False),
        (LicenseRejected("no licence"), Blame.RECOGNIZER, False),
        (CredentialsRejected("wrong password"), Blame.RECOGNIZER, False),
        (CameraTokenRejected("403"), Blame.CAMERA, False),
        (ZeroDivisionError("a defect"), Blame.RECOGNIZER, True),
        (OutboxUnavailable("not ours to raise"), Blame.RECOGNIZER, True),
    ],
)
def test_the_table(error: Exception, blame: Blame, *, maybe_sent: bool) -> None:
    outcome = outcome_of(error)

    assert (outcome.blame, outcome.maybe_sent) == (blame, maybe_sent)


def test_a_more_special_error_means_what_its_class_means() -> None:
    class OutOfMemory(RecognizerUnavailable):
        pass

    assert outcome_of(OutOfMemory("500")) is outcome_of(UNAVAILABLE)
    assert outcome_of(ValueError()) is UNEXPECTED


def test_an_open_gate_admits_everybody(gate: DeliveryGate) -> None:
    assert [admitted(gate).probe for _ in range(3)] == [False] * 3
    assert not gate.state.is_down


def test_after_a_failure_nobody_asks_until_the_pause_is_over_and_then_one_at_a_time(
    gate: DeliveryGate, clock: SimClock
) -> None:
    permit = admitted(gate)
    setback = gate.failed(permit, UNAVAILABLE)
    gate.leave(permit)

    assert setback.pause_s >= 0.2
    assert gate.admit() == pytest.approx(setback.pause_s)
    clock.advance(setback.pause_s)
    probe = admitted(gate)
    assert probe.probe
    assert gate.admit() == PROBE_POLL_S
    gate.leave(probe)
    assert admitted(gate).probe


def test_an_answer_opens_the_gate_and_tells_how_long_the_outage_was(gate: DeliveryGate, clock: SimClock) -> None:
    gate.failed(admitted(gate), UNAVAILABLE)
    clock.advance(100.0)
    gate.failed(admitted(gate), UNAVAILABLE)
    clock.advance(20.0)

    assert gate.answered() == pytest.approx(120.0)
    assert not admitted(gate).probe
    assert gate.answered() is None


def test_one_failure_is_no_outage_two_in_a_row_are(gate: DeliveryGate, clock: SimClock) -> None:
    permit = admitted(gate)
    first = gate.failed(permit, UNAVAILABLE)
    assert (first.counts, first.news, gate.state.is_down) == (True, False, False)
    assert gate.answered() is None

    since = clock.utc()
    gate.failed(permit, UNAVAILABLE)
    second = gate.failed(permit, UNAVAILABLE)
    assert (second.counts, second.news) == (False, True)
    assert gate.state.down_since_utc == since
    assert gate.state.cause == "no answer"


@pytest.mark.parametrize(
    ("error", "pause_min_s"),
    [
        (LicenseRejected("no licence"), 10.0),
        (CredentialsRejected("wrong password"), 30.0),
        (RecognizerMisaddressed("404"), 30.0),
        (SessionRejected("401"), 0.2),
    ],
)
def test_a_clear_no_is_an_outage_at_once(gate: DeliveryGate, error: Exception, pause_min_s: float) -> None:
    setback = gate.failed(admitted(gate), error)

    assert setback.news
    assert gate.state.is_down
    assert setback.pause_s >= pause_min_s


def test_each_kind_of_cause_is_news_once_an_outage(gate: DeliveryGate) -> None:
    permit = admitted(gate)
    license_error = LicenseRejected("no licence")
    news = [gate.failed(permit, error).news for error in [license_error, UNAVAILABLE, license_error, UNAVAILABLE]]
    assert news == [True, True, False, False]
    gate.answered()
    assert gate.failed(permit, license_error).news


def test_requests_that_were_out_when_it_began_do_not_lengthen_the_pause(gate: DeliveryGate, clock: SimClock) -> None:
    permits = [admitted(gate) for _ in range(16)]
    first = gate.failed(permits[0], UNAVAILABLE)
    others = [gate.failed(permit, UNAVAILABLE) for permit in permits[1:]]

    assert all(other.pause_s == first.pause_s for other in others)
    assert not any(other.counts for other in others)
    clock.advance(first.pause_s)
    assert gate.failed(admitted(gate), UNAVAILABLE).pause_s <= 1.0  # the second step of the backoff, not the 17th


def test_probes_that_fail_pause_longer_and_longer_up_to_the_cap(gate: DeliveryGate, clock: SimClock) -> None:
    pauses: list[float] = []
    for step in range(40):
        permit = admitted(gate)
        pauses.append(gate.failed(permit, UNAVAILABLE).pause_s)
        gate.leave(permit)
        assert pauses[-1] <= Backoff().ceiling_s(step + 1)
        clock.advance(pauses[-1])

    assert max(pauses) > 30.0
    assert max(pauses) <= 60.0
    gate.answered()
    assert gate.failed(admitted(gate), UNAVAILABLE).pause_s <= 0.5


@pytest.mark.parametrize(("asked_s", "pause_s"), [(100.0, 100.0), (1e6, 600.0)])
def test_the_receiver_may_ask_for_a_pause_within_reason(gate: DeliveryGate, asked_s: float, pause_s: float) -> None:
    setback = gate.failed(admitted(gate), RecognizerUnavailable("busy", retry_after_s=asked_s))

    assert setback.pause_s == pytest.approx(pause_s)


def test_a_pause_that_was_asked_for_is_kept_though_another_request_is_answered(
    gate: DeliveryGate, clock: SimClock
) -> None:
    first, second = admitted(gate), admitted(gate)
    gate.failed(first, RecognizerBusy("429", retry_after_s=50.0))
    gate.answered()

    assert gate.admit() == pytest.approx(50.0)
    assert not gate.stays_open(second)
    clock.advance(50.0)
    assert not admitted(gate).probe  # it had answered: nothing has to be probed


def test_a_cause_is_told_once_though_it_comes_as_two_kinds_of_error(gate: DeliveryGate) -> None:
    permit = admitted(gate)
    text = "FindFace refused the log-in"
    news = [gate.failed(permit, error).news for error in (SessionRejected(text), CredentialsRejected(text))]
    assert news == [True, False]


def test_a_late_request_for_a_pause_is_heard_too(gate: DeliveryGate) -> None:
    first, second = admitted(gate), admitted(gate)
    gate.failed(first, UNAVAILABLE)

    assert gate.failed(second, RecognizerUnavailable("busy", retry_after_s=50.0)).pause_s == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("error", "asked_s"),
    [
        (UNAVAILABLE, 0.0),
        (RecognizerUnavailable("", retry_after_s=-5.0), 0.0),
        (RecognizerUnavailable("", retry_after_s=7.0), 7.0),
        (ValueError(), 0.0),
    ],
)
def test_what_the_other_side_asked_for(error: Exception, asked_s: float) -> None:
    assert asked_pause_s(error) == asked_s


def test_after_a_rejected_session_the_probe_logs_in_until_it_worked(gate: DeliveryGate, clock: SimClock) -> None:
    gate.failed(admitted(gate), SessionRejected("401"))
    clock.advance(60.0)
    probe = admitted(gate)
    assert probe.log_in
    gate.failed(probe, UNAVAILABLE)
    gate.leave(probe)
    clock.advance(60.0)
    probe = admitted(gate)
    assert probe.log_in
    gate.logged_in()
    gate.leave(probe)

    assert not admitted(gate).log_in


def test_the_rest_of_a_batch_is_sent_only_through_an_open_gate(gate: DeliveryGate, clock: SimClock) -> None:
    permit, other = admitted(gate), admitted(gate)
    assert gate.stays_open(permit)
    pause_s = gate.failed(other, UNAVAILABLE).pause_s
    assert not gate.stays_open(permit)
    clock.advance(pause_s)
    assert not gate.stays_open(admitted(gate))
