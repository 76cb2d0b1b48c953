"""A histogram of durations with buckets that grow by 5 %: bounded, mergeable, quick to fill."""

from collections.abc import Sequence
from math import ceil, log

BASE_S = 1e-5
GROWTH = 1.05
BUCKETS = 350
"""From 10 microseconds to about 250 seconds."""
_LOG_GROWTH = log(GROWTH)


class DurationHistogram:
    """Counts durations. Owner: one thread fills it; readers see a recent state.

    Bounds: 350 counters. A percentile is exact to 5 %.
    """

    __slots__ = ("_counts", "count", "max_s", "sum_s")

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self.count = 0
        self.max_s = 0.0
        self.sum_s = 0.0

    def record(self, duration_s: float) -> None:
        """Count one duration, seconds; negative ones count as 0."""
        bucket = 0 if duration_s <= BASE_S else ceil(log(duration_s / BASE_S) / _LOG_GROWTH)
        self._counts[min(bucket, BUCKETS - 1)] += 1
        self.count += 1
        self.max_s = max(self.max_s, duration_s)
        self.sum_s += max(0.0, duration_s)

    def percentile_s(self, percent: float) -> float:
        """The duration that ``percent`` (0 to 100) of the counted ones do not exceed; 0 when none was counted."""
        if not self.count:
            return 0.0
        wanted = max(1, ceil(self.count * percent / 100.0))
        seen = 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if seen >= wanted:
                return min(BASE_S * GROWTH**bucket, self.max_s)
        return self.max_s

    def cumulative(self, bounds_s: Sequence[float]) -> list[int]:
        """How many durations were no longer than each of ``bounds_s``, which ascend; exact to a bucket, 5 %."""
        found, bucket, seen = [], 0, 0
        for bound_s in bounds_s:
            while bucket < BUCKETS and BASE_S * GROWTH**bucket <= bound_s * (1.0 + 1e-9):
                seen += self._counts[bucket]
                bucket += 1
            found.append(seen)
        return found

    def merge(self, other: "DurationHistogram") -> None:
        """Add another's counts to this one."""
        for bucket, count in enumerate(other._counts):  # noqa: SLF001 - its own kind
            self._counts[bucket] += count
        self.count += other.count
        self.max_s = max(self.max_s, other.max_s)
        self.sum_s += other.sum_s

    def since(self, earlier: "DurationHistogram") -> "DurationHistogram":
        """What was counted after ``earlier``, a copy of this one; all of it when it was cleared meanwhile.

        Its longest duration is only known to a bucket.
        """
        found = DurationHistogram()
        if earlier.count > self.count:
            found.merge(self)
            return found
        counts = [max(0, now - then) for now, then in zip(self._counts, earlier._counts, strict=True)]  # noqa: SLF001 - its own kind
        found._counts = counts
        found.count = sum(counts)
        found.sum_s = max(0.0, self.sum_s - earlier.sum_s)
        highest = max((bucket for bucket, count in enumerate(counts) if count), default=None)
        found.max_s = 0.0 if highest is None else min(BASE_S * GROWTH**highest, self.max_s)
        return found

    def clear(self) -> None:
        """Start over."""
        self._counts = [0] * BUCKETS
        self.count = 0
        self.max_s = 0.0
        self.sum_s = 0.0
