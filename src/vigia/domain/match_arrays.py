"""Matching many faces and tracks: one matrix for each question, one for each axis."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from lap import lapjv
from numpy.typing import NDArray

from vigia.domain.geometry import EPSILON, Boxes
from vigia.domain.match import (
    GROW_MAX,
    GROW_SPREADS,
    REACH_SIDES,
    REACH_SPREADS,
    SILENCE_HALVES,
    WEAK_IOU_MIN,
    Match,
    MatchKind,
    MatchLimits,
)
from vigia.domain.motion import Corners

Gains: TypeAlias = NDArray[np.float32]
"""float32 (E, T): what each pair is worth; 0 where it is out of the question."""


class MatchStages:
    """One frame's faces and tracks, and what is still free of them."""

    def __init__(
        self,
        boxes: Boxes,
        track_boxes: Boxes,
        spreads: NDArray[np.float32],
        silences_s: NDArray[np.float32],
        limits: MatchLimits,
        rooms: Sequence[Corners] | None,
    ) -> None:
        self._limits = limits
        self._forbidden = None if rooms is None else _outside(boxes, rooms)
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


def _outside(boxes: Boxes, rooms: Sequence[Corners]) -> NDArray[np.bool_]:
    """Bool (E, T): which boxes reach beyond which rooms."""
    room = np.array(rooms, dtype=np.float32).reshape(1, -1, 4)
    before, behind = boxes[:, None, :2] < room[..., :2], boxes[:, None, 2:] > room[..., 2:]
    beyond: NDArray[np.bool_] = np.any(before | behind, axis=2)
    return beyond
