"""The generator's portraits as a camera might see them: turned, blurred, badly lit, cut off, each by a known amount.

A portrait is turned on the surface of a head: an ellipsoid with a nose. Its landmarks go along, so that the truth of a
view is known to a fraction of a pixel. Nothing here knows how a shot is judged.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, cos, radians, sin
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from vigia.domain.event import Landmarks
from vigia.infrastructure.demo.planes import Plane, Plane8
from vigia.infrastructure.demo.portraits import PORTRAITS, Look, cut_out, figure

LANDMARKS: dict[str, tuple[tuple[float, float], ...]] = {
    "astronaut": ((202.7, 103.7), (245.5, 105.1), (222.6, 126.6), (203.6, 144.0), (240.1, 145.2)),
    "grace_hopper": ((223.2, 193.3), (307.6, 191.2), (267.3, 236.3), (230.5, 273.1), (303.3, 271.4)),
}
"""Right eye, left eye, nose tip, right and left mouth corner on each photograph, its own pixels: the mean of what the
three models find at five sizes."""
HEAD_HALF_WIDTH, HEAD_HALF_HEIGHT, HEAD_DEPTH = 0.56, 0.80, 0.62
"""Half axes of the head, in face widths."""
NOSE_HEIGHT, NOSE_RADIUS = 0.17, 0.12
"""How far the nose stands out of it, and how wide, in face widths."""
GRID_PX = 4
"""Where parts of a turned head come from is worked out for every so many pixels of the portrait."""
TURN_STEP_DEG = 3.0
"""Turned heads are drawn in steps of this, so that a head that turns slowly is not drawn anew for each frame."""
TURNS_KEPT = 32
SHOULDERS = 1.5
"""How much of the figure is drawn below the chin, in face widths."""
BLACK, RANGE = 16.0, 219.0
"""Limited-range luma."""
Layers = NDArray[np.float32]
"""float32 (H, W, 4): luma, blue, red, each times alpha, and alpha in [0, 1]."""


@dataclass(frozen=True, slots=True)
class View:
    """How a face is seen. Lengths that belong to the face are shares of its width."""

    face_px: float
    """Width of the face, pixels."""
    centre_xy: tuple[float, float]
    """The middle of the face in the frame, pixels; may lie outside."""
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    """Clockwise in the picture."""
    defocus: float = 0.0
    """Standard deviation of the blur, face widths."""
    motion: float = 0.0
    """Length of the trace, face widths."""
    motion_deg: float = 0.0
    """Direction of the trace; 0 is level."""
    gain: float = 1.0
    """Light; 1 is the photograph's."""
    gamma: float = 1.0
    side_light: float = 0.0
    """How much more light falls on the right of the picture than on the middle, and less on the left, in [-1, 1]."""
    noise: float = 1.6
    """Standard deviation, grey levels."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A frame with one face, and the truth about it."""

    planes: tuple[Plane8, Plane8, Plane8]
    """Luma (H, W), blue and red (H/2, W/2)."""
    view: View
    landmarks: Landmarks
    face_xyxy: tuple[float, float, float, float]
    """Unclipped, as a detector would put it around the turned face."""

    @property
    def size_wh(self) -> tuple[int, int]:
        """Pixels."""
        height, width = self.planes[0].shape
        return width, height

    @property
    def visible(self) -> float:
        """Share of the face's box inside the frame, in [0, 1]."""
        width, height = self.size_wh
        left, top, right, bottom = self.face_xyxy
        inside = max(min(right, width) - max(left, 0.0), 0.0) * max(min(bottom, height) - max(top, 0.0), 0.0)
        return inside / ((right - left) * (bottom - top))


class Sitter:
    """One person in one look, drawn again and again. Owner: one thread.

    Bounds: keeps ``TURNS_KEPT`` turned heads, 3 MB each at most.

    Args:
        look: who, flipped or not, how dressed; its tilt must be 0: a view has a roll of its own.
        seed: of the noise.
    """

    def __init__(self, look: Look, *, seed: int = 0) -> None:
        shape, source = figure(look.portrait, flipped=look.flipped, tilt_deg=0), PORTRAITS[look.portrait]
        self.look = look
        self._face = shape.face_xyxy
        self.face_width = shape.face_width
        rows = min(int(shape.face_xyxy[3] + SHOULDERS * shape.face_width), shape.alpha.shape[0])
        drawn = cut_out(look, rows=rows)
        alpha = drawn.alpha.astype(np.float32) / np.float32(255.0)
        planes = [plane.astype(np.float32) for plane in (drawn.luma, drawn.blue, drawn.red)]
        self._upright: Layers = np.dstack([*(plane * alpha for plane in planes), alpha])
        marks = np.array(LANDMARKS[look.portrait]) - source.face_xyxy[:2]
        if look.flipped:
            marks[:, 0] = source.face_xyxy[2] - source.face_xyxy[0] - marks[:, 0]
            marks = marks[[1, 0, 2, 4, 3]]
        self._marks = marks + shape.face_xyxy[:2]
        grains = np.random.default_rng(seed).standard_normal((640, 640), dtype=np.float32)
        self._grains = grains
        self._rng = np.random.default_rng(seed + 1)
        self._turns: dict[tuple[float, float], tuple[Layers, NDArray[np.float64]]] = {}

    @property
    def frontal_marks(self) -> NDArray[np.float64]:
        """The landmarks seen from the front, relative to the face's middle, in face widths; float64 (5, 2)."""
        return cast("NDArray[np.float64]", (self._marks - self._middle) / self.face_width)

    @property
    def _middle(self) -> NDArray[np.float64]:
        left, top, right, bottom = self._face
        return np.array([(left + right) / 2.0, (top + bottom) / 2.0])

    def shoot(self, view: View, background: tuple[Plane8, Plane8, Plane8]) -> Shot:
        """Draw one frame.

        Args:
            view: how the face is seen.
            background: luma (H, W), blue and red (H/2, W/2); not changed. Its light follows the view's gain.
        """
        luma, blue, red = (_lit8(background[0], view.gain), background[1].copy(), background[2].copy())
        layers, marks = self._turned(turn_of(view))
        scale = view.face_px / self.face_width
        turn = _similarity(scale, view.roll_deg, self._middle, view.centre_xy)
        placed = self._light(layers, view)
        self._paste((luma, blue, red), placed, turn, view)
        corners = marks @ turn[:, :2].T + turn[:, 2]
        half_w, half_h = 0.5 * view.face_px, 0.5 * view.face_px * (self._face[3] - self._face[1]) / self.face_width
        # The visible face follows its features when the head turns: its box stays around them.
        shift = (marks - self._marks).mean(axis=0) * 0.5 * scale
        x, y = view.centre_xy[0] + shift[0], view.centre_xy[1] + shift[1]
        return Shot(
            (luma, blue, red), view, corners.astype(np.float32), (x - half_w, y - half_h, x + half_w, y + half_h)
        )

    def _light(self, layers: Layers, view: View) -> Layers:
        """Gain, gamma and light from the side, on premultiplied layers."""
        if view.gain == 1.0 and view.gamma == 1.0 and view.side_light == 0.0:
            return layers
        alpha = layers[..., 3]
        level = np.clip((layers[..., 0] / np.maximum(alpha, 1e-3) - BLACK) / RANGE, 0.0, 1.0)
        columns = (np.arange(layers.shape[1], dtype=np.float32) - np.float32(self._middle[0])) / self.face_width
        ramp = 1.0 + view.side_light * np.tanh(columns / 0.3)
        level = np.clip(level**view.gamma * view.gain * ramp[None, :], 0.0, 1.0)
        lit = layers.copy()
        lit[..., 0] = (BLACK + RANGE * level) * alpha
        return lit

    def _paste(
        self, planes: tuple[Plane8, Plane8, Plane8], layers: Layers, turn: NDArray[np.float64], view: View
    ) -> None:
        """Scale, turn, blur and blend one person into the frame, then add noise where it is."""
        height, width = planes[0].shape
        rows, columns = layers.shape[:2]
        corners = np.array([[0, 0], [columns, 0], [0, rows], [columns, rows]]) @ turn[:, :2].T + turn[:, 2]
        pad = 2 + ceil(3.0 * view.defocus * view.face_px + 0.5 * view.motion * view.face_px)
        low, high = np.floor(corners.min(axis=0)) - pad, np.ceil(corners.max(axis=0)) + pad
        left, top = (max(int(value), 0) & ~1 for value in low)
        right, bottom = (min(int(value) + 1, side) & ~1 for value, side in zip(high, (width, height), strict=True))
        if right - left < 2 or bottom - top < 2:
            return
        # Room around what is seen, so that blur knows what is beyond the frame's edge.
        local = turn.copy()
        local[:, 2] -= (left - pad, top - pad)
        canvas_wh = (right - left + 2 * pad, bottom - top + 2 * pad)
        drawn = _blurred(_warped(layers, local, canvas_wh), view)[pad : pad + bottom - top, pad : pad + right - left]
        inside = slice(top, bottom), slice(left, right)
        under = planes[0][inside]
        mixed = drawn[..., 0] + under * (1.0 - drawn[..., 3])
        y, x = (int(value) for value in self._rng.integers(0, 64, 2))
        grains = np.tile(self._grains, (1 + (bottom - top + y) // 640, 1 + (right - left + x) // 640))
        mixed += np.float32(view.noise) * grains[y : y + bottom - top, x : x + right - left]
        under[...] = np.clip(np.rint(mixed), 0.0, 255.0)
        small = cv2.resize(drawn, ((right - left) // 2, (bottom - top) // 2), interpolation=cv2.INTER_AREA)
        for plane, layer in zip(planes[1:], (small[..., 1], small[..., 2]), strict=True):
            chroma = plane[top // 2 : bottom // 2, left // 2 : right // 2]
            chroma[...] = np.clip(np.rint(layer + chroma * (1.0 - small[..., 3])), 0.0, 255.0)

    def _turned(self, turn: tuple[float, float]) -> tuple[Layers, NDArray[np.float64]]:
        if turn not in self._turns:
            if len(self._turns) >= TURNS_KEPT:
                self._turns.clear()
            self._turns[turn] = self._turn(*turn)
        return self._turns[turn]

    def _turn(self, yaw_deg: float, pitch_deg: float) -> tuple[Layers, NDArray[np.float64]]:
        """The premultiplied figure with its head turned, and the landmarks on it, portrait pixels."""
        premultiplied, marks = self._upright, self._marks
        if not yaw_deg and not pitch_deg:
            return premultiplied, marks
        rows, columns = premultiplied.shape[:2]
        y, x = np.mgrid[0 : rows + GRID_PX : GRID_PX, 0 : columns + GRID_PX : GRID_PX].astype(np.float64)
        to_x, to_y = self._moved(x, y, yaw_deg=yaw_deg, pitch_deg=pitch_deg)
        from_x = GRID_PX * np.stack([_inverse(row / GRID_PX, backwards=yaw_deg < 0.0) for row in to_x])
        from_y = GRID_PX * np.stack([_inverse(column / GRID_PX, backwards=pitch_deg < 0.0) for column in to_y.T]).T
        here_x, here_y = _places(rows, columns)
        there_x, there_y = (_fine(grid, rows, columns) for grid in (from_x, from_y))
        for map_x, map_y in ((there_x, here_y), (here_x, there_y)):  # one after the other: each along its own axis
            premultiplied = cast("Layers", cv2.remap(premultiplied, map_x, map_y, cv2.INTER_LINEAR))
        marks_x, marks_y = self._moved(marks[:, 0], marks[:, 1], yaw_deg=yaw_deg, pitch_deg=pitch_deg)
        return premultiplied, np.stack([marks_x, marks_y], axis=1)

    def _moved(
        self, x: NDArray[np.float64], y: NDArray[np.float64], *, yaw_deg: float, pitch_deg: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where points of the upright figure are seen once the head is turned; the body stays."""
        unit, (middle_x, middle_y) = self.face_width, self._middle
        across, down = (x - middle_x) / unit, (y - middle_y) / unit
        away = (across / HEAD_HALF_WIDTH) ** 2 + (down / HEAD_HALF_HEIGHT) ** 2
        nose_x, nose_y = (self._marks[2] - self._middle) / unit
        depth = HEAD_DEPTH * np.sqrt(np.maximum(1.0 - away, 0.0))
        depth += NOSE_HEIGHT * np.exp(-0.5 * (((across - nose_x) ** 2 + (down - nose_y) ** 2) / NOSE_RADIUS**2))
        share = np.clip((1.8 - np.sqrt(away)) / 0.8, 0.0, 1.0)
        yaw, pitch = radians(yaw_deg), radians(pitch_deg)
        to_x = across + share * (across * (cos(yaw) - 1.0) + depth * sin(yaw))
        to_y = down + share * (down * (cos(pitch) - 1.0) + depth * sin(pitch))
        return middle_x + unit * to_x, middle_y + unit * to_y


def turn_of(view: View) -> tuple[float, float]:
    """Yaw and pitch as they are drawn, degrees."""
    return TURN_STEP_DEG * round(view.yaw_deg / TURN_STEP_DEG), TURN_STEP_DEG * round(view.pitch_deg / TURN_STEP_DEG)


def _inverse(to: NDArray[np.float64], *, backwards: bool) -> NDArray[np.float64]:
    """For each place of a line, which one is seen there; what has turned away is hidden by what comes before it."""
    if backwards:
        return (len(to) - 1) - _inverse((len(to) - 1) - to[::-1], backwards=False)[::-1]
    places = np.arange(len(to), dtype=np.float64)
    ahead = np.maximum.accumulate(to) + 1e-6 * places
    return np.interp(places, ahead, places)


def _fine(grid: NDArray[np.float64], rows: int, columns: int) -> Plane:
    """A grid of one value every GRID_PX pixels as one value a pixel, float32 (rows, columns)."""
    x, y = _places(rows, columns)
    share = np.float32(1.0 / GRID_PX)
    return cast("Plane", cv2.remap(grid.astype(np.float32), x * share, y * share, cv2.INTER_LINEAR))


@lru_cache(maxsize=8)
def _places(rows: int, columns: int) -> tuple[Plane, Plane]:
    """Column and row of every pixel, float32 (rows, columns); not to be changed."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    return x, y


def _lit8(plane: Plane8, gain: float) -> Plane8:
    if gain == 1.0:
        return plane.copy()
    table = np.clip(np.rint(BLACK + (np.arange(256) - BLACK) * gain), BLACK, BLACK + RANGE).astype(np.uint8)
    return cast("Plane8", table[plane])


def _similarity(
    scale: float, degrees: float, pivot: NDArray[np.float64], to_xy: tuple[float, float]
) -> NDArray[np.float64]:
    """float64 (2, 3): scales and turns around ``pivot``, and brings it to ``to_xy``."""
    angle = radians(degrees)
    turn = scale * np.array([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]])
    return np.column_stack([turn, np.array(to_xy) - turn @ pivot])


def _warped(layers: Layers, turn: NDArray[np.float64], size_wh: tuple[int, int]) -> Layers:
    """Apply a similarity; shrinking averages first, so that nothing flickers."""
    scale = float(np.hypot(turn[0, 0], turn[1, 0]))
    turn = turn.copy()
    if scale < 0.8:
        rows, columns = layers.shape[:2]
        small_wh = max(2, round(columns * scale)), max(2, round(rows * scale))
        layers = cast("Layers", cv2.resize(layers, small_wh, interpolation=cv2.INTER_AREA))
        ratio = np.array([columns / small_wh[0], rows / small_wh[1]])
        turn[:, 2] += turn[:, :2] @ ((ratio - 1.0) / 2.0)  # pixels are places of their middles
        turn[:, :2] *= ratio
    return cast("Layers", cv2.warpAffine(layers, turn, size_wh, flags=cv2.INTER_LINEAR))


def _blurred(layers: Layers, view: View) -> Layers:
    sigma_px, trace_px = view.defocus * view.face_px, view.motion * view.face_px
    if sigma_px > 0.15:
        layers = cast("Layers", cv2.GaussianBlur(layers, (0, 0), sigma_px))
    if trace_px > 1.0:
        layers = cast("Layers", cv2.filter2D(layers, -1, _trace(trace_px, view.motion_deg)))
    return layers


def _trace(length_px: float, degrees: float) -> Plane:
    """The kernel of a straight motion: points along a line, shared between the pixels around each."""
    half = ceil(length_px / 2.0) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    for share in np.linspace(-0.5, 0.5, 4 * half + 1):
        x, y = half + share * length_px * cos(radians(degrees)), half + share * length_px * sin(radians(degrees))
        column, row = int(x), int(y)
        for dy in (0, 1):
            for dx in (0, 1):
                kernel[row + dy, column + dx] += (1.0 - abs(x - column - dx)) * (1.0 - abs(y - row - dy))
    return cast("Plane", kernel / kernel.sum())
