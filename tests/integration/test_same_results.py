"""Correctness under speed: the same clips give the same boxes and pictures, run after run, on one shard or two."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from vigia.application.errors import SourceEnded
from vigia.application.ports import Detections, FaceDetector
from vigia.application.service import LoopService
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.parts import detector_factory
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet, Picture
from vigia.domain.regions import Region
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.source import AvFrameSource, Pace, SourceOptions

CLOCK = SystemClock()
Found = list[tuple[bytes, bytes, bytes]]
Sent = dict[tuple[str, int], tuple[bytes, bytes]]


class Noting(FaceDetector):
    """A real detector that notes every number it gives."""

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self.found: Found = []

    @property
    def name(self) -> str:
        return self._detector.name

    @property
    def sure_confidence(self) -> float:
        return self._detector.sure_confidence

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:
        return self._detector.input_width_for(frame_width=frame_width, min_face_px=min_face_px)

    def detect(self, picture: Picture, *, input_width: int, region: Region | None = None) -> Detections:
        found = self._detector.detect(picture, input_width=input_width, region=region)
        self.found.append((found.boxes_xyxy.tobytes(), found.landmarks.tobytes(), found.confidences.tobytes()))
        return found


@dataclass
class Album:
    """Every capture as a JPEG. Any thread may offer; each camera's belong to one shard."""

    sent: Sent = field(default_factory=dict)

    def offer(self, request: CaptureRequest) -> None:
        event = request.event
        assert event.picture is not None
        jpeg = SimpleJpegEncoder().encode_jpeg(event.picture, quality=90)
        self.sent[request.camera.id, event.frame_index] = (event.box_xyxy.tobytes(), jpeg)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    empty = tmp_path / "empty.yaml"
    empty.write_text("{}\n", encoding="utf-8")
    chosen = {"detector.model": "centerface", "detector.cadence_k": "1", "tracks.filter_min_size": "40"}
    return load_settings(empty, env_file=None, environ={}, overrides=chosen)


def packets_of(clip: DemoClip, name: str) -> list[Packet]:
    camera = Camera(CameraId(name), name, str(clip.path), 1)
    source = AvFrameSource(camera, clock=CLOCK, options=SourceOptions(pace=Pace.FLAT_OUT))
    source.open()
    packets: list[Packet] = []
    with pytest.raises(SourceEnded):
        packets.extend(source.packets())
    source.close()
    return packets


def run(settings: Settings, clips: list[DemoClip], *, shards: int) -> tuple[dict[str, Found], Sent]:
    """Play the clips through so many shards, each with its own thread, until all is done."""
    hot_path, album = HotPath(settings, clock=CLOCK), Album()
    found: dict[str, Found] = {}
    make = detector_factory(settings)
    services = []
    for number in range(shards):
        names = [f"c{n}" for n in range(len(clips)) if n % shards == number]
        noting = Noting(make())
        shard, detect = hot_path.shard(f"shard-{number}", noting, cameras=len(names))
        for name in names:
            line = hot_path.line(Camera(CameraId(name), name, "memory", 1), shard, detect=detect, captures=album)
            shard.add(line.pipeline)
            for packet in packets_of(clips[int(name[1:])], name):
                line.pipeline.queue.put(packet)
        services.append(
            LoopService(
                shard.name,
                lambda shard=shard: None if shard.status().waiting == 0 and shard.status().cameras else shard.step(),  # type: ignore[misc]
                clock=CLOCK,
                on_stop=lambda shard=shard: shard.drain(deadline_mono_s=CLOCK.mono_s() + 60.0),  # type: ignore[misc]
            )
        )
        found[",".join(names)] = noting.found
    for service in services:
        service.start()
    for service in services:
        assert service.join(60.0)
        assert service.failure is None
    return found, album.sent


def test_boxes_and_captures_are_identical_run_after_run(settings: Settings, clips: list[DemoClip]) -> None:
    first_found, first_sent = run(settings, clips, shards=2)
    again_found, again_sent = run(settings, clips, shards=2)
    assert first_found == again_found
    assert first_sent == again_sent
    assert len(first_sent) >= 2, "there was something to compare"
    assert sum(len(np.frombuffer(boxes)) > 0 for found in first_found.values() for boxes, _, _ in found) > 20


def test_captures_do_not_depend_on_the_number_of_shards(settings: Settings, clips: list[DemoClip]) -> None:
    _, in_one = run(settings, clips, shards=1)
    _, in_two = run(settings, clips, shards=2)
    assert in_one == in_two
