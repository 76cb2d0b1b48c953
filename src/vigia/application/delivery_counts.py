"""What the senders did, counted: for the status line and the report."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from vigia.application.camera_status import CameraReason
from vigia.application.ports import Clock
from vigia.application.recent_durations import DurationStats, RecentDurations
from vigia.application.retry import GateState
from vigia.domain.camera import CameraId
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
    reason: CameraReason | None = None
    """The same, to be told in any language."""

    @property
    def state(self) -> str:
        """``ok`` or ``down``."""
        return "ok" if self.down_since_utc is None else "down"


class DeliveryCounts:
    """The counters behind ``DeliveryStats``, by its names. Owner: its lock. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards all below
        self._counts: Counter[str] = Counter()
        self._of_cameras: Counter[CameraId] = Counter()
        self._latencies = DurationHistogram()
        self._arrivals = RecentDurations()

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

    def delivered(self, camera_id: CameraId, *, looked_up: bool, taken_s: float) -> None:
        """Count a capture that the recogniser has.

        Args:
            camera_id: whose it is.
            looked_up: it was found to have arrived in an earlier attempt; when that was nobody knows.
            taken_s: how long after the moment that it shows, seconds.
        """
        with self._lock:
            self._counts["delivered"] += 1
            self._of_cameras[camera_id] += 1
            self._counts["looked_up"] += int(looked_up)
            if not looked_up:
                self._arrivals.record(taken_s)

    def delivered_of(self) -> dict[CameraId, int]:
        """How many of each camera's captures the recogniser took."""
        with self._lock:
            return dict(self._of_cameras)

    def arrivals(self) -> DurationStats:
        """How long it took from the moment that a capture shows until the recogniser had taken it."""
        with self._lock:
            return self._arrivals.stats

    def latencies(self) -> DurationHistogram:
        """How long posts took: a copy."""
        copied = DurationHistogram()
        with self._lock:
            copied.merge(self._latencies)
        return copied

    def stats(self, *, senders_allowed: int, senders_max: int, gate: GateState) -> DeliveryStats:
        """A consistent picture of now."""
        with self._lock:
            return DeliveryStats(
                **self._counts,
                senders_allowed=senders_allowed,
                senders_max=senders_max,
                down_since_utc=gate.down_since_utc,
                cause=gate.cause,
                reason=gate.reason,
            )
