"""From one camera's settings to what its pipeline is given."""

from vigia.application.camera_parts import CameraParts
from vigia.application.use_cases.manage_tracks_use_case import TrackRules
from vigia.domain.passage_memory import PassageRules
from vigia.domain.picture_region import PictureRegion
from vigia.domain.posted_picture import PictureMode, PictureRules
from vigia.domain.posting import PostingPolicy
from vigia.domain.track_filter import TrackFilter
from vigia.infrastructure.config import CaptureSettings, Settings, TracksSettings


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


def passage_rules(chosen: TracksSettings) -> PassageRules | None:
    """When a track continues what was captured a moment ago; None where one that broke is to be captured again."""
    if not chosen.suppress_duplicates:
        return None
    return PassageRules(interval_s=chosen.duplicate_interval_s, passage_max_s=chosen.track_max_duration_s)


def track_rules(chosen: TracksSettings) -> TrackRules:
    """When a face continues a track, and when a track ends."""
    return TrackRules(
        miss_interval_s=chosen.track_miss_interval_s,
        duration_max_s=chosen.track_max_duration_s,
        overlap_threshold=chosen.track_overlap_threshold,
        distance_max_share=chosen.track_distance_max_share,
    )


def picture_rules(chosen: CaptureSettings) -> PictureRules:
    """What posted pictures are like."""
    return PictureRules(
        mode=PictureMode(chosen.picture),
        crop_margin=chosen.crop_margin,
        roi_margin=chosen.roi_margin,
        max_side_px=chosen.max_side_px,
        max_bytes=chosen.max_bytes,
        jpeg_quality=chosen.jpeg_quality,
    )


def camera_parts(chosen: Settings) -> CameraParts:
    """What a camera's pipeline is given. ``chosen``: the settings as they are for that camera (``settings_for``)."""
    detector = chosen.detector
    return CameraParts(
        track_filter=track_filter(chosen.tracks),
        posting=posting_policy(chosen.tracks),
        passages=passage_rules(chosen.tracks),
        tracks=track_rules(chosen.tracks),
        picture=picture_rules(chosen.capture),
        gate_threshold=detector.imotion_threshold if detector.motion_gate else 0.0,
        min_face_px=detector.min_face_px,
    )
