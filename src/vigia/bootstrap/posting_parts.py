"""From the settings of tracks to what one camera's pipeline is given."""

from vigia.domain.passage_memory import PassageMemory
from vigia.domain.picture_region import PictureRegion
from vigia.domain.posting import PostingPolicy
from vigia.domain.track_filter import TrackFilter
from vigia.infrastructure.config import TracksSettings


def track_filter(chosen: TracksSettings) -> TrackFilter:
    """Which tracks and shots are worth sending."""
    return TrackFilter(
        min_size_px=chosen.filter_min_size,
        max_size_px=chosen.filter_max_size,
        min_quality=chosen.filter_min_quality,
        movement_min_px=chosen.movement_min_px,
        movement_min_percent=chosen.movement_min_percent,
        events_min=chosen.events_min,
        roi=PictureRegion.parse(chosen.roi) if chosen.roi else None,
        rot=PictureRegion.parse(chosen.rot) if chosen.rot else None,
    )


def posting_policy(chosen: TracksSettings) -> PostingPolicy:
    """Which shots are sent, and when."""
    return PostingPolicy(
        overall_only=chosen.overall_only,
        post_best=chosen.post_best_track_frame,
        post_first=chosen.post_first_track_frame,
        post_last=chosen.post_last_track_frame,
        best_shots=chosen.number_of_best_shots,
        best_shots_gap_s=chosen.best_shots_gap_s,
        best_shots_pose=chosen.best_shots_pose,
        interval_s=chosen.realtime_post_interval_s,
        first_immediately=chosen.realtime_post_first_immediately,
        every_interval=chosen.realtime_post_every_interval,
        silence_after_send_s=chosen.silence_after_send_s,
    )


def passage_memory(chosen: TracksSettings) -> PassageMemory | None:
    """What was captured a moment ago; None where a track that broke is to be captured again."""
    if not chosen.suppress_duplicates:
        return None
    return PassageMemory(interval_s=chosen.duplicate_interval_s, passage_max_s=chosen.track_max_duration_s)
