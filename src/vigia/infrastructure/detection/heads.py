"""Decoding of each model family's outputs. Candidates are chosen first, so that only they are computed."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vigia.infrastructure.detection.graph import PLACES, SCORE_MIN, STRIDES
from vigia.infrastructure.detection.onnx_detector import Head, RawFaces
from vigia.infrastructure.detection.registry import Family

Array = NDArray[np.float32]


class YuNetHead(Head):
    """YuNet (Wu, Peng, Yu: "YuNet: a tiny millisecond-level face detector", 2023): anchor-free, strides 8, 16, 32.

    The prepared graph decodes and suppresses by itself, given where its cells lie (``prepare.py``). Input BGR.
    """

    channels_rgb = False
    suppresses = True
    _STRIDES = (8, 16, 32)

    def __init__(self) -> None:
        self._inputs: dict[tuple[int, int, float], dict[str, Array]] = {}
        self._last: dict[str, Array] = {}

    def inputs(self, *, input_wh: tuple[int, int], confidence_min: float) -> Mapping[str, Array]:
        """Column and row of every cell of all levels, their strides, and the least score; kept for each size."""
        key = (*input_wh, confidence_min)
        known = self._inputs.get(key)
        if known is None:
            places, strides = [], []
            for stride in self._STRIDES:
                columns, rows = input_wh[0] // stride, input_wh[1] // stride
                row, column = np.divmod(np.arange(columns * rows), columns)
                places.append(np.stack([column, row], axis=1))
                strides.append(np.full((columns * rows, 1), stride))
            known = self._inputs[key] = {
                PLACES: np.concatenate(places).astype(np.float32)[None],
                STRIDES: np.concatenate(strides).astype(np.float32)[None],
                SCORE_MIN: np.array([confidence_min * confidence_min], dtype=np.float32),
            }
        self._last = known
        return known

    def decode(self, outputs: Sequence[Array], *, confidence_min: float) -> RawFaces:  # noqa: ARG002 - the graph has chosen
        """The faces of the size that ``inputs`` was last asked for; confidence is the geometric mean of both scores."""
        rows, cells = outputs
        if not len(rows):
            return _nothing()
        centre, half = rows[:, :2], rows[:, 2:4] * np.float32(0.5)
        boxes = np.concatenate([centre - half, centre + half], axis=1)
        points = rows[:, 5:].reshape(-1, 5, 2)
        points += self._last[PLACES][0, cells, None, :]
        points *= self._last[STRIDES][0, cells, None, :]
        return RawFaces(boxes, points, np.sqrt(rows[:, 4]))


class CenterFaceHead(Head):
    """CenterFace (Xu et al.: "CenterFace: joint face detection and alignment using face as point", 2019): stride 4.

    Outputs: heat map, log sizes (height, width), offsets (y, x), landmarks (y, x in box sides from its corner).
    Input RGB.
    """

    channels_rgb = True
    suppresses = False
    _STRIDE = 4

    def inputs(self, *, input_wh: tuple[int, int], confidence_min: float) -> Mapping[str, Array]:  # noqa: ARG002 - needs none
        """Nothing: the heat map tells its own size."""
        return {}

    def decode(self, outputs: Sequence[Array], *, confidence_min: float) -> RawFaces:
        """Candidates above ``confidence_min``."""
        heat, sizes, offsets, points = (output[0] for output in outputs)
        rows, columns = np.nonzero(heat[0] >= confidence_min)
        if not len(rows):
            return _nothing()
        high = np.exp(sizes[0, rows, columns]) * np.float32(self._STRIDE)
        wide = np.exp(sizes[1, rows, columns]) * np.float32(self._STRIDE)
        middle_y = (rows + offsets[0, rows, columns] + 0.5) * np.float32(self._STRIDE)
        middle_x = (columns + offsets[1, rows, columns] + 0.5) * np.float32(self._STRIDE)
        left, top = middle_x - wide / 2, middle_y - high / 2
        boxes = np.stack([left, top, left + wide, top + high], axis=1).astype(np.float32)
        shares = points[:, rows, columns].T.reshape(-1, 5, 2)
        landmarks = np.stack(
            [shares[:, :, 1] * wide[:, None] + left[:, None], shares[:, :, 0] * high[:, None] + top[:, None]], axis=2
        ).astype(np.float32)
        return RawFaces(boxes, landmarks, heat[0, rows, columns])


HEADS: dict[Family, type[Head]] = {Family.YUNET: YuNetHead, Family.CENTERFACE: CenterFaceHead}
"""The decoder of each family."""


def _nothing() -> RawFaces:
    return RawFaces(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))
