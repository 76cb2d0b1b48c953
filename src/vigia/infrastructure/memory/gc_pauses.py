"""How long garbage collection stops the interpreter, every time it does."""

import gc
import time
from array import array
from dataclasses import dataclass
from typing import Final

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
        self._ring = array("d", bytes(8 * RING_SIZE))
        self._count = 0
        self._max_s = 0.0
        self._total_s = 0.0
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
        count = self._count
        pauses = sorted(self._ring[: min(count, RING_SIZE)])
        return PauseStats(
            count=count,
            p50_s=_quantile(pauses, 0.5),
            p99_s=_quantile(pauses, 0.99),
            max_s=self._max_s,
            full_count=self._full_count,
            full_max_s=self._full_max_s,
            total_s=self._total_s,
        )

    def longest_since(self, count: int) -> tuple[int, float]:
        """How many there were by now, and the longest of those after the first ``count``, seconds; 0 without any.

        Of more than ``RING_SIZE`` the latest count.
        """
        now = self._count
        return now, max((self._ring[n % RING_SIZE] for n in range(max(count, now - RING_SIZE), now)), default=0.0)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started_s = time.perf_counter()
            return
        pause_s = time.perf_counter() - self._started_s
        self._ring[self._count % RING_SIZE] = pause_s
        self._count += 1
        self._total_s += pause_s
        self._max_s = max(self._max_s, pause_s)
        if info["generation"] == OLDEST_GENERATION:
            self._full_count += 1
            self._full_max_s = max(self._full_max_s, pause_s)


def _quantile(ascending: list[float], share: float) -> float:
    """The smallest value that ``share`` of them do not pass; 0 without any."""
    if not ascending:
        return 0.0
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]
