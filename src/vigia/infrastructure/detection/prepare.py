"""Make CenterFace's published graph fit to run: once, result cached.

As published it lists its weights among the graph's inputs, which keeps ONNX Runtime from folding them (half the
speed), and fixes batch, height and width to 10, 32 and 32. Both are undone; nothing is computed differently.
"""

from pathlib import Path

import onnx

PREPARATION_VERSION = 1
"""Part of the cached file's name: a change here makes a new file."""


def prepare_graph(source: Path, target: Path) -> None:
    """Write a prepared copy of ``source`` to ``target``."""
    model = onnx.load(str(source))
    graph = model.graph
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
    onnx.save(model, str(target))
