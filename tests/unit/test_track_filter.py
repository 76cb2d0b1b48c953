"""Filters give their reasons."""

from making import MakeEvent
from vigia.domain.ledger import FilterReason
from vigia.domain.motion import TrackId
from vigia.domain.track import Track
from vigia.domain.track_filter import TrackFilter


def ended_track(
    make_event: MakeEvent, *, events: int = 5, step: float = 20.0, side: float = 100.0, score: float = 0.6
) -> Track:
    track = Track(TrackId(1), make_event(frame=0, side_px=side, score=score), miss_interval_s=1.0, duration_max_s=0.0)
    for i in range(1, events):
        track.add_event(make_event(x=100 + step * i, frame=i, side_px=side, score=score))
    return track


def test_a_good_track_passes(make_event: MakeEvent) -> None:
    assert TrackFilter(movement_min_percent=1.0).reject(ended_track(make_event)) is None


def test_each_filter_gives_its_reason(make_event: MakeEvent) -> None:
    strict = TrackFilter(min_size_px=60, max_size_px=200, min_quality=0.3, movement_min_px=30, events_min=2)
    assert strict.reject(ended_track(make_event, events=1)) is FilterReason.TOO_FEW_EVENTS
    assert strict.reject(ended_track(make_event, side=50)) is FilterReason.TOO_SMALL
    assert strict.reject(ended_track(make_event, side=210)) is FilterReason.TOO_LARGE
    assert strict.reject(ended_track(make_event, score=0.2)) is FilterReason.POOR_QUALITY
    assert strict.reject(ended_track(make_event, step=1.0)) is FilterReason.DID_NOT_MOVE


def test_movement_in_percent_follows_the_frame(make_event: MakeEvent) -> None:
    track = ended_track(make_event, step=4.0)  # 16 px of a diagonal of 1469 px
    assert TrackFilter(movement_min_percent=1.0).reject(track) is None
    assert TrackFilter(movement_min_percent=2.0).reject(track) is FilterReason.DID_NOT_MOVE


def test_without_a_picture_there_is_nothing_to_send(make_event: MakeEvent) -> None:
    track = ended_track(make_event)
    track.best = track.best.without_picture()
    assert TrackFilter().reject(track) is FilterReason.NO_PICTURE
