"""What is noted of a track: bounded, and what matters is always there."""

import weakref
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from making import event_maker
from vigia.domain.event import FaceEvent
from vigia.domain.track_note import MOMENTS_MAX, SENT_MAX, SPREAD_MAX, TrackNote
from vigia.testing.video import ScriptedPicture


class Cuttings:
    """Makes a numbered cutting of every event that it is asked for."""

    def __init__(self) -> None:
        self.frames: list[int] = []

    def __call__(self, event: FaceEvent) -> str:
        assert event.picture is not None
        self.frames.append(event.frame_index)
        return f"cut-{event.frame_index}"


def noted(note: TrackNote, events: list[FaceEvent]) -> FaceEvent:
    """Add events as a track's selection does; the best of them."""
    best = events[0]
    for event in events:
        if event.better_than(best):
            best = event
        note.add(event, is_best=best is event)
    return best


@given(
    scores=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=300),
    late=st.lists(st.floats(-20.0, 20.0), min_size=300, max_size=300),
    sent=st.sets(st.integers(0, 299), max_size=20),
)
def test_the_first_last_best_and_latest_sent_are_kept_within_the_bound(
    scores: list[float], late: list[float], sent: set[int]
) -> None:
    make, note, cuttings = event_maker(), None, Cuttings()
    note = TrackNote(cuttings)
    events = [make(frame=n, score=score, at_s=n + late[n]) for n, score in enumerate(scores)]
    best = events[0]
    were_sent: list[int] = []
    for event in events:
        best = event if event.better_than(best) else best
        note.add(event, is_best=best is event)
        assert len(note.moments()) <= MOMENTS_MAX
        if event.frame_index in sent:
            note.mark_sent(event)
            were_sent.append(event.frame_index)

    moments = {moment.frame_index: moment for moment in note.moments()}
    assert len(moments) == len(note.moments())
    by_time = sorted(events, key=lambda event: event.at_mono_s)
    assert by_time[0].at_mono_s == min(moment.at_mono_s for moment in moments.values())
    assert by_time[-1].at_mono_s == max(moment.at_mono_s for moment in moments.values())
    assert moments[best.frame_index].cutting == f"cut-{best.frame_index}"
    assert note.sent_frames == set(were_sent[-SENT_MAX:])
    assert all(moments[frame].cutting is not None for frame in note.sent_frames)
    times = [moment.at_mono_s for moment in note.moments()]
    assert times == sorted(times)


@given(count=st.integers(1, 500))
def test_the_spread_is_even_over_the_whole_track(count: int) -> None:
    make, note = event_maker(), TrackNote()
    noted(note, [make(frame=n, score=1.0 / (n + 1)) for n in range(count)])
    frames = [moment.frame_index for moment in note.moments()]
    gaps = [second - first for first, second in pairwise(frames)]
    assert len(frames) >= min(count, SPREAD_MAX // 2)
    assert max(gaps, default=0) <= max(1, 4 * count // SPREAD_MAX)
    assert len(set(gaps[:-1])) <= 1  # the last one may be anywhere


def test_cuttings_are_made_of_few_events_and_hold_no_picture() -> None:
    make, cuttings = event_maker(), Cuttings()
    note = TrackNote(cuttings)
    pictures: weakref.WeakSet[ScriptedPicture] = weakref.WeakSet()
    for number in range(1000):
        picture = ScriptedPicture()
        pictures.add(picture)
        note.add(make(frame=number, score=0.5, picture=picture), is_best=number == 0)
        del picture
    assert not pictures
    assert len(cuttings.frames) < 150
    assert note.moments()[0].cutting == "cut-0"
    assert note.moments()[-1].cutting is None  # the last one was in between


def test_an_event_without_a_picture_is_noted_without_a_cutting() -> None:
    make, cuttings = event_maker(), Cuttings()
    note = TrackNote(cuttings)
    note.add(make(frame=3, side_px=42.0).without_picture(), is_best=True)
    (moment,) = note.moments()
    assert (moment.cutting, moment.size_px, cuttings.frames) == (None, 42.0, [])


def test_one_that_is_sent_though_it_was_in_between_is_cut_then() -> None:
    make, cuttings = event_maker(), Cuttings()
    note = TrackNote(cuttings)
    events = [make(frame=n, score=0.9 if n == 0 else 0.1) for n in range(100)]
    noted(note, events)
    assert 51 not in cuttings.frames
    note.mark_sent(events[51])
    assert next(moment for moment in note.moments() if moment.frame_index == 51).cutting == "cut-51"
