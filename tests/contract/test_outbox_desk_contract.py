"""The Outbox port's limits, order, freshness and retention, and what a person asks of it: run on every adapter."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from outbox_rigs import Change, Rig, capture_id_of, capture_of, changed, cut, lost
from vigia.application.errors import (
    CaptureUnknown,
    LeaseLost,
    OutboxCorrupt,
    OutboxUnavailable,
    PermanentError,
    PictureGone,
)
from vigia.application.ports import Damage, ManagedOutbox, OutboxTally
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError
from vigia.domain.outbox_policy import DAY_S, GivenUp, LeaseOrder, OutboxPolicy, WhenFull, WhenOld
from vigia.testing.sim_clock import SimClock

LEASE_S = 60.0
PICTURE_BYTES = 102


def commit(outbox: ManagedOutbox, *numbers: int, camera: str = "gate") -> None:
    for number in numbers:
        outbox.commit(capture_of(number, camera))


def lease(outbox: ManagedOutbox, limit: int = 1) -> list[LeasedCapture]:
    return outbox.lease(limit=limit, duration_s=LEASE_S)


def leased_numbers(outbox: ManagedOutbox, limit: int = 100) -> list[int]:
    return [int(capture.id, 16) for capture in lease(outbox, limit)]


def finish(outbox: ManagedOutbox, state: CaptureState) -> int:
    """End the next capture; its number."""
    (leased,) = lease(outbox)
    if state is CaptureState.DELIVERED:
        outbox.mark_delivered(leased, ["7"])
    elif state is CaptureState.REFUSED:
        outbox.mark_refused(leased, "no_face")
    else:
        outbox.mark_dead(leased, "given up")
    return int(leased.id, 16)


def states(outbox: ManagedOutbox) -> dict[int, CaptureState]:
    return {entry.track_id: entry.state for entry in outbox.entries()}


def assert_adds_up(outbox: ManagedOutbox, *, committed: int, by_senders: int) -> None:
    """Every capture that was committed has exactly one place in the books."""
    assert committed == by_senders + outbox.tally().lost_to_senders + outbox.stats().unsent


# What the books tell


def test_an_entry_tells_everything_about_a_capture(outbox: ManagedOutbox, clock: SimClock) -> None:
    commit(outbox, 1)
    entry = outbox.entry(capture_id_of(1))
    assert entry is not None
    assert (entry.seq, entry.size_bytes, entry.findface_camera_id) == (1, PICTURE_BYTES, 7)
    assert abs(entry.committed_at_utc - clock.utc()) < timedelta(milliseconds=1)
    assert (entry.maybe_sent, entry.due_in_s, entry.ended_at_utc) == (False, 0.0, None)
    assert (entry.picture_kept, entry.exempt, entry.code) == (True, False, None)

    (leased,) = lease(outbox)
    clock.advance(10.0)
    entry = outbox.entry(capture_id_of(1))
    assert entry is not None
    assert (entry.state, entry.maybe_sent) == (CaptureState.LEASED, True)
    assert entry.due_in_s == pytest.approx(50.0, abs=1e-3)

    outbox.retry_later(leased, delay_s=30.0, reason="busy", maybe_sent=False)
    entry = outbox.entry(capture_id_of(1))
    assert entry is not None
    assert entry.due_in_s == pytest.approx(30.0, abs=1e-3)
    assert not entry.maybe_sent

    clock.advance(31.0)
    finish(outbox, CaptureState.DEAD)
    entry = outbox.entry(capture_id_of(1))
    assert entry is not None
    assert (entry.code, entry.due_in_s) == (GivenUp.DELIVERY, None)
    assert entry.ended_at_utc is not None
    assert abs(entry.ended_at_utc - clock.utc()) < timedelta(milliseconds=1)


def test_a_capture_that_is_not_there_has_no_entry_and_no_picture(outbox: ManagedOutbox) -> None:
    assert outbox.entry(capture_id_of(1)) is None
    assert outbox.picture(capture_id_of(1)) is None


def test_entries_by_camera_state_and_age(outbox: ManagedOutbox, clock: SimClock) -> None:
    commit(outbox, 1, camera="a")
    clock.advance(100.0)
    commit(outbox, 2, camera="a")
    commit(outbox, 3, camera="b")
    clock.advance(10.0)
    assert finish(outbox, CaptureState.DEAD) == 1

    def found(**filters: object) -> list[int]:
        return [entry.track_id for entry in outbox.entries(**filters)]  # type: ignore[arg-type]

    assert found(camera_id=CameraId("a")) == [1, 2]
    assert found(state=CaptureState.PENDING) == [2, 3]
    assert found(older_than_s=50.0) == [1]
    assert found(younger_than_s=50.0) == [2, 3]
    assert found(older_than_s=5.0, younger_than_s=105.0, camera_id=CameraId("b")) == [3]
    assert found(camera_id=CameraId("a"), state=CaptureState.DEAD, older_than_s=200.0) == []


def test_entries_come_in_pages(outbox: ManagedOutbox) -> None:
    commit(outbox, *range(7))
    pages, after = [], 0
    while page := outbox.entries(limit=3, after=after):
        pages.append([entry.track_id for entry in page])
        after = page[-1].seq
        if len(pages) == 1:
            outbox.drop(page[-1].id, expected=CaptureState.PENDING)  # a page's end may vanish

    assert pages == [[0, 1, 2], [3, 4, 5], [6]]


def test_the_newest_come_first_and_in_pages(outbox: ManagedOutbox) -> None:
    commit(outbox, *range(7))
    pages, before = [], None
    while page := outbox.newest(limit=3, before=before):
        pages.append([entry.track_id for entry in page])
        before = page[-1].seq
        if len(pages) == 1:
            outbox.drop(page[-1].id, expected=CaptureState.PENDING)  # a page's end may vanish
            commit(outbox, 7)  # and what is new belongs to no later page

    assert pages == [[6, 5, 4], [3, 2, 1], [0]]


def test_the_newest_by_camera_state_and_quality(outbox: ManagedOutbox) -> None:
    for number, (camera, quality) in enumerate([("a", 0.2), ("b", 0.8), ("a", 0.5), ("a", 0.9), ("b", 0.1)]):
        outbox.commit(replace(capture_of(number, camera), quality=quality))
    assert finish(outbox, CaptureState.DEAD) == 0
    assert finish(outbox, CaptureState.DELIVERED) == 1

    def found(**filters: object) -> list[int]:
        return [entry.track_id for entry in outbox.newest(limit=10, **filters)]  # type: ignore[arg-type]

    assert found() == [4, 3, 2, 1, 0]
    assert found(camera_id=CameraId("a")) == [3, 2, 0]
    assert found(state=CaptureState.PENDING) == [4, 3, 2]
    assert found(quality_min=0.5) == [3, 2, 1]
    assert found(quality_min=0.5, camera_id=CameraId("b"), state=CaptureState.DELIVERED) == [1]
    assert found(quality_min=0.95) == []
    assert outbox.newest(limit=2, state=CaptureState.PENDING, before=outbox.newest(limit=1)[0].seq)[0].track_id == 3
    assert outbox.newest(limit=3) == outbox.entries()[:1:-1]


def test_captures_are_counted_by_camera_and_state(outbox: ManagedOutbox) -> None:
    assert outbox.counts_by_camera() == {}
    for number, camera in enumerate("abaab"):
        commit(outbox, number, camera=camera)
    assert finish(outbox, CaptureState.DEAD) == 0
    assert finish(outbox, CaptureState.DELIVERED) == 1
    lease(outbox)

    assert outbox.counts_by_camera() == {
        CameraId("a"): {CaptureState.DEAD: 1, CaptureState.LEASED: 1, CaptureState.PENDING: 1},
        CameraId("b"): {CaptureState.DELIVERED: 1, CaptureState.PENDING: 1},
    }
    outbox.drop(capture_id_of(1), expected=CaptureState.DELIVERED)  # kept ones only
    outbox.drop(capture_id_of(4), expected=CaptureState.PENDING)
    assert outbox.counts_by_camera().keys() == {"a"}


def test_an_entry_tells_the_size_of_the_posted_picture_and_where_to_look(outbox: ManagedOutbox) -> None:
    commit(outbox, 1)
    for entry in (outbox.entry(capture_id_of(1)), *outbox.entries(), *outbox.newest(limit=1)):
        assert entry is not None
        assert (entry.roi_ltrb, entry.size_wh) == ((2, 12, 38, 48), (64, 48))


def test_a_picture_is_there_until_it_is_delivered(outbox: ManagedOutbox) -> None:
    commit(outbox, 1)
    assert outbox.picture(capture_id_of(1)) == capture_of(1).jpeg

    finish(outbox, CaptureState.DELIVERED)

    assert outbox.picture(capture_id_of(1)) is None
    entry = outbox.entry(capture_id_of(1))
    assert entry is not None
    assert (entry.picture_kept, entry.location) == (False, "")


@pytest.mark.parametrize("change", [lost, cut, changed])
def test_a_spoilt_picture_is_told_and_not_handed_out(rig: Rig, outbox: ManagedOutbox, change: Change) -> None:
    commit(outbox, 1)
    rig.spoil(outbox, capture_id_of(1), change)

    with pytest.raises(OutboxCorrupt):
        outbox.picture(capture_id_of(1))

    assert lease(outbox) == []
    (entry,) = outbox.entries()
    expected = GivenUp.PICTURE_MISSING if change is lost else GivenUp.PICTURE_DAMAGED
    assert (entry.state, entry.code, entry.picture_kept) == (CaptureState.DEAD, expected, change is not lost)
    assert outbox.tally().given_up == {expected: 1}
    assert_adds_up(outbox, committed=1, by_senders=0)


# What a person does


@pytest.mark.parametrize("state", [CaptureState.DEAD, CaptureState.REFUSED])
def test_a_capture_put_back_starts_anew_but_keeps_its_doubt(outbox: ManagedOutbox, state: CaptureState) -> None:
    commit(outbox, 1, 2)
    outbox.retry_later(lease(outbox)[0], delay_s=0.0, reason="no answer")
    assert finish(outbox, state) == 1

    outbox.put_back(capture_id_of(1), expected=state)

    entry = outbox.entry(capture_id_of(1))
    assert entry is not None
    assert (entry.state, entry.attempts, entry.code, entry.reason) == (CaptureState.PENDING, 0, None, "")
    assert (entry.exempt, entry.ended_at_utc, entry.due_in_s) == (True, None, 0.0)
    (leased,) = lease(outbox)
    assert (leased.id, leased.attempts, leased.maybe_sent) == (capture_id_of(1), 1, True)
    assert leased.jpeg == capture_of(1).jpeg
    assert outbox.tally() == OutboxTally(put_back=1)
    assert_adds_up(outbox, committed=2, by_senders=1)


@pytest.mark.parametrize("state", [CaptureState.PENDING, CaptureState.LEASED, CaptureState.DELIVERED])
def test_only_refused_and_dead_captures_are_put_back(outbox: ManagedOutbox, state: CaptureState) -> None:
    commit(outbox, 1)

    with pytest.raises(ValueError, match="cannot be put back"):
        outbox.put_back(capture_id_of(1), expected=state)


def person_actions() -> list[Callable[[ManagedOutbox], None]]:
    return [
        lambda outbox: outbox.put_back(capture_id_of(1), expected=CaptureState.DEAD),
        lambda outbox: outbox.drop(capture_id_of(1), expected=CaptureState.DEAD),
    ]


@pytest.mark.parametrize("action", person_actions(), ids=["put_back", "drop"])
def test_a_person_who_saw_another_state_changes_nothing(
    outbox: ManagedOutbox, action: Callable[[ManagedOutbox], None]
) -> None:
    with pytest.raises(CaptureUnknown):
        action(outbox)
    commit(outbox, 1)
    with pytest.raises(TransitionError, match="pending now, not dead"):
        action(outbox)
    (leased,) = lease(outbox)
    with pytest.raises(TransitionError, match="leased now, not dead"):
        action(outbox)
    outbox.mark_delivered(leased, ["1"])
    with pytest.raises(TransitionError, match="delivered now, not dead"):
        action(outbox)
    assert states(outbox) == {1: CaptureState.DELIVERED}
    assert outbox.tally() == OutboxTally()


def test_a_pending_capture_that_is_dropped_is_gone_and_counted(outbox: ManagedOutbox) -> None:
    commit(outbox, 1, 2)

    outbox.drop(capture_id_of(1), expected=CaptureState.PENDING)

    assert leased_numbers(outbox) == [2]
    assert outbox.stats().bytes_on_disk == PICTURE_BYTES
    assert outbox.tally() == OutboxTally(dropped=1)
    assert_adds_up(outbox, committed=2, by_senders=0)


@pytest.mark.parametrize("state", [CaptureState.DEAD, CaptureState.REFUSED, CaptureState.DELIVERED])
def test_a_finished_capture_that_is_dropped_stays_in_the_counts(outbox: ManagedOutbox, state: CaptureState) -> None:
    commit(outbox, 1)
    finish(outbox, state)

    outbox.drop(capture_id_of(1), expected=state)

    assert outbox.entries() == []
    stats = outbox.stats()
    assert (stats.counts, stats.kept, stats.bytes_on_disk) == ({state: 1}, {}, 0)
    assert_adds_up(outbox, committed=1, by_senders=1)


def test_a_leased_capture_cannot_be_dropped(outbox: ManagedOutbox) -> None:
    commit(outbox, 1)
    (leased,) = lease(outbox)

    with pytest.raises(ValueError, match="leased"):
        outbox.drop(leased.id, expected=CaptureState.LEASED)

    outbox.mark_delivered(leased, ["1"])


# Order


def test_newest_first_within_a_camera_and_cameras_in_turn(rig: Rig) -> None:
    outbox = rig.open(OutboxPolicy(order=LeaseOrder.NEWEST))
    for number, camera in [(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "b"), (6, "c")]:
        commit(outbox, number, camera=camera)

    assert leased_numbers(outbox, 4) == [3, 5, 6, 2]
    commit(outbox, 7, camera="a")
    assert leased_numbers(outbox) == [4, 7, 1]


# Freshness


def test_what_is_too_old_is_kept_and_not_sent(rig: Rig, clock: SimClock) -> None:
    outbox = rig.open(OutboxPolicy(age_max_s=60.0))
    commit(outbox, 1)
    clock.advance(59.0)
    commit(outbox, 2)
    clock.advance(1.0)

    assert leased_numbers(outbox) == [2]

    entry = outbox.entry(capture_id_of(1))
    assert entry is not None
    assert (entry.state, entry.code) == (CaptureState.DEAD, GivenUp.EXPIRED)
    assert (entry.reason, entry.attempts) == ("too old to be sent", 0)
    assert outbox.picture(capture_id_of(1)) == capture_of(1).jpeg
    assert outbox.tally().given_up == {GivenUp.EXPIRED: 1}
    assert_adds_up(outbox, committed=2, by_senders=0)


def test_a_doubtful_capture_that_is_too_old_says_so_and_its_late_sender_loses(rig: Rig, clock: SimClock) -> None:
    outbox = rig.open(OutboxPolicy(age_max_s=60.0))
    commit(outbox, 1)
    (leased,) = lease(outbox)
    clock.advance(59.0)
    assert outbox.sweep().expired == 0
    clock.advance(2.0)  # the lease runs out too

    assert lease(outbox) == []

    (entry,) = outbox.entries()
    assert (entry.code, entry.maybe_sent) == (GivenUp.EXPIRED, True)
    assert entry.reason == "too old to be sent; it may have arrived"
    with pytest.raises(LeaseLost):
        outbox.mark_delivered(leased, ["1"])


def test_a_capture_put_back_by_a_person_never_expires(rig: Rig, clock: SimClock) -> None:
    outbox = rig.open(OutboxPolicy(age_max_s=60.0))
    commit(outbox, 1)
    clock.advance(100.0)
    assert lease(outbox) == []
    outbox.put_back(capture_id_of(1), expected=CaptureState.DEAD)
    clock.advance(1000.0)

    assert leased_numbers(outbox) == [1]
    assert_adds_up(outbox, committed=1, by_senders=0)


def test_a_sweep_expires_what_nobody_asks_for(rig: Rig, clock: SimClock) -> None:
    outbox = rig.open(OutboxPolicy(age_max_s=60.0))
    commit(outbox, 1, 2)
    outbox.retry_later(lease(outbox)[0], delay_s=500.0, reason="later")
    clock.advance(61.0)

    report = outbox.sweep()

    assert (report.expired, report.more) == (2, False)
    assert outbox.next_due_s() is None
    assert outbox.sweep().expired == 0


def test_what_is_old_may_be_sent_last(rig: Rig, clock: SimClock) -> None:
    outbox = rig.open(OutboxPolicy(age_max_s=60.0, when_old=WhenOld.LAST))
    commit(outbox, 1, 2, camera="a")
    commit(outbox, 3, camera="b")
    clock.advance(60.0)
    commit(outbox, 4, 5, camera="a")

    assert leased_numbers(outbox, 1) == [4]
    assert leased_numbers(outbox, 3) == [5, 3, 1]
    assert leased_numbers(outbox) == [2]
    assert outbox.sweep().expired == 0
    assert outbox.tally() == OutboxTally()


# No room


def test_a_full_outbox_may_give_up_the_oldest(rig: Rig) -> None:
    outbox = rig.open(OutboxPolicy(captures_max=2, when_full=WhenFull.OLDEST))
    commit(outbox, 1, 2, 3)

    entry = outbox.entry(capture_id_of(1))
    assert entry is not None
    assert (entry.state, entry.code, entry.picture_kept) == (CaptureState.DEAD, GivenUp.OUTBOX_FULL, False)
    assert entry.reason == "given up: the outbox was full"
    assert outbox.picture(capture_id_of(1)) is None
    assert outbox.tally() == OutboxTally(given_up={GivenUp.OUTBOX_FULL: 1})
    assert outbox.stats().bytes_on_disk == 2 * PICTURE_BYTES
    assert leased_numbers(outbox) == [2, 3]
    assert_adds_up(outbox, committed=3, by_senders=0)
    with pytest.raises(PictureGone):
        outbox.put_back(capture_id_of(1), expected=CaptureState.DEAD)


def test_a_leased_capture_is_never_given_up(rig: Rig) -> None:
    outbox = rig.open(OutboxPolicy(captures_max=2, when_full=WhenFull.OLDEST))
    commit(outbox, 1, 2)
    held = lease(outbox, 2)

    with pytest.raises(OutboxUnavailable, match="full"):
        commit(outbox, 3)

    for capture in held:
        outbox.mark_delivered(capture, ["1"])
    commit(outbox, 3)
    assert outbox.tally() == OutboxTally()


def test_what_a_person_put_back_is_given_up_last(rig: Rig) -> None:
    outbox = rig.open(OutboxPolicy(captures_max=2, when_full=WhenFull.OLDEST))
    commit(outbox, 1)
    finish(outbox, CaptureState.DEAD)
    commit(outbox, 2, 3)
    outbox.put_back(capture_id_of(1), expected=CaptureState.DEAD)
    assert outbox.stats().unsent == 3  # more than may wait: a person decided

    commit(outbox, 4)

    assert leased_numbers(outbox) == [1, 4]
    assert_adds_up(outbox, committed=4, by_senders=1)


def test_pictures_make_room_in_the_order_of_the_policy(rig: Rig) -> None:
    outbox = rig.open(OutboxPolicy(bytes_max=5 * PICTURE_BYTES, when_full=WhenFull.OLDEST))
    commit(outbox, 1, 2, 3, 4, 5)
    for state in (CaptureState.DEAD, CaptureState.REFUSED, CaptureState.REFUSED):
        finish(outbox, state)

    def with_picture() -> list[int]:
        return [entry.track_id for entry in outbox.entries() if entry.picture_kept]

    gone = []
    for number in range(6, 12):
        before = set(with_picture())
        commit(outbox, number)
        gone += sorted(before - set(with_picture()))
        assert outbox.stats().bytes_on_disk == 5 * PICTURE_BYTES

    assert gone == [2, 3, 1, 4, 5, 6]  # refused, then dead, then the oldest that wait
    assert outbox.tally() == OutboxTally(given_up={GivenUp.OUTBOX_FULL: 3}, pictures_given_up=3)
    assert [states(outbox)[number] for number in (1, 2, 3)] == ["dead", "refused", "refused"]
    assert_adds_up(outbox, committed=11, by_senders=3)


def test_the_new_one_is_refused_when_finished_pictures_do_not_make_enough_room(rig: Rig) -> None:
    outbox = rig.open(OutboxPolicy(bytes_max=3 * PICTURE_BYTES))
    commit(outbox, 1, 2, 3)
    finish(outbox, CaptureState.REFUSED)
    large = b"x" * (2 * PICTURE_BYTES)

    with pytest.raises(OutboxUnavailable, match="full"):
        outbox.commit(capture_of(4, jpeg=large))

    assert outbox.picture(capture_id_of(1)) is not None  # nothing is given up in vain
    assert outbox.tally() == OutboxTally()
    commit(outbox, 5)
    assert outbox.picture(capture_id_of(1)) is None
    with pytest.raises(OutboxUnavailable, match="full"):
        commit(outbox, 6)
    assert_adds_up(outbox, committed=4, by_senders=1)


def test_a_picture_larger_than_the_outbox_is_refused_for_good(rig: Rig) -> None:
    outbox = rig.open(OutboxPolicy(bytes_max=PICTURE_BYTES, when_full=WhenFull.OLDEST))
    commit(outbox, 1)

    with pytest.raises(PermanentError, match="larger than the whole outbox"):
        outbox.commit(capture_of(2, jpeg=b"x" * (PICTURE_BYTES + 1)))

    assert states(outbox) == {1: CaptureState.PENDING}


def test_the_same_id_twice_gives_nothing_up(rig: Rig) -> None:
    outbox = rig.open(OutboxPolicy(captures_max=2, when_full=WhenFull.OLDEST))
    commit(outbox, 1, 2)

    with pytest.raises(TransitionError):
        commit(outbox, 2)

    assert outbox.tally() == OutboxTally()


# Retention


@pytest.mark.parametrize(
    ("state", "policy"),
    [
        (CaptureState.DELIVERED, OutboxPolicy(delivered_days=2.0)),
        (CaptureState.REFUSED, OutboxPolicy(refused_days=2.0)),
        (CaptureState.DEAD, OutboxPolicy(dead_days=2.0)),
    ],
)
def test_finished_captures_go_when_their_days_are_over(
    rig: Rig, clock: SimClock, state: CaptureState, policy: OutboxPolicy
) -> None:
    outbox = rig.open(policy)
    commit(outbox, 1, 2, 3)
    clock.advance(5.0 * DAY_S)  # the days count from the end, not from the commit
    finish(outbox, state)
    clock.advance(1.5 * DAY_S)
    finish(outbox, state)
    assert outbox.sweep().forgotten == {}
    clock.advance(0.5 * DAY_S)

    assert outbox.sweep().forgotten == {state: 1}

    assert sorted(states(outbox)) == [2, 3]
    stats = outbox.stats()
    assert (stats.counts, stats.kept) == (
        {state: 2, CaptureState.PENDING: 1},
        {state: 1, CaptureState.PENDING: 1},
    )
    pictures = 1 if state is CaptureState.DELIVERED else 2
    assert stats.bytes_on_disk == pictures * PICTURE_BYTES
    assert_adds_up(outbox, committed=3, by_senders=2)


def test_no_days_are_for_ever_and_waiting_captures_always_are(rig: Rig, clock: SimClock) -> None:
    outbox = rig.open(OutboxPolicy(delivered_days=0.0, refused_days=0.0, dead_days=0.0))
    commit(outbox, 1, 2, 3, 4)
    for state in (CaptureState.DELIVERED, CaptureState.REFUSED, CaptureState.DEAD):
        finish(outbox, state)
    clock.advance(10_000.0 * DAY_S)

    assert outbox.sweep().forgotten == {}
    assert len(outbox.entries()) == 4


# Verification


def test_verify_finds_what_is_spoilt_and_changes_nothing(rig: Rig, outbox: ManagedOutbox) -> None:
    commit(outbox, 1, 2, 3, 4)
    for number, change in ((1, lost), (2, cut), (3, changed)):
        rig.spoil(outbox, capture_id_of(number), change)

    report = outbox.verify()

    assert report.checked == 4
    assert not report.sound
    assert {(finding.capture_id, finding.damage, finding.repaired) for finding in report.findings} == {
        (capture_id_of(1), Damage.MISSING, False),
        (capture_id_of(2), Damage.TRUNCATED, False),
        (capture_id_of(3), Damage.WRONG_HASH, False),
    }
    assert (report.counts[Damage.MISSING], report.counts[Damage.ORPHAN]) == (1, 0)
    assert set(states(outbox).values()) == {CaptureState.PENDING}


def test_verify_with_repair_puts_aside_what_cannot_be_sent(rig: Rig, outbox: ManagedOutbox) -> None:
    commit(outbox, 1, 2, 3, 4)
    for number, change in ((1, lost), (2, cut), (3, changed)):
        rig.spoil(outbox, capture_id_of(number), change)

    report = outbox.verify(repair=True)

    assert all(finding.repaired for finding in report.findings)
    assert len(report.findings) == 3
    codes = {entry.track_id: (entry.state, entry.code) for entry in outbox.entries()}
    assert codes == {
        1: (CaptureState.DEAD, GivenUp.PICTURE_MISSING),
        2: (CaptureState.DEAD, GivenUp.PICTURE_DAMAGED),
        3: (CaptureState.DEAD, GivenUp.PICTURE_DAMAGED),
        4: (CaptureState.PENDING, None),
    }
    assert outbox.verify().sound
    assert_adds_up(outbox, committed=4, by_senders=0)
    assert leased_numbers(outbox) == [4]


def test_verify_notes_in_finished_captures_that_their_picture_is_gone(rig: Rig, outbox: ManagedOutbox) -> None:
    commit(outbox, 1)
    finish(outbox, CaptureState.REFUSED)
    rig.spoil(outbox, capture_id_of(1), lost)

    assert [finding.damage for finding in outbox.verify(repair=True).findings] == [Damage.MISSING]

    (entry,) = outbox.entries()
    assert (entry.state, entry.picture_kept, entry.reason) == (CaptureState.REFUSED, False, "no_face")
    assert outbox.stats().bytes_on_disk == 0
    assert outbox.verify().sound


def test_verify_leaves_leased_captures_to_their_senders(rig: Rig, outbox: ManagedOutbox) -> None:
    commit(outbox, 1)
    (leased,) = lease(outbox)
    rig.spoil(outbox, leased.id, changed)

    (finding,) = outbox.verify(repair=True).findings

    assert (finding.damage, finding.repaired) == (Damage.WRONG_HASH, False)
    outbox.mark_delivered(leased, ["1"])
    assert outbox.verify().sound


def test_a_closed_outbox_answers_no_person(outbox: ManagedOutbox) -> None:
    outbox.close()

    calls: list[Callable[[], object]] = [
        lambda: outbox.entry(capture_id_of(1)),
        lambda: outbox.newest(limit=1),
        lambda: outbox.picture(capture_id_of(1)),
        lambda: outbox.put_back(capture_id_of(1), expected=CaptureState.DEAD),
        lambda: outbox.drop(capture_id_of(1), expected=CaptureState.DEAD),
        outbox.tally,
        outbox.sweep,
        outbox.verify,
    ]
    for call in calls:
        with pytest.raises(OutboxUnavailable, match="closed"):
            call()
