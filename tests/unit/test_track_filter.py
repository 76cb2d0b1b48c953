"""Filters give their reasons."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from making import MakeEvent
from vigia.domain.ledger import FilterReason
from vigia.domain.motion import TrackId
from vigia.domain.picture_region import PictureRegion
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
    elsewhere = TrackFilter(roi=PictureRegion.parse("50x50+1000+600"))
    assert elsewhere.reject(ended_track(make_event)) is FilterReason.OUTSIDE_ROI


def test_movement_in_percent_follows_the_frame(make_event: MakeEvent) -> None:
    track = ended_track(make_event, step=4.0)  # 16 px of a diagonal of 1469 px
    assert TrackFilter(movement_min_percent=1.0).reject(track) is None
    assert TrackFilter(movement_min_percent=2.0).reject(track) is FilterReason.DID_NOT_MOVE


def test_without_a_picture_there_is_nothing_to_send(make_event: MakeEvent) -> None:
    track = ended_track(make_event)
    track.best = track.best.without_picture()
    assert TrackFilter().reject(track) is FilterReason.NO_PICTURE


def test_a_shot_is_asked_for_size_place_quality_and_a_picture(make_event: MakeEvent) -> None:
    strict = TrackFilter(min_size_px=60, max_size_px=200, min_quality=0.3, roi=PictureRegion.parse("400x400+0+0"))
    assert strict.shot_fits(make_event())
    assert not strict.shot_fits(make_event(side_px=50))
    assert not strict.shot_fits(make_event(side_px=210))
    assert not strict.shot_fits(make_event(score=0.2))
    assert not strict.shot_fits(make_event(x=500))
    assert not strict.shot_fits(make_event().without_picture())
    assert not strict.shot_fits(replace(make_event(), sure=False)), "weak faces keep a track, they are not sent"


def test_a_track_whose_best_face_is_a_weak_one_has_nothing_to_send(make_event: MakeEvent) -> None:
    limits = TrackFilter(min_size_px=60)
    track = Track(
        TrackId(1),
        replace(make_event(side_px=50, score=0.4), postable=False),
        miss_interval_s=1.0,
        duration_max_s=0.0,
    )
    track.add_event(replace(make_event(x=120, frame=1, score=0.6), sure=False, postable=False))
    assert track.best.frame_index == 1
    assert limits.reject(track) is FilterReason.POOR_QUALITY


def test_only_what_is_inside_rot_is_followed(make_event: MakeEvent) -> None:
    half = TrackFilter(rot=PictureRegion.parse("640x720+0+0"))
    assert half.followed(make_event(x=500).box_xyxy)
    assert not half.followed(make_event(x=600).box_xyxy)
    assert TrackFilter().followed(make_event(x=600).box_xyxy)


@given(
    side=st.floats(1, 400), stretch=st.floats(0.5, 2.0), x=st.floats(0, 1000),
    least=st.sampled_from([0.0, 60.0, 90.0]), most=st.sampled_from([100.0, 8192.0]), with_roi=st.booleans(),
)  # fmt: skip
def test_a_box_fits_when_each_limit_says_so(
    side: float, stretch: float, x: float, least: float, most: float, *, with_roi: bool
) -> None:
    limits = TrackFilter(
        min_size_px=least, max_size_px=most, roi=PictureRegion.parse("300x720+200+0") if with_roi else None
    )
    box = np.array([x, 50.0, x + side, 50.0 + side * stretch], dtype=np.float32)
    each = limits.large_enough(box) and limits.small_enough(box) and limits.inside_roi(box)
    assert limits.box_fits(box) is each
