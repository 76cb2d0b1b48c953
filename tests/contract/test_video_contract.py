"""Sources and decoders: the same promises from the scripted ones and from PyAV's."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import av
import pytest

from vigia.application.errors import SourceEnded, SourceUnreachable
from vigia.application.ports import FrameSource, VideoDecoder
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet, StreamInfo
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.source import AvFrameSource, Pace, SourceKind, SourceOptions, source_kind
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedDecoder, ScriptedPacket, ScriptedSource

FRAMES = 60
GATE = CameraId("gate")


@dataclass
class Kit:
    """One implementation of both ports, on a clip of 60 frames."""

    source: Callable[[], FrameSource]
    decoder: Callable[[StreamInfo], VideoDecoder]


@pytest.fixture(params=["scripted", "pyav"])
def kit(request: pytest.FixtureRequest, clips: list[DemoClip]) -> Kit:
    if request.param == "scripted":
        run = ([ScriptedPacket(is_key=n % 30 == 0) for n in range(FRAMES)], SourceEnded("end"))
        return Kit(lambda: ScriptedSource(GATE, [run, run], clock=SystemClock()), ScriptedDecoder)
    return Kit(lambda: av_source(str(clips[0].path), Pace.FLAT_OUT), AvVideoDecoder)


def av_source(
    url: str, pace: Pace = Pace.FLAT_OUT, *, loop: bool = False, clock: SimClock | None = None
) -> AvFrameSource:
    return AvFrameSource(
        Camera(GATE, "Gate", url), clock=clock or SystemClock(), options=SourceOptions(pace=pace, loop=loop)
    )


def all_packets(source: FrameSource) -> tuple[StreamInfo, list[Packet]]:
    stream = source.open()
    packets: list[Packet] = []
    try:
        for packet in source.packets():
            packets.append(packet)  # noqa: PERF402 - what came before the error counts
    except SourceEnded:
        pass
    source.close()
    return stream, packets


def test_packets_are_numbered_and_only_the_first_breaks_with_the_past(kit: Kit) -> None:
    stream, packets = all_packets(kit.source())
    assert [packet.index for packet in packets] == list(range(FRAMES))
    assert [packet.discontinuity for packet in packets] == [True] + [False] * (FRAMES - 1)
    assert packets[0].is_key
    assert all(packet.stream is stream for packet in packets)
    assert all(packet.at_utc.tzinfo is not None for packet in packets)


def test_numbers_go_on_after_opening_again(kit: Kit) -> None:
    source = kit.source()
    all_packets(source)
    _, again = all_packets(source)
    assert again[0].index == FRAMES
    assert again[0].discontinuity


def test_closing_is_idempotent(kit: Kit) -> None:
    source = kit.source()
    source.close()
    source.open()
    source.close()
    source.close()


def test_every_packet_becomes_its_frame(kit: Kit) -> None:
    stream, packets = all_packets(kit.source())
    decoder = kit.decoder(stream)
    results = [decoder.decode(packet) for packet in packets] + [decoder.flush()]
    frames = [item.frame for result in results for item in result.frames]
    assert sum(result.lost for result in results) == 0
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert {frame.size_wh for frame in frames} == {(stream.width, stream.height)}
    assert frames[7].at_mono_s == packets[7].at_mono_s
    decoder.close()


def test_a_flushed_decoder_goes_on_from_a_key_frame(kit: Kit) -> None:
    stream, packets = all_packets(kit.source())
    decoder = kit.decoder(stream)
    for packet in packets[:10]:
        decoder.decode(packet)
    decoder.flush()
    keys = [n for n, packet in enumerate(packets) if packet.is_key]
    results = [decoder.decode(packet) for packet in packets[keys[-1] :]] + [decoder.flush()]
    assert sum(len(result.frames) for result in results) == FRAMES - keys[-1]


def test_two_decoders_with_the_same_numbers_keep_their_frames_apart(clips: list[DemoClip]) -> None:
    """PyAV keeps opaque marks in one table for the process; cameras whose packets share numbers must not mix."""
    streams = [all_packets(av_source(str(clip.path))) for clip in clips]
    decoders = [AvVideoDecoder(stream) for stream, _ in streams]
    counts = [0, 0]
    for pair in zip(*(packets for _, packets in streams), strict=True):
        decoded = [decoder.decode(packet) for decoder, packet in zip(decoders, pair, strict=True)]
        for n, result in enumerate(decoded):
            assert result.lost == 0
            counts[n] += len(result.frames)
    assert counts == [FRAMES, FRAMES]


@pytest.mark.parametrize("seed", range(4))
def test_damage_is_counted_never_raised(clips: list[DemoClip], seed: int) -> None:
    rng = Random(seed)
    stream, packets = all_packets(av_source(str(clips[0].path)))
    decoder = AvVideoDecoder(stream)
    frames = lost = 0
    for packet in packets:
        coded = packet.payload
        if rng.random() < 0.3 and packet.index:
            data = bytearray(bytes(coded))
            for _ in range(20):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            damaged = av.Packet(bytes(data[: rng.randrange(1, len(data) + 1)]))
            damaged.pts, damaged.dts, damaged.time_base = coded.pts, coded.dts, coded.time_base
            object.__setattr__(packet, "payload", damaged)
        result = decoder.decode(packet)
        frames, lost = frames + len(result.frames), lost + result.lost
    rest = decoder.flush()
    assert frames + lost + len(rest.frames) + rest.lost == FRAMES


def test_a_loop_goes_on_in_time_and_starts_over_in_the_file(clips: list[DemoClip]) -> None:
    source = av_source(str(clips[0].path), loop=True)
    source.open()
    packets = list(itertools.islice(source.packets(), 2 * FRAMES + 5))
    source.close()
    assert [packet.index for packet in packets if packet.discontinuity] == [0, FRAMES, 2 * FRAMES]
    assert [packet.loop for packet in packets[FRAMES - 1 : FRAMES + 1]] == [0, 1]
    assert packets[FRAMES].media_index == 0
    steps = [b.at_mono_s - a.at_mono_s for a, b in itertools.pairwise(packets)]
    assert all(step == pytest.approx(1 / 15, abs=2e-3) for step in steps)


def test_a_file_is_paced_by_its_timestamps(clips: list[DemoClip]) -> None:
    clock = SimClock()
    source = av_source(str(clips[0].path), Pace.TIMESTAMPS, clock=clock)
    source.open()
    started_s = clock.mono_s()
    packets = list(itertools.islice(source.packets(), FRAMES))
    source.close()
    assert clock.mono_s() - started_s == pytest.approx((FRAMES - 1) / 15, abs=1e-3)
    assert all(packet.received_mono_s == pytest.approx(packet.at_mono_s, abs=1e-3) for packet in packets)


def test_an_interrupted_file_ends_without_an_error(clips: list[DemoClip]) -> None:
    source = av_source(str(clips[0].path), Pace.TIMESTAMPS)
    source.open()
    packets = source.packets()
    next(packets)
    source.interrupt()
    assert list(packets) == []
    source.close()


@pytest.mark.parametrize("content", [None, b"", b"this is no video at all" * 100])
def test_what_is_no_video_is_unreachable(tmp_path_factory: pytest.TempPathFactory, content: bytes | None) -> None:
    path = tmp_path_factory.mktemp("bad") / "clip.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceUnreachable, match=r"clip\.mp4"):
        av_source(str(path)).open()


def test_an_unknown_codec_is_told() -> None:
    with pytest.raises(SourceUnreachable, match="nonsense"):
        AvVideoDecoder(StreamInfo(codec="nonsense", width=1, height=1, fps=1))
    with pytest.raises(SourceUnreachable, match="aac"):
        AvVideoDecoder(StreamInfo(codec="aac", width=1, height=1, fps=1))


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("rtsp://host/1", SourceKind.NETWORK),
        ("http://host/x.m3u8", SourceKind.NETWORK),
        ("/data/x.mp4", SourceKind.FILE),
        ("file:///data/x.mp4", SourceKind.FILE),
        ("clip.mp4", SourceKind.FILE),
        ("webcam:0", SourceKind.WEBCAM),
        ("/dev/video2", SourceKind.WEBCAM),
    ],
)
def test_a_url_tells_how_it_is_opened(url: str, kind: SourceKind) -> None:
    assert source_kind(url) is kind
