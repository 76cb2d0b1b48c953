"""What a person looks like in a few numbers: the colours around the face.

A capture's dress and hair tell it from the next person's, long before anybody is recognised. Good for "surely somebody
else" and for "it may be the same"; never a proof of identity. The pixels are read where the decoder left them: some
thousand of them, on the chroma's own grid.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vigia.domain.event import Box
from vigia.domain.frame import Picture

SAMPLES_A_SIDE = 32
"""Pixels looked at along each side of a region, at most."""
CHEST_SIDES = (-0.35, 1.35)
"""Left and right edge of the region below the face, in face widths from the box's left edge."""
CHEST_HEIGHTS = (1.35, 2.2)
"""Its upper and lower edge, in face heights from the box's top."""
CHEST_SEEN_MIN = 0.5
"""Share of its height that must be in the picture."""
HEAD_SIDES = (0.1, 0.9)
HEAD_HEIGHTS = (-0.25, 0.9)
"""The face with the hair above it, measured like the chest."""
CHROMA_BINS = 13
CHROMA_STEP = 7.0
"""Grey levels from one bin to the next; video codes even strong colours within some 40 levels of 128."""
WEIGHTS = (0.4, 0.2, 0.4)
"""Of clothes' colour, clothes' grey levels (light changes them), head's colour."""
LUMA_BINS = 8
LUMA_STEP = 32.0
COLOURLESS = 4.0
"""Mean distance from grey, grey levels, below which there is no colour to compare: a camera's night picture."""

Histogram = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """Colours of a person: what they wear below the face, and the face itself."""

    chest: Histogram
    """float32 (CHROMA_BINS²,): shares of the colours, blue difference by red difference, sum 1."""
    chest_luma: Histogram
    """float32 (LUMA_BINS,): shares of the grey levels, sum 1."""
    head: Histogram
    """float32 (CHROMA_BINS²,): colours of the face with its hair, sum 1."""
    colour: float
    """Mean distance of all that from grey, grey levels."""

    @property
    def has_colour(self) -> bool:
        """Whether there is colour to compare at all."""
        return self.colour >= COLOURLESS


def describe(picture: Picture, box_xyxy: Box) -> Appearance | None:
    """The appearance of the person whose face is at ``box_xyxy``, float32 (4,), picture pixels.

    Returns:
        None where it cannot be told: the picture has no colour planes, or the region below the face is cut off. Pure.
    """
    planes = picture.chroma()
    if planes is None:
        return None
    chest = _region(box_xyxy, CHEST_SIDES, CHEST_HEIGHTS)
    seen = min(chest[3], float(picture.height)) - max(chest[1], 0.0)
    if seen < CHEST_SEEN_MIN * (chest[3] - chest[1]):
        return None
    below = _samples(picture.luma(), planes, chest)
    face = _samples(picture.luma(), planes, _region(box_xyxy, HEAD_SIDES, HEAD_HEIGHTS))
    if below is None or face is None:
        return None
    luma, blue, red = below
    _, face_blue, face_red = face
    colour = float(np.hypot(np.concatenate([blue, face_blue]), np.concatenate([red, face_red])).mean())
    return Appearance(_colours(blue, red), _greys(luma), _colours(face_blue, face_red), colour)


def difference(first: Appearance, second: Appearance) -> float:
    """How differently two people are coloured, in [0, 1]: 0 for the same pixels, 1 for nothing in common. Pure.

    The mean of the Hellinger distances of clothes' colour, clothes' grey levels and head's colour, by ``WEIGHTS``.
    """
    distances = (
        _hellinger(first.chest, second.chest),
        _hellinger(first.chest_luma, second.chest_luma),
        _hellinger(first.head, second.head),
    )
    return sum(weight * distance for weight, distance in zip(WEIGHTS, distances, strict=True))


def _region(
    box_xyxy: Box, sides: tuple[float, float], heights: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in pixels of a region given in widths and heights of the face, from its top left."""
    left, top, right, bottom = box_xyxy.tolist()
    wide, high = right - left, bottom - top
    return left + sides[0] * wide, top + heights[0] * high, left + sides[1] * wide, top + heights[1] * high


def _samples(
    luma: NDArray[np.uint8],
    chroma: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    region: tuple[float, float, float, float],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]] | None:
    """Luma, blue and red difference (these around 0) of some pixels, float32 (N,) each; None where there are none."""
    blue, red = chroma
    rows, columns = blue.shape
    down, across = luma.shape[0] / rows, luma.shape[1] / columns  # luma pixels for each of chroma
    left, right = max(0, int(region[0] / across)), min(columns, int(np.ceil(region[2] / across)))
    top, bottom = max(0, int(region[1] / down)), min(rows, int(np.ceil(region[3] / down)))
    if right <= left or bottom <= top:
        return None
    y = np.linspace(top, bottom - 1, min(SAMPLES_A_SIDE, bottom - top)).astype(np.intp)
    x = np.linspace(left, right - 1, min(SAMPLES_A_SIDE, right - left)).astype(np.intp)
    grid = np.ix_(y, x)
    fine = np.ix_((y * down).astype(np.intp), (x * across).astype(np.intp))
    return (
        luma[fine].astype(np.float32).ravel(),
        blue[grid].astype(np.float32).ravel() - np.float32(128.0),
        red[grid].astype(np.float32).ravel() - np.float32(128.0),
    )


def _colours(blue: NDArray[np.float32], red: NDArray[np.float32]) -> Histogram:
    """Two-dimensional, each pixel shared out among the four bins around it: a small shift changes it little."""
    last = CHROMA_BINS - 1
    x = np.clip(blue / CHROMA_STEP + last / 2.0, 0.0, last)
    y = np.clip(red / CHROMA_STEP + last / 2.0, 0.0, last)
    column, row = np.minimum(x.astype(np.intp), last - 1), np.minimum(y.astype(np.intp), last - 1)
    x, y = x - column, y - row
    place = row * CHROMA_BINS + column
    size = CHROMA_BINS * CHROMA_BINS
    counts = (
        np.bincount(place, (1 - x) * (1 - y), size)
        + np.bincount(place + 1, x * (1 - y), size)
        + np.bincount(place + CHROMA_BINS, (1 - x) * y, size)
        + np.bincount(place + CHROMA_BINS + 1, x * y, size)
    )
    shares: Histogram = (counts / counts.sum()).astype(np.float32)
    return shares


def _greys(luma: NDArray[np.float32]) -> Histogram:
    last = LUMA_BINS - 1
    level = np.clip(luma / LUMA_STEP - 0.5, 0.0, last)
    low = np.minimum(level.astype(np.intp), last - 1)
    share = level - low
    counts = np.bincount(low, 1 - share, LUMA_BINS) + np.bincount(low + 1, share, LUMA_BINS)
    shares: Histogram = (counts / counts.sum()).astype(np.float32)
    return shares


def _hellinger(first: Histogram, second: Histogram) -> float:
    """Distance of two distributions, in [0, 1]."""
    shared = float(np.sqrt(first * second).sum())
    return float(np.sqrt(max(0.0, 1.0 - shared)))
