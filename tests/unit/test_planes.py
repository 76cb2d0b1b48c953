"""Regions of decoded pictures: cut out of the planes as they are, and scaled like the whole."""

import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from vigia.domain.errors import DomainError
from vigia.domain.regions import Region
from vigia.infrastructure.video.picture import AvPicture, SwscalePictureScaler, picture_from_rgb
from vigia.infrastructure.video.planes import CUT_FORMATS, cut, plane_rows

WIDTH, HEIGHT = 128, 96


def quarters() -> NDArray[np.uint8]:
    """Red, green, blue and grey quarters."""
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rgb[: HEIGHT // 2, : WIDTH // 2] = (200, 30, 30)
    rgb[: HEIGHT // 2, WIDTH // 2 :] = (30, 200, 30)
    rgb[HEIGHT // 2 :, : WIDTH // 2] = (30, 30, 200)
    rgb[HEIGHT // 2 :, WIDTH // 2 :] = (120, 120, 120)
    return rgb


@pytest.mark.parametrize("name", [*CUT_FORMATS, "yuv420p10le", "rgb24"])
@pytest.mark.parametrize(("left", "top", "colour"), [(8, 8, 0), (72, 8, 1), (8, 56, 2)])
def test_a_cut_shows_what_was_there_in_every_format(name: str, left: int, top: int, colour: int) -> None:
    frame = VideoFrame.from_ndarray(quarters(), format="rgb24").reformat(format=name)
    part = cut(frame, (left, top, left + 48, top + 32))
    assert (part.width, part.height) == (48, 32)
    means = part.to_ndarray(format="rgb24").reshape(-1, 3).mean(axis=0)
    if name == "gray":
        assert np.ptp(means) < 2
    else:
        assert means.argmax() == colour
        assert means[colour] - np.delete(means, colour).max() > 80


def test_a_cut_keeps_the_planes_bytes_and_their_meaning() -> None:
    frame = VideoFrame.from_ndarray(quarters(), format="rgb24").reformat(format="yuv420p")
    frame.color_range = ColorRange.JPEG
    part = cut(frame, (16, 24, 80, 72))
    np.testing.assert_array_equal(plane_rows(part, 0)[:48, :64], plane_rows(frame, 0)[24:72, 16:80])
    np.testing.assert_array_equal(plane_rows(part, 2)[:24, :32], plane_rows(frame, 2)[12:36, 8:40])
    assert part.color_range == frame.color_range
    assert part.format.name == "yuv420p"
    assert cut(frame, (0, 0, WIDTH, HEIGHT)) is frame


@pytest.mark.parametrize("part", [(-2, 0, 10, 10), (0, 0, WIDTH + 2, 10), (10, 10, 10, 20), (0, 90, 20, 98)])
def test_a_part_outside_the_picture_is_refused(part: tuple[int, int, int, int]) -> None:
    frame = VideoFrame.from_ndarray(quarters(), format="rgb24")
    with pytest.raises(DomainError, match="not inside a picture of 128x96 pixels"):
        cut(frame, part)


@pytest.mark.parametrize(("region", "colour"), [(Region(8, 8, 48, 32), 2), (Region(72, 8, 48, 32), 1)])
def test_a_region_is_scaled_alone(region: Region, colour: int) -> None:
    scaler = SwscalePictureScaler()
    picture = picture_from_rgb(quarters())
    planes = scaler.scale_planar(picture, width=96, height=64, region=region)
    assert [plane.shape for plane in planes] == [(64, 96)] * 3
    means = [float(plane.mean()) for plane in planes]
    assert int(np.argmax(means)) == colour, "blue, green, red"
    assert max(float(plane.std()) for plane in planes) < 3.0, "nothing of the neighbours"
    whole = scaler.scale_planar(AvPicture(picture.frame), width=96, height=64)
    assert max(float(plane.std()) for plane in whole) > 30.0
