"""The books: every packet and track in exactly one column, and whether they balance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.domain.camera import CameraId
from vigia.domain.ledger import CameraLedger, FilterReason, FrameFate, LedgerPage, TrackFate

FATES = st.lists(st.sampled_from(list(FrameFate)), max_size=50)
ENDS = st.lists(st.sampled_from(list(TrackFate)), max_size=20)


def booked(fates: list[FrameFate], ends: list[TrackFate], *, overflow: int = 0) -> CameraLedger:
    ledger = CameraLedger(CameraId("gate"))
    for fate in fates:
        ledger.received += 1
        ledger.book(fate, reason="overload" if fate is FrameFate.SKIPPED else "")
    ledger.received += overflow
    if overflow:
        ledger.overflow["queue_full"] += overflow
    for end in ends:
        ledger.tracks_started += 1
        ledger.book_track(end, reason=FilterReason.TOO_SMALL if end is TrackFate.FILTERED else None)
    return ledger


@given(FATES, ENDS, st.integers(0, 9))
def test_booking_everything_balances(fates: list[FrameFate], ends: list[TrackFate], overflow: int) -> None:
    page = booked(fates, ends, overflow=overflow).snapshot()
    assert page.balanced
    assert page.frames_booked == page.received == len(fates) + overflow
    assert page.tracks_ended == len(ends)
    assert sum(page.skip_reasons.values()) == page.frames[FrameFate.SKIPPED]
    assert sum(page.filter_reasons.values()) == page.tracks[TrackFate.FILTERED]


@given(FATES, FATES, ENDS, ENDS)
def test_adding_pages_adds_columns(
    a: list[FrameFate], b: list[FrameFate], x: list[TrackFate], y: list[TrackFate]
) -> None:
    total = booked(a, x).snapshot().plus(booked(b, y).snapshot())
    together = booked(a + b, x + y).snapshot()
    assert total == together
    assert LedgerPage().plus(total) == total


def test_what_is_in_flight_is_not_balanced() -> None:
    ledger = booked([FrameFate.DETECTED], [])
    ledger.received += 1
    assert not ledger.snapshot().balanced
    ledger.book(FrameFate.TRACKED)
    ledger.tracks_started += 1
    assert not ledger.snapshot().balanced


def test_a_skip_and_a_filter_need_a_reason() -> None:
    ledger = CameraLedger(CameraId("gate"))
    with pytest.raises(ValueError, match="reason"):
        ledger.book(FrameFate.SKIPPED)
    with pytest.raises(ValueError, match="reason"):
        ledger.book_track(TrackFate.FILTERED)


def test_decoded_frames_are_those_somebody_could_look_at() -> None:
    page = booked(list(FrameFate), []).snapshot()
    assert page.frames_decoded == 3


def test_a_track_that_sends_several_shots_is_one_track_and_several_captures() -> None:
    ledger = CameraLedger(CameraId("gate"), tracks_started=2)
    ledger.book_shot(first=True)
    ledger.book_shot(first=False)
    page = ledger.snapshot()
    assert (page.captures, page.sending, page.tracks_ended) == (2, 1, 0)
    assert not page.balanced
    ledger.book_track(TrackFate.CAPTURED, was_sending=True)
    ledger.book_track(TrackFate.FILTERED, reason=FilterReason.DUPLICATE)
    page = ledger.snapshot()
    assert page.balanced
    assert (page.captures, page.further_captures, page.tracks[TrackFate.CAPTURED]) == (2, 1, 1)
    assert page.plus(page).captures == 4


def test_what_was_sent_cannot_be_filtered() -> None:
    ledger = CameraLedger(CameraId("gate"))
    ledger.book_shot(first=True)
    with pytest.raises(ValueError, match="captured"):
        ledger.book_track(TrackFate.LOST, was_sending=True)
