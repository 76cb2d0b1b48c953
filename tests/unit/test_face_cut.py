"""Small faces and small pictures: the colours of the scene, whatever the range and matrix of the video."""

import numpy as np
import pytest
import simplejpeg
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

from vigia.domain.frame import Chroma, Luma, Picture
from vigia.infrastructure.video.face_cut import PlaneFaceCutter
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.picture import AvPicture
from vigia.infrastructure.video.small_jpeg import SmallJpegEncoder

COLOURS = np.array([[200, 40, 60], [30, 160, 70], [60, 80, 210], [128, 128, 128], [230, 190, 160]], dtype=np.uint8)


def blocks(width: int = 320, height: int = 200) -> NDArray[np.uint8]:
    """Upright stripes of known colours."""
    stripes = COLOURS[np.arange(width) * len(COLOURS) // width]
    return np.ascontiguousarray(np.broadcast_to(stripes, (height, width, 3)))


def picture_as(pixel_format: str, colorspace: Colorspace, colour_range: ColorRange) -> AvPicture:
    frame = VideoFrame.from_ndarray(blocks(), format="rgb24")
    coded = frame.reformat(
        format=pixel_format, dst_colorspace=colorspace, src_color_range=ColorRange.JPEG, dst_color_range=colour_range
    )
    coded.colorspace, coded.color_range = colorspace, colour_range
    return AvPicture(coded)


PICTURES = [
    ("yuv420p", Colorspace.ITU601, ColorRange.MPEG),
    ("yuv420p", Colorspace.ITU709, ColorRange.MPEG),
    ("yuvj420p", Colorspace.ITU601, ColorRange.JPEG),
    ("yuv420p", Colorspace.ITU709, ColorRange.JPEG),
    ("yuv422p", Colorspace.ITU601, ColorRange.MPEG),
    ("yuv444p", Colorspace.ITU709, ColorRange.MPEG),
    ("nv12", Colorspace.ITU601, ColorRange.MPEG),
]


@pytest.mark.parametrize(("pixel_format", "colorspace", "colour_range"), PICTURES)
def test_a_cut_face_has_the_colours_of_the_scene(
    pixel_format: str, colorspace: Colorspace, colour_range: ColorRange
) -> None:
    picture = picture_as(pixel_format, colorspace, colour_range)
    cutter = PlaneFaceCutter()
    jpeg = cutter.encode(cutter.cut(picture, (0, 20, 320, 180), side_px=80), quality=95)
    seen = simplejpeg.decode_jpeg(jpeg)
    assert seen.shape == (40, 80, 3)
    for number, colour in enumerate(COLOURS):
        middle = seen[10:30, 16 * number + 5 : 16 * number + 11].reshape(-1, 3).mean(axis=0)
        assert np.abs(middle - colour).max() < 6, (number, middle)


@pytest.mark.parametrize(("pixel_format", "colorspace", "colour_range"), PICTURES)
def test_a_small_picture_looks_like_the_one_that_is_sent(
    pixel_format: str, colorspace: Colorspace, colour_range: ColorRange
) -> None:
    picture = picture_as(pixel_format, colorspace, colour_range)
    small, fine = (
        simplejpeg.decode_jpeg(encoder.encode_jpeg(picture, quality=95, size_wh=(160, 100))).astype(int)
        for encoder in (SmallJpegEncoder(), SimpleJpegEncoder())
    )
    assert small.shape == fine.shape
    assert np.abs(small - fine).mean() < 3.0


class GreyPicture:
    """A picture whose format has no planes of colour; of odd size."""

    width, height = 31, 17

    def luma(self) -> Luma:
        return np.tile(np.arange(31, dtype=np.uint8) * 8, (17, 1))

    def chroma(self) -> Chroma | None:
        return None


def test_a_grey_picture_stays_grey() -> None:
    picture: Picture = GreyPicture()
    cutter = PlaneFaceCutter()
    seen = simplejpeg.decode_jpeg(cutter.encode(cutter.cut(picture, (0, 0, 31, 17), side_px=100), quality=95))
    assert seen.shape == (17, 31, 3)
    assert np.abs(seen.astype(int).max(axis=2) - seen.astype(int).min(axis=2)).max() <= 2


def test_a_cutting_does_not_keep_the_picture() -> None:
    picture = picture_as(*PICTURES[0])
    cutting = PlaneFaceCutter().cut(picture, (0, 0, 100, 100), side_px=80)
    assert cutting.chroma is not None
    for plane in (cutting.luma, *cutting.chroma):
        assert plane.base is None
        assert plane.nbytes <= 80 * 80


@pytest.mark.parametrize("crop", [(0, 0, 2, 2), (318, 198, 320, 200), (100, 0, 102, 200), (0, 0, 320, 200)])
def test_any_part_can_be_cut(crop: tuple[int, int, int, int]) -> None:
    for kind in PICTURES:
        cutter, picture = PlaneFaceCutter(), picture_as(*kind)
        seen = simplejpeg.decode_jpeg(cutter.encode(cutter.cut(picture, crop, side_px=64), quality=80))
        assert max(seen.shape) <= 64
        assert min(seen.shape[:2]) >= 1
