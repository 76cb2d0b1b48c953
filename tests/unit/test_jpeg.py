"""JPEG files: parts of pictures in their place and colours, scaled ones whole, and nothing in them but the picture."""

import numpy as np
import pytest
import simplejpeg
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vigia.domain.errors import DomainError
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.picture import AvPicture
from vigia.infrastructure.video.planes import CUT_FORMATS, plane_rows

Rgb = NDArray[np.uint8]
LIMITED, FULL = 1, 2
BT709, BT601 = 1, 5
CODED = [
    *((name, BT601, FULL if "j" in name or name == "gray" else LIMITED) for name in CUT_FORMATS),
    ("yuv420p", BT709, LIMITED),
    ("yuvj420p", BT709, FULL),  # many cameras: their planes must not be taken as they are
    ("yuv420p10le", BT709, LIMITED),
    ("yuv411p", BT601, LIMITED),
    ("yuyv422", BT601, LIMITED),
    ("rgb24", BT601, FULL),
]


def scene(width: int, height: int) -> Rgb:
    """Colours that rise and fall by 6 levels a pixel, across, down and along: a part that lies a pixel off shows."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    red, green, blue = (np.abs((place % 80) - 40) * 6 + 8 for place in (x, y, x + y + 20))
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def picture(rgb: Rgb, pixel_format: str, colorspace: int, color_range: int) -> AvPicture:
    frame = VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
        format=pixel_format, dst_colorspace=colorspace, dst_color_range=color_range
    )
    frame.colorspace, frame.color_range = colorspace, color_range
    return AvPicture(frame)


def decoded(data: bytes) -> NDArray[np.int16]:
    return np.asarray(simplejpeg.decode_jpeg(data, colorspace="RGB"), dtype=np.int16)


@pytest.mark.parametrize(("pixel_format", "colorspace", "color_range"), CODED)
@pytest.mark.parametrize("ltrb", [(40, 24, 200, 120), (0, 0, 64, 64), (41, 23, 140, 120), (256, 130, 319, 191)])
def test_a_part_shows_what_the_whole_shows_there(
    pixel_format: str, colorspace: int, color_range: int, ltrb: tuple[int, int, int, int]
) -> None:
    coded = picture(scene(319, 191), pixel_format, colorspace, color_range)
    left, top, right, bottom = ltrb
    whole = decoded(SimpleJpegEncoder().encode_jpeg(coded, quality=98))

    part = decoded(SimpleJpegEncoder().encode_jpeg(coded, quality=98, crop_ltrb=ltrb))

    assert part.shape == (bottom - top, right - left, 3)
    difference = np.abs(part - whole[top:bottom, left:right])
    # Where all sides are even, swscale repeats colours in place of interpolating them: up to 2.8. A pixel off costs 4.
    assert float(difference.mean()) < 3.2, "another place or other colours"


@pytest.mark.parametrize(("pixel_format", "colorspace", "color_range"), [c for c in CODED if c[0] != "gray"])
def test_a_part_that_is_scaled_has_the_colours_of_the_scene(
    pixel_format: str, colorspace: int, color_range: int
) -> None:
    rgb = scene(400, 240)
    coded = picture(rgb, pixel_format, colorspace, color_range)

    part = decoded(SimpleJpegEncoder().encode_jpeg(coded, quality=98, crop_ltrb=(100, 40, 300, 200), size_wh=(100, 80)))

    assert part.shape == (80, 100, 3)
    expected = rgb[40:200, 100:300].astype(np.int16).reshape(80, 2, 100, 2, 3).mean(axis=(1, 3))
    # Washed out (limited range taken for full) costs about 10, the wrong matrix about 5.
    assert float(np.abs(part - expected).mean()) < 3.0


@pytest.mark.parametrize("size_wh", [(1, 1), (1, 40), (33, 17), (640, 360)])
def test_a_picture_has_the_size_asked_for(size_wh: tuple[int, int]) -> None:
    coded = picture(scene(320, 180), "yuv420p", BT709, LIMITED)
    height, width, _, _ = simplejpeg.decode_jpeg_header(
        SimpleJpegEncoder().encode_jpeg(coded, quality=90, size_wh=size_wh)
    )
    assert (width, height) == size_wh


@pytest.mark.parametrize("size_wh", [(3840, 2160), (7680, 4320), (3839, 2159)])
def test_the_last_corner_of_a_large_picture_is_its_own(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    frame = VideoFrame(width, height, "yuv420p")
    for index, level in enumerate((60, 128, 128)):
        plane_rows(frame, index)[:] = level
    left, top = (width - 300) // 2 * 2, (height - 200) // 2 * 2
    plane_rows(frame, 0)[top:height, left:width] = 180

    part = decoded(SimpleJpegEncoder().encode_jpeg(AvPicture(frame), quality=90, crop_ltrb=(left, top, width, height)))

    assert part.shape == (height - top, width - left, 3)
    assert int(np.ptp(part)) <= 2
    assert float(part.mean()) == pytest.approx((180 - 16) * 255 / 219, abs=2.0)


def test_a_file_holds_the_picture_and_nothing_else() -> None:
    for pixel_format, colorspace, color_range in (("yuvj420p", BT601, FULL), ("yuv420p", BT709, LIMITED)):
        coded = picture(scene(320, 180), pixel_format, colorspace, color_range)
        data = SimpleJpegEncoder().encode_jpeg(coded, quality=90, crop_ltrb=(20, 20, 120, 90))
        assert markers(data) == {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}, "JFIF's header, tables, frame and scan only"


def markers(data: bytes) -> set[int]:
    """The segments of a JPEG up to its scan."""
    found, at = set[int](), 2
    while True:
        assert data[at] == 0xFF
        found.add(data[at + 1])
        if data[at + 1] == 0xDA:
            return found
        at += 2 + int.from_bytes(data[at + 2 : at + 4])


@pytest.mark.parametrize("ltrb", [(-2, 0, 10, 10), (0, 0, 0, 10), (0, 10, 10, 10), (0, 0, 321, 10), (0, 0, 10, 181)])
def test_a_part_that_is_not_inside_is_refused(ltrb: tuple[int, int, int, int]) -> None:
    coded = picture(scene(320, 180), "yuv420p", BT709, LIMITED)
    with pytest.raises(DomainError, match="not inside a picture of 320x180 pixels"):
        SimpleJpegEncoder().encode_jpeg(coded, quality=90, crop_ltrb=ltrb)
