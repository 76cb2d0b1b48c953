"""A worker's books: what is added up over its lives, and that they balance however it died."""

from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.camera_status import LoadReason
from vigia.application.load_control import DECISIONS_MAX, DecisionKind, LoadDecision, Rung
from vigia.application.recent_durations import DurationStats
from vigia.application.use_cases.stream_camera import CameraState
from vigia.application.worker_books import COMMITTED_KEPT, WORKER_DIED, Casualties, WorkerBooks, closed
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import CaptureId
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger, FrameFate, LedgerPage, TrackFate
from vigia.domain.passages import ProcessedWindow
from worker_fakes import a_report

GATE = Camera(CameraId("gate"), "Gate", "rtsp://gate")
DOOR = Camera(CameraId("door"), "Door", "rtsp://door")
COUNTS = st.integers(0, 50)


def a_day(*, received: int = 10, tracked: int = 7, started: int = 3, captured: int = 2) -> LedgerPage:
    ledger = CameraLedger(GATE.id, received=received, tracks_started=started)
    ledger.book(FrameFate.TRACKED, tracked)
    for _ in range(captured):
        ledger.book_track(TrackFate.CAPTURED)
    return ledger.snapshot()


@given(
    received=COUNTS, frames=st.lists(COUNTS, min_size=5, max_size=5), started=COUNTS,
    tracks=st.lists(COUNTS, min_size=3, max_size=3), committed=COUNTS, lost=COUNTS, sending=COUNTS, further=COUNTS,
)  # fmt: skip
def test_books_balance_whatever_the_last_report_said(
    received: int,
    frames: list[int],
    started: int,
    tracks: list[int],
    committed: int,
    lost: int,
    sending: int,
    further: int,
) -> None:
    page = LedgerPage(
        received=received,
        frames=MappingProxyType(dict(zip(FrameFate, frames, strict=True))),
        tracks_started=started,
        tracks=MappingProxyType(dict(zip(TrackFate, tracks, strict=True))),
        sending=sending,
        further_captures=further,
    )
    done, costs = closed(page, committed=committed, lost=lost)
    assert done.balanced
    assert done.captures == committed + lost + costs.captures
    assert done.frames[FrameFate.SKIPPED] - page.frames[FrameFate.SKIPPED] == costs.packets
    assert done.skip_reasons.get(WORKER_DIED, 0) == costs.packets
    assert done.tracks[TrackFate.LOST] - page.tracks[TrackFate.LOST] == costs.tracks
    assert done.frames[FrameFate.TRACKED] == page.frames[FrameFate.TRACKED], "what is booked stays booked"


def test_what_a_dead_worker_had_in_hand_is_booked() -> None:
    done, costs = closed(a_day(), committed=1, lost=0)
    assert costs == Casualties(packets=3, tracks=1, captures=1)
    assert done.skip_reasons == {WORKER_DIED: 3}


def test_a_commit_after_the_last_report_explains_an_open_track() -> None:
    done, costs = closed(a_day(started=3, captured=2), committed=3, lost=0)
    assert costs.tracks == costs.captures == 0
    assert (done.tracks_started, done.tracks[TrackFate.CAPTURED]) == (3, 3)


def test_a_commit_after_the_last_report_may_be_of_a_track_that_nobody_told_of() -> None:
    done, _ = closed(a_day(started=2, captured=2), committed=3, lost=0)
    assert (done.tracks_started, done.tracks[TrackFate.CAPTURED]) == (3, 3)


def test_lives_are_added_up() -> None:
    books = WorkerBooks("shard-0", [GATE, DOOR])
    assert [camera.source for camera in books.details] == [CameraState.CONNECTING] * 2
    ages = DurationHistogram()
    ages.record(0.25)
    books.take(
        a_report([GATE, DOOR], pages=[a_day()], ages=ages, cpu_s=2.0, rss_bytes=7, gc_pause_max_s=0.5, commit_waiting=1)
    )
    books.committed(GATE.id, CaptureId("a"))
    assert (books.commits, books.commit_waiting, books.rss_bytes) == (1, 1, 7)
    assert books.close_life() == Casualties(packets=3, tracks=1, captures=1)
    assert (books.commits, books.lost, books.commit_waiting, books.rss_bytes) == (1, 1, 0, 0)
    assert [camera.source for camera in books.details] == [CameraState.CONNECTING] * 2
    books.take(a_report([GATE, DOOR], pages=[a_day()], ages=ages, cpu_s=1.0, gc_pause_max_s=0.1))
    gate = books.details[0]
    assert (gate.source, gate.page.received) == (CameraState.LIVE, 20)
    assert (books.cpu_s, books.gc_pauses_s[1], books.ages().count) == (3.0, 0.5, 2)
    books.forget_ages()
    assert books.ages().count == 1, "the worker forgets its own"


def test_a_death_before_the_first_report_costs_nothing_that_is_known() -> None:
    books = WorkerBooks("shard-0", [GATE])
    assert books.close_life() == Casualties()
    assert books.details[0].page.balanced


def test_a_capture_given_up_in_the_worker_is_not_lost_when_it_arrived_after_all() -> None:
    books = WorkerBooks("shard-0", [GATE])
    books.take(a_report([GATE], lost={GATE.id: 2}, doubtful=[(GATE.id, CaptureId("late")), (GATE.id, CaptureId("no"))]))
    assert books.lost == 2
    books.committed(GATE.id, CaptureId("late"))
    assert (books.lost, books.commits) == (1, 1)


def test_only_so_many_ids_are_kept() -> None:
    books = WorkerBooks("shard-0", [GATE])
    for number in range(2 * COMMITTED_KEPT):
        books.committed(GATE.id, CaptureId(str(number)))
    assert len(books._committed_ids) == COMMITTED_KEPT
    assert books.commits == 2 * COMMITTED_KEPT


@pytest.mark.parametrize("grown", [ProcessedWindow(0, 9), ProcessedWindow(3, 20)])
def test_windows_of_later_reports_replace_earlier_ones(grown: ProcessedWindow) -> None:
    books = WorkerBooks("shard-0", [GATE])
    books.take(a_report([GATE], windows={(GATE.id, 0): ProcessedWindow(3, 9)}))
    books.take(a_report([GATE], windows={(GATE.id, 0): grown}))
    books.take(a_report([GATE]))
    assert books.windows == {(GATE.id, 0): grown}


def test_an_open_track_that_had_sent_is_captured_and_not_lost() -> None:
    done, costs = closed(replace(a_day(started=4, captured=1), sending=2, further_captures=3), committed=7, lost=0)
    assert (done.tracks[TrackFate.CAPTURED], done.further_captures, done.captures) == (3, 4, 7)
    assert (costs.tracks, costs.captures) == (1, 0)
    assert done.balanced


def decided(at_mono_s: float) -> LoadDecision:
    return LoadDecision(
        at_mono_s, "shard-0", DecisionKind.REDUCED, Rung(1), Rung(2), LoadReason.FRAMES_WAIT, 0.2, 1.1, 0.7
    )


def test_decisions_are_told_once_however_often_they_are_reported_and_outlive_the_worker() -> None:
    books = WorkerBooks("shard-0", [GATE])
    books.take(a_report([GATE], decisions=[decided(1.0), decided(2.0)]))
    books.take(a_report([GATE], decisions=[decided(2.0), decided(3.0)]))
    books.close_life()
    books.take(a_report([GATE], decisions=[decided(4.0)]))
    assert [one.at_mono_s for one in books.decisions] == [1.0, 2.0, 3.0, 4.0]
    books.take(a_report([GATE], decisions=[decided(5.0 + n) for n in range(2 * DECISIONS_MAX)]))
    assert len(books.decisions) == DECISIONS_MAX


def test_lock_holds_add_up_over_lives() -> None:
    books = WorkerBooks("shard-0", [GATE])
    books.take(a_report([GATE], lock_holds=DurationStats(10, 1.0, 0.1, 0.2, 0.3, 0.4)))
    assert books.lock_holds.p99_s == 0.3
    books.close_life()
    assert books.lock_holds == DurationStats(10, 1.0, max_s=0.4)
    books.take(a_report([GATE], lock_holds=DurationStats(5, 0.5, 0.05, 0.1, 0.2, 0.3)))
    assert books.lock_holds == DurationStats(15, 1.5, 0.05, 0.1, 0.2, 0.4), "those of a past life never fall"
