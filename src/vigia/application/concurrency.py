"""How many requests the receiver gets at once: additive increase, multiplicative decrease (AIMD).

The rule of TCP's congestion avoidance (Jacobson, "Congestion Avoidance and Control", SIGCOMM 1988), with the latency
as a second signal as in TCP Vegas (Brakmo and Peterson, 1995): a receiver that gets slower has a queue, and a queue
that grows ends in time-outs, each of which is a doubtful delivery.
"""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConcurrencyRules:
    """Bounds, and what counts as slow."""

    limit_max: int = 4
    """Requests at once, at most and in the beginning; the least is 1."""
    slow_factor: float = 4.0
    """A round is slow when its mean latency is more than this many times the best latency of late."""
    slow_min_s: float = 0.5
    """No round is slow whose mean latency is below this, seconds: a queue of that length hurts nobody."""
    best_window_s: float = 300.0
    """The best latency is that of the last one to two windows of this length, seconds: a receiver that became slower
    for good is measured by what it is now."""

    def __post_init__(self) -> None:
        if self.limit_max < 1 or self.slow_factor <= 1.0 or self.slow_min_s < 0.0 or self.best_window_s <= 0.0:
            raise ValueError(f"limit_max >= 1, slow_factor > 1, slow_min_s >= 0, best_window_s > 0 fail for {self}")


class ConcurrencyLimit:
    """Follows the receiver: one more at once after a round of good answers, half as many after a bad sign.

    - A *round* is as many good answers as the limit allows at once. At its end the limit grows by one, unless the round
      was slow (then it is halved) or the limit was never reached (then nothing was learnt).
    - A bad sign (a time-out, 429, 503) halves it. Signs of requests that were on their way when it was last halved are
      not counted again: one congestion, one decrease.

    Owner: its lock, held for arithmetic only. Any thread. Times are of one monotonic clock, seconds.
    """

    def __init__(self, rules: ConcurrencyRules | None = None) -> None:
        self._rules = rules if rules is not None else ConcurrencyRules()
        self._lock = threading.Lock()  # guards everything below
        self._limit = self._rules.limit_max
        self._inside = 0
        self._reached = False
        self._answers = 0
        self._latency_sum_s = 0.0
        self._cut_mono_s = float("-inf")
        self._best_s = self._best_before_s = float("inf")
        self._window_end_mono_s = float("-inf")

    @property
    def limit(self) -> int:
        """Requests allowed at once now, from 1 to ``limit_max``."""
        with self._lock:
            return self._limit

    @property
    def limit_max(self) -> int:
        """The most that will ever be allowed."""
        return self._rules.limit_max

    @property
    def inside(self) -> int:
        """Those who entered and did not leave."""
        with self._lock:
            return self._inside

    def enter(self, *, force: bool = False) -> bool:
        """Ask for a place; with ``force`` it is given in any case (a probe). True: ``leave`` must follow."""
        with self._lock:
            if self._inside + 1 >= self._limit:
                self._reached = True
            if self._inside >= self._limit and not force:
                return False
            self._inside += 1
            return True

    def leave(self) -> None:
        """Give a place back."""
        with self._lock:
            self._inside -= 1

    def good(self, *, began_mono_s: float, now_mono_s: float) -> int | None:
        """The receiver answered a request that was begun at ``began_mono_s``; the limit if that changed it."""
        with self._lock:
            latency_s = max(0.0, now_mono_s - began_mono_s)
            self._remember(latency_s, now_mono_s)
            if began_mono_s <= self._cut_mono_s:
                return None
            self._answers += 1
            self._latency_sum_s += latency_s
            if self._answers < self._limit:
                return None
            if self._latency_sum_s / self._answers > self._slow_s:
                return self._halve(now_mono_s)
            reached = self._reached or self._inside >= self._limit
            self._begin_round()
            if not reached or self._limit == self._rules.limit_max:
                return None
            self._limit += 1
            return self._limit

    def bad(self, *, began_mono_s: float, now_mono_s: float) -> int | None:
        """The receiver did not answer, or asked for less; the limit if that changed it."""
        with self._lock:
            return None if began_mono_s <= self._cut_mono_s else self._halve(now_mono_s)

    @property
    def _slow_s(self) -> float:
        best_s = min(self._best_s, self._best_before_s)
        return max(self._rules.slow_min_s, self._rules.slow_factor * best_s)

    def _remember(self, latency_s: float, now_mono_s: float) -> None:
        if now_mono_s >= self._window_end_mono_s:
            self._best_before_s, self._best_s = self._best_s, float("inf")
            self._window_end_mono_s = now_mono_s + self._rules.best_window_s
        self._best_s = min(self._best_s, latency_s)

    def _halve(self, now_mono_s: float) -> int | None:
        before = self._limit
        self._limit = max(1, before // 2)
        self._cut_mono_s = now_mono_s
        self._begin_round()
        return self._limit if self._limit != before else None

    def _begin_round(self) -> None:
        self._answers, self._latency_sum_s, self._reached = 0, 0.0, False
