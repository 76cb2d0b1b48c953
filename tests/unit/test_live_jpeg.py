"""Small JPEGs: of the right size, and in the colours that the fine way of making them gives."""

import numpy as np
import pytest
import simplejpeg
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.live_jpeg import SCALERS_MAX, SwscaleSmallJpegs
from vigia.infrastructure.video.picture import AvPicture

LIMITED, FULL = 1, 2
BT709, BT601, UNSAID = 1, 5, 2
CODED = [
    ("yuv420p", BT601, LIMITED),
    ("yuv420p", BT709, LIMITED),
    ("yuv420p", UNSAID, LIMITED),
    ("yuvj420p", BT601, FULL),
    ("yuvj420p", BT709, FULL),
    ("nv12", BT709, LIMITED),
    ("yuv422p", BT601, LIMITED),
    ("yuv420p10le", BT709, LIMITED),
    ("gray", BT601, FULL),
    ("rgb24", UNSAID, FULL),
]


def patches(width: int = 640, height: int = 360) -> NDArray[np.uint8]:
    """Four colours, each in its quarter."""
    rgb = np.zeros((height, width, 3), dtype=np.uint8)
    middle, half = height // 2, width // 2
    rgb[:middle, :half], rgb[:middle, half:] = (220, 40, 40), (40, 200, 60)
    rgb[middle:, :half], rgb[middle:, half:] = (40, 60, 210), (230, 230, 230)
    return rgb


def coded(rgb: NDArray[np.uint8], pixel_format: str, colorspace: int, color_range: int) -> AvPicture:
    said = None if colorspace == UNSAID else colorspace
    frame = VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format=pixel_format, dst_colorspace=said, dst_color_range=color_range
    )
    frame.colorspace, frame.color_range = colorspace, color_range
    return AvPicture(frame)


def seen(data: bytes) -> NDArray[np.int16]:
    return np.asarray(simplejpeg.decode_jpeg(data, colorspace="RGB"), dtype=np.int16)


@pytest.mark.parametrize(("pixel_format", "colorspace", "color_range"), CODED)
def test_colours_are_those_of_the_scene(pixel_format: str, colorspace: int, color_range: int) -> None:
    picture = coded(patches(), pixel_format, colorspace, color_range)
    fine = seen(SimpleJpegEncoder().encode_jpeg(picture, quality=90, size_wh=(320, 180)))
    small = seen(SwscaleSmallJpegs().small_jpeg(picture, size_wh=(320, 180), quality=90))
    assert small.shape == (180, 320, 3)
    for y, x in ((45, 80), (45, 240), (135, 80), (135, 240)):
        assert np.abs(small[y, x] - fine[y, x]).max() <= 4


def test_one_maker_serves_cameras_of_many_sizes() -> None:
    maker = SwscaleSmallJpegs()
    for number in range(2 * SCALERS_MAX):
        picture = coded(patches(640 + 2 * number, 360), "yuv420p", BT601, LIMITED)
        small = seen(maker.small_jpeg(picture, size_wh=(64, 36), quality=70))
        assert small.shape == (36, 64, 3)
        assert abs(int(small[9, 16, 0]) - 220) <= 12


def test_a_picture_as_large_as_wanted_is_not_scaled() -> None:
    picture = coded(patches(320, 180), "yuv420p", BT601, LIMITED)
    assert seen(SwscaleSmallJpegs().small_jpeg(picture, size_wh=(320, 180), quality=70)).shape == (180, 320, 3)
