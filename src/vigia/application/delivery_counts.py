"""What the senders did, counted: for the status line and the report."""

import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class DeliveryStats:
    """What the senders did since the start."""

    delivered: int = 0
    """Taken by the recogniser, those found by looking them up included."""
    looked_up: int = 0
    """Of these, found to have arrived in an earlier attempt."""
    refused: int = 0
    dead: int = 0
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
        self._lock = threading.Lock()  # guards _counts
        self._counts: Counter[str] = Counter()

    def add(self, what: str, by: int = 1) -> None:
        """Count."""
        with self._lock:
            self._counts[what] += by

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
