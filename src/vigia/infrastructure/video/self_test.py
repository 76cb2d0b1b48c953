"""Whether this FFmpeg decodes what cameras send: clips are made in memory and decoded as a run decodes them."""

import errno
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import VideoReformatter

from vigia.infrastructure.video.source_errors import NATIVE_ERRORS, reason

SIZE_WH = (320, 192)
PICTURES = 6
GREYS = (40, 120, 200)
"""Three bars: of each the decoded grey must be near the coded one."""
GREY_TOLERANCE = 12
OPEN_TIMEOUT_S = 2.0
PROTOCOLS = ("rtsp", "rtsps", "http", "https")


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a clip of one codec is made."""

    encoders: tuple[str, ...]
    """The first one that is there."""
    pixel_format: str = "yuv420p"


_RECIPES = {
    "h264": _Recipe(("libx264", "libopenh264")),
    "hevc": _Recipe(("libx265",)),
    "mjpeg": _Recipe(("mjpeg",), pixel_format="yuvj420p"),
}
CODECS = tuple(_RECIPES)
"""By the decoders' names."""


def decode_fault(codec: str) -> str:
    """Make a clip and decode it; what went wrong, or empty. Where no encoder is there, only that the decoder opens."""
    try:
        decoder = _context(codec, "r")
        coded = _coded(_RECIPES[codec])
        if coded is None:
            decoder.open()
            return ""
        packets, extradata = coded
        if extradata:
            decoder.extradata = extradata
        frames = [frame for packet in packets for frame in decoder.decode(packet)]
        frames += decoder.decode(None)
    except NATIVE_ERRORS as error:
        return reason(error)
    if len(frames) != PICTURES:
        return f"{len(frames)} of {PICTURES} pictures came out"
    return "" if all(_is_right(frame) for frame in frames) else "the pictures are wrong"


def is_protocol_there(protocol: str) -> bool:
    """Whether FFmpeg knows how to open such addresses: it tries one of this machine where nothing can be."""
    try:
        av.open(f"{protocol}://127.0.0.1:0/", timeout=OPEN_TIMEOUT_S).close()
    except av.error.ProtocolNotFoundError:
        return False
    except NATIVE_ERRORS as error:
        return getattr(error, "errno", None) != errno.ENOSYS
    return True


def _context(codec: str, mode: Literal["r", "w"]) -> VideoCodecContext:
    context = CodecContext.create(codec, mode)
    if not isinstance(context, VideoCodecContext):
        raise ValueError(f"{codec} is no video codec")  # noqa: TRY004 - told like FFmpeg's own refusals
    context.thread_count = 1
    return context


def _coded(recipe: _Recipe) -> tuple[list["av.Packet[av.VideoStream]"], bytes] | None:
    """A clip's packets and its parameter sets; None when no encoder is there."""
    name = next((name for name in recipe.encoders if name in av.codecs_available), None)
    if name is None:
        return None
    encoder = _context(name, "w")
    encoder.width, encoder.height = SIZE_WH
    encoder.pix_fmt = recipe.pixel_format
    encoder.time_base, encoder.framerate = Fraction(1, 15), Fraction(15)
    if name == "libx265":
        encoder.options = {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"}
    packets = [packet for number in range(PICTURES) for packet in encoder.encode(_picture(number, recipe))]
    packets += encoder.encode(None)
    return packets, bytes(encoder.extradata or b"")


def _picture(number: int, recipe: _Recipe) -> VideoFrame:
    width, height = SIZE_WH
    bars = np.repeat(np.array(GREYS, np.uint8), -(-width // len(GREYS)))[:width]
    frame = VideoFrame.from_ndarray(np.tile(bars[None, :, None], (height, 1, 3)), format="rgb24")
    frame = VideoReformatter().reformat(frame, format=recipe.pixel_format)
    frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 15), PictureType.NONE
    return frame


def _is_right(frame: VideoFrame) -> bool:
    if (frame.width, frame.height) != SIZE_WH:
        return False
    grey = VideoReformatter().reformat(frame, format="rgb24").to_ndarray().mean(axis=(0, 2))
    width = -(-SIZE_WH[0] // len(GREYS))
    seen = [float(grey[n * width + 10 : (n + 1) * width - 10].mean()) for n in range(len(GREYS))]
    return all(abs(one - wanted) <= GREY_TOLERANCE for one, wanted in zip(seen, GREYS, strict=True))
