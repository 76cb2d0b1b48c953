"""The latest of many durations, in a ring made beforehand: percentiles of what happened lately."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RING_SIZE: Final = 1024


@dataclass(frozen=True, slots=True)
class DurationStats:
    """Durations in seconds: how many and how long in all, and percentiles of the latest."""

    count: int = 0
    total_s: float = 0.0
    p50_s: float = 0.0
    p95_s: float = 0.0
    p99_s: float = 0.0
    max_s: float = 0.0
    """Of all, ever."""

    def plus(self, other: "DurationStats") -> "DurationStats":
        """Both together; of the percentiles the worse, for theirs cannot be added up."""
        return DurationStats(
            self.count + other.count,
            self.total_s + other.total_s,
            max(self.p50_s, other.p50_s),
            max(self.p95_s, other.p95_s),
            max(self.p99_s, other.p99_s),
            max(self.max_s, other.max_s),
        )


class RecentDurations:
    """Counts durations and keeps the latest ``size``.

    Owner: none. Any thread may record and read; of two threads that record at the same moment one may go unnoticed,
    which is why it is for samples and not for books. Bounds: ``size`` numbers, made beforehand.
    """

    __slots__ = ("_count", "_max_s", "_ring", "_size", "_total_s")

    def __init__(self, size: int = RING_SIZE) -> None:
        self._size = size
        self._ring = array("d", bytes(8 * size))
        self._count = 0
        self._total_s = 0.0
        self._max_s = 0.0

    def record(self, duration_s: float) -> None:
        """Count one duration, seconds; a negative one counts as 0."""
        kept_s = max(0.0, duration_s)
        self._ring[self._count % self._size] = kept_s
        self._count += 1
        self._total_s += kept_s
        self._max_s = max(self._max_s, kept_s)

    @property
    def stats(self) -> DurationStats:
        """What was recorded so far."""
        count = self._count
        ascending = sorted(self._ring[: min(count, self._size)])
        return DurationStats(
            count,
            self._total_s,
            _quantile(ascending, 0.5),
            _quantile(ascending, 0.95),
            _quantile(ascending, 0.99),
            self._max_s,
        )

    def longest_since(self, count: int) -> tuple[int, float]:
        """How many there were by now, and the longest of those after the first ``count``, seconds; 0 without any.

        Of more than ``size`` the latest count.
        """
        now = self._count
        after = range(max(count, now - self._size), now)
        return now, max((self._ring[n % self._size] for n in after), default=0.0)


def _quantile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of them do not pass; 0 without any."""
    if not ascending:
        return 0.0
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))]
