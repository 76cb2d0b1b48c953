"""A copy of a video with boxes and numbers drawn on it: H.264 where FFmpeg can code it, else MPEG-4; the same times.

Drawing is plain numpy on a copy of the planes: the decoder may still need its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vigia.application.errors import ApplicationError
from vigia.domain.frame import Frame
from vigia.domain.geometry import Boxes
from vigia.infrastructure.video.picture import av_picture
from vigia.infrastructure.video.planes import SCALE_THREADS, plane_rows

ENCODERS: tuple[tuple[str, dict[str, str]], ...] = (
    ("libx264", {"preset": "veryfast", "crf": "23"}),
    ("mpeg4", {"qscale": "4"}),
)
PIXEL_FORMAT = "yuv420p"
Planes = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]
TICKS_PER_S = 90_000
TIME_BASE = Fraction(1, TICKS_PER_S)
COLOURS_YUV = ((150, 44, 21), (210, 16, 146), (170, 166, 16), (106, 202, 222), (128, 90, 240), (145, 54, 34))
"""Green, yellow, light blue, pink, red, lime: each track keeps one."""
LINE_PX_SHARE = 1.0 / 360.0
"""How thick lines are, as a share of the picture's height."""
DIGITS = (
    "111101101101111", "010110010010111", "111001111100111", "111001111001111", "101101111001001",
    "111100111001111", "111100111101111", "111001001001001", "111101111101111", "111101111001111",
)  # fmt: skip
"""Each digit, 3 by 5 cells, row by row."""


class AnnotatedVideo:
    """Writes the copy. Owner: one thread.

    Args:
        path: the file; its ending says the container.
        fps: about how many pictures a second come; their own times count.

    Raises:
        ApplicationError: FFmpeg here can code neither.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, *, fps: float) -> None:
        with _as_os_error():
            self._container = av.open(str(path), mode="w", format="mp4")
        self._fps = Fraction(fps).limit_denominator(1001)
        self._stream: VideoStream | None = None
        self._last_tick = -1

    def write(self, frame: Frame, boxes_xyxy: Boxes, ids: Sequence[int]) -> None:
        """Add a picture.

        Args:
            frame: with its time since the beginning.
            boxes_xyxy: float32 (N, 4), pixels of the picture.
            ids: N numbers.
        """
        shared = av_picture(frame.picture)
        with shared.scaling:
            drawn = _copied(shared.frame)
        planes = _planes(drawn)
        for box, number in zip(boxes_xyxy.tolist(), ids, strict=True):
            _draw(planes, (box[0], box[1], box[2], box[3]), number)
        stream = self._stream
        if stream is None:
            stream = self._stream = self._begin(drawn.width, drawn.height)
        if (drawn.width, drawn.height) != (stream.width, stream.height):
            drawn = VideoReformatter().reformat(drawn, stream.width, stream.height)
        self._last_tick = max(self._last_tick + 1, round(frame.at_mono_s * TICKS_PER_S))
        drawn.pts, drawn.time_base = self._last_tick, TIME_BASE
        with _as_os_error():
            self._container.mux(stream.encode(drawn))

    def close(self) -> None:
        """Complete the file."""
        with _as_os_error():
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
            self._container.close()

    def _begin(self, width: int, height: int) -> VideoStream:
        name, options = _encoder()
        stream = self._container.add_stream(name, rate=self._fps, options=options)
        if not isinstance(stream, VideoStream):
            raise ApplicationError("FFmpeg here cannot code video")
        stream.width, stream.height, stream.pix_fmt = width, height, PIXEL_FORMAT
        stream.codec_context.time_base = TIME_BASE
        return stream


@contextmanager
def _as_os_error() -> Iterator[None]:
    """FFmpeg's errors of writing are the file's."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise OSError(error.errno, error.strerror) from error


def _encoder() -> tuple[str, dict[str, str]]:
    for name, options in ENCODERS:
        try:
            av.codec.Codec(name, "w")
        except (av.error.FFmpegError, ValueError):
            continue
        return name, dict(options)
    raise ApplicationError("FFmpeg here cannot code video")


def _copied(frame: VideoFrame) -> VideoFrame:
    """The same picture in memory of its own, in the format that is coded; an odd last row or column is cut off."""
    wide, high = max(frame.width & ~1, 2), max(frame.height & ~1, 2)
    if (frame.width, frame.height, frame.format.name) != (wide, high, PIXEL_FORMAT):
        frame = VideoReformatter().reformat(frame, wide, high, format=PIXEL_FORMAT, threads=SCALE_THREADS)
    copy = VideoFrame(wide, high, PIXEL_FORMAT)
    for mine, its in zip(_planes(copy), _planes(frame), strict=True):
        mine[:] = its
    return copy


def _planes(frame: VideoFrame) -> Planes:
    """Light and both colours, views of the frame's own memory."""
    wide, high = frame.width, frame.height
    sizes = ((high, wide), (high // 2, wide // 2), (high // 2, wide // 2))
    light, blue, red = (plane_rows(frame, n)[:rows, :columns] for n, (rows, columns) in enumerate(sizes))
    return light, blue, red


def _draw(planes: Planes, box: tuple[float, float, float, float], number: int) -> None:
    height, _ = planes[0].shape
    colour = COLOURS_YUV[number % len(COLOURS_YUV)]
    line = 2 * max(1, round(height * LINE_PX_SHARE))
    left, top, right, bottom = (round(edge) for edge in box)
    for part in (
        (left, top, right, top + line),
        (left, bottom - line, right, bottom),
        (left, top, left + line, bottom),
        (right - line, top, right, bottom),
    ):
        _fill(planes, part, colour)
    cell = line
    text = str(number)
    label_top = top - 7 * cell if top >= 7 * cell else top + line
    _fill(planes, (left, label_top, left + (4 * len(text) + 1) * cell, label_top + 7 * cell), colour)
    for place, digit in enumerate(text):
        _draw_digit(planes, int(digit), left + (4 * place + 1) * cell, label_top + cell, cell)


def _draw_digit(planes: Planes, digit: int, left: int, top: int, cell: int) -> None:
    for index, lit in enumerate(DIGITS[digit]):
        if lit == "1":
            x, y = left + index % 3 * cell, top + index // 3 * cell
            _fill(planes, (x, y, x + cell, y + cell), (16, 128, 128))


def _fill(planes: Planes, ltrb: tuple[int, int, int, int], yuv: tuple[int, int, int]) -> None:
    """Fill a rectangle, cut to the picture, at even pixels."""
    height, width = planes[0].shape
    left, right = (min(max(x, 0), width) & ~1 for x in (ltrb[0], ltrb[2]))
    top, bottom = (min(max(y, 0), height) & ~1 for y in (ltrb[1], ltrb[3]))
    for plane, value, share in zip(planes, yuv, (1, 2, 2), strict=True):
        plane[top // share : bottom // share, left // share : right // share] = value
