"""Boxes: what is true of every one of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.domain.errors import ShapeError
from vigia.domain.geometry import (
    Boxes,
    areas,
    as_boxes_xyxy,
    centre_distance_matrix,
    clip_boxes,
    grow_to_roi,
    iou_matrix,
    suppress_overlaps,
)

SIDE = st.floats(1.0, 500.0, width=32)
PLACE = st.floats(-500.0, 1500.0, width=32)


@st.composite
def boxes(draw: st.DrawFn, *, most: int = 8) -> Boxes:
    count = draw(st.integers(0, most))
    rows = []
    for _ in range(count):
        left, top, wide, high = draw(PLACE), draw(PLACE), draw(SIDE), draw(SIDE)
        rows.append([left, top, left + wide, top + high])
    return as_boxes_xyxy(np.array(rows, dtype=np.float32).reshape(-1, 4))


@given(boxes(), boxes())
def test_iou_is_symmetric_and_a_share(first: Boxes, second: Boxes) -> None:
    forward = iou_matrix(first, second)
    assert forward.shape == (len(first), len(second))
    assert ((forward >= 0.0) & (forward <= 1.0 + 1e-6)).all()
    np.testing.assert_allclose(forward, iou_matrix(second, first).T, atol=1e-6)


@given(boxes())
def test_a_box_overlaps_itself_wholly_and_lies_at_no_distance(some: Boxes) -> None:
    np.testing.assert_allclose(np.diag(iou_matrix(some, some)), 1.0, atol=1e-5)
    np.testing.assert_allclose(np.diag(centre_distance_matrix(some, some)), 0.0, atol=1e-4)


def test_iou_of_known_boxes() -> None:
    first = as_boxes_xyxy([0, 0, 10, 10])
    assert iou_matrix(first, as_boxes_xyxy([5, 0, 15, 10]))[0, 0] == pytest.approx(1 / 3)
    assert iou_matrix(first, as_boxes_xyxy([20, 20, 30, 30]))[0, 0] == 0.0
    assert iou_matrix(as_boxes_xyxy([3, 3, 3, 3]), as_boxes_xyxy([3, 3, 3, 3]))[0, 0] == 0.0
    assert centre_distance_matrix(first, as_boxes_xyxy([3, 4, 13, 14]))[0, 0] == pytest.approx(5.0)


@given(boxes(), st.integers(1, 2000), st.integers(1, 2000))
def test_clipped_boxes_are_inside(some: Boxes, width: int, height: int) -> None:
    clipped = clip_boxes(some, width=width, height=height)
    assert (clipped >= 0).all()
    assert (clipped[:, [0, 2]] <= width).all()
    assert (clipped[:, [1, 3]] <= height).all()
    assert (areas(clipped) <= areas(some) * (1 + 1e-3) + 1e-3).all()


@given(
    box=st.tuples(*[st.floats(-500.0, 9000.0) for _ in range(4)]).map(
        lambda e: (min(e[0], e[2]), min(e[1], e[3]), max(e[0], e[2]), max(e[1], e[3]))
    ),
    margin=st.floats(0.0, 3.0),
    width=st.integers(1, 8000),
    height=st.integers(1, 8000),
)
def test_a_roi_is_whole_pixels_inside_the_picture_and_holds_the_visible_box(
    box: tuple[float, float, float, float], margin: float, width: int, height: int
) -> None:
    roi = grow_to_roi(box, margin=margin, width=width, height=height)

    assert all(type(edge) is int for edge in roi)
    x0, y0, x1, y1 = roi
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    for low, high, first, last, length in [(box[0], box[2], x0, x1, width), (box[1], box[3], y0, y1, height)]:
        if high > 0.0 and low < length:  # some of the box is in the picture
            assert first <= max(low, 0.0)
            assert last >= min(high, length)


def test_a_roi_holds_the_face_with_its_margin() -> None:
    assert grow_to_roi((100.0, 200.0, 200.0, 300.0), margin=0.4, width=1280, height=720) == (60, 160, 240, 340)
    assert grow_to_roi((10.0, 0.0, 110.0, 100.0), margin=0.4, width=120, height=720) == (0, 0, 120, 140)
    assert grow_to_roi((100.0, 100.0, 200.0, 150.0), margin=0.0, width=640, height=360) == (100, 100, 200, 150)


@given(boxes(), st.floats(0.1, 0.9))
def test_suppression_keeps_only_boxes_apart_and_the_strongest_first(some: Boxes, iou_max: float) -> None:
    confidences = np.linspace(0.2, 0.9, len(some), dtype=np.float32)
    kept = suppress_overlaps(some, confidences, iou_max=iou_max)
    assert (np.diff(confidences[kept]) <= 0).all()
    overlaps = iou_matrix(some[kept], some[kept])
    np.fill_diagonal(overlaps, 0.0)
    assert (overlaps <= iou_max + 1e-6).all()
    if len(some):
        assert np.argmax(confidences) in kept


@pytest.mark.parametrize("bad", [[1, 2, 3], [[1, 2, 3]], [1, 2, 0, 4], [1, 2, float("nan"), 4], [[[1, 2, 3, 4]]]])
def test_a_wrong_shape_is_told(bad: object) -> None:
    with pytest.raises(ShapeError):
        as_boxes_xyxy(bad)  # type: ignore[arg-type] # wrong on purpose


def test_no_boxes_are_boxes() -> None:
    assert as_boxes_xyxy([]).shape == (0, 4)
