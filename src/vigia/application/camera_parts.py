"""What one camera's settings mean to its pipeline: plain values, so that a change is another object."""

import logging
from dataclasses import dataclass, field

from vigia.application.use_cases.manage_tracks_use_case import TrackRules
from vigia.domain.camera import Camera
from vigia.domain.frame import StreamInfo
from vigia.domain.passage_memory import PassageRules
from vigia.domain.posted_picture import PictureRules
from vigia.domain.posting import PostingPolicy
from vigia.domain.track_filter import TrackFilter

logger = logging.getLogger("vigia.shard")


@dataclass(frozen=True, slots=True)
class CameraParts:
    """Made from the settings of one camera; equal when nothing that counts has changed."""

    track_filter: TrackFilter = field(default_factory=TrackFilter)
    """Which tracks and shots are worth sending."""
    posting: PostingPolicy = field(default_factory=PostingPolicy)
    """Which shots are sent, and when."""
    passages: PassageRules | None = None
    """When a track continues a passage captured before; None = never."""
    tracks: TrackRules = field(default_factory=TrackRules)
    """When a face continues a track, and when a track ends."""
    picture: PictureRules = field(default_factory=PictureRules)
    """What posted pictures are like."""
    gate_threshold: float = 0.0
    """Of the motion gate; 0 = no gate."""
    min_face_px: float | None = None
    """The smallest face worth finding, frame pixels; None = as for the shard."""


def tell_regions_outside(camera: Camera, track_filter: TrackFilter, stream: StreamInfo) -> None:
    """Say so when a region was written for a larger picture than the camera gives: no face will be in it."""
    for name, region in (("roi", track_filter.roi), ("rot", track_filter.rot)):
        if region is not None and not region.meets((stream.width, stream.height)):
            logger.warning(
                "Camera %s: tracks.%s %s lies outside its picture of %dx%d pixels: no face of it is sent",
                camera.name,
                name,
                region,
                stream.width,
                stream.height,
            )
