"""Spoilt clips through the whole source, decoder and pipeline, in a process of its own: a native crash ends only that.

``stream_fuzz.py DIRECTORY FIRST COUNT`` plays the mutations FIRST … of the clips in DIRECTORY (``make_clips``). It
prints each seed before it begins and what came of it; a failure ends it with a traceback.
"""

import faulthandler
import resource
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from random import Random

import av

from lone_pipeline import LonePipeline
from rtsp import textures
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.video.source import AvFrameSource
from vigia.infrastructure.video.source_options import Pace, SourceOptions

SIZE_WH = (160, 96)
PICTURES = 24
CASE_LIMIT_S = 10.0
"""One spoilt clip takes a hundredth of a second or two; one that takes so long hangs."""
MEMORY_LIMIT = 4 << 30
"""Bytes of address space: a size that was read out of garbage must not be believed."""
MP4_LAYOUTS = {"h264.mp4": "faststart", "h265.mp4": "frag_keyframe+empty_moov"}
"""The index first, or in pieces: at the end, most kinds of damage would lose all of it."""
CLIPS: dict[str, tuple[str, str | None, int]] = {
    "h264.mp4": ("libx264", None, 2),
    "h264.ts": ("libx264", None, 0),
    "h264.mkv": ("libx264", None, 2),
    "h264.h264": ("libx264", "h264", 0),
    "h265.mp4": ("libx265", None, 2),
    "h265.ts": ("libx265", None, 0),
    "mjpeg.avi": ("mjpeg", None, 0),
    "mjpeg.mjpeg": ("mjpeg", "mjpeg", 0),
}
"""File: encoder, container where its name does not say, B-frames."""


def make_clips(directory: Path) -> None:
    """Write the clips that are spoilt."""
    pictures = [picture.reformat(format="yuv420p") for picture in textures(SIZE_WH, PICTURES)]
    for name, (codec, container_format, b_frames) in CLIPS.items():
        layout = {"movflags": MP4_LAYOUTS[name]} if name in MP4_LAYOUTS else {}
        with av.open(str(directory / name), "w", format=container_format, options=layout) as container:
            options = {"bf": str(b_frames), "b-adapt": "0", "preset": "veryfast"}
            if codec == "libx265":
                quiet = f"log-level=none:bframes={b_frames}:b-adapt=0:keyint=8:min-keyint=8:pools=none"
                options = {"preset": "ultrafast", "x265-params": quiet}
            stream = container.add_stream(codec, rate=15, options=options if codec != "mjpeg" else {})
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height = SIZE_WH
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.gop_size = 8
            if b_frames:
                stream.codec_context.max_b_frames = b_frames
            for number, picture in enumerate(pictures):
                frame = picture.reformat(format=stream.pix_fmt)
                frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 15), av.video.frame.PictureType.NONE
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def spoil(data: bytes, random: Random) -> bytes:
    """One to four kinds of damage."""
    for _ in range(random.randint(1, 4)):
        data = random.choice(DAMAGES)(bytearray(data), random)
    return data


def _place(data: bytearray, random: Random) -> tuple[int, int]:
    """Where a block begins and ends."""
    begin = random.randrange(len(data)) if data else 0
    return begin, min(len(data), begin + random.choice([1, 4, 16, 188, 188, 1000]))


def _flip(data: bytearray, random: Random) -> bytes:
    for _ in range(random.choice([1, 4, 30])):
        if data:
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


def _flip_header(data: bytearray, random: Random) -> bytes:
    for _ in range(random.choice([1, 4])):
        if data:
            data[random.randrange(min(len(data), 200))] = random.randrange(256)
    return bytes(data)


def _cut_end(data: bytearray, random: Random) -> bytes:
    return bytes(data[: random.randrange(len(data) + 1)])


def _cut_begin(data: bytearray, random: Random) -> bytes:
    return bytes(data[random.choice([1, 8, 40, 188, random.randrange(len(data) + 1)]) :])


def _remove(data: bytearray, random: Random) -> bytes:
    begin, end = _place(data, random)
    return bytes(data[:begin] + data[end:])


def _repeat(data: bytearray, random: Random) -> bytes:
    begin, end = _place(data, random)
    return bytes(data[:end] + data[begin:end] * random.choice([1, 2, 20]) + data[end:])


def _swap(data: bytearray, random: Random) -> bytes:
    (begin, end), (other, other_end) = sorted([_place(data, random), _place(data, random)])
    if end > other:
        return bytes(data)
    return bytes(data[:begin] + data[other:other_end] + data[end:other] + data[begin:end] + data[other_end:])


def _fill(data: bytearray, random: Random) -> bytes:
    begin, end = _place(data, random)
    data[begin:end] = random.choice([b"\x00" * (end - begin), b"\xff" * (end - begin), random.randbytes(end - begin)])
    return bytes(data)


DAMAGES: list[Callable[[bytearray, Random], bytes]] = [
    _flip, _flip_header, _cut_end, _cut_begin, _remove, _repeat, _swap, _fill,
]  # fmt: skip


def play(url: str) -> tuple[str, int, int]:
    """Play a clip to its end without a thread: how it ended, packets received, pictures decoded."""
    rig = LonePipeline(gate=0.002, k=2)
    source = AvFrameSource(
        Camera(CameraId("gate"), "Gate", url), clock=rig.clock, options=SourceOptions(pace=Pace.FLAT_OUT)
    )
    ended = rig.play(source)
    rig.pipeline.stop()
    page = rig.ledger.snapshot()
    assert page.balanced, f"the books do not balance: {page}"
    return type(ended).__name__, page.received, page.frames_decoded


def play_seed(clips: Path, seed: int, place: Path) -> str:
    """One mutation, as a file read flat out or as a live stream; what came of it."""
    random = Random(seed)
    name = list(CLIPS)[seed % len(CLIPS)]
    spoilt = place / name
    spoilt.write_bytes(spoil((clips / name).read_bytes(), random))
    live = random.random() < 0.5
    # FFmpeg's cache: protocol reads the file and is, to the source, a stream of the network.
    ended, received, decoded = play(f"cache:{spoilt}" if live else str(spoilt))
    return f"{name} {'live' if live else 'file'} {ended} {received} {decoded}"


def main(clips: Path, first: int, count: int) -> None:
    """Play ``count`` mutations."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    with tempfile.TemporaryDirectory() as place:
        for seed in range(first, first + count):
            print(f"begin {seed}", flush=True)  # noqa: T201 - how the test learns where it crashed
            faulthandler.dump_traceback_later(CASE_LIMIT_S, exit=True)
            told = play_seed(clips, seed, Path(place))
            faulthandler.cancel_dump_traceback_later()
            print(f"end {seed} {told}", flush=True)  # noqa: T201


if __name__ == "__main__":
    faulthandler.enable()
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
