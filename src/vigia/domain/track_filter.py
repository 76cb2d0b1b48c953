"""Which tracks are worth sending."""

from dataclasses import dataclass

import numpy as np

from vigia.domain.event import Box
from vigia.domain.ledger import FilterReason
from vigia.domain.track import Track


@dataclass(frozen=True, slots=True)
class TrackFilter:
    """Which tracks are worth sending. FindFace's names and meanings where it has them."""

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

    def large_enough(self, box_xyxy: Box) -> bool:
        """Whether a face is not below ``filter_min_size``: its smaller side."""
        left, top, right, bottom = box_xyxy.tolist()
        return bool(self.min_size_px <= 0.0 or min(right - left, bottom - top) >= self.min_size_px)

    def small_enough(self, box_xyxy: Box) -> bool:
        """Whether a face is not above ``filter_max_size``: its larger side."""
        left, top, right, bottom = box_xyxy.tolist()
        return bool(max(right - left, bottom - top) <= self.max_size_px)

    def size_fits(self, box_xyxy: Box) -> bool:
        """Whether a face may be sent as far as its size goes."""
        return self.large_enough(box_xyxy) and self.small_enough(box_xyxy)

    def reject(self, track: Track) -> FilterReason | None:
        """Why the track is not worth sending, or None."""
        best = track.best
        movement_min_px = max(
            self.movement_min_px, self.movement_min_percent / 100.0 * float(np.hypot(*best.frame_size_wh))
        )
        checks = (
            (track.events_count < self.events_min, FilterReason.TOO_FEW_EVENTS),
            (not self.large_enough(best.box_xyxy), FilterReason.TOO_SMALL),
            (not self.small_enough(best.box_xyxy), FilterReason.TOO_LARGE),
            (best.quality.score < self.min_quality, FilterReason.POOR_QUALITY),
            (track.moved_max_px < movement_min_px, FilterReason.DID_NOT_MOVE),
            (best.picture is None, FilterReason.NO_PICTURE),
        )
        return next((reason for failed, reason in checks if failed), None)
