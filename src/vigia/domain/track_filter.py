"""Which tracks, and which of their shots, are worth sending; and which faces are followed at all."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vigia.domain.event import Box, FaceEvent
from vigia.domain.ledger import FilterReason
from vigia.domain.picture_region import PictureRegion


class Passing(Protocol):
    """What is known of a track, open or ended, that its filter asks for."""

    best: FaceEvent
    events_count: int
    moved_max_px: float


@dataclass(frozen=True, slots=True)
class TrackFilter:
    """Which tracks are worth sending, one camera's. FindFace's names and meanings where it has them.

    Size, region and quality are asked of each shot; the number of events and the movement of the track as a whole.
    """

    min_size_px: float = 60.0
    """``filter_min_size``: the smaller side of the chosen face, pixels; 0 = off."""
    max_size_px: float = 8192.0
    """``filter_max_size``: the larger side, pixels."""
    min_quality: float = 0.3
    """``filter_min_quality``, in [0, 1]."""
    movement_min_px: float = 0.0
    """A face that never moved this far from where it began is a picture on a wall, pixels; 0 = off."""
    movement_min_percent: float = 0.0
    """The same in percent of the frame's diagonal; the larger of both counts."""
    events_min: int = 2
    """Seen only once is a false face more often than a person."""
    roi: PictureRegion | None = None
    """``roi``: only faces whose centre is inside are sent; they are followed everywhere."""
    rot: PictureRegion | None = None
    """``rot``: only faces whose centre is inside are followed at all."""

    def large_enough(self, box_xyxy: Box) -> bool:
        """Whether a face is not below ``filter_min_size``: its smaller side."""
        left, top, right, bottom = box_xyxy.tolist()
        return bool(self.min_size_px <= 0.0 or min(right - left, bottom - top) >= self.min_size_px)

    def small_enough(self, box_xyxy: Box) -> bool:
        """Whether a face is not above ``filter_max_size``: its larger side."""
        left, top, right, bottom = box_xyxy.tolist()
        return bool(max(right - left, bottom - top) <= self.max_size_px)

    def inside_roi(self, box_xyxy: Box) -> bool:
        """Whether a face is where faces are sent from."""
        return self.roi is None or self.roi.holds(box_xyxy)

    def box_fits(self, box_xyxy: Box) -> bool:
        """Whether a face may be sent as far as its size and place go: all three, read once, for every face found."""
        left, top, right, bottom = box_xyxy.tolist()
        wide, high = right - left, bottom - top
        least, most = (wide, high) if wide < high else (high, wide)
        if (self.min_size_px > 0.0 and least < self.min_size_px) or most > self.max_size_px:
            return False
        return self.inside_roi(box_xyxy)

    def shot_fits(self, event: FaceEvent) -> bool:
        """Whether a shot may be sent, whatever becomes of its track: one that the detector was sure of."""
        if not event.sure or event.picture is None or event.quality.score < self.min_quality:
            return False
        return self.box_fits(event.box_xyxy)

    def followed(self, box_xyxy: Box) -> bool:
        """Whether a face is where faces are followed."""
        return self.rot is None or self.rot.holds(box_xyxy)

    def reject(self, track: Passing) -> FilterReason | None:
        """Why the track is not worth sending, or None: then its best shot may be sent."""
        best = track.best
        movement_min_px = max(
            self.movement_min_px, self.movement_min_percent / 100.0 * float(np.hypot(*best.frame_size_wh))
        )
        checks = (
            (track.events_count < self.events_min, FilterReason.TOO_FEW_EVENTS),
            (not self.large_enough(best.box_xyxy), FilterReason.TOO_SMALL),
            (not self.small_enough(best.box_xyxy), FilterReason.TOO_LARGE),
            (not self.inside_roi(best.box_xyxy), FilterReason.OUTSIDE_ROI),
            (best.quality.score < self.min_quality or not best.sure, FilterReason.POOR_QUALITY),
            (track.moved_max_px < movement_min_px, FilterReason.DID_NOT_MOVE),
            (best.picture is None, FilterReason.NO_PICTURE),
        )
        return next((reason for failed, reason in checks if failed), None)
