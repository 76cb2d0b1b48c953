"""The Outbox port: what every outbox promises, run on the one on SQLite and on the fake in memory."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from outbox_rigs import Rig, capture_id_of, capture_of, lost
from vigia.application.errors import LeaseLost, OutboxUnavailable
from vigia.application.ports import ManagedOutbox
from vigia.domain.capture import Capture, CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError
from vigia.domain.outbox_policy import OutboxPolicy
from vigia.testing.sim_clock import SimClock

LEASE_S = 60.0


def lease_one(outbox: ManagedOutbox) -> LeasedCapture:
    (leased,) = outbox.lease(limit=1, duration_s=LEASE_S)
    return leased


def numbers(leased: list[LeasedCapture]) -> list[int]:
    return [int(capture.id, 16) for capture in leased]


def test_a_committed_capture_comes_back_as_it_was(outbox: ManagedOutbox) -> None:
    capture = capture_of(1)
    outbox.commit(capture)

    leased = lease_one(outbox)

    assert leased == LeasedCapture(
        id=capture.id,
        camera_id=capture.camera_id,
        findface_camera_id=7,
        at_utc=capture.at_utc,
        roi_ltrb=(2, 12, 38, 48),
        jpeg=capture.jpeg,
        lease=leased.lease,
        attempts=1,
        quality=0.75,
        details={"confidence": 0.9, "reason": "silence", "parts": [1, 2.5, None]},
        maybe_sent=False,
    )
    assert leased.lease
    assert leased.at_utc.utcoffset() == timedelta(hours=-3)


def test_the_books_show_a_capture_without_its_picture(outbox: ManagedOutbox) -> None:
    outbox.commit(capture_of(5))

    (entry,) = outbox.entries()

    assert (entry.id, entry.camera_id, entry.track_id) == (f"{5:032x}", "gate", 5)
    assert (entry.state, entry.attempts, entry.reason, entry.event_ids) == (CaptureState.PENDING, 0, "", ())
    assert entry.box_xyxy == (10.5, 20.25, 30.0, 40.0)
    assert entry.details["confidence"] == 0.9


def test_a_camera_unknown_to_findface_keeps_no_number(outbox: ManagedOutbox) -> None:
    capture = capture_of(1)
    outbox.commit(Capture(**{f: getattr(capture, f) for f in Capture.__slots__} | {"findface_camera_id": None}))

    assert lease_one(outbox).findface_camera_id is None


def test_the_same_id_twice_is_an_error_and_harms_nothing(outbox: ManagedOutbox) -> None:
    outbox.commit(capture_of(1, jpeg=b"first"))

    with pytest.raises(TransitionError):
        outbox.commit(capture_of(1, jpeg=b"second"))

    assert lease_one(outbox).jpeg == b"first"
    assert outbox.stats().counts == {CaptureState.LEASED: 1}


def test_an_empty_outbox_has_nothing(outbox: ManagedOutbox) -> None:
    assert outbox.lease(limit=4, duration_s=LEASE_S) == []
    assert outbox.next_due_s() is None
    assert outbox.entries() == []
    stats = outbox.stats()
    assert (stats.unsent, stats.oldest_pending_age_s, stats.bytes_on_disk) == (0, None, 0)


def test_oldest_first_within_a_camera_and_cameras_in_turn(outbox: ManagedOutbox) -> None:
    for number, camera in [(1, "a"), (2, "a"), (3, "a"), (4, "b"), (5, "b"), (6, "c")]:
        outbox.commit(capture_of(number, camera))

    assert numbers(outbox.lease(limit=4, duration_s=LEASE_S)) == [1, 4, 6, 2]
    # b was served longer ago than a
    assert numbers(outbox.lease(limit=4, duration_s=LEASE_S)) == [5, 3]


def test_a_camera_with_a_long_queue_does_not_keep_others_waiting(outbox: ManagedOutbox) -> None:
    for number in range(20):
        outbox.commit(capture_of(number, "busy"))
    assert len(outbox.lease(limit=5, duration_s=LEASE_S)) == 5
    outbox.commit(capture_of(100, "quiet"))

    assert numbers(outbox.lease(limit=2, duration_s=LEASE_S)) == [100, 5]


def test_a_leased_capture_is_not_handed_out_again(outbox: ManagedOutbox) -> None:
    outbox.commit(capture_of(1))
    lease_one(outbox)

    assert outbox.lease(limit=1, duration_s=LEASE_S) == []
    assert outbox.next_due_s() == pytest.approx(LEASE_S, abs=1e-3)


def test_a_lease_that_ran_out_comes_back_doubtful_and_its_attempt_did_not_count(
    outbox: ManagedOutbox, clock: SimClock
) -> None:
    outbox.commit(capture_of(1))
    first = lease_one(outbox)
    clock.advance(LEASE_S + 0.001)

    assert outbox.next_due_s() == 0.0
    second = lease_one(outbox)

    assert (second.attempts, second.maybe_sent) == (1, True)
    assert second.lease != first.lease


@pytest.mark.parametrize(
    "transition",
    [
        lambda outbox, capture: outbox.mark_delivered(capture, ["1"]),
        lambda outbox, capture: outbox.mark_refused(capture, "no_face"),
        lambda outbox, capture: outbox.mark_dead(capture, "given up"),
        lambda outbox, capture: outbox.retry_later(capture, delay_s=1.0, reason="later"),
    ],
    ids=["delivered", "refused", "dead", "retry"],
)
def test_who_lost_the_lease_changes_nothing(
    outbox: ManagedOutbox, clock: SimClock, transition: Callable[[ManagedOutbox, LeasedCapture], None]
) -> None:
    outbox.commit(capture_of(1))
    loser = lease_one(outbox)
    clock.advance(LEASE_S + 0.001)
    holder = lease_one(outbox)

    with pytest.raises(LeaseLost):
        transition(outbox, loser)
    assert [entry.state for entry in outbox.entries()] == [CaptureState.LEASED]
    transition(outbox, holder)
    with pytest.raises(LeaseLost):
        transition(outbox, holder)


def test_late_news_of_a_delivery_is_welcome_while_nobody_else_has_the_capture(
    outbox: ManagedOutbox, clock: SimClock
) -> None:
    outbox.commit(capture_of(1))
    leased = lease_one(outbox)
    clock.advance(LEASE_S * 2)

    outbox.mark_delivered(leased, ["42"])

    assert [entry.state for entry in outbox.entries()] == [CaptureState.DELIVERED]


def test_delivered_keeps_numbers_and_gives_its_space_back(outbox: ManagedOutbox) -> None:
    outbox.commit(capture_of(1))
    assert outbox.stats().bytes_on_disk == 102

    outbox.mark_delivered(lease_one(outbox), ["4737770269510631760", "2"])

    (entry,) = outbox.entries(state=CaptureState.DELIVERED)
    assert entry.event_ids == ("4737770269510631760", "2")
    assert entry.details["confidence"] == 0.9
    stats = outbox.stats()
    assert (stats.counts, stats.bytes_on_disk, stats.unsent) == ({CaptureState.DELIVERED: 1}, 0, 0)
    assert outbox.next_due_s() is None


@pytest.mark.parametrize("state", [CaptureState.REFUSED, CaptureState.DEAD])
def test_refused_and_dead_keep_reason_and_picture_and_are_never_handed_out(
    outbox: ManagedOutbox, clock: SimClock, state: CaptureState
) -> None:
    outbox.commit(capture_of(1))
    leased = lease_one(outbox)
    if state is CaptureState.REFUSED:
        outbox.mark_refused(leased, "no_face: zero objects")
    else:
        outbox.mark_dead(leased, "no_face: zero objects")
    clock.advance(1e6)

    assert outbox.lease(limit=5, duration_s=LEASE_S) == []
    (entry,) = outbox.entries(state=state)
    assert (entry.reason, entry.attempts) == ("no_face: zero objects", 1)
    assert outbox.stats().bytes_on_disk == 102


def test_retry_later_waits_counts_and_tells_why(outbox: ManagedOutbox, clock: SimClock) -> None:
    outbox.commit(capture_of(1))
    outbox.retry_later(lease_one(outbox), delay_s=10.0, reason="no answer")

    assert outbox.lease(limit=1, duration_s=LEASE_S) == []
    assert outbox.next_due_s() == pytest.approx(10.0, abs=1e-3)
    (entry,) = outbox.entries()
    assert (entry.state, entry.reason, entry.attempts) == (CaptureState.PENDING, "no answer", 1)
    clock.advance(10.001)
    again = lease_one(outbox)
    assert (again.attempts, again.maybe_sent) == (2, True)


def test_an_attempt_that_does_not_count_is_taken_back(outbox: ManagedOutbox) -> None:
    outbox.commit(capture_of(1))
    for _ in range(3):
        outbox.retry_later(lease_one(outbox), delay_s=0.0, reason="outage", counts=False)

    assert lease_one(outbox).attempts == 1


@pytest.mark.parametrize("doubt", [True, False])
def test_the_doubt_stays_until_it_is_taken_away(outbox: ManagedOutbox, *, doubt: bool) -> None:
    outbox.commit(capture_of(1))
    outbox.retry_later(lease_one(outbox), delay_s=0.0, reason="time-out", maybe_sent=True)
    second = lease_one(outbox)
    assert second.maybe_sent
    outbox.retry_later(second, delay_s=0.0, reason="", maybe_sent=doubt)

    assert lease_one(outbox).maybe_sent is doubt
    assert outbox.entries()[0].reason == "time-out"  # an empty reason keeps the one before


def test_a_waiting_capture_is_overtaken_by_due_ones(outbox: ManagedOutbox) -> None:
    for number in (1, 2):
        outbox.commit(capture_of(number))
    outbox.retry_later(lease_one(outbox), delay_s=5.0, reason="later")

    assert numbers(outbox.lease(limit=5, duration_s=LEASE_S)) == [2]


def test_the_oldest_unsent_one_tells_its_age(outbox: ManagedOutbox, clock: SimClock) -> None:
    outbox.commit(capture_of(1))
    clock.advance(5.0)
    outbox.commit(capture_of(2))
    lease_one(outbox)
    clock.advance(1.0)

    assert outbox.stats().oldest_pending_age_s == pytest.approx(6.0, abs=1e-3)
    assert outbox.stats().unsent == 2


def test_finished_captures_beyond_the_number_kept_are_forgotten_but_still_counted(rig: Rig) -> None:
    outbox = rig.open(OutboxPolicy(delivered_kept=2, refused_kept=1))
    for number in range(10):
        outbox.commit(capture_of(number))
    for number in range(8):
        leased = lease_one(outbox)
        if number < 5:
            outbox.mark_delivered(leased, [str(number)])
        else:
            outbox.mark_refused(leased, "no_face")

    assert [e.track_id for e in outbox.entries(state=CaptureState.DELIVERED)] == [3, 4]
    assert [e.track_id for e in outbox.entries(state=CaptureState.REFUSED)] == [7]
    stats = outbox.stats()
    assert stats.counts == {CaptureState.DELIVERED: 5, CaptureState.REFUSED: 3, CaptureState.PENDING: 2}
    assert stats.bytes_on_disk == 3 * 102


def test_entries_can_be_limited(outbox: ManagedOutbox) -> None:
    for number in range(4):
        outbox.commit(capture_of(number))

    assert [entry.track_id for entry in outbox.entries(limit=2)] == [0, 1]
    assert len(outbox.entries(state=CaptureState.DEAD, limit=2)) == 0


def test_a_full_outbox_refuses_loudly_and_takes_again_when_there_is_room(rig: Rig) -> None:
    outbox = rig.open(OutboxPolicy(captures_max=2))
    outbox.commit(capture_of(1))
    outbox.commit(capture_of(2))

    with pytest.raises(OutboxUnavailable, match="full"):
        outbox.commit(capture_of(3))

    outbox.mark_delivered(lease_one(outbox), ["1"])
    outbox.commit(capture_of(3))
    assert outbox.stats().unsent == 2


def test_a_closed_outbox_says_so(outbox: ManagedOutbox) -> None:
    outbox.commit(capture_of(1))
    leased = lease_one(outbox)
    outbox.close()
    outbox.close()

    calls: list[Callable[[], object]] = [
        lambda: outbox.commit(capture_of(2)),
        lambda: outbox.lease(limit=1, duration_s=1.0),
        lambda: outbox.mark_delivered(leased, ["1"]),
        lambda: outbox.retry_later(leased, delay_s=0.0, reason=""),
        outbox.next_due_s,
        outbox.stats,
        outbox.entries,
    ]
    for call in calls:
        with pytest.raises(OutboxUnavailable, match="closed"):
            call()


def test_a_capture_whose_picture_is_lost_is_dead_and_the_next_is_handed_out(rig: Rig, outbox: ManagedOutbox) -> None:
    for number in (1, 2):
        outbox.commit(capture_of(number))
    rig.spoil(outbox, capture_id_of(1), lost)

    assert numbers(outbox.lease(limit=1, duration_s=LEASE_S)) == [2]
    (entry,) = outbox.entries(state=CaptureState.DEAD)
    assert (entry.track_id, entry.reason) == (1, "its picture is missing")


def test_many_threads_deliver_every_capture_once(outbox: ManagedOutbox) -> None:
    cameras, each, threads = 4, 6, 4
    ready = Barrier(threads)

    def work(thread: int) -> list[str]:
        ready.wait(timeout=20)
        for number in range(each):
            outbox.commit(capture_of(thread * 1000 + number, f"camera-{thread}"))
        delivered: list[str] = []
        while batch := outbox.lease(limit=3, duration_s=LEASE_S):
            for leased in batch:
                outbox.mark_delivered(leased, [leased.id])
                delivered.append(leased.id)
        return delivered

    with ThreadPoolExecutor(threads) as pool:
        delivered = Counter(name for names in pool.map(work, range(threads)) for name in names)

    assert len(delivered) == cameras * each
    assert set(delivered.values()) == {1}
    assert outbox.stats().counts == {CaptureState.DELIVERED: cameras * each}


def test_the_time_of_a_capture_survives_in_utc(outbox: ManagedOutbox) -> None:
    outbox.commit(capture_of(0))

    assert lease_one(outbox).at_utc.astimezone(UTC) == datetime(2026, 1, 5, 11, 0, 0, 123456, tzinfo=UTC)
