"""Detectors: the same promises from the scripted one and from CenterFace; YuNet where its weights are at hand."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vigia.application.ports import FaceDetector, PictureScaler
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Picture
from vigia.domain.geometry import as_boxes_xyxy, iou_matrix
from vigia.domain.regions import region_around
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip, load_truth
from vigia.infrastructure.detection.heads import HEADS
from vigia.infrastructure.detection.onnx_detector import InputFit, OnnxFaceDetector
from vigia.infrastructure.detection.registry import MODELS
from vigia.infrastructure.detection.store import ModelStore
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.picture import SwscalePictureScaler, picture_from_rgb
from vigia.infrastructure.video.source import AvFrameSource, Pace, SourceOptions
from vigia.testing.video import ScriptedDetector, ScriptedPicture

Scene = tuple[Picture, list[tuple[float, float, float, float]]]
WEIGHTS = {"yunet-n": "yunet_n_dynamic.onnx", "yunet-s": "yunet_s_dynamic.onnx"}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


def onnx(name: str, models: Path, *, scaler: PictureScaler | None = None) -> OnnxFaceDetector:
    spec = MODELS[name]
    if spec.package:
        spec, path = ModelStore(models).resolve(name)
    else:
        published = Path(os.environ.get("VIGIA_MODELS_DIR", "/nonexistent")) / WEIGHTS[name]
        if not published.is_file():
            pytest.skip(f"VIGIA_MODELS_DIR holds no {WEIGHTS[name]}")
        spec, path = ModelStore(models).resolve_file(published)
    return OnnxFaceDetector(spec, path, head=HEADS[spec.family](), scaler=scaler or SwscalePictureScaler())


@pytest.fixture(
    params=[
        "scripted",
        "centerface",
        pytest.param("yunet-n", marks=pytest.mark.shared_models),
        pytest.param("yunet-s", marks=pytest.mark.shared_models),
    ]
)
def detector(request: pytest.FixtureRequest, models: Path) -> FaceDetector:
    return ScriptedDetector() if request.param == "scripted" else onnx(request.param, models)


@pytest.fixture(scope="session")
def filmed(clips: list[DemoClip]) -> Scene:
    """The frame of a clip with the most visible faces, and where they are."""
    truth = load_truth(clips[0].truth_path)
    index = max(range(len(truth.frames)), key=lambda n: sum(face.visible > 0.95 for face in truth.frames[n]))
    source = AvFrameSource(
        Camera(CameraId("1"), "x", str(clips[0].path)), clock=SystemClock(), options=SourceOptions(pace=Pace.FLAT_OUT)
    )
    decoder = AvVideoDecoder(source.open())
    for packet in source.packets():
        for item in decoder.decode(packet).frames:
            if item.frame.media_index == index:
                source.close()
                return item.frame.picture, [face.box_xyxy for face in truth.frames[index] if face.visible > 0.95]
    raise AssertionError("the frame is not in the clip")


def scene_for(detector: FaceDetector, filmed: Scene) -> Scene:
    if isinstance(detector, ScriptedDetector):
        return ScriptedPicture(tuple(filmed[1])), filmed[1]
    return filmed


def test_faces_are_found_where_they_are(detector: FaceDetector, filmed: Scene) -> None:
    picture, faces = scene_for(detector, filmed)
    found = detector.detect(picture, input_width=640)
    overlaps = iou_matrix(as_boxes_xyxy(faces), found.boxes_xyxy)
    assert (overlaps.max(axis=1) > 0.5).all(), overlaps
    best = overlaps.argmax(axis=1)
    for face, box in zip(best, faces, strict=True):
        marks = found.landmarks[face]
        assert (marks[:, 0] > box[0] - 10).all()
        assert (marks[:, 0] < box[2] + 10).all()
        assert marks[0, 0] < marks[1, 0], "the right eye is left in the picture"
        assert marks[:2, 1].mean() < marks[2, 1] < marks[3:, 1].mean(), "eyes over nose over mouth"


def test_shapes_and_ranges(detector: FaceDetector, filmed: Scene) -> None:
    picture, _ = scene_for(detector, filmed)
    found = detector.detect(picture, input_width=640)
    assert found.boxes_xyxy.shape == (len(found), 4)
    assert found.landmarks.shape == (len(found), 5, 2)
    assert (found.boxes_xyxy >= 0).all()
    assert (found.boxes_xyxy[:, [0, 2]] <= picture.width).all()
    assert (found.boxes_xyxy[:, [1, 3]] <= picture.height).all()
    assert ((found.confidences > 0) & (found.confidences <= 1)).all()
    assert (np.diff(found.confidences) <= 0).all()


def test_a_region_shows_its_faces_where_they_are_in_the_picture(detector: FaceDetector, filmed: Scene) -> None:
    picture, faces = scene_for(detector, filmed)
    frame_wh = (picture.width, picture.height)
    for face in faces:
        region = region_around(face, frame_wh, (frame_wh[0] // 2, frame_wh[1] // 2))
        found = detector.detect(picture, input_width=320, region=region)
        assert iou_matrix(as_boxes_xyxy(face), found.boxes_xyxy).max() > 0.5
        assert (found.boxes_xyxy[:, :2] >= (region.left, region.top)).all()
        assert (found.boxes_xyxy[:, 2:] <= (region.right, region.bottom)).all()
    again = detector.detect(picture, input_width=640)
    np.testing.assert_array_equal(again.boxes_xyxy, detector.detect(picture, input_width=640).boxes_xyxy)


def test_the_same_picture_gives_the_same_faces(detector: FaceDetector, filmed: Scene) -> None:
    picture, _ = scene_for(detector, filmed)
    first, second = (detector.detect(picture, input_width=416) for _ in range(2))
    np.testing.assert_array_equal(first.boxes_xyxy, second.boxes_xyxy)
    np.testing.assert_array_equal(first.confidences, second.confidences)


def test_a_smaller_face_asks_for_no_smaller_input(detector: FaceDetector) -> None:
    widths = [detector.input_width_for(frame_width=1280, min_face_px=px) for px in (200, 120, 80, 60, 40, 20, 8)]
    assert widths == sorted(widths)
    assert widths[-1] <= 1280


@pytest.mark.parametrize("size", [(64, 64), (641, 359), (1280, 720)])
def test_an_empty_wall_has_no_faces(detector: FaceDetector, size: tuple[int, int]) -> None:
    width, height = size
    picture: Picture = (
        ScriptedPicture(width=width, height=height)
        if isinstance(detector, ScriptedDetector)
        else picture_from_rgb(np.full((height & ~1, width & ~1, 3), 128, dtype=np.uint8))
    )
    assert len(detector.detect(picture, input_width=320)) == 0


@pytest.mark.parametrize(
    ("name", "channel"), [("centerface", 0), pytest.param("yunet-n", 2, marks=pytest.mark.shared_models)]
)
def test_the_network_gets_red_where_it_wants_it(name: str, channel: int, models: Path) -> None:
    """The wrong order still finds large faces, only fewer small ones: so the input itself is looked at."""
    red = picture_from_rgb(np.full((64, 64, 3), (255, 0, 0), dtype=np.uint8))
    blob = onnx(name, models)._blob(red, InputFit(64, 64, 64, 64))
    means = blob[0].mean(axis=(1, 2))
    assert means.argmax() == channel
    assert means[channel] > 200
    assert np.delete(means, channel).max() < 60


def test_a_higher_threshold_reports_less(models: Path, filmed: Scene) -> None:
    spec, path = ModelStore(models).resolve("centerface")
    strict = OnnxFaceDetector(
        replace(spec), path, head=HEADS[spec.family](), scaler=SwscalePictureScaler(), confidence_min=0.99
    )
    assert len(strict.detect(filmed[0], input_width=640)) < len(filmed[1]) + 1
    assert (strict.detect(filmed[0], input_width=640).confidences >= 0.99).all()


def test_weak_faces_are_reported_only_where_they_are_asked_for(models: Path, filmed: Scene) -> None:
    found = onnx("centerface", models).detect(filmed[0], input_width=640).confidences
    least = float(found[:2].mean())  # between the two surest
    spec, path = ModelStore(models).resolve("centerface")

    def confidences(share: float) -> np.ndarray:
        found = OnnxFaceDetector(
            spec, path, head=HEADS[spec.family](), scaler=SwscalePictureScaler(), confidence_min=least, weak_share=share
        )
        assert found.sure_confidence == least
        return found.detect(filmed[0], input_width=640).confidences

    strict, lax = confidences(1.0), confidences(0.1)
    assert len(lax) > len(strict)
    assert (lax >= np.float32(0.1 * least)).all()
    assert np.array_equal(lax[lax >= np.float32(least)], strict)
