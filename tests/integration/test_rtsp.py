"""A real RTSP server (GStreamer's): packets arrive; every way of failing has its own error, without the password."""

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from running import SECRET
from vigia.application.errors import SourceAuthFailed, SourceEnded, SourceError, SourceStalled, SourceUnreachable
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip, DemoSpec, generate_clips
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.source import AvFrameSource, SourceOptions

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).resolve().parent.parent / "support" / "rtsp_server.py"
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def _gstreamer_is_there() -> bool:
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", PROBE], capture_output=True, timeout=30, check=False)
    except OSError:
        return False
    return done.returncode == 0


pytestmark = pytest.mark.skipif(
    not _gstreamer_is_there() and not os.environ.get("CI"), reason="GStreamer's RTSP server is not installed"
)

Server = tuple[subprocess.Popen[bytes], int]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> DemoClip:
    spec = DemoSpec(count=1, width=320, height=180, fps=15, duration_s=20.0, passages=(1, 1), crossings=0)
    return generate_clips(spec, tmp_path_factory.mktemp("rtsp"))[0]


@pytest.fixture
def serve(clip: DemoClip) -> Iterator[Callable[..., Server]]:
    running: list[subprocess.Popen[bytes]] = []

    def start(*account: str) -> Server:
        process = subprocess.Popen([SYSTEM_PYTHON, str(SERVER), str(clip.path), *account], stdout=subprocess.PIPE)
        running.append(process)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 30)[0], "the RTSP server did not start"
        return process, int(process.stdout.readline())

    yield start
    for process in running:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def source(port: int, *, account: str = "", mount: str = "live", read_s: float = 5.0) -> AvFrameSource:
    camera = Camera(CameraId("1"), "Gate", f"rtsp://{account}127.0.0.1:{port}/{mount}")
    return AvFrameSource(camera, clock=SystemClock(), options=SourceOptions(open_timeout_s=8.0, read_timeout_s=read_s))


def told(error: BaseException) -> str:
    """Everything that a log could show of an error, causes included."""
    texts = []
    following: BaseException | None = error
    while following is not None:
        texts += [str(following), repr(following)]
        following = following.__cause__
    return " ".join(texts)


def test_frames_arrive_over_tcp(serve: Callable[..., Server]) -> None:
    _, port = serve()
    camera = source(port)
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


def test_the_right_password_opens_and_a_wrong_one_is_its_own_error(serve: Callable[..., Server]) -> None:
    _, port = serve("admin", SECRET)
    good = source(port, account=f"admin:{SECRET}@")
    good.open()
    next(good.packets())
    good.close()
    bad = source(port, account=f"admin:not-{SECRET}@")
    with pytest.raises(SourceAuthFailed) as refused:
        bad.open()
    assert SECRET not in told(refused.value) + repr(bad)
    assert "127.0.0.1" in str(refused.value)


def test_an_unknown_mount_and_a_closed_port_are_unreachable(serve: Callable[..., Server]) -> None:
    process, port = serve()
    with pytest.raises(SourceUnreachable):
        source(port, mount="nothing").open()
    process.kill()
    process.wait(10)
    with pytest.raises(SourceUnreachable) as refused:
        source(port, account=f"admin:{SECRET}@").open()
    assert SECRET not in told(refused.value)


def test_a_killed_server_ends_the_stream(serve: Callable[..., Server]) -> None:
    process, port = serve()
    camera = source(port)
    camera.open()
    packets = camera.packets()
    next(packets)
    process.kill()
    with pytest.raises(SourceError) as ended:
        for _ in packets:
            pass
    assert isinstance(ended.value, SourceEnded | SourceStalled)
    camera.close()


def test_a_frozen_server_is_stalled_and_does_not_hang(serve: Callable[..., Server]) -> None:
    process, port = serve()
    camera = source(port, read_s=2.0)
    camera.open()
    packets = camera.packets()
    next(packets)
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(SourceStalled):
        for _ in packets:
            pass
    camera.close()
