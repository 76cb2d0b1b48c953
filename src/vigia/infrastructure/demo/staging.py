"""One person on the stage: a path turned into whole pixels, the face's exact box, and what of it can be seen."""

from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vigia.infrastructure.demo.choreography import Path
from vigia.infrastructure.demo.portraits import Figure, Look, figure
from vigia.infrastructure.demo.spec import DemoSpec

SCALE_STEP = 1.01
"""People are drawn at powers of this, so that one scaled picture serves many frames."""
SHUTTER = 0.5
"""Share of the frame's time in which the shutter is open: how long the trace of a motion is."""
BLUR_FACES_MAX = 0.08
"""Longest motion blur, in face widths."""
GRID = 24
"""A face's visible share is counted on so many points along each side of its box."""


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """One person's way through the picture, in whole pixels as it is drawn."""

    passage_id: int
    identity: int
    look: Look
    first_frame: int
    steps: NDArray[np.int64]
    """Scale per frame: portrait pixels x SCALE_STEP ** step."""
    origins: NDArray[np.int64]
    """(n, 2): where the figure's top left corner is drawn."""
    boxes_xyxy: NDArray[np.float32]
    """(n, 4): the face, not clipped."""
    blurs_px: NDArray[np.int64]
    """Length of the motion blur per frame."""
    depth: float
    """Larger is nearer and is drawn later."""
    rows: int
    """How much of the figure ever shows, from its top, portrait pixels."""

    @property
    def stop_frame(self) -> int:
        """One past the last frame."""
        return self.first_frame + len(self.steps)

    @property
    def figure(self) -> Figure:
        """The outline."""
        return figure(self.look.portrait, flipped=self.look.flipped, tilt_deg=self.look.tilt_deg)


def lay_out(path: Path, look: Look, *, spec: DemoSpec, first_frame: int, passage_id: int, identity: int) -> Passage:
    """Turn a path into whole pixels and scale steps, and compute the face's exact box from them."""
    shape = figure(look.portrait, flipped=look.flipped, tilt_deg=look.tilt_deg)
    steps = np.rint(np.log(path.face_width / shape.face_width) / np.log(SCALE_STEP)).astype(np.int64)
    scales = SCALE_STEP ** steps.astype(np.float64)
    face_x, face_y = shape.face_centre
    # The lowest row of the figure that the picture's lower edge ever shows, and a little more for the blur.
    rows_shown = (spec.height - path.y) / scales + face_y
    rows = int(np.clip(np.ceil(rows_shown.max()) + 2, 1, shape.alpha.shape[0]))
    sizes = np.array([_raster_size(shape.alpha.shape[1], rows, int(step)) for step in steps], dtype=np.float64)
    ratios = sizes / np.array([shape.alpha.shape[1], rows], dtype=np.float64)
    centres = np.stack([path.x, path.y], axis=1)
    origins = np.rint(centres - ratios * np.array([face_x, face_y])).astype(np.int64)
    box = np.array(shape.face_xyxy, dtype=np.float64).reshape(2, 2)
    boxes = origins[:, None, :] + box[None, :, :] * ratios[:, None, :]
    speed = np.abs(np.gradient(path.x)) if len(path) > 1 else np.zeros(1)
    blur = np.minimum(speed * SHUTTER, BLUR_FACES_MAX * path.face_width)
    lengths = np.where(blur < 2.0, 1, 2 * np.floor(blur / 2.0) + 1).astype(np.int64)
    return Passage(
        passage_id,
        identity,
        look,
        first_frame,
        steps,
        origins,
        boxes.reshape(-1, 4).astype(np.float32),
        lengths,
        float(path.face_width.mean()),
        rows,
    )


def visible_shares(
    passage: Passage, others: tuple[Passage, ...] | list[Passage], *, width: int, height: int, grid: int = GRID
) -> NDArray[np.float64]:
    """Share of a face that is inside the picture and not behind a nearer person, float64 (n,) in [0, 1]."""
    ticks = (np.arange(grid) + 0.5) / grid
    left, top, right, bottom = (passage.boxes_xyxy[:, i].astype(np.float64) for i in range(4))
    x = left[:, None, None] + (right - left)[:, None, None] * ticks[None, None, :]
    y = top[:, None, None] + (bottom - top)[:, None, None] * ticks[None, :, None]
    x, y = np.broadcast_arrays(x, y)
    seen = (x >= 0.0) & (x < width) & (y >= 0.0) & (y < height)
    for other in others:
        if other.depth <= passage.depth:
            continue
        first, stop = max(passage.first_frame, other.first_frame), min(passage.stop_frame, other.stop_frame)
        if first >= stop:
            continue
        mine = slice(first - passage.first_frame, stop - passage.first_frame)
        seen[mine] &= ~_covers(other, slice(first - other.first_frame, stop - other.first_frame), x[mine], y[mine])
    return cast("NDArray[np.float64]", seen.mean(axis=(1, 2)))


def _covers(passage: Passage, frames: slice, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which points lie behind a person; ``x`` and ``y`` are (frames, any, any) in picture pixels."""
    shape = passage.figure
    solid = shape.alpha[: passage.rows] > 0.5
    height, width = solid.shape
    rasters = np.array([raster_size(passage, int(step)) for step in passage.steps[frames]])
    across = (x - passage.origins[frames, 0, None, None]) * (width / rasters[:, 0, None, None])
    down = (y - passage.origins[frames, 1, None, None]) * (height / rasters[:, 1, None, None])
    column, row = np.floor(across).astype(np.int64), np.floor(down).astype(np.int64)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    found = solid[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return cast("NDArray[np.bool_]", inside & found)


def raster_size(passage: Passage, step: int) -> tuple[int, int]:
    """Width and height in pixels at which the visible part of a figure is drawn at a scale step."""
    return _raster_size(passage.figure.alpha.shape[1], passage.rows, step)


@lru_cache(maxsize=4096)
def _raster_size(columns: int, rows: int, step: int) -> tuple[int, int]:
    scale = SCALE_STEP**step
    return max(2, round(columns * scale)), max(2, round(rows * scale))
