"""How one person moves: across, across and back, with stops, diagonally, towards the camera or away from it.

A path says for every frame where the centre of the face is and how wide the face is. It begins and ends with the whole
figure outside the picture. Nothing here knows of other people; :mod:`plan` brings them together.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vigia.infrastructure.demo.portraits import BODY_FACES

Track = NDArray[np.float64]
"""float64 (n,): one number a frame."""
SPARE_FACES = 0.15
"""How much further than its outline a figure starts outside the picture, in face widths: motion blur widens it."""
HEAD_ROOM_FACES = 1.25
"""The face's centre stays so far below the upper edge, so that no head is cut off."""


@dataclass(frozen=True, slots=True)
class Stage:
    """The picture, and the time in which people may be in it."""

    width: int
    height: int
    fps: int
    frames: int
    """Frames in which somebody may be visible."""
    speeds_px_s: tuple[float, float]
    face_px_min: float = 8.0
    """Nobody is drawn smaller, however far away; pixels wide."""

    @property
    def scale(self) -> float:
        """Relative to 720 lines."""
        return self.height / 720.0


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """Where a face is: centre and width, pixels, one value a frame."""

    x: Track
    y: Track
    face_width: Track

    def __len__(self) -> int:
        return len(self.x)

    def reversed(self) -> "Path":
        """The same way, walked backwards."""
        return Path(self.x[::-1].copy(), self.y[::-1].copy(), self.face_width[::-1].copy())


@dataclass(frozen=True, slots=True)
class Walker:
    """What a path needs to know of the person: reach left, right and above the face's centre in face widths."""

    face_width: float
    """Pixels; the largest on this path."""
    reach: tuple[float, float, float]

    @property
    def left_px(self) -> float:
        """Room to the left that hides the figure, pixels."""
        return (self.reach[0] + SPARE_FACES) * self.face_width

    @property
    def right_px(self) -> float:
        """Room to the right that hides the figure, pixels."""
        return (self.reach[1] + SPARE_FACES) * self.face_width

    @property
    def above_px(self) -> float:
        """Room above the face's centre, pixels."""
        return (self.reach[2] + SPARE_FACES) * self.face_width


def height_range(stage: Stage, face_width: float) -> tuple[float, float]:
    """Lowest and highest y for a face's centre: the head stays whole, and the body reaches the lower edge."""
    lowest = 0.72 * stage.height
    highest = max(HEAD_ROOM_FACES * face_width, stage.height - (BODY_FACES - 0.2) * face_width)
    return min(highest, lowest), lowest


def frames_for(rng: np.random.Generator, stage: Stage, distance_px: float, *, share_max: float = 0.85) -> int:
    """How many frames a way takes at a speed drawn from the stage's range, at most a share of the time there is."""
    slowest, fastest = stage.speeds_px_s
    needed = distance_px * stage.fps / (share_max * stage.frames)
    slowest = max(slowest, needed)
    speed = float(np.exp(rng.uniform(np.log(slowest), np.log(max(slowest, fastest)))))
    return int(np.clip(distance_px / speed * stage.fps, 2, stage.frames))


def walk(rng: np.random.Generator, stage: Stage, walker: Walker) -> Path:
    """From one side to the other at an even pace."""
    start, stop = -walker.right_px, stage.width + walker.left_px
    count = frames_for(rng, stage, stop - start)
    y = rng.uniform(*height_range(stage, walker.face_width))
    path = _path(np.linspace(start, stop, count), y + _bob(rng, stage, walker, count), walker)
    return path if rng.random() < 0.5 else path.reversed()


def diagonal(rng: np.random.Generator, stage: Stage, walker: Walker) -> Path:
    """From one side to the other, coming down or going up on the way, a little larger where it is lower."""
    start, stop = -walker.right_px, stage.width + walker.left_px
    count = frames_for(rng, stage, stop - start)
    smallest = min(1.0, max(0.8, stage.face_px_min / walker.face_width))
    highest, lowest = height_range(stage, smallest * walker.face_width)
    share = np.linspace(0.0, 1.0, count)
    y = highest + (lowest - highest) * share + _bob(rng, stage, walker, count)
    path = Path(start + (stop - start) * share, y, walker.face_width * (smallest + (1.0 - smallest) * share))
    return path if rng.random() < 0.5 else path.reversed()


def stop_and_go(rng: np.random.Generator, stage: Stage, walker: Walker) -> Path:
    """Across, standing still once or twice on the way."""
    start, stop = -walker.right_px, stage.width + walker.left_px
    count = frames_for(rng, stage, 1.5 * (stop - start), share_max=0.9)
    share = np.linspace(0.0, 1.0, count)
    pace = np.ones(count)
    for middle in (0.35, 0.68)[: int(rng.integers(1, 3))]:
        pace *= 1.0 - np.exp(-(((share - middle - rng.uniform(-0.06, 0.06)) / 0.075) ** 4))
    way = np.cumsum(pace)
    way = (way - way[0]) / (way[-1] - way[0])
    y = rng.uniform(*height_range(stage, walker.face_width))
    path = _path(start + (stop - start) * way, y + pace * _bob(rng, stage, walker, count), walker)
    return path if rng.random() < 0.5 else path.reversed()


def turn_back(rng: np.random.Generator, stage: Stage, walker: Walker) -> Path:
    """In from a side, then a look around, then out again on the same side."""
    inner = rng.uniform(0.3, 0.7) * stage.width
    from_left = rng.random() < 0.5
    start = -walker.right_px if from_left else stage.width + walker.left_px
    count = frames_for(rng, stage, 2.4 * abs(inner - start), share_max=0.9)
    share = np.linspace(0.0, 1.0, count)
    # Even pace in, slowing to a stand at the turn, and out the same way.
    depth = np.sin(0.5 * np.pi * np.clip(np.minimum(share, 1.0 - share) / 0.42, 0.0, 1.0))
    y = rng.uniform(*height_range(stage, walker.face_width))
    return _path(start + (inner - start) * depth, y + 0.5 * _bob(rng, stage, walker, count), walker)


def approach(rng: np.random.Generator, stage: Stage, walker: Walker) -> Path:
    """In from a side, far away and small, growing, and out below the picture's lower edge."""
    first_width = max(stage.face_px_min, walker.face_width / rng.uniform(1.7, 2.6))
    from_left = rng.random() < 0.5
    far = Walker(first_width, walker.reach)
    start = -far.right_px if from_left else stage.width + far.left_px
    inner = rng.uniform(0.4, 0.65) * stage.width
    first_y = rng.uniform(*height_range(stage, first_width))
    last_y = stage.height + walker.above_px
    count = frames_for(rng, stage, 1.6 * float(np.hypot(inner - start, last_y - first_y)), share_max=0.8)
    share = np.linspace(0.0, 1.0, count)
    x = start + (inner - start) * np.sin(0.5 * np.pi * np.clip(share / 0.75, 0.0, 1.0))
    y = first_y + (last_y - first_y) * share**3.5
    width = first_width * (walker.face_width / first_width) ** np.clip(share / 0.9, 0.0, 1.0)
    return Path(x, y, width)


def recede(rng: np.random.Generator, stage: Stage, walker: Walker) -> Path:
    """In from below the lower edge, going away and growing smaller, out at a side."""
    return approach(rng, stage, walker).reversed()


MOTIONS: tuple[tuple[Callable[[np.random.Generator, Stage, Walker], Path], float], ...] = (
    (walk, 0.32),
    (diagonal, 0.14),
    (stop_and_go, 0.14),
    (turn_back, 0.14),
    (approach, 0.16),
    (recede, 0.10),
)
"""Every motion and how often it is chosen."""


def crossing_pair(rng: np.random.Generator, stage: Stage, near: Walker, far: Walker) -> tuple[Path, Path, int]:
    """Two people walking towards each other at a brisk pace, who meet in the picture.

    Returns:
        The nearer one's path, the farther one's, and how many frames after the nearer one the farther one starts
        (below 0: before).
    """
    brisk = max(stage.speeds_px_s[0], 150.0 * stage.scale), max(stage.speeds_px_s[1], 150.0 * stage.scale)
    hurried = replace(stage, speeds_px_s=(brisk[0], min(brisk[1], 2.0 * brisk[0])))
    meeting_x = rng.uniform(0.35, 0.65) * stage.width
    low, high = height_range(stage, near.face_width)
    near_y = rng.uniform(low, low + 0.5 * (high - low))
    far_low, far_high = height_range(stage, far.face_width)
    # Where the farther face is no lower than the nearer one's, only a head can hide it: shoulders would for too long.
    far_y = float(np.clip(near_y - rng.uniform(0.05, 0.45) * near.face_width, far_low, far_high))
    paths, met = [], []
    near_goes_right = rng.random() < 0.5
    for walker, y, goes_right in ((near, near_y, near_goes_right), (far, far_y, not near_goes_right)):
        start, stop = -walker.right_px, stage.width + walker.left_px
        count = frames_for(rng, hurried, stop - start, share_max=0.7)
        x = np.linspace(start, stop, count) if goes_right else np.linspace(stop, start, count)
        paths.append(_path(x, y + _bob(rng, stage, walker, count), walker))
        met.append(int(np.argmin(np.abs(x - meeting_x))))
    return paths[0], paths[1], met[0] - met[1]


def _path(x: Track, y: Track, walker: Walker) -> Path:
    return Path(x, y, np.full(len(x), walker.face_width))


def _bob(rng: np.random.Generator, stage: Stage, walker: Walker, count: int) -> Track:
    """The head's up and down in walking, pixels."""
    steps_per_s, phase = rng.uniform(1.5, 2.1), rng.uniform(0.0, 2.0 * np.pi)
    seconds = np.arange(count) / stage.fps
    return 0.025 * walker.face_width * np.sin(2.0 * np.pi * steps_per_s * seconds + phase)
