"""A site of RTSP cameras for tests: GStreamer's real server as a process, playing what ``make_feed`` coded.

feed = make_feed(tmp_path / "gate.feed", codec="h265")
with RtspSite([Mount("cam0", feed), Mount("cam1", feed, sound=True)], tmp_path) as site:
    url = site.url("cam0")
    site.freeze()  # SIGSTOP
    site.restart(account=("admin", "new"))  # on the same port
"""

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote

import av
import numpy as np
import pytest
import trustme
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = Path(__file__).resolve().parent / "rtsp_server.py"
PROBE = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
START_S = 30.0
Account = tuple[str, str]
"""User and password."""
ANYBODY: Account = ("", "")
Codec = Literal["h264", "h265", "mjpeg"]
Unit = tuple[float, float | None, float | None, bytes]
"""When it is sent, seconds from the feed's start; its PTS and DTS, or None; one coded picture."""
ENCODERS: dict[Codec, str] = {"h264": "libx264", "h265": "libx265", "mjpeg": "mjpeg"}


@cache
def gstreamer_is_there() -> bool:
    """True when the server can run here."""
    try:
        done = subprocess.run([SYSTEM_PYTHON, "-c", PROBE], capture_output=True, timeout=30, check=False)
    except OSError:
        return False
    return done.returncode == 0


needs_rtsp_server = pytest.mark.skipif(
    not os.environ.get("CI") and not gstreamer_is_there(), reason="GStreamer's RTSP server is not installed"
)
"""For ``pytestmark``. In CI nothing is skipped."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One camera of the site.

    Args:
        name: the path below the server, such as ``cam0``.
        feed: what it plays, from ``make_feed`` or ``write_feed``.
        sound: a silent audio track beside the pictures.
        loop: begin again at the end; else the stream ends there.
        shared: all viewers see the same present; else each sees the feed from its start.
    """

    name: str
    feed: Path
    sound: bool = False
    loop: bool = True
    shared: bool = False


class RtspSite:
    """The server's process. One thread at a time.

    Args:
        mounts: its cameras.
        directory: for its files.
        account: who may see them; everybody when not given.
        digest: asks for Digest instead of Basic.
        tls: ``rtsps`` with a certificate for 127.0.0.1 that no system trusts; ``ca_path`` has its authority.
    """

    def __init__(
        self,
        mounts: Sequence[Mount],
        directory: Path,
        *,
        account: Account | None = None,
        digest: bool = False,
        tls: bool = False,
    ) -> None:
        self.mounts = tuple(mounts)
        self.account = account if account is not None else ANYBODY
        self.digest = digest
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.ca_path: Path | None = None
        self._directory = directory
        self._certificate_path: Path | None = None
        if tls:
            self._make_certificate()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start the server, on the port that it had before, and wait until it listens."""
        assert self.process is None, "it runs already"
        file = self._directory / "site.json"
        file.write_text(json.dumps(self._document()), encoding="utf-8")
        command = [SYSTEM_PYTHON, str(SERVER), str(file)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self._answer())

    def kill(self) -> None:
        """End it at once, frozen or not: its cameras close their connections."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()

    def restart(self, *, account: Account | None = None) -> None:
        """Kill it and start it again on the same port, with another account when one is given."""
        self.kill()
        if account is not None:
            self.account = account
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing comes."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def hold(self, name: str) -> None:
        """One camera sends no pictures any more; its sound, if it has any, goes on."""
        self._order(f"hold {name}")

    def release(self, name: str) -> None:
        """It sends pictures again: all that it held back at once."""
        self._order(f"release {name}")

    def remove(self, name: str) -> None:
        """Its path is unknown from now on (404); who is connected stays so."""
        self._order(f"remove {name}")

    def url(self, mount: str, account: Account | None = None) -> str:
        """A mount's URL with the site's own account, or another; ``ANYBODY`` for none."""
        user, password = account if account is not None else self.account
        userinfo = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        scheme = "rtsps" if self._certificate_path is not None else "rtsp"
        return f"{scheme}://{userinfo}127.0.0.1:{self.port}/{mount}"

    def _document(self) -> dict[str, object]:
        certificate = self._certificate_path
        return {
            "port": self.port,
            "user": self.account[0],
            "password": self.account[1],
            "digest": self.digest,
            "certificate": None if certificate is None else str(certificate),
            "mounts": [{**asdict(mount), "feed": str(mount.feed)} for mount in self.mounts],
        }

    def _make_certificate(self) -> None:
        authority = trustme.CA()
        self._certificate_path, self.ca_path = self._directory / "server.pem", self._directory / "ca.pem"
        authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
            str(self._certificate_path)
        )
        authority.cert_pem.write_to_path(str(self.ca_path))

    def _order(self, line: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        assert self._answer() == "done"

    def _answer(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], START_S)[0], "the RTSP server does not answer"
        line = self.process.stdout.readline().decode().strip()
        assert line, "the RTSP server ended"
        return line


def make_feed(
    path: Path,
    *,
    codec: Codec = "h264",
    pictures: Iterable[av.VideoFrame] | None = None,
    size_wh: tuple[int, int] = (320, 180),
    fps: int = 15,
    seconds: float = 4.0,
    gop: int = 15,
    b_frames: int = 0,
) -> Path:
    """Code pictures (a moving texture when none are given) as a camera does; return ``path``."""
    if pictures is None:
        pictures = textures(size_wh, round(seconds * fps))
    units = code(pictures, codec=codec, size_wh=size_wh, fps=fps, gop=gop, b_frames=b_frames)
    return write_feed(path, units, codec=codec, duration_s=len(units) / fps)


def write_feed(path: Path, units: Sequence[Unit], *, codec: Codec, duration_s: float) -> Path:
    """Write units to a file for ``Mount.feed``; their times may be as strange as a test needs them."""
    header = {
        "codec": codec,
        "duration_s": duration_s,
        "units": [(due_s, pts_s, dts_s, len(data)) for due_s, pts_s, dts_s, data in units],
    }
    path.write_bytes(json.dumps(header).encode() + b"\n" + b"".join(data for *_, data in units))
    return path


def code(
    pictures: Iterable[av.VideoFrame],
    *,
    codec: Codec,
    size_wh: tuple[int, int],
    fps: int,
    gop: int = 15,
    b_frames: int = 0,
) -> list[Unit]:
    """Coded pictures in the order in which they are sent, each due at its DTS, parameter sets in every key frame."""
    context = CodecContext.create(ENCODERS[codec], "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = size_wh
    context.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    context.time_base, context.framerate, context.gop_size = Fraction(1, fps), Fraction(fps), gop
    context.thread_count = 1
    context.max_b_frames = b_frames
    if codec == "h264":
        context.options = {"preset": "veryfast", "bf": str(b_frames), "b-adapt": "0", "sc_threshold": "0"}
    elif codec == "h265":
        quiet = f"log-level=none:bframes={b_frames}:b-adapt=0:keyint={gop}:min-keyint={gop}:scenecut=0:pools=none"
        context.options = {"preset": "ultrafast", "x265-params": quiet}
    packets = []
    for number, picture in enumerate(pictures):
        frame = picture.reformat(*size_wh, format=context.pix_fmt)
        frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, fps), av.video.frame.PictureType.NONE
        packets += context.encode(frame)
    packets += context.encode(None)
    first = min(packet.dts or 0 for packet in packets)
    units: list[Unit] = []
    for packet in packets:
        dts_s, pts_s = ((packet.dts or 0) - first) / fps, ((packet.pts or 0) - first) / fps
        units.append((dts_s, pts_s, dts_s, bytes(packet)))
    return units


def textures(size_wh: tuple[int, int], count: int) -> Iterator[av.VideoFrame]:
    """A moving pattern with something in every packet."""
    width, height = size_wh
    y, x = np.mgrid[0:height, 0:width]
    for number in range(count):
        grey: NDArray[np.float64] = 128 + 60 * np.sin((x + 3 * number) / 5.0) + 40 * np.cos((y - 2 * number) / 7.0)
        yield av.VideoFrame.from_ndarray(np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2), format="rgb24")


def pictures_of(clip: Path) -> Iterator[av.VideoFrame]:
    """The pictures of a video file, a demo clip say."""
    with av.open(str(clip)) as container:
        yield from container.decode(video=0)
