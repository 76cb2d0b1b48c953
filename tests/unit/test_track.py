"""A track: its events, its one picture, its motion, its end."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from making import MakeEvent
from vigia.domain.errors import TransitionError
from vigia.domain.motion import TrackEnd, TrackId, expected_boxes
from vigia.domain.track import RECENT_FRAMES, Track
from vigia.testing.video import ScriptedPicture


def track_of(event: object, *, miss_s: float = 1.0, max_s: float = 0.0) -> Track:
    return Track(TrackId(1), event, miss_interval_s=miss_s, duration_max_s=max_s)  # type: ignore[arg-type] # a FaceEvent


def test_it_keeps_first_best_and_last(make_event: MakeEvent) -> None:
    events = [make_event(frame=i, score=score) for i, score in enumerate([0.3, 0.9, 0.5])]
    track = track_of(events[0])
    for event in events[1:]:
        track.add_event(event)
    assert (track.first.id, track.best.id, track.last.id) == (events[0].id, events[1].id, events[2].id)
    assert track.events_count == 3


def test_only_the_best_keeps_its_picture(make_event: MakeEvent) -> None:
    pictures = [ScriptedPicture(moving=i) for i in range(20)]
    scores = [0.1 + 0.04 * (i % 7) for i in range(20)]
    track = track_of(make_event(frame=0, score=scores[0], picture=pictures[0]))
    for i in range(1, 20):
        track.add_event(make_event(frame=i, score=scores[i], picture=pictures[i]))
    assert track.first.picture is None
    assert track.last.picture is None
    assert track.best.picture is pictures[6], "the first of the best scores"
    kept = track.best.picture
    watched = [weakref.ref(picture) for picture in pictures if picture is not kept]
    del pictures
    gc.collect()
    assert all(ref() is None for ref in watched)


@pytest.mark.parametrize(("silence_s", "active"), [(0.0, True), (1.0, True), (1.01, False)])
def test_silence_ends_it(make_event: MakeEvent, silence_s: float, *, active: bool) -> None:
    track = track_of(make_event())
    assert track.is_active(1000.0 + silence_s) is active
    assert track.due_end(1000.0 + silence_s) is (None if active else TrackEnd.SILENCE)


def test_a_long_stay_is_split(make_event: MakeEvent) -> None:
    track = track_of(make_event(), max_s=2.0)
    for i in range(1, 70):
        track.add_event(make_event(frame=i))
    assert track.due_end(1000.0 + 69 / 30) is TrackEnd.DURATION
    assert track_of(make_event(), max_s=0.0, miss_s=1e9).due_end(1e6) is None


def test_what_it_refuses(make_event: MakeEvent) -> None:
    track = track_of(make_event(frame=5))
    with pytest.raises(TransitionError, match="already has an event of that frame"):
        track.add_event(make_event(frame=5))
    with pytest.raises(TransitionError, match="not of"):
        track.add_event(make_event(frame=6, camera="other"))
    track.finish(TrackEnd.SILENCE)
    with pytest.raises(TransitionError, match="has ended"):
        track.add_event(make_event(frame=7))
    with pytest.raises(TransitionError, match="already ended"):
        track.finish(TrackEnd.STOP)
    assert not track.is_active(1000.0)


def test_a_late_event_is_taken_but_turns_nothing_back(make_event: MakeEvent) -> None:
    track = track_of(make_event(x=100, frame=0))
    track.add_event(make_event(x=140, frame=4))
    motion = track.snapshot.motion
    track.add_event(make_event(x=120, frame=2, score=0.9))
    assert track.snapshot.motion is motion
    assert track.last.frame_index == 4
    assert track.best.frame_index == 2
    with pytest.raises(TransitionError):
        track.add_event(make_event(x=120, frame=2))


def test_every_change_is_a_new_version(make_event: MakeEvent) -> None:
    track = track_of(make_event())
    versions = [track.version]
    for i in range(1, RECENT_FRAMES + 10):
        track.add_event(make_event(frame=i))
        versions.append(track.version)
    track.finish(TrackEnd.STOP)
    versions.append(track.version)
    assert versions == sorted(set(versions))
    assert len(track.snapshot.recent_frames) == RECENT_FRAMES


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(vx=st.floats(-20, 20), vy=st.floats(-20, 20), ahead=st.integers(1, 12))
def test_constant_velocity_is_predicted(make_event: MakeEvent, vx: float, vy: float, ahead: int) -> None:
    track = track_of(make_event(400, 300, frame=0))
    for i in range(1, 6):
        track.add_event(make_event(400 + vx * i, 300 + vy * i, frame=i))
    box = expected_boxes([track.snapshot], 1000.0 + (5 + ahead) / 30)[0]
    assert box[0] == pytest.approx(400 + vx * (5 + ahead), abs=0.5 + 0.04 * abs(vx) * (5 + ahead))
    assert box[1] == pytest.approx(300 + vy * (5 + ahead), abs=0.5 + 0.04 * abs(vy) * (5 + ahead))


def test_prediction_has_a_limit_and_keeps_boxes_boxes(make_event: MakeEvent) -> None:
    track = track_of(make_event(400, 300, frame=0))
    track.add_event(make_event(430, 300, frame=1, side_px=20))
    near, far = (expected_boxes([track.snapshot], 1000.0 + s)[0] for s in (1.1, 60.0))
    np.testing.assert_allclose(near, far)
    assert (far[2:] > far[:2]).all()
    assert expected_boxes([], 0.0).shape == (0, 4)


def test_a_face_is_not_expected_to_go_on_growing(make_event: MakeEvent) -> None:
    track = track_of(make_event(400, 300, frame=0, side_px=100))
    for frame in range(1, 10):
        track.add_event(make_event(400, 300, frame=frame, side_px=100 + 4 * frame))
    soon, later = (expected_boxes([track.snapshot], track.last.at_mono_s + s)[0] for s in (0.1, 0.9))
    assert 138 < soon[2] - soon[0] < 150
    assert soon[2] - soon[0] < later[2] - later[0] < 180, "at 120 px a second it would have 244"


def test_movement_is_the_farthest_from_the_start(make_event: MakeEvent) -> None:
    track = track_of(make_event(100, 100, frame=0))
    for frame, x in enumerate([130, 190, 110], start=1):
        track.add_event(make_event(x, 100, frame=frame))
    assert track.moved_max_px == pytest.approx(90.0)
    assert track.duration_s == pytest.approx(0.1)


def test_a_burst_of_late_frames_does_not_make_a_face_fly(make_event: MakeEvent) -> None:
    """A network that held frames up delivers them within microseconds: their times say nothing of the face's speed."""
    track = track_of(make_event(100, frame=0, at_s=0.0))
    for number in range(1, 10):
        track.add_event(make_event(100 + 6 * number, frame=number, at_s=number * 20e-6))
    (expected,) = expected_boxes([track.snapshot], 1000.0 + 0.02)
    assert abs(float(expected[0]) - 154.0) < 20.0
