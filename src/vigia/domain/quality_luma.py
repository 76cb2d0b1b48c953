"""What the pixels of a face say: how much detail there is, in which directions, and how the light falls.

Everything is measured on the core of the box, without its rim of hair and background, averaged down to 64 to 127
samples across the face, and for the coarser detail to 48 to 95: neither cost nor result follow the size of a face that
is large enough.
"""

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from vigia.domain.frame import Luma

SAMPLES_ACROSS = 64
"""A box is averaged over whole blocks of pixels as long as so many are left across."""
SAMPLES_COARSE = 48
"""The same for the coarser detail: less of it is noise."""
CORE_X, CORE_Y = 0.15, 0.12
"""What is left out of the box on each side, as a share of its width and height: hair, ears, background."""
CORE_MIN_SAMPLES = 4
"""Fewer rows or columns hold nothing that could be judged."""
NOISE_LEVELS_MAX = 4.0
"""Standard deviation of a camera's noise, grey levels: no more than this is taken for noise and taken off."""
NOISE_EVERY = 5
"""Of so many second differences one is looked at to tell the noise."""
QUARTILE_OF_NORMAL = 0.3186
"""A quarter of normally distributed values lies within so many standard deviations."""
CONTRAST_STILL = 25.0
"""Added to the variance, five grey levels squared: below that there is nothing to be sharp."""
DETAIL_HALF = 0.09
"""Detail of a face whose sharpness is one half; see ``_sharpness_and_motion``. Large sharp portraits: 0.15 to 0.5."""
COARSE_HALF = 0.5
"""Coarse detail of a face where that part is one half; see ``_coarse``. Large sharp portraits: 0.8 to 2."""
COARSE_SAMPLES = 32.0
COARSE_SLOPE = 1.5
"""Differences at so many samples across grow by this power of the samples when there are fewer of them: 2 where all
detail is coarser than a sample; what is finer adds to it."""
UNEVEN_HALF = 0.3
"""Difference of both halves' light, of their sum, where evenness is one half: a little of it costs next to nothing."""
EVEN_ENOUGH = 0.4
"""The direction with the least detail has this share of the mean in a sharp face: eyes, brows and mouth lie level."""
CONTRAST_ENOUGH = 32.0
"""Standard deviation of an evenly lit face's grey levels."""
BLACK, DARK, BRIGHT, WHITE = 16.0, 36.0, 226.0, 235.0
"""Grey levels of limited-range video: below DARK and above BRIGHT is the tenth at each end that holds nothing."""
MEAN_ENOUGH = 60.0
"""A mean this far from black and from white is no fault."""


@dataclass(frozen=True, slots=True)
class LumaMeasure:
    """Parts in [0, 1]; see ``docs/quality.md``."""

    sharpness: float
    detail: float
    motion: float
    contrast: float
    under_exposure: float
    over_exposure: float
    evenness: float


NOTHING = LumaMeasure(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def measure_luma(luma: Luma, box: tuple[float, float, float, float]) -> LumaMeasure:
    """Judge the pixels of one face.

    Args:
        luma: uint8 (height, width), the frame's luma plane.
        box: left, top, right, bottom in its pixels; may reach beyond it.

    Returns:
        The parts; zeros where fewer than four by four samples of the box's core are inside the frame.
    """
    wide = box[2] - box[0]
    block = max(1, int(min(wide, box[3] - box[1])) // SAMPLES_ACROSS)
    sample = _core(luma, box, block)
    if sample is None:
        return NOTHING
    levels = sample.ravel()
    count = levels.size
    columns = sample.sum(axis=0)  # of which the mean and that of both halves are made
    mean = float(columns.sum()) / count
    deviation = sqrt(max(float(np.dot(levels, levels)) / count - mean * mean, 0.0))
    dark = int(np.count_nonzero(levels < DARK)) / count
    bright = int(np.count_nonzero(levels > BRIGHT)) / count
    variance = deviation * deviation
    energies, noise = _differences(sample, noise_max=(NOISE_LEVELS_MAX / block) ** 2)
    sharpness, motion = _sharpness_and_motion(
        energies, noise, variance=variance, scale=(wide / block / SAMPLES_ACROSS) ** 2
    )
    coarse = max(1, int(min(wide, box[3] - box[1])) // SAMPLES_COARSE)
    if coarse != block:
        fewer = _core(luma, box, coarse)
        if fewer is not None:
            energies, noise = _differences(fewer, noise_max=(NOISE_LEVELS_MAX / coarse) ** 2)
    half = sample.shape[1] // 2
    left = max(float(columns[:half].sum()) / (half * sample.shape[0]) - BLACK, 1.0)
    right = max(float(columns[-half:].sum()) / (half * sample.shape[0]) - BLACK, 1.0)
    uneven = (left - right) / (left + right) / UNEVEN_HALF
    return LumaMeasure(
        sharpness=sharpness,
        detail=_coarse(energies, noise, variance=variance, samples=wide / coarse),
        motion=motion,
        contrast=_unit(deviation / CONTRAST_ENOUGH),
        under_exposure=(1.0 - dark) * _unit((mean - BLACK) / MEAN_ENOUGH),
        over_exposure=(1.0 - bright) * _unit((WHITE - mean) / MEAN_ENOUGH),
        evenness=1.0 / (1.0 + uneven * uneven),
    )


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _core(luma: Luma, box: tuple[float, float, float, float], block: int) -> NDArray[np.float32] | None:
    """The core's luma averaged over square blocks, float32; None where there is too little of it.

    Strided rows and columns are added up: a tenth of the time of a mean over reshaped axes, and the same numbers.
    """
    height, width = luma.shape
    wide, high = box[2] - box[0], box[3] - box[1]
    left, top = max(int(box[0] + CORE_X * wide), 0), max(int(box[1] + CORE_Y * high), 0)
    right, bottom = min(ceil(box[2] - CORE_X * wide), width), min(ceil(box[3] - CORE_Y * high), height)
    rows, columns = (bottom - top) // block, (right - left) // block
    if rows < CORE_MIN_SAMPLES or columns < CORE_MIN_SAMPLES:
        return None
    face = luma[top : top + rows * block, left : left + columns * block]
    if block == 1:
        return face.astype(np.float32)
    lines = face[::block].astype(np.float32)
    for offset in range(1, block):
        lines += face[offset::block]
    sums: NDArray[np.float32] = lines[:, ::block].copy()
    for offset in range(1, block):
        sums += lines[:, offset::block]
    sums *= np.float32(1.0 / (block * block))
    return sums


def _differences(sample: NDArray[np.float32], *, noise_max: float) -> tuple[list[float], float]:
    """Mean energies of differences between neighbours along rows, columns and both diagonals, and the noise in them.

    Noise is told by the quarter of the second differences that are least, skin.

    Args:
        sample: the core of the face.
        noise_max: no more variance than this is taken for noise.
    """
    falling = sample[1:, 1:] - sample[:-1, :-1]
    curves = falling[1:, 1:] - falling[:-1, :-1]
    some = np.abs(curves.ravel()[::NOISE_EVERY])
    some.partition(some.size // 4)
    noise = min((float(some[some.size // 4]) / QUARTILE_OF_NORMAL) ** 2 / 6.0, noise_max)
    energies = []
    for differences in (
        sample[:, 1:] - sample[:, :-1],
        sample[1:] - sample[:-1],
        falling,
        sample[1:, :-1] - sample[:-1, 1:],
    ):
        line = differences.ravel()
        energies.append(float(np.dot(line, line)) / line.size)
    return energies, noise


def _sharpness_and_motion(energies: list[float], noise: float, *, variance: float, scale: float) -> tuple[float, float]:
    """How much fine detail there is, and whether one direction lacks it.

    Detail is the energy of differences, relative to the contrast of the face and as if there were 64 samples across it:
    neither light nor size changes it. Defocus takes it from all directions, motion from its own. Noise is taken off.

    Args:
        energies: see ``_differences``.
        noise: variance.
        variance: of the grey levels.
        scale: what differences grow by at 64 samples across, squared.
    """
    mean = sum(energies) / len(energies)
    detail = max(mean - 2.0 * noise, 0.0) * scale / (variance + CONTRAST_STILL)
    # Noise stays in: it is the same in all directions, and what is left without it may be nothing.
    motion = _unit(min(energies) / (EVEN_ENOUGH * mean)) if mean > 0.0 else 0.0
    return _half_at(detail, DETAIL_HALF), motion


def _coarse(energies: list[float], noise: float, *, variance: float, samples: float) -> float:
    """How much coarser detail there is: the same at fewer samples, and telling sharp from very sharp faces.

    Args:
        energies: see ``_differences``.
        noise: variance.
        variance: of the grey levels.
        samples: across the box.
    """
    mean = sum(energies) / len(energies)
    scale = (samples / COARSE_SAMPLES) ** COARSE_SLOPE
    return _half_at(max(mean - 2.0 * noise, 0.0) * scale / (variance + CONTRAST_STILL), COARSE_HALF)


def _half_at(value: float, half: float) -> float:
    """From 0 to 1, quickest around ``half``, where it is one half."""
    return value * value / (value * value + half * half)
