"""The rooms and yards behind the people, put together from photographs of walls, floors and skies.

A scene is a wall, a floor in perspective, a few doors or shutters, and light. No photograph of it shows a face.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np

from vigia.infrastructure.demo.photographs import load_photograph
from vigia.infrastructure.demo.planes import Plane, Plane8, halve, rgb_to_yuv, sample, soften, to_plane8
from vigia.infrastructure.demo.spec import DemoSpec

Yuv = tuple[Plane, Plane, Plane]
DARKEST, BRIGHTEST = 24.0, 228.0
"""Luma stays in here, so that the noise added later cannot run over."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A photograph as a material: which part of it, how large, in what colour and light."""

    photograph: str
    scale: float = 1.0
    """Picture pixels for one pixel of the photograph, at 720 lines; a floor's at the front edge."""
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """Left, top, right, bottom of the part used, as shares of the photograph."""
    tint: tuple[float, float] = (0.0, 0.0)
    """Added to the blue and the red difference, grey levels."""
    gain: float = 1.0
    contrast: float = 1.0
    """Around the mean."""
    saturation: float = 1.0


@dataclass(frozen=True, slots=True)
class Panel:
    """A door, a shutter or a board: left, top, right, bottom as shares of the picture."""

    surface: Surface
    place: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Scene:
    """Recipe of a background."""

    wall: Surface
    floor: Surface | None
    horizon: float
    """Where the wall meets the floor, as a share of the height."""
    panels: tuple[Panel, ...] = ()
    lamp: tuple[float, float, float] = (0.5, 0.0, 0.25)
    """x, y (shares of the picture) and strength of the brightest spot."""
    defocus_px: float = 1.0
    """At 720 lines."""


_WOOD = Surface("coffee", 1.8, crop=(0.81, 0.0, 1.0, 0.9), gain=0.85, contrast=0.8, saturation=0.8)
_DARK_WOOD = Surface("coffee", 1.6, crop=(0.81, 0.0, 1.0, 0.9), gain=0.5, saturation=0.6)
_PLASTER = Surface("gravel", 0.9, gain=1.15, contrast=0.12)
_STEEL = Surface("grass", 1.6, gain=0.9, contrast=0.1, tint=(3.0, -2.0))
_SCENES = (
    Scene(  # Entrada
        Surface("brick", 1.5, tint=(-12.0, 16.0), gain=0.95),
        Surface("gravel", 2.4, gain=0.8, contrast=0.7),
        0.74,
        (Panel(_DARK_WOOD, (0.70, 0.16, 0.86, 0.76)), Panel(_PLASTER, (0.12, 0.2, 0.28, 0.46))),
        (0.3, 0.05, 0.3),
    ),
    Scene(  # Recepção
        Surface("coffee", 2.1, crop=(0.81, 0.0, 1.0, 0.9), gain=1.1, contrast=0.45, saturation=0.6),
        Surface("gravel", 1.0, gain=1.25, contrast=0.25, tint=(-3.0, 3.0)),
        0.8,
        (Panel(_PLASTER, (0.36, 0.1, 0.66, 0.5)),),
        (0.5, 0.0, 0.35),
    ),
    Scene(  # Corredor
        Surface("gravel", 0.9, gain=1.3, contrast=0.1, tint=(2.0, -1.0)),
        Surface("brick", 2.2, gain=0.75, contrast=0.6),
        0.7,
        (
            Panel(_WOOD, (0.06, 0.2, 0.2, 0.72)),
            Panel(_WOOD, (0.46, 0.2, 0.6, 0.72)),
            Panel(_WOOD, (0.84, 0.2, 0.98, 0.72)),
        ),
        (0.7, -0.1, 0.3),
    ),
    Scene(  # Doca
        Surface("brick", 2.3, gain=0.85, contrast=0.8, tint=(2.0, -2.0)),
        Surface("gravel", 3.0, gain=0.6, contrast=0.5),
        0.76,
        (
            Panel(Surface("brick", 0.6, gain=1.2, contrast=0.35, tint=(8.0, -6.0)), (0.1, 0.08, 0.48, 0.78)),
            Panel(_DARK_WOOD, (0.72, 0.3, 0.83, 0.78)),
        ),
        (0.85, 0.1, 0.3),
    ),
    Scene(  # Estacionamento
        Surface("rocket", 2.0, crop=(0.0, 0.05, 1.0, 1.0), gain=1.25),
        Surface("gravel", 2.2, gain=0.5, contrast=0.8, tint=(6.0, -2.0)),
        0.8,
        (),
        (0.6, 0.6, 0.2),
        1.4,
    ),
    Scene(  # Elevador
        Surface("gravel", 1.2, gain=0.95, contrast=0.1, tint=(4.0, -3.0)),
        Surface("brick", 1.2, gain=0.5, contrast=0.5),
        0.84,
        (Panel(_STEEL, (0.3, 0.08, 0.495, 0.86)), Panel(_STEEL, (0.505, 0.08, 0.7, 0.86))),
        (0.5, 0.1, 0.35),
    ),
    Scene(  # Refeitório
        Surface("coffee", 2.1, gain=0.85, saturation=0.8),
        None,
        1.0,
        (),
        (0.2, 0.1, 0.25),
        7.0,
    ),
    Scene(  # Saída
        Surface("brick", 1.1, gain=1.2, contrast=0.7, tint=(-8.0, 6.0)),
        Surface("grass", 2.2, gain=0.75, tint=(-22.0, -12.0)),
        0.62,
        (Panel(_WOOD, (0.4, 0.1, 0.56, 0.66)),),
        (0.1, 0.2, 0.3),
    ),
)


def background(spec: DemoSpec, index: int) -> tuple[Plane8, Plane8, Plane8]:
    """The empty scene of clip ``index``: luma (H, W), blue and red (H/2, W/2), uint8.

    From the ninth clip on the scenes come again, mirrored or in another light. Raises ConfigurationError.
    """
    scene = _SCENES[index % len(_SCENES)]
    rng = np.random.default_rng([spec.seed, index, 1])
    lap = index // len(_SCENES)
    luma, blue, red = _build(scene, spec)
    if lap % 2:
        luma, blue, red = luma[:, ::-1], blue[:, ::-1], red[:, ::-1]
    luma = luma * (1.0 if lap == 0 else np.float32(rng.uniform(0.75, 1.15)))
    return (
        to_plane8(luma, low=DARKEST, high=BRIGHTEST),
        to_plane8(halve(blue), low=20, high=236),
        to_plane8(halve(red), low=20, high=236),
    )


def _build(scene: Scene, spec: DemoSpec) -> Yuv:
    y, x = np.mgrid[0 : spec.height, 0 : spec.width].astype(np.float32)
    edge = scene.horizon * spec.height
    canvas = _material(scene.wall, x / spec.scale, y / spec.scale)
    for panel in scene.panels:
        canvas = _hang(canvas, panel, spec)
    if scene.floor is not None:
        canvas = _lay_floor(canvas, scene.floor, spec, edge=edge)
    luma, blue, red = (soften(plane, scene.defocus_px * spec.scale) for plane in canvas)
    lamp_x, lamp_y, strength = scene.lamp
    away = ((x / spec.width - lamp_x) / 0.7) ** 2 + ((y / spec.height - lamp_y) / 0.9) ** 2
    light = 1.0 - 0.5 * strength + strength * np.exp(-away)
    return (16.0 + (luma - 16.0) * light).astype(np.float32), blue, red


def _material(surface: Surface, x: Plane, y: Plane) -> Yuv:
    """Colour of a surface at (x, y), given in picture pixels at 720 lines."""
    luma, blue, red = _planes(surface)
    u, v = x / np.float32(surface.scale), y / np.float32(surface.scale)
    mean = float(luma.mean())
    luma = 16.0 + (mean + (luma - mean) * np.float32(surface.contrast) - 16.0) * np.float32(surface.gain)
    blue = 128.0 + (blue - 128.0) * np.float32(surface.saturation) + np.float32(surface.tint[0])
    red = 128.0 + (red - 128.0) * np.float32(surface.saturation) + np.float32(surface.tint[1])
    read: Callable[[Plane], Plane] = lambda plane: sample(plane.astype(np.float32), u, v)  # noqa: E731 - three uses
    return read(luma), read(blue), read(red)


def _planes(surface: Surface) -> Yuv:
    photograph = load_photograph(surface.photograph)
    height, width = photograph.shape[:2]
    left, top, right, bottom = surface.crop
    part = photograph[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
    return rgb_to_yuv(part)


def _hang(canvas: Yuv, panel: Panel, spec: DemoSpec) -> Yuv:
    """Draw a panel with a dark frame around it."""
    left, right = round(panel.place[0] * spec.width), round(panel.place[2] * spec.width)
    top, bottom = round(panel.place[1] * spec.height), round(panel.place[3] * spec.height)
    y, x = np.mgrid[0 : bottom - top, 0 : right - left].astype(np.float32)
    parts = _material(panel.surface, x / spec.scale, y / spec.scale)
    rim = max(1, round(6 * spec.scale))
    frame = np.ones_like(parts[0])
    frame[rim:, rim:-rim] = 0.0
    for plane, part in zip(canvas, parts, strict=True):
        plane[top:bottom, left:right] = part
    canvas[0][top:bottom, left:right] = parts[0] * (1.0 - 0.45 * frame)
    return canvas


def _lay_floor(canvas: Yuv, surface: Surface, spec: DemoSpec, *, edge: float) -> Yuv:
    """Lay a floor in perspective below the wall; far away its grain fades into its mean."""
    first = int(np.ceil(edge))
    y, x = np.mgrid[first : spec.height, 0 : spec.width].astype(np.float32)
    depth = (spec.height - edge) / np.maximum(y - edge + 0.12 * spec.height, 1.0)
    across = (x - 0.5 * spec.width) / spec.scale * depth + 4096.0
    parts = _material(surface, across, 400.0 * depth)
    nearness = np.clip(1.6 / depth - 0.3, 0.15, 1.0)
    for number, (plane, part) in enumerate(zip(canvas, parts, strict=True)):
        mean = np.float32(part.mean())
        shade = 0.75 + 0.25 * np.clip((y - edge) / (0.08 * spec.height), 0.0, 1.0) if number == 0 else np.float32(1.0)
        plane[first:] = cast("Plane", (mean + (part - mean) * nearness) * shade)
    return canvas
