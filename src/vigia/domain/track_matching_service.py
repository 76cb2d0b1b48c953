"""How well a face fits a track: overlap first, the distance between centres as the fall-back.

The limits follow from the frame, the face and how sure its motion is (``domain/motion.py``): at a detection every few
frames a face moves by a share of its own size, so a distance in absolute pixels would be too strict near the camera and
too loose far from it.

Faces are given to tracks in stages: the sure ones by overlap, weak ones by overlap with the tracks that are left (they
keep a track alive through blur and shade; after ByteTrack, Zhang et al. 2022), then the sure ones by distance. Boxes
are grown before they are compared, the more the less is known of where the face went (after C-BIoU, Yang et al. 2023).
Each stage is solved for the best total.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigia.domain.geometry import Boxes, as_boxes_xyxy, clip_boxes
from vigia.domain.match import Match, MatchKind, MatchLimits
from vigia.domain.match_arrays import MatchStages, best_total
from vigia.domain.match_few import assign_few, cut_to_frame, distance_within, overlap
from vigia.domain.motion import Corners, Expected

__all__ = ["Match", "MatchKind", "MatchLimits", "TrackMatchingService", "best_total"]

PAIRS_FEW = 150
"""Up to so many pairs of a face and a track plain numbers are quicker than arrays."""


class TrackMatchingService:
    """Decides which face continues which track. Pure; any thread.

    Args:
        overlap_threshold: FindFace's ``track_overlap_threshold``: the IoU from which a face continues a track.
        distance_max_share: of the frame's diagonal, in (0, 1]; 0.10 is 147 px at 1280x720.
        distance_max_sides: in mean box sides: the farthest that the fall-back ever reaches.
        side_ratio_max: sizes further apart than this are two faces, at the distance fall-back.
    """

    def __init__(
        self,
        *,
        overlap_threshold: float = 0.12,
        distance_max_share: float = 0.10,
        distance_max_sides: float = 2.5,
        side_ratio_max: float = 1.8,
    ) -> None:
        self._overlap_threshold = overlap_threshold
        self._distance_max_share = distance_max_share
        self._distance_max_sides = distance_max_sides
        self._side_ratio_max = side_ratio_max

    def limits(self, frame_size: tuple[int, int]) -> MatchLimits:
        """The limits for a frame of (width, height) pixels."""
        width, height = frame_size
        return MatchLimits(
            iou_min=self._overlap_threshold,
            distance_max_px=float(np.hypot(width, height)) * self._distance_max_share,
            distance_max_sides=self._distance_max_sides,
            side_ratio_max=self._side_ratio_max,
        )

    def match(self, box: ArrayLike, track_box: ArrayLike, frame_size: tuple[int, int]) -> tuple[float, float]:
        """How well one face fits one track.

        Args:
            box: (4,) the face: left, top, right, bottom, pixels.
            track_box: (4,) where the track's face is expected.
            frame_size: (width, height), pixels. Distances beyond the frame's limit are infinite.

        Returns:
            (iou, distance): overlap in [0, 1]; centre distance in pixels, ``inf`` when it is no match at all.
        """
        (first,), (second,) = as_boxes_xyxy(box).tolist(), as_boxes_xyxy(track_box).tolist()
        limits = self.limits(frame_size)
        return overlap(first, second, 1.0), distance_within(first, second, limits, limits.distance_max_sides)

    def assign(
        self,
        boxes: Boxes,
        expected: Expected,
        frame_size: tuple[int, int],
        *,
        weak: NDArray[np.bool_] | None = None,
        rooms: Sequence[Corners] | None = None,
    ) -> list[Match]:
        """Match the events of one frame to tracks: every event and every track at most once.

        Args:
            boxes: float32 (E, 4); E may be 0.
            expected: where the tracks should be at this frame's time, T of them; T may be 0.
            frame_size: (width, height), pixels.
            weak: bool (E,), detections that may only continue a track, and only where it is expected.
            rooms: of each track, inside of which its face must lie: see ``room_for_leaving``.
        """
        pairs = len(boxes) * len(expected.places)
        if not pairs:
            return []
        limits = self.limits(frame_size)
        if pairs <= PAIRS_FEW and weak is None:
            places = cut_to_frame(expected.places, frame_size) if expected.at_edge else expected.places
            found = assign_few(boxes.tolist(), places, limits, rooms)
            if found is not None:
                return found
        track_boxes, spreads, silences_s = expected.arrays()
        if expected.at_edge:
            track_boxes = clip_boxes(track_boxes, width=frame_size[0], height=frame_size[1])
        return MatchStages(boxes, track_boxes, spreads, silences_s, limits, rooms).solved(weak)
