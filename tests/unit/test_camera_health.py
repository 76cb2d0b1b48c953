"""A camera's health: every change told once, alarms raised and over, the history bounded; and its meter."""

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.camera_health import HISTORY_MAX, Alarm, HealthBoard, HealthEvent, HealthLimits
from vigia.application.camera_meter import WINDOW_S, CameraMeter, StreamFacts
from vigia.application.camera_status import CameraReason, CameraStatus, StreamStatus
from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.camera import Camera, CameraId
from vigia.domain.ledger import CameraLedger, FrameFate, LedgerPage
from vigia.testing.sim_clock import SimClock

GATE = CameraId("gate")


class Rig:
    def __init__(self, limits: HealthLimits | None = None) -> None:
        self.clock = SimClock()
        self.status = CameraStatus(GATE, "Gate", CameraState.CONNECTING, "shard-0")
        self.here = True
        self.disabled: list[Camera] = []
        self.events: list[HealthEvent] = []
        chosen = limits if limits is not None else HealthLimits()
        self.board = HealthBoard(
            lambda: [self.status] if self.here else [],
            disabled=lambda: self.disabled,
            limits=lambda _: chosen,
            clock=self.clock,
            on_event=self.events.append,
        )

    def be(self, state: CameraState, reason: CameraReason | None = None) -> None:
        self.status = replace(self.status, source=state, reason=reason)
        self.step()

    def step(self, passed_s: float = 1.0) -> None:
        self.clock.advance(passed_s)
        self.board.step()

    @property
    def alarms(self) -> list[tuple[Alarm | None, bool]]:
        return [(event.alarm, event.raised) for event in self.events if event.alarm is not None]


def test_each_change_is_one_event_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rig = Rig()
    rig.step()
    rig.be(CameraState.LIVE)
    rig.step()
    silent = CameraReason.mark("silent for %(seconds).0f s", seconds=10.0)
    rig.be(CameraState.STALLED, silent)
    rig.step()
    assert [(event.before, event.state) for event in rig.events] == [
        (None, CameraState.CONNECTING),
        (CameraState.CONNECTING, CameraState.LIVE),
        (CameraState.LIVE, CameraState.STALLED),
    ]
    assert rig.events[-1].reason is silent
    assert "Camera Gate: stalled (was: live): silent for 10 s" in caplog.text
    record = caplog.records[-1]
    assert (record.__dict__["camera_id"], record.__dict__["state"], record.__dict__["before"]) == (
        "gate",
        "stalled",
        "live",
    )


def test_no_face_for_long_is_an_alarm_until_one_comes() -> None:
    rig = Rig(HealthLimits(no_face_s=60.0))
    rig.be(CameraState.LIVE)
    rig.step(59.0)
    assert rig.alarms == []
    rig.step(2.0)
    rig.step(2.0)
    assert rig.alarms == [(Alarm.NO_FACE, True)]
    rig.status = replace(rig.status, page=LedgerPage(faces=1))
    rig.step()
    assert rig.alarms == [(Alarm.NO_FACE, True), (Alarm.NO_FACE, False)]


def test_a_camera_that_delivers_nothing_is_not_blamed_for_seeing_no_face() -> None:
    rig = Rig(HealthLimits(no_face_s=60.0))
    rig.be(CameraState.UNREACHABLE)
    rig.step(600.0)
    rig.be(CameraState.LIVE)
    rig.step(30.0)
    assert rig.alarms == []
    rig.step(31.0)
    assert rig.alarms == [(Alarm.NO_FACE, True)]


def test_a_camera_that_is_away_now_and_then_is_still_told_to_see_no_face() -> None:
    rig = Rig(HealthLimits(no_face_s=60.0))
    rig.be(CameraState.LIVE)
    for _ in range(4):
        rig.step(19.0)
        rig.be(CameraState.STALLED)
        rig.be(CameraState.LIVE)
    assert rig.alarms == [(Alarm.NO_FACE, True)]


def test_one_that_was_away_between_two_looks_leaves_an_event() -> None:
    rig = Rig()
    rig.be(CameraState.LIVE)
    rig.status = replace(rig.status, stream=StreamStatus(reconnects=1))
    rig.step()
    rig.step()
    assert [str(event.reason) for event in rig.events if event.before is event.state] == [
        "it was away for a moment and is back"
    ]


@pytest.mark.parametrize(("off_s", "told"), [(-7.5, "behind by 7.5 s"), (7.5, "ahead by 7.5 s")])
def test_a_clock_that_is_off_is_an_alarm(off_s: float, told: str, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.status = replace(rig.status, stream=StreamStatus(clock_off_s=off_s))
    rig.be(CameraState.LIVE)
    assert rig.alarms == [(Alarm.CLOCK_OFF, True)]
    assert f"its clock is {told}" in caplog.text
    health = rig.board.health(GATE)
    assert health is not None
    assert health.alarms == {Alarm.CLOCK_OFF}
    rig.status = replace(rig.status, stream=StreamStatus(clock_off_s=0.2))
    rig.step()
    assert rig.alarms[-1] == (Alarm.CLOCK_OFF, False)


def test_alarms_that_are_switched_off_are_never_raised() -> None:
    rig = Rig(HealthLimits(no_face_s=0.0, clock_off_s=0.0))
    rig.status = replace(rig.status, stream=StreamStatus(clock_off_s=1e9))
    rig.be(CameraState.LIVE)
    rig.step(1e6)
    assert rig.alarms == []


def test_a_camera_that_is_switched_off_is_disabled_and_one_that_is_gone_forgotten() -> None:
    rig = Rig()
    rig.here = False
    rig.disabled = [Camera(GATE, "Gate", "rtsp://x", active=False)]
    rig.step()
    assert rig.events[-1].state is CameraState.DISABLED
    rig.disabled = []
    rig.step()
    assert rig.board.health(GATE) is None


def test_the_history_is_bounded_and_in_order() -> None:
    rig = Rig()
    for _ in range(HISTORY_MAX):
        rig.be(CameraState.LIVE)
        rig.be(CameraState.STALLED)
    health = rig.board.health(GATE)
    assert health is not None
    assert len(health.history) == HISTORY_MAX
    assert health.history[-1].state is CameraState.STALLED
    assert [event.at_utc for event in health.history] == sorted(event.at_utc for event in health.history)
    assert health.since_utc == health.history[-1].at_utc


@given(st.lists(st.sampled_from(CameraState), max_size=40))
def test_events_tell_exactly_the_changes(states: list[CameraState]) -> None:
    rig = Rig()
    for state in states:
        rig.be(state)
    told = [event.state for event in rig.events if event.alarm is None]
    expected = [state for number, state in enumerate(states) if number == 0 or states[number - 1] is not state]
    assert told == expected


def metered(
    *, fps: float = 25.0, seconds: int = 12, told: float = 25.0, corrupt: float = 0.0, facts: StreamFacts | None = None
) -> CameraMeter:
    meter, ledger = CameraMeter(), CameraLedger(GATE)
    for second in range(seconds + 1):
        ledger.received = round(fps * second)
        ledger.frames[FrameFate.CORRUPT] = round(fps * second * corrupt)
        given_facts = facts if facts is not None else StreamFacts(fps_told=told, bytes_received=125_000 * second)
        meter.look(ledger.snapshot(), given_facts, now_s=100.0 + second)
    return meter


def test_a_meter_measures_rates() -> None:
    meter = metered()
    assert meter.fps == pytest.approx(25.0)
    assert meter.bit_rate_bps == pytest.approx(1_000_000.0)
    assert meter.trouble is None


@pytest.mark.parametrize(
    ("meter", "text"),
    [
        (lambda: metered(corrupt=0.2), "20 % of its pictures are damaged"),
        (lambda: metered(fps=8.0), "8.0 of 25.0 frames a second arrive"),
        (lambda: metered(facts=StreamFacts(waits_for_key_s=15.0)), "no key frame for 15 s"),
        (lambda: metered(facts=StreamFacts(undecodable_s=7.0)), "nothing can be decoded of it for 7 s"),
    ],
)
def test_what_is_wrong_with_a_stream_is_said(meter: Callable[[], CameraMeter], text: str) -> None:
    assert str(meter().trouble) == text


def test_a_stream_is_not_called_slow_before_there_is_a_window_full() -> None:
    assert metered(fps=8.0, seconds=int(WINDOW_S / 2)).trouble is None


def test_a_meter_that_forgets_begins_anew() -> None:
    meter = metered(corrupt=0.5)
    meter.forget()
    assert (meter.fps, meter.bit_rate_bps, meter.trouble) == (0.0, 0.0, None)
