"""Several settings beside one another on the same frames: each frame is decoded once, each look is made once.

The product's own pipelines are fed packet by packet in turn. A look that two of them want of the same frame, such as
the ordinary look of every third frame and of every frame, is made by the first and shown to the others; each is charged
with what it took.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from vigia.application.camera_line import CameraLine
from vigia.application.ports import Decoded, Detections, FaceDetector, VideoDecoder
from vigia.bench.flat_out import CaptureNotes, FlatStream, make_shard, packets_of
from vigia.bootstrap.hot_path import HotPath
from vigia.domain.frame import Frame, Packet, Picture, StreamInfo
from vigia.domain.geometry import as_boxes_xyxy, iou_matrix
from vigia.domain.ground_truth import ClipTruth
from vigia.domain.passages import (
    IOU_MIN,
    VISIBLE_MIN,
    DeliveredCapture,
    eligible_passages,
    face_size_px,
    judge_passages,
)
from vigia.domain.regions import Region
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.demo import load_truth
from vigia.infrastructure.video.decoder import AvVideoDecoder

LookKey = tuple[int, Region | None]
"""Input width and region of a look at the frame in hand."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way of looking."""

    name: str
    settings: Settings


@dataclass(slots=True)
class Tally:
    """What one way of looking gave. Owner: the run, then whoever adds runs up."""

    frames: int = 0
    looks: int = 0
    """Frames that were looked at."""
    cpu_s: float = 0.0
    """Of the detector, its input included."""
    faces: int = 0
    """Faces of the judged size in the frames that were looked at, half of them visible or more."""
    faces_found: int = 0
    false_boxes: int = 0
    passages: int = 0
    """Of the judged size for long enough to have to be delivered."""
    found: int = 0
    """Passages found ``events_min`` times or more, never with more than ``track_miss_interval`` between two finds."""
    captured: int = 0
    """Passages of which the product captured a shot."""

    def add(self, other: "Tally") -> None:
        """Take another run's figures in."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def recall(self) -> float:
        """Share of the passages that were found."""
        return self.found / self.passages if self.passages else 1.0

    def as_json(self) -> dict[str, float]:
        """The figures."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class SharedLooks:
    """The looks at one frame, each made once. Owner: one thread, which shows it every frame first."""

    detector: FaceDetector
    made: dict[LookKey, tuple[Detections, float]] = field(default_factory=dict)

    def look(self, picture: Picture, *, input_width: int, region: Region | None) -> tuple[Detections, float]:
        """The faces, and the CPU time of finding them, seconds."""
        key = (input_width, region)
        if key not in self.made:
            started_s = time.thread_time()
            found = self.detector.detect(picture, input_width=input_width, region=region)
            self.made[key] = (found, time.thread_time() - started_s)
        return self.made[key]


@dataclass(slots=True)
class _OneDetector:
    """The detector of one way of looking: shared looks, and what it made of them. Owner: one thread."""

    looks: SharedLooks
    cpu_s: float = 0.0
    found: list[np.ndarray] = field(default_factory=list)
    """Boxes of every look at the frame in hand."""

    @property
    def name(self) -> str:
        return self.looks.detector.name

    @property
    def sure_confidence(self) -> float:
        return self.looks.detector.sure_confidence

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:
        return self.looks.detector.input_width_for(frame_width=frame_width, min_face_px=min_face_px)

    def detect(self, picture: Picture, *, input_width: int, region: Region | None = None) -> Detections:
        found, cpu_s = self.looks.look(picture, input_width=input_width, region=region)
        self.cpu_s += cpu_s
        self.found.append(found.boxes_xyxy)
        return found


class _SharedDecoder:
    """Hands one decoder's frames to several pipelines that are fed the same packets in turn. Owner: one thread."""

    def __init__(self) -> None:
        self._decoder: VideoDecoder | None = None
        self._step: int | None = None
        self._last = Decoded()

    def __call__(self, stream: StreamInfo, /) -> VideoDecoder:
        if self._decoder is None:
            self._decoder = AvVideoDecoder(stream)
        return self

    def decode(self, packet: Packet) -> Decoded:
        if self._decoder is not None and self._step != packet.index:
            self._step, self._last = packet.index, self._decoder.decode(packet)
        return self._last

    def flush(self) -> Decoded:
        return Decoded()  # the clips hold no B-frames: nothing is held back

    def close(self) -> None:
        if self._decoder is not None:
            self._decoder.close()


@dataclass(slots=True)
class _Finds:
    """The finds of one passage, so far. Owner: one thread."""

    last_index: int
    in_a_row: int = 1
    most: int = 1

    def add(self, index: int, *, pause_frames_max: float) -> None:
        self.in_a_row = self.in_a_row + 1 if index - self.last_index <= pause_frames_max else 1
        self.last_index = index
        self.most = max(self.most, self.in_a_row)


@dataclass(slots=True)
class _Notes:
    """What one way of looking found. Owner: one thread."""

    detector: _OneDetector
    truth: ClipTruth
    face_px: float
    miss_interval_s: float
    tally: Tally = field(default_factory=Tally)
    finds: dict[int, _Finds] = field(default_factory=dict)

    def see(self, index: int) -> None:
        """Compare what was found in the frame in hand with what is there. Each box is of the face it overlaps most."""
        tally, looks = self.tally, self.detector.found
        tally.frames += 1
        tally.cpu_s, self.detector.cpu_s = tally.cpu_s + self.detector.cpu_s, 0.0
        if not looks:
            return
        boxes = np.concatenate(looks)
        looks.clear()
        faces = [face for face in self.truth.frames[index] if face.visible > 0.0]
        overlaps = iou_matrix(boxes, as_boxes_xyxy([face.box_xyxy for face in faces]))
        sure = overlaps.max(axis=1, initial=0.0) >= IOU_MIN
        seen = set(overlaps[sure].argmax(axis=1).tolist()) if sure.any() else set()
        tally.looks += 1
        tally.false_boxes += int((~sure).sum())
        for number, face in enumerate(faces):
            if face.visible < VISIBLE_MIN or face_size_px(face) < self.face_px:
                continue
            tally.faces += 1
            if number in seen:
                tally.faces_found += 1
                pause_frames_max = self.miss_interval_s * self.truth.fps
                before = self.finds.setdefault(face.passage_id, _Finds(index, 0, 0))
                before.add(index, pause_frames_max=pause_frames_max)

    def judge(self, stream: FlatStream, captures: Sequence[DeliveredCapture], *, events_min: int) -> None:
        """Which passages were found, and which captured."""
        camera_id, window = stream.camera.id, stream.window
        eligible = eligible_passages(self.truth, window, min_face_px=self.face_px)
        report = judge_passages(
            {camera_id: self.truth}, windows={(camera_id, 0): window}, captures=captures, min_face_px=self.face_px
        )
        self.tally.passages = len(eligible)
        self.tally.found = sum(1 for one in eligible if one in self.finds and self.finds[one].most >= events_min)
        self.tally.captured = report.delivered


def run_beside(stream: FlatStream, ways: Sequence[Way], *, face_px: float, detector: FaceDetector) -> dict[str, Tally]:
    """Play a stretch of a clip once, through a pipeline for each way of looking.

    Args:
        stream: of a clip without B-frames.
        ways: what to compare; all with one model, and a cadence that is fixed.
        face_px: passages and faces of this size and more are judged, pixels.
        detector: finds the faces for all of them.
    """
    clock, looks, decoder = SystemClock(), SharedLooks(detector), _SharedDecoder()
    truth = load_truth(stream.truth_path)
    frames: list[Frame] = []
    running: list[tuple[Way, _Notes, CaptureNotes, CameraLine]] = []
    for way in ways:
        one, captures = _OneDetector(looks), CaptureNotes()
        hot_path = HotPath(way.settings, clock=clock, decoders=decoder, on_frame=frames.append)
        _, lines = make_shard(hot_path, one, [stream.camera], name=way.name, captures=captures)
        notes = _Notes(one, truth, face_px, way.settings.tracks.track_miss_interval_s)
        running.append((way, notes, captures, lines[0]))
    for packet in packets_of(stream):
        looks.made.clear()
        frames.clear()
        for _, _, _, line in running:
            line.pipeline.process(replace(packet, received_mono_s=clock.mono_s()))
        for frame in frames[:1]:
            for _, notes, _, _ in running:
                notes.see(frame.media_index if frame.media_index is not None else packet.index)
    for way, notes, captures, line in running:
        line.pipeline.stop()
        notes.judge(stream, captures.captures, events_min=way.settings.tracks.events_min)
    return {way.name: notes.tally for way, notes, _, _ in running}


def look_in_full(stream: FlatStream, detector: FaceDetector, *, face_px: float, looks: int) -> Tally:
    """Look at some frames of a stretch, evenly spread, in full resolution."""
    packets = packets_of(stream)
    decoder, shared = AvVideoDecoder(packets[0].stream), SharedLooks(detector)
    notes = _Notes(_OneDetector(shared), load_truth(stream.truth_path), face_px, 0.0)
    every = max(1, len(packets) // looks)
    for number, packet in enumerate(packets):
        for item in decoder.decode(packet).frames:
            if number % every == every // 2:
                shared.made.clear()
                picture = item.frame.picture
                notes.detector.detect(picture, input_width=picture.width)
                notes.see(number)
    decoder.close()
    return notes.tally


def whole_clip(path: Path, truth_path: Path, *, number: int, frames: int) -> FlatStream:
    """All of a clip, as one camera's stream."""
    return FlatStream(number, path, truth_path, 0, frames)
