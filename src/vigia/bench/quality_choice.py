"""Which frame of a passage is chosen, by the score and by rules that need none, and how good a choice that is."""

import random
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import repeat
from math import ceil
from multiprocessing import get_context
from pathlib import Path

import cv2
import psutil

from vigia.bench.context import BenchContext
from vigia.bench.quality_tracks import Candidate, Find, TrackPlan, look_at, plan_tracks, scenes, shots_of
from vigia.bootstrap.parts import detector_factory

BEST_SHARE = 0.1
"""A good choice is among this share of the passage's frames, by their truth."""
EVENTS_MIN = 2
"""A passage seen less often is not sent at all."""
GROUP = 4
"""Passages a process looks at in one go."""


class Rule(StrEnum):
    """How a frame is chosen."""

    SCORE = "score"
    LARGEST = "largest box"
    CONFIDENCE = "highest confidence"
    FIRST = "first"
    MIDDLE = "middle"
    RANDOM = "random"


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """One passage: every frame with its truth, and what the detectors found in it."""

    plan: TrackPlan
    candidates: tuple[Candidate, ...]

    def found(self, model: str, k: int) -> list[tuple[Candidate, Find]]:
        """The frames that the pipeline has events of when it looks at every k-th."""
        return [(candidate, candidate.finds[model]) for candidate in self.candidates[::k] if model in candidate.finds]

    def chosen(self, model: str, k: int, rule: Rule) -> Candidate | None:
        """The frame that a rule chooses; None when there are too few events."""
        found = self.found(model, k)
        if len(found) < EVENTS_MIN:
            return None
        if rule is Rule.FIRST:
            return found[0][0]
        if rule is Rule.MIDDLE:
            return found[len(found) // 2][0]
        if rule is Rule.RANDOM:
            return random.Random(f"{self.plan.number} {model} {k}").choice(found)[0]  # noqa: S311 - replays a run
        return max(found, key=lambda pair: _value(pair[1], rule))[0]

    def place(self, candidate: Candidate) -> float:
        """Share of the passage's frames that are truly better than this one: 0 for the best, in [0, 1)."""
        return sum(other.truth > candidate.truth for other in self.candidates) / len(self.candidates)

    def good(self, candidate: Candidate) -> bool:
        """Whether it is among the best tenth of all frames, seen by the detector or not."""
        better = sum(other.truth > candidate.truth for other in self.candidates)
        return better < ceil(BEST_SHARE * len(self.candidates))

    def loss(self, candidate: Candidate) -> float:
        """How much less than the best frame it is worth, of the best one's truth."""
        best = max(other.truth for other in self.candidates)
        return 1.0 - candidate.truth / best if best > 0.0 else 0.0


def _value(find: Find, rule: Rule) -> float:
    if rule is Rule.SCORE:
        return find.quality.score
    if rule is Rule.CONFIDENCE:
        return find.confidence
    left, top, right, bottom = find.box_xyxy.tolist()
    return float((right - left) * (bottom - top))


def observe(context: BenchContext, *, count: int, seed: int, min_face_px: float) -> list[Observation]:
    """Draw passages and look at every frame with every model that is here, on all cores.

    Args:
        context: finds the models.
        count: passages.
        seed: of the passages; another one gives others.
        min_face_px: sets the detectors' input like the setting of that name.
    """
    plans = plan_tracks(count, seed=seed)
    groups = [plans[first : first + GROUP] for first in range(0, count, GROUP)]
    workers = min(len(groups), len(psutil.Process().cpu_affinity()))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        parts = pool.map(_observed, groups, repeat(context.models()), repeat(context.out), repeat(min_face_px))
        return [observation for part in parts for observation in part]


def _observed(
    plans: Sequence[TrackPlan], models: dict[str, str], folder: Path, min_face_px: float
) -> list[Observation]:
    """A worker process: some passages with every model."""
    cv2.setNumThreads(1)
    context = BenchContext(folder)
    detectors = {
        name: detector_factory(context.settings(detector__model=setting))() for name, setting in models.items()
    }
    scenery = scenes()
    observations = []
    for plan in plans:
        candidates = []
        for index, (shot, truth) in enumerate(shots_of(plan, scenery)):
            looks = {name: look_at(shot, one, min_face_px=min_face_px) for name, one in detectors.items()}
            finds = {name: find for name, find in looks.items() if find is not None}
            candidates.append(Candidate(index, truth, shot.view, finds))
        observations.append(Observation(plan, tuple(candidates)))
    return observations
