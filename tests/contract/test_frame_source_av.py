"""AvFrameSource: files once, looped, paced and flat out; what is no video; a server that falls silent; secrets."""

import itertools
import socket
import threading
import traceback
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tiny_server import hold, serving
from vigia.application.errors import SourceAuthFailed, SourceEnded, SourceError, SourceStalled, SourceUnreachable
from vigia.application.service import LoopService
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet
from vigia.domain.stream_clock import LAG_MAX_S, StampVerdict
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.video.source import AvFrameSource, Pace, SourceOptions
from vigia.testing.sim_clock import SimClock

FRAMES = 15
FPS = 30
ONCE = SourceOptions(pace=Pace.FLAT_OUT)
LOOPED = SourceOptions(pace=Pace.FLAT_OUT, loop=True)


def write_clip(path: Path, *, container_format: str | None = None, b_frames: int = 0) -> Path:
    with av.open(str(path), "w", format=container_format) as container:
        options = {"preset": "veryfast", "bf": str(b_frames), "b-adapt": "0"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 160, 120, "yuv420p", FRAMES
        stream.codec_context.max_b_frames = b_frames
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((180, 160), 20 + 10 * number, np.uint8), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name in ("plain.mp4", "plain.mkv", "plain.ts"):
        write_clip(folder / name)
    write_clip(folder / "plain.h264", container_format="h264")
    write_clip(folder / "reordered.mp4", b_frames=2)
    with av.open(str(folder / "sound.mkv"), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=8000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        silence.rate = 8000
        container.mux(sound.encode(silence))
    (folder / "text.mp4").write_text("no video at all\n" * 50)
    (folder / "empty.mp4").write_bytes(b"")
    return folder


def source_of(
    url: str | Path, *, options: SourceOptions = ONCE, clock: SimClock | SystemClock | None = None
) -> AvFrameSource:
    return AvFrameSource(Camera(CameraId("gate"), "Gate", str(url)), clock=clock or SimClock(), options=options)


def take(source: AvFrameSource, count: int) -> list[Packet]:
    source.open()
    packets = list(itertools.islice(source.packets(), count))
    source.close()
    return packets


@pytest.mark.parametrize("name", ["plain.mp4", "plain.mkv", "plain.ts", "plain.h264", "reordered.mp4"])
def test_a_looped_file_goes_on_in_time_and_begins_anew_each_loop(clips: Path, name: str) -> None:
    packets = take(source_of(clips / name, options=LOOPED), 3 * FRAMES)
    assert [p.index for p in packets] == list(range(3 * FRAMES))
    assert [p.loop for p in packets] == [0] * FRAMES + [1] * FRAMES + [2] * FRAMES
    assert [n for n, p in enumerate(packets) if p.discontinuity] == [0, FRAMES, 2 * FRAMES]
    assert all(packets[n].is_key for n in (0, FRAMES, 2 * FRAMES))
    for loop in range(3):
        assert sorted(p.media_index or 0 for p in packets if p.loop == loop) == list(range(FRAMES))
    period_s = packets[FRAMES].at_mono_s - packets[0].at_mono_s
    for number in range(2 * FRAMES):
        gap_s = packets[number + FRAMES].at_mono_s - packets[number].at_mono_s
        assert gap_s == pytest.approx(period_s, abs=0.002)
    for packet in packets:
        assert packet.at_utc - packets[0].at_utc == pytest.approx(
            timedelta(seconds=packet.at_mono_s - packets[0].at_mono_s), abs=timedelta(milliseconds=1)
        )


def test_the_time_of_a_files_frame_is_its_start_plus_its_pts(clips: Path) -> None:
    clock = SimClock()
    start_s = clock.mono_s()
    packets = take(source_of(clips / "reordered.mp4", clock=clock), FRAMES)
    assert [p.media_index for p in packets] != sorted(p.media_index or 0 for p in packets), "the clip has no B-frames"
    for packet in packets:
        assert packet.at_mono_s == pytest.approx(start_s + (packet.media_index or 0) / FPS, abs=1e-6)
        assert packet.received_mono_s == start_s, "read flat out, no time passes"


def test_a_paced_file_delivers_each_packet_when_it_is_due(clips: Path) -> None:
    clock = SimClock()
    start_s = clock.mono_s()
    packets = take(source_of(clips / "plain.mp4", options=SourceOptions(loop=True), clock=clock), 2 * FRAMES + 1)
    for number, packet in enumerate(packets):
        assert packet.received_mono_s == pytest.approx(start_s + number / FPS, abs=1e-6)
        assert packet.at_mono_s == pytest.approx(packet.received_mono_s, abs=1e-6)
    assert clock.mono_s() == pytest.approx(start_s + 2 * FRAMES / FPS, abs=1e-6)


def test_a_slow_reader_of_a_paced_file_is_not_held_up_further(clips: Path) -> None:
    clock = SimClock()
    source = source_of(clips / "plain.mp4", options=SourceOptions(), clock=clock)
    source.open()
    packets = source.packets()
    next(packets)
    clock.advance(10.0)
    late_s = clock.mono_s()
    assert len(list(itertools.islice(packets, FRAMES - 1))) == FRAMES - 1
    assert clock.mono_s() == late_s
    source.close()


def test_only_a_file_read_flat_out_can_be_asked_to_wait(clips: Path) -> None:
    assert not source_of(clips / "plain.mp4", options=ONCE).open().live
    assert source_of(clips / "plain.mp4", options=SourceOptions()).open().live


def test_interrupt_ends_a_paced_wait(clips: Path) -> None:
    source = source_of(clips / "plain.mp4", options=SourceOptions(loop=True), clock=SystemClock())
    source.open()
    packets = source.packets()
    next(packets)
    ended = threading.Event()
    rest: list[Packet] = []

    def drink() -> None:
        rest.extend(packets)
        ended.set()

    service = LoopService("reader", drink, clock=SystemClock())
    service.start()
    source.interrupt()
    assert ended.wait(20.0), "the reader still waits for the next packet's time"
    assert service.join(20.0)
    assert service.failure is None
    source.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gone.mp4", "No such file"),
        ("text.mp4", "Invalid data"),
        ("empty.mp4", "cannot be opened"),
        ("sound.mkv", "has no video stream"),
        ("", "Is a directory"),
    ],
)
def test_what_is_no_video_cannot_be_opened(clips: Path, name: str, says: str) -> None:
    source = source_of(clips / name)
    with pytest.raises(SourceUnreachable, match=says):
        source.open()
    with pytest.raises(SourceUnreachable, match="is not open"):
        next(source.packets())


def test_a_file_that_ends_says_so_and_can_be_opened_again(clips: Path) -> None:
    source = source_of(clips / "plain.mp4")
    source.open()
    packets = source.packets()
    assert len(list(itertools.islice(packets, FRAMES))) == FRAMES
    with pytest.raises(SourceEnded, match="played to its end"):
        next(packets)
    assert take(source, 1)[0].discontinuity


def test_a_loop_over_a_file_that_is_gone_meanwhile_is_told_as_a_source_error(clips: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.h264"
    path.write_bytes((clips / "plain.h264").read_bytes())
    source = source_of(path, options=LOOPED)
    source.open()
    packets = source.packets()
    next(packets)
    path.unlink()
    with pytest.raises(SourceUnreachable):
        list(itertools.islice(packets, FRAMES))
    source.close()


def test_a_silent_server_is_unreachable_after_the_open_time_out() -> None:
    options = SourceOptions(open_timeout_s=0.5, read_timeout_s=0.5)
    with serving(hold) as server:
        source = source_of(f"http://admin:s3cret@127.0.0.1:{server.port}/live", options=options, clock=SystemClock())
        with pytest.raises(SourceUnreachable, match="did not answer within") as caught:
            source.open()
    assert_keeps_secret(caught.value, source)


def test_a_stream_that_falls_silent_is_stalled(clips: Path) -> None:
    # A live transport stream: enough to open and to read, then nothing more, on an open connection.
    data = (clips / "plain.ts").read_bytes() * 20

    def begin(connection: socket.socket, release: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\n\r\n" + data)
        release.wait(30.0)

    options = SourceOptions(open_timeout_s=10.0, read_timeout_s=0.5)
    with serving(begin) as server:
        source = source_of(f"http://admin:s3cret@127.0.0.1:{server.port}/live.ts", options=options, clock=SystemClock())
        source.open()
        taken: list[Packet] = []
        with pytest.raises(SourceStalled, match="sent nothing for") as caught:
            taken.extend(packet for packet in source.packets())
        source.close()
    assert_keeps_secret(caught.value, source)


def test_a_live_stream_that_closes_has_ended_and_was_taken_when_its_stamps_say(clips: Path) -> None:
    data = (clips / "plain.ts").read_bytes()

    def send(connection: socket.socket, release: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)

    clock = SimClock()
    taken: list[Packet] = []
    with serving(send) as server:
        source = source_of(f"http://127.0.0.1:{server.port}/live.ts", clock=clock)
        assert source.open().live

        def read() -> None:
            for packet in source.packets():
                taken.append(packet)
                clock.advance(1.0)

        with pytest.raises(SourceEnded, match="closed the stream"):
            read()
        source.close()
    assert [p.received_mono_s - taken[0].received_mono_s for p in taken] == [float(n) for n in range(FRAMES)]
    expected_s = [max(n / FPS, n - LAG_MAX_S) for n in range(FRAMES)]
    assert [p.at_mono_s - taken[0].at_mono_s for p in taken] == pytest.approx(expected_s)
    assert all(
        (p.at_utc - taken[0].at_utc).total_seconds() == pytest.approx(s, abs=1e-5)
        for p, s in zip(taken, expected_s, strict=True)
    )
    assert all(p.media_index is None for p in taken)
    assert source.stamps[StampVerdict.OK] == FRAMES
    assert source.bad_stamps == 0


@pytest.mark.parametrize(
    ("status", "error_type"), [(401, SourceAuthFailed), (403, SourceAuthFailed), (404, SourceUnreachable)]
)
def test_an_http_answer_becomes_the_right_error(status: int, error_type: type[SourceError]) -> None:
    def refuse(connection: socket.socket, release: threading.Event) -> None:
        connection.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    with serving(refuse) as server:
        source = source_of(f"http://admin:s3cret@127.0.0.1:{server.port}/live", clock=SystemClock())
        with pytest.raises(SourceError) as caught:
            source.open()
    assert type(caught.value) is error_type
    assert_keeps_secret(caught.value, source)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://admin:s3cret@127.0.0.1:1/stream",
        "http://127.0.0.1:1/live?user=admin&password=s3cret",
        "nosuch://admin:s3cret@127.0.0.1/x",
        "/nowhere/clip.mp4?token=s3cret",
    ],
)
def test_the_password_is_in_no_text_of_the_error(url: str) -> None:
    source = source_of(url, clock=SystemClock())
    with pytest.raises(SourceUnreachable) as caught:
        source.open()
    assert_keeps_secret(caught.value, source)


def assert_keeps_secret(error: BaseException, source: AvFrameSource) -> None:
    chain: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is not None and link not in chain:
            chain.append(link)
            todo += [link.__cause__, link.__context__]
    assert error.__cause__ is not None, "the cause is kept"
    texts = [repr(source), *traceback.format_exception(error)]
    texts += [text for link in chain for text in (str(link), repr(link), repr(link.args), repr(vars(link)))]
    assert not [text for text in texts if "s3cret" in text]
