"""VideoDecoder: one suite for the scripted fake and for PyAV, with and without pictures held back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vigia.application.errors import SourceEnded
from vigia.application.ports import DecodedFrame, VideoDecoder
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet, Picture, StreamInfo
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.source import AvFrameSource, Pace, SourceOptions
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import STREAM, ScriptedDecoder, ScriptedPacket, ScriptedPicture, packet

GATE = CameraId("gate")
FRAMES = 24
GOP = 12
FIRST_LEVEL, LEVEL_STEP = 24, 8
"""Frame n is grey of level 24 + 8 n: a picture tells its own number."""


@dataclass(frozen=True)
class Rig:
    """A stream's packets, decoders for it, and how to read a picture's number."""

    packets: Sequence[Packet]
    decoder: Callable[[], VideoDecoder]
    number_of: Callable[[Picture], int]
    damage: Callable[[Packet], Packet]
    delay: int
    """Most pictures that the decoder may hold back."""


def write_clip(path: Path, *, b_frames: int, codec: str = "libx264") -> None:
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "bf": str(b_frames), "b-adapt": "0"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=30, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.gop_size = 96, 64, GOP
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if b_frames:
            stream.codec_context.max_b_frames = b_frames
        for number in range(FRAMES):
            levels = np.full((96, 96), FIRST_LEVEL + LEVEL_STEP * number, np.uint8)
            levels[64:] = 128
            frame = av.VideoFrame.from_ndarray(levels, format=stream.pix_fmt)
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read_packets(path: Path) -> list[Packet]:
    source = AvFrameSource(Camera(GATE, "Gate", str(path)), clock=SimClock(), options=SourceOptions(pace=Pace.FLAT_OUT))
    source.open()
    taken: list[Packet] = []

    def read() -> None:
        for coded in source.packets():
            taken.append(coded)  # noqa: PERF402 - what came before the end must be kept

    with pytest.raises(SourceEnded):
        read()
    source.close()
    assert len(taken) == FRAMES
    return taken


def number_of_grey(picture: Picture) -> int:
    return round((float(picture.luma().mean()) - FIRST_LEVEL) / LEVEL_STEP)


def number_of_script(picture: Picture) -> int:
    assert isinstance(picture, ScriptedPicture)
    return picture.moving


def payload_replaced(coded: Packet, data: bytes) -> Packet:
    """The same packet with other bytes in it."""
    damaged = av.Packet(data)
    damaged.pts, damaged.dts, damaged.time_base = coded.payload.pts, coded.payload.dts, coded.payload.time_base
    return replace(coded, payload=damaged, size_bytes=len(data))


def garbage(coded: Packet) -> Packet:
    return payload_replaced(coded, np.random.default_rng(coded.index).bytes(coded.size_bytes))


CASES = ["scripted", "scripted-delay", "h264", "h264-b-frames", "mpeg4", "mjpeg"]


@pytest.fixture(params=CASES)
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Rig:
    case: str = request.param
    if case.startswith("scripted"):
        delay = 2 if case.endswith("delay") else 0
        clock = SimClock()
        scripts = [ScriptedPacket(ScriptedPicture(moving=n)) for n in range(FRAMES)]
        return Rig(
            [packet(GATE, n, clock=clock, script=script, media_index=n) for n, script in enumerate(scripts)],
            lambda: ScriptedDecoder(STREAM, delay=delay),
            number_of_script,
            lambda coded: replace(coded, payload=ScriptedPacket(None)),
            delay,
        )
    codec = "libx264" if case.startswith("h264") else case
    write_clip(tmp_path / "clip.mkv", b_frames=2 if case.endswith("b-frames") else 0, codec=codec)
    packets = read_packets(tmp_path / "clip.mkv")
    stream = packets[0].stream
    reordered = [p.media_index for p in packets] != list(range(FRAMES))
    assert reordered == case.endswith("b-frames"), "the clip is not what the case's name says"
    return Rig(packets, lambda: AvVideoDecoder(stream), number_of_grey, garbage, 16 if reordered else 1)


def feed(decoder: VideoDecoder, packets: Sequence[Packet]) -> tuple[list[DecodedFrame], int]:
    """Decode and flush: all frames, and how many packets were lost."""
    frames: list[DecodedFrame] = []
    lost = 0
    for decoded in [*(decoder.decode(coded) for coded in packets), decoder.flush()]:
        frames += decoded.frames
        lost += decoded.lost
    return frames, lost


def numbers(frames: Sequence[DecodedFrame]) -> list[int | None]:
    return [item.frame.media_index for item in frames]


def test_every_packet_comes_out_as_its_own_picture_in_presentation_order(rig: Rig) -> None:
    frames, lost = feed(rig.decoder(), rig.packets)
    assert lost == 0
    assert numbers(frames) == list(range(FRAMES))
    assert [rig.number_of(item.frame.picture) for item in frames] == list(range(FRAMES))
    assert not any(item.corrupt for item in frames)


def test_a_frame_has_the_times_of_its_packet(rig: Rig) -> None:
    by_index = {coded.index: coded for coded in rig.packets}
    for item in feed(rig.decoder(), rig.packets)[0]:
        frame, coded = item.frame, by_index[item.frame.index]
        assert (frame.camera_id, frame.pts_s, frame.at_mono_s, frame.at_utc, frame.received_mono_s, frame.loop) == (
            coded.camera_id, coded.pts_s, coded.at_mono_s, coded.at_utc, coded.received_mono_s, coded.loop,
        )  # fmt: skip
        assert frame.media_index == coded.media_index
        assert frame.size_wh == (coded.stream.width, coded.stream.height)
        assert frame.picture.luma().shape == (coded.stream.height, coded.stream.width)


def test_it_holds_back_no_more_than_its_delay(rig: Rig) -> None:
    decoder, inside = rig.decoder(), 0
    for coded in rig.packets:
        decoded = decoder.decode(coded)
        inside += 1 - len(decoded.frames) - decoded.lost
        assert 0 <= inside <= rig.delay
    rest = decoder.flush()
    assert len(rest.frames) + rest.lost == inside


def test_after_a_flush_it_begins_again_at_a_key_frame(rig: Rig) -> None:
    decoder = rig.decoder()
    feed(decoder, rig.packets[: GOP - 3])
    again = next(n for n, coded in enumerate(rig.packets) if n >= GOP - 3 and coded.is_key)
    frames, lost = feed(decoder, rig.packets[again:])
    assert lost == 0
    assert sorted(n or 0 for n in numbers(frames)) == sorted(p.media_index or 0 for p in rig.packets[again:])
    assert [rig.number_of(item.frame.picture) for item in frames] == numbers(frames)


def test_a_second_flush_gives_nothing(rig: Rig) -> None:
    decoder = rig.decoder()
    feed(decoder, rig.packets[:5])
    rest = decoder.flush()
    assert (len(rest.frames), rest.lost) == (0, 0)


def test_a_damaged_packet_never_raises_and_the_books_balance(rig: Rig) -> None:
    damaged = [rig.damage(p) if p.index in {3, 4, 9, 15} else p for p in rig.packets]
    frames, lost = feed(rig.decoder(), damaged)
    assert len(frames) + lost == FRAMES
    assert len({item.frame.index for item in frames}) == len(frames)
    assert lost + sum(item.corrupt for item in frames) > 0


def test_a_picture_stays_as_it_was_while_the_decoder_goes_on(rig: Rig) -> None:
    decoder = rig.decoder()
    frames = [item for coded in rig.packets for item in decoder.decode(coded).frames]
    frames += decoder.flush().frames
    decoder.close()
    del decoder
    assert [rig.number_of(item.frame.picture) for item in frames] == list(range(FRAMES))


def test_close_is_idempotent_and_leaves_nothing_to_flush(rig: Rig) -> None:
    decoder = rig.decoder()
    feed(decoder, rig.packets[:4])
    decoder.close()
    decoder.close()
    assert not decoder.flush().frames


def test_two_decoders_fed_in_turn_do_not_take_each_others_frames(rig: Rig) -> None:
    # PyAV keeps a packet's opaque object in one table for the whole process, by id(), until the packet is freed: if two
    # cameras marked theirs with equal small integers, one's end would take the other's mark away. Hence no packet is
    # kept here after it was fed.
    there, here = rig.decoder(), rig.decoder()
    taken: dict[str, list[DecodedFrame]] = {"gate": [], "door": []}
    lost = 0
    for coded in rig.packets:
        for name, decoder in (("gate", there), ("door", here)):
            decoded = decoder.decode(replace(coded, camera_id=CameraId(name), payload=copied(coded)))
            taken[name] += decoded.frames
            lost += decoded.lost
    for name, decoder in (("gate", there), ("door", here)):
        rest = decoder.flush()
        taken[name] += rest.frames
        lost += rest.lost
    assert lost == 0
    for name, frames in taken.items():
        assert {item.frame.camera_id for item in frames} == {CameraId(name)}
        assert numbers(frames) == list(range(FRAMES))
        assert [rig.number_of(item.frame.picture) for item in frames] == list(range(FRAMES))


def copied(coded: Packet) -> object:
    if isinstance(coded.payload, ScriptedPacket):
        return coded.payload
    return payload_replaced(coded, bytes(coded.payload)).payload


def test_a_stream_says_what_a_decoder_needs(rig: Rig) -> None:
    assert isinstance(rig.packets[0].stream, StreamInfo)
    assert rig.packets[0].is_key
