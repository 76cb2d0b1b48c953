"""Decoding of each model family's outputs. Candidates are chosen first, so that only they are computed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vigia.infrastructure.detection.onnx_detector import Head, RawFaces
from vigia.infrastructure.detection.registry import Family

Array = NDArray[np.float32]


class YuNetHead(Head):
    """YuNet (Wu, Peng, Yu: "YuNet: a tiny millisecond-level face detector", 2023): anchor-free, strides 8, 16, 32.

    Outputs, per stride: class score, objectness, box offsets, landmark offsets; cells in row order. Input BGR.
    """

    channels_rgb = False
    _STRIDES = (8, 16, 32)

    def __init__(self) -> None:
        self._grids: dict[tuple[int, ...], tuple[Array, Array]] = {}

    def decode(self, outputs: Sequence[Array], *, input_width: int, confidence_min: float) -> RawFaces:
        """Candidates above ``confidence_min``; confidence is the geometric mean of class score and objectness."""
        scores = np.concatenate(outputs[0:3], axis=1)[0, :, 0]  # all levels at once: few small arrays cost most
        scores *= np.concatenate(outputs[3:6], axis=1)[0, :, 0]
        chosen = np.flatnonzero(scores >= np.float32(confidence_min * confidence_min))
        if not len(chosen):
            return _nothing()
        cells, strides = self._grid(tuple(output.shape[1] for output in outputs[0:3]), input_width)
        cells, strides = cells[chosen], strides[chosen]
        offsets = np.concatenate(outputs[6:9], axis=1)[0, chosen]
        centre = (cells + offsets[:, :2]) * strides
        half = np.exp(offsets[:, 2:]) * (strides * np.float32(0.5))
        points = np.concatenate(outputs[9:12], axis=1)[0, chosen].reshape(-1, 5, 2)
        points += cells[:, None, :]
        points *= strides[:, None, :]
        return RawFaces(np.concatenate([centre - half, centre + half], axis=1), points, np.sqrt(scores[chosen]))

    def _grid(self, counts: tuple[int, ...], input_width: int) -> tuple[Array, Array]:
        """Column and row (N, 2), and stride (N, 1), of every cell of all levels; kept for each size of input."""
        key = (*counts, input_width)
        grid = self._grids.get(key)
        if grid is None:
            cells, strides = [], []
            for count, stride in zip(counts, self._STRIDES, strict=True):
                row, column = np.divmod(np.arange(count), input_width // stride)
                cells.append(np.stack([column, row], axis=1))
                strides.append(np.full((count, 1), stride))
            grid = np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)
            self._grids[key] = grid
        return grid


class CenterFaceHead(Head):
    """CenterFace (Xu et al.: "CenterFace: joint face detection and alignment using face as point", 2019): stride 4.

    Outputs: heat map, log sizes (height, width), offsets (y, x), landmarks (y, x in box sides from its corner).
    Input RGB.
    """

    channels_rgb = True
    _STRIDE = 4

    def decode(self, outputs: Sequence[Array], *, input_width: int, confidence_min: float) -> RawFaces:  # noqa: ARG002 - the heat map tells its own width
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
