"""The planes of a decoded frame: as arrays, and cut to a part of the picture without converting anything.

Here and in the modules beside, a frame is never asked to reformat itself: PyAV keeps the scaler of ``frame.reformat``
on the frame, several threads look at one frame, and two threads in one scaler crash the process.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from vigia.domain.errors import DomainError

SCALE_THREADS = 1
"""For swscale, which by itself takes one a core: three hand-overs a picture, a quarter to a half more CPU, and a core
that another shard needs."""

Ltrb = tuple[int, int, int, int]
"""Left, top, right, bottom of a part, whole pixels; right and bottom are the first column and row outside."""


@dataclass(frozen=True, slots=True)
class _Chroma:
    """How a format's planes beyond the first relate to its pixels."""

    across: int
    """Pixels to one column of colour."""
    down: int
    """Pixels to one row of colour."""
    column_bytes: int = 1
    """Of one column of colour: 2 where both colours share a plane."""


CUT_FORMATS = {
    "yuv420p": _Chroma(2, 2), "yuvj420p": _Chroma(2, 2), "nv12": _Chroma(2, 2, 2), "nv21": _Chroma(2, 2, 2),
    "yuv422p": _Chroma(2, 1), "yuvj422p": _Chroma(2, 1), "yuv444p": _Chroma(1, 1), "yuvj444p": _Chroma(1, 1),
    "gray": _Chroma(1, 1),
}  # fmt: skip
"""Formats with one byte a sample that are cut plane by plane: what nearly all cameras code. Others are converted first,
as a whole."""


def plane_rows(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    """One plane as uint8 (rows, line size): a view of FFmpeg's memory, which the array keeps alive."""
    plane: Any = frame.planes[index]  # PyAV's stubs do not say that it has the buffer interface
    rows: NDArray[np.uint8] = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
    return rows


def rgb_pixels(frame: VideoFrame) -> NDArray[np.uint8]:
    """The whole frame in red, green and blue, uint8 (height, width, 3), contiguous."""
    coloured = VideoReformatter().reformat(frame, format="rgb24", threads=SCALE_THREADS)
    return np.ascontiguousarray(coloured.to_ndarray(), dtype=np.uint8)


def cut(frame: VideoFrame, ltrb: Ltrb) -> VideoFrame:
    """A part of a frame as a frame of its own; the frame itself when the part is all of it.

    Cuts at odd pixels, where colour is half as fine as light, cost a conversion of the whole frame.

    Raises:
        DomainError: the part is empty or not inside the frame.
    """
    left, top, right, bottom = ltrb
    if not (0 <= left < right <= frame.width and 0 <= top < bottom <= frame.height):
        raise DomainError(
            "the part %(part)s is not inside a picture of %(width)dx%(height)d pixels",
            part=ltrb,
            width=frame.width,
            height=frame.height,
        )
    if (right - left, bottom - top) == (frame.width, frame.height):
        return frame
    chroma = CUT_FORMATS.get(frame.format.name)
    if chroma is None or left % chroma.across or top % chroma.down:
        part: NDArray[np.uint8] = np.ascontiguousarray(rgb_pixels(frame)[top:bottom, left:right])
        return VideoFrame.from_ndarray(part, format="rgb24")
    return _cut_planes(frame, ltrb, chroma)


def _cut_planes(frame: VideoFrame, ltrb: Ltrb, chroma: _Chroma) -> VideoFrame:
    """Copy the rows of every plane; left and top lie where a column and a row of colour begin."""
    left, top, right, bottom = ltrb
    part = VideoFrame(right - left, bottom - top, frame.format.name)
    part.colorspace, part.color_range = frame.colorspace, frame.color_range
    part.color_trc, part.color_primaries = frame.color_trc, frame.color_primaries
    for index in range(len(frame.planes)):
        across, down, size = (chroma.across, chroma.down, chroma.column_bytes) if index else (1, 1, 1)
        columns = slice(left // across * size, -(-right // across) * size)
        rows = plane_rows(frame, index)[top // down : -(-bottom // down), columns]
        plane_rows(part, index)[: rows.shape[0], : rows.shape[1]] = rows
    return part
