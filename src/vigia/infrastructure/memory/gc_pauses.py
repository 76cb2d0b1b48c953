"""How long garbage collection stops the interpreter, every time it does."""

import gc
import time
from dataclasses import dataclass
from typing import Final

from vigia.application.recent_durations import RecentDurations

RING_SIZE: Final = 4096
"""Pauses that the percentiles are taken from: the latest."""
OLDEST_GENERATION: Final = 2


@dataclass(frozen=True, slots=True)
class PauseStats:
    """Pauses of every generation, automatic ones included; percentiles over the latest ``RING_SIZE``."""

    count: int
    p50_s: float
    p99_s: float
    max_s: float
    """Of all, ever."""
    full_count: int
    """Collections of the oldest generation."""
    full_max_s: float
    total_s: float = 0.0
    """Of all, ever, added up."""


class GcPauses:
    """Measures collections through ``gc.callbacks``.

    Owner: the collector, which runs one collection at a time in whichever thread set it off. Any thread may read.
    Bounds: a preallocated ring.

    The callback allocates nothing that is tracked, takes no lock and logs nothing: it runs inside the pause, at any
    point of any code. For the same reason it reads the performance counter itself: a clock with a lock could be
    interrupted by a collection while it holds that lock, and would wait for itself.
    """

    def __init__(self) -> None:
        self._pauses = RecentDurations(RING_SIZE)
        self._full_count = 0
        self._full_max_s = 0.0
        self._started_s = 0.0
        self._installed = False

    def install(self) -> None:
        """Begin to measure. Idempotent."""
        if not self._installed:
            self._installed = True
            gc.callbacks.append(self._on_collection)

    def remove(self) -> None:
        """Stop measuring. Idempotent."""
        if self._installed:
            self._installed = False
            gc.callbacks.remove(self._on_collection)

    @property
    def stats(self) -> PauseStats:
        """What was measured so far."""
        pauses = self._pauses.stats
        return PauseStats(
            count=pauses.count,
            p50_s=pauses.p50_s,
            p99_s=pauses.p99_s,
            max_s=pauses.max_s,
            full_count=self._full_count,
            full_max_s=self._full_max_s,
            total_s=pauses.total_s,
        )

    def longest_since(self, count: int) -> tuple[int, float]:
        """See ``RecentDurations.longest_since``."""
        return self._pauses.longest_since(count)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started_s = time.perf_counter()
            return
        pause_s = time.perf_counter() - self._started_s
        self._pauses.record(pause_s)
        if info["generation"] == OLDEST_GENERATION:
            self._full_count += 1
            self._full_max_s = max(self._full_max_s, pause_s)
