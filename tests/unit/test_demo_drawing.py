"""Planes, outlines and sprites: the arithmetic under the demo cameras, against plain reference calculations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.demo import photographs
from vigia.infrastructure.demo.planes import Plane8, box_blur, halve, resize, rgb_to_yuv, sample, soften
from vigia.infrastructure.demo.portraits import PORTRAITS, Look, cut_out, figure, fill_polygon
from vigia.infrastructure.demo.sprites import OPAQUE, Layer, SpriteMaker


def test_colours_of_known_values() -> None:
    rgb = np.array([[[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 0, 255]]], dtype=np.uint8)
    luma, blue, red = (plane[0] for plane in rgb_to_yuv(rgb))
    assert luma.tolist() == pytest.approx([16.0, 235.0, 62.6, 31.8], abs=0.1)
    assert (blue[0], blue[3]) == pytest.approx((128.0, 240.0), abs=0.1)
    assert (red[1], red[2]) == pytest.approx((128.0, 240.0), abs=0.1)


@given(length=st.integers(1, 9), axis=st.integers(0, 1), seed=st.integers(0, 999))
def test_a_running_mean_is_the_mean_of_the_neighbours(length: int, axis: int, seed: int) -> None:
    plane = np.random.default_rng(seed).uniform(0, 255, (6, 7)).astype(np.float32)
    half = length // 2
    pad = [(half, half) if a == axis else (0, 0) for a in (0, 1)]
    padded = np.pad(plane, pad, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=axis)
    np.testing.assert_allclose(box_blur(plane, length, axis=axis), windows.mean(axis=-1), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("sigma_px", [0.4, 0.7, 2.0, 5.0])
def test_softening_spreads_a_point_by_its_sigma(sigma_px: float) -> None:
    plane = np.zeros((101, 101), dtype=np.float32)
    plane[50, 50] = 1.0
    spread = soften(plane, sigma_px)
    distance = (np.arange(101) - 50.0) ** 2
    assert spread.sum() == pytest.approx(1.0, abs=1e-3)
    assert np.sqrt((spread.sum(axis=0) * distance).sum()) == pytest.approx(sigma_px, rel=0.25)


def test_no_softening_leaves_the_plane() -> None:
    plane = np.eye(5, dtype=np.float32)
    np.testing.assert_array_equal(soften(plane, 0.0), plane)


def test_scaling_keeps_grey_levels_and_places() -> None:
    ramp = np.tile(np.arange(0, 200, 2, dtype=np.uint8), (40, 1))
    half = resize(ramp, width=50, height=20)
    assert half.shape == (20, 50)
    np.testing.assert_allclose(half[10, 5:45], ramp[0, 10:90].reshape(-1, 2).mean(axis=1), atol=1.5)
    assert resize(ramp, width=100, height=40) is ramp


def test_sampling_between_and_beyond_pixels() -> None:
    plane = np.array([[0.0, 10.0], [20.0, 30.0]], dtype=np.float32)
    x, y = np.array([[0.5, 0.0, -1.0, 2.0]], dtype=np.float32), np.array([[0.5, 0.25, 0.0, 1.0]], dtype=np.float32)
    assert sample(plane, x, y)[0].tolist() == pytest.approx([15.0, 5.0, 0.0, 30.0])


def test_halving_takes_means_of_blocks() -> None:
    assert halve(np.arange(16, dtype=np.float32).reshape(4, 4)).tolist() == [[2.5, 4.5], [10.5, 12.5]]


def test_a_polygon_covers_its_area() -> None:
    triangle = ((2, 1), (30, 5), (8, 28))
    x, y = np.array(triangle, dtype=float).T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2.0
    filled = fill_polygon(triangle, width=32, height=30)
    assert float(filled.sum()) == pytest.approx(area, rel=0.01)
    assert 0.0 <= filled.min() <= filled.max() <= 1.0 + 1e-6


@pytest.mark.parametrize("portrait", list(PORTRAITS))
@pytest.mark.parametrize("tilt_deg", [-4, 0, 4])
def test_a_figure_is_solid_where_its_face_is_and_has_soft_edges(portrait: str, tilt_deg: int) -> None:
    shape = figure(portrait, flipped=False, tilt_deg=tilt_deg)
    left, top, right, bottom = (round(v) for v in shape.face_xyxy)
    width = right - left
    middle = shape.alpha[top + width // 8 : bottom - width // 4, left + width // 5 : right - width // 5]
    assert middle.min() == pytest.approx(1.0)
    assert ((shape.alpha > 0.05) & (shape.alpha < 0.95)).any()
    corners = shape.alpha[: width // 5, : width // 4], shape.alpha[: width // 5, -width // 4 :]
    assert max(corner.max() for corner in corners) == 0.0


@pytest.mark.parametrize("portrait", list(PORTRAITS))
def test_a_flipped_figure_is_the_mirror_image(portrait: str) -> None:
    plain, mirrored = (figure(portrait, flipped=f, tilt_deg=t) for f, t in ((False, 4), (True, -4)))
    np.testing.assert_array_equal(mirrored.alpha, plain.alpha[:, ::-1])
    columns = plain.alpha.shape[1]
    assert mirrored.face_xyxy[0] == pytest.approx(columns - plain.face_xyxy[2])
    assert mirrored.face_xyxy[1] == pytest.approx(plain.face_xyxy[1])


def test_a_head_leans_the_way_it_is_told() -> None:
    centres = [figure("grace_hopper", flipped=f, tilt_deg=t) for f in (False, True) for t in (-4, 0, 4)]
    for left, upright, right in (centres[:3], centres[3:]):
        # Measured from the body, whose middle does not move: the outline's lowest row.
        offsets = [s.face_centre[0] - float(np.flatnonzero(s.alpha[-1] > 0.5).mean()) for s in (left, upright, right)]
        assert offsets[0] + 5.0 < offsets[1] < offsets[2] - 5.0


@given(x=st.integers(-12, 24), y=st.integers(-12, 24), level=st.integers(16, 235), weight=st.floats(0.0, 1.0))
def test_blending_is_a_weighted_mean_cut_off_at_the_edges(x: int, y: int, level: int, weight: float) -> None:
    opaque = round(weight * OPAQUE)
    layer = Layer(
        np.full((8, 10), level * opaque + 128, dtype=np.uint16), np.full((8, 10), OPAQUE - opaque, dtype=np.uint16)
    )
    plane = np.full((20, 20), 100, dtype=np.uint8)
    layer.blend(plane, x=x, y=y)
    expected = np.full((20, 20), 100.0)
    expected[max(y, 0) : max(y + 8, 0), max(x, 0) : max(x + 10, 0)] = 100.0 + (level - 100.0) * opaque / OPAQUE
    np.testing.assert_allclose(plane, expected, atol=1.0)


def _canvas() -> tuple[Plane8, Plane8, Plane8]:
    return (
        np.full((400, 600), 90, dtype=np.uint8),
        np.full((200, 300), 128, dtype=np.uint8),
        np.full((200, 300), 128, dtype=np.uint8),
    )


@pytest.mark.parametrize("origin_xy", [(100, 40), (101, 41), (101, 40), (100, 41)])
def test_a_person_is_drawn_where_the_truth_says_it_is(origin_xy: tuple[int, int]) -> None:
    look = Look("grace_hopper")
    shape = figure("grace_hopper", flipped=False, tilt_deg=0)
    rows, columns, scale = 600, shape.alpha.shape[1], 0.5
    planes = _canvas()
    SpriteMaker(look, rows=rows).draw(
        planes, size_wh=(round(columns * scale), round(rows * scale)), origin_xy=origin_xy
    )
    left, top, right, bottom = (round(v * scale) for v in shape.face_xyxy)
    cutout = cut_out(look, rows=rows)
    source = [round(v) for v in shape.face_xyxy]
    face = resize(
        np.ascontiguousarray(cutout.luma[source[1] : source[3], source[0] : source[2]]),
        width=right - left,
        height=bottom - top,
    ).astype(float)

    def difference(dx: int, dy: int) -> float:
        x, y = origin_xy[0] + left + dx, origin_xy[1] + top + dy
        return float(np.abs(planes[0][y : y + bottom - top, x : x + right - left] - face).mean())

    assert difference(0, 0) < 6.0
    assert all(difference(dx, dy) > 1.5 * difference(0, 0) for dx, dy in ((4, 0), (-4, 0), (0, 4), (0, -4)))

    # The colour lies where the light does, to half a pixel of chroma: the face's red in full size, then halved.
    full = np.full((400, 600), 128.0, dtype=np.float32)
    y, x = origin_xy[1] + top, origin_xy[0] + left
    full[y : y + bottom - top, x : x + right - left] = resize(
        np.ascontiguousarray(cutout.red[source[1] : source[3], source[0] : source[2]]),
        width=right - left,
        height=bottom - top,
    )
    inside = slice(y // 2 + 4, (y + bottom - top) // 2 - 4), slice(x // 2 + 4, (x + right - left) // 2 - 4)

    def colour_difference(dx: int, dy: int) -> float:
        moved = halve(np.roll(full, (dy, dx), axis=(0, 1)))
        return float(np.abs(planes[2][inside] - moved[inside]).mean())

    assert all(
        colour_difference(dx, dy) > 1.2 * colour_difference(0, 0) for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
    )


def test_motion_blur_keeps_the_light_and_loses_the_edges() -> None:
    sharp, blurred = _canvas(), _canvas()
    maker = SpriteMaker(Look("astronaut"), rows=400)
    maker.draw(sharp, size_wh=(334, 400), origin_xy=(120, 0))
    maker.draw(blurred, size_wh=(334, 400), origin_xy=(120, 0), blur_px=9)
    assert float(blurred[0].mean()) == pytest.approx(float(sharp[0].mean()), abs=0.6)
    edges = [float(np.abs(np.diff(planes[0].astype(int), axis=1)).mean()) for planes in (sharp, blurred)]
    assert edges[1] < 0.6 * edges[0]


@pytest.mark.parametrize("light_step", [-8, 8])
def test_light_reaches_the_person_only(light_step: int) -> None:
    plain, lit = _canvas(), _canvas()
    maker = SpriteMaker(Look("grace_hopper"), rows=500)
    maker.draw(plain, size_wh=(248, 250), origin_xy=(100, 60))
    maker.draw(lit, size_wh=(248, 250), origin_xy=(100, 60), light_step=light_step)
    changed = plain[0] != lit[0]
    assert changed.mean() > 0.05
    assert not changed[:50].any()
    difference = lit[0].astype(int) - plain[0]
    assert (np.sign(difference[changed]) == np.sign(light_step)).mean() > 0.99
    np.testing.assert_array_equal(plain[1], lit[1])


@settings(max_examples=4, deadline=None)
@given(angle=st.sampled_from([75.0, 170.0, 270.0]))
def test_clothes_change_colour_and_faces_do_not(angle: float) -> None:
    shape = figure("astronaut", flipped=False, tilt_deg=0)
    plain, dressed = (cut_out(Look("astronaut", cloth_angle_deg=a), rows=500) for a in (0.0, angle))
    left, top, right, bottom = (round(v) for v in shape.face_xyxy)
    face = slice(top, bottom), slice(left, right)
    np.testing.assert_array_equal(plain.red[face], dressed.red[face])
    body = slice(bottom + 170, 500), slice(40, -40)
    assert np.abs(plain.red[body].astype(int) - dressed.red[body]).mean() > 10.0
    np.testing.assert_array_equal(plain.luma, dressed.luma)


def test_photographs_that_are_not_installed_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (("no_such_package", "data", "astronaut.png"), ("skimage", "data", "no_such.png")):
        monkeypatch.setitem(photographs._PLACES, "astronaut", place)
        with pytest.raises(ConfigurationError, match=r"vigia\[demo\]") as caught:
            photographs.require_photographs()
        assert place[2] in str(caught.value)


def test_a_damaged_photograph_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(photographs._PLACES, "damaged", ("skimage", "data", "README.txt"))
    with pytest.raises(ConfigurationError, match=r"README\.txt"):
        photographs.load_photograph("damaged")
