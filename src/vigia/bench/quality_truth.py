"""What a shot is truly worth: how much of the clean face is left in it, and how far the face looks away.

Independent of the score's own measures. The face is brought to its place by its true landmarks, as recognisers do, and
compared with the clean portrait, turned alike: contrast and structure of SSIM (Wang, Bovik, Sheikh, Simoncelli 2004) in
three bands an octave apart, each window weighted by what the clean face holds there, after mean and contrast of the
whole face have been made equal. The bands hold about 5 to 30 cycles a face, around the 8 to 16 in which people tell
faces apart (Costen, Parker, Craw 1996). What is outside the frame is not alike.

What pixels cannot show is known from the rendering: a portrait that is turned still shows what a camera would no longer
see. The square of the similarity, the share that is explained, is multiplied by cos² of yaw and of pitch, as
ISO/IEC 29794-5 rates a pose, and by the cosine of the roll, which aligning takes away, but not what it costs a
detector to find such a face again.
"""

from math import cos, radians
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from vigia.bench.quality_views import TURNS_KEPT, Shot, Sitter, View, turn_of
from vigia.infrastructure.demo.planes import Plane

CROP_PX = 112
"""Of the compared picture: what most recognisers look at."""
FACE_SHARE = 0.75
"""Width of the face in it."""
BANDS = 3
BAND_SIGMA_PX = 1.6
"""What a band leaves to the next one: blurred by so much, at half the size."""
WINDOW = 7
"""Side of the windows in which contrast and structure are compared, pixels."""
STABILISER = 0.002
"""Added to both variances, of a face whose variance is 1: two grey levels of noise are no structure."""
DEVIATION_MIN = 20.0
"""A face with less contrast is not amplified to that of the clean one, grey levels: codecs do not keep it."""
REFERENCE_PX = 200.0


class TruthMeter:
    """Compares shots of one person in one look with the clean portrait. Owner: one thread.

    Bounds: keeps ``TURNS_KEPT`` turned portraits, 200 KB each.

    Args:
        sitter: the person.
    """

    def __init__(self, sitter: Sitter) -> None:
        middle = (CROP_PX - 1) / 2.0
        self._sitter = sitter
        self._places = sitter.frontal_marks * (FACE_SHARE * CROP_PX) + middle
        y, x = np.mgrid[0:CROP_PX, 0:CROP_PX].astype(np.float32)
        away = ((x - middle) / (0.5 * FACE_SHARE * CROP_PX)) ** 2 + ((y - middle) / (0.6 * FACE_SHARE * CROP_PX)) ** 2
        self._mask: Plane = (away <= 1.0).astype(np.float32)
        self._clean: dict[tuple[float, float], list[tuple[Plane, Plane]]] = {}

    def truth(self, shot: Shot) -> float:
        """What the shot is worth, in [0, 1]; 1 is the clean portrait, seen from the front."""
        view = shot.view
        facing = max(cos(radians(view.yaw_deg)), 0.0) ** 2 * max(cos(radians(view.pitch_deg)), 0.0) ** 2
        return float(facing * max(cos(radians(view.roll_deg)), 0.0) * self._similarity(shot) ** 2)

    def _similarity(self, shot: Shot) -> float:
        seen, inside = self._crop(shot)
        turn = turn_of(shot.view)
        if turn not in self._clean:
            if len(self._clean) >= TURNS_KEPT:
                self._clean.clear()
            self._clean[turn] = self._clean_bands(*turn)
        product = 1.0
        for (clean, weight), band in zip(self._clean[turn], _bands(self._normalised(seen)), strict=True):
            there = cv2.resize(inside, band.shape[::-1], interpolation=cv2.INTER_AREA)
            alike = float((_contrast_structure(clean, band) * there * weight).sum() / weight.sum())
            product *= max(alike, 0.0)
        return cast("float", product ** (1.0 / BANDS))

    def _clean_bands(self, yaw_deg: float, pitch_deg: float) -> list[tuple[Plane, Plane]]:
        """The clean face's bands, and how much each window counts: by the deviation that it holds."""
        grey = np.full((480, 480), 110, np.uint8)
        chroma = np.full((240, 240), 128, np.uint8)
        view = View(REFERENCE_PX, (240.0, 240.0), yaw_deg, pitch_deg, noise=0.0)
        face, _ = self._crop(self._sitter.shoot(view, (grey, chroma, chroma)))
        bands = []
        for band in _bands(self._normalised(face)):
            mask = cv2.resize(self._mask, band.shape[::-1], interpolation=cv2.INTER_AREA)
            energy = cv2.boxFilter(band * band, -1, (WINDOW, WINDOW))
            bands.append((band, cast("Plane", mask * np.sqrt(np.maximum(energy, 0.0)))))
        return bands

    def _crop(self, shot: Shot) -> tuple[Plane, Plane]:
        """The face where the clean one is, float32 (CROP_PX, CROP_PX), and which of its pixels are in the frame."""
        turn = _fit(shot.landmarks.astype(np.float64), self._places)
        luma = shot.planes[0]
        left, top, right, bottom = shot.face_xyxy
        side = max(right - left, bottom - top)
        x0, y0 = max(int(left - 0.5 * side), 0), max(int(top - 0.5 * side), 0)
        x1, y1 = min(int(right + 0.5 * side), luma.shape[1]), min(int(bottom + 0.5 * side), luma.shape[0])
        if x1 - x0 < 2 or y1 - y0 < 2:
            return np.full((CROP_PX, CROP_PX), 128.0, np.float32), np.zeros((CROP_PX, CROP_PX), np.float32)
        part = luma[y0:y1, x0:x1].astype(np.float32)
        turn[:, 2] += turn[:, :2] @ (x0, y0)
        scale = float(np.hypot(turn[0, 0], turn[1, 0]))
        if scale < 0.8:
            small_wh = max(2, round(part.shape[1] * scale)), max(2, round(part.shape[0] * scale))
            ratio = np.array([part.shape[1] / small_wh[0], part.shape[0] / small_wh[1]])
            part = cast("Plane", cv2.resize(part, small_wh, interpolation=cv2.INTER_AREA))
            turn[:, 2] += turn[:, :2] @ ((ratio - 1.0) / 2.0)
            turn[:, :2] *= ratio
        size = (CROP_PX, CROP_PX)
        face = cv2.warpAffine(part, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        inside = cv2.warpAffine(np.ones_like(part), turn, size, flags=cv2.INTER_LINEAR)
        return cast("Plane", face), cast("Plane", inside)

    def _normalised(self, plane: Plane) -> Plane:
        weight = self._mask / self._mask.sum()
        mean = float((plane * weight).sum())
        deviation = float(np.sqrt((np.square(plane - mean) * weight).sum()))
        return cast("Plane", (plane - np.float32(mean)) / np.float32(max(deviation, DEVIATION_MIN)))


def _bands(plane: Plane) -> list[Plane]:
    """What each octave holds, the finest first; each half the size of the one before."""
    bands = []
    for _ in range(BANDS):
        coarse = cv2.GaussianBlur(plane, (0, 0), BAND_SIGMA_PX)
        bands.append(cast("Plane", plane - coarse))
        plane = cast(
            "Plane", cv2.resize(coarse, (plane.shape[1] // 2, plane.shape[0] // 2), interpolation=cv2.INTER_AREA)
        )
    return bands


def _contrast_structure(first: Plane, second: Plane) -> Plane:
    """2 cov / (var + var) in every window, stabilised."""
    mean_1, mean_2, square_1, square_2, both = (
        cv2.boxFilter(plane, -1, (WINDOW, WINDOW))
        for plane in (first, second, first * first, second * second, first * second)
    )
    covariance = both - mean_1 * mean_2
    variances = (square_1 - mean_1 * mean_1) + (square_2 - mean_2 * mean_2)
    return cast("Plane", (2.0 * covariance + STABILISER) / (np.maximum(variances, 0.0) + STABILISER))


def _fit(points: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """The similarity, float64 (2, 3), that brings points nearest to places in the sense of least squares."""
    rows = np.zeros((2 * len(points), 4))
    rows[0::2] = np.column_stack([points[:, 0], -points[:, 1], np.ones(len(points)), np.zeros(len(points))])
    rows[1::2] = np.column_stack([points[:, 1], points[:, 0], np.zeros(len(points)), np.ones(len(points))])
    a, b, x, y = np.linalg.lstsq(rows, places.ravel(), rcond=None)[0]
    return np.array([[a, -b, x], [b, a, y]])
