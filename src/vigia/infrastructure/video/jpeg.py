"""JPEG files of decoded pictures, whole or cut and scaled, in the colours of the scene.

Full-range planes in the colours that a JPEG's reader takes for granted go in as they are; all others are converted.
A cut copies only what is cut out, with the colours as coded; scaling and conversion are one step of swscale.
"""

import numpy as np
import simplejpeg
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from vigia.domain.frame import Picture
from vigia.infrastructure.video.picture import av_picture
from vigia.infrastructure.video.planes import SCALE_THREADS, Ltrb, cut, plane_rows, rgb_pixels

JPEG_DIRECT_FORMAT = "yuvj420p"
"""The full-range format that a JPEG can take plane by plane, without a conversion."""
JPEG_DIRECT_COLORSPACES = frozenset({2, 5, 6})
"""AVCOL_SPC_UNSPECIFIED, _BT470BG, _SMPTE170M: what a JPEG's reader takes for granted (BT.601). Many cameras code full
range in BT.709: their planes would show faces too red or too green.
"""


class SimpleJpegEncoder:
    """JPEG through libjpeg-turbo. Any thread.

    Full-range planar pictures go in as they are. Video is mostly limited-range: its planes would look washed out, so
    it is converted to RGB first. Files hold the picture and nothing else: no EXIF, no comment.
    """

    def encode_jpeg(
        self,
        picture: Picture,
        *,
        quality: int,
        crop_ltrb: Ltrb | None = None,
        size_wh: tuple[int, int] | None = None,
    ) -> bytes:
        """A picture or a part of it, JPEG; see the port. Cuts at odd pixels cost more than at even ones."""
        shared = av_picture(picture)
        with shared.scaling:
            frame = shared.frame if crop_ltrb is None else cut(shared.frame, crop_ltrb)
            if size_wh is not None and size_wh != (frame.width, frame.height):
                frame = VideoReformatter().reformat(
                    frame, *size_wh, format="rgb24", interpolation=Interpolation.BICUBIC, threads=SCALE_THREADS
                )
            rgb = None if _fits_jpeg(frame) else rgb_pixels(frame)
        return planar_jpeg(frame, quality=quality) if rgb is None else rgb_jpeg(rgb, quality=quality)


def planar_jpeg(frame: VideoFrame, *, quality: int, quick: bool = False) -> bytes:
    """Full-range 4:2:0 planes as they are; both sides are even. ``quick``: by a coarser transform."""
    y, u, v = (plane_rows(frame, index) for index in range(3))
    width, height = frame.width, frame.height
    jpeg: bytes = simplejpeg.encode_jpeg_yuv_planes(
        Y=np.ascontiguousarray(y[:height, :width]),
        U=np.ascontiguousarray(u[: height // 2, : width // 2]),
        V=np.ascontiguousarray(v[: height // 2, : width // 2]),
        quality=quality,
        fastdct=quick,
    )
    return jpeg


def rgb_jpeg(rgb: NDArray[np.uint8], *, quality: int) -> bytes:
    """Pixels in red, green and blue, uint8 (height, width, 3), contiguous."""
    jpeg: bytes = simplejpeg.encode_jpeg(rgb, quality=quality, colorspace="RGB", colorsubsampling="420")
    return jpeg


def _fits_jpeg(frame: VideoFrame) -> bool:
    """True when the planes can go into a JPEG as they are. Odd sizes take the other way: their last chroma is half."""
    even = frame.width % 2 == 0 and frame.height % 2 == 0
    return frame.format.name == JPEG_DIRECT_FORMAT and even and int(frame.colorspace) in JPEG_DIRECT_COLORSPACES
