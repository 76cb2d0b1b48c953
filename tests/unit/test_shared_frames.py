"""Several threads look at one decoded picture: nothing crashes, and none sees what another one's scaling wrote."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

import vigia.infrastructure.video
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.picture import AvPicture, SwscalePictureScaler

SOURCES = sorted(Path(vigia.infrastructure.video.__file__).parent.glob("*.py"))
HAMMER = """
import sys, threading, time
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, ColorTrc, VideoReformatter
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.picture import AvPicture, SwscalePictureScaler
from vigia.infrastructure.video.small_jpeg import SmallJpegEncoder

noise = np.random.default_rng(7).integers(0, 255, (360, 640, 3), dtype=np.uint8)
frame = VideoReformatter().reformat(VideoFrame.from_ndarray(noise, format="rgb24"), format=sys.argv[1])
frame.color_range, frame.color_trc = ColorRange.MPEG, ColorTrc.BT709
picture = AvPicture(frame)
scaler = SwscalePictureScaler()

def luma():
    picture._luma = None  # or it would be made once only
    return picture.luma().tobytes()

whole, part = (640, 360), (41, 20, 440, 320)
consumers = [
    lambda: SimpleJpegEncoder().encode_jpeg(picture, quality=90),
    lambda: SimpleJpegEncoder().encode_jpeg(picture, quality=90, size_wh=(320, 180)),
    lambda: SmallJpegEncoder().encode_jpeg(picture, quality=80, crop_ltrb=part, size_wh=(200, 150)),
    lambda: b"".join(plane.tobytes() for plane in scaler.scale_planar(picture, width=160, height=96)),
    luma,
]
alone = [consumer() for consumer in consumers]
end_s, told = time.monotonic() + float(sys.argv[2]), []

def loop(consumer, expected):
    rounds = 0
    while time.monotonic() < end_s:
        if consumer() != expected:
            return told.append("another picture")
        rounds += 1
    told.append("same" if rounds > 3 else "too few rounds")

threads = [threading.Thread(target=loop, args=pair) for pair in zip(consumers, alone)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(*sorted(set(told)))
"""


@pytest.mark.parametrize(
    ("pixel_format", "duration_s"), [("yuv420p10le", 1.0), ("rgb24", 0.5), ("nv16", 0.5), ("yuv420p", 0.5)]
)
def test_everybody_at_once_at_one_picture(pixel_format: str, duration_s: float) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HAMMER, pixel_format, str(duration_s)],
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "same"), done.stderr


def frame_of(pixel_format: str) -> VideoFrame:
    frame = VideoFrame(64, 48, pixel_format)
    frame.colorspace, frame.color_range = Colorspace.ITU709, ColorRange.MPEG
    frame.color_trc, frame.color_primaries = ColorTrc.SMPTE2084, ColorPrimaries.BT2020
    return frame


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_what_scaling_would_hide_for_a_moment_is_not_there_and_the_rest_stays(pixel_format: str) -> None:
    picture = AvPicture(frame_of(pixel_format))
    for _ in range(2):
        frame = picture.frame
        assert (frame.color_trc, frame.color_primaries) == (ColorTrc.UNSPECIFIED, ColorPrimaries.UNSPECIFIED)
        assert (frame.colorspace, frame.color_range) == (Colorspace.ITU709, ColorRange.MPEG)
        picture.luma()
        SimpleJpegEncoder().encode_jpeg(picture, quality=80)
        SwscalePictureScaler().scale_planar(picture, width=32, height=24)


def test_only_formats_without_8_bit_luma_have_anybody_wait() -> None:
    assert hasattr(AvPicture(frame_of("yuv420p10le")).scaling, "locked")
    assert not hasattr(AvPicture(frame_of("yuv420p")).scaling, "locked")


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "rgb24"])
def test_a_picture_knows_what_it_keeps_in_memory(pixel_format: str) -> None:
    rgb = np.zeros((360, 640, 3), np.uint8)
    picture = AvPicture(VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format))
    least = {"yuv420p": 1.5, "yuv420p10le": 3.0 + 1.0, "rgb24": 3.0 + 1.0}[pixel_format] * 640 * 360
    assert least <= picture.size_bytes <= 1.1 * least


def breaches(source: str) -> Iterator[str]:
    """Calls by which a frame would scale itself, with the scaler that PyAV keeps on it."""
    tree = ast.parse(source)
    own = {"VideoReformatter()"}
    makers = {
        f"self.{node.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.returns and "VideoReformatter" in ast.unparse(node.returns)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made_by = ast.unparse(node.value.func)
            if made_by in makers or made_by == "VideoReformatter":
                for target in node.targets:
                    own |= {ast.unparse(one) for one in (target.elts if isinstance(target, ast.Tuple) else [target])}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, receiver = node.func.attr, ast.unparse(node.func.value)
            converts = name == "to_ndarray" and bool(node.args or node.keywords)
            if (name == "reformat" and receiver not in own) or converts or name in {"to_rgb", "to_image"}:
                yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_frame_scales_itself(path: Path) -> None:
    assert not list(breaches(path.read_text(encoding="utf-8"))), "use a VideoReformatter of its own: see planes.py"


@pytest.mark.parametrize(
    "call", ["frame.reformat(4, 4)", "picture.frame.reformat(format='gray')", "frame.to_ndarray(format='rgb24')"]
)
def test_the_rule_finds_what_it_is_for(call: str) -> None:
    assert list(breaches(f"scaler = VideoReformatter()\nscaler.reformat(frame)\n{call}\n")) == [f"3: {call}"]
