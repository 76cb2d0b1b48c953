"""The load of the ablation: who is in the picture when, the same for every design, and what happens to each event.

Faces are scheduled, not found, so that every design meets the same ones: each camera shows one face on every fourth
frame, its faces in turn. Eight cameras at 30 fps make 60 events a second of 50 faces; flat out, the events keep their
place in the video, so a design that is twice as fast as the cameras has 120 a second to deal with.
"""

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vigia.application.ports import Clock, Detections
from vigia.application.service import LoopService
from vigia.bench.flat_out import FlatStream, endless, packets_of
from vigia.bench.naive import post_picture
from vigia.bench.naive_parts import Poster, Tidy, Tracker
from vigia.domain.camera import Camera
from vigia.domain.event import EventId, FaceEvent
from vigia.domain.frame import Frame, Packet, Picture
from vigia.domain.regions import Region
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.picture import SwscalePictureScaler, av_frame
from vigia.testing.video import landmarks_for

CAMERAS = 8
FACES = 50
EVENT_EVERY_FRAMES = 4
STAY_FRAMES = 90
"""How long a face stays: three seconds of video."""
FPS = 30.0
FACE_PX = 100.0
PLACES_APART_PX = 170.0
ROWS_TOP_PX = (110.0, 450.0)
"""Who comes after a face that left stands in the other row, so that it is nobody's continuation."""
DRIFT_PX = 0.6
"""A face moves so far to the right each frame."""
INPUT_WH = (320, 180)
CONFIDENCE = 0.9
STOP_S = 30.0


def faces_of_camera(camera: int) -> int:
    """How many faces a camera (0 to 7) shows at any time: 50 among 8."""
    share, more = divmod(FACES, CAMERAS)
    return share + (camera < more)


def scheduled_box(camera: int, frame: int) -> NDArray[np.float32] | None:
    """The face that a camera's frame shows, as float32 (4,) in pixels of a 1280x720 picture, or None.

    Args:
        camera: 0 to 7.
        frame: 0-based number since the beginning.
    """
    turn, rest = divmod(frame, EVENT_EVERY_FRAMES)
    if rest:
        return None
    faces = faces_of_camera(camera)
    place = turn % faces
    # Stays begin at different times, so that faces do not all change at once.
    stay, age = divmod(frame + place * STAY_FRAMES // faces, STAY_FRAMES)
    left = 40.0 + place * PLACES_APART_PX + DRIFT_PX * age
    top = ROWS_TOP_PX[stay % 2]
    return np.array([left, top, left + FACE_PX, top + FACE_PX], dtype=np.float32)


class ScheduledDetector:
    """vigia's detector in this load: makes its small input like any other, and finds who is scheduled.

    It is told by ``see``, in the shard's thread and just before, which frame it is about to look at.
    Owner: the thread-local is each shard's own.
    """

    name = "scheduled"

    def __init__(self, cameras: Sequence[Camera]) -> None:
        self._numbers = {camera.id: number for number, camera in enumerate(cameras)}
        self._seen = threading.local()

    def see(self, frame: Frame) -> None:
        """The frame that comes next in this thread."""
        self._seen.frame = frame

    def for_shard(self) -> "_ShardDetector":
        """A detector of one shard."""
        return _ShardDetector(self)

    def scheduled(self) -> NDArray[np.float32] | None:
        """Who is in the frame seen last in this thread."""
        frame: Frame = self._seen.frame
        return scheduled_box(self._numbers[frame.camera_id], frame.index)


class _ShardDetector:
    """Owner: its shard's thread."""

    def __init__(self, schedule: ScheduledDetector) -> None:
        self._schedule = schedule
        self._scaler = SwscalePictureScaler()

    @property
    def name(self) -> str:
        return self._schedule.name

    @property
    def sure_confidence(self) -> float:
        return 0.5 * CONFIDENCE

    def detect(
        self,
        picture: Picture,
        *,
        input_width: int,  # noqa: ARG002 - the load's own size
        region: Region | None = None,  # noqa: ARG002 - likewise
    ) -> Detections:
        self._scaler.scale_planar(picture, width=INPUT_WH[0], height=INPUT_WH[1])
        box = self._schedule.scheduled()
        if box is None:
            return Detections(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))
        return Detections(box[None], landmarks_for(box), np.array([CONFIDENCE], np.float32))

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:  # noqa: ARG002 - the load's own size
        return INPUT_WH[0]


@dataclass(frozen=True, slots=True)
class LoopParts:
    """What a camera's loop calls. The four parts that are exchanged, all made."""

    tracker: Tracker
    info: Callable[..., None]
    post: Poster
    make_tidy: Callable[[], Tidy]


class LoopCamera:
    """A camera's thread in every design but vigia's whole: decode, small input, and each event dealt with at once.

    An event is followed, logged, encoded, posted, and logged again. The same for all; only the parts differ.

    Owner: its thread; ``frames`` and ``events`` may be read by any. Bounds: one picture.
    """

    def __init__(
        self, number: int, stream: FlatStream, parts: LoopParts, ids: "itertools.count[int]", clock: Clock
    ) -> None:
        self.frames = 0
        self.events = 0
        self._number = number
        self._camera = stream.camera
        self._parts = parts
        self._tidy = parts.make_tidy()
        self._ids = ids
        self._clock = clock
        packets = packets_of(stream)
        self._packets = iter(endless(packets))
        self._decoder = AvVideoDecoder(packets[0].stream)
        self._scaler = SwscalePictureScaler()
        self.service = LoopService(f"loop-{number}", self.step, clock=clock)

    def step(self) -> float:
        """One packet."""
        packet: Packet = next(self._packets)
        for item in self._decoder.decode(packet).frames:
            picture = item.frame.picture
            self._scaler.scale_planar(picture, width=INPUT_WH[0], height=INPUT_WH[1])
            box = scheduled_box(self._number, self.frames)
            if box is not None:
                self._handle(picture, box)
            self._tidy()
            self.frames += 1
        return 0.0

    def _handle(self, picture: Picture, box: NDArray[np.float32]) -> None:
        event = FaceEvent(
            id=EventId(next(self._ids)),
            camera_id=self._camera.id,
            frame_index=self.frames,
            at_mono_s=self.frames / FPS,
            at_utc=self._clock.utc(),
            box_xyxy=box,
            landmarks=landmarks_for(box)[0],
            confidence=CONFIDENCE,
            frame_size_wh=(picture.width, picture.height),
        )
        track = self._parts.tracker.follow(event)
        pixels = np.asarray(av_frame(picture).to_ndarray(format="bgr24"), dtype=np.uint8)  # as it is
        post_picture(self._parts.post, self._camera, pixels, box)
        self._parts.info("Camera %s: event %d of track %d was posted", self._camera.name, event.id, track)
        self.events += 1


class LoopWorkload:
    """A thread for each camera, around the same parts. Owner: one thread."""

    def __init__(self, streams: Sequence[FlatStream], parts: LoopParts, clock: Clock) -> None:
        ids = itertools.count(1)
        self._cameras = [LoopCamera(n, stream, parts, ids, clock) for n, stream in enumerate(streams)]

    @property
    def frames(self) -> int:
        """All cameras together."""
        return sum(camera.frames for camera in self._cameras)

    @property
    def events(self) -> int:
        """Dealt with, all cameras together."""
        return sum(camera.events for camera in self._cameras)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Threads run within the block. Raises what one of them failed with."""
        services = [camera.service for camera in self._cameras]
        for service in services:
            service.start()
        try:
            yield
        finally:
            for service in services:
                service.request_stop()
            for service in services:
                service.join(STOP_S)
        for service in services:
            if service.failure is not None:
                raise service.failure
