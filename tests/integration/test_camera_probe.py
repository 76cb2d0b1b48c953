"""Probing a camera: through the source and decoder of a run, with its own settings; why there is no picture."""

import contextlib
from io import BytesIO
from pathlib import Path

import av
import pytest

from rtsp import Mount, RtspSite, make_feed, needs_rtsp_server
from vigia.application.call_guard import CallGuard
from vigia.application.errors import SourceStalled, SourceUnreachable
from vigia.bootstrap import capacity
from vigia.bootstrap.camera_probe import first_picture, jpeg_of, probe_camera, probe_cost, with_transport
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.parts import detector_factory
from vigia.domain.camera import Camera, CameraId, CameraOverride, OverrideOrigin
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.video.inspection import inspect_source

CLOCK = SystemClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    empty = tmp_path / "empty.yaml"
    empty.write_text("{}\n", encoding="utf-8")
    overrides = {"detector.model": "centerface", "source.first_frame_timeout_s": "1.5"}
    return load_settings(empty, env_file=None, environ={}, overrides=overrides)


def camera(url: str, **own: str | int) -> Camera:
    overrides = tuple(CameraOverride(name, value, OverrideOrigin.CAMERA) for name, value in own.items())
    return Camera(CameraId("gate"), "Gate", url, overrides=overrides)


def test_a_file_is_probed_as_a_camera_and_its_cost_measured(
    settings: Settings, clips: list[DemoClip], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "WORK_S", 0.4)
    found = probe_camera(settings, camera(str(clips[0].path)), seconds=1.2, clock=CLOCK)
    assert (found.stream.codec, found.pixel_format, found.damaged) == ("h264", "yuv420p", 0)
    assert found.figures.fps == pytest.approx(15.0, rel=0.05)
    assert found.figures.seconds == pytest.approx(1.2, abs=0.3)
    cost = probe_cost(settings, found, detector_factory(settings), clock=CLOCK)
    assert cost is not None
    assert cost.fps == found.figures.fps
    assert cost.detect_s > cost.decode_s > 0.0


def test_the_end_of_a_short_file_ends_the_probe(settings: Settings, clips: list[DemoClip], tmp_path: Path) -> None:
    short = tmp_path / "short.mp4"
    with av.open(str(clips[0].path)) as source, av.open(str(short), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(source.streams.video[0])):
            if number < 5 and packet.size:
                packet.stream = stream
                target.mux(packet)
    found = probe_camera(settings, camera(str(short)), seconds=30.0, clock=CLOCK)
    assert found.figures.packets == 5
    assert probe_cost(settings, found, lambda: pytest.fail("too few"), clock=CLOCK) is None


def test_the_first_picture_in_the_cameras_own_quality(settings: Settings, clips: list[DemoClip]) -> None:
    url = str(clips[0].path)
    taken = first_picture(settings, camera(url), clock=CLOCK)
    fine, coarse = (jpeg_of(settings, camera(url, jpeg_quality=quality), taken.picture) for quality in (95, 10))
    assert len(coarse) < len(fine) / 2
    with av.open(BytesIO(fine), mode="r") as container:
        picture = next(container.decode(video=0))
    assert (picture.width, picture.height) == (taken.picture.width, taken.picture.height)


def test_a_transport_that_is_asked_for_comes_before_the_settings(settings: Settings) -> None:
    hot_path = HotPath(settings, clock=CLOCK)
    tcp = camera("rtsp://h/s", rtsp_transport="tcp")
    assert hot_path.source_options(with_transport(tcp, "udp")).rtsp_transport == "udp"
    assert with_transport(tcp, None) is tcp


def test_a_file_that_is_not_there(settings: Settings) -> None:
    with pytest.raises(SourceUnreachable):
        first_picture(settings, camera("/nowhere.mp4"), clock=CLOCK)
    assert inspect_source(camera("/nowhere.mp4"), HotPath(settings, clock=CLOCK).source_options(camera("/x"))) is None


@needs_rtsp_server
def test_a_stream_whose_next_key_frame_is_far_off_gives_no_picture_and_says_so(
    settings: Settings, tmp_path: Path
) -> None:
    feed = make_feed(tmp_path / "rare.feed", fps=10, seconds=30.0, gop=1000)
    gate = Mount("gate", feed, shared=True)
    with RtspSite([gate], tmp_path) as site:
        url = site.url("gate")
        viewer = HotPath(settings, clock=CLOCK).make_source(camera(url), CallGuard(CLOCK), 0)
        with contextlib.closing(viewer):
            viewer.open()
            next(viewer.packets())  # who comes now is too late for the only key frame
            with pytest.raises(SourceStalled, match=r"no picture|no key frame"):
                probe_camera(settings, camera(url), seconds=1.0, clock=CLOCK)
