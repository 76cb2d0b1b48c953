"""CenterFace on two real portraits: where their faces are, in the right colours, at every size, in an odd frame."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vigia.application.errors import ModelUnavailable
from vigia.domain.geometry import as_boxes_xyxy, iou_matrix
from vigia.infrastructure.demo.photographs import load_photograph
from vigia.infrastructure.demo.portraits import PORTRAITS
from vigia.infrastructure.detection.heads import CenterFaceHead
from vigia.infrastructure.detection.onnx_detector import Head, OnnxFaceDetector
from vigia.infrastructure.detection.registry import MODELS
from vigia.infrastructure.detection.store import ModelStore
from vigia.infrastructure.video.picture import AvPicture, SwscalePictureScaler, picture_from_rgb

NAMES = sorted(PORTRAITS)
WIDTHS = [64, 96, 128, 192, 320]
Rgb = NDArray[np.uint8]


class RedAndBlueSwapped(CenterFaceHead):
    """What a mistake in the channel order would be."""

    channels_rgb = False


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ModelStore(tmp_path_factory.mktemp("models")).resolve("centerface")[1]


def detector(weights: Path, *, head: Head | None = None, confidence_min: float | None = None) -> OnnxFaceDetector:
    return OnnxFaceDetector(
        MODELS["centerface"],
        weights,
        head=head or CenterFaceHead(),
        scaler=SwscalePictureScaler(),
        confidence_min=confidence_min,
    )


def portrait(name: str) -> Rgb:
    return np.ascontiguousarray(load_photograph(name))


def picture_of(rgb: Rgb) -> AvPicture:
    height, width = rgb.shape[:2]
    return picture_from_rgb(np.ascontiguousarray(rgb[: height & ~1, : width & ~1]))


def overlap(box_xyxy: NDArray[np.float32], face_xyxy: tuple[float, ...]) -> float:
    return float(iou_matrix(as_boxes_xyxy(box_xyxy), as_boxes_xyxy(face_xyxy))[0, 0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("input_width", WIDTHS)
def test_one_face_is_found_where_it_is(weights: Path, name: str, input_width: int) -> None:
    found = detector(weights).detect(picture_of(portrait(name)), input_width=input_width)
    assert len(found) == 1
    face = PORTRAITS[name].face_xyxy
    assert overlap(found.boxes_xyxy[0], face) > 0.6  # at 64 pixels wide the face is 11 of the model's pixels
    right_eye, left_eye, nose, right_mouth, left_mouth = found.landmarks[0]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])
    for x, y in found.landmarks[0]:
        assert face[0] < x < face[2]
        assert face[1] < y < face[3]


def test_the_wrong_channel_order_is_less_sure_of_the_same_faces(weights: Path) -> None:
    right, wrong = (
        [
            float(found.confidences[0])
            for name in NAMES
            for width in WIDTHS
            if len(found := one.detect(picture_of(portrait(name)), input_width=width))
        ]
        for one in (
            detector(weights, confidence_min=0.05),
            detector(weights, head=RedAndBlueSwapped(), confidence_min=0.05),
        )
    )
    assert len(right) == len(NAMES) * len(WIDTHS)
    assert len(wrong) <= len(right)
    assert sum(right) > sum(wrong) + 0.3
    smallest = picture_of(portrait("astronaut"))
    assert len(detector(weights).detect(smallest, input_width=64)) == 1
    assert len(detector(weights, head=RedAndBlueSwapped()).detect(smallest, input_width=64)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_face_at_the_edge_has_a_box_inside_the_frame(weights: Path, name: str) -> None:
    left, top, right, _ = PORTRAITS[name].face_xyxy
    cut = portrait(name)[top + 15 :, (left + right) // 2 - (right - left) // 4 :]
    found = detector(weights, confidence_min=0.2).detect(picture_of(cut), input_width=192)
    assert len(found) >= 1
    height, width = (side & ~1 for side in cut.shape[:2])
    assert (found.boxes_xyxy[:, :2] >= 0).all()
    assert (found.boxes_xyxy[:, 2] <= width).all()
    assert (found.boxes_xyxy[:, 3] <= height).all()
    assert float(found.boxes_xyxy[0, 0]) == pytest.approx(0.0, abs=12.0), (
        "the face that is cut off is not the one found"
    )


@pytest.mark.parametrize("size_wh", [(640, 200), (200, 640), (514, 302), (130, 514)])
def test_padding_below_does_not_shift_boxes(weights: Path, size_wh: tuple[int, int]) -> None:
    # A frame whose scaled height is no multiple of 32: the face must be where it was put, to a few pixels.
    width, height = size_wh
    name = "astronaut"
    left, top, right, bottom = PORTRAITS[name].face_xyxy
    cut = portrait(name)[top - 30 : bottom + 30, left - 15 : right + 15]
    canvas = np.full((height, width, 3), 110, np.uint8)
    x, y = (width - cut.shape[1]) // 2, (height - cut.shape[0]) // 2
    canvas[y : y + cut.shape[0], x : x + cut.shape[1]] = cut
    found = detector(weights).detect(picture_of(canvas), input_width=width)
    assert len(found) == 1
    face = (x + 15, y + 30, x + 15 + right - left, y + 30 + bottom - top)
    assert overlap(found.boxes_xyxy[0], face) > 0.7


def test_a_buffer_used_before_leaves_no_face_behind(weights: Path) -> None:
    one = detector(weights)
    with_face = picture_of(portrait("astronaut"))
    empty = picture_from_rgb(np.full((with_face.height, with_face.width, 3), 110, np.uint8))
    first = one.detect(with_face, input_width=192)
    assert len(one.detect(empty, input_width=192)) == 0
    again = one.detect(with_face, input_width=192)
    np.testing.assert_array_equal(first.boxes_xyxy, again.boxes_xyxy)
    np.testing.assert_array_equal(first.landmarks, again.landmarks)


@pytest.mark.parametrize("content", [b"", b"no model at all", b"\x08\x07" * 50])
def test_a_file_that_is_no_model_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelUnavailable, match=r"centerface in .* cannot be loaded") as caught:
        detector(path)
    assert caught.value.__cause__ is not None
    assert "\n" not in str(caught.value)
