"""Faces cut out of pictures in two steps: a copy of a few rows while the picture is there, and a JPEG file later."""

from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from vigia.domain.frame import Picture
from vigia.infrastructure.video.picture import AvPicture
from vigia.infrastructure.video.planes import Ltrb

Plane = NDArray[np.uint8]
FULL_RANGE = 2
"""AVCOL_RANGE_JPEG."""
BT709 = 1
"""AVCOL_SPC_BT709; what is not told counts as BT.601, as everywhere here."""
_BT709_FACTORS = (1.5748, 0.1873, 0.4681, 1.8556)
_BT601_FACTORS = (1.402, 0.344136, 0.714136, 1.772)
"""How much red difference is in red, blue difference in green, red difference in green, blue difference in blue."""


@dataclass(frozen=True, slots=True, eq=False)
class PlaneCut:
    """A small part of a picture, with its colours as coded. The planes are its own."""

    luma: Plane
    chroma: tuple[Plane, ...] | None
    """Blue and red difference, of any size; None for a grey picture."""
    full_range: bool
    bt709: bool


class PlaneFaceCutter:
    """The ``FaceCutter`` port on planes. Any thread; keeps nothing.

    What is too large is thinned to every second, third, … pixel and not averaged: that costs nothing, and a picture of
    eighty pixels to a side is looked at for who it is, not for its lines.
    """

    def cut(self, picture: Picture, crop_ltrb: Ltrb, *, side_px: int) -> PlaneCut:
        """Copy a part. See the port."""
        left, top, right, bottom = crop_ltrb
        step = max(1, -(-max(right - left, bottom - top) // side_px))
        luma, chroma = picture.luma(), picture.chroma()
        colours = None if chroma is None else tuple(_part(plane, luma, crop_ltrb, step) for plane in chroma)
        full_range, bt709 = True, False
        if isinstance(picture, AvPicture):
            frame = picture.frame
            full_range = int(frame.color_range) == FULL_RANGE or frame.format.name.startswith("yuvj")
            bt709 = int(frame.colorspace) == BT709
        return PlaneCut(
            luma[top:bottom:step, left:right:step].copy(),
            colours,
            full_range,
            bt709,
        )

    def encode(self, cutting: PlaneCut, *, quality: int) -> bytes:
        """The part as a JPEG file. See the port."""
        jpeg: bytes = simplejpeg.encode_jpeg(_rgb(cutting), quality=quality, colorspace="RGB", colorsubsampling="420")
        return jpeg

    def picture_bytes(self, picture: Picture) -> int:
        """What holding a whole picture takes in memory. See the port."""
        if isinstance(picture, AvPicture):
            return picture.size_bytes
        return picture.width * picture.height * 3 // 2


def _part(plane: Plane, luma: Plane, crop_ltrb: Ltrb, step: int) -> Plane:
    """The same part of a plane whose size is another one."""
    left, top, right, bottom = crop_ltrb
    (rows, columns), (height, width) = plane.shape, luma.shape
    y0, y1 = top * rows // height, max(-(-bottom * rows // height), top * rows // height + 1)
    x0, x1 = left * columns // width, max(-(-right * columns // width), left * columns // width + 1)
    return plane[y0:y1:step, x0:x1:step].copy()


def _rgb(cutting: PlaneCut) -> Plane:
    """uint8 (height, width, 3)."""
    luma = cutting.luma.astype(np.float32)
    if not cutting.full_range:
        luma = (luma - 16.0) * (255.0 / 219.0)
    height, width = luma.shape
    rgb = np.repeat(luma[:, :, None], 3, axis=2)
    if cutting.chroma is not None:
        scale = 1.0 if cutting.full_range else 255.0 / 224.0
        blue, red = ((_sized(plane, height, width) - 128.0) * scale for plane in cutting.chroma)
        red_in_red, blue_in_green, red_in_green, blue_in_blue = _BT709_FACTORS if cutting.bt709 else _BT601_FACTORS
        rgb[:, :, 0] += red_in_red * red
        rgb[:, :, 1] -= blue_in_green * blue + red_in_green * red
        rgb[:, :, 2] += blue_in_blue * blue
    pixels: Plane = np.clip(rgb + 0.5, 0.0, 255.0).astype(np.uint8)
    return pixels


def _sized(plane: Plane, height: int, width: int) -> NDArray[np.float32]:
    """A plane of colours, one for each pixel."""
    rows = np.arange(height) * plane.shape[0] // height
    columns = np.arange(width) * plane.shape[1] // width
    sized: NDArray[np.float32] = plane[rows[:, None], columns[None, :]].astype(np.float32)
    return sized
