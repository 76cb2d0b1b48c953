"""Every tracker at every setting on every sequence, and what of it is compared.

*On a sequence* vigia, at its one setting, stands beside the best of all rivals and settings there, figure by figure:
the best HOTA may be one's, the best IDF1 another's. *On the mean* it stands beside the one rival and setting that is
best over all sequences: what somebody would have who chose well, once.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from statistics import fmean

from vigia.bench.flat_workers import WORK_TIMEOUT_S, WORKERS
from vigia.bench.rivals_tracking import NOBODY, OURS, TrackerSetting
from vigia.bench.tracking_metrics import TrackScores, score
from vigia.bench.tracking_sequences import TrackSequence
from vigia.bootstrap.track_boxes import long_enough
from vigia.infrastructure.mot import MotFrames
from vigia.infrastructure.mot.text import NO_BOXES
from vigia.infrastructure.process.parent import end_with_parent

BOXES_MIN = 2
"""Tracks of a single box are left out of everybody's result: vigia sends none of them (``tracks.events_min``)."""
EQUAL_IDF1_POINTS = 1.0
"""Rivals that come within so much of vigia's IDF1, or above, count as equal when switches are compared."""


def run_tracker(setting: TrackerSetting, sequence: TrackSequence) -> MotFrames:
    """One tracker on one sequence.

    Returns:
        Boxes under their tracks' numbers, by frame.

    Raises:
        RuntimeError: a tracker gave two boxes of one frame the same track.
    """
    tracker = setting.make(sequence)
    frames, owners = {}, {}
    for number in sequence.numbers:
        boxes = sequence.detections.get(number, NO_BOXES)
        prepared = tracker.prepare(number, boxes)
        found = tracker.owners(prepared, tracker.step(prepared))
        named = [owner for owner in found if owner != NOBODY]
        if len(named) != len(set(named)):
            raise RuntimeError(f"{setting.tracker} ({setting.label}): two boxes of frame {number} in one track")
        if len(boxes):
            frames[number], owners[number] = boxes, found
    return long_enough(frames, owners, boxes_min=BOXES_MIN)


@dataclass(frozen=True, slots=True)
class Run:
    """One tracker at one setting on one sequence at one cadence."""

    setting: TrackerSetting
    sequence: str
    k: int
    scores: TrackScores

    @property
    def place(self) -> tuple[str, int]:
        """Where it was measured."""
        return self.sequence, self.k

    def as_json(self) -> dict[str, object]:
        """The figures."""
        return {
            "tracker": self.setting.tracker,
            "setting": self.setting.label,
            "sequence": self.sequence,
            "k": self.k,
            **self.scores.as_json(),
        }


def run_all(
    settings: Sequence[TrackerSetting], sequences: Sequence[TrackSequence], cadences: Sequence[int]
) -> "Comparison":
    """Every setting on every sequence at every cadence, by WORKERS processes: nothing is timed here.

    Raises:
        BaseException: what a run failed with.
    """
    # Spawned, not forked: this process may have threads.
    context = multiprocessing.get_context("spawn")
    looked_at = [sequence.every(k) for sequence in sequences for k in cadences]
    with ProcessPoolExecutor(WORKERS, context, initializer=_begin, initargs=(looked_at,)) as pool:
        found = pool.map(_run_everywhere, settings, timeout=WORK_TIMEOUT_S)
        return Comparison([run for runs in found for run in runs])


_looked_at: list[TrackSequence] = []
"""Set once in each worker process, by its initializer: it does not travel with every job."""


def _begin(looked_at: list[TrackSequence]) -> None:
    end_with_parent()
    _looked_at[:] = looked_at


def _run_everywhere(setting: TrackerSetting) -> "list[Run]":
    return [
        Run(setting, sequence.name, sequence.k, score(sequence, run_tracker(setting, sequence)))
        for sequence in _looked_at
    ]


@dataclass(slots=True)
class Comparison:
    """All runs, and what they say."""

    runs: list[Run] = field(default_factory=list)

    @property
    def places(self) -> list[tuple[str, int]]:
        """Sequences and cadences, in order."""
        return list(dict.fromkeys(run.place for run in self.runs))

    @property
    def rivals(self) -> list[str]:
        """Their names, in order."""
        return list(dict.fromkeys(run.setting.tracker for run in self.runs if run.setting.tracker != OURS))

    def ours(self, place: tuple[str, int]) -> Run:
        """Our run there."""
        return next(run for run in self.runs if run.place == place and run.setting.tracker == OURS)

    def theirs(self, place: tuple[str, int]) -> list[Run]:
        """All rivals' runs there."""
        return [run for run in self.runs if run.place == place and run.setting.tracker != OURS]

    def best(self, place: tuple[str, int], figure: Callable[[TrackScores], float]) -> Run:
        """The best of all rivals and settings there, by one figure."""
        return max(self.theirs(place), key=lambda run: figure(run.scores))

    def margins(self, figure: Callable[[TrackScores], float]) -> dict[tuple[str, int], float]:
        """Our figure less the best rival's, points, by sequence and cadence."""
        return {
            place: figure(self.ours(place).scores) - figure(self.best(place, figure).scores) for place in self.places
        }

    def means(self, figure: Callable[[TrackScores], float], *, k: int | None = None) -> dict[tuple[str, str], float]:
        """Mean over all sequences, and both cadences unless one is given, by tracker and setting."""
        values: dict[tuple[str, str], list[float]] = {}
        for run in self.runs:
            if k is None or run.k == k:
                values.setdefault((run.setting.tracker, run.setting.label), []).append(figure(run.scores))
        return {name: fmean(some) for name, some in values.items()}

    def best_mean(
        self, figure: Callable[[TrackScores], float], *, rival: str | None = None
    ) -> tuple[tuple[str, str], float]:
        """The rival and setting with the best mean, and that mean."""
        means = self.means(figure)
        theirs = {name: mean for name, mean in means.items() if (name[0] == rival if rival else name[0] != OURS)}
        best = max(theirs, key=lambda name: theirs[name])
        return best, theirs[best]

    def fewest_switches(self, place: tuple[str, int]) -> Run:
        """The rival with the fewest identity switches among those with vigia's IDF1 there.

        Equal is who comes within EQUAL_IDF1_POINTS of it, or above; where nobody does, the one with the highest.
        """
        ours = self.ours(place).scores
        equals = [run for run in self.theirs(place) if run.scores.idf1 >= ours.idf1 - EQUAL_IDF1_POINTS]
        if not equals:
            return self.best(place, lambda scores: scores.idf1)
        return min(equals, key=lambda run: (run.scores.switches, -run.scores.idf1))
