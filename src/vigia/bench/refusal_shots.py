"""Shots to be posted: what the product chooses on the generator's clips, and faces that are hard to find again.

Chosen shots come from the product's own shards. Hard ones are found by the same detector: faces at the picture's edge
and two people side by side, where the neighbour may be in the region, both picked by the clips' ground truth; and small
faces, which are chosen shots in a smaller picture.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from av.video.reformatter import Interpolation

from vigia.application.ports import FaceDetector
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.bench.context import BenchContext
from vigia.bench.flat_out import FlatStream, flat_streams, make_shard, packets_of, run_shard
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.parts import detector_factory
from vigia.domain.camera import CameraId
from vigia.domain.frame import Frame, Picture
from vigia.domain.geometry import Boxes, as_boxes_xyxy, iou_matrix
from vigia.domain.ground_truth import ClipTruth, TruthFace
from vigia.domain.passages import IOU_MIN, face_size_px
from vigia.domain.posted_picture import Box
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.demo import load_truth
from vigia.infrastructure.video.picture import AvPicture, av_frame
from vigia.infrastructure.video.planes import SCALE_THREADS

CADENCE_K = 5
"""Which frame is the best hardly depends on it, and the benchmark is not about speed."""
SMALL_PX = 64.0
"""Small shots are chosen ones, the whole picture scaled until the face has so many pixels: a camera of fewer pixels."""
SENT_MIN_PX = 60.0
"""What the detector must find; ``tracks.filter_min_size`` decides what is sent."""
APART_S = 1.0
"""Two frames of the same kind and clip lie so far apart: closer ones show the same."""
HARD_A_CLIP = 1
"""Frames of each hard kind from each clip, at most."""
CHOSEN_MAX = 10
SMALL_MAX = 3
"""Of each model, taken evenly from what it chose."""


class ShotKind(StrEnum):
    """Why a shot is among them."""

    CHOSEN = "chosen"
    SMALL = "60 px"
    EDGE = "at the edge"
    PAIR = "side by side"


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One face that is posted."""

    kind: ShotKind
    model: str
    """That found it."""
    picture: Picture = field(repr=False)
    box_xyxy: Box
    """As found, camera pixels."""
    frame_boxes_xyxy: Boxes = field(repr=False)
    """float32 (N, 4): all faces that were found in the picture."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """A face of the ground truth that is worth posting."""

    kind: ShotKind
    face: TruthFace


def collect_shots(context: BenchContext, models: dict[str, str], streams: Sequence[FlatStream]) -> list[Shot]:
    """Shots of every model, each model's chosen ones first.

    Args:
        context: whose settings are used.
        models: by name, what ``detector.model`` must say.
        streams: where faces are looked for; numbered differently.
    """
    truths = {stream.camera.id: load_truth(stream.truth_path) for stream in streams}
    spots = {stream.camera.id: hard_spots(truths[stream.camera.id], stream.frames) for stream in streams}
    frames: list[Frame] = []

    def keep(frame: Frame) -> None:
        if frame.media_index in spots[frame.camera_id]:
            frames.append(frame)

    shots: list[Shot] = []
    for number, (name, setting) in enumerate(models.items()):
        settings = context.settings(detector__model=setting, detector__cadence_k=CADENCE_K)
        hot_path = HotPath(settings, clock=SystemClock(), on_frame=keep if number == 0 else None)
        chosen = _evenly(list(_chosen(streams, settings, hot_path, name)), CHOSEN_MAX)
        shots += chosen
        shots += _small(_evenly(chosen, SMALL_MAX), settings)
        shots += _hard(frames, spots, settings, name)
    return shots


def _evenly(shots: list[Shot], most: int) -> list[Shot]:
    """At most ``most`` of them, from beginning to end."""
    return shots[:: max(1, -(-len(shots) // most))]


def hard_spots(truth: ClipTruth, frames: int) -> dict[int, list[_Spot]]:
    """By frame number, the faces of the first ``frames`` frames that are hard to find again, some of each kind."""
    found: dict[int, list[_Spot]] = {}
    last: dict[ShotKind, int] = {}
    count: dict[ShotKind, int] = {}
    for index, faces in enumerate(truth.frames[:frames]):
        for spot in _spots(faces, truth):
            apart = spot.kind not in last or index - last[spot.kind] >= APART_S * truth.fps
            if apart and count.get(spot.kind, 0) < HARD_A_CLIP:
                found.setdefault(index, []).append(spot)
                last[spot.kind] = index
                count[spot.kind] = count.get(spot.kind, 0) + 1
    return found


def _spots(faces: Sequence[TruthFace], truth: ClipTruth) -> Iterator[_Spot]:
    """Faces that could be sent, by what is hard about them."""
    for face in faces:
        if face_size_px(face) < SENT_MIN_PX:
            continue
        left, top, right, bottom = face.box_xyxy
        if 0.6 <= face.visible < 0.9 and (left <= 0.0 or top <= 0.0 or right >= truth.width or bottom >= truth.height):
            yield _Spot(ShotKind.EDGE, face)
        if face.visible > 0.9 and any(_beside(face, other) for other in faces if other is not face):
            yield _Spot(ShotKind.PAIR, face)


def _beside(face: TruthFace, other: TruthFace) -> bool:
    """Whether another face that is as large begins within a face's width, at the same height."""
    if other.visible < 0.8 or face_size_px(other) < 0.8 * face_size_px(face):
        return False
    left, top, right, bottom = face.box_xyxy
    wide, high = right - left, bottom - top
    gap = max(other.box_xyxy[0] - right, left - other.box_xyxy[2])
    return gap <= wide and abs(other.box_xyxy[1] - top) <= high


def shot_streams(context: BenchContext) -> tuple[FlatStream, ...]:
    """Some clips of 720 and of 1080 lines, each as a camera of its own."""
    frames = round(context.pick(210, 150))
    tall = flat_streams(context.clips(1080), frames=frames, count=round(context.pick(2, 1)))
    wide = flat_streams(context.clips(720), frames=frames, count=round(context.pick(4, 2)))
    return tuple(replace(stream, number=number) for number, stream in enumerate((*wide, *tall)))


class _Requests:
    """Takes what a shard chose. Owner: the caller's thread, which runs the shard."""

    def __init__(self) -> None:
        self.taken: list[CaptureRequest] = []

    def offer(self, request: CaptureRequest) -> None:
        """Keep it, picture and all."""
        self.taken.append(request)


def _chosen(streams: Sequence[FlatStream], settings: Settings, hot_path: HotPath, model: str) -> Iterator[Shot]:
    """What the product would send of these clips."""
    requests = _Requests()
    shard, lines = make_shard(
        hot_path,
        detector_factory(settings)(),
        [stream.camera for stream in streams],
        name=f"refusals-{model}",
        captures=requests,
    )
    rounds = zip(*(packets_of(stream) for stream in streams), strict=True)
    run_shard(shard, lines, rounds, clock=SystemClock())
    for request in requests.taken:
        event = request.event
        if event.picture is not None:
            left, top, right, bottom = (float(edge) for edge in event.box_xyxy)
            boxes = event.frame_boxes_xyxy if event.frame_boxes_xyxy is not None else as_boxes_xyxy(event.box_xyxy)
            yield Shot(ShotKind.CHOSEN, model, event.picture, (left, top, right, bottom), boxes)


def _small(shots: Sequence[Shot], settings: Settings) -> Iterator[Shot]:
    """The shots in pictures so small that their faces have SMALL_PX, found anew there."""
    detector = detector_factory(settings)()
    for shot in shots:
        left, top, right, bottom = shot.box_xyxy
        scale = SMALL_PX / min(right - left, bottom - top)
        if scale >= 1.0:
            yield replace(shot, kind=ShotKind.SMALL)
            continue
        frame = av_frame(shot.picture)
        width, height = (max(2, round(side * scale / 2) * 2) for side in (frame.width, frame.height))  # even: 4:2:0
        small = frame.reformat(width, height, interpolation=Interpolation.AREA, threads=SCALE_THREADS)
        picture = AvPicture(small)
        expected: Box = (left * scale, top * scale, right * scale, bottom * scale)
        found = _found(detector, picture, expected, settings)
        if found is not None:
            yield Shot(ShotKind.SMALL, shot.model, picture, *found)


def _hard(
    frames: Sequence[Frame], spots: dict[CameraId, dict[int, list[_Spot]]], settings: Settings, model: str
) -> Iterator[Shot]:
    """The faces of the spots as the detector finds them."""
    detector = detector_factory(settings)()
    for frame in frames:
        for spot in spots[frame.camera_id].get(frame.media_index if frame.media_index is not None else -1, ()):
            found = _found(detector, frame.picture, spot.face.box_xyxy, settings)
            if found is not None:
                yield Shot(spot.kind, model, frame.picture, *found)


def _found(detector: FaceDetector, picture: Picture, expected: Box, settings: Settings) -> tuple[Box, Boxes] | None:
    """The face there, and all faces; None when the detector misses it, or finds it smaller than anybody would send."""
    width = detector.input_width_for(frame_width=picture.width, min_face_px=SENT_MIN_PX)
    boxes = detector.detect(picture, input_width=width).boxes_xyxy
    if not len(boxes):
        return None
    overlaps = iou_matrix(as_boxes_xyxy(expected), boxes)[0]
    best = int(overlaps.argmax())
    left, top, right, bottom = (float(edge) for edge in boxes[best])
    sent = overlaps[best] >= IOU_MIN and min(right - left, bottom - top) >= settings.tracks.filter_min_size
    return ((left, top, right, bottom), boxes) if sent else None
