"""What every detector on ONNX Runtime shares: the session, the input, and turning model pixels into frame pixels.

The picture is scaled by one factor and padded on the right and below to the multiple of 32 that the networks need, so
a box in model pixels times one number is a box in frame pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from vigia.application.errors import ModelUnavailable
from vigia.application.ports import Detections, PictureScaler
from vigia.domain.frame import Picture
from vigia.domain.geometry import clip_boxes, suppress_overlaps
from vigia.domain.regions import Region
from vigia.infrastructure.detection.graph import FACES_MAX, NMS_IOU_MAX
from vigia.infrastructure.detection.registry import ModelSpec

STRIDE_PX = 32
"""Networks halve their input five times: sides are multiples of 32."""


@dataclass(frozen=True, slots=True, eq=False)
class RawFaces:
    """Candidates of one picture in pixels of the model's input, before suppression."""

    boxes_xyxy: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    confidences: NDArray[np.float32]


class Head(Protocol):
    """What differs between model families."""

    channels_rgb: bool
    """True when the network wants red first; the wrong order still finds faces, only fewer."""

    suppresses: bool
    """True when the graph itself drops boxes that overlap a more confident one."""

    def inputs(self, *, input_wh: tuple[int, int], confidence_min: float) -> Mapping[str, NDArray[np.float32]]:
        """What the graph wants beside the picture.

        Args:
            input_wh: width and height of the network's input, pixels.
            confidence_min: candidates below this are left out, in [0, 1].
        """
        ...

    def decode(self, outputs: Sequence[NDArray[np.float32]], *, confidence_min: float) -> RawFaces:
        """Turn the graph's outputs into candidates.

        Args:
            outputs: as the session gives them, float32.
            confidence_min: candidates below this are left out, in [0, 1].
        """
        ...


@dataclass(frozen=True, slots=True)
class InputFit:
    """How a picture goes into the network: scaled by one factor, padded on the right and below."""

    width: int
    """Of the scaled picture, pixels."""
    height: int
    padded_width: int
    """Of the network's input: a multiple of 32."""
    padded_height: int


def fit_input(*, width: int, height: int, width_min: int) -> InputFit:
    """The cheapest network input in which the picture is ``width_min`` pixels wide, filled as far as it goes.

    Padding costs as much as picture does. So the smallest sides that are multiples of 32 are taken, and then the
    largest picture that fits: 1280x720 at 342 wide is 352x192, where rounding the width up first would need 352x224.
    """
    padded_width = _padded(width_min)
    padded_height = _padded(max(1, round(height * width_min / width)))
    widest = min(padded_width, int((padded_height + 0.5) * width / height))
    scaled_width = max(width_min, widest)
    return InputFit(
        scaled_width, max(1, min(round(height * scaled_width / width), padded_height)), padded_width, padded_height
    )


class OnnxFaceDetector:
    """Finds faces with one ONNX model. Owner: one thread; each shard has its own.

    Bounds: one input buffer per input size in use: sides are multiples of 32, and a camera's regions have one size,
    so there are few.

    Args:
        spec: which model.
        path: its file, checked and prepared.
        head: the family's decoding.
        scaler: makes the small input from the decoded planes.
        confidence_min: overrides the model's own, in [0, 1].
        weak_share: faces down to this share of it are reported too, in (0, 1]; they may continue a track. 1 = none.

    Raises:
        ModelUnavailable: the file is no model that ONNX Runtime can run.
    """

    def __init__(
        self,
        spec: ModelSpec,
        path: Path,
        *,
        head: Head,
        scaler: PictureScaler,
        confidence_min: float | None = None,
        weak_share: float = 1.0,
    ) -> None:
        self._spec = spec
        self._head = head
        self._scaler = scaler
        self._sure_confidence = spec.confidence_min if confidence_min is None else confidence_min
        self._confidence_min = weak_share * self._sure_confidence
        self._session = _session(path, spec.name)
        self._input_name: str = self._session.get_inputs()[0].name
        self._fits: dict[tuple[int, int, int], InputFit] = {}
        self._buffers: dict[InputFit, NDArray[np.uint8]] = {}

    @property
    def name(self) -> str:
        """The model's name in the registry."""
        return self._spec.name

    @property
    def sure_confidence(self) -> float:
        """The model's own least confidence, or what was set; see the port."""
        return self._sure_confidence

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:
        """The smallest input width that keeps a face of ``min_face_px`` frame pixels above the model's floor.

        Never more than the frame itself, nor less than 32.
        """
        share = min(1.0, self._spec.floor_px / max(min_face_px, 1.0))
        return max(STRIDE_PX, ceil(frame_width * share))

    def detect(self, picture: Picture, *, input_width: int, region: Region | None = None) -> Detections:
        """Find faces; see the port."""
        seen = Region(0, 0, picture.width, picture.height) if region is None else region
        key = (seen.width, seen.height, input_width)
        fit = self._fits.get(key)
        if fit is None:
            fit = self._fits[key] = fit_input(width=seen.width, height=seen.height, width_min=input_width)
        head, confidence_min = self._head, self._confidence_min
        more = head.inputs(input_wh=(fit.padded_width, fit.padded_height), confidence_min=confidence_min)
        outputs = self._session.run(None, {self._input_name: self._blob(picture, fit, region), **more})
        raw = head.decode(outputs, confidence_min=confidence_min)
        if not head.suppresses:
            raw = _suppressed(raw)
        return _to_frame(raw, seen, scale=fit.width / seen.width)

    def _blob(self, picture: Picture, fit: InputFit, region: Region | None = None) -> NDArray[np.uint8]:
        """The network's input, uint8 (1, 3, H, W), in a buffer that is reused; what is padding stays 0."""
        buffer = self._buffers.get(fit)
        if buffer is None:
            buffer = self._buffers[fit] = np.zeros((1, 3, fit.padded_height, fit.padded_width), dtype=np.uint8)
        blue, green, red = self._scaler.scale_planar(picture, width=fit.width, height=fit.height, region=region)
        order = (red, green, blue) if self._head.channels_rgb else (blue, green, red)
        for channel, plane in enumerate(order):
            buffer[0, channel, : fit.height, : fit.width] = plane
        return buffer


def _padded(side_px: int) -> int:
    return ceil(side_px / STRIDE_PX) * STRIDE_PX


def _session(path: Path, name: str) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # a shard is one core
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only: the operator reads vigia's log
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a type of its own for every fault, with no common base
        raise ModelUnavailable(
            "model %(model)s in %(path)s cannot be loaded: %(why)s",
            model=name,
            path=path,
            why=str(error).splitlines()[0] if str(error) else type(error).__name__,
        ) from error


def _suppressed(raw: RawFaces) -> RawFaces:
    """Without the boxes that overlap a more confident one; most confident first."""
    boxes, landmarks, confidences = raw.boxes_xyxy, raw.landmarks, raw.confidences
    if len(confidences) > FACES_MAX:
        strongest = np.argsort(-confidences, kind="stable")[:FACES_MAX]
        boxes, landmarks, confidences = boxes[strongest], landmarks[strongest], confidences[strongest]
    kept = suppress_overlaps(boxes, confidences, iou_max=NMS_IOU_MAX)
    return RawFaces(boxes[kept], landmarks[kept], confidences[kept])


def _to_frame(raw: RawFaces, seen: Region, *, scale: float) -> Detections:
    """Scale to frame pixels, clip to what was seen."""
    if not len(raw.confidences):
        return Detections(raw.boxes_xyxy, raw.landmarks, raw.confidences)
    factor = np.float32(1.0 / scale)
    boxes = clip_boxes(raw.boxes_xyxy * factor, width=seen.width, height=seen.height)
    landmarks = raw.landmarks * factor
    inside = (boxes[:, 2:] - boxes[:, :2]).min(axis=1) > 1.0  # a box in the padding has no face in the frame
    if seen.left or seen.top:
        corner = np.array([seen.left, seen.top], dtype=np.float32)
        boxes += np.tile(corner, 2)
        landmarks += corner
    if inside.all():
        return Detections(boxes, landmarks, raw.confidences)
    return Detections(boxes[inside], landmarks[inside], raw.confidences[inside])
