"""The square around a face that people are shown."""

from vigia.domain.event import Box

CROP_MARGIN = 0.5
"""Kept around a face on every side, in sides of the face."""
SIDE_MIN_PX = 16.0


def crop_around(box_xyxy: Box, width: int, height: int, *, margin: float = CROP_MARGIN) -> tuple[int, int, int, int]:
    """A square around a face, cut to the picture, at even pixels: left, top, right, bottom.

    Args:
        box_xyxy: the face, pixels of the picture.
        width: of the picture.
        height: of the picture.
        margin: kept on every side, in sides of the face.
    """
    left, top, right, bottom = box_xyxy.tolist()
    half = max((0.5 + margin) * max(right - left, bottom - top), SIDE_MIN_PX / 2.0)
    x, y = (left + right) / 2.0, (top + bottom) / 2.0
    x0, x1 = _even_span(x - half, x + half, width)
    y0, y1 = _even_span(y - half, y + half, height)
    return x0, y0, x1, y1


def _even_span(low: float, high: float, side: int) -> tuple[int, int]:
    begin = min(max(int(low), 0), max(side - 2, 0)) & ~1
    end = min(max(int(high), begin + 2), side)
    return begin, end if (end - begin) % 2 == 0 or end == side else end - 1
