"""A decoded picture that stays as the codec made it, and what can be made of it: a small input, a JPEG.

``AvPicture`` keeps a reference to the decoder's planes; converting is somebody else's decision and cost.
"""

from collections.abc import Sequence
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import numpy as np
import simplejpeg
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from vigia.domain.errors import DomainError
from vigia.domain.frame import Luma, Picture

LUMA_FIRST_FORMATS = frozenset(
    {
        "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv411p", "yuv440p", "yuvj440p",
        "nv12", "nv21", "nv16", "gray", "yuva420p",
    }
)  # fmt: skip
"""Pixel formats whose first plane is 8-bit luma, one byte a pixel."""
TWO_STEP_FORMATS = frozenset({"yuv420p", "yuvj420p"})
"""What nearly all cameras code."""
SCALE_THREADS = 1
"""For swscale, which by itself takes one a core: three hand-overs a picture, a quarter to a half more CPU, and a core
that another shard needs."""
JPEG_DIRECT_FORMAT = "yuvj420p"
"""The full-range format that a JPEG can take plane by plane, without a conversion."""
JPEG_DIRECT_COLORSPACES = frozenset({2, 5, 6})
"""AVCOL_SPC_UNSPECIFIED, _BT470BG, _SMPTE170M: what a JPEG's reader takes for granted (BT.601). Many cameras code full
range in BT.709: their planes would show faces too red or too green.
"""


class AvPicture:
    """A decoded picture. Immutable; any thread may read it.

    Pictures whose first plane is not 8-bit luma (10-bit HEVC, RGB webcams) are converted once, when luma is asked for.
    """

    __slots__ = ("_luma", "frame")

    def __init__(self, frame: VideoFrame) -> None:
        self.frame = frame
        self._luma: Luma | None = None

    @property
    def width(self) -> int:
        """Pixels."""
        return self.frame.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.frame.height

    def luma(self) -> Luma:
        """The full-size luma plane, uint8 (height, width): a view where the format allows."""
        if self._luma is None:
            frame = self.frame
            if frame.format.name not in LUMA_FIRST_FORMATS:
                # Equal ranges: the levels stay as coded, like those of the formats that are handed through.
                full = ColorRange.JPEG
                frame = frame.reformat(format="gray", src_color_range=full, dst_color_range=full, threads=SCALE_THREADS)
            self._luma = _plane(frame, 0)[: frame.height, : frame.width]
        return self._luma


class SwscalePictureScaler:
    """Scales pictures with swscale (PyAV). Owner: one thread. Keeps one conversion context per size.

    In two steps: first smaller, with the colours as coded, then the small picture to blue, green and red. In one step
    swscale takes a quarter more time at 720p and two fifths more at 1080p.
    """

    def __init__(self) -> None:
        self._shrink = VideoReformatter()
        self._convert = VideoReformatter()
        self._small: VideoFrame | None = None  # keeps the returned views alive

    def scale_planar(self, picture: Picture, *, width: int, height: int) -> Sequence[NDArray[np.uint8]]:
        """Three uint8 (height, width) planes: blue, green, red; views valid until the next call."""
        frame = av_frame(picture)
        if frame.format.name in TWO_STEP_FORMATS:
            frame = self._shrink.reformat(
                frame, width=width, height=height, interpolation=Interpolation.FAST_BILINEAR, threads=SCALE_THREADS
            )
        small = self._convert.reformat(
            frame,
            width=width,
            height=height,
            format="gbrp",
            interpolation=Interpolation.FAST_BILINEAR,
            threads=SCALE_THREADS,
        )
        self._small = small
        green, blue, red = (_plane(small, index)[:height, :width] for index in range(3))
        return blue, green, red


class SimpleJpegEncoder:
    """JPEG through libjpeg-turbo. Any thread.

    Full-range planar pictures go in as they are. Video is mostly limited-range: its planes would look washed out, so
    it is converted to RGB first.
    """

    def encode_jpeg(self, picture: Picture, *, quality: int) -> bytes:
        """The whole picture, JPEG, ``quality`` 1 to 100."""
        frame = av_frame(picture)
        if _fits_jpeg(frame):
            y, u, v = (_plane(frame, index) for index in range(3))
            width, height = frame.width, frame.height
            direct_jpeg: bytes = simplejpeg.encode_jpeg_yuv_planes(
                Y=np.ascontiguousarray(y[:height, :width]),
                U=np.ascontiguousarray(u[: height // 2, : width // 2]),
                V=np.ascontiguousarray(v[: height // 2, : width // 2]),
                quality=quality,
            )
            return direct_jpeg
        rgb = np.ascontiguousarray(frame.reformat(format="rgb24", threads=SCALE_THREADS).to_ndarray())
        converted: bytes = simplejpeg.encode_jpeg(rgb, quality=quality, colorspace="RGB", colorsubsampling="420")
        return converted


def av_frame(picture: Picture) -> VideoFrame:
    """The PyAV frame inside a picture of this adapter.

    Raises:
        DomainError: the picture was made by another adapter.
    """
    if not isinstance(picture, AvPicture):
        raise DomainError("a picture of type %(type)s did not come from this decoder", type=type(picture).__name__)
    return picture.frame


def picture_from_image(data: bytes) -> AvPicture:
    """Decode a JPEG, PNG or WEBP file.

    Raises:
        DomainError: the data are no picture that FFmpeg can read.
    """
    try:
        with av.open(BytesIO(data), mode="r") as container:
            return AvPicture(next(container.decode(video=0)))
    except (av.error.FFmpegError, StopIteration, ValueError, IndexError) as error:
        raise DomainError("the data are not a picture that can be read") from error


def picture_from_rgb(rgb: NDArray[np.uint8]) -> AvPicture:
    """Make a picture of an RGB array, uint8 (height, width, 3): for tests and tools."""
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
    frame.time_base = Fraction(1, 1000)
    return AvPicture(frame.reformat(format="yuv420p"))


def _fits_jpeg(frame: VideoFrame) -> bool:
    """True when the planes can go into a JPEG as they are. Odd sizes take the other way: their last chroma is half."""
    even = frame.width % 2 == 0 and frame.height % 2 == 0
    return frame.format.name == JPEG_DIRECT_FORMAT and even and int(frame.colorspace) in JPEG_DIRECT_COLORSPACES


def _plane(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    """One plane as uint8 (rows, line size): a view of FFmpeg's memory, which the array keeps alive."""
    plane: Any = frame.planes[index]  # PyAV's stubs do not say that it has the buffer interface
    rows: NDArray[np.uint8] = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
    return rows
