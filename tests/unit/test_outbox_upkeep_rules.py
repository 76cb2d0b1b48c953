"""The outbox's policy, its alarm, and the service that keeps it tidy."""

import logging
from pathlib import Path

import pytest

from outbox_rigs import capture_of
from vigia.application.errors import OutboxUnavailable
from vigia.application.ports import OutboxTally
from vigia.application.use_cases.keep_outbox import GO_ON_S, INTERVAL_S, KeepOutboxUseCase
from vigia.domain.capture import CaptureState
from vigia.domain.outbox_policy import GivenUp, LeaseOrder, OutboxPolicy, WhenFull, WhenOld
from vigia.infrastructure.config.delivery_sections import OutboxSettings
from vigia.infrastructure.outbox import SqliteOutbox, upkeep
from vigia.infrastructure.outbox.full_alarm import REPEAT_S, FullAlarm
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock


def test_a_policy_has_no_negative_numbers() -> None:
    with pytest.raises(ValueError, match="captures_max, dead_days"):
        OutboxPolicy(captures_max=-1, dead_days=-0.5)


@pytest.mark.parametrize(
    ("policy", "expires", "defers"),
    [
        (OutboxPolicy(), False, False),
        (OutboxPolicy(when_old=WhenOld.LAST), False, False),
        (OutboxPolicy(age_max_s=1.0), True, False),
        (OutboxPolicy(age_max_s=1.0, when_old=WhenOld.LAST), False, True),
    ],
)
def test_what_becomes_of_old_captures(policy: OutboxPolicy, *, expires: bool, defers: bool) -> None:
    assert (policy.expires, policy.defers) == (expires, defers)


def test_the_settings_make_the_policy() -> None:
    settings = OutboxSettings(
        max_captures=5, max_mb=2, min_free_mb=3, when_full="oldest", order="newest", age_max_s=60.0, when_old="last",
        delivered_kept=1, refused_kept=2, delivered_days=3.0, refused_days=4.0, dead_days=5.0,
    )  # fmt: skip
    assert settings.policy == OutboxPolicy(
        captures_max=5, bytes_max=2_000_000, when_full=WhenFull.OLDEST, order=LeaseOrder.NEWEST, age_max_s=60.0,
        when_old=WhenOld.LAST, delivered_kept=1, refused_kept=2, delivered_days=3.0, refused_days=4.0, dead_days=5.0,
    )  # fmt: skip
    assert settings.free_bytes_min == 3_000_000
    assert OutboxSettings().policy == OutboxPolicy()


def test_a_tally_since_another_one_has_only_what_was_added() -> None:
    before = OutboxTally({GivenUp.EXPIRED: 2, GivenUp.OUTBOX_FULL: 1}, put_back=1, dropped=1, pictures_given_up=1)
    now = OutboxTally({GivenUp.EXPIRED: 5, GivenUp.OUTBOX_FULL: 1}, put_back=1, dropped=3, pictures_given_up=4)

    assert now.since(before) == OutboxTally({GivenUp.EXPIRED: 3}, dropped=2, pictures_given_up=3)
    assert now.since(before).lost_to_senders == 5


def test_the_alarm_tells_at_once_then_by_the_minute_then_that_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    clock = SimClock()
    alarm = FullAlarm(clock)
    with caplog.at_level(logging.WARNING, "vigia.outbox"):
        alarm.has_room()
        alarm.gave_up(captures=0, pictures=0)
        for _ in range(10):
            alarm.gave_up(captures=2, pictures=1)
            alarm.has_room()
            clock.advance(10.0)
        clock.advance(REPEAT_S - 10.0)
        alarm.has_room()
        alarm.has_room()
        alarm.gave_up(captures=1, pictures=0)

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "the outbox is full: 2 waiting captures were given up so far, and 1 pictures of finished ones"),
        ("ERROR", "the outbox is full: 14 waiting captures were given up so far, and 7 pictures of finished ones"),
        (
            "WARNING",
            "the outbox has room again; 20 waiting captures and 10 pictures of finished ones were given up",
        ),
        ("ERROR", "the outbox is full: 1 waiting captures were given up so far, and 0 pictures of finished ones"),
    ]


def test_the_keeper_sweeps_and_tells_what_went(caplog: pytest.LogCaptureFixture) -> None:
    clock = SimClock()
    outbox = MemoryOutbox(clock, policy=OutboxPolicy(age_max_s=10.0, refused_days=1.0))
    keeper = KeepOutboxUseCase(outbox)
    outbox.commit(capture_of(1))
    outbox.mark_refused(outbox.lease(limit=1, duration_s=60.0)[0], "no_face")
    outbox.commit(capture_of(2))
    clock.advance(86_400.0)

    with caplog.at_level(logging.INFO, "vigia.outbox"):
        assert keeper.step() == INTERVAL_S

    assert outbox.stats().kept == {CaptureState.DEAD: 1}
    assert [record.getMessage() for record in caplog.records] == [
        "1 captures became too old to be sent and are kept for a person",
        "outbox: 1 captures (refused) are not kept any longer",
    ]


def test_the_keeper_comes_back_soon_while_there_is_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(upkeep, "SWEEP_MAX", 2)
    clock = SimClock()
    with SqliteOutbox(tmp_path, clock, policy=OutboxPolicy(age_max_s=10.0), free_bytes_min=0) as outbox:
        for number in range(3):
            outbox.commit(capture_of(number))
        clock.advance(10.0)
        keeper = KeepOutboxUseCase(outbox)
        assert [keeper.step(), keeper.step()] == [GO_ON_S, INTERVAL_S]


def test_a_disk_that_fails_is_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    outbox = MemoryOutbox(SimClock())
    keeper = KeepOutboxUseCase(outbox)
    outbox.fault = OutboxUnavailable("disk full")
    with caplog.at_level(logging.WARNING, "vigia.outbox"):
        assert [keeper.step(), keeper.step()] == [INTERVAL_S, INTERVAL_S]
        outbox.fault = None
        keeper.step()
        outbox.fault = OutboxUnavailable("disk full")
        keeper.step()
    assert [record.getMessage() for record in caplog.records] == ["the outbox cannot be tidied: disk full"] * 2
