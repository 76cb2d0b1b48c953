"""CameraPipeline when the stream is not what it was said to be: another size, no key frame, nothing decodable."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lone_pipeline import LonePipeline
from vigia.application.camera_pipeline import NO_DECODER, NO_KEY_FRAME, OVERLOAD
from vigia.application.camera_status import LoadReason
from vigia.application.errors import SourceUnreachable
from vigia.application.ports import VideoDecoder
from vigia.application.stretch import Stretch
from vigia.domain.camera import CameraId
from vigia.domain.frame import StreamInfo
from vigia.domain.ledger import FrameFate
from vigia.domain.motion import TrackEnd
from vigia.domain.picture_region import PictureRegion
from vigia.domain.track import Track
from vigia.testing.video import STREAM, ScriptedDecoder, ScriptedPacket, ScriptedPicture, packet

FRAME_S = 1 / 30
FACE = ((100.0, 100.0, 160.0, 160.0),)
BLIND = ScriptedPacket(None)
"""The decoder makes nothing of it."""


class Feeder:
    """Puts scripted packets into a lone pipeline, one each thirtieth of a second."""

    def __init__(self, rig: LonePipeline, *, stream: StreamInfo = STREAM) -> None:
        self.rig = rig
        self.stream = stream
        self.index = 0

    def put(self, script: ScriptedPacket, *, discontinuity: bool | None = None) -> None:
        clock = self.rig.clock
        self.rig.take(
            packet(
                CameraId("gate"),
                self.index,
                clock=clock,
                script=script,
                stream=self.stream,
                discontinuity=discontinuity,
            )
        )
        self.index += 1
        clock.advance(FRAME_S)

    def put_all(self, scripts: Sequence[ScriptedPacket]) -> None:
        for script in scripts:
            self.put(script)


def picture(width: int, height: int, *, number: int = 0, faces: object = FACE) -> ScriptedPacket:
    assert isinstance(faces, tuple)
    return ScriptedPacket(ScriptedPicture(faces, moving=number, width=width, height=height))


def scripted(**settings: object) -> LonePipeline:
    return LonePipeline(decoders=ScriptedDecoder, **settings)  # type: ignore[arg-type]


def ends_of(rig: LonePipeline, monkeypatch: pytest.MonkeyPatch) -> list[TrackEnd]:
    """Notes how tracks are ended from now on."""
    ends: list[TrackEnd] = []
    end_all = rig.tracks.end_all

    def noting(camera_id: CameraId, end: TrackEnd) -> list[Track]:
        ended = end_all(camera_id, end)
        ends.extend(end for _ in ended)
        return list(ended)

    monkeypatch.setattr(rig.tracks, "end_all", noting)
    return ends


def test_another_picture_size_ends_the_tracks_and_begins_anew(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="vigia.shard")
    rig = scripted(gate=0.01)
    ends = ends_of(rig, monkeypatch)
    feeder = Feeder(rig)
    feeder.put_all([picture(640, 360, number=n) for n in range(5)])
    assert rig.pipeline.active_tracks == 1
    rig.pipeline.cost.decode.add(1.0)
    feeder.put_all([picture(1280, 720, number=n) for n in range(5)])
    assert ends == [TrackEnd.DISCONTINUITY]
    assert rig.ledger.tracks_started == 2
    assert rig.pipeline.active_tracks == 1
    assert rig.pipeline.picture_wh == (1280, 720)
    assert rig.pipeline.load_status().input_width == 1280
    assert rig.ledger.frames[FrameFate.DETECTED] == 10, "the gate opens for what has nothing to be compared with"
    assert rig.pipeline.cost.decode.value_s < 0.5, "what the other size cost is forgotten"
    assert [record.message for record in caplog.records] == ["Camera Gate: its pictures are 1280x720 now, not 640x360"]
    rig.pipeline.stop()
    assert rig.ledger.snapshot().balanced


def test_the_size_of_a_damaged_picture_is_not_believed() -> None:
    rig = scripted()
    feeder = Feeder(rig)
    feeder.put(picture(640, 360))
    feeder.put(replace(picture(32, 16), corrupt=True))
    feeder.put(picture(640, 360))
    assert rig.pipeline.picture_wh == (640, 360)
    assert rig.ledger.tracks_started == 1
    assert rig.ledger.frames[FrameFate.CORRUPT] == 1


def test_a_region_outside_the_new_pictures_is_told(caplog: pytest.LogCaptureFixture) -> None:
    rig = scripted(roi=PictureRegion(900, 400, 200, 200))
    feeder = Feeder(rig, stream=replace(STREAM, width=1280, height=720))
    feeder.put(picture(1280, 720))
    assert "lies outside" not in caplog.text
    feeder.put(picture(640, 360))
    assert "lies outside its picture of 640x360 pixels" in caplog.text


def test_a_stream_that_does_not_know_its_size_is_taken_at_its_first_picture(caplog: pytest.LogCaptureFixture) -> None:
    rig = scripted(roi=PictureRegion(10, 10, 200, 200))
    feeder = Feeder(rig, stream=replace(STREAM, width=0, height=0))
    feeder.put(replace(picture(640, 360), is_key=False))
    assert rig.pipeline.picture_wh == (0, 0)
    assert rig.pipeline.load_status().input_width == 0
    feeder.put_all([picture(640, 360), picture(640, 360)])
    assert rig.pipeline.picture_wh == (640, 360)
    assert rig.pipeline.load_status().input_width == 640
    assert rig.ledger.tracks_started == 1
    assert "lies outside" not in caplog.text


def test_how_long_nothing_could_be_decoded() -> None:
    rig = scripted()
    feeder = Feeder(rig)
    feeder.put(picture(640, 360))
    assert rig.pipeline.undecodable_s == 0.0
    feeder.put_all([BLIND] * 31)
    assert rig.pipeline.undecodable_s == pytest.approx(1.0)
    rig.clock.advance(100.0)
    assert rig.pipeline.undecodable_s == pytest.approx(1.0), "nothing comes: that is another fault"
    feeder.put(picture(640, 360))
    assert rig.pipeline.undecodable_s == 0.0
    feeder.put_all([BLIND] * 2)
    assert rig.pipeline.undecodable_s == pytest.approx(FRAME_S)
    feeder.put(replace(BLIND, is_key=False), discontinuity=True)
    assert rig.pipeline.undecodable_s == 0.0, "another stream: it waits for its key frame"


def test_pictures_held_back_by_the_decoder_are_no_fault_for_long() -> None:
    rig = LonePipeline(decoders=lambda stream: ScriptedDecoder(stream, delay=3))
    feeder = Feeder(rig)
    feeder.put_all([picture(640, 360)] * 3)
    assert rig.pipeline.undecodable_s == pytest.approx(2 * FRAME_S)
    feeder.put(picture(640, 360))
    assert rig.pipeline.undecodable_s == 0.0


def test_without_a_decoder_nothing_can_be_decoded() -> None:
    def none(_: StreamInfo) -> VideoDecoder:
        raise SourceUnreachable("no decoder for codec %(codec)s", codec="smell")

    rig = LonePipeline(decoders=none)
    Feeder(rig).put_all([picture(640, 360)] * 31)
    assert rig.ledger.skip_reasons == {NO_DECODER: 31}
    assert rig.pipeline.undecodable_s == pytest.approx(1.0)


def test_how_long_it_waits_for_its_first_key_frame() -> None:
    rig = scripted()
    feeder = Feeder(rig)
    feeder.put_all([replace(picture(640, 360), is_key=False)] * 61)
    assert rig.pipeline.waits_for_key_s == pytest.approx(2.0)
    assert rig.pipeline.undecodable_s == 0.0
    assert rig.ledger.skip_reasons == {NO_KEY_FRAME: 61}
    feeder.put(picture(640, 360))
    assert rig.pipeline.waits_for_key_s == 0.0
    feeder.put_all([replace(picture(640, 360), is_key=False)] * 10)
    assert rig.pipeline.waits_for_key_s == 0.0


def test_a_wait_for_a_key_frame_that_overload_caused_is_not_the_cameras_fault() -> None:
    rig = scripted()
    feeder = Feeder(rig)
    feeder.put(picture(640, 360))
    late = replace(picture(640, 360), is_key=False)
    rig.pipeline.queue.put(packet(CameraId("gate"), 1, clock=rig.clock, script=late, discontinuity=False))
    rig.pipeline.skip_to_key(LoadReason.FRAMES_WAIT, also_to_come=True)
    feeder.put_all([late] * 30)
    assert rig.ledger.skip_reasons[OVERLOAD] == 31
    assert rig.pipeline.waits_for_key_s == 0.0


def test_a_stretch_lasts_from_the_first_to_the_latest() -> None:
    stretch = Stretch()
    assert stretch.length_s == 0.0
    stretch.extend(5.0)
    assert stretch.length_s == 0.0
    stretch.extend(8.0)
    assert stretch.length_s == 3.0
    stretch.end()
    assert stretch.length_s == 0.0
    stretch.extend(9.0)
    assert stretch.length_s == 0.0
