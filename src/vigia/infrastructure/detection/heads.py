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

    def decode(self, outputs: Sequence[Array], *, input_width: int, confidence_min: float) -> RawFaces:
        """Candidates above ``confidence_min``; confidence is the geometric mean of class score and objectness."""
        found: list[RawFaces] = []
        for level, stride in enumerate(self._STRIDES):
            confidences = np.sqrt(outputs[level][0, :, 0] * outputs[level + 3][0, :, 0])
            chosen = np.flatnonzero(confidences >= confidence_min)
            if not len(chosen):
                continue
            row, column = np.divmod(chosen, input_width // stride)
            cells = np.stack([column, row], axis=1).astype(np.float32)
            offsets = outputs[level + 6][0, chosen]
            centre = (cells + offsets[:, :2]) * np.float32(stride)
            half = np.exp(offsets[:, 2:]) * np.float32(stride / 2)
            points = outputs[level + 9][0, chosen].reshape(-1, 5, 2)
            found.append(
                RawFaces(
                    np.concatenate([centre - half, centre + half], axis=1),
                    (points + cells[:, None, :]) * np.float32(stride),
                    confidences[chosen],
                )
            )
        return _joined(found)


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
            return _joined([])
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


def _joined(found: Sequence[RawFaces]) -> RawFaces:
    if not found:
        return RawFaces(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))
    return RawFaces(
        np.concatenate([f.boxes_xyxy for f in found]).astype(np.float32),
        np.concatenate([f.landmarks for f in found]).astype(np.float32),
        np.concatenate([f.confidences for f in found]).astype(np.float32),
    )
