"""Which frame of a passage is chosen, by vigia, its score and rules that need none, and how good a choice that is."""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import repeat
from math import ceil
from multiprocessing import get_context
from pathlib import Path

import cv2
import psutil

from vigia.application.closer_look import CloserLook
from vigia.application.ports import FaceDetector
from vigia.bench.context import BenchContext
from vigia.bench.quality_tracks import (
    Candidate,
    Find,
    TrackPlan,
    event_of,
    look_at,
    picture_of,
    plan_tracks,
    scenes,
    shots_of,
)
from vigia.bootstrap.parts import detector_factory
from vigia.domain.event import FaceEvent
from vigia.domain.posting import PostingPolicy, ShotSelection

BEST_SHARE = 0.1
"""A good choice is among this share of the passage's frames, by their truth."""
EVENTS_MIN = 2
"""A passage seen less often is not sent at all."""
CADENCES = (1, 3)
"""The pipeline looks at every so many-th frame: 15 and 5 looks a second."""
CADENCES_SLOW = (3,)
SLOW_MODELS = frozenset({"centerface"})
"""A look of theirs takes ten times as long as one of the others, and nobody has the time for 15 a second."""
GROUP = 4
"""Passages a process looks at in one go."""


class Rule(StrEnum):
    """How a frame is chosen."""

    VIGIA = "vigia"
    """As the pipeline does: by the score, and by a closer look at the two best."""
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
    picks: dict[tuple[str, int], int] = field(default_factory=dict)
    """The index of the frame that vigia chooses, by model and cadence, as far as that was tried."""

    def found(self, model: str, k: int) -> list[tuple[Candidate, Find]]:
        """The frames that the pipeline has events of when it looks at every k-th."""
        return [(candidate, candidate.finds[model]) for candidate in self.candidates[::k] if model in candidate.finds]

    def chosen(self, model: str, k: int, rule: Rule) -> Candidate | None:
        """The frame that a rule chooses; None when there are too few events."""
        found = self.found(model, k)
        if len(found) < EVENTS_MIN:
            return None
        if rule is Rule.VIGIA:
            index = self.picks.get((model, k))
            return None if index is None else self.candidates[index]
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
    return [seen(plan, detectors, min_face_px=min_face_px) for plan in plans]


def seen(plan: TrackPlan, detectors: Mapping[str, FaceDetector], *, min_face_px: float) -> Observation:
    """Draw one passage, look at every frame once with every model, and choose as a track of each cadence does.

    Args:
        plan: the passage.
        detectors: by the model's name.
        min_face_px: sets the detectors' input like the setting of that name.
    """
    candidates = []
    tracks = {
        (name, k): _Track(CloserLook(detector)) for name, detector in detectors.items() for k in cadences_of(name)
    }
    for index, (shot, truth) in enumerate(shots_of(plan, scenes())):
        picture, finds = picture_of(shot), {}
        for name, detector in detectors.items():
            if index % min(cadences_of(name)):
                continue
            find = look_at(shot, picture, detector, min_face_px=min_face_px)
            if find is not None:
                finds[name] = find
        candidates.append(Candidate(index, truth, shot.view, finds))
        for (name, k), track in tracks.items():
            if name in finds and not index % k:
                track.add(event_of(index, finds[name], picture))
    picks = {place: pick for place, track in tracks.items() if (pick := track.chosen()) is not None}
    return Observation(plan, tuple(candidates), picks)


def cadences_of(model: str) -> tuple[int, ...]:
    """At which cadences a model is tried."""
    return CADENCES_SLOW if model in SLOW_MODELS else CADENCES


class _Track:
    """Chooses as the pipeline does by default; the filters let everything through."""

    def __init__(self, closer: CloserLook) -> None:
        self._closer = closer
        self._selection: ShotSelection | None = None

    def add(self, event: FaceEvent) -> None:
        if self._selection is None:
            self._selection = ShotSelection(PostingPolicy(), event, fits=True)
        else:
            self._selection.add(event, fits=True)

    def chosen(self) -> int | None:
        """The index of the chosen frame; None when there are too few events."""
        selection = self._selection
        if selection is None or selection.events_count < EVENTS_MIN:
            return None
        pair = selection.rivals()
        if pair is not None:
            best, rival = (self._closer.judge(shot.event).score for shot in pair)
            if rival > best:
                selection.prefer_rival()
        return selection.final()[0][0].event.frame_index
