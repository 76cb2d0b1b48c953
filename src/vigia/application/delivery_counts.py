"""What the senders did, counted: for the status line and the report."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from vigia.application.ports import Clock
from vigia.domain.histogram import DurationHistogram


@dataclass(frozen=True, slots=True)
class DeliveryStats:
    """What the senders did since the start."""

    delivered: int = 0
    """Taken by the recogniser, those found by looking them up included."""
    looked_up: int = 0
    """Of these, found to have arrived in an earlier attempt."""
    refused: int = 0
    dead: int = 0
    attempts: int = 0
    """Times that a capture was posted, whatever came of it."""
    failures: int = 0
    """Attempts that did not succeed and were not refused."""
    look_ups_deferred: int = 0
    """Doubtful captures that have to wait until they may be looked up, or until the look-up can tell."""
    leases_lost: int = 0
    in_flight: int = 0
    """Captures being looked up or sent now."""
    senders_allowed: int = 0
    """Senders that may ask the recogniser at the same time now: follows its latency."""
    senders_max: int = 0
    """The most that this may be."""
    down_since_utc: datetime | None = None
    """Since when the recogniser does not answer; None while it does."""
    cause: str = ""
    """Why, as far as the last failure tells."""

    @property
    def state(self) -> str:
        """``ok`` or ``down``."""
        return "ok" if self.down_since_utc is None else "down"


class DeliveryCounts:
    """The counters behind ``DeliveryStats``, by its names. Owner: its lock. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards both below
        self._counts: Counter[str] = Counter()
        self._latencies = DurationHistogram()

    def add(self, what: str, by: int = 1) -> None:
        """Count."""
        with self._lock:
            self._counts[what] += by

    @contextmanager
    def posting(self, clock: Clock) -> Iterator[None]:
        """Count one post and how long its answer, or its failure, took."""
        began_s = clock.mono_s()
        try:
            yield
        finally:
            with self._lock:
                self._counts["attempts"] += 1
                self._latencies.record(clock.mono_s() - began_s)

    def latencies(self) -> DurationHistogram:
        """How long posts took: a copy."""
        copied = DurationHistogram()
        with self._lock:
            copied.merge(self._latencies)
        return copied

    def stats(
        self, *, senders_allowed: int, senders_max: int, down_since_utc: datetime | None, cause: str
    ) -> DeliveryStats:
        """A consistent picture of now."""
        with self._lock:
            return DeliveryStats(
                **self._counts,
                senders_allowed=senders_allowed,
                senders_max=senders_max,
                down_since_utc=down_since_utc,
                cause=cause,
            )
