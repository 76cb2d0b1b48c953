"""Sharp looks in a camera's pipeline: while the shard has time, and where somebody is followed."""

import threading
from math import ceil

import numpy as np
import pytest

from vigia.application.camera_pipeline import CameraPipeline
from vigia.application.closer_look import INPUT_PX
from vigia.application.load_control import LoadControl, LoadLimits
from vigia.application.packet_queue import PacketQueue
from vigia.application.ports import Detections
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.detect_faces import DetectFacesUseCase
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Picture
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import CameraLedger
from vigia.domain.motion_gate import MotionGate
from vigia.domain.regions import Region
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedDecoder, ScriptedDetector, ScriptedPacket, ScriptedPicture, packet

FLOOR_PX = 12.0
GATE = CameraId("gate")


class Sighted(ScriptedDetector):
    """Finds a face only when it has FLOOR_PX pixels of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[tuple[int, Region | None]] = []

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:
        return ceil(frame_width * min(1.0, FLOOR_PX / min_face_px))

    def detect(self, picture: Picture, *, input_width: int, region: Region | None = None) -> Detections:
        self.looks.append((input_width, region))
        found = super().detect(picture, input_width=input_width, region=region)
        scale = input_width / (picture.width if region is None else region.width)
        large = (found.boxes_xyxy[:, 2:] - found.boxes_xyxy[:, :2]).min(axis=1) * scale >= FLOOR_PX
        return Detections(found.boxes_xyxy[large], found.landmarks[large], found.confidences[large])


class Album:
    """Notes what is offered."""

    def __init__(self) -> None:
        self.frames: list[int] = []

    def offer(self, request: CaptureRequest) -> None:
        self.frames.append(request.event.frame_index)


def walk(
    detector: Sighted, *, side_px: float, sharp_px: float, k: int = 1, seconds: float = 6.0
) -> tuple[CameraLedger, Album]:
    """One face crosses a picture of 1920x1080 at 10 frames a second."""
    clock, album, ledger = SimClock(), Album(), CameraLedger(GATE)
    pipeline = CameraPipeline(
        Camera(GATE, "gate", "scripted", findface_id=1),
        queue=PacketQueue(capacity=400, ledger=ledger, arrived=threading.Event(), clock=clock),
        ledger=ledger,
        decoders=ScriptedDecoder,
        detect=DetectFacesUseCase(detector, min_face_px=80, sharp_face_px=sharp_px),
        tracks=ManageTracksUseCase(TrackMatchingService(), miss_interval_s=1.0, duration_max_s=60.0),
        track_filter=TrackFilter(min_size_px=0, min_quality=0.0, movement_min_px=20),
        captures=album,
        load=LoadControl(LoadLimits(k_max=4), k=k),
        gate=MotionGate(threshold=0.002),
        clock=clock,
        ages=DurationHistogram(),
    )
    for n in range(round(10 * seconds)):
        left = 300.0 + 8.0 * n
        picture = ScriptedPicture(
            ((left, 500, left + side_px, 500 + 1.3 * side_px),), moving=n, width=1920, height=1080
        )
        pipeline.process(packet(GATE, n, clock=clock, script=ScriptedPacket(picture, is_key=n == 0)))
        clock.advance(0.1)
    pipeline.stop()
    return ledger, album


def test_a_face_below_the_ordinary_size_is_captured_once() -> None:
    detector = Sighted()
    _, album = walk(detector, side_px=64, sharp_px=60)
    assert len(album.frames) == 1, "two looks a second and less make one track"
    assert {width for width, _ in detector.looks} == {288, 384, INPUT_PX}, "the last at the two best shots"


def test_a_much_smaller_face_is_found_in_regions_and_followed_there() -> None:
    detector = Sighted()
    ledger, album = walk(detector, side_px=32, sharp_px=30, seconds=14.0)
    assert album.frames, "found by a region in turn, then followed"
    assert ledger.faces >= 5
    assert {width for width, _ in detector.looks} <= {288, INPUT_PX}
    followed = [region for _, region in detector.looks if region is not None]
    assert len(set(followed)) > 4


@pytest.mark.parametrize("sharp_px", [60.0, 30.0])
def test_under_load_no_look_is_sharp(sharp_px: float) -> None:
    detector = Sighted()
    ledger, album = walk(detector, side_px=64, sharp_px=sharp_px, k=2)
    assert set(detector.looks) == {(288, None)}
    assert (ledger.faces, album.frames) == (0, [])
    assert np.isclose(len(detector.looks), 30, atol=1)
