"""ManageTracksUseCase from any thread: races made to happen on purpose, then eight threads without mercy.

The races are staged by a matching service that runs something else between the snapshot and the commit. The last test
of each race takes the revalidation out and shows that the race then does its harm: so these tests can fail.
"""

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from making import MakeEvent
from vigia.application.use_cases.manage_tracks_use_case import Association, ManageTracksUseCase
from vigia.domain.camera import CameraId
from vigia.domain.errors import TransitionError
from vigia.domain.event import FaceEvent
from vigia.domain.geometry import Boxes
from vigia.domain.motion import Corners, Expected, TrackEnd, TrackId
from vigia.domain.track import Track
from vigia.domain.track_matching_service import Match, MatchKind, TrackMatchingService

GATE = CameraId("gate")


class Interrupted(TrackMatchingService):
    """Runs ``between`` once, after matching and before the commit."""

    def __init__(self) -> None:
        super().__init__()
        self.between: Callable[[], object] | None = None

    def assign(
        self,
        boxes: Boxes,
        expected: Expected,
        frame_size: tuple[int, int],
        *,
        weak: NDArray[np.bool_] | None = None,
        rooms: Sequence[Corners] | None = None,
    ) -> list[Match]:
        matches = super().assign(boxes, expected, frame_size, weak=weak, rooms=rooms)
        between, self.between = self.between, None
        if between is not None:
            between()
        return matches


def use_case(matching: TrackMatchingService | None = None, *, miss_s: float = 1.0) -> ManageTracksUseCase:
    return ManageTracksUseCase(matching or TrackMatchingService(), miss_interval_s=miss_s, duration_max_s=0.0)


def without_revalidation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ManageTracksUseCase, "_still_holds", staticmethod(lambda *_: True))


def test_a_new_face_starts_a_track_and_the_next_event_joins_it(make_event: MakeEvent) -> None:
    tracks = use_case()
    first = tracks.process_event(make_event(100, frame=0))
    second = tracks.process_event(make_event(110, frame=3))
    assert first.match is None
    assert second.track_id == first.track_id
    assert second.match is not None
    assert second.match.kind is MatchKind.IOU


def test_distance_is_the_fall_back(make_event: MakeEvent) -> None:
    tracks = use_case()
    first = tracks.process_event(make_event(100, frame=0, side_px=60))
    second = tracks.process_event(make_event(190, 150, frame=5, side_px=60))
    assert second.track_id == first.track_id
    assert second.match is not None
    assert second.match.kind is MatchKind.DISTANCE


def test_two_faces_of_one_frame_never_share_a_track(make_event: MakeEvent) -> None:
    tracks = use_case()
    tracks.process_event(make_event(100, frame=0))
    both = tracks.execute(GATE, [make_event(102, frame=1), make_event(108, frame=1)])
    assert len({association.track_id for association in both}) == 2


def test_cameras_are_apart(make_event: MakeEvent) -> None:
    tracks = use_case()
    here = tracks.process_event(make_event(100, frame=0))
    there = tracks.process_event(make_event(100, frame=1, camera="hall"))
    assert here.track_id != there.track_id
    assert tracks.active_count(GATE) == tracks.active_count(CameraId("hall")) == 1


def test_silence_ends_tracks_and_ids_are_never_used_again(make_event: MakeEvent) -> None:
    tracks = use_case()
    first = tracks.process_event(make_event(100, frame=0))
    assert tracks.expire(GATE, 1000.5) == []
    (ended,) = tracks.expire(GATE, 1001.5)
    assert (ended.id, ended.end) == (first.track_id, TrackEnd.SILENCE)
    assert tracks.process_event(make_event(100, frame=60)).track_id > first.track_id
    (rest,) = tracks.end_all(GATE, TrackEnd.STOP)
    assert rest.end is TrackEnd.STOP
    assert tracks.active_count(GATE) == 0


def test_a_silent_track_gets_no_event_even_before_it_is_expired(make_event: MakeEvent) -> None:
    tracks = use_case()
    first = tracks.process_event(make_event(100, frame=0))
    late = tracks.process_event(make_event(100, frame=90))
    assert late.track_id != first.track_id


def test_who_enters_where_somebody_just_left_is_somebody_else(make_event: MakeEvent) -> None:
    tracks = use_case()
    leaver = [tracks.process_event(make_event(x, frame=2 * n)) for n, x in enumerate(range(120, -1, -20))]
    entering = tracks.process_event(make_event(5, frame=20))
    assert len({association.track_id for association in leaver}) == 1
    assert entering.track_id != leaver[0].track_id


def test_who_stands_at_the_edge_stays_the_same(make_event: MakeEvent) -> None:
    tracks = use_case()
    ids = {tracks.process_event(make_event(x, frame=3 * n)).track_id for n, x in enumerate([2, 0, 3, 1, 2, 6, 12, 20])}
    assert len(ids) == 1


# ---- race 1: two events of one frame compete for one track


def compete(make_event: MakeEvent) -> tuple[Association, Association, ManageTracksUseCase]:
    matching = Interrupted()
    tracks = use_case(matching)
    tracks.process_event(make_event(100, frame=0))
    winner: list[Association] = []
    matching.between = lambda: winner.append(tracks.process_event(make_event(101, frame=1)))
    loser = tracks.process_event(make_event(104, frame=1))
    return winner[0], loser, tracks


def test_of_two_events_competing_for_one_track_one_wins_and_none_is_lost(make_event: MakeEvent) -> None:
    winner, loser, tracks = compete(make_event)
    assert winner.track_id == 1
    assert loser.track_id != winner.track_id
    assert tracks.conflicts == 1
    assert sum(track.events_count for track in tracks.end_all(GATE, TrackEnd.STOP)) == 3


def test_without_revalidation_the_competition_does_harm(make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    without_revalidation(monkeypatch)
    with pytest.raises(TransitionError):
        compete(make_event)


# ---- race 2: the track ends between snapshot and commit


def end_in_between(make_event: MakeEvent) -> tuple[Association, list[Track], ManageTracksUseCase]:
    matching = Interrupted()
    tracks = use_case(matching)
    tracks.process_event(make_event(100, frame=0))
    ended: list[Track] = []
    matching.between = lambda: ended.extend(tracks.expire(GATE, 1002.0))
    return tracks.process_event(make_event(104, frame=3)), ended, tracks


def test_an_event_whose_track_ended_meanwhile_starts_a_new_one(make_event: MakeEvent) -> None:
    association, ended, tracks = end_in_between(make_event)
    assert [track.events_count for track in ended] == [1]
    assert association.track_id != ended[0].id
    assert tracks.active_count(GATE) == 1


def test_without_revalidation_the_ended_track_does_harm(make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch) -> None:
    without_revalidation(monkeypatch)
    with pytest.raises((TransitionError, KeyError)):
        end_in_between(make_event)


# ---- race 3: somebody else starts the track that this event belongs to


def start_in_between(make_event: MakeEvent) -> tuple[Association, Association]:
    matching = Interrupted()
    tracks = use_case(matching)
    first: list[Association] = []
    matching.between = lambda: first.append(tracks.process_event(make_event(100, frame=1)))
    return tracks.process_event(make_event(104, frame=2)), first[-1]


def test_an_event_joins_the_track_that_was_started_meanwhile(make_event: MakeEvent) -> None:
    association, meanwhile = start_in_between(make_event)
    assert association.track_id == meanwhile.track_id


def test_without_the_generation_the_passage_would_be_two_tracks(
    make_event: MakeEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = ManageTracksUseCase._commit

    def blind(
        self: ManageTracksUseCase, state: object, plan: Sequence[object], generation: int, *, force: bool
    ) -> object:
        return commit(self, state, plan, state.generation, force=force)  # type: ignore[arg-type,attr-defined] # blind on purpose

    monkeypatch.setattr(ManageTracksUseCase, "_commit", blind)
    association, meanwhile = start_in_between(make_event)
    assert association.track_id != meanwhile.track_id


def test_an_event_that_loses_every_race_still_lands(make_event: MakeEvent) -> None:
    class Unlucky(TrackMatchingService):
        def __init__(self) -> None:
            super().__init__()
            self.frames = itertools.count(10)
            self.nested = False

        def assign(
            self,
            boxes: Boxes,
            expected: Expected,
            frame_size: tuple[int, int],
            *,
            weak: NDArray[np.bool_] | None = None,
            rooms: Sequence[Corners] | None = None,
        ) -> list[Match]:
            matches = super().assign(boxes, expected, frame_size, weak=weak, rooms=rooms)
            if not self.nested:
                self.nested = True
                tracks.process_event(make_event(100, frame=next(self.frames), at_s=0.1))
                self.nested = False
            return matches

    matching = Unlucky()
    tracks = use_case(matching)
    tracks.process_event(make_event(100, frame=0))
    unlucky = tracks.process_event(make_event(100, frame=1, at_s=0.1))
    made = next(matching.frames) - 10
    everything = tracks.end_all(GATE, TrackEnd.STOP)
    assert unlucky.track_id in {track.id for track in everything}
    assert sum(track.events_count for track in everything) == 2 + made
    assert tracks.conflicts > 10


# ---- without mercy


def test_eight_threads_lose_and_double_nothing(make_event: MakeEvent) -> None:
    """Five faces, 400 frames in shuffled turns, expiry running beside: every event lands exactly once."""
    tracks = use_case(miss_s=1e9)
    lock = threading.Lock()
    frames = iter(range(400))
    landed: list[Association] = []
    barrier = threading.Barrier(9)
    done = threading.Event()

    def work() -> None:
        barrier.wait(10)
        mine: list[Association] = []
        while True:
            with lock:
                frame = next(frames, None)
                events = (
                    []
                    if frame is None
                    else [make_event(100 + 220 * face + frame * 0.2, 200, frame=frame) for face in range(5)]
                )
            if frame is None:
                break
            mine += tracks.execute(GATE, events)
        with lock:
            landed.extend(mine)

    def expire() -> None:
        barrier.wait(10)
        while not done.wait(0.0005):  # now and then: a thread that spins for the lock starves the others
            assert tracks.expire(GATE, 1000.0) == []

    with ThreadPoolExecutor(9) as pool:
        expiring = pool.submit(expire)
        working = [pool.submit(work) for _ in range(8)]
        try:
            for future in working:
                future.result(60)
        finally:
            done.set()
        expiring.result(10)

    assert Counter(Counter(a.event.id for a in landed).values()) == {1: 2000}, "an event landed twice or not at all"
    everything = tracks.end_all(GATE, TrackEnd.STOP)
    assert sum(track.events_count for track in everything) == 2000
    per_track: dict[TrackId, list[FaceEvent]] = {}
    for association in landed:
        per_track.setdefault(association.track_id, []).append(association.event)
    for events in per_track.values():
        assert len({event.frame_index for event in events}) == len(events), "two events of one frame in one track"
    assert {track.id: track.events_count for track in everything} == {k: len(v) for k, v in per_track.items()}


def test_threads_and_expiry_lose_nothing_when_tracks_keep_ending(make_event: MakeEvent) -> None:
    """Tracks end all the time while eight threads add events: open and ended tracks together hold every event."""
    tracks = use_case(miss_s=0.05)
    frames = iter(range(600))
    lock = threading.Lock()
    ended: list[Track] = []
    clock = {"now": 1000.0}

    def work() -> None:
        while True:
            with lock:
                frame = next(frames, None)
                event = None if frame is None else make_event(100 + (frame % 7) * 150, 200, frame=frame)
                if frame is not None:
                    clock["now"] = 1000.0 + frame / 30.0
            if event is None:
                return
            tracks.process_event(event)
            gone = tracks.expire(GATE, clock["now"])
            with lock:
                ended.extend(gone)

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work) for _ in range(8)]:
            future.result(60)
    ended += tracks.end_all(GATE, TrackEnd.STOP)
    assert len({track.id for track in ended}) == len(ended), "a track ended twice"
    assert sum(track.events_count for track in ended) == 600


# ---- the operator's lines


def test_every_association_is_told_at_debug(make_event: MakeEvent, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="vigia.tracks")
    tracks = use_case()
    for frame in range(3):
        tracks.process_event(make_event(100, frame=frame))
    assert [record.message for record in caplog.records] == [
        "Event 1 started track 1",
        "Event 2 associated with track 1 by IoU (1.000)",
        "Event 3 associated with track 1 by IoU (1.000)",
    ]


def test_at_info_there_is_one_line_a_second_and_camera_with_a_count(
    make_event: MakeEvent, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="vigia.tracks")
    tracks = use_case()
    for frame in range(62):
        tracks.process_event(make_event(100, frame=frame))
    assert [record.message for record in caplog.records] == [
        "Event 2 associated with track 1 by IoU (1.000)",
        "Event 32 associated with track 1 by IoU (1.000); 29 more",
        "Event 62 associated with track 1 by IoU (1.000); 29 more",
    ]


def test_nothing_is_logged_under_the_lock(make_event: MakeEvent) -> None:
    """A handler that asks the use case something would wait for ever if the lock were held."""
    tracks = use_case()

    class Curious(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert tracks.snapshots(GATE), record.message

    handler = Curious()
    log = logging.getLogger("vigia.tracks")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        tracks.process_event(make_event(100, frame=0))
        tracks.process_event(make_event(100, frame=1))
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
