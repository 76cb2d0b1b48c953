"""Arithmetic on picture planes: colour conversion, blur, scaling, sampling. Pure; plain numpy and swscale.

A plane is a 2-D array of grey levels. Colour is BT.709, limited range: luma 16 to 235, chroma 16 to 240 around 128.
"""

from typing import cast

import av
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""float32 (height, width), grey levels."""
Plane8 = NDArray[np.uint8]
"""uint8 (height, width), grey levels."""


def rgb_to_yuv(rgb: NDArray[np.uint8]) -> tuple[Plane, Plane, Plane]:
    """Luma, blue and red difference of an RGB picture, each float32 (height, width)."""
    red, green, blue = (rgb[..., i].astype(np.float32) for i in range(3))
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (
        (16.0 + luma * (219.0 / 255.0)).astype(np.float32),
        (128.0 + (blue - luma) * (224.0 / 255.0 / 1.8556)).astype(np.float32),
        (128.0 + (red - luma) * (224.0 / 255.0 / 1.5748)).astype(np.float32),
    )


def box_blur(plane: Plane, length: int, *, axis: int) -> Plane:
    """Running mean over ``length`` neighbours (made odd) along one axis; edges are repeated."""
    half = length // 2
    if half < 1:
        return plane
    pad = [(0, 0), (0, 0)]
    pad[axis] = (half + 1, half)
    sums = np.cumsum(np.pad(plane, pad, mode="edge"), axis=axis, dtype=np.float64)
    span = 2 * half + 1
    upper = np.take(sums, np.arange(span, sums.shape[axis]), axis=axis)
    lower = np.take(sums, np.arange(sums.shape[axis] - span), axis=axis)
    return cast("Plane", ((upper - lower) / span).astype(np.float32))


def soften(plane: Plane, sigma_px: float) -> Plane:
    """Blur by about a Gaussian of ``sigma_px``: three running means along each axis."""
    length = round(2.0 * sigma_px) | 1
    if length < 3:
        # Too narrow for a running mean: mix with the smallest one, whose variance is 2/3 of a pixel squared.
        share = min(1.0, sigma_px * sigma_px * 1.5)
        if share <= 0.0:
            return plane
        return plane * np.float32(1.0 - share) + box_blur(box_blur(plane, 3, axis=0), 3, axis=1) * np.float32(share)
    for _ in range(3):
        plane = box_blur(box_blur(plane, length, axis=0), length, axis=1)
    return plane


def resize(plane: Plane8, *, width: int, height: int) -> Plane8:
    """Scale to ``width`` x ``height`` pixels, bicubic, filtered when shrinking."""
    if plane.shape == (height, width):
        return plane
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(plane), format="gray")
    return cast("Plane8", frame.reformat(width=width, height=height, interpolation="BICUBIC").to_ndarray())


def sample(plane: Plane, x: Plane, y: Plane) -> Plane:
    """Read ``plane`` at fractional positions, bilinear; beyond the edges it goes on as if mirrored."""
    height, width = plane.shape
    x0, y0 = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    fx, fy = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
    left, right = _mirror(x0, width), _mirror(x0 + 1, width)
    top, bottom = _mirror(y0, height), _mirror(y0 + 1, height)
    upper = plane[top, left] * (1.0 - fx) + plane[top, right] * fx
    lower = plane[bottom, left] * (1.0 - fx) + plane[bottom, right] * fx
    return cast("Plane", (upper * (1.0 - fy) + lower * fy).astype(np.float32))


def _mirror(index: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    folded = np.mod(index, 2 * size)
    return cast("NDArray[np.int32]", np.where(folded < size, folded, 2 * size - 1 - folded))


def to_plane8(plane: Plane, *, low: float = 0.0, high: float = 255.0) -> Plane8:
    """Round and clip to uint8."""
    return cast("Plane8", np.clip(np.rint(plane), low, high).astype(np.uint8))


def halve(plane: NDArray[np.float32]) -> Plane:
    """Mean of every 2 x 2 block: a chroma plane from a full-size one. Both sides even."""
    return cast("Plane", (plane[0::2, 0::2] + plane[1::2, 0::2] + plane[0::2, 1::2] + plane[1::2, 1::2]) * 0.25)
