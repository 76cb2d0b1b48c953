"""Regions as operators write them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.domain.errors import DomainError
from vigia.domain.picture_region import PIXELS_MAX, PictureRegion

SIDES = st.integers(1, PIXELS_MAX // 2)
STARTS = st.integers(0, PIXELS_MAX // 2)


@given(SIDES, SIDES, STARTS, STARTS)
def test_what_is_written_is_read(width: int, height: int, left: int, top: int) -> None:
    region = PictureRegion(left, top, width, height)
    assert PictureRegion.parse(str(region)) == region
    assert PictureRegion.parse(f"  {width}X{height}+{left}+{top} ") == region


@pytest.mark.parametrize(
    "text", ["", "640x480", "640x480+0", "+0+0", "640x480-5+0", "0x480+0+0", "640x0+0+0", "1x1+65536+0", "a" * 50]
)
def test_what_is_no_region_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(DomainError, match=r"WxH\+X\+Y|1x1 pixel"):
        PictureRegion.parse(text)


def test_a_face_belongs_to_the_side_where_its_centre_is() -> None:
    region = PictureRegion.parse("200x100+100+50")

    def at(x: float, y: float) -> bool:
        return region.holds(np.array([x - 30, y - 30, x + 30, y + 30], dtype=np.float32))

    assert at(100, 50)
    assert at(299, 149)
    assert not at(300, 100)
    assert not at(200, 150)
    assert not at(99, 100)


def test_a_region_of_a_larger_picture_meets_a_smaller_one_nowhere() -> None:
    region = PictureRegion.parse("100x100+1280+0")
    assert region.meets((1920, 1080))
    assert not region.meets((1280, 720))


def test_regions_overlap_where_they_share_a_pixel() -> None:
    region = PictureRegion.parse("100x100+200+200")
    assert region.overlaps(PictureRegion.parse("1x1+299+299"))
    assert region.overlaps(PictureRegion.parse("1000x1000+0+0"))
    for apart in ("200x400+0+0", "100x100+300+200", "400x200+0+0", "100x100+200+300"):
        assert not region.overlaps(PictureRegion.parse(apart))
        assert not PictureRegion.parse(apart).overlaps(region)
