"""The two portraits as cut-outs: outline, face box, clothes; flipped, tilted, relit and dressed anew.

The outlines were traced by hand on the photographs and need no picture, so that the ground truth can be computed
without one. The face boxes (forehead to chin, ear to ear) are the mean of what YuNet finds at four sizes.
"""

from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vigia.infrastructure.demo.photographs import load_photograph
from vigia.infrastructure.demo.planes import Plane, Plane8, box_blur, rgb_to_yuv, sample, soften, to_plane8

BODY_FACES = 7.0
"""How far a figure reaches below its chin, in face widths: long enough to stand in the picture, not to float in it."""

_ASTRONAUT = (
    (24, 345), (33, 320), (38, 304), (45, 276), (52, 266), (65, 247), (76, 236), (91, 226), (99, 217), (109, 207),
    (115, 197), (115, 193), (119, 190), (124, 177), (135, 163), (142, 157), (151, 153), (165, 149), (183, 147),
    (181, 132), (174, 128), (168, 117), (159, 107), (155, 99), (153, 85), (154, 66), (158, 57), (163, 51), (174, 43),
    (189, 34), (196, 27), (207, 20), (222, 17), (237, 17), (251, 19), (263, 26), (275, 30), (286, 41), (294, 55),
    (299, 72), (301, 88), (299, 104), (293, 115), (283, 125), (276, 133), (267, 137), (264, 149), (259, 160),
    (257, 172), (265, 178), (277, 189), (289, 202), (298, 217), (304, 234), (322, 245), (340, 262), (348, 277),
    (352, 290), (356, 307), (359, 326), (362, 345),
)  # fmt: skip
_GRACE_HOPPER = (
    (12, 600), (17, 550), (22, 500), (27, 450), (33, 420), (43, 395), (55, 381), (74, 372), (98, 364), (120, 359),
    (143, 351), (165, 344), (185, 332), (198, 318), (199, 310), (192, 296), (176, 288), (165, 276), (160, 262),
    (161, 240), (157, 225), (154, 214), (153, 198), (154, 189), (151, 182), (150, 150), (150, 116), (156, 99),
    (172, 86), (178, 73), (186, 60), (200, 49), (216, 42), (224, 32), (238, 26), (256, 23), (272, 25), (286, 31),
    (299, 40), (318, 47), (336, 58), (345, 68), (351, 85), (363, 87), (368, 97), (371, 130), (370, 160), (367, 180),
    (373, 188), (375, 198), (371, 212), (367, 235), (362, 252), (360, 268), (358, 288), (348, 301), (336, 308),
    (333, 313), (337, 320), (363, 339), (395, 353), (430, 367), (460, 376), (483, 388), (494, 398), (502, 425),
    (508, 450), (512, 480), (512, 600),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Portrait:
    """What was measured on a photograph once, in its own pixels."""

    name: str
    outline: tuple[tuple[int, int], ...] = field(repr=False)
    """Head, hair and shoulders, clockwise from the bottom left."""
    face_xyxy: tuple[int, int, int, int]
    body_row: int
    """Where the photograph ends and the body that is made up begins."""
    cloth_rows: tuple[int, int]
    """Rows whose mean is the made-up body's cloth."""


PORTRAITS = {
    "astronaut": Portrait("astronaut", _ASTRONAUT, (179, 63, 271, 175), 336, (316, 336)),
    "grace_hopper": Portrait("grace_hopper", _GRACE_HOPPER, (175, 116, 355, 334), 574, (546, 574)),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How a person looks. The first three decide the outline, the others only the colours."""

    portrait: str
    flipped: bool = False
    tilt_deg: int = 0
    """The head leans towards the right of the picture by this much, once flipped."""
    gamma: float = 1.0
    contrast: float = 1.0
    warmth: float = 0.0
    """Chroma shift, grey levels; above 0 is warmer."""
    saturation: float = 1.0
    cloth_angle_deg: float = 0.0
    """How far the hue of coloured clothes is turned."""
    cloth_tint: tuple[float, float] = (0.0, 0.0)
    """Blue and red difference added to dark clothes, grey levels."""
    cloth_lift: float = 0.0
    """Luma added to dark clothes, grey levels."""
    defocus: float = 0.0
    """Standard deviation of the blur, as a share of the face's width."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """The shape of a person: where it is solid and where its face lies, in pixels of its portrait."""

    alpha: Plane
    """float32 (rows, columns) in [0, 1], cropped to the figure; the body goes on to its full length."""
    face_xyxy: tuple[float, float, float, float]

    @property
    def face_width(self) -> float:
        """Portrait pixels."""
        return self.face_xyxy[2] - self.face_xyxy[0]

    @property
    def face_centre(self) -> tuple[float, float]:
        """x, y in portrait pixels."""
        left, top, right, bottom = self.face_xyxy
        return (left + right) / 2.0, (top + bottom) / 2.0

    @property
    def reach(self) -> tuple[float, float, float]:
        """How far the figure goes left of, right of and above its face's centre, in face widths."""
        x, y = self.face_centre
        return x / self.face_width, (self.alpha.shape[1] - x) / self.face_width, y / self.face_width


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """A person ready to be scaled: four planes of one shape, the same as the figure's, in portrait pixels."""

    luma: Plane8
    blue: Plane8
    red: Plane8
    alpha: Plane8


@dataclass(frozen=True, slots=True, eq=False)
class _Warp:
    """Where each pixel of the tilted, flipped and cropped figure comes from on the upright canvas."""

    x: Plane
    y: Plane
    face_xyxy: tuple[float, float, float, float]


def fill_polygon(points: tuple[tuple[int, int], ...], *, width: int, height: int) -> Plane:
    """Share of each pixel that lies inside a polygon, float32 (height, width) in [0, 1]; four scan lines a pixel."""
    corners = np.array(points, dtype=np.float64)
    x0, y0 = corners.T
    x1, y1 = np.roll(corners, -1, axis=0).T
    columns = np.arange(width, dtype=np.float64)
    filled = np.zeros((height, width), dtype=np.float32)
    for line in range(4 * height):
        y = (line + 0.5) / 4.0
        crossed = (y0 <= y) != (y1 <= y)
        edges = np.sort(x0[crossed] + (y - y0[crossed]) * (x1 - x0)[crossed] / (y1 - y0)[crossed])
        for start, stop in zip(edges[0::2], edges[1::2], strict=True):
            cover = np.minimum(columns + 1.0, stop) - np.maximum(columns, start)
            filled[line // 4] += (np.clip(cover, 0.0, 1.0) * 0.25).astype(np.float32)
    return filled


@lru_cache(maxsize=32)
def figure(portrait: str, *, flipped: bool, tilt_deg: int) -> Figure:
    """The shape of a look, kept for the next caller. Needs no photograph."""
    warp = _warp(portrait, flipped=flipped, tilt_deg=tilt_deg)
    alpha = sample(_upright_alpha(portrait), warp.x, warp.y)
    alpha.setflags(write=False)
    return Figure(alpha, warp.face_xyxy)


def cut_out(look: Look, *, rows: int) -> Cutout:
    """Draw a person from the photograph.

    Args:
        look: who, and how.
        rows: how much of the figure is wanted, from the top, portrait pixels.

    Raises:
        ConfigurationError: the photograph is missing.
    """
    source = PORTRAITS[look.portrait]
    warp = _warp(look.portrait, flipped=look.flipped, tilt_deg=look.tilt_deg)
    planes = [_with_body(plane, source) for plane in rgb_to_yuv(load_photograph(look.portrait))]
    luma, blue, red = _dress(planes[0], planes[1], planes[2], look)
    level = np.clip((luma - 16.0) / 219.0, 0.0, 1.0) ** np.float32(look.gamma)
    luma = 16.0 + 219.0 * np.clip(0.5 + (level - 0.5) * np.float32(look.contrast), 0.0, 1.0)
    blue = 128.0 + (blue - 128.0) * np.float32(look.saturation) - np.float32(look.warmth)
    red = 128.0 + (red - 128.0) * np.float32(look.saturation) + np.float32(look.warmth)
    x, y = warp.x[:rows], warp.y[:rows]
    sigma_px = look.defocus * (source.face_xyxy[2] - source.face_xyxy[0])
    drawn = [soften(sample(plane.astype(np.float32), x, y), sigma_px) for plane in (luma, blue, red)]
    alpha = soften(figure(look.portrait, flipped=look.flipped, tilt_deg=look.tilt_deg).alpha[:rows], sigma_px)
    return Cutout(
        to_plane8(drawn[0], low=16, high=235),
        to_plane8(drawn[1], low=16, high=240),
        to_plane8(drawn[2], low=16, high=240),
        to_plane8(alpha * 255.0),
    )


@cache
def _upright_alpha(portrait: str) -> Plane:
    """The figure on the portrait's own canvas, the body made longer; the edge is soft and drawn in by a pixel,
    so that nothing of the portrait's own background comes along.
    """
    source = PORTRAITS[portrait]
    height = max(y for _, y in source.outline)
    width = max(512, *(x for x, _ in source.outline))
    solid = fill_polygon(source.outline, width=width, height=height)
    # Beyond the photograph's edge the figure goes on: what touches the edge must not fade there.
    soft = box_blur(box_blur(solid, 5, axis=0), 5, axis=1)
    eaten = np.clip((soft - 0.45) / 0.5, 0.0, 1.0)
    return _with_body((eaten * eaten * (3.0 - 2.0 * eaten)).astype(np.float32), source, is_alpha=True)


def _with_body(plane: Plane, source: Portrait, *, is_alpha: bool = False) -> Plane:
    """Make the body longer: the cloth's mean row goes on downwards, a little narrower, with a hint of arms."""
    rows = int(BODY_FACES * (source.face_xyxy[2] - source.face_xyxy[0])) + source.face_xyxy[3] - source.body_row
    first, last = source.cloth_rows
    cloth = plane[source.body_row - 1] if is_alpha else _smooth_row(plane[first:last].mean(axis=0))
    columns = np.arange(plane.shape[1], dtype=np.float32)
    edges = [x for x, y in source.outline if y >= source.body_row]
    centre, half = (min(edges) + max(edges)) / 2.0, (max(edges) - min(edges)) / 2.0
    depth = np.arange(rows, dtype=np.float32)[:, None] / np.float32(half)
    wider = 1.0 + 0.16 * (1.0 - np.exp(-1.2 * depth))
    x = centre + (columns[None, :] - centre) * wider
    body = np.interp(x, columns, cloth).astype(np.float32)
    if is_alpha:
        return np.vstack([plane[: source.body_row], body])
    fade = np.linspace(0.0, 1.0, last - first, dtype=np.float32)[:, None]
    upper = plane[: source.body_row].copy()
    upper[first:last] = upper[first:last] * (1.0 - fade) + cloth * fade
    return np.vstack([upper, body.astype(np.float32)])


def _smooth_row(row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Take the sharp edges out of a row that is about to be drawn hundreds of times below itself."""
    smooth: NDArray[np.float32] = box_blur(box_blur(row[None, :], 9, axis=1), 7, axis=1)[0]
    return smooth


def _dress(luma: Plane, blue: Plane, red: Plane, look: Look) -> tuple[Plane, Plane, Plane]:
    """Give the clothes another colour: the orange suit by turning its hue, the dark uniform by a tint."""
    source = PORTRAITS[look.portrait]
    rows = np.arange(luma.shape[0], dtype=np.float32)[:, None]
    if look.portrait == "astronaut":
        cloth = np.clip((red - 146.0) / 18.0, 0.0, 1.0) * np.clip((rows - 196.0) / 10.0, 0.0, 1.0)
        angle = np.deg2rad(look.cloth_angle_deg)
        turned_blue = 128.0 + 0.45 * ((blue - 128.0) * np.cos(angle) - (red - 128.0) * np.sin(angle))
        turned_red = 128.0 + 0.45 * ((blue - 128.0) * np.sin(angle) + (red - 128.0) * np.cos(angle))
        blue = blue + cloth * (turned_blue - blue)
        red = red + cloth * (turned_red - red)
    else:
        columns = np.arange(luma.shape[1], dtype=np.float32)[None, :]
        # The shade under the chin is dark too: spare a wedge that narrows from the collar's tips to the tie.
        beside = np.clip((np.abs(columns - 266.0) - (64.0 - 0.4 * (rows - 318.0))) / 6.0, 0.0, 1.0)
        cloth = np.clip((90.0 - luma) / 30.0, 0.0, 1.0) * np.clip((rows - 318.0) / 8.0, 0.0, 1.0) * beside
        blue = blue + cloth * look.cloth_tint[0]
        red = red + cloth * look.cloth_tint[1]
        luma = luma + cloth * look.cloth_lift
    return luma * _arms(source, rows=luma.shape[0], columns=luma.shape[1]), blue, red


def _arms(source: Portrait, *, rows: int, columns: int) -> Plane:
    """Shade of the gaps between arms and body, and of the body's rounding; 1 above the made-up part."""
    edges = [x for x, y in source.outline if y >= source.body_row]
    centre, half = (min(edges) + max(edges)) / 2.0, (max(edges) - min(edges)) / 2.0
    across = np.abs((np.arange(columns, dtype=np.float32) - centre) / half)
    below = np.clip((np.arange(rows, dtype=np.float32) - source.body_row + 0.3 * half) / (0.5 * half), 0.0, 1.0)
    gap = 0.4 * np.exp(-(((across - 0.62) / 0.03) ** 2)) + 0.25 * np.clip(across, 0.0, 1.0) ** 4
    return cast("Plane", (1.0 - below[:, None] * gap[None, :]).astype(np.float32))


@lru_cache(maxsize=32)
def _warp(portrait: str, *, flipped: bool, tilt_deg: int) -> _Warp:
    """Tilt the head on its neck (the body stays upright), flip, and crop to the figure."""
    source, alpha = PORTRAITS[portrait], _upright_alpha(portrait)
    left, top, right, bottom = source.face_xyxy
    width = right - left
    pivot = np.array([(left + right) / 2.0, bottom + 0.25 * width])
    y, x = np.mgrid[0 : alpha.shape[0], 0 : alpha.shape[1]].astype(np.float32)
    # Flipped afterwards, a lean to the right must start as a lean to the left.
    lean_deg = -tilt_deg if flipped else tilt_deg
    share = np.clip((bottom + 1.05 * width - y) / (1.1 * width), 0.0, 1.0)
    angle = np.deg2rad(lean_deg) * share * share * (3.0 - 2.0 * share)
    from_x = pivot[0] + (x - pivot[0]) * np.cos(angle) + (y - pivot[1]) * np.sin(angle)
    from_y = pivot[1] - (x - pivot[0]) * np.sin(angle) + (y - pivot[1]) * np.cos(angle)
    centre = _turned((left + right) / 2.0 - pivot[0], (top + bottom) / 2.0 - pivot[1], degrees=lean_deg)
    face_x, face_y = pivot[0] + centre[0], pivot[1] + centre[1]
    solid = sample(alpha, from_x, from_y) > 0.02
    columns, rows = np.flatnonzero(solid.any(axis=0)), np.flatnonzero(solid.any(axis=1))
    window = slice(int(rows[0]), alpha.shape[0]), slice(int(columns[0]), int(columns[-1]) + 1)
    from_x, from_y = from_x[window], from_y[window]
    face_x, face_y = face_x - columns[0], face_y - rows[0]
    if flipped:
        from_x, from_y = from_x[:, ::-1], from_y[:, ::-1]
        face_x = from_x.shape[1] - face_x
    half_w, half_h = width / 2.0, (bottom - top) / 2.0
    box = (float(face_x - half_w), float(face_y - half_h), float(face_x + half_w), float(face_y + half_h))
    return _Warp(from_x.astype(np.float32), from_y.astype(np.float32), box)


def _turned(x: float, y: float, *, degrees: float) -> NDArray[np.float64]:
    """A vector turned clockwise on the screen (y down)."""
    angle = np.deg2rad(degrees)
    return np.array([x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)])
