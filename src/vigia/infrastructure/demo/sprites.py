"""A person drawn at one scale: premultiplied planes that are blended onto a picture in four passes over a small region.

Scaling and blurring cost far more than blending, so each result is kept until the scale, the blur or the light changes;
scales and light come in steps for that reason. All arithmetic while blending is in 16-bit integers.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vigia.infrastructure.demo.planes import Plane, Plane8, box_blur, halve, resize
from vigia.infrastructure.demo.portraits import Cutout, Look, cut_out, figure
from vigia.infrastructure.demo.staging import Passage, raster_size

LIGHT_STEP = 1.02
"""Light on a person comes in powers of this."""
OPAQUE = 256
Weight = NDArray[np.uint16]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One plane of a sprite: grey level x weight, and what is left of the background, both of 256."""

    colour: Weight
    remain: Weight

    def blend(self, plane: Plane8, *, x: int, y: int) -> None:
        """Draw onto ``plane`` with the top left corner at (x, y), cut off at its edges."""
        height, width = plane.shape
        rows, columns = self.colour.shape
        left, top, right, bottom = max(x, 0), max(y, 0), min(x + columns, width), min(y + rows, height)
        if left >= right or top >= bottom:
            return
        mine = slice(top - y, bottom - y), slice(left - x, right - x)
        below = plane[top:bottom, left:right]
        mixed = np.multiply(below, self.remain[mine], dtype=np.uint16)
        mixed += self.colour[mine]
        mixed >>= 8
        below[...] = mixed


@dataclass(frozen=True, slots=True, eq=False)
class _Premultiplied:
    """Luma, blue, red (each x weight) and weight in [0, 1], float32, one shape."""

    planes: tuple[Plane, Plane, Plane, Plane]
    pad_px: int
    """Columns added on both sides to make room for the motion blur."""


class SpriteMaker:
    """Draws one person, frame after frame. Owner: the thread that renders the clip.

    Bounds: keeps the last scale, the last blur and the last light only.
    """

    def __init__(self, look: Look, *, rows: int) -> None:
        self._cutout: Cutout = cut_out(look, rows=rows)
        self._scaled_at: tuple[int, int] | None = None
        self._scaled: tuple[Plane, Plane, Plane, Plane] | None = None
        self._blurred_at: tuple[int, int, int] | None = None
        self._blurred: _Premultiplied | None = None
        self._layers_at: tuple[int, int, int, int] | None = None
        self._luma: Layer | None = None
        self._chroma: dict[tuple[int, int], tuple[Layer, Layer]] = {}

    def draw(
        self,
        planes: tuple[Plane8, Plane8, Plane8],
        *,
        size_wh: tuple[int, int],
        origin_xy: tuple[int, int],
        blur_px: int = 1,
        light_step: int = 0,
    ) -> None:
        """Draw onto a YUV 4:2:0 picture.

        Args:
            planes: luma (H, W), blue and red (H/2, W/2), uint8; changed in place.
            size_wh: width and height at which the figure is drawn, pixels.
            origin_xy: its top left corner, luma pixels; may lie outside.
            blur_px: length of the horizontal motion blur, odd; 1 is none.
            light_step: brightness as a power of ``LIGHT_STEP``; 0 leaves it.
        """
        blurred = self._blur(size_wh, blur_px)
        at = (*size_wh, blur_px, light_step)
        if at != self._layers_at or self._luma is None:
            self._luma = _layer(blurred.planes[0], blurred.planes[3], gain=LIGHT_STEP**light_step, black=16.0)
            if self._layers_at is None or at[:3] != self._layers_at[:3]:
                self._chroma.clear()
            self._layers_at = at
        x, y = origin_xy[0] - blurred.pad_px, origin_xy[1]
        self._luma.blend(planes[0], x=x, y=y)
        odd = (x & 1, y & 1)
        if odd not in self._chroma:
            self._chroma[odd] = _chroma_layers(blurred, odd)
        for layer, plane in zip(self._chroma[odd], planes[1:], strict=True):
            layer.blend(plane, x=x >> 1, y=y >> 1)

    def _scale(self, size_wh: tuple[int, int]) -> tuple[Plane, Plane, Plane, Plane]:
        if self._scaled is None or self._scaled_at != size_wh:
            width, height = size_wh
            cutout = self._cutout
            weight = resize(cutout.alpha, width=width, height=height).astype(np.float32) * np.float32(1.0 / 255.0)
            luma, blue, red = (
                resize(plane, width=width, height=height) * weight for plane in (cutout.luma, cutout.blue, cutout.red)
            )
            self._scaled, self._scaled_at = (luma, blue, red, weight), size_wh
        return self._scaled

    def _blur(self, size_wh: tuple[int, int], blur_px: int) -> _Premultiplied:
        at = (*size_wh, blur_px)
        if self._blurred is None or self._blurred_at != at:
            scaled, pad = self._scale(size_wh), blur_px // 2
            if pad:
                luma, blue, red, weight = (
                    box_blur(np.pad(plane, ((0, 0), (pad, pad))), blur_px, axis=1) for plane in scaled
                )
                scaled = luma, blue, red, weight
            self._blurred, self._blurred_at = _Premultiplied(scaled, pad), at
        return self._blurred


class PassageSprite:
    """Draws a passage's frames. Owner: the thread that renders the clip."""

    def __init__(self, passage: Passage) -> None:
        self._passage = passage
        self._maker = SpriteMaker(passage.look, rows=passage.rows)

    def draw(self, planes: tuple[Plane8, Plane8, Plane8], *, frame: int, light_step: int) -> None:
        """Draw the person as of clip frame ``frame`` (one of the passage's)."""
        passage, offset = self._passage, frame - self._passage.first_frame
        x, y = passage.origins[offset].tolist()
        self._maker.draw(
            planes,
            size_wh=raster_size(passage, int(passage.steps[offset])),
            origin_xy=(x, y),
            blur_px=int(passage.blurs_px[offset]),
            light_step=light_step,
        )


def draw_poster(
    planes: tuple[Plane8, Plane8, Plane8], look: Look, *, centre_xy: tuple[int, int], face_width: float
) -> None:
    """Draw a head and shoulders that stay where they are, on a pale card."""
    shape = figure(look.portrait, flipped=look.flipped, tilt_deg=look.tilt_deg)
    scale = face_width / shape.face_width
    rows = int(shape.face_xyxy[3] + 0.6 * shape.face_width)
    width, height = round(shape.alpha.shape[1] * scale), round(rows * scale)
    x = centre_xy[0] - round(shape.face_centre[0] * scale)
    y = centre_xy[1] - round(shape.face_centre[1] * scale)
    border = max(2, round(0.15 * face_width))
    for plane, level, shrink in zip(planes, (190, 124, 132), (1, 2, 2), strict=True):
        top, left = max(0, (y - border) // shrink), max(0, (x - border) // shrink)
        plane[top : (y + height) // shrink, left : (x + width + border) // shrink] = level
    SpriteMaker(look, rows=rows).draw(planes, size_wh=(width, height), origin_xy=(x, y))


def _layer(colour: Plane, weight: Plane, *, gain: float = 1.0, black: float = 0.0) -> Layer:
    """Integers for blending: ``colour`` is premultiplied; ``gain`` brightens around ``black``."""
    if gain != 1.0:
        colour = colour * np.float32(gain) + weight * np.float32(black * (1.0 - gain))
        colour = np.minimum(colour, weight * np.float32(235.0))
    opaque = np.rint(weight * OPAQUE).astype(np.uint16)
    # Half a level is added against the truncation of the final shift; 255 x 256 + 128 still fits.
    scaled = np.minimum(colour * OPAQUE, weight * np.float32(254.0 * OPAQUE)) + 128.0
    return Layer(scaled.astype(np.uint16), cast("Weight", (OPAQUE - opaque).astype(np.uint16)))


def _chroma_layers(blurred: _Premultiplied, odd: tuple[int, int]) -> tuple[Layer, Layer]:
    """Chroma at half size, for a corner whose x or y is odd: blocks of 2 x 2 start at even pixels."""
    _, blue, red, weight = blurred.planes
    rows, columns = weight.shape
    pad = ((odd[1], (rows + odd[1]) & 1), (odd[0], (columns + odd[0]) & 1))
    small_blue, small_red, small_weight = (halve(np.pad(plane, pad)) for plane in (blue, red, weight))
    return _layer(small_blue, small_weight), _layer(small_red, small_weight)
