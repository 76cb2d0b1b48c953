"""Load control: keeps a shard's frames young by looking less often, and says so.

Measured, not guessed: the shard reports what decoding and detecting cost; from that and the cameras' frame rates the
load at each cadence *k* (detection on every k-th frame) is predicted. When packets grow old, k goes up; when the
prediction leaves room at k-1 for long enough, it comes down again. At the largest k, the camera that is furthest
behind skips to its next key frame; the ledger books every skipped packet.
"""

import logging
from dataclasses import dataclass, field

logger = logging.getLogger("vigia.load")

SMOOTHING = 0.05
"""Share of the newest measurement in a running mean."""


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """When to act. Ages in seconds; loads as a share of the shard's time."""

    k_min: int = 1
    k_max: int = 8
    age_high_s: float = 0.15
    """The oldest packet waits longer than this: look less often."""
    age_skip_s: float = 2.0
    """Even at the largest k it waits longer than this: skip. A hiccup of a second is caught up without loss."""
    load_target: float = 0.80
    """k comes down only when the predicted load at k-1 stays under this."""
    interval_s: float = 0.5
    """How often to decide."""
    patience_s: float = 5.0
    """How long there must be room before k comes down."""


@dataclass(slots=True)
class _Mean:
    value_s: float = 0.0
    count: int = 0

    def add(self, sample_s: float) -> None:
        share = max(SMOOTHING, 1.0 / (self.count + 1))
        self.value_s += share * (sample_s - self.value_s)
        self.count += 1


@dataclass(slots=True)
class LoadControl:
    """Chooses one shard's cadence. Owner: the shard's thread; ``k`` may be read by any.

    Args:
        limits: when to act; equal k_min and k_max fix the cadence.
        k: to start with.
    """

    limits: LoadLimits = field(default_factory=LoadLimits)
    k: int = 1
    shard_name: str = "shard"
    _decode: _Mean = field(default_factory=_Mean)
    _detect: _Mean = field(default_factory=_Mean)
    _next_decision_s: float = float("-inf")
    _room_since_s: float | None = None

    def __post_init__(self) -> None:
        self.k = min(max(self.k, self.limits.k_min), self.limits.k_max)

    def record_decode(self, cost_s: float) -> None:
        """What decoding one packet, gate included, cost."""
        self._decode.add(cost_s)

    def record_detect(self, cost_s: float) -> None:
        """What one detection with its tracking cost."""
        self._detect.add(cost_s)

    def predicted_load(self, *, frames_per_s: float, k: int) -> float:
        """Share of the shard's time that ``frames_per_s`` would take at cadence ``k``."""
        return frames_per_s * (self._decode.value_s + self._detect.value_s / k)

    def plan(self, *, frames_per_s: float, decode_s: float, detect_s: float) -> int:
        """Choose k before the first frame, from a measurement at start: the smallest that leaves room."""
        self._decode.add(decode_s)
        self._detect.add(detect_s)
        candidates = range(self.limits.k_min, self.limits.k_max + 1)
        self.k = next(
            (k for k in candidates if self.predicted_load(frames_per_s=frames_per_s, k=k) <= self.limits.load_target),
            self.limits.k_max,
        )
        return self.k

    def decide(self, now_s: float, *, oldest_age_s: float, frames_per_s: float) -> bool:
        """Adjust k; True when the camera furthest behind shall skip to its next key frame.

        Args:
            now_s: monotonic seconds.
            oldest_age_s: how long the oldest packet of any camera has been waiting.
            frames_per_s: what the shard's cameras deliver together.
        """
        if now_s < self._next_decision_s:
            return False
        self._next_decision_s = now_s + self.limits.interval_s
        if oldest_age_s > self.limits.age_high_s:
            self._room_since_s = None
            if self.k < self.limits.k_max:
                self._change(self.k + 1, f"{oldest_age_s * 1000:.0f} ms")
                return False
            return oldest_age_s > self.limits.age_skip_s
        self._consider_lowering(now_s, frames_per_s)
        return False

    def _consider_lowering(self, now_s: float, frames_per_s: float) -> None:
        lower = self.k - 1
        load = self.predicted_load(frames_per_s=frames_per_s, k=max(lower, 1))
        if lower < self.limits.k_min or load > self.limits.load_target:
            self._room_since_s = None
        elif self._room_since_s is None:
            self._room_since_s = now_s
        elif now_s - self._room_since_s >= self.limits.patience_s:
            self._room_since_s = None
            self.k = lower
            logger.info(
                "%s: room again (predicted load %.0f %%), detecting every %d frames", self.shard_name, load * 100, lower
            )

    def _change(self, k: int, age: str) -> None:
        self.k = k
        logger.info("%s: frames wait %s, now detecting every %d frames", self.shard_name, age, k)
