"""A decoded picture that stays as the codec made it, and what can be made of it: a small input; a JPEG in ``jpeg.py``.

``AvPicture`` keeps a reference to the decoder's planes; converting is somebody else's decision and cost.
"""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from io import BytesIO
from typing import Any, Final

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, Interpolation, VideoReformatter
from numpy.typing import NDArray

from vigia.domain.errors import DomainError
from vigia.domain.frame import Chroma, Luma, Picture
from vigia.domain.regions import Region
from vigia.infrastructure.video.planes import SCALE_THREADS, cut, plane_rows

LUMA_FIRST_FORMATS = frozenset(
    {
        "yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv411p", "yuv440p", "yuvj440p",
        "nv12", "nv21", "nv16", "gray", "yuva420p",
    }
)  # fmt: skip
"""Pixel formats whose first plane is 8-bit luma, one byte a pixel."""
CHROMA_PLANE_FORMATS = frozenset(
    {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p", "yuv411p", "yuv440p", "yuvj440p", "yuva420p"}
)
"""Pixel formats whose second and third plane are blue and red difference, 8 bit."""
CHROMA_PAIR_FORMATS = {"nv12": (0, 1), "nv16": (0, 1), "nv21": (1, 0)}
"""Pixel formats whose second plane holds both in turn: where blue and red begin."""
TWO_STEP_FORMATS = frozenset({"yuv420p", "yuvj420p"})
"""What nearly all cameras code."""
_UNGUARDED: Final = nullcontext()


class AvPicture:
    """A decoded picture. Immutable; any thread may read it.

    Pictures whose first plane is not 8-bit luma (10-bit HEVC, RGB webcams) are converted once, when luma is asked for.

    Whoever scales or converts ``frame`` uses a reformatter of its own and holds ``scaling``: while PyAV scales, it
    writes what it was told of colours into the source frame, where another thread would believe it.
    """

    __slots__ = ("_luma", "frame", "scaling")

    def __init__(self, frame: VideoFrame) -> None:
        # Nothing here converts by these; PyAV clears them for the time of each scaling, and other threads would see it.
        frame.color_trc, frame.color_primaries = ColorTrc.UNSPECIFIED, ColorPrimaries.UNSPECIFIED
        self.frame = frame
        self._luma: Luma | None = None
        self.scaling: AbstractContextManager[Any] = (
            _UNGUARDED if frame.format.name in LUMA_FIRST_FORMATS else threading.Lock()
        )
        """Held while ``frame`` is scaled. A lock where ranges are told otherwise than they are coded, as for luma; in
        formats with 8-bit luma that never happens, and nobody waits for anybody."""

    @property
    def width(self) -> int:
        """Pixels."""
        return self.frame.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.frame.height

    @property
    def size_bytes(self) -> int:
        """What it keeps in memory, with the luma that may be made of it."""
        planes = sum(plane.buffer_size for plane in self.frame.planes)
        return planes if self.frame.format.name in LUMA_FIRST_FORMATS else planes + self.width * self.height

    def luma(self) -> Luma:
        """The full-size luma plane, uint8 (height, width): a view where the format allows."""
        if self._luma is None:
            with self.scaling:
                if self._luma is None:
                    self._luma = self._made_luma()
        return self._luma

    def _made_luma(self) -> Luma:
        frame = self.frame
        if frame.format.name not in LUMA_FIRST_FORMATS:
            # Equal ranges: the levels stay as coded, like those of the formats that are handed through.
            full = ColorRange.JPEG
            frame = VideoReformatter().reformat(
                frame, format="gray", src_color_range=full, dst_color_range=full, threads=SCALE_THREADS
            )
        return plane_rows(frame, 0)[: frame.height, : frame.width]

    def chroma(self) -> Chroma | None:
        """Blue and red difference, views of the decoder's planes; None where the format has no such 8-bit planes."""
        frame, name = self.frame, self.frame.format.name
        if name in CHROMA_PLANE_FORMATS:
            blue, red = (plane_rows(frame, n)[: frame.planes[n].height, : frame.planes[n].width] for n in (1, 2))
            return blue, red
        if name in CHROMA_PAIR_FORMATS:
            both = plane_rows(frame, 1)[: frame.planes[1].height, : 2 * frame.planes[1].width]
            first, second = CHROMA_PAIR_FORMATS[name]
            return both[:, first::2], both[:, second::2]
        return None


class SwscalePictureScaler:
    """Scales pictures with swscale (PyAV). Owner: one thread. Keeps one conversion context per size.

    In two steps: first smaller, with the colours as coded, then the small picture to blue, green and red. In one step
    swscale takes a quarter more time at 720p and two fifths more at 1080p.
    """

    def __init__(self) -> None:
        self._shrink = VideoReformatter()
        self._convert = VideoReformatter()
        self._small: VideoFrame | None = None  # keeps the returned views alive

    def scale_planar(
        self, picture: Picture, *, width: int, height: int, region: Region | None = None
    ) -> Sequence[NDArray[np.uint8]]:
        """Three uint8 (height, width) planes: blue, green, red; views valid until the next call.

        A region is copied out of the planes first, 0.05 ms for a quarter of 1080p: swscale takes whole frames only.
        """
        shared = av_picture(picture)
        with shared.scaling:
            small = self._scaled(shared.frame, width, height, region)
        self._small = small
        green, blue, red = (plane_rows(small, index)[:height, :width] for index in range(3))
        return blue, green, red

    def _scaled(self, frame: VideoFrame, width: int, height: int, region: Region | None) -> VideoFrame:
        if region is not None:
            frame = cut(frame, (region.left, region.top, region.right, region.bottom))
        if frame.format.name in TWO_STEP_FORMATS:
            frame = self._shrink.reformat(
                frame, width=width, height=height, interpolation=Interpolation.FAST_BILINEAR, threads=SCALE_THREADS
            )
        return self._convert.reformat(
            frame,
            width=width,
            height=height,
            format="gbrp",
            interpolation=Interpolation.FAST_BILINEAR,
            threads=SCALE_THREADS,
        )


def av_frame(picture: Picture) -> VideoFrame:
    """The PyAV frame inside a picture of this adapter; to be scaled only while its ``scaling`` is held.

    Raises:
        DomainError: the picture was made by another adapter.
    """
    return av_picture(picture).frame


def av_picture(picture: Picture) -> AvPicture:
    """A picture of this adapter as what it is.

    Raises:
        DomainError: the picture was made by another adapter.
    """
    if not isinstance(picture, AvPicture):
        raise DomainError("a picture of type %(type)s did not come from this decoder", type=type(picture).__name__)
    return picture


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
    return AvPicture(VideoReformatter().reformat(frame, format="yuv420p"))
