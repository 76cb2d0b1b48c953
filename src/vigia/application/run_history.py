"""How a run went over the last hours: a few numbers every few seconds, in arrays made beforehand."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import numpy as np
import numpy.typing as npt

INTERVAL_S: Final = 5.0
KEPT_S: Final = 6 * 3600.0
AT: Final = "at_unix_s"


class Merging(StrEnum):
    """How several moments become one point of a chart."""

    MEAN = "mean"
    MAX = "max"
    """What is worth a look for its peaks."""
    SUM = "sum"
    """What is counted from one moment to the next."""


SERIES: Mapping[str, Merging] = {
    "fps": Merging.MEAN,
    "age_p99_ms": Merging.MAX,
    "cpu_cores": Merging.MEAN,
    "rss_mb": Merging.MAX,
    "gc_pause_max_ms": Merging.MAX,
    "log_queued": Merging.MAX,
    "log_dropped": Merging.SUM,
    "lock_hold_p99_us": Merging.MAX,
    "http_in_use": Merging.MAX,
    "http_idle": Merging.MEAN,
    "http_waiting": Merging.MAX,
    "unsent": Merging.MAX,
    "delivered_per_s": Merging.MEAN,
    "delivery_p95_ms": Merging.MAX,
}
"""What is kept, by ``SystemView.history``'s names."""


class RunHistory:
    """Owner: one thread adds. Any may read: a moment that is being written may be missing.

    Bounds: ``size`` moments, made beforehand; the oldest make room.

    Args:
        size: how many moments are kept.
    """

    def __init__(self, size: int = int(KEPT_S / INTERVAL_S)) -> None:
        self._size = size
        self._at_s: npt.NDArray[np.float64] = np.zeros(size, dtype=np.float64)
        self._values: npt.NDArray[np.float32] = np.full((len(SERIES), size), np.nan, dtype=np.float32)
        self._count = 0

    def add(self, at_unix_s: float, moment: Mapping[str, float | None]) -> None:
        """One moment; what is missing or None is not known."""
        column = self._count % self._size
        self._at_s[column] = at_unix_s
        for row, name in enumerate(SERIES):
            value = moment.get(name)
            self._values[row, column] = np.nan if value is None else value
        self._count += 1

    def read(self, *, since_unix_s: float, points_max: int) -> dict[str, Sequence[float | None]]:
        """The moments after ``since_unix_s``, the oldest first, as ``points_max`` points at most.

        Where there are more moments than that, each point stands for some of them (``Merging``) and has the time of the
        last. Their borders do not move as time goes on, so that a chart does not flicker.
        """
        count = self._count
        first = max(0, count - self._size)
        order = np.arange(first, count) % self._size
        at_s, values = self._at_s[order], self._values[:, order]
        begin = int(np.searchsorted(at_s, since_unix_s, side="right"))
        each = -(-max(1, len(at_s) - begin) // max(1, points_max))
        groups = (np.arange(first + begin, count)) // each
        starts = np.flatnonzero(np.diff(groups, prepend=-1))
        if len(starts) > points_max:  # the borders lie so that there is one piece more
            begin, starts = begin + int(starts[1]), starts[1:] - starts[1]
        found: dict[str, Sequence[float | None]] = {AT: _last_of_each(at_s[begin:], starts)}
        for row, (name, merging) in enumerate(SERIES.items()):
            found[name] = _merged(values[row, begin:], starts, merging)
        return found


def _last_of_each(at_s: npt.NDArray[np.float64], starts: npt.NDArray[np.intp]) -> list[float | None]:
    if not len(starts):
        return []
    ends = np.append(starts[1:], len(at_s)) - 1
    return [round(one, 1) for one in at_s[ends].tolist()]


def _merged(values: npt.NDArray[np.float32], starts: npt.NDArray[np.intp], merging: Merging) -> list[float | None]:
    """One value for each piece, of what is known in it; None where nothing is."""
    if not len(starts):
        return []
    known = ~np.isnan(values)
    counts = np.add.reduceat(known.astype(np.int64), starts)
    if merging is Merging.MAX:
        merged = np.maximum.reduceat(np.where(known, values, -np.inf).astype(np.float64), starts)
    else:
        merged = np.add.reduceat(np.where(known, values, 0.0).astype(np.float64), starts)
        if merging is Merging.MEAN:
            merged = merged / np.maximum(counts, 1)
    pairs = zip(merged.tolist(), counts.tolist(), strict=True)
    return [round(value, 3) if count else None for value, count in pairs]
