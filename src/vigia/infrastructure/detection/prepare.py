"""Make published graphs quick to run: once, result cached. What they compute stays the same.

CenterFace lists its weights among the graph's inputs, which keeps ONNX Runtime from folding them (half the speed), and
fixes batch, height and width to 10, 32 and 32. Both are undone.

YuNet ends in four branches on each of three levels, each branch two convolutions and a reshape of its own: 24 small
convolutions and 12 outputs. A level's branches become one of 16 channels (exactly one block of the layout that ONNX
Runtime computes in), which takes 15 % off the network's time; decoding cells, choosing the confident ones
and suppressing overlaps become part of the graph, where they cost less than in numpy and hold no
interpreter lock. Sums are formed in the same order as in the published graph.

Both take bytes instead of floats: a quarter of the memory to fill, and the first thing the network does is the cast.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from vigia.infrastructure.detection.graph import (
    CELLS,
    FACES,
    FACES_MAX,
    NMS_IOU_MAX,
    PIXELS,
    PLACES,
    SCORE_MIN,
    STRIDES,
)
from vigia.infrastructure.detection.registry import Family

YUNET_BRANCHES = ("cls", "obj", "bbox", "kps")
"""In the order of the 16 channels: 1 + 1 + 4 + 10."""
YUNET_CHANNELS = 16
YUNET_LEVELS = 3


def prepare_graph(source: Path, target: Path, *, family: Family) -> None:
    """Write a prepared copy of ``source`` to ``target``."""
    model = onnx.load(str(source))
    if family is Family.YUNET:
        model = _join_branches(model)
    else:
        _free_shapes(model.graph)
    _take_bytes(model.graph)
    onnx.checker.check_model(model)
    onnx.save(model, str(target))


def _free_shapes(graph: onnx.GraphProto) -> None:
    """Weights are no inputs, and a picture may have any size."""
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    del graph.input[:]
    graph.input.extend(inputs)
    del graph.value_info[:]  # shapes worked out for 32 by 32 pixels
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        for axis, name in ((0, "batch"), (2, "height"), (3, "width")):
            dims[axis].ClearField("dim_value")
            dims[axis].dim_param = name if value in inputs else f"{name}_{value.name}"


def _take_bytes(graph: onnx.GraphProto) -> None:
    """Bytes in, cast to float first of all."""
    value = graph.input[0]
    graph.node.insert(0, helper.make_node("Cast", [PIXELS], [value.name], to=onnx.TensorProto.FLOAT))
    value.name = PIXELS
    value.type.tensor_type.elem_type = onnx.TensorProto.UINT8


def _join_branches(model: onnx.ModelProto) -> onnx.ModelProto:
    """YuNet with one output: float32 (1, cells, 16), the levels one after another, rows of cells in picture order."""
    graph = model.graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    features = {
        level: next(node.input[0] for node in graph.node if _branch("cls", level, 1, "weight") in node.input)
        for level in range(YUNET_LEVELS)
    }
    trunk = _leading_to(set(features.values()), graph.node)
    added = [numpy_helper.from_array(np.array([1, -1, YUNET_CHANNELS], np.int64), "cells_shape")]
    head: list[onnx.NodeProto] = []
    for level in range(YUNET_LEVELS):
        own, tensors = _level(level, features[level], weights)
        head += own
        added += tensors
    head.append(helper.make_node("Concat", [f"cells_{level}" for level in range(YUNET_LEVELS)], ["cells"], axis=1))
    used = {name for node in trunk for name in node.input}
    decoding, numbers = _decoding()
    float32 = onnx.TensorProto.FLOAT
    joined = helper.make_graph(
        [*trunk, *head, *decoding],
        "yunet",
        [
            graph.input[0],
            helper.make_tensor_value_info(PLACES, float32, [1, "cells", 2]),
            helper.make_tensor_value_info(STRIDES, float32, [1, "cells", 1]),
            helper.make_tensor_value_info(SCORE_MIN, float32, [1]),
        ],
        [
            helper.make_tensor_value_info(FACES, float32, ["faces", 15]),
            helper.make_tensor_value_info(CELLS, onnx.TensorProto.INT64, ["faces"]),
        ],
        [*(tensor for tensor in graph.initializer if tensor.name in used), *added, *numbers],
    )
    return helper.make_model(joined, opset_imports=list(model.opset_import), ir_version=model.ir_version)


def _decoding() -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """From cells to the faces among them: centre x, y, width, height, score (class score times objectness, whose square
    root is the confidence) and ten landmark numbers, float32 (faces, 15), best first; and each one's cell.

    Landmarks are only picked out, still in cells from their own: there are few faces and many cells.
    """
    numbers = [
        numpy_helper.from_array(np.array(value, dtype), name)
        for name, value, dtype in (
            ("faces_max", [FACES_MAX], np.int64),
            ("iou_max", [NMS_IOU_MAX], np.float32),
            ("third", 2, np.int64),
        )
    ]
    node = helper.make_node
    return [
        node(
            "Split",
            ["cells"],
            ["class_raw", "object_raw", "centres_raw", "sides_raw", "points_raw"],
            axis=2,
            split=[1, 1, 2, 2, 10],
        ),
        node("Sigmoid", ["class_raw"], ["class_score"]),
        node("Sigmoid", ["object_raw"], ["objectness"]),
        node("Mul", ["class_score", "objectness"], ["scores"]),
        node("Transpose", ["scores"], ["scores_by_class"], perm=[0, 2, 1]),
        node("Add", ["centres_raw", PLACES], ["centres_in_cells"]),
        node("Exp", ["sides_raw"], ["sides_in_cells"]),
        node("Concat", ["centres_in_cells", "sides_in_cells"], ["boxes_in_cells"], axis=2),
        node("Mul", ["boxes_in_cells", STRIDES], ["boxes"]),
        node(
            "NonMaxSuppression",
            ["boxes", "scores_by_class", "faces_max", "iou_max", SCORE_MIN],
            ["chosen"],
            center_point_box=1,
        ),
        node("Gather", ["chosen", "third"], [CELLS], axis=1),
        node("Gather", ["boxes", CELLS], ["boxes_chosen"], axis=1),
        node("Gather", ["scores", CELLS], ["scores_chosen"], axis=1),
        node("Gather", ["points_raw", CELLS], ["points_chosen"], axis=1),
        node("Concat", ["boxes_chosen", "scores_chosen", "points_chosen"], ["rows"], axis=2),
        node("Squeeze", ["rows"], [FACES], axes=[0]),
    ], numbers


def _branch(name: str, level: int, number: int, part: str) -> str:
    """A weight of the published graph."""
    return f"bbox_head.multi_level_{name}.{level}.conv{number}.{part}"


def _leading_to(wanted: set[str], nodes: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes that the wanted values are made by, in the graph's order."""
    needed, kept = set(wanted), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def _level(
    level: int, feature: str, weights: Mapping[str, NDArray[np.float32]]
) -> tuple[list[onnx.NodeProto], Sequence[onnx.TensorProto]]:
    """One level's branches as one: a pointwise convolution to 16 channels, then a 3x3 one of each channel by itself."""
    tensors = []
    for number, shape in ((1, None), (2, (-1, 1, 3, 3))):
        for part in ("weight", "bias"):
            every = [weights[_branch(name, level, number, part)] for name in YUNET_BRANCHES]
            if shape is not None and part == "weight":
                every = [array.reshape(shape) for array in every]
            tensors.append(numpy_helper.from_array(np.concatenate(every), f"head_{level}_{number}_{part}"))
    names = [tensor.name for tensor in tensors]
    nodes = [
        helper.make_node("Conv", [feature, *names[:2]], [f"head_{level}_a"], kernel_shape=[1, 1]),
        helper.make_node(
            "Conv",
            [f"head_{level}_a", *names[2:]],
            [f"head_{level}_b"],
            group=YUNET_CHANNELS,
            kernel_shape=[3, 3],
            pads=[1, 1, 1, 1],
        ),
        helper.make_node("Transpose", [f"head_{level}_b"], [f"head_{level}_c"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", [f"head_{level}_c", "cells_shape"], [f"cells_{level}"]),
    ]
    return nodes, tensors
