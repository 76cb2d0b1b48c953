"""AvVideoDecoder where the fake has nothing to say: damage of every kind, unknown codecs, raw video."""

import gc
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from random import Random

import av
import numpy as np
import pytest

from vigia.application.errors import SourceEnded, SourceUnreachable
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet, StreamInfo
from vigia.infrastructure.video import decoder
from vigia.infrastructure.video.decoder import REORDER_MAX, AvVideoDecoder
from vigia.infrastructure.video.picture import SwscalePictureScaler
from vigia.infrastructure.video.source import AvFrameSource, Pace, SourceOptions
from vigia.testing.sim_clock import SimClock

FRAMES = 48


def textured(number: int, *, width: int = 160, height: int = 96) -> np.ndarray:
    """A moving texture: packets have something in them that can be damaged."""
    y, x = np.mgrid[0:height, 0:width]
    grey = 128 + 60 * np.sin((x + 3 * number) / 5.0) + 40 * np.cos((y - 2 * number) / 7.0)
    return np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)


@pytest.fixture(scope="module", params=["plain", "b-frames"])
def packets(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Packet]:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    b_frames = 3 if request.param == "b-frames" else 0
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "bf": str(b_frames)})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 160, 96, "yuv420p", 12
        stream.codec_context.max_b_frames = b_frames
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(textured(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    source = AvFrameSource(
        Camera(CameraId("gate"), "Gate", str(path)), clock=SimClock(), options=SourceOptions(pace=Pace.FLAT_OUT)
    )
    source.open()
    taken: list[Packet] = []

    def read() -> None:
        for coded in source.packets():
            taken.append(coded)  # noqa: PERF402 - what came before the end must be kept

    with pytest.raises(SourceEnded):
        read()
    return taken


def with_bytes(coded: Packet, data: bytes) -> Packet:
    payload = av.Packet(data)
    payload.pts, payload.dts, payload.time_base = coded.payload.pts, coded.payload.dts, coded.payload.time_base
    return replace(coded, payload=payload)


def flipped(coded: Packet, random: Random, *, bits: int) -> Packet:
    data = bytearray(bytes(coded.payload))
    for _ in range(bits):
        place = random.randrange(len(data))
        data[place] ^= 1 << random.randrange(8)
    return with_bytes(coded, bytes(data))


def balance(packets: list[Packet]) -> tuple[int, int]:
    """Decode all of them: (frames, lost), checked to be exactly what went in."""
    decoder = AvVideoDecoder(packets[0].stream)
    seen: Counter[int] = Counter()
    lost = inside = 0
    for coded in packets:
        decoded = decoder.decode(coded)
        seen.update(item.frame.index for item in decoded.frames)
        lost += decoded.lost
        inside += 1 - len(decoded.frames) - decoded.lost
        assert 0 <= inside <= REORDER_MAX + 1
    rest = decoder.flush()
    seen.update(item.frame.index for item in rest.frames)
    lost += rest.lost
    decoder.close()
    assert all(count == 1 for count in seen.values()), "a packet came out twice"
    assert seen.total() + lost == len(packets)
    return seen.total(), lost


@pytest.mark.parametrize("seed", range(8))
def test_flipped_bits_never_raise_and_everything_is_accounted_for(packets: list[Packet], seed: int) -> None:
    random = Random(seed)
    share, bits = (0.1, 1) if seed % 2 else (0.5, 40)
    balance([flipped(p, random, bits=bits) if random.random() < share else p for p in packets])


@pytest.mark.parametrize("seed", range(4))
def test_cut_off_lost_doubled_and_swapped_packets_are_accounted_for(packets: list[Packet], seed: int) -> None:
    random = Random(seed)
    hurt: list[Packet] = []
    for coded in packets:
        kind = random.choice(["whole", "whole", "whole", "cut", "lost", "noise"])
        if kind == "cut":
            hurt.append(with_bytes(coded, bytes(coded.payload)[: random.randrange(1, coded.size_bytes + 1)]))
        elif kind == "noise":
            hurt.append(with_bytes(coded, random.randbytes(coded.size_bytes)))
        elif kind == "whole":
            hurt.append(coded)
    swap = random.randrange(len(hurt) - 1)
    hurt[swap], hurt[swap + 1] = hurt[swap + 1], hurt[swap]
    balance([replace(coded, index=number) for number, coded in enumerate(hurt)])


def test_nothing_but_noise_gives_no_frame_at_all(packets: list[Packet]) -> None:
    random = Random(5)
    frames, lost = balance([with_bytes(p, random.randbytes(200)) for p in packets])
    assert (frames, lost) == (0, len(packets))


def test_a_damaged_picture_does_not_spoil_those_after_the_next_key_frame(packets: list[Packet]) -> None:
    key = next(p.index for p in packets if p.is_key and p.index > 0)
    hurt = [with_bytes(p, b"\x00\x00\x00\x08nonsense") if p.index == 2 else p for p in packets]
    decoder = AvVideoDecoder(packets[0].stream)
    frames = [item for p in hurt for item in decoder.decode(p).frames] + list(decoder.flush().frames)
    after = {item.frame.media_index: item for item in frames if item.frame.index >= key}
    assert len(after) == len([p for p in packets if p.index >= key])
    for number, item in after.items():
        expected = textured(number or 0)[:, :, 0].astype(float) * 219 / 255 + 16
        assert float(np.abs(item.frame.picture.luma() - expected).mean()) < 4.0
        assert not item.corrupt


def test_packets_before_the_first_key_frame_are_not_told_as_good_pictures(packets: list[Packet]) -> None:
    start = next(p.index for p in packets if not p.is_key)
    key = next(p.index for p in packets if p.is_key and p.index > 0)
    decoder = AvVideoDecoder(packets[0].stream)
    decoded = [decoder.decode(p) for p in packets[start:key]]
    decoded.append(decoder.flush())
    good = [item for one in decoded for item in one.frames if not item.corrupt]
    assert sum(len(one.frames) + one.lost for one in decoded) == key - start
    assert not good


def test_a_picture_larger_than_any_cameras_is_damage(packets: list[Packet], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "PIXELS_MAX", 2 * 160 * 96)
    assert balance(packets) == (FRAMES, 0)
    monkeypatch.setattr(decoder, "PIXELS_MAX", 160 * 96 - 1)
    assert balance(packets) == (0, FRAMES)


def marks() -> int:
    gc.collect()
    return sum(type(thing).__name__ == "_Tag" for thing in gc.get_objects())


def test_marks_go_with_their_packets(packets: list[Packet]) -> None:
    before = marks()
    decoder = AvVideoDecoder(packets[0].stream)
    fresh = [with_bytes(p, bytes(p.payload)) for p in packets]
    frames = [item for p in fresh for item in decoder.decode(p).frames]
    frames += decoder.flush().frames
    assert len(frames) == len(packets)
    assert marks() >= before + len(fresh), "marks cannot be seen: the test would not notice one that stays"
    del fresh
    assert marks() <= before, "a frame that is kept, or the decoder, holds on to marks"
    del decoder


@pytest.mark.parametrize(("codec", "says"), [("no-such-codec", "no decoder for codec"), ("aac", "is not video")])
def test_a_codec_that_is_none_is_told(codec: str, says: str) -> None:
    with pytest.raises(SourceUnreachable, match=says):
        AvVideoDecoder(StreamInfo(codec=codec, width=64, height=48, fps=25.0))


def test_uncompressed_video_of_a_webcam_is_decoded() -> None:
    stream = StreamInfo(codec="rawvideo", width=64, height=48, fps=25.0, pixel_format="yuyv422")
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[:, :, 0] = 200
    coded = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuyv422").to_ndarray().tobytes()
    clock = SimClock()
    packet = Packet(
        camera_id=CameraId("desk"), index=0, pts_s=0.0, is_key=True, received_mono_s=0.0, at_mono_s=0.0,
        at_utc=clock.utc(), size_bytes=len(coded), payload=av.Packet(coded), stream=stream, discontinuity=True,
    )  # fmt: skip
    decoded = AvVideoDecoder(stream).decode(packet)
    assert decoded.lost == 0
    picture = decoded.frames[0].frame.picture
    assert picture.luma().shape == (48, 64)
    blue, green, red = SwscalePictureScaler().scale_planar(picture, width=32, height=32)
    assert float(red.mean()) == pytest.approx(200, abs=6)
    assert max(float(blue.mean()), float(green.mean())) < 10
