"""AvFrameSource on what cameras and encoders send over HTTP: MJPEG parts, MPEG-TS that changes or falls half silent."""

import itertools
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import av
import pytest
from av.packet import PacketSideData, PktSideDataT
from av.stream import Discard

from lone_pipeline import LonePipeline
from rtsp import code, textures
from tiny_server import serving
from vigia.application.errors import SourceEnded, SourceStalled
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet
from vigia.domain.ledger import FrameFate
from vigia.domain.stream_clock import StampVerdict
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.video import video_choice
from vigia.infrastructure.video.camera_clock import CameraClock
from vigia.infrastructure.video.source import AvFrameSource
from vigia.infrastructure.video.source_options import Pace, SourceOptions
from vigia.testing.sim_clock import SimClock

FPS = 15
SIZE_WH = (160, 96)
TS = 188
PRFT = get_args(PktSideDataT).index("prft")


def transport_stream(
    path: Path, *, codec: str = "libx264", pid: int = 256, seconds: float = 2.0, sound_s: float = 0.0,
    size_wh: tuple[int, int] = SIZE_WH, begin_s: float = 0.0,
) -> bytes:  # fmt: skip
    """An MPEG-TS of a moving texture, with a tone of silence where ``sound_s`` is not 0."""
    quiet = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0:keyint=15:pools=none", "bf": "0"}
    with av.open(str(path), "w", format="mpegts", options={"mpegts_start_pid": str(pid)}) as container:
        video = container.add_stream(codec, rate=FPS, options=quiet)
        assert isinstance(video, av.VideoStream)
        video.width, video.height = size_wh
        video.pix_fmt, video.gop_size = "yuv420p", 15
        sound = container.add_stream("mp2", rate=48_000) if sound_s else None
        heard, pictures = 0, textures(size_wh, round(seconds * FPS))
        for number in range(round(max(seconds, sound_s) * FPS)):
            if number < round(seconds * FPS):
                frame = next(pictures).reformat(format="yuv420p")
                frame.pts, frame.time_base = number + round(begin_s * FPS), Fraction(1, FPS)
                container.mux(video.encode(frame))
            while sound is not None and heard / 48_000 < number / FPS:
                silence = av.AudioFrame(format="s16", layout="stereo", samples=1152)
                for plane in silence.planes:
                    plane.update(bytes(plane.buffer_size))
                silence.pts, silence.sample_rate, silence.time_base = heard, 48_000, Fraction(1, 48_000)
                container.mux(sound.encode(silence))
                heard += 1152
        container.mux(video.encode(None))
    return path.read_bytes()


@contextmanager
def camera(pieces: Sequence[tuple[float, bytes]], content_type: str, *, clock: SimClock | None = None,
           read_timeout_s: float = 5.0) -> Iterator[AvFrameSource]:  # fmt: skip
    """A source on a server that sends each piece after a pause, then stays connected."""

    def answer(connection: socket.socket, release: threading.Event) -> None:
        connection.sendall(f"HTTP/1.0 200 OK\r\nContent-Type: {content_type}\r\n\r\n".encode())
        try:
            for pause_s, piece in pieces:
                if release.wait(pause_s):
                    return
                connection.sendall(piece)
        except OSError:
            return  # the viewer has gone
        release.wait(30.0)

    with serving(answer) as server:
        source = AvFrameSource(
            Camera(CameraId("gate"), "Gate", f"http://127.0.0.1:{server.port}/live"),
            clock=clock or SystemClock(),
            options=SourceOptions(open_timeout_s=5.0, read_timeout_s=read_timeout_s),
        )
        yield source
        source.close()


def test_mjpeg_parts_are_pictures_taken_when_they_came() -> None:
    pictures = [unit[3] for unit in code(textures(SIZE_WH, 20), codec="mjpeg", size_wh=SIZE_WH, fps=FPS)]
    parts = [
        (0.02, b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg))
        for jpeg in pictures
    ]
    rig = LonePipeline()
    with camera(parts, "multipart/x-mixed-replace; boundary=next", read_timeout_s=1.0) as source:
        assert isinstance(rig.play(source), SourceStalled)
    # The last part is known to be complete only when the next one begins.
    assert rig.ledger.frames[FrameFate.DETECTED] in {19, 20}
    assert source.stamps[StampVerdict.MISSING] == rig.ledger.received
    assert all(frame.at_mono_s == frame.received_mono_s for frame in rig.frames)


@pytest.mark.parametrize("before", ["libx264", "libx265"])
@pytest.mark.parametrize("other_pid", [False, True], ids=["same-pid", "other-pid"])
def test_a_program_that_changes_its_codec_has_ended(tmp_path: Path, before: str, *, other_pid: bool) -> None:
    after = "libx265" if before == "libx264" else "libx264"
    data = transport_stream(tmp_path / "before.ts", codec=before) + transport_stream(
        tmp_path / "after.ts", codec=after, pid=300 if other_pid else 256, begin_s=2.0
    )
    with camera([(0.0, data)], "video/mp2t") as source:
        stream = source.open()
        assert stream.codec == {"libx264": "h264", "libx265": "hevc"}[before]
        with pytest.raises(SourceEnded, match=r"changed its codec from (h264 to hevc|hevc to h264)"):
            list(source.packets())


def test_a_program_that_moves_and_changes_its_size_goes_on(tmp_path: Path) -> None:
    data = transport_stream(tmp_path / "before.ts") + transport_stream(
        tmp_path / "after.ts", pid=300, size_wh=(320, 192), begin_s=2.0
    )
    rig = LonePipeline()
    with camera([(0.0, data)], "video/mp2t", read_timeout_s=1.0) as source:
        assert isinstance(rig.play(source), SourceStalled)
    assert [size for size, _ in itertools.groupby(frame.size_wh for frame in rig.frames)] == [SIZE_WH, (320, 192)]
    assert rig.ledger.frames[FrameFate.DETECTED] >= 4 * FPS - 2
    assert rig.ledger.frames[FrameFate.CORRUPT] <= 1, "the picture that was under way"


@pytest.mark.parametrize(
    ("begins_s", "verdicts"),
    [
        ((0.0, 5000.0), [StampVerdict.JUMP]),
        ((50.0, 0.0), [StampVerdict.BACKWARD]),
        ((0.0, 5000.0, 2.0), [StampVerdict.JUMP, StampVerdict.BACKWARD]),
        ((5000.0, 0.0), [StampVerdict.JUMP]),  # FFmpeg takes it for a wrap
    ],
    ids=["forward", "back", "forth-and-back", "far-back"],
)
def test_stamps_that_leap_cost_no_picture_and_no_time(
    tmp_path: Path, begins_s: tuple[float, ...], verdicts: list[StampVerdict]
) -> None:
    data = [transport_stream(tmp_path / f"{n}.ts", begin_s=begin_s) for n, begin_s in enumerate(begins_s)]
    rig = LonePipeline()
    with camera([(0.0, piece) for piece in data], "video/mp2t", read_timeout_s=1.0) as source:
        assert isinstance(rig.play(source), SourceStalled)
    assert rig.ledger.frames[FrameFate.DETECTED] >= 2 * FPS * len(begins_s) - len(begins_s)
    assert [verdict for verdict in verdicts if source.stamps[verdict] != verdicts.count(verdict)] == []
    assert source.bad_stamps == len(verdicts)
    moments = [frame.at_mono_s for frame in rig.frames]
    assert moments == sorted(moments)
    assert moments[-1] - moments[0] < 10.0


@pytest.mark.parametrize("discarded", [True, False], ids=["left-out", "read"])
def test_sound_that_goes_on_does_not_hide_that_the_pictures_have_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, discarded: bool
) -> None:
    if not discarded:  # as in a format that cannot leave streams out
        monkeypatch.setattr(video_choice, "LEFT_OUT", Discard.default)
    data = transport_stream(tmp_path / "half.ts", seconds=2.0, sound_s=60.0)
    begin = data[: 600 * TS]
    rest = [(0.01, data[at : at + 4 * TS]) for at in range(len(begin), len(data), 4 * TS)]
    taken: list[Packet] = []
    with camera([(0.0, begin), *rest], "video/mp2t", read_timeout_s=1.0) as source:
        source.open()
        with pytest.raises(SourceStalled, match="sent nothing for 1 s"):
            taken.extend(source.packets())
    assert {packet.stream.codec for packet in taken} == {"h264"}
    assert len(taken) <= 2 * FPS
    assert SystemClock().mono_s() - taken[-2].received_mono_s < 4.0, "the last one may come when the wait is over"


def test_the_largest_video_is_the_cameras_and_a_cover_is_none(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        small = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        large = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        for stream, size_wh in ((small, (160, 96)), (large, (320, 192))):
            stream.width, stream.height = size_wh
            stream.pix_fmt = "yuv420p"
        for stream, size_wh in ((small, (160, 96)), (large, (320, 192))):
            for number, picture in enumerate(textures(size_wh, 10)):
                frame = picture.reformat(format="yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    rig = LonePipeline()
    options = SourceOptions(pace=Pace.FLAT_OUT)
    assert isinstance(
        rig.play(AvFrameSource(Camera(CameraId("gate"), "Gate", str(path)), clock=rig.clock, options=options)),
        SourceEnded,
    )
    assert {frame.size_wh for frame in rig.frames} == {(320, 192)}
    assert len(rig.frames) == 10


def packet_told_at(wall_us: int) -> Any:
    told = PacketSideData(PRFT, 16)  # type: ignore[call-arg]
    told.update(struct.pack("=qi4x", wall_us, 24))
    packet: Any = av.Packet(b"coded")
    packet.set_sidedata(told)
    assert packet.has_sidedata("prft")
    return packet


def test_a_cameras_clock_is_looked_at_once_a_second() -> None:
    clock, camera_clock = SimClock(), CameraClock()
    utc_us = round(clock.utc().timestamp() * 1e6)
    camera_clock.learn(av.Packet(b"coded"), clock.utc(), 10.0)
    assert camera_clock.off_s is None
    camera_clock.learn(packet_told_at(utc_us + 90_000_000), clock.utc(), 10.5)
    assert camera_clock.off_s is None, "looked at half a second ago"
    camera_clock.learn(packet_told_at(utc_us + 90_000_000), clock.utc(), 11.0)
    assert camera_clock.off_s == pytest.approx(90.0, abs=1e-3)
    camera_clock.learn(av.Packet(b"coded"), clock.utc(), 12.5)
    assert camera_clock.off_s == pytest.approx(90.0, abs=1e-3), "a packet that says nothing changes nothing"
    camera_clock.learn(packet_told_at(utc_us - 5_000_000), clock.utc(), 14.0)
    assert camera_clock.off_s == pytest.approx(-5.0, abs=1e-3)
