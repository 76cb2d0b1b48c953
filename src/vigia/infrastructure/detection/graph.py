"""What prepared graphs and their readers agree on. Apart from ``prepare.py``, which alone needs the package onnx."""

PREPARATION_VERSION = 2
"""Part of a prepared file's name: a change of the preparation makes a new file."""
PIXELS = "pixels"
"""The input: uint8 (1, 3, height, width)."""
PLACES, STRIDES, SCORE_MIN = "places", "strides", "score_min"
"""YuNet's further inputs: column and row of each cell, its stride, least score."""
FACES, CELLS = "faces", "faces_cells"
"""Its outputs."""
NMS_IOU_MAX = 0.3
"""A face is dropped that overlaps a more confident one by more than this, in [0, 1]."""
FACES_MAX = 512
"""More than this are cut, weakest first: bounds a pathological frame."""
