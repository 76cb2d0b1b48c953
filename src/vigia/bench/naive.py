"""The naive design, as most people would write it, to measure vigia against.

A thread for each camera: ``cv2.VideoCapture``, the detector on every frame at its full size, tracks under one lock, a
log line for each face, a JPEG and a ``requests.post`` for each face that is a better shot than its track had, a garbage
collection now and then. Written fairly: the same weights, the same thresholds, the same quick decoding of the network's
output as vigia's, no step that is not needed.
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from vigia.application.errors import ApplicationError
from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.bench.flat_out import FlatResult, FlatStream, collect_garbage, found_passages
from vigia.bench.flat_workers import READY_TIMEOUT_S, run_to_end
from vigia.bench.naive_parts import Poster, Tidy, Tracker
from vigia.domain.camera import Camera
from vigia.domain.event import EventId, FaceEvent
from vigia.domain.geometry import suppress_overlaps
from vigia.domain.passages import DeliveredCapture
from vigia.infrastructure.config import Settings
from vigia.infrastructure.detection.heads import HEADS
from vigia.infrastructure.detection.registry import Family, ModelSpec
from vigia.infrastructure.detection.store import ModelStore

Bgr = NDArray[np.uint8]
"""uint8 (height, width, 3)."""
NMS_IOU_MAX = 0.3
STRIDE_PX = 32
ROI_MARGIN = 0.4
JPEG_QUALITY = 95


@dataclass(frozen=True, slots=True)
class NaiveFace:
    """One face as a detector gives it: frame pixels."""

    box_xyxy: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    confidence: float

    @property
    def worth(self) -> float:
        """What makes a shot the better one: a large face, surely found."""
        left, top, right, bottom = self.box_xyxy.tolist()
        return float((right - left) * (bottom - top)) * self.confidence


class NaiveDetector(Protocol):
    """Finds faces in a full frame. Owner: one camera's thread."""

    def detect(self, frame: Bgr) -> list[NaiveFace]:
        """All faces."""
        ...


class OnnxOnFullFrames:
    """ONNX Runtime with the options that it has when none are given: as many threads as cores, spinning."""

    def __init__(self, spec: ModelSpec, path: Path) -> None:
        self._session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self._input_name = self._session.get_inputs()[0].name
        self._head = HEADS[spec.family]()
        self._confidence_min = spec.confidence_min

    def detect(self, frame: Bgr) -> list[NaiveFace]:
        """See NaiveDetector."""
        height, width = frame.shape[:2]
        padded_height, padded_width = ceil(height / STRIDE_PX) * STRIDE_PX, ceil(width / STRIDE_PX) * STRIDE_PX
        padded = cv2.copyMakeBorder(frame, 0, padded_height - height, 0, padded_width - width, cv2.BORDER_CONSTANT)
        colours = cv2.cvtColor(padded, cv2.COLOR_BGR2RGB) if self._head.channels_rgb else padded
        blob = np.ascontiguousarray(colours.transpose(2, 0, 1)[None])
        more = self._head.inputs(input_wh=(padded_width, padded_height), confidence_min=self._confidence_min)
        outputs = self._session.run(None, {self._input_name: blob, **more})
        raw = self._head.decode(outputs, confidence_min=self._confidence_min)
        kept = suppress_overlaps(raw.boxes_xyxy, raw.confidences, iou_max=NMS_IOU_MAX)
        return [NaiveFace(raw.boxes_xyxy[i], raw.landmarks[i], float(raw.confidences[i])) for i in kept]


class OpenCvOnFullFrames:
    """``cv2.FaceDetectorYN``: YuNet through OpenCV's own engine."""

    def __init__(self, spec: ModelSpec, path: Path) -> None:
        self._detector: Any = cv2.FaceDetectorYN.create(str(path), "", (320, 320), spec.confidence_min, NMS_IOU_MAX)
        self._size_wh = (0, 0)

    def detect(self, frame: Bgr) -> list[NaiveFace]:
        """See NaiveDetector."""
        size_wh = (frame.shape[1], frame.shape[0])
        if size_wh != self._size_wh:
            self._detector.setInputSize(size_wh)
            self._size_wh = size_wh
        rows = self._detector.detect(frame)[1]
        if rows is None:
            return []
        found = []
        for row in rows:
            box = np.array([row[0], row[1], row[0] + row[2], row[1] + row[3]], dtype=np.float32)
            found.append(NaiveFace(box, row[4:14].reshape(5, 2).astype(np.float32), float(row[14])))
        return found


def naive_detectors(settings: Settings) -> dict[str, Callable[[], NaiveDetector]]:
    """Makers of the detectors that can run the chosen model on full frames, by name."""
    chosen = settings.detector
    store = ModelStore(settings.models_directory())
    spec, path = store.resolve_file(chosen.model_file) if chosen.model_file else store.resolve(chosen.model)
    makers: dict[str, Callable[[], NaiveDetector]] = {"onnxruntime": lambda: OnnxOnFullFrames(spec, path)}
    ort.set_default_logger_severity(3)  # errors only: it warns of each number that a graph has in vain
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it warns of an option for each detector
    published = chosen.model_file or next(status.path for status in store.statuses() if status.spec.name == spec.name)
    if spec.family is Family.YUNET and published is not None and _opencv_takes(spec, published):
        # OpenCV's own class for this model is what nearly everybody uses; the graph that vigia prepares is vigia's.
        return {"cv2.FaceDetectorYN": lambda: OpenCvOnFullFrames(spec, published)}
    return makers


def _opencv_takes(spec: ModelSpec, path: Path) -> bool:
    """Whether this OpenCV can run this file: its engines differ from release to release."""
    try:
        OpenCvOnFullFrames(spec, path).detect(np.zeros((180, 320, 3), dtype=np.uint8))
    except cv2.error:
        return False
    return True


@dataclass(slots=True)
class NaiveCounts:
    """What all cameras did together. Owner: its lock."""

    frames: int = 0
    faces: int = 0
    tracks: set[int] = field(default_factory=set)
    posted: list[DeliveredCapture] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class NaiveCamera:
    """One camera's thread.

    Owner: that thread. Bounds: the best shots' worth of its tracks, for ever, as such programs do.
    """

    def __init__(  # noqa: PLR0913 - a program's parts, all named at the call
        self,
        stream: FlatStream,
        *,
        detector: NaiveDetector,
        tracker: Tracker,
        info: Callable[..., None],
        post: Poster,
        tidy: Tidy,
        counts: NaiveCounts,
        ids: "itertools.count[int]",
        clock: Clock,
    ) -> None:
        self._stream = stream
        self._camera = stream.camera
        self._detector = detector
        self._tracker = tracker
        self._info = info
        self._post = post
        self._tidy = tidy
        self._counts = counts
        self._ids = ids
        self._clock = clock
        self._best: dict[int, float] = {}
        self._index = stream.first
        self._capture = cv2.VideoCapture(str(stream.path))
        self._fps = self._capture.get(cv2.CAP_PROP_FPS)
        if not self._capture.isOpened() or self._fps <= 0.0:
            raise ApplicationError("OpenCV cannot read %(path)s", path=stream.path)
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, stream.first)

    def step(self) -> float | None:
        """One frame from file to receiver; None after the last."""
        if self._index >= self._stream.first + self._stream.frames:
            return None
        taken, read = self._capture.read()
        if not taken:
            raise ApplicationError(
                "OpenCV read no frame %(index)d of %(path)s", index=self._index, path=self._stream.path
            )
        frame = np.asarray(read, dtype=np.uint8)  # as it is
        faces = self._detector.detect(frame)
        for face in faces:
            self._handle(frame, face)
        self._tidy()
        with self._counts.lock:
            self._counts.frames += 1
            self._counts.faces += len(faces)
        self._index += 1
        return 0.0

    def close(self) -> None:
        """Let go of the file."""
        self._capture.release()

    def _handle(self, frame: Bgr, face: NaiveFace) -> None:
        event = FaceEvent(
            id=EventId(next(self._ids)),
            camera_id=self._camera.id,
            frame_index=self._index,
            at_mono_s=self._index / self._fps,
            at_utc=self._clock.utc(),
            box_xyxy=face.box_xyxy,
            landmarks=face.landmarks,
            confidence=face.confidence,
            frame_size_wh=(frame.shape[1], frame.shape[0]),
        )
        track = self._tracker.follow(event)
        if face.worth <= self._best.get(track, 0.0):
            return
        self._best[track] = face.worth
        post_picture(self._post, self._camera, frame, face.box_xyxy)
        self._info("Camera %s: a better shot of track %d was posted", self._camera.name, track)
        left, top, right, bottom = face.box_xyxy.tolist()
        with self._counts.lock:
            self._counts.tracks.add(track)
            self._counts.posted.append(DeliveredCapture(self._camera.id, self._index, 0, (left, top, right, bottom)))


def post_picture(post: Poster, camera: Camera, frame: Bgr, box_xyxy: NDArray[np.float32]) -> None:
    """Encode the frame and post it with the face's region, in the caller's thread."""
    coded, jpeg = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not coded:
        raise ApplicationError("OpenCV made no JPEG")
    height, width = frame.shape[:2]
    left, top, right, bottom = box_xyxy.tolist()
    margin = ROI_MARGIN * (right - left)
    roi = (
        max(0, min(int(left - margin), width - 2)),
        max(0, min(int(top - margin), height - 2)),
        min(width, max(int(right + margin), 2)),
        min(height, max(int(bottom + margin), 2)),
    )
    post(camera, jpeg.tobytes(), roi=roi)


def run_naive(
    streams: Sequence[FlatStream],
    *,
    make_detector: Callable[[], NaiveDetector],
    tracker: Tracker,
    info: Callable[..., None],
    post: Poster,
    make_tidy: Callable[[], Tidy],
    clock: Clock,
) -> FlatResult:
    """Process all streams once, a thread each.

    Returns:
        Frames, CPU of the whole process, and which passages were posted.
    """
    counts, ids = NaiveCounts(), itertools.count(1)
    cameras = [
        NaiveCamera(
            stream,
            detector=make_detector(),
            tracker=tracker,
            info=info,
            post=post,
            tidy=make_tidy(),
            counts=counts,
            ids=ids,
            clock=clock,
        )
        for stream in streams
    ]
    collect_garbage()
    started: list[tuple[float, float]] = []
    barrier = threading.Barrier(len(cameras), action=lambda: started.append((time.perf_counter(), time.process_time())))

    def run(camera: NaiveCamera) -> None:
        barrier.wait(READY_TIMEOUT_S)
        while camera.step() is not None:
            pass

    services = [
        LoopService(f"naive-{n}", lambda camera=camera: run(camera), clock=clock)  # type: ignore[misc]
        for n, camera in enumerate(cameras)
    ]
    try:
        run_to_end(services)
        ended_s, cpu_s = time.perf_counter(), time.process_time()
    finally:
        for camera in cameras:
            camera.close()
    return FlatResult(
        frames=counts.frames,
        wall_s=ended_s - started[0][0],
        cpu_s=cpu_s - started[0][1],
        faces=counts.faces,
        tracks=len(counts.tracks),
        captures=len(counts.posted),
        passages=found_passages(streams, counts.posted),
    )
