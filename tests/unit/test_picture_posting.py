"""Posted pictures, as files: the limit of bytes holds whatever is in the picture, and what was given up is known."""

import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from vigia.application.errors import PermanentError
from vigia.application.picture_posting import QUALITY_STEPS, SIDE_MIN_PX, make_posted_picture
from vigia.application.plain_values import plain
from vigia.domain.frame import Picture
from vigia.domain.posted_picture import FACE_MIN_PX, PictureMode, PictureRules
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.picture import AvPicture, picture_from_rgb
from vigia.testing.video import ScriptedPicture

FACE = (301.3, 120.7, 402.9, 240.2)


class WeighedEncoder:
    """Files of so many bytes a pixel at quality 100, in proportion to the quality; notes what was asked for."""

    def __init__(self, bytes_a_pixel: float = 1.0) -> None:
        self.bytes_a_pixel = bytes_a_pixel
        self.asked: list[tuple[int, tuple[int, int]]] = []

    def encode_jpeg(
        self,
        picture: Picture,
        *,
        quality: int,
        crop_ltrb: tuple[int, int, int, int] | None = None,
        size_wh: tuple[int, int] | None = None,
    ) -> bytes:
        assert crop_ltrb is not None
        assert 0 <= crop_ltrb[0] < crop_ltrb[2] <= picture.width
        width, height = size_wh if size_wh is not None else (picture.width, picture.height)
        self.asked.append((quality, (width, height)))
        return bytes(round(width * height * self.bytes_a_pixel * quality / 100))


def noise(width: int, height: int) -> AvPicture:
    """What a JPEG can do least with."""
    return picture_from_rgb(np.random.default_rng(5).integers(0, 255, (height, width, 3), dtype=np.uint8))


def test_what_fits_is_coded_once() -> None:
    encoder = WeighedEncoder()
    made = make_posted_picture(encoder, ScriptedPicture(width=1280, height=720), FACE, rules=PictureRules())

    assert encoder.asked == [(95, (1280, 720))]
    assert (made.jpeg_quality, made.plan.size_wh) == (95, (1280, 720))


def test_too_many_bytes_lower_the_quality_step_by_step() -> None:
    encoder = WeighedEncoder()
    made = make_posted_picture(
        encoder, ScriptedPicture(width=1000, height=1000), FACE, rules=PictureRules(max_bytes=760_000)
    )

    assert [quality for quality, _ in encoder.asked] == [95, 85, 75]
    assert (made.jpeg_quality, made.plan.size_wh) == (75, (1000, 1000))


def test_then_the_picture_shrinks() -> None:
    encoder = WeighedEncoder()
    made = make_posted_picture(
        encoder, ScriptedPicture(width=1000, height=500), FACE, rules=PictureRules(max_bytes=210_000)
    )

    assert encoder.asked == [(95, (1000, 500)), *((q, (1000, 500)) for q in QUALITY_STEPS), (65, (800, 400))]
    assert made.jpeg_quality == 65
    assert made.plan.to_camera(made.plan.box_xyxy) == pytest.approx(FACE)


def test_a_quality_that_is_low_already_is_not_raised() -> None:
    encoder = WeighedEncoder()
    rules = PictureRules(max_bytes=10_000, jpeg_quality=40)
    made = make_posted_picture(encoder, ScriptedPicture(width=400, height=300), FACE, rules=rules)

    assert {quality for quality, _ in encoder.asked} == {40}
    assert len(made.jpeg) <= 10_000


def test_a_small_face_keeps_its_pixels_while_the_picture_shrinks() -> None:
    face = (500.0, 300.0, 552.0, 360.0)
    made = make_posted_picture(
        WeighedEncoder(), ScriptedPicture(width=1920, height=1080), face, rules=PictureRules(max_bytes=100_000)
    )

    left, top, right, bottom = made.plan.box_xyxy
    assert len(made.jpeg) <= 100_000
    assert min(right - left, bottom - top) >= FACE_MIN_PX
    assert made.plan.to_camera(made.plan.box_xyxy) == pytest.approx(face)


def test_a_picture_that_cannot_be_made_small_enough_is_told() -> None:
    encoder = WeighedEncoder(bytes_a_pixel=1000.0)
    with pytest.raises(PermanentError, match=r"\d+ bytes even at 64x64 pixels; capture.max_bytes is 100000"):
        make_posted_picture(
            encoder, ScriptedPicture(width=1920, height=1080), FACE, rules=PictureRules(max_bytes=100_000)
        )
    assert max(encoder.asked[-1][1]) == SIDE_MIN_PX


@given(
    width=st.integers(1, 8000),
    height=st.integers(1, 8000),
    place=st.tuples(st.floats(-0.2, 1.0), st.floats(-0.2, 1.0)),
    face_px=st.floats(8.0, 900.0),
    mode=st.sampled_from(PictureMode),
    max_bytes=st.integers(100_000, 12_000_000),
    bytes_a_pixel=st.floats(0.05, 3.0),
)
def test_the_limits_hold_for_every_picture(
    width: int,
    height: int,
    place: tuple[float, float],
    face_px: float,
    mode: PictureMode,
    max_bytes: int,
    bytes_a_pixel: float,
) -> None:
    left, top = place[0] * width, place[1] * height
    box = (left, top, left + face_px, top + face_px * 1.3)
    rules = PictureRules(mode, max_bytes=max_bytes)
    encoder = WeighedEncoder(bytes_a_pixel)

    made = make_posted_picture(encoder, ScriptedPicture(width=width, height=height), box, rules=rules)

    assert len(made.jpeg) <= max_bytes
    assert max(made.plan.size_wh) <= rules.max_side_px
    assert made.jpeg_quality <= rules.jpeg_quality
    assert made.plan.to_camera(made.plan.box_xyxy) == pytest.approx(box, abs=1.0)
    assert encoder.asked[-1] == (made.jpeg_quality, made.plan.size_wh)
    assert len(encoder.asked) <= 30


@pytest.mark.parametrize("mode", PictureMode)
@pytest.mark.parametrize("size_wh", [(3840, 2160), (1919, 1079)])
def test_real_files_keep_to_the_limits_too(mode: PictureMode, size_wh: tuple[int, int]) -> None:
    rules = PictureRules(mode, max_bytes=150_000, max_side_px=1500)
    made = make_posted_picture(SimpleJpegEncoder(), noise(*size_wh), FACE, rules=rules)

    height, width, _, _ = simplejpeg.decode_jpeg_header(made.jpeg)
    assert (width, height) == made.plan.size_wh
    assert max(width, height) <= 1500
    assert len(made.jpeg) <= 150_000
    left, top, right, bottom = made.plan.box_xyxy
    assert min(right - left, bottom - top) >= FACE_MIN_PX


def test_a_picture_of_8k_becomes_one_that_findface_takes() -> None:
    made = make_posted_picture(SimpleJpegEncoder(), noise(7680, 4320), FACE, rules=PictureRules())

    height, width, _, _ = simplejpeg.decode_jpeg_header(made.jpeg)
    assert (width, height) == made.plan.size_wh
    assert max(width, height) <= 6000
    assert len(made.jpeg) <= 10_000_000


@settings(max_examples=50)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_plain_values_hold_no_number_that_json_lacks(value: object) -> None:
    shown = plain(value)
    assert plain(shown) == shown
    assert "nan" not in repr(shown).split("'")[0::2]
