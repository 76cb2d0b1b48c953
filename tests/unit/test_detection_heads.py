"""From a network's numbers to faces: both families' decoding on numbers set by hand, suppression, the input's size."""

from collections.abc import Mapping, Sequence
from math import log
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from vigia.domain.frame import Picture
from vigia.domain.geometry import suppress_overlaps
from vigia.domain.regions import Region
from vigia.infrastructure.detection import onnx_detector
from vigia.infrastructure.detection.graph import CELLS as FACE_CELLS
from vigia.infrastructure.detection.graph import FACES, FACES_MAX, NMS_IOU_MAX, PLACES, SCORE_MIN, STRIDES
from vigia.infrastructure.detection.heads import CenterFaceHead, YuNetHead
from vigia.infrastructure.detection.onnx_detector import OnnxFaceDetector, RawFaces, fit_input
from vigia.infrastructure.detection.prepare import _decoding, prepare_graph
from vigia.infrastructure.detection.registry import MODELS, Family
from vigia.testing.video import ScriptedPicture

Array = NDArray[np.float32]
WIDTH, HEIGHT = 96, 64


LEVELS = (8, 16, 32)
CELLS = sum((WIDTH // stride) * (HEIGHT // stride) for stride in LEVELS)
FAR_BELOW = -20.0
"""Before the sigmoid: nothing here."""


def logit(share: float) -> float:
    return log(share / (1.0 - share))


@pytest.fixture(scope="module")
def decoder() -> ort.InferenceSession:
    """The part of the prepared graph behind the network, by itself: cells in, faces out."""
    nodes, numbers = _decoding()
    graph = helper.make_graph(
        nodes,
        "decoding",
        [
            helper.make_tensor_value_info("cells", onnx.TensorProto.FLOAT, [1, "cells", 16]),
            helper.make_tensor_value_info(PLACES, onnx.TensorProto.FLOAT, [1, "cells", 2]),
            helper.make_tensor_value_info(STRIDES, onnx.TensorProto.FLOAT, [1, "cells", 1]),
            helper.make_tensor_value_info(SCORE_MIN, onnx.TensorProto.FLOAT, [1]),
        ],
        [
            helper.make_tensor_value_info(FACES, onnx.TensorProto.FLOAT, ["faces", 15]),
            helper.make_tensor_value_info(FACE_CELLS, onnx.TensorProto.INT64, ["faces"]),
        ],
        numbers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def yunet_cells() -> Array:
    """All cells empty: class score and objectness before the sigmoid, box, landmarks."""
    cells = np.zeros((1, CELLS, 16), np.float32)
    cells[0, :, :2] = FAR_BELOW
    return cells


def put_yunet(
    cells: Array, *, level: int, row: int, column: int, box: Sequence[float], scores: tuple[float, float]
) -> None:
    """One face in a cell: ``box`` is centre x, y in cells from the cell's own, then width, height in strides."""
    before = sum((WIDTH // stride) * (HEIGHT // stride) for stride in LEVELS[:level])
    place = before + row * (WIDTH // LEVELS[level]) + column
    cells[0, place, :2] = logit(scores[0]), logit(scores[1])
    cells[0, place, 2:6] = box[0], box[1], log(box[2]), log(box[3])
    cells[0, place, 6:] = [0.1 * n for n in range(10)]


def decoded(decoder: ort.InferenceSession, cells: Array, *, confidence_min: float) -> RawFaces:
    head = YuNetHead()
    inputs = head.inputs(input_wh=(WIDTH, HEIGHT), confidence_min=confidence_min)
    outputs = decoder.run([FACES, FACE_CELLS], {"cells": cells, **inputs})
    return head.decode(outputs, confidence_min=confidence_min)


@pytest.mark.parametrize(("level", "stride"), [(0, 8), (1, 16), (2, 32)])
def test_yunet_reads_a_cell_of_every_stride(decoder: ort.InferenceSession, level: int, stride: int) -> None:
    cells = yunet_cells()
    put_yunet(cells, level=level, row=1, column=2, box=(0.5, 0.25, 2.0, 3.0), scores=(0.9, 0.4))
    raw = decoded(decoder, cells, confidence_min=0.3)
    centre_x, centre_y = 2.5 * stride, 1.25 * stride
    half_w, half_h = 1.0 * stride, 1.5 * stride
    expected = [centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h]
    np.testing.assert_allclose(raw.boxes_xyxy, [expected], rtol=1e-5)
    np.testing.assert_allclose(raw.confidences, [0.6], rtol=1e-5)
    points = [[(2 + 0.2 * n) * stride, (1 + 0.2 * n + 0.1) * stride] for n in range(5)]
    np.testing.assert_allclose(raw.landmarks, [points], rtol=1e-5)


def test_yunet_joins_all_strides_leaves_the_weak_out_and_begins_with_the_best(decoder: ort.InferenceSession) -> None:
    cells = yunet_cells()
    for level, confidence in enumerate((0.8, 0.7, 0.9)):
        put_yunet(cells, level=level, row=1, column=1, box=(0.5, 0.5, 1.0, 1.0), scores=(confidence, confidence))
    put_yunet(cells, level=0, row=3, column=3, box=(0.5, 0.5, 1.0, 1.0), scores=(0.9, 0.1))
    raw = decoded(decoder, cells, confidence_min=0.6)
    np.testing.assert_allclose(raw.confidences, [0.9, 0.8, 0.7], rtol=1e-5)
    assert raw.landmarks.shape == (3, 5, 2)
    assert {array.dtype for array in (raw.boxes_xyxy, raw.landmarks, raw.confidences)} == {np.dtype(np.float32)}


def test_yunet_keeps_the_most_confident_of_boxes_that_overlap(decoder: ort.InferenceSession) -> None:
    cells = yunet_cells()
    for column, confidence in ((2, 0.7), (3, 0.9), (8, 0.8)):
        put_yunet(cells, level=0, row=2, column=column, box=(0.5, 0.5, 4.0, 4.0), scores=(confidence, confidence))
    raw = decoded(decoder, cells, confidence_min=0.6)
    np.testing.assert_allclose(raw.confidences, [0.9, 0.8], rtol=1e-5)
    np.testing.assert_allclose(raw.boxes_xyxy[:, 0], [(3.5 - 2.0) * 8, (8.5 - 2.0) * 8], rtol=1e-5)


def published_yunet(path: Path) -> None:
    """A network with YuNet's ending, as it is published, on three levels that are pooled from the picture; small."""
    rng = np.random.default_rng(5)
    nodes, tensors, outputs = [], [], []

    def weight(name: str, *shape: int) -> str:
        tensors.append(numpy_helper.from_array(rng.normal(0, 0.02, shape).astype(np.float32), name))
        return name

    feature = "input"
    for level, pool in enumerate((8, 2, 2)):
        pooled = f"pooled_{level}"
        nodes.append(helper.make_node("AveragePool", [feature], [pooled], kernel_shape=[pool] * 2, strides=[pool] * 2))
        feature = pooled
    for name, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
        for level, stride in enumerate(LEVELS):
            at = f"bbox_head.multi_level_{name}.{level}"
            first = [weight(f"{at}.conv1.weight", channels, 3, 1, 1), weight(f"{at}.conv1.bias", channels)]
            second = [weight(f"{at}.conv2.weight", channels, 1, 3, 3), weight(f"{at}.conv2.bias", channels)]
            nodes += [
                helper.make_node("Conv", [f"pooled_{level}", *first], [f"{at}.a"]),
                helper.make_node("Conv", [f"{at}.a", *second], [f"{at}.b"], group=channels, pads=[1, 1, 1, 1]),
                helper.make_node("Transpose", [f"{at}.b"], [f"{at}.c"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"{at}.c", f"shape_{name}"], [f"{at}.d"]),
            ]
            output = f"{name}_{stride}"
            if name in {"cls", "obj"}:
                nodes.append(helper.make_node("Sigmoid", [f"{at}.d"], [output]))
            else:
                nodes.append(helper.make_node("Identity", [f"{at}.d"], [output]))
            outputs.append(helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, [1, None, channels]))
        tensors.append(numpy_helper.from_array(np.array([1, -1, channels], np.int64), f"shape_{name}"))
    picture = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, "height", "width"])
    graph = helper.make_graph(nodes, "published", [picture], outputs, tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6), str(path))


def test_the_prepared_graph_finds_what_the_published_one_says(tmp_path: Path) -> None:
    published_yunet(tmp_path / "published.onnx")
    prepare_graph(tmp_path / "published.onnx", tmp_path / "prepared.onnx", family=Family.YUNET)
    before = ort.InferenceSession(str(tmp_path / "published.onnx"), providers=["CPUExecutionProvider"])
    after = ort.InferenceSession(str(tmp_path / "prepared.onnx"), providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(1).integers(0, 255, (1, 3, HEIGHT, WIDTH), dtype=np.uint8)
    told = dict(
        zip([o.name for o in before.get_outputs()], before.run(None, {"input": pixels.astype(np.float32)}), strict=True)
    )
    scores = np.concatenate([told[f"cls_{s}"] * told[f"obj_{s}"] for s in LEVELS], axis=1)[0, :, 0]
    head = YuNetHead()
    inputs = head.inputs(input_wh=(WIDTH, HEIGHT), confidence_min=0.05)
    places, strides = inputs[PLACES][0], inputs[STRIDES][0]
    boxes = np.concatenate([told[f"bbox_{s}"] for s in LEVELS], axis=1)[0]
    centre, half = (boxes[:, :2] + places) * strides, np.exp(boxes[:, 2:]) * strides / 2
    corners = np.concatenate([centre - half, centre + half], axis=1)
    kept = suppress_overlaps(corners, scores, iou_max=NMS_IOU_MAX)
    raw = head.decode(after.run(None, {"pixels": pixels, **inputs}), confidence_min=0.05)
    assert len(kept) > 3
    np.testing.assert_allclose(raw.boxes_xyxy, corners[kept], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(raw.confidences, np.sqrt(scores[kept]), rtol=1e-4)
    points = np.concatenate([told[f"kps_{s}"] for s in LEVELS], axis=1)[0][kept].reshape(-1, 5, 2)
    np.testing.assert_allclose(raw.landmarks, (points + places[kept, None]) * strides[kept, None], rtol=1e-3, atol=1e-3)


def centerface_outputs() -> list[Array]:
    rows, columns = HEIGHT // 4, WIDTH // 4
    return [np.zeros((1, channels, rows, columns), np.float32) for channels in (1, 2, 2, 10)]


def test_centerface_reads_a_cell() -> None:
    outputs = centerface_outputs()
    heat, sizes, offsets, points = (output[0] for output in outputs)
    heat[0, 5, 7] = 0.8
    sizes[:, 5, 7] = [log(6.0), log(4.0)]
    offsets[:, 5, 7] = [0.25, -0.25]
    points[:, 5, 7] = [0.4, 0.3, 0.4, 0.7, 0.6, 0.5, 0.8, 0.35, 0.8, 0.65]
    raw = CenterFaceHead().decode(outputs, confidence_min=0.5)
    wide, high = 16.0, 24.0
    middle_x, middle_y = (7 - 0.25 + 0.5) * 4, (5 + 0.25 + 0.5) * 4
    left, top = middle_x - wide / 2, middle_y - high / 2
    np.testing.assert_allclose(raw.boxes_xyxy, [[left, top, left + wide, top + high]], rtol=1e-5)
    shares = [(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)]
    np.testing.assert_allclose(raw.landmarks, [[[left + x * wide, top + y * high] for x, y in shares]], rtol=1e-5)
    np.testing.assert_allclose(raw.confidences, [0.8], rtol=1e-6)


def test_nothing_found_keeps_its_shapes(decoder: ort.InferenceSession) -> None:
    for raw in (
        decoded(decoder, yunet_cells(), confidence_min=0.5),
        CenterFaceHead().decode(centerface_outputs(), confidence_min=0.5),
    ):
        assert (raw.boxes_xyxy.shape, raw.landmarks.shape, raw.confidences.shape) == ((0, 4), (0, 5, 2), (0,))


class SetHead:
    """Gives what the test wants, whatever the network says."""

    channels_rgb = False
    suppresses = False

    def __init__(self, raw: RawFaces) -> None:
        self.raw = raw

    def inputs(self, *, input_wh: tuple[int, int], confidence_min: float) -> Mapping[str, Array]:  # noqa: ARG002 - the protocol's
        return {}

    def decode(self, outputs: Sequence[Array], *, confidence_min: float) -> RawFaces:  # noqa: ARG002 - the protocol's
        return self.raw


class GreyScaler:
    def scale_planar(
        self,
        picture: Picture,  # noqa: ARG002 - likewise
        *,
        width: int,
        height: int,
        region: Region | None = None,  # noqa: ARG002 - grey anyway
    ) -> Sequence[NDArray[np.uint8]]:
        return [np.full((height, width), 128, np.uint8)] * 3


class Session:
    """Keeps the shape it was asked with."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def get_inputs(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="input")]

    def run(self, names: None, inputs: dict[str, Array]) -> list[Array]:  # noqa: ARG002 - as ONNX Runtime's
        self.shapes.append(inputs["input"].shape)
        return []


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Session:
    """Stands for ONNX Runtime: these tests are about the numbers around it."""
    session = Session()
    monkeypatch.setattr(onnx_detector, "_session", lambda *_: session)
    return session


def detector(raw: RawFaces, *, model: str = "yunet-n") -> OnnxFaceDetector:
    return OnnxFaceDetector(MODELS[model], Path("unused"), head=SetHead(raw), scaler=GreyScaler())


def faces(boxes: Sequence[Sequence[float]], confidences: Sequence[float]) -> RawFaces:
    boxes_xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    corners = np.repeat(boxes_xyxy[:, None, :2], 5, axis=1)
    return RawFaces(boxes_xyxy, corners, np.array(confidences, np.float32))


def test_model_pixels_become_frame_pixels_and_stay_inside(session: Session) -> None:
    raw = faces([[32, 16, 64, 48], [-10, -10, 20, 30], [300, 150, 400, 250]], [0.7, 0.9, 0.8])
    found = detector(raw).detect(ScriptedPicture(width=1280, height=720), input_width=320)
    np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 80, 120], [1200, 600, 1280, 720], [128, 64, 256, 192]])
    np.testing.assert_allclose(found.confidences, [0.9, 0.8, 0.7])
    np.testing.assert_allclose(found.landmarks[2, 0], [128, 64])
    assert session.shapes == [(1, 3, 192, 320)], "180 rows, padded to a multiple of 32"


def test_a_region_is_seen_alone_and_its_boxes_lie_in_the_frame(session: Session) -> None:
    raw = faces([[32, 16, 64, 48], [-10, -10, 20, 30], [300, 150, 400, 250]], [0.7, 0.9, 0.8])
    region = Region(600, 300, 640, 360)
    found = detector(raw).detect(ScriptedPicture(width=1280, height=720), input_width=320, region=region)
    np.testing.assert_allclose(found.boxes_xyxy, [[600, 300, 640, 360], [1200, 600, 1240, 660], [664, 332, 728, 396]])
    np.testing.assert_allclose(found.landmarks[2, 0], [664, 332])
    assert session.shapes == [(1, 3, 192, 320)], "the shape follows from the region's"


def test_a_box_in_the_padding_is_no_face(session: Session) -> None:
    raw = faces([[10, 181, 40, 191], [10, 10, 40, 40], [320, 10, 330, 40]], [0.9, 0.8, 0.7])
    found = detector(raw).detect(ScriptedPicture(width=1280, height=720), input_width=320)
    np.testing.assert_allclose(found.boxes_xyxy, [[40, 40, 160, 160]])


def test_overlapping_candidates_become_one_face(session: Session) -> None:
    raw = faces([[10, 10, 50, 50], [12, 11, 52, 51], [60, 10, 100, 50]], [0.7, 0.9, 0.8])
    found = detector(raw).detect(ScriptedPicture(width=320, height=192), input_width=320)
    np.testing.assert_allclose(found.boxes_xyxy, [[12, 11, 52, 51], [60, 10, 100, 50]])


def test_a_pathological_frame_is_cut_to_the_strongest(session: Session) -> None:
    count = 4 * FACES_MAX
    boxes = [[40 * (n % 64), 20 * (n // 64), 40 * (n % 64) + 10, 20 * (n // 64) + 10] for n in range(count)]
    confidences = np.random.default_rng(3).permutation(np.linspace(0.5, 1.0, count)).tolist()
    picture = ScriptedPicture(width=2560, height=1440)
    found = detector(faces(boxes, confidences)).detect(picture, input_width=2560)
    assert len(found) == FACES_MAX
    np.testing.assert_allclose(found.confidences, sorted(confidences, reverse=True)[:FACES_MAX], rtol=1e-6)


@given(
    frame_width=st.integers(64, 8192),
    first_px=st.floats(0.1, 2000.0),
    second_px=st.floats(0.1, 2000.0),
    model=st.sampled_from(sorted(MODELS)),
)
def test_the_input_follows_from_the_smallest_face(
    frame_width: int, first_px: float, second_px: float, model: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_detector, "_session", lambda *_: Session())
        one = detector(faces([], []), model=model)
    small, large = sorted((first_px, second_px))
    width_for_small = one.input_width_for(frame_width=frame_width, min_face_px=small)
    width_for_large = one.input_width_for(frame_width=frame_width, min_face_px=large)
    assert width_for_small >= width_for_large >= 32
    assert width_for_small <= max(frame_width, 32), "never more than the frame"
    floor_px = MODELS[model].floor_px
    if large >= floor_px:
        assert large * width_for_large / frame_width >= floor_px * 0.999, "the face is under the model's floor"


@given(width=st.integers(32, 4096), height=st.integers(32, 4096), share=st.floats(0.01, 1.0))
def test_the_picture_fills_its_padded_input(width: int, height: int, share: float) -> None:
    wanted = max(1, round(width * share))
    fit = fit_input(width=width, height=height, width_min=wanted)
    assert fit.padded_width % 32 == fit.padded_height % 32 == 0
    assert wanted <= fit.width <= fit.padded_width < wanted + 32
    assert 1 <= fit.height <= fit.padded_height
    assert abs(fit.height - height * fit.width / width) <= 1.0, "both sides are scaled by one factor"


def test_padding_is_filled_before_a_side_grows() -> None:
    fit = fit_input(width=1280, height=720, width_min=342)
    assert (fit.padded_width, fit.padded_height) == (352, 192)
    assert (fit.width, fit.height) == (342, 192)
