"""The posted picture: what is cut out of the camera's picture, how far it is scaled, and where the face is then.

A *plan* is numbers only; the encoder carries it out. Two coordinate systems meet here: *camera pixels*, of the decoded
picture, and *posted pixels*, of the JPEG that FindFace gets. Nothing outside has to know how one becomes the other.

What always holds, in this order: the longest side is within the limit; the face has ``FACE_MIN_PX`` when it has them in
the camera's picture and a picture of that size can show them; as much as possible of what was asked for is shown.
So a picture that is too large is scaled; where that would make the face too small, it is cut around the face instead.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from vigia.domain.geometry import Boxes, as_boxes_xyxy, grow_to_roi, iou_matrix

FACE_MIN_PX = 50.0
"""FindFace takes no face whose smaller side has fewer pixels (its extraction-api as installed)."""
FINDFACE_SIDE_MAX_PX = 6000
FINDFACE_BYTES_MAX = 10_000_000
"""FindFace takes 10 MB and 6000 pixels a side; whether its MB has 1 000 000 or 1 048 576 bytes, it says nowhere."""
JPEG_SIDE_MAX_PX = 65_500
"""What libjpeg can write."""
NEIGHBOUR_MARGIN = 0.2
"""Towards another face the region reaches at least so far beyond the face, as a share of its side, however near the
other is: less hides the outline that a detector goes by; and of the other one too little is inside to be found."""
SAME_IOU_MIN = 0.3
"""A box that overlaps the face by so much is the face itself."""
CUT_STEP_PX = 2
"""Cuts begin at even pixels: with a colour sample for two by two pixels, an odd cut would move the colours."""

Box = tuple[float, float, float, float]
"""left, top, right, bottom."""
Ltrb = tuple[int, int, int, int]
"""left, top, right, bottom in whole pixels; right and bottom are not inside."""


class PictureMode(StrEnum):
    """How much of the camera's picture is posted."""

    FULL = "full"
    """All of it: what FindFace's users see beside the face."""
    CROP = "crop"
    """The face with some surroundings."""


@dataclass(frozen=True, slots=True)
class PictureRules:
    """What posted pictures are like.

    Raises:
        ValueError: a value that makes no sense.
    """

    mode: PictureMode = PictureMode.FULL
    crop_margin: float = 1.5
    """Crops: kept on each side of the face, as a share of its width and height; at least ``roi_margin``."""
    roi_margin: float = 1.0
    """The region to be looked at reaches beyond the face by this share of its width and height, on each side; towards
    another face only as far as that begins."""
    max_side_px: int = FINDFACE_SIDE_MAX_PX
    """Longest side, pixels."""
    max_bytes: int = FINDFACE_BYTES_MAX
    """Of the file."""
    jpeg_quality: int = 95
    """1 to 100; lowered where ``max_bytes`` asks for it."""

    def __post_init__(self) -> None:
        if self.roi_margin < 0.0 or self.crop_margin < 0.0:
            raise ValueError(f"margins are not negative: {self.roi_margin}, {self.crop_margin}")
        if not 1 <= self.jpeg_quality <= 100:
            raise ValueError(f"JPEG quality is 1 to 100, not {self.jpeg_quality}")
        if not 2 <= self.max_side_px <= JPEG_SIDE_MAX_PX or self.max_bytes < 1:
            raise ValueError(f"no JPEG has {self.max_side_px} pixels a side at most and {self.max_bytes} bytes at most")


@dataclass(frozen=True, slots=True)
class PicturePlan:
    """How one posted picture is made, and where things are in it."""

    crop_ltrb: Ltrb
    """What is cut out, camera pixels; all of it when nothing is cut. Left and top are even."""
    size_wh: tuple[int, int]
    """The posted picture's width and height, pixels; the cut's own when nothing is scaled."""
    box_xyxy: Box
    """The face, posted pixels; reaches beyond the picture where it reached beyond the camera's."""
    roi_ltrb: Ltrb
    """Where FindFace shall look, posted pixels, inside the picture."""

    def to_camera(self, box_xyxy: Box) -> Box:
        """Camera pixels of a box in posted pixels."""
        left, top, right, bottom = self.crop_ltrb
        across, down = (right - left) / self.size_wh[0], (bottom - top) / self.size_wh[1]
        x0, y0, x1, y1 = box_xyxy
        return x0 * across + left, y0 * down + top, x1 * across + left, y1 * down + top


def plan_picture(
    box_xyxy: Box,
    *,
    frame_wh: tuple[int, int],
    rules: PictureRules,
    frame_boxes_xyxy: Boxes | None = None,
    max_side_px: int | None = None,
) -> PicturePlan:
    """Decide what is cut out and how far it is scaled.

    Args:
        box_xyxy: the face, camera pixels; may reach beyond the picture.
        frame_wh: width and height of the camera's picture, pixels, each 1 or more.
        rules: what is wanted.
        frame_boxes_xyxy: float32 (N, 4), all faces of the frame, camera pixels, this one among them: the region keeps
            clear of the others. None: they are not known.
        max_side_px: a longest side below that of the rules, 2 or more: for pictures with too many bytes.

    Returns:
        The plan. Pure; any thread.
    """
    limit_px = rules.max_side_px if max_side_px is None else min(max_side_px, rules.max_side_px)
    width, height = frame_wh
    roi = _evened(grow_to_roi(box_xyxy, margin=rules.roi_margin, width=width, height=height), frame_wh)
    region = (0, 0, width, height)
    if rules.mode is PictureMode.CROP:
        margin = max(rules.crop_margin, rules.roi_margin)
        region = _evened(grow_to_roi(box_xyxy, margin=margin, width=width, height=height), frame_wh)
    others = _others(box_xyxy, frame_boxes_xyxy)
    plan = _plan(region, box_xyxy, others, limit_px=limit_px, roi_margin=rules.roi_margin)
    if plan.size_wh == _size(region) or _face_px(plan) >= FACE_MIN_PX:
        return plan
    # Scaling would take pixels from a face that has none to spare: show less around it. Without the roi's margin
    # only where the face would be too small even so.
    face = _evened(grow_to_roi(box_xyxy, margin=0.0, width=width, height=height), frame_wh)
    for kept in (roi, face):
        window = _window(region, kept, side_px=max(limit_px, *_size(kept)))
        plan = _plan(window, box_xyxy, others, limit_px=limit_px, roi_margin=rules.roi_margin)
        if _face_px(plan) >= FACE_MIN_PX:
            break
    return plan


def _others(box_xyxy: Box, frame_boxes_xyxy: Boxes | None) -> list[Box]:
    """The frame's faces without this one."""
    if frame_boxes_xyxy is None or not len(frame_boxes_xyxy):
        return []
    apart = iou_matrix(as_boxes_xyxy(box_xyxy), frame_boxes_xyxy)[0] < SAME_IOU_MIN
    return [(left, top, right, bottom) for left, top, right, bottom in frame_boxes_xyxy[apart].tolist()]


def _plan(region: Ltrb, box_xyxy: Box, others: Sequence[Box], *, limit_px: int, roi_margin: float) -> PicturePlan:
    """Cut ``region`` out, and scale it where it is longer than ``limit_px``."""
    size_wh = _scaled_size(_size(region), limit_px)
    left, top = region[:2]
    across, down = size_wh[0] / (region[2] - left), size_wh[1] / (region[3] - top)

    def posted(box: Box) -> Box:
        return (box[0] - left) * across, (box[1] - top) * down, (box[2] - left) * across, (box[3] - top) * down

    box = posted(box_xyxy)
    roi = _clear_roi(box, [posted(other) for other in others], margin=roi_margin, size_wh=size_wh)
    return PicturePlan(crop_ltrb=region, size_wh=size_wh, box_xyxy=box, roi_ltrb=roi)


def _clear_roi(box: Box, others: Sequence[Box], *, margin: float, size_wh: tuple[int, int]) -> Ltrb:
    """The box grown on every side; on the side where another face lies only until that begins."""
    width, height = size_wh
    left, top, right, bottom = grow_to_roi(box, margin=margin, width=width, height=height)
    least = grow_to_roi(box, margin=min(margin, NEIGHBOUR_MARGIN), width=width, height=height)
    for other in others:
        gaps = (box[0] - other[2], box[1] - other[3], other[0] - box[2], other[1] - box[3])
        widest = max(gaps)
        if widest == gaps[0]:
            left = max(left, min(least[0], math.ceil(other[2])))
        elif widest == gaps[1]:
            top = max(top, min(least[1], math.ceil(other[3])))
        elif widest == gaps[2]:
            right = min(right, max(least[2], math.floor(other[0])))
        else:
            bottom = min(bottom, max(least[3], math.floor(other[1])))
    return left, top, right, bottom


def _scaled_size(size_wh: tuple[int, int], limit_px: int) -> tuple[int, int]:
    longest = max(size_wh)
    if longest <= limit_px:
        return size_wh
    width, height = (max(1, round(side * limit_px / longest)) for side in size_wh)
    return width, height


def _face_px(plan: PicturePlan) -> float:
    """The smaller side of what the posted picture shows of the face, pixels."""
    left, top, right, bottom = plan.box_xyxy
    width, height = plan.size_wh
    return min(min(right, width) - max(left, 0.0), min(bottom, height) - max(top, 0.0))


def _size(region: Ltrb) -> tuple[int, int]:
    return region[2] - region[0], region[3] - region[1]


def _evened(region: Ltrb, frame_wh: tuple[int, int]) -> Ltrb:
    """Grown to even edges; an odd edge of the picture itself stays."""
    left, top, right, bottom = region
    return (
        left - left % CUT_STEP_PX,
        top - top % CUT_STEP_PX,
        min(right + right % CUT_STEP_PX, frame_wh[0]),
        min(bottom + bottom % CUT_STEP_PX, frame_wh[1]),
    )


def _window(region: Ltrb, kept: Ltrb, *, side_px: int) -> Ltrb:
    """The part of ``region`` around ``kept``, no side longer than ``side_px`` (rounded down to even) allows.

    Both are evened; ``kept`` lies in ``region`` and is not longer than ``side_px``, so that the window holds it.
    """
    left, right = _window_span((region[0], region[2]), (kept[0], kept[2]), side_px)
    top, bottom = _window_span((region[1], region[3]), (kept[1], kept[3]), side_px)
    return left, top, right, bottom


def _window_span(region: tuple[int, int], kept: tuple[int, int], side_px: int) -> tuple[int, int]:
    low, high = region
    if high - low <= side_px:
        return region
    # An odd span is kept only at an odd edge of the picture; with one more it begins at an even pixel.
    side = max(side_px - side_px % CUT_STEP_PX, kept[1] - kept[0] + (kept[1] - kept[0]) % CUT_STEP_PX)
    first = (kept[0] + kept[1]) // 2 - side // 2
    first = max(first - first % CUT_STEP_PX, low, _even_up(kept[1] - side))
    first = min(first, _even_up(high - side), kept[0])
    return first, min(first + side, high)


def _even_up(place: int) -> int:
    return place + place % CUT_STEP_PX
