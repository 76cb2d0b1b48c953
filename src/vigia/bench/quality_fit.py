"""Fits the exponents of the score on passages whose truth is known.

What the score is for is choosing: the weights are those with which the chosen frames lose the least against the best
ones. A soft choice (every frame, weighted by a power of its score) makes that a smooth function; one weight after the
other is moved by a factor as long as it falls. The weights' order, the factors and the passages are fixed: the same
models give the same weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from vigia.bench.quality_choice import BEST_SHARE, EVENTS_MIN, Observation
from vigia.domain.quality import PART_FLOOR, WEIGHTS

FIT_SEED, FIT_TRACKS = 7, 100
PHASES = ((0, 1), (0, 3), (1, 3), (2, 3))
"""First frame and cadence: every frame, and every third in each of the three ways."""
FACTORS = (0.5, 0.7, 0.85, 1.2, 1.4, 2.0)
ROUNDS = 4
WEIGHT_MIN, WEIGHT_MAX = 0.12, 2.0
"""Before scaling. No part counts for nothing: what these passages seldom show, others may."""
WEIGHTS_MIN = {"truncation": 1.1, "inter_eye": 0.35, "roll": 1.0}
"""What people want and the truth does not know: a head whose hair or ear is cut off at the frame's edge still has its
whole face, and a small sharp face is alike when it is enlarged. And what these passages do not show: heads lean by 9
degrees at most in them."""
SHARPNESS_OF_CHOICE = 25.0
"""The power of the score by which a frame counts in the soft choice."""
LOSS_WEIGHT, GOOD_WEIGHT = 2.0, 0.5
"""What is minimised: the mean loss, and, less, the share of choices that are not among the best tenth."""
SCALE = 0.35
"""All weights are multiplied by this: it changes no choice, only what a score means. A sharp frontal face of 60 px then
scores about 0.7, and 0.3 is just usable."""
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The frames of one passage that can be chosen from, for one model and cadence."""

    portrait: str
    logarithms: Array
    """float64 (N, parts): of the parts, in the order of ``WEIGHTS``."""
    loss: Array
    """float64 (N,): against the best frame of the passage."""
    good: Array
    """float64 (N,): 1 for those among the best tenth of the passage."""

    def soft_loss(self, weights: Array) -> float:
        """What the soft choice loses."""
        scores = self.logarithms @ weights
        shares = np.exp(SHARPNESS_OF_CHOICE * (scores - scores.max()))
        shares /= shares.sum()
        return float(LOSS_WEIGHT * (shares @ self.loss) - GOOD_WEIGHT * (shares @ self.good))


def candidates_of(observations: Sequence[Observation], models: Sequence[str]) -> list[Candidates]:
    """Every passage, model and cadence, and every phase of a cadence."""
    found = []
    for observation in observations:
        truths = np.array([candidate.truth for candidate in observation.candidates])
        best, tenth = truths.max(), ceil(BEST_SHARE * len(truths))
        for model in models:
            for start, every in PHASES:
                chosen = [one for one in observation.candidates[start::every] if model in one.finds]
                if len(chosen) < EVENTS_MIN or best <= 0.0:
                    continue
                parts = [[one.finds[model].quality.parts[name] for name in WEIGHTS] for one in chosen]
                truth = np.array([one.truth for one in chosen])
                good = np.array([float((truths > value).sum() < tenth) for value in truth])
                logarithms = np.log(np.maximum(np.array(parts), PART_FLOOR))
                found.append(Candidates(observation.plan.look.portrait, logarithms, 1.0 - truth / best, good))
    return found


def fit(candidates: Sequence[Candidates]) -> dict[str, float]:
    """The weights, two digits after the point.

    Raises:
        ValueError: there is nothing to fit on.
    """
    if not candidates:
        raise ValueError("no passage has events to choose from")
    least_of = np.array([WEIGHTS_MIN.get(name, WEIGHT_MIN) for name in WEIGHTS])
    weights = np.maximum(0.4, least_of)
    least = _loss(candidates, weights)
    for _ in range(ROUNDS):
        for place in range(len(weights)):
            for factor in FACTORS:
                moved = weights.copy()
                moved[place] = np.clip(moved[place] * factor, least_of[place], WEIGHT_MAX)
                loss = _loss(candidates, moved)
                if loss < least:
                    weights, least = moved, loss
    return {name: round(SCALE * float(weight), 2) for name, weight in zip(WEIGHTS, weights, strict=True)}


def held_out(candidates: Sequence[Candidates]) -> dict[str, tuple[float, float]]:
    """Fitted on one person, tried on the other: by the person tried on, share of good choices and mean loss."""
    found = {}
    for portrait in sorted({one.portrait for one in candidates}):
        others = [one for one in candidates if one.portrait != portrait]
        weights = np.array(list(fit(others).values()))
        tried = [one for one in candidates if one.portrait == portrait]
        picked = [(one, int((one.logarithms @ weights).argmax())) for one in tried]
        good = sum(one.good[place] for one, place in picked) / len(picked)
        found[portrait] = (float(good), float(sum(one.loss[place] for one, place in picked) / len(picked)))
    return found


def _loss(candidates: Sequence[Candidates], weights: Array) -> float:
    return sum(one.soft_loss(weights) for one in candidates) / len(candidates)
