"""Which settings would have let a track through that was not sent: all that stood in its way, not the first only."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, hypot

from vigia.domain.ledger import FilterReason
from vigia.domain.track_filter import Passing, TrackFilter


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One setting that kept a track back."""

    reason: FilterReason
    setting: str
    """Its name in the configuration."""
    value: float | bool | str
    """With this the track would have passed, as far as this setting goes."""


def obstacles(track_filter: TrackFilter, track: Passing, *, reason: FilterReason | None = None) -> tuple[Obstacle, ...]:
    """Everything that kept a track back.

    Args:
        track_filter: what it was held against.
        track: as it was at its end.
        reason: as it was booked; a duplicate is known by nothing else.

    Returns:
        Empty where nothing did. A picture that was let go is no obstacle of a setting. Pure.
    """
    found = [*_of_shot(track_filter, track), *_of_passage(track_filter, track)]
    if reason is FilterReason.DUPLICATE:
        found.insert(0, Obstacle(FilterReason.DUPLICATE, "tracks.suppress_duplicates", value=False))
    return tuple(found)


def _of_shot(track_filter: TrackFilter, track: Passing) -> Iterator[Obstacle]:
    best = track.best
    left, top, right, bottom = best.box_xyxy.tolist()
    if not track_filter.large_enough(best.box_xyxy):
        yield Obstacle(FilterReason.TOO_SMALL, "tracks.filter_min_size", floor(min(right - left, bottom - top)))
    if not track_filter.small_enough(best.box_xyxy):
        yield Obstacle(FilterReason.TOO_LARGE, "tracks.filter_max_size", ceil(max(right - left, bottom - top)))
    if not track_filter.inside_roi(best.box_xyxy):
        yield Obstacle(FilterReason.OUTSIDE_ROI, "tracks.roi", "")
    if best.quality.score < track_filter.min_quality:
        yield Obstacle(FilterReason.POOR_QUALITY, "tracks.filter_min_quality", _floor(best.quality.score))
    if not best.sure:
        yield Obstacle(FilterReason.POOR_QUALITY, "detector.confidence_min", _floor(best.confidence))


def _of_passage(track_filter: TrackFilter, track: Passing) -> Iterator[Obstacle]:
    if track.events_count < track_filter.events_min:
        yield Obstacle(FilterReason.TOO_FEW_EVENTS, "tracks.events_min", track.events_count)
    diagonal_px = hypot(*track.best.frame_size_wh)
    if track.moved_max_px < track_filter.movement_min_percent / 100.0 * diagonal_px:  # reckoned as the filter does
        percent = _floor(100.0 * track.moved_max_px / diagonal_px)
        if track.moved_max_px < percent / 100.0 * diagonal_px:  # by the last bit
            percent = max(0.0, _floor(percent - 0.005))
        yield Obstacle(FilterReason.DID_NOT_MOVE, "tracks.movement_min_percent", percent)
    if track.moved_max_px < track_filter.movement_min_px:
        yield Obstacle(FilterReason.DID_NOT_MOVE, "tracks.movement_min_px", floor(track.moved_max_px))


def _floor(value: float) -> float:
    """Two decimals, rounded down: what is told would really let the track through."""
    return floor(value * 100.0) / 100.0
