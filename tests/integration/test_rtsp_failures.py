"""A real RTSP server that freezes, dies or refuses: the exact error each time, and the way back."""

import os
import select
import signal
import subprocess
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from running import SECRET
from vigia.application.errors import SourceAuthFailed, SourceEnded, SourceError, SourceStalled, SourceUnreachable
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.video.source import AvFrameSource, SourceOptions

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).resolve().parent.parent / "support" / "rtsp_server.py"
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
READ_S = 1.0


def _gstreamer_is_there() -> bool:
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", PROBE], capture_output=True, timeout=30, check=False)
    except OSError:
        return False
    return done.returncode == 0


pytestmark = pytest.mark.skipif(
    not _gstreamer_is_there() and not os.environ.get("CI"), reason="GStreamer's RTSP server is not installed"
)


@dataclass
class Server:
    """One running server."""

    process: subprocess.Popen[bytes]
    port: int

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


Serve = Callable[..., Server]


@pytest.fixture
def serve(clips: list[DemoClip]) -> Iterator[Serve]:
    running: list[Server] = []

    def start(*account: str) -> Server:
        process = subprocess.Popen([SYSTEM_PYTHON, str(SERVER), str(clips[0].path), *account], stdout=subprocess.PIPE)
        assert process.stdout is not None
        running.append(Server(process, 0))
        assert select.select([process.stdout], [], [], 30)[0], "the RTSP server did not start"
        running[-1].port = int(process.stdout.readline())
        return running[-1]

    yield start
    for server in running:
        server.thaw()
        server.process.kill()
        server.process.wait(10)
        assert server.process.stdout is not None
        server.process.stdout.close()


def source(server: Server, *, account: str = "", mount: str = "live") -> AvFrameSource:
    camera = Camera(CameraId("1"), "Gate", f"rtsp://{account}127.0.0.1:{server.port}/{mount}")
    options = SourceOptions(open_timeout_s=2.0, read_timeout_s=READ_S)
    return AvFrameSource(camera, clock=SystemClock(), options=options)


def everything_told(error: BaseException, told_by: AvFrameSource) -> str:
    """All texts that a log, a traceback or a debugger could show: causes and contexts included."""
    texts = [repr(told_by), *traceback.format_exception(error)]
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is not None:
            texts += [str(link), repr(link), repr(link.args), repr(vars(link))]
            todo += [link.__cause__, link.__context__]
    return "\n".join(texts)


def read_until_error(camera: AvFrameSource, *, after_first: Callable[[], None]) -> SourceError:
    packets = camera.packets()
    next(packets)
    after_first()

    def read() -> None:
        for _ in packets:
            pass

    with pytest.raises(SourceError) as ended:
        read()
    camera.close()
    return ended.value


def test_a_server_that_freezes_is_stalled_within_two_read_time_outs(serve: Serve) -> None:
    server = serve("admin", SECRET)
    camera = source(server, account=f"admin:{SECRET}@")
    camera.open()
    clock = SystemClock()
    frozen_at_s: list[float] = []

    def freeze() -> None:
        server.freeze()
        frozen_at_s.append(clock.mono_s())

    error = read_until_error(camera, after_first=freeze)
    # A bound, not a speed: twice the limit, and what a busy machine needs to wake this process up.
    assert clock.mono_s() - frozen_at_s[0] < 2 * READ_S + 5.0
    assert type(error) is SourceStalled
    assert SECRET not in everything_told(error, camera)


def test_a_server_that_thaws_can_be_opened_again(serve: Serve) -> None:
    server = serve()
    camera = source(server)
    camera.open()
    taken = next(camera.packets())
    server.freeze()
    with pytest.raises(SourceUnreachable, match=r"did not answer|cannot be opened") as caught:
        camera.open()
    assert caught.value.__cause__ is not None
    server.thaw()
    camera.open()
    again = next(camera.packets())
    camera.close()
    assert again.discontinuity
    assert again.index > taken.index


def test_a_killed_servers_stream_has_ended(serve: Serve) -> None:
    server = serve()
    camera = source(server)
    camera.open()
    error = read_until_error(camera, after_first=server.process.kill)
    assert type(error) is SourceEnded


@pytest.mark.parametrize("account", ["admin:wrong-{}@", "nobody:{}@", ""])
def test_who_may_not_see_it_is_refused_and_no_text_has_the_password(serve: Serve, account: str) -> None:
    server = serve("admin", SECRET)
    camera = source(server, account=account.format(SECRET))
    with pytest.raises(SourceAuthFailed, match="refused the user or password") as refused:
        camera.open()
    assert SECRET not in everything_told(refused.value, camera)
    assert f"127.0.0.1:{server.port}" in str(refused.value)


def test_an_unknown_mount_is_unreachable_and_says_what_the_server_said(serve: Serve) -> None:
    camera = source(serve(), account=f"admin:{SECRET}@", mount="nothing")
    with pytest.raises(SourceUnreachable, match="404") as caught:
        camera.open()
    assert SECRET not in everything_told(caught.value, camera)


def test_two_viewers_do_not_disturb_each_other(serve: Serve) -> None:
    server = serve()
    first, second = source(server), source(server)
    first.open()
    second.open()
    here, there = first.packets(), second.packets()
    numbers = [(next(here).index, next(there).index) for _ in range(5)]
    first.close()
    numbers += [(5, next(there).index)]
    second.close()
    assert numbers == [(n, n) for n in range(6)]
