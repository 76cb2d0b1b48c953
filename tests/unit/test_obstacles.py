"""Which settings would have let a track through: what is told really does, and nothing else is told."""

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from making import event_maker
from vigia.domain.event import FaceEvent, Quality
from vigia.domain.ledger import FilterReason
from vigia.domain.obstacles import Obstacle, obstacles
from vigia.domain.picture_region import PictureRegion
from vigia.domain.track_filter import TrackFilter

CHANGES = {
    "tracks.filter_min_size": "min_size_px",
    "tracks.filter_max_size": "max_size_px",
    "tracks.filter_min_quality": "min_quality",
    "tracks.movement_min_px": "movement_min_px",
    "tracks.movement_min_percent": "movement_min_percent",
    "tracks.events_min": "events_min",
}


@dataclass
class Passage:
    best: FaceEvent
    events_count: int
    moved_max_px: float


def passage(*, side_px: float, score: float, events: int, moved_px: float) -> Passage:
    return Passage(event_maker()(side_px=side_px, score=score), events, moved_px)


def with_changes(track_filter: TrackFilter, found: tuple[Obstacle, ...]) -> TrackFilter:
    for one in found:
        name = "roi" if one.setting == "tracks.roi" else CHANGES[one.setting]
        change: dict[str, Any] = {name: None if name == "roi" else one.value}
        track_filter = replace(track_filter, **change)
    return track_filter


@given(
    side_px=st.floats(8.0, 400.0),
    score=st.floats(0.0, 1.0),
    events=st.integers(1, 10),
    moved_px=st.floats(0.0, 500.0),
    low_px=st.floats(0.0, 200.0),
    high_px=st.floats(200.0, 500.0),
    quality=st.floats(0.0, 1.0),
    percent=st.floats(0.0, 30.0),
    least_px=st.floats(0.0, 300.0),
    least=st.integers(1, 12),
    inside=st.booleans(),
)
def test_what_is_told_lets_the_track_through(  # noqa: PLR0917 - drawn
    side_px: float,
    score: float,
    events: int,
    moved_px: float,
    low_px: float,
    high_px: float,
    quality: float,
    percent: float,
    least_px: float,
    least: int,
    inside: bool,
) -> None:
    track = passage(side_px=side_px, score=score, events=events, moved_px=moved_px)
    track_filter = TrackFilter(
        min_size_px=low_px,
        max_size_px=high_px,
        min_quality=quality,
        movement_min_px=least_px,
        movement_min_percent=percent,
        events_min=least,
        roi=None if inside else PictureRegion.parse("10x10+1200+700"),
    )
    reason = track_filter.reject(track)

    found = obstacles(track_filter, track, reason=reason)

    assert (reason is None) == (not found)
    assert reason is None or reason in {one.reason for one in found}
    assert with_changes(track_filter, found).reject(track) is None
    for one in found:  # none is told without need
        others = tuple(other for other in found if other is not one)
        assert with_changes(track_filter, others).reject(track) is one.reason


def test_a_duplicate_is_told_as_such() -> None:
    track = passage(side_px=100.0, score=0.9, events=9, moved_px=99.0)
    found = obstacles(TrackFilter(), track, reason=FilterReason.DUPLICATE)
    assert found == (Obstacle(FilterReason.DUPLICATE, "tracks.suppress_duplicates", value=False),)


def test_an_unsure_face_needs_another_confidence() -> None:
    event = replace(event_maker()(score=0.9), sure=False, confidence=0.456, quality=Quality(0.9))
    found = obstacles(TrackFilter(), Passage(event, 5, 50.0), reason=FilterReason.POOR_QUALITY)
    assert [(one.setting, one.value) for one in found] == [("detector.confidence_min", 0.45)]
