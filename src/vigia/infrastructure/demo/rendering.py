"""Puts a clip's pictures together: background, people from far to near, light and noise, straight in YUV 4:2:0."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vigia.infrastructure.demo.plan import ClipPlan
from vigia.infrastructure.demo.planes import Plane8
from vigia.infrastructure.demo.scenery import background
from vigia.infrastructure.demo.sprites import LIGHT_STEP, PassageSprite, draw_poster

NOISE_PLANES = 7
"""Noise planes made once; each frame adds one of them, shifted, so that it never seems to repeat."""
NOISE_LEVELS_MAX = 8
LIGHT_ON_PEOPLE = 0.12
"""How much the light changes as somebody walks through the room, as a share."""


class ClipRenderer:
    """Draws a clip's frames, first to last. Owner: the thread that renders the clip.

    Bounds: holds the background, the noise and the people who are in the picture; nobody is kept once they are out.
    """

    def __init__(self, plan: ClipPlan) -> None:
        spec = plan.spec
        self._plan = plan
        self._rng = np.random.default_rng([spec.seed, plan.index, 2])
        self._empty = background(spec, plan.index)
        for poster in plan.posters:
            draw_poster(self._empty, poster.look, centre_xy=(poster.x, poster.y), face_width=poster.face_width)
        self._noise = self._make_noise()
        self._lit_level: int | None = None
        self._lit = self._empty[0]
        self._people: dict[int, PassageSprite] = {}
        self._phases = self._rng.uniform(0.0, 2.0 * np.pi, size=(len(plan.passages) + 1, 2))

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """Every frame, uint8 (H x 3/2, W) as PyAV takes yuv420p.

        The same array each time: it is overwritten by the next frame.
        """
        spec = self._plan.spec
        width, height = spec.width, spec.height
        picture = np.empty(width * height * 3 // 2, dtype=np.uint8)
        luma_size, chroma_size = width * height, width * height // 4
        luma = picture[:luma_size].reshape(height, width)
        blue = picture[luma_size : luma_size + chroma_size].reshape(height // 2, width // 2)
        red = picture[luma_size + chroma_size :].reshape(height // 2, width // 2)
        for index in range(spec.frame_count):
            drift = self._drift(index)
            np.copyto(luma, self._background_luma(drift))
            np.copyto(blue, self._empty[1])
            np.copyto(red, self._empty[2])
            self._draw_people((luma, blue, red), index, drift)
            self._add_noise(luma)
            yield picture.reshape(height * 3 // 2, width)

    def _drift(self, index: int) -> float:
        """Brightness of the room; after the last frame it is where it was at the first."""
        spec, turns = self._plan.spec, 1 + self._plan.index % 3
        angle = 2.0 * np.pi * turns * index / spec.frame_count + self._phases[-1, 0]
        return 1.0 + spec.light_drift * float(np.sin(angle))

    def _background_luma(self, drift: float) -> Plane8:
        level = round(drift * 128)
        if level != self._lit_level:
            table = np.clip(np.rint(16.0 + (np.arange(256) - 16.0) * level / 128.0), 16.0, 235.0).astype(np.uint8)
            self._lit, self._lit_level = table[self._empty[0]], level
        return self._lit

    def _draw_people(self, planes: tuple[Plane8, Plane8, Plane8], index: int, drift: float) -> None:
        here = [n for n, p in enumerate(self._plan.passages) if p.first_frame <= index < p.stop_frame]
        for number in [n for n in self._people if n not in here]:
            del self._people[number]
        for number in sorted(here, key=lambda n: self._plan.passages[n].depth):
            passage = self._plan.passages[number]
            if number not in self._people:
                self._people[number] = PassageSprite(passage)
            box = passage.boxes_xyxy[index - passage.first_frame]
            place = float(box[0] + box[2]) / (2.0 * self._plan.spec.width)
            local = 1.0 + LIGHT_ON_PEOPLE * float(np.sin(4.0 * place + self._phases[number, 1]))
            step = round(float(np.log(drift * local) / np.log(LIGHT_STEP)))
            self._people[number].draw(planes, frame=index, light_step=step)

    def _make_noise(self) -> list[Plane8]:
        """Noise as uint8 that wraps: 255 takes one level away. A margin is added for shifting."""
        spec = self._plan.spec
        if spec.noise <= 0.0:
            return []
        shape = (spec.height + 16, spec.width + 64)
        planes = []
        for _ in range(NOISE_PLANES):
            grains = np.rint(self._rng.standard_normal(shape, dtype=np.float32) * np.float32(spec.noise))
            planes.append(np.clip(grains, -NOISE_LEVELS_MAX, NOISE_LEVELS_MAX).astype(np.int8).view(np.uint8))
        return planes

    def _add_noise(self, luma: Plane8) -> None:
        if not self._noise:
            return
        height, width = luma.shape
        plane = self._noise[int(self._rng.integers(len(self._noise)))]
        y, x = int(self._rng.integers(16)), int(self._rng.integers(64))
        # Luma lies in 16 … 235 and the noise in ±8: the sum cannot leave 0 … 255, wrapping is exact.
        np.add(luma, plane[y : y + height, x : x + width], out=luma)
