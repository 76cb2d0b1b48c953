"""Boxes: shapes checked at the border, then plain numpy. All coordinates are full-frame pixels, origin top left."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vigia.domain.errors import ShapeError

Boxes = NDArray[np.float32]
"""float32 (N, 4): left, top, right, bottom."""
EPSILON = 1e-9


def as_boxes_xyxy(values: ArrayLike) -> Boxes:
    """Check and convert boxes.

    Args:
        values: (N, 4) or (4,); anything numpy can read.

    Returns:
        float32 (N, 4).

    Raises:
        ShapeError: not (N, 4), NaN or infinity, or a right/bottom edge before its left/top edge.
    """
    boxes = np.asarray(values, dtype=np.float32)
    if boxes.size == 0:
        return boxes.reshape(0, 4)
    boxes = np.atleast_2d(boxes)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ShapeError("boxes must be (N, 4), not %(shape)s", shape=boxes.shape)
    if not np.isfinite(boxes).all():
        raise ShapeError("boxes hold NaN or infinity")
    if (boxes[:, 2:] < boxes[:, :2]).any():
        raise ShapeError("a box ends before it begins: edges are left, top, right, bottom")
    return boxes


def areas(boxes_xyxy: Boxes) -> NDArray[np.float32]:
    """Areas in square pixels, float32 (N,)."""
    sides = np.maximum(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], 0.0)
    product: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return product


def centres(boxes_xyxy: Boxes) -> NDArray[np.float32]:
    """Centres x, y, float32 (N, 2)."""
    middle: NDArray[np.float32] = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) * np.float32(0.5)
    return middle


def iou_matrix(first_xyxy: Boxes, second_xyxy: Boxes) -> NDArray[np.float32]:
    """Intersection over union of every pair.

    Args:
        first_xyxy: float32 (A, 4).
        second_xyxy: float32 (B, 4).

    Returns:
        float32 (A, B) in [0, 1]; 0 where both boxes are empty.
    """
    sides = np.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:])
    sides -= np.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])
    np.maximum(sides, 0.0, out=sides)
    shared = sides[..., 0] * sides[..., 1]
    union = areas(first_xyxy)[:, None] + areas(second_xyxy)[None, :] - shared
    overlaps: NDArray[np.float32] = shared / np.maximum(union, np.float32(EPSILON))  # nothing shared gives 0
    return overlaps


def centre_distance_matrix(first_xyxy: Boxes, second_xyxy: Boxes) -> NDArray[np.float32]:
    """Euclidean distance between the centres of every pair, pixels, float32 (A, B)."""
    gap = centres(first_xyxy)[:, None, :] - centres(second_xyxy)[None, :, :]
    distances: NDArray[np.float32] = np.hypot(gap[..., 0], gap[..., 1])
    return distances


def clip_boxes(boxes_xyxy: Boxes, *, width: int, height: int) -> Boxes:
    """Boxes clipped to a picture of ``width`` x ``height`` pixels; a new array."""
    clipped: Boxes = np.clip(boxes_xyxy, 0.0, np.array([width, height, width, height], dtype=np.float32))
    return clipped


def grow_to_roi(
    box_xyxy: tuple[float, float, float, float], *, margin: float, width: int, height: int
) -> tuple[int, int, int, int]:
    """The region around a face: the box grown on every side, rounded outwards, inside the picture.

    Args:
        box_xyxy: a face in pixels of the picture; may reach beyond it.
        margin: how much to add on each side, as a share of the box's width and height; 0.4 adds 40 % left and right.
        width: of the picture, pixels, at least 1.
        height: of the picture, pixels, at least 1.

    Returns:
        (left, top, right, bottom) in whole pixels, at least one pixel wide and high.

    In Python's own numbers: float32 would lose the part below a pixel in large pictures.
    """
    left, top, right, bottom = box_xyxy
    x0, x1 = _grown_span(left, right, margin=margin, length=width)
    y0, y1 = _grown_span(top, bottom, margin=margin, length=height)
    return x0, y0, x1, y1


def _grown_span(low: float, high: float, *, margin: float, length: int) -> tuple[int, int]:
    grown = margin * (high - low)
    first = min(max(math.floor(low - grown), 0), length - 1)
    last = min(max(math.ceil(high + grown), first + 1), length)
    return first, last


def suppress_overlaps(boxes_xyxy: Boxes, confidences: NDArray[np.float32], *, iou_max: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression (NMS).

    Args:
        boxes_xyxy: float32 (N, 4).
        confidences: float32 (N,).
        iou_max: a box is dropped when it overlaps a more confident kept one by more than this, in [0, 1].

    Returns:
        intp (K,): indices of the kept boxes, most confident first; equal confidences keep their order.
    """
    order = np.argsort(-confidences, kind="stable")
    if len(order) < 2:
        return order
    overlaps = iou_matrix(boxes_xyxy[order], boxes_xyxy[order]) > iou_max
    alive = np.ones(len(order), dtype=bool)
    kept: list[int] = []
    rank = 0
    while True:  # once for each kept box: most candidates are another one of a face that is kept already
        kept.append(rank)
        alive[: rank + 1] = False
        alive &= ~overlaps[rank]
        rank = int(alive.argmax())
        if not alive[rank]:
            return order[kept]
