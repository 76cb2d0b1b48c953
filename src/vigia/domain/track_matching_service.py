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
from dataclasses import dataclass
from enum import StrEnum
from math import hypot, inf
from typing import NamedTuple, TypeAlias

import numpy as np
from lap import lapjv
from numpy.typing import ArrayLike, NDArray

from vigia.domain.geometry import EPSILON, Boxes, as_boxes_xyxy, clip_boxes
from vigia.domain.motion import Corners, Expected, Place

Pair: TypeAlias = tuple[int, int]
"""Event, track."""
Gains: TypeAlias = NDArray[np.float32]
"""float32 (E, T): what each pair is worth; 0 where it is out of the question."""

PAIRS_FEW = 150
"""Up to so many pairs of a face and a track plain numbers are quicker than arrays."""
GROW_SPREADS = 1.2
"""Boxes are grown by so many standard deviations of the expected place on each side, as a share of their own size …"""
GROW_MAX = 0.5
"""… and by no more than this: twice as wide and high."""
REACH_SIDES = 0.5
REACH_SPREADS = 3.0
"""A face may be this far from where it was expected: a jitter, and three standard deviations of what is unknown."""
WEAK_IOU_MIN = 0.5
"""A weak detection must lie where its track is expected: it is a false one more often than a sure one is."""
SILENCE_HALVES = 2.0
"""After t seconds of silence a track's overlap counts 1 / (1 + 2 t) where faces compete: whoever was just seen is
first."""


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

    def reach_sides(self, spread: float) -> float:
        """How far a face may be from where its track expects it, in mean sides.

        ``spread``: standard deviation of the expected place, in sides.
        """
        return min(self.distance_max_sides, REACH_SIDES + REACH_SPREADS * spread)


class Match(NamedTuple):
    """One event goes to one track."""

    event: int
    """Row of the event's box."""
    track: int
    """Row of the track's box."""
    kind: MatchKind
    iou: float
    """Overlap of both boxes, each grown by what is unknown of the face's motion, in [0, 1]."""
    distance_px: float
    """Between the face's centre and where it was expected."""


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
        return _overlap(first, second, 1.0), _distance(first, second, limits, limits.distance_max_sides)

    def assign(
        self,
        boxes: Boxes,
        expected: Expected,
        frame_size: tuple[int, int],
        *,
        weak: NDArray[np.bool_] | None = None,
        forbidden: NDArray[np.bool_] | None = None,
    ) -> list[Match]:
        """Match the events of one frame to tracks: every event and every track at most once.

        Args:
            boxes: float32 (E, 4); E may be 0.
            expected: where the tracks should be at this frame's time, T of them; T may be 0.
            frame_size: (width, height), pixels.
            weak: bool (E,), detections that may only continue a track, and only where it is expected.
            forbidden: bool (E, T), pairs that something else has ruled out.
        """
        pairs = len(boxes) * len(expected.places)
        if not pairs:
            return []
        limits = self.limits(frame_size)
        if pairs <= PAIRS_FEW and not expected.at_edge and forbidden is None and weak is None:
            found = _assign_few(boxes.tolist(), expected.places, limits)
            if found is not None:
                return found
        track_boxes, spreads, silences_s = expected.arrays()
        if expected.at_edge:
            track_boxes = clip_boxes(track_boxes, width=frame_size[0], height=frame_size[1])
        return _Stages(boxes, track_boxes, spreads, silences_s, limits, forbidden).solved(weak)


class _Stages:
    """One frame's faces and tracks, and what is still free of them."""

    def __init__(
        self,
        boxes: Boxes,
        track_boxes: Boxes,
        spreads: NDArray[np.float32],
        silences_s: NDArray[np.float32],
        limits: MatchLimits,
        forbidden: NDArray[np.bool_] | None,
    ) -> None:
        self._limits = limits
        self._forbidden = forbidden
        self._spreads = spreads
        silent_s = np.maximum(silences_s, np.float32(0.0))  # below 0: events that come late
        self._standing = np.float32(1.0) / (np.float32(1.0) + np.float32(SILENCE_HALVES) * silent_s)
        # One matrix for each axis: numpy is several times slower where the last dimension is two.
        self._x, self._y = (_Axis.of(boxes, track_boxes, axis) for axis in (0, 1))
        self._ious = self._grown_ious()
        self._distances: NDArray[np.float32] | None = None
        self._matches: list[Match] = []
        self._events_free = np.ones(len(boxes), dtype=np.bool_)
        self._tracks_free = np.ones(len(track_boxes), dtype=np.bool_)

    def solved(self, weak: NDArray[np.bool_] | None) -> list[Match]:
        """All matches: sure faces by overlap, weak ones by overlap, sure ones by distance."""
        gains: Gains = self._ious * (self._ious >= self._limits.iou_min) * self._standing
        if weak is not None:
            gains[weak] = 0.0
        self._take(gains, MatchKind.IOU)
        if len(self._matches) == min(gains.shape):
            return self._matches
        if weak is not None and self._tracks_free.any():
            gains = self._ious * (self._ious >= max(WEAK_IOU_MIN, self._limits.iou_min)) * self._standing
            gains[~weak] = 0.0
            self._take(gains, MatchKind.IOU)
        left = self._events_free if weak is None else self._events_free & ~weak
        if left.any() and self._tracks_free.any():
            gains = self._nearness()
            gains[~left] = 0.0
            self._take(gains, MatchKind.DISTANCE)
        return self._matches

    def _take(self, gains: Gains, kind: MatchKind) -> None:
        if self._matches:
            gains[~self._events_free] = 0.0
            gains[:, ~self._tracks_free] = 0.0
        if self._forbidden is not None:
            gains[self._forbidden] = 0.0
        events, tracks = best_total(gains)
        if not len(events):
            return
        self._events_free[events] = self._tracks_free[tracks] = False
        gaps = np.hypot(self._x.gaps[events, tracks], self._y.gaps[events, tracks])
        figures = zip(events.tolist(), tracks.tolist(), self._ious[events, tracks].tolist(), gaps.tolist(), strict=True)
        self._matches += [Match(event, track, kind, iou, distance) for event, track, iou, distance in figures]

    def _grown_ious(self) -> NDArray[np.float32]:
        """Overlap of every pair, both boxes grown by the track's spread: boxes as centres and sizes."""
        grown = 1.0 + 2.0 * np.minimum(GROW_SPREADS * self._spreads, GROW_MAX)
        x, y = self._x, self._y
        inner = x.shared(grown)
        inner *= y.shared(grown)
        union = (x.sides * y.sides)[:, None] + (x.track_sides * y.track_sides)
        union *= grown * grown
        union -= inner
        ious: NDArray[np.float32] = np.divide(inner, np.maximum(union, np.float32(EPSILON), out=union), out=inner)
        return ious

    def _nearness(self) -> Gains:
        """1 where a face is just where its track was expected, 0 at the limit and beyond."""
        limits, x, y = self._limits, self._x, self._y
        sides, track_sides = 0.5 * (x.sides + y.sides)[:, None], 0.5 * (x.track_sides + y.track_sides)
        reach = np.minimum(limits.distance_max_sides, REACH_SIDES + REACH_SPREADS * self._spreads)
        reach = np.minimum(limits.distance_max_px, 0.5 * reach * (sides + track_sides))
        distances = np.hypot(x.gaps, y.gaps)
        gains: Gains = np.float32(1.001) - distances / np.maximum(reach, np.float32(EPSILON))
        possible = distances <= reach
        possible &= np.maximum(sides, track_sides) <= limits.side_ratio_max * np.minimum(sides, track_sides)
        gains *= possible
        return gains


class _Axis(NamedTuple):
    """All faces and tracks along one axis; pixels, float32."""

    sides: NDArray[np.float32]
    """(E,), of the faces."""
    track_sides: NDArray[np.float32]
    """(T,), of the tracks."""
    gaps: NDArray[np.float32]
    """(E, T), between the middles."""

    @classmethod
    def of(cls, boxes: Boxes, track_boxes: Boxes, axis: int) -> "_Axis":
        low, high, track_low, track_high = (
            boxes[:, axis],
            boxes[:, axis + 2],
            track_boxes[:, axis],
            track_boxes[:, axis + 2],
        )
        gaps = (low + high)[:, None] - (track_low + track_high)
        np.abs(gaps, out=gaps)
        gaps *= np.float32(0.5)
        return cls(high - low, track_high - track_low, gaps)

    def shared(self, grown: NDArray[np.float32]) -> NDArray[np.float32]:
        """(E, T): the length that two boxes share when both are ``grown`` (T,) times as long; 0 where they do not."""
        sides = self.sides[:, None]
        shared = sides + self.track_sides
        shared *= np.float32(0.5) * grown
        shared -= self.gaps
        shorter = np.minimum(sides, self.track_sides)
        shorter *= grown
        np.minimum(shared, shorter, out=shared)
        np.maximum(shared, np.float32(0.0), out=shared)
        return shared


def best_total(gains: Gains) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The pairs with the largest sum of gains, each row and each column at most once; pairs of no gain are left out.

    Solved by Jonker and Volgenant's algorithm (lapx) where rows or columns compete, which they seldom do.

    Args:
        gains: float32 (E, T), 0 or more.

    Returns:
        Rows and columns of the pairs, rows ascending. Pure.
    """
    rows, columns = gains.nonzero()
    count = len(rows)
    if count <= 1 or (len(set(rows.tolist())) == count == len(set(columns.tolist()))):
        return rows, columns
    costs = np.where(gains > 0.0, 1.0 - gains / (2.0 * gains.max()), 2.0)
    _, column_of, _ = lapjv(costs, extend_cost=True, cost_limit=1.0)
    rows = np.flatnonzero(column_of >= 0)
    columns = column_of[rows].astype(np.intp)
    real = gains[rows, columns] > 0.0
    return rows[real], columns[real]


def _overlap(box: Corners, track_box: Corners | Place, grown: float) -> float:
    """IoU of two boxes, each ``grown`` times as wide and high."""
    left, top, right, bottom = box
    t_left, t_top, t_right, t_bottom = track_box[:4]
    wide, high, t_wide, t_high = right - left, bottom - top, t_right - t_left, t_bottom - t_top
    gap_x, gap_y = abs(left + right - t_left - t_right) * 0.5, abs(top + bottom - t_top - t_bottom) * 0.5
    shared_wide = min(grown * 0.5 * (wide + t_wide) - gap_x, grown * min(wide, t_wide))
    shared_high = min(grown * 0.5 * (high + t_high) - gap_y, grown * min(high, t_high))
    if shared_wide <= 0.0 or shared_high <= 0.0:
        return 0.0
    shared = shared_wide * shared_high
    return shared / max(grown * grown * (wide * high + t_wide * t_high) - shared, EPSILON)


def _between(box: Corners, track_box: Corners | Place) -> float:
    """Between the centres, pixels."""
    return 0.5 * hypot(box[0] + box[2] - track_box[0] - track_box[2], box[1] + box[3] - track_box[1] - track_box[3])


def _distance(box: Corners, track_box: Corners | Place, limits: MatchLimits, reach_sides: float) -> float:
    """Between the centres, pixels; infinite where it is no match at all."""
    left, top, right, bottom = box
    t_left, t_top, t_right, t_bottom = track_box[:4]
    distance = _between(box, track_box)
    side, t_side = (right - left + bottom - top) * 0.5, (t_right - t_left + t_bottom - t_top) * 0.5
    reach = min(limits.distance_max_px, reach_sides * (side + t_side) * 0.5)
    if distance > reach or max(side, t_side) > limits.side_ratio_max * min(side, t_side):
        return inf
    return distance


def _assign_few(boxes: Sequence[Corners], places: Sequence[Place], limits: MatchLimits) -> list[Match] | None:
    """``assign`` for some faces in plain numbers, a third of the time; None where faces compete for tracks."""
    grown = [1.0 + 2.0 * min(GROW_SPREADS * place[4], GROW_MAX) for place in places]
    found = [
        Match(event, track, MatchKind.IOU, iou, _between(boxes[event], places[track]))
        for event, track in _touching(boxes, places, max(grown))
        if (iou := _overlap(boxes[event], places[track], grown[track])) >= limits.iou_min
    ]
    if not _is_one_to_one(found):
        return None
    if len(found) == min(len(boxes), len(places)):
        return found
    taken_events, taken_tracks = {match.event for match in found}, {match.track for match in found}
    near = [
        Match(event, track, MatchKind.DISTANCE, _overlap(box, place, grown[track]), _between(box, place))
        for event, box in enumerate(boxes)
        if event not in taken_events
        for track, place in enumerate(places)
        if track not in taken_tracks and _distance(box, place, limits, limits.reach_sides(place[4])) != inf
    ]
    return found + near if _is_one_to_one(near) else None


def _touching(boxes: Sequence[Corners], places: Sequence[Place], grown: float) -> list[Pair]:
    """The pairs whose boxes meet when all are ``grown`` times as wide and high: for the others nothing is reckoned."""
    more = 0.5 * (grown - 1.0)
    spans = []
    for track, (left, top, right, bottom, _, _) in enumerate(places):
        wide, high = more * (right - left), more * (bottom - top)
        spans.append((track, left - wide, top - high, right + wide, bottom + high))
    pairs = []
    for event, (left, top, right, bottom) in enumerate(boxes):
        wide, high = more * (right - left), more * (bottom - top)
        low_x, low_y, high_x, high_y = left - wide, top - high, right + wide, bottom + high
        for track, t_left, t_top, t_right, t_bottom in spans:
            if low_x < t_right and high_x > t_left and low_y < t_bottom and high_y > t_top:
                pairs.append((event, track))
    return pairs


def _is_one_to_one(matches: Sequence[Match]) -> bool:
    """Whether no event and no track is in two of them."""
    count = len(matches)
    return len({match.event for match in matches}) == count == len({match.track for match in matches})
