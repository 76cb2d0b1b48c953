"""The colours of a person, read from the decoder's planes."""

from functools import cache
from itertools import combinations
from typing import Any

import av
import numpy as np
import pytest

from vigia.domain.appearance import Appearance, describe, difference
from vigia.domain.passage_memory import DIFFERENCE_MAX
from vigia.infrastructure.demo.portraits import Look, figure
from vigia.infrastructure.demo.sprites import SpriteMaker
from vigia.infrastructure.video.picture import AvPicture, picture_from_rgb

BOX = np.array([280, 100, 360, 180], dtype=np.float32)


def person(chest: tuple[int, int, int], *, face: tuple[int, int, int] = (200, 150, 130)) -> AvPicture:
    """A face in a grey room, and what is worn below it."""
    rgb = np.full((480, 640, 3), 120, dtype=np.uint8)
    rgb[90:190, 270:370] = face
    rgb[200:480, 220:420] = chest
    return picture_from_rgb(rgb)


def recoded(picture: AvPicture, name: str) -> AvPicture:
    return AvPicture(picture.frame.reformat(format=name))


def test_clothes_tell_people_apart() -> None:
    red, green, navy = (describe(person(c), BOX) for c in ((190, 40, 40), (40, 150, 60), (30, 30, 80)))
    assert red is not None
    assert green is not None
    assert navy is not None
    assert min(difference(red, green), difference(red, navy), difference(green, navy)) > 0.4
    again = describe(person((190, 40, 40)), BOX + np.float32(6.0))
    assert again is not None
    assert difference(red, again) < 0.1


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv444p", "nv12", "nv21"])
def test_every_layout_of_colour_planes_gives_the_same(name: str) -> None:
    picture = person((190, 40, 40))
    planes = recoded(picture, name).chroma()
    assert planes is not None
    blue, red = planes
    assert blue.shape == red.shape
    assert (int(blue[-1, blue.shape[1] // 2]), int(red[-1, red.shape[1] // 2])) == pytest.approx((106, 194), abs=3)
    assert blue.shape[0] in {240, 480}
    assert blue.shape[1] in {320, 640}
    first, second = describe(picture, BOX), describe(recoded(picture, name), BOX)
    assert first is not None
    assert second is not None
    assert difference(first, second) < 0.1


@pytest.mark.parametrize("name", ["gray", "rgb24", "yuv420p10le"])
def test_without_such_planes_nothing_is_told(name: str) -> None:
    picture = recoded(person((190, 40, 40)), name)
    assert picture.chroma() is None
    assert describe(picture, BOX) is None


def test_a_face_at_the_lower_edge_has_no_chest_to_look_at() -> None:
    assert describe(person((190, 40, 40)), BOX + np.float32(290.0)) is None


def test_a_box_beyond_the_picture_is_no_error() -> None:
    far = np.array([2000, 100, 2080, 180], dtype=np.float32)
    assert describe(person((190, 40, 40)), far) is None
    partly = np.array([-20, 100, 60, 180], dtype=np.float32)
    assert describe(person((190, 40, 40)), partly) is not None


def test_a_night_picture_has_no_colour() -> None:
    grey = AvPicture(av.VideoFrame.from_ndarray(np.full((720, 640), 128, dtype=np.uint8), format="yuv420p"))
    seen = describe(grey, BOX)
    assert seen is not None
    assert not seen.has_colour
    coloured = describe(person((190, 40, 40)), BOX)
    assert coloured is not None
    assert coloured.has_colour


def drawn(look: Look, *, face_width: float = 90.0, light_step: int = 0) -> tuple[AvPicture, np.ndarray]:
    """A person of the generator in the middle of a grey room, and the box of the face."""
    planes = tuple(np.full(shape, level, dtype=np.uint8) for shape, level in (((720, 1280), 110), ((360, 640), 128)))
    luma, blue, red = planes[0], planes[1].copy(), planes[1].copy()
    shape = figure(look.portrait, flipped=look.flipped, tilt_deg=look.tilt_deg)
    scale = face_width / shape.face_width
    rows = int(shape.face_xyxy[3] + 3.0 * shape.face_width)
    size = round(shape.alpha.shape[1] * scale), round(rows * scale)
    origin = 640 - round(shape.face_centre[0] * scale), 250 - round(shape.face_centre[1] * scale)
    SpriteMaker(look, rows=rows).draw((luma, blue, red), size_wh=size, origin_xy=origin, light_step=light_step)
    flat = np.concatenate([plane.ravel() for plane in (luma, blue, red)]).reshape(1080, 1280)
    box = np.array(shape.face_xyxy, dtype=np.float32) * np.float32(scale) + np.array(origin * 2, dtype=np.float32)
    return AvPicture(av.VideoFrame.from_ndarray(flat, format="yuv420p")), box.astype(np.float32)


@cache
def seen_of(look: Look, *, shift: float = 0.0, **how: Any) -> Appearance:
    picture, box = drawn(look, **how)
    found = describe(picture, box + np.float32(shift))
    assert found is not None
    return found


CAST = [
    *(Look("astronaut", cloth_angle_deg=angle) for angle in (0.0, 120.0, 215.0)),
    *(
        Look("grace_hopper", cloth_tint=tint, cloth_lift=lift)
        for tint, lift in (((0.0, 0.0), 0.0), ((14.0, -6.0), 40.0))
    ),
]
"""People who can be told apart by eye: five dresses, two heads."""


@pytest.mark.parametrize("look", CAST)
def test_a_person_of_the_generator_is_known_in_another_light_size_and_box(look: Look) -> None:
    before = seen_of(look)
    for how in ({"light_step": 4}, {"light_step": -4}, {"face_width": 70.0}, {"face_width": 120.0}, {"shift": 5.0}):
        assert difference(before, seen_of(look, **how)) <= DIFFERENCE_MAX, how


@pytest.mark.parametrize(("one", "other"), list(combinations(CAST, 2)))
def test_two_people_of_the_generator_one_after_the_other_are_two(one: Look, other: Look) -> None:
    for light_step in (-4, 0, 4):
        assert difference(seen_of(one), seen_of(other, light_step=light_step)) > DIFFERENCE_MAX
