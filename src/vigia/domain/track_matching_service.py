"""How well a face fits a track: overlap first, the distance between centres as the fall-back.

The limits follow from the frame and the face: at a detection every few frames a face moves by a share of its own
size, so a distance in absolute pixels would be too strict near the camera and too loose far from it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import hypot, inf
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigia.domain.geometry import EPSILON, Boxes, as_boxes_xyxy, centre_distance_matrix, iou_matrix

Corners: TypeAlias = Sequence[float]
"""One box as plain numbers: left, top, right, bottom."""
Pair: TypeAlias = tuple[int, int, float, float]
"""Event, track, overlap, distance."""
PAIRS_FEW = 16
"""Up to so many pairs of a face and a track plain numbers are quicker than arrays."""


class MatchKind(StrEnum):
    """By what an event was associated with a track."""

    IOU = "iou"
    DISTANCE = "distance"


@dataclass(frozen=True, slots=True)
class MatchLimits:
    """What is still a match in one frame."""

    iou_min: float
    """At least this much overlap, in [0, 1]."""
    distance_max_px: float
    """At most this far between centres, pixels, whatever the face's size."""
    distance_max_sides: float
    """And at most this far in mean sides of the two boxes."""
    side_ratio_max: float
    """The fall-back by distance asks that the sizes differ by no more than this factor."""


@dataclass(frozen=True, slots=True)
class Match:
    """One event goes to one track."""

    event: int
    """Row of the event's box."""
    track: int
    """Row of the track's box."""
    kind: MatchKind
    iou: float
    distance_px: float


class TrackMatchingService:
    """Decides which face continues which track. Pure; any thread.

    Args:
        overlap_threshold: FindFace's ``track_overlap_threshold``: the IoU from which a face continues a track.
        distance_max_share: of the frame's diagonal, in (0, 1]; 0.10 is 147 px at 1280x720.
        distance_max_sides: in mean box sides: 1.5 lets an 80 px face move 120 px between two detections.
        side_ratio_max: sizes further apart than this are two faces, at the distance fall-back.
    """

    def __init__(
        self,
        *,
        overlap_threshold: float = 0.25,
        distance_max_share: float = 0.10,
        distance_max_sides: float = 1.5,
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
        return _fit(first, second, self.limits(frame_size))

    def match_all(
        self, boxes: Boxes, track_boxes: Boxes, frame_size: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """``match`` for every pair of (E, 4) events and (T, 4) tracks: two float32 (E, T) matrices."""
        limits = self.limits(frame_size)
        ious = iou_matrix(boxes, track_boxes)
        distances = centre_distance_matrix(boxes, track_boxes)
        sides, track_sides = _mean_sides(boxes)[:, None], _mean_sides(track_boxes)[None, :]
        reach = np.minimum(limits.distance_max_px, (0.5 * limits.distance_max_sides) * (sides + track_sides))
        impossible = distances > reach
        impossible |= np.maximum(sides, track_sides) > limits.side_ratio_max * np.minimum(sides, track_sides)
        distances[impossible] = np.inf
        return ious, distances

    def assign(
        self,
        boxes: Boxes,
        track_boxes: Boxes,
        frame_size: tuple[int, int],
        *,
        forbidden: NDArray[np.bool_] | None = None,
    ) -> list[Match]:
        """Match the events of one frame to tracks: every event and every track at most once.

        Overlap decides first, over all pairs, best pair first; what is left is matched by distance, nearest first.

        Args:
            boxes: float32 (E, 4); E may be 0.
            track_boxes: float32 (T, 4), expected places at this frame's time; T may be 0.
            frame_size: (width, height), pixels.
            forbidden: bool (E, T), pairs that something else has ruled out.
        """
        if not len(boxes) or not len(track_boxes):
            return []
        limits = self.limits(frame_size)
        if len(boxes) * len(track_boxes) <= PAIRS_FEW and forbidden is None:
            return _assign_few(boxes.tolist(), track_boxes.tolist(), limits)
        iou_min = limits.iou_min
        ious, distances = self.match_all(boxes, track_boxes, frame_size)
        overlapping, near = ious >= iou_min, np.isfinite(distances)
        if forbidden is not None:
            overlapping &= ~forbidden
            near &= ~forbidden

        def figures(pairs: Sequence[tuple[int, int]]) -> Iterator[Pair]:
            return ((event, track, float(ious[event, track]), float(distances[event, track])) for event, track in pairs)

        return _greedy(figures(_best_first(-ious, overlapping)), figures(_best_first(distances, near)))


def _fit(box: Corners, track_box: Corners, limits: MatchLimits) -> tuple[float, float]:
    """``match`` on plain numbers."""
    left, top, right, bottom = box
    t_left, t_top, t_right, t_bottom = track_box
    wide, high, t_wide, t_high = right - left, bottom - top, t_right - t_left, t_bottom - t_top
    shared_wide = min(right, t_right) - max(left, t_left)
    shared_high = min(bottom, t_bottom) - max(top, t_top)
    iou = 0.0
    if shared_wide > 0.0 and shared_high > 0.0:
        shared = shared_wide * shared_high
        iou = shared / max(wide * high + t_wide * t_high - shared, EPSILON)
    distance = hypot((left + right - t_left - t_right) * 0.5, (top + bottom - t_top - t_bottom) * 0.5)
    side, t_side = (wide + high) * 0.5, (t_wide + t_high) * 0.5
    reach = min(limits.distance_max_px, limits.distance_max_sides * (side + t_side) * 0.5)
    if distance > reach or max(side, t_side) > limits.side_ratio_max * min(side, t_side):
        distance = inf
    return iou, distance


def _assign_few(boxes: Sequence[Corners], track_boxes: Sequence[Corners], limits: MatchLimits) -> list[Match]:
    """``assign`` for a handful of faces: plain numbers take a third of the time of small arrays."""
    pairs = [
        (event, track, *_fit(box, track_box, limits))
        for event, box in enumerate(boxes)
        for track, track_box in enumerate(track_boxes)
    ]
    by_iou = sorted((pair for pair in pairs if pair[2] >= limits.iou_min), key=lambda pair: -pair[2])
    by_distance = sorted((pair for pair in pairs if pair[3] != inf), key=lambda pair: pair[3])
    return _greedy(by_iou, by_distance)


def _greedy(by_iou: Iterable[Pair], by_distance: Iterable[Pair]) -> list[Match]:
    """Take pairs in their order, overlap before distance, and each event and track once."""
    events_used: set[int] = set()
    tracks_used: set[int] = set()
    matches = []
    for kind, pairs in ((MatchKind.IOU, by_iou), (MatchKind.DISTANCE, by_distance)):
        for event, track, iou, distance in pairs:
            if event not in events_used and track not in tracks_used:
                events_used.add(event)
                tracks_used.add(track)
                matches.append(Match(event, track, kind, iou, distance))
    return matches


def _mean_sides(boxes: Boxes) -> NDArray[np.float32]:
    sides: NDArray[np.float32] = ((boxes[:, 2] - boxes[:, 0]) + (boxes[:, 3] - boxes[:, 1])) * np.float32(0.5)
    return sides


def _best_first(costs: NDArray[np.float32], allowed: NDArray[np.bool_]) -> Sequence[tuple[int, int]]:
    """Allowed (row, column) pairs, cheapest first."""
    rows, columns = np.nonzero(allowed)
    if len(rows) > 1:
        order = np.argsort(costs[rows, columns], kind="stable")
        rows, columns = rows[order], columns[order]
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
