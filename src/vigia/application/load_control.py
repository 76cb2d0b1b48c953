"""Load control: keeps a shard inside its budget by looking less closely, in a fixed order, and says so.

Measured, not guessed: every camera's decoding and detection costs are metered (``camera_cost.py``); from them and the
frame rates the load at each rung of a ladder is predicted. The ladder's rungs, from the best to the last:

1. cadence *k*: detection on every k-th frame, from ``k_min`` to ``k_max``;
2. a smaller detector input, where the settings allow one;
3. beyond the last rung, the shard skips to the next key frame of some camera (``CameraShard`` chooses which).

Up when packets grow old, or when the prediction says that they will: to the rung that fits, at once. Down, at once to
the rung that fits, when there has been room for a while; a step down that had to be taken back makes the next one wait
longer (hysteresis). So it neither flutters nor stays reduced when the load is gone.
"""

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from vigia.application.camera_cost import CameraCost
from vigia.application.camera_status import LoadReason

logger = logging.getLogger("vigia.load")

DECISIONS_MAX = 200
SKIP_TOLD_S = 60.0
"""Skipping that goes on is one decision a minute and not one every half second."""


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """When to act. Ages in seconds; loads as a share of the shard's time."""

    k_min: int = 1
    k_max: int = 8
    scales: tuple[float, ...] = ()
    """Detector inputs below 1.0 of the ordinary width that may be used after ``k_max``, largest first."""
    age_high_s: float = 0.15
    """The oldest packet waits longer than this: look less often."""
    age_skip_s: float = 2.0
    """Even on the last rung it waits longer than this: skip. A hiccup of a second is caught up without loss."""
    load_target: float = 0.80
    """Rungs are chosen so that the predicted load stays under this."""
    interval_s: float = 0.5
    """How often to decide."""
    patience_s: float = 3.0
    """How long there must be room before a better rung is taken."""
    patience_max_s: float = 60.0
    """Each step down that is taken back within ``patience_max_s`` doubles the patience, up to this."""

    def ladder(self) -> tuple["Rung", ...]:
        """All rungs, best first; at least one."""
        cadences = tuple(Rung(k) for k in range(self.k_min, self.k_max + 1))
        return cadences + tuple(Rung(self.k_max, scale) for scale in self.scales)


@dataclass(frozen=True, slots=True)
class Rung:
    """How closely a shard looks."""

    k: int
    """Detection on every k-th frame."""
    scale: float = 1.0
    """Of the detector input's width, in (0, 1]."""


class DecisionKind(StrEnum):
    """What load control decided."""

    PLANNED = "planned"
    """Before the first frame."""
    REDUCED = "reduced"
    """To look less closely."""
    RESTORED = "restored"
    """To look more closely again."""
    SKIPPING = "skipping"
    """No rung is left: cameras skip to their next key frame."""


@dataclass(frozen=True, slots=True)
class LoadDecision:
    """One decision, for people."""

    at_mono_s: float
    """When, on the clock that all processes of this machine share."""
    shard: str
    kind: DecisionKind
    before: Rung
    rung: Rung
    """From now on."""
    reason: LoadReason
    """Why less closely; NONE when there was room."""
    waited_s: float
    """How old the oldest packet was, seconds."""
    load_before: float
    """Share of the shard's time that its cameras took, as predicted on the rung before."""
    load: float
    """The same on the new one."""


def predicted_load(costs: Sequence[CameraCost], rung: Rung) -> float:
    """Share of a shard's time that these cameras take on a rung."""
    return sum(cost.load(k=rung.k, scale=rung.scale) for cost in costs)


class LoadControl:
    """Chooses one shard's rung.

    Owner: the shard's thread; ``rung``, ``reason``, ``waited_s`` and ``decisions`` may be read by any.
    Bounds: the latest DECISIONS_MAX decisions.

    Args:
        limits: when to act; one rung only fixes it.
        k: to start with.
        shard_name: for the log.
    """

    def __init__(self, limits: LoadLimits | None = None, *, k: int = 1, shard_name: str = "shard") -> None:
        self.limits = limits if limits is not None else LoadLimits()
        self.shard_name = shard_name
        self.reason = LoadReason.NONE
        self.waited_s = 0.0
        """How old the oldest packet was when the present rung was taken, seconds."""
        self._ladder = self.limits.ladder()
        self._place = self._index_of(k)
        self._next_decision_s = float("-inf")
        self._room_since_s: float | None = None
        self._patience_s = self.limits.patience_s
        self._lowered_at_s = float("-inf")
        self._raised_at_s = float("-inf")
        self._skip_told_s = float("-inf")
        self._decisions: deque[LoadDecision] = deque(maxlen=DECISIONS_MAX)

    @property
    def rung(self) -> Rung:
        """How closely to look now."""
        return self._ladder[self._place]

    @property
    def k(self) -> int:
        """Detection on every k-th frame."""
        return self.rung.k

    def decisions(self) -> tuple[LoadDecision, ...]:
        """The latest, the oldest first. Any thread."""
        return tuple(self._decisions.copy())  # copied in one go: the shard may add one meanwhile

    def plan(self, costs: Sequence[CameraCost], *, now_s: float = 0.0) -> int:
        """Choose a cadence before the first frame, from predicted costs: the best that leaves room. Never a scale."""
        before = self.rung
        place = self._first_fitting(costs)
        self._place = min(place, self.limits.k_max - self.limits.k_min)
        self.reason = LoadReason.PREDICTED if self._place else LoadReason.NONE
        self._note(now_s, DecisionKind.PLANNED, before=before, waited_s=0.0, costs=costs)
        return self.k

    def decide(self, now_s: float, *, oldest_age_s: float, costs: Sequence[CameraCost]) -> bool:
        """Adjust the rung; True when the shard shall skip.

        Args:
            now_s: monotonic seconds.
            oldest_age_s: how long the oldest packet of any live camera has been waiting.
            costs: of the shard's cameras, as measured.
        """
        limits = self.limits
        if now_s < self._next_decision_s:
            return False
        self._next_decision_s = now_s + limits.interval_s
        load = predicted_load(costs, self.rung)
        if oldest_age_s > limits.age_high_s:
            reason = LoadReason.FRAMES_WAIT
        elif load > 1.0 and oldest_age_s > limits.age_high_s / 3.0:
            reason = LoadReason.PREDICTED
        else:
            self._consider_lowering(now_s, costs)
            return False
        self._room_since_s = None
        if self._place == len(self._ladder) - 1:
            self.reason, self.waited_s = reason, oldest_age_s
            if oldest_age_s <= limits.age_skip_s:
                return False
            if now_s - self._skip_told_s >= SKIP_TOLD_S:
                self._skip_told_s = now_s
                self._note(now_s, DecisionKind.SKIPPING, before=self.rung, waited_s=oldest_age_s, costs=costs)
            return True
        self._raise(now_s, reason, oldest_age_s=oldest_age_s, load=load, costs=costs)
        return False

    def _raise(
        self, now_s: float, reason: LoadReason, *, oldest_age_s: float, load: float, costs: Sequence[CameraCost]
    ) -> None:
        patience_max_s = self.limits.patience_max_s
        if now_s - self._lowered_at_s < patience_max_s:
            self._patience_s = min(2.0 * self._patience_s, patience_max_s)
            self._lowered_at_s = float("-inf")  # one step down is taken back once
        self._raised_at_s = now_s
        fitting = self._first_fitting(costs) if load > 1.0 else 0
        before = self.rung
        self._place = max(self._place + 1, fitting)
        self.reason, self.waited_s = reason, oldest_age_s
        self._note(now_s, DecisionKind.REDUCED, before=before, waited_s=oldest_age_s, costs=costs)
        logger.info(
            "%s: frames wait %.0f ms, predicted load %.0f %%; now detecting every %d frames, input %.0f %%",
            self.shard_name,
            oldest_age_s * 1000.0,
            load * 100.0,
            self.rung.k,
            self.rung.scale * 100.0,
        )

    def _consider_lowering(self, now_s: float, costs: Sequence[CameraCost]) -> None:
        fitting = self._first_fitting(costs)
        if fitting >= self._place:
            self._room_since_s = None
            return
        if self._room_since_s is None:
            self._room_since_s = now_s
        if now_s - self._room_since_s < self._patience_s:
            return
        self._room_since_s = None
        if now_s - self._raised_at_s >= 2.0 * self.limits.patience_max_s:
            self._patience_s = self.limits.patience_s
        self._lowered_at_s = now_s
        before = self.rung
        self._place = fitting
        if not fitting:
            self.reason, self.waited_s = LoadReason.NONE, 0.0
        self._note(now_s, DecisionKind.RESTORED, before=before, waited_s=0.0, costs=costs)
        logger.info(
            "%s: room again (predicted load %.0f %%), detecting every %d frames, input %.0f %%",
            self.shard_name,
            predicted_load(costs, self.rung) * 100.0,
            self.rung.k,
            self.rung.scale * 100.0,
        )

    def _note(
        self, now_s: float, kind: DecisionKind, *, before: Rung, waited_s: float, costs: Sequence[CameraCost]
    ) -> None:
        self._decisions.append(
            LoadDecision(
                at_mono_s=now_s,
                shard=self.shard_name,
                kind=kind,
                before=before,
                rung=self.rung,
                reason=LoadReason.NONE if kind is DecisionKind.RESTORED else self.reason,
                waited_s=waited_s,
                load_before=predicted_load(costs, before),
                load=predicted_load(costs, self.rung),
            )
        )

    def _first_fitting(self, costs: Sequence[CameraCost]) -> int:
        """The best rung whose predicted load leaves room; the last one when none does."""
        target = self.limits.load_target
        for place, rung in enumerate(self._ladder):
            if predicted_load(costs, rung) <= target:
                return place
        return len(self._ladder) - 1

    def _index_of(self, k: int) -> int:
        return min(max(k, self.limits.k_min), self.limits.k_max) - self.limits.k_min
