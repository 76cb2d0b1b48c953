"""A real RTSP server (GStreamer's): packets arrive; every way of failing has its own error, without the password."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rtsp import Mount, RtspSite, make_feed, needs_rtsp_server, pictures_of
from running import SECRET
from vigia.application.errors import SourceAuthFailed, SourceEnded, SourceError, SourceStalled, SourceUnreachable
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.source import AvFrameSource, SourceOptions

pytestmark = needs_rtsp_server


@pytest.fixture(scope="module")
def feed(clips: list[DemoClip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_feed(tmp_path_factory.mktemp("feeds") / "live.feed", pictures=pictures_of(clips[0].path))


@pytest.fixture
def site(feed: Path, tmp_path: Path) -> Iterator[RtspSite]:
    with RtspSite([Mount("live", feed)], tmp_path) as site:
        yield site


def source(url: str, *, read_s: float = 5.0) -> AvFrameSource:
    options = SourceOptions(open_timeout_s=8.0, read_timeout_s=read_s)
    return AvFrameSource(Camera(CameraId("1"), "Gate", url), clock=SystemClock(), options=options)


def told(error: BaseException) -> str:
    """Everything that a log could show of an error, causes included."""
    texts = []
    following: BaseException | None = error
    while following is not None:
        texts += [str(following), repr(following)]
        following = following.__cause__
    return " ".join(texts)


def test_frames_arrive_over_tcp(site: RtspSite) -> None:
    camera = source(site.url("live"))
    stream = camera.open()
    assert (stream.codec, stream.width, stream.height, stream.live) == ("h264", 320, 180, True)
    decoder = AvVideoDecoder(stream)
    frames, last_s = 0, 0.0
    for packet in camera.packets():
        assert packet.received_mono_s >= last_s
        last_s = packet.received_mono_s
        assert packet.discontinuity is (packet.index == 0)
        frames += len(decoder.decode(packet).frames)
        if frames == 30:
            break
    camera.close()


def test_the_right_password_opens_and_a_wrong_one_is_its_own_error(feed: Path, tmp_path: Path) -> None:
    with RtspSite([Mount("live", feed)], tmp_path, account=("admin", SECRET)) as site:
        good = source(site.url("live"))
        good.open()
        next(good.packets())
        good.close()
        bad = source(site.url("live", ("admin", f"not-{SECRET}")))
        with pytest.raises(SourceAuthFailed) as refused:
            bad.open()
    assert SECRET not in told(refused.value) + repr(bad)
    assert "127.0.0.1" in str(refused.value)


def test_an_unknown_mount_and_a_closed_port_are_unreachable(site: RtspSite) -> None:
    with pytest.raises(SourceUnreachable):
        source(site.url("nothing")).open()
    site.kill()
    with pytest.raises(SourceUnreachable) as refused:
        source(site.url("live", ("admin", SECRET))).open()
    assert SECRET not in told(refused.value)


def test_a_killed_server_ends_the_stream(site: RtspSite) -> None:
    camera = source(site.url("live"))
    camera.open()
    packets = camera.packets()
    next(packets)
    site.kill()
    with pytest.raises(SourceError) as ended:
        for _ in packets:
            pass
    assert isinstance(ended.value, SourceEnded | SourceStalled)
    camera.close()


def test_a_frozen_server_is_stalled_and_does_not_hang(site: RtspSite) -> None:
    camera = source(site.url("live"), read_s=2.0)
    camera.open()
    packets = camera.packets()
    next(packets)
    site.freeze()
    with pytest.raises(SourceStalled):
        for _ in packets:
            pass
    camera.close()
