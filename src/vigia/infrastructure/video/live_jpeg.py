"""Small JPEGs for people who watch, several a second: scaled in the colours as coded, then into those of a JPEG.

Half the cost of ``jpeg.py`` at 480 pixels wide (1.0 against 2.4 ms a picture of 720p on the machine of
``docs/performance.md``): nothing goes through RGB, and a quick transform is good enough for a picture that is replaced
a third of a second later.
"""

from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from vigia.domain.frame import Picture
from vigia.infrastructure.video.jpeg import JPEG_DIRECT_FORMAT, planar_jpeg
from vigia.infrastructure.video.picture import TWO_STEP_FORMATS, av_picture
from vigia.infrastructure.video.planes import SCALE_THREADS

SCALERS_MAX = 16
"""Conversion contexts that are kept: one for each size of picture and of file."""
FULL_RANGE_FORMATS = frozenset({"yuvj420p", "yuvj422p", "yuvj444p", "yuvj440p"})


class SwscaleSmallJpegs:
    """A ``SmallJpegMaker`` over swscale and libjpeg-turbo.

    Owner: one thread at a time. Bounds: SCALERS_MAX pairs of contexts.
    """

    def __init__(self) -> None:
        self._scalers: dict[tuple[int, int, str, int, int], tuple[VideoReformatter, VideoReformatter]] = {}

    def small_jpeg(self, picture: Picture, *, size_wh: tuple[int, int], quality: int) -> bytes:
        """The whole picture, scaled. See the port."""
        shared = av_picture(picture)
        width, height = size_wh
        with shared.scaling:
            small = self._small(shared.frame, width, height)
        return planar_jpeg(small, quality=quality, quick=True)

    def _small(self, frame: VideoFrame, width: int, height: int) -> VideoFrame:
        """Scaled, and in what a JPEG's reader takes for granted: full range, BT.601."""
        name = frame.format.name
        shrink, convert = self._of((frame.width, frame.height, name, width, height))
        full_range = name in FULL_RANGE_FORMATS or int(frame.color_range) == int(ColorRange.JPEG)
        colorspace = frame.colorspace
        if name in TWO_STEP_FORMATS:
            frame = shrink.reformat(
                frame, width=width, height=height, interpolation=Interpolation.AREA, threads=SCALE_THREADS
            )
        return convert.reformat(
            frame,
            width=width,
            height=height,
            format=JPEG_DIRECT_FORMAT,
            src_colorspace=colorspace if int(colorspace) in _KNOWN else None,
            dst_colorspace=Colorspace.ITU601,
            src_color_range=ColorRange.JPEG if full_range else ColorRange.MPEG,
            dst_color_range=ColorRange.JPEG,
            interpolation=Interpolation.AREA,
            threads=SCALE_THREADS,
        )

    def _of(self, key: tuple[int, int, str, int, int]) -> tuple[VideoReformatter, VideoReformatter]:
        scalers = self._scalers.get(key)
        if scalers is None:
            if len(self._scalers) >= SCALERS_MAX:
                self._scalers.clear()
            scalers = self._scalers[key] = VideoReformatter(), VideoReformatter()
        return scalers


_KNOWN = frozenset(int(one) for one in Colorspace)
