"""Who passes through a clip, when and how: the whole truth of a clip, worked out before anything is drawn.

People are added one after another. Who would stand in another's place, or be hidden, for too long is drawn again with
another path; who still does not fit is left out. The result depends on the spec and the clip's number alone.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vigia.domain.geometry import iou_matrix
from vigia.domain.ground_truth import ClipTruth, TruthFace
from vigia.infrastructure.demo.choreography import (
    MOTIONS,
    Stage,
    Walker,
    approach,
    crossing_pair,
    diagonal,
    height_range,
    recede,
)
from vigia.infrastructure.demo.portraits import Look, figure
from vigia.infrastructure.demo.spec import DemoSpec
from vigia.infrastructure.demo.staging import Passage, lay_out, visible_shares

HIDDEN_S_MAX = 0.5
"""A face may be hidden (less than a fifth of it seen) for no longer."""
SAME_PLACE_S_MAX = 0.45
"""Two faces may overlap by an IoU of more than 0.3 for no longer."""
CLEAR_SHARE_MIN = 0.6
"""Of the frames in which a face is inside the picture, it is seen whole in at least so many."""
TRIES = 60
WIDTH_BANDS_720P = ((35.0, 50.0), (50.0, 80.0), (80.0, 140.0), (140.0, 200.0), (200.0, 260.0))
WIDTH_CHANCES = (0.13, 0.12, 0.40, 0.25, 0.10)
GROWTH_MIN = 1.6
"""Who comes nearer or goes away is, at the nearest, at least so many times the smallest face's width."""


@dataclass(frozen=True, slots=True, eq=False)
class Poster:
    """A face that hangs on the wall: who, and the face's centre and width in pixels."""

    look: Look
    x: int
    y: int
    face_width: float


@dataclass(frozen=True, slots=True, eq=False)
class ClipPlan:
    """Everything that happens in one clip."""

    spec: DemoSpec
    index: int
    passages: tuple[Passage, ...]
    posters: tuple[Poster, ...]

    def truth(self) -> ClipTruth:
        """The faces of every frame."""
        frames: list[list[TruthFace]] = [[] for _ in range(self.spec.frame_count)]
        for passage in self.passages:
            shares = visible_shares(passage, self.passages, width=self.spec.width, height=self.spec.height)
            limits = np.array([self.spec.width, self.spec.height] * 2, dtype=np.float32)
            clipped = np.clip(passage.boxes_xyxy, 0.0, limits)
            for offset, (box, share) in enumerate(zip(clipped.tolist(), shares.tolist(), strict=True)):
                left, top, right, bottom = (round(value, 2) for value in box)
                if right > left and bottom > top:
                    frames[passage.first_frame + offset].append(
                        TruthFace(passage.passage_id, passage.identity, (left, top, right, bottom), round(share, 3))
                    )
        return ClipTruth(self.spec.width, self.spec.height, float(self.spec.fps), tuple(tuple(f) for f in frames))


def plan_clip(spec: DemoSpec, index: int) -> ClipPlan:
    """Work out clip ``index`` of ``spec``. Pure: no photograph is read, nothing is drawn."""
    rng = np.random.default_rng([spec.seed, index])
    margin = int(np.ceil(spec.margin_s * spec.fps))
    stage = Stage(
        spec.width, spec.height, spec.fps, spec.frame_count - 2 * margin, spec.speeds_px_s, _width_range(spec)[0]
    )
    cast_of_clip = _Cast(rng=rng, spec=spec, stage=stage, first_frame=margin)
    wanted = int(rng.integers(spec.passages[0], spec.passages[1] + 1))
    for _ in range(min(spec.crossings, wanted // 2)):
        cast_of_clip.add_crossing()
    while cast_of_clip.asked < wanted:
        cast_of_clip.add_one()
    posters = tuple(_poster(rng, spec, place) for place in range(spec.posters))
    passages = sorted(cast_of_clip.passages, key=lambda p: (p.first_frame, p.passage_id))
    return ClipPlan(spec, index, tuple(passages), posters)


def _width_range(spec: DemoSpec) -> tuple[float, float]:
    """Smallest and largest face of a clip, pixels wide."""
    if spec.face_px is not None:
        return spec.face_px
    return WIDTH_BANDS_720P[0][0] * spec.scale, WIDTH_BANDS_720P[-1][1] * spec.scale


@dataclass(slots=True, eq=False)
class _Cast:
    """The people of a clip while it is being planned. Owner: plan_clip."""

    rng: np.random.Generator
    spec: DemoSpec
    stage: Stage
    first_frame: int
    passages: list[Passage] = field(default_factory=list)
    asked: int = 0
    """People asked for so far, whether they fitted in or not."""
    identities: int = 0

    def add_one(self) -> None:
        """Try to fit one more person in, perhaps one who was here before."""
        self.asked += 1
        motions = [motion for motion, _ in MOTIONS]
        chances = [chance for _, chance in MOTIONS]
        returning = self._returning()
        wish = float(self._face_width())
        for attempt in range(TRIES):
            # Who does not fit as wished may come at another size.
            face_width = wish if attempt < TRIES // 3 else float(self._face_width())
            look = returning.look if returning is not None else random_look(self.rng, face_width / self.stage.scale)
            motion = motions[int(self.rng.choice(len(motions), p=chances))]
            if motion in (approach, recede) and face_width < GROWTH_MIN * self.stage.face_px_min:
                motion = diagonal
            walker = Walker(face_width, _reach(look))
            path = motion(self.rng, self.stage, walker)
            start = self.first_frame + int(self.rng.integers(0, self.stage.frames - len(path) + 1))
            identity = returning.identity if returning is not None else self.identities
            passage = lay_out(
                path, look, spec=self.spec, first_frame=start, passage_id=self._next_id(), identity=identity
            )
            if returning is not None and not self._comes_back(passage):
                continue
            if self._fits([passage]):
                self._accept(passage)
                return

    def add_crossing(self) -> None:
        """Try to fit two people in who meet and hide one another for a moment."""
        self.asked += 2
        low, high = _width_range(self.spec)
        for _ in range(TRIES):
            near_width = float(self.rng.uniform(low + 0.4 * (high - low), low + 0.62 * (high - low)))
            far_width = max(low, near_width * float(self.rng.uniform(0.6, 0.8)))
            looks = [random_look(self.rng, width / self.stage.scale) for width in (near_width, far_width)]
            near, far = Walker(near_width, _reach(looks[0])), Walker(far_width, _reach(looks[1]))
            near_path, far_path, lag = crossing_pair(self.rng, self.stage, near, far)
            length = max(len(near_path), lag + len(far_path)) - min(0, lag)
            if length > self.stage.frames:
                continue
            start = self.first_frame + int(self.rng.integers(0, self.stage.frames - length + 1)) - min(0, lag)
            first = lay_out(
                near_path, looks[0], spec=self.spec, first_frame=start,
                passage_id=self._next_id(), identity=self.identities,
            )  # fmt: skip
            second = lay_out(
                far_path, looks[1], spec=self.spec, first_frame=start + lag,
                passage_id=self._next_id() + 1, identity=self.identities + 1,
            )  # fmt: skip
            shares = visible_shares(second, [first], width=self.stage.width, height=self.stage.height, grid=8)
            inside = _inside(second, self.stage)
            if inside.any() and shares[inside].min() < 0.5 and self._fits([first, second]):
                self._accept(first)
                self._accept(second)
                return

    def _face_width(self) -> float:
        if self.spec.face_px is not None:
            return float(self.rng.uniform(*self.spec.face_px))
        band = WIDTH_BANDS_720P[int(self.rng.choice(len(WIDTH_BANDS_720P), p=WIDTH_CHANCES))]
        return float(self.rng.uniform(*band)) * self.stage.scale

    def _next_id(self) -> int:
        return len(self.passages)

    def _returning(self) -> Passage | None:
        """Somebody who was here already and may come back, or None."""
        if not self.passages or self.rng.random() >= 0.15:
            return None
        return self.passages[int(self.rng.integers(len(self.passages)))]

    def _comes_back(self, passage: Passage) -> bool:
        """True when nobody of this identity is in the picture within a second of the passage."""
        gap = self.spec.fps
        same = [p for p in self.passages if p.identity == passage.identity]
        return all(passage.first_frame >= p.stop_frame + gap or p.first_frame >= passage.stop_frame + gap for p in same)

    def _accept(self, passage: Passage) -> None:
        self.passages.append(passage)
        self.identities = max(self.identities, passage.identity + 1)

    def _fits(self, newcomers: list[Passage]) -> bool:
        """True when nobody, old or new, is hidden or shares a place for too long."""
        everybody = self.passages + newcomers
        touched = [p for p in everybody if any(_meet(p, n) for n in newcomers)]
        return all(_is_clear(p, everybody, self.stage) for p in touched)


def _meet(first: Passage, second: Passage) -> bool:
    return first.first_frame < second.stop_frame and second.first_frame < first.stop_frame


def _inside(passage: Passage, stage: Stage) -> NDArray[np.bool_]:
    """Frames in which the whole face is inside the picture."""
    box = passage.boxes_xyxy
    return (box[:, 0] >= 0) & (box[:, 1] >= 0) & (box[:, 2] <= stage.width) & (box[:, 3] <= stage.height)


def _is_clear(passage: Passage, everybody: list[Passage], stage: Stage) -> bool:
    """True when a face is hidden, or in another's place, only for a moment, and mostly seen whole."""
    inside = _inside(passage, stage)
    if not inside.any():
        return False
    shares = visible_shares(passage, everybody, width=stage.width, height=stage.height, grid=8)
    if _longest_run(inside & (shares < 0.2)) > HIDDEN_S_MAX * stage.fps:
        return False
    if float((shares[inside] > 0.9).mean()) < CLEAR_SHARE_MIN:
        return False
    for other in everybody:
        if other is passage or not _meet(passage, other):
            continue
        first, stop = max(passage.first_frame, other.first_frame), min(passage.stop_frame, other.stop_frame)
        mine = passage.boxes_xyxy[first - passage.first_frame : stop - passage.first_frame]
        theirs = other.boxes_xyxy[first - other.first_frame : stop - other.first_frame]
        overlaps = np.array([iou_matrix(a[None], b[None])[0, 0] for a, b in zip(mine, theirs, strict=True)])
        if _longest_run(overlaps > 0.3) > SAME_PLACE_S_MAX * stage.fps:
            return False
    return True


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[0::2]).max(initial=0))


def _reach(look: Look) -> tuple[float, float, float]:
    return figure(look.portrait, flipped=look.flipped, tilt_deg=look.tilt_deg).reach


def random_look(rng: np.random.Generator, face_width_720p: float) -> Look:
    """A new face: one of two portraits (large faces mostly the one with more pixels), in another light and dress."""
    hopper_chance = 0.8 if face_width_720p > 150.0 else 0.45
    portrait = "grace_hopper" if rng.random() < hopper_chance else "astronaut"
    tints = ((0.0, 0.0), (14.0, -6.0), (-8.0, 14.0), (-6.0, -6.0), (4.0, 10.0))
    tint = tints[int(rng.integers(len(tints)))]
    defocused = rng.random() < 0.25
    return Look(
        portrait=portrait,
        flipped=bool(rng.random() < 0.5),
        tilt_deg=int(rng.choice([-4, -2, 0, 2, 4])),
        gamma=round(float(rng.uniform(0.8, 1.25)), 3),
        contrast=round(float(rng.uniform(0.85, 1.08)), 3),
        warmth=round(float(rng.uniform(-3.0, 4.0)), 2),
        saturation=round(float(rng.uniform(0.65, 1.05)), 3),
        cloth_angle_deg=float(rng.choice([0.0, 75.0, 120.0, 170.0, 215.0, 270.0])),
        cloth_tint=tint,
        cloth_lift=round(float(rng.uniform(0.0, 45.0)), 1),
        defocus=round(float(rng.uniform(0.008, 0.02)), 4) if defocused else 0.0,
    )


def _poster(rng: np.random.Generator, spec: DemoSpec, place: int) -> Poster:
    """A portrait on the wall, spread from left to right."""
    low, high = spec.face_px if spec.face_px is not None else (90.0 * spec.scale, 110.0 * spec.scale)
    width = float(np.clip(100.0 * spec.scale, low, high))
    x = round(spec.width * (place + 1) / (spec.posters + 1))
    y = round(max(1.5 * width, 0.6 * height_range(Stage(spec.width, spec.height, spec.fps, 2, (1.0, 1.0)), width)[0]))
    return Poster(random_look(rng, width / spec.scale), x, y, width)
