"""Where to look sharply: parts of a picture in which small faces are looked for, and how two looks become one.

A *region* is a rectangle of the frame. All regions of one search have the same size, so that a detector's input keeps
its shape; they overlap, so that every face up to a given size lies whole in one of them. Nothing here knows of a
detector: what was found comes in as boxes, what to look at goes out as a region.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from vigia.domain.geometry import Boxes, iou_matrix

MOVED_SAMPLES_MIN = 4
"""Changed samples of the motion gate (one for each 8x8 pixels) that make a region worth a look: half a face of 24 px.
Less is noise: the gate's own threshold asks for hundreds at 1080p, but of the whole picture."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of a frame, whole pixels, origin top left. Sides and corner are even: chroma is half as fine."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column outside, pixels."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row outside, pixels."""
        return self.top + self.height


def tile(frame_wh: tuple[int, int], tile_wh: tuple[int, int], *, overlap_px: float) -> tuple[Region, ...]:
    """Regions of one size that cover a frame, row by row.

    Args:
        frame_wh: width and height, pixels, at least 2.
        tile_wh: of a region, pixels, at least 2; made even, and no larger than the frame.
        overlap_px: neighbours share at least so much, so that a box with sides up to this lies whole in one of them.
            At most half a region's side is shared: smaller regions than twice the box cannot promise that.

    Returns:
        At least one; all inside the frame, all of one size. Of a frame with odd sides the last row and column are left
        out: they hold no chroma of their own. Pure.
    """
    width, height = _fitting(frame_wh, tile_wh)
    lefts = _starts(_even(frame_wh[0]), width, overlap_px)
    tops = _starts(_even(frame_wh[1]), height, overlap_px)
    return tuple(Region(left, top, width, height) for top in tops for left in lefts)


def region_around(box_xyxy: Sequence[float], frame_wh: tuple[int, int], tile_wh: tuple[int, int]) -> Region:
    """The region of a size that has a box in its middle, moved into the frame where it would reach out.

    Args:
        box_xyxy: (4,), full-frame pixels; may lie outside, where a prediction went astray.
        frame_wh: as for ``tile``.
        tile_wh: as for ``tile``.
    """
    width, height = _fitting(frame_wh, tile_wh)
    left = _placed((box_xyxy[0] + box_xyxy[2]) / 2.0, width, frame_wh[0])
    top = _placed((box_xyxy[1] + box_xyxy[3]) / 2.0, height, frame_wh[1])
    return Region(left, top, width, height)


def cut_by(region: Region, boxes_xyxy: Boxes, frame_wh: tuple[int, int], *, slack_px: float) -> NDArray[np.bool_]:
    """Which boxes the region's edge cuts: they show part of a face, and its place and size are wrong.

    Args:
        region: what was looked at.
        boxes_xyxy: float32 (N, 4), found in it, full-frame pixels.
        frame_wh: width and height, pixels; an edge that is the frame's own cuts nothing that anybody else sees.
        slack_px: a box that ends so near to an edge touches it: detectors leave a pixel or two of their input.

    Returns:
        bool (N,). Pure.
    """
    left = (region.left > 0) & (boxes_xyxy[:, 0] <= region.left + slack_px)
    top = (region.top > 0) & (boxes_xyxy[:, 1] <= region.top + slack_px)
    right = (region.right < _even(frame_wh[0])) & (boxes_xyxy[:, 2] >= region.right - slack_px)
    bottom = (region.bottom < _even(frame_wh[1])) & (boxes_xyxy[:, 3] >= region.bottom - slack_px)
    cut: NDArray[np.bool_] = left | top | right | bottom
    return cut


def unseen(boxes_xyxy: Boxes, seen_xyxy: Boxes, *, iou_max: float) -> NDArray[np.bool_]:
    """Which boxes are no second box of a face that another look has found already.

    Args:
        boxes_xyxy: float32 (N, 4), of the one look.
        seen_xyxy: float32 (S, 4), of the look that is believed.
        iou_max: a box that overlaps one of ``seen_xyxy`` by more is that face, in [0, 1].

    Returns:
        bool (N,). Pure.
    """
    new: NDArray[np.bool_] = np.all(iou_matrix(boxes_xyxy, seen_xyxy) <= iou_max, axis=1)
    return new


@dataclass(slots=True)
class RegionSearch:
    """Whose turn it is: chooses the region of each sharp look of one camera. Owner: the camera's shard.

    Every other look goes to small faces that are known, as many neighbours at a time as a region holds, in turn from
    left to right; the others go round the regions in which something moves. So a face that moves is looked at within
    twice as many looks as there are regions, however many others are known.

    Args:
        frame_wh: width and height of the camera's picture, pixels.
        tile_wh: of a region, pixels.
        overlap_px: largest box that must lie whole in some region, pixels.
    """

    frame_wh: tuple[int, int]
    tile_wh: tuple[int, int]
    overlap_px: float
    _tiles: tuple[Region, ...] = ()
    _next_tile: int = 0
    _next_face: int = 0
    _face_next: bool = True

    def __post_init__(self) -> None:
        """The grid is laid once."""
        self._tiles = tile(self.frame_wh, self.tile_wh, overlap_px=self.overlap_px)

    @property
    def tiles(self) -> tuple[Region, ...]:
        """The grid that is gone round."""
        return self._tiles

    def choose(self, faces_xyxy: Boxes, changed: NDArray[np.bool_] | None) -> Region | None:
        """The region to look at now; None when nothing small is known and nothing moves.

        Args:
            faces_xyxy: float32 (N, 4), small faces, found or expected, full-frame pixels; N may be 0.
            changed: the motion gate's samples, bool (rows, columns) over the whole frame; None when it does not look:
                then all of the frame counts as moving.
        """
        face_now = self._face_next and len(faces_xyxy) > 0
        self._face_next = not face_now
        region = None if face_now else self._moving_tile(changed)
        if region is None and len(faces_xyxy):
            region = self._next_faces(faces_xyxy)
        return region

    def _next_faces(self, faces_xyxy: Boxes) -> Region:
        """The region with the face whose turn it is, and its right-hand neighbours as far as they fit in whole."""
        faces = faces_xyxy[np.lexsort((faces_xyxy[:, 1], faces_xyxy[:, 0]))]
        first = self._next_face if self._next_face < len(faces) else 0
        width, height = self._tiles[0].width, self._tiles[0].height
        group = faces[first]
        self._next_face = first + 1
        for face in faces[first + 1 :]:
            both = np.concatenate([np.minimum(group[:2], face[:2]), np.maximum(group[2:], face[2:])])
            if both[2] - both[0] > width or both[3] - both[1] > height:
                break
            group = both
            self._next_face += 1
        return region_around(group.tolist(), self.frame_wh, self.tile_wh)

    def _moving_tile(self, changed: NDArray[np.bool_] | None) -> Region | None:
        """The next region in turn in which something moves."""
        tiles = self._tiles
        for step in range(len(tiles)):
            place = (self._next_tile + step) % len(tiles)
            if changed is None or _moves(tiles[place], changed, self.frame_wh):
                self._next_tile = place + 1
                return tiles[place]
        return None


def _moves(region: Region, changed: NDArray[np.bool_], frame_wh: tuple[int, int]) -> bool:
    rows, columns = changed.shape
    across, down = columns / frame_wh[0], rows / frame_wh[1]
    part = changed[
        int(region.top * down) : ceil(region.bottom * down), int(region.left * across) : ceil(region.right * across)
    ]
    return int(np.count_nonzero(part)) >= MOVED_SAMPLES_MIN


def _even(side_px: int) -> int:
    return side_px - side_px % 2


def _fitting(frame_wh: tuple[int, int], tile_wh: tuple[int, int]) -> tuple[int, int]:
    """A region's size, even and no larger than the frame."""
    width, height = (max(2, _even(min(wanted, side))) for wanted, side in zip(tile_wh, frame_wh, strict=True))
    return width, height


def _starts(length_px: int, side_px: int, overlap_px: float) -> list[int]:
    """Where regions begin along one axis, spread evenly; even numbers."""
    step_px = max(_even(int(side_px - overlap_px) - 2), _even(side_px // 2), 2)  # 2: starts are made even
    count = 1 + ceil(max(0, length_px - side_px) / step_px)
    last = max(0, length_px - side_px)
    return [_even(round(last * place / max(1, count - 1))) for place in range(count)]


def _placed(middle: float, side_px: int, length_px: int) -> int:
    """The start of a side with this middle, moved inside; even."""
    start = round(min(max(middle - side_px / 2.0, 0.0), float(_even(length_px) - side_px)))
    return _even(start)
