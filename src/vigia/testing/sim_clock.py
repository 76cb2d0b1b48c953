"""A clock that moves only when told to: simulation without waiting."""

import threading
from datetime import UTC, datetime, timedelta


class SimClock:
    """Seconds pass when ``advance`` or ``wait`` says so.

    Bounds: none. Any thread may read; one thread drives.
    """

    def __init__(self, *, start_utc: datetime | None = None, start_mono_s: float = 1000.0) -> None:
        self._start_utc = start_utc if start_utc is not None else datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
        self._start_mono_s = start_mono_s
        self._elapsed_s = 0.0
        self._lock = threading.Lock()  # guards _elapsed_s

    def mono_s(self) -> float:
        """Simulated monotonic seconds."""
        with self._lock:
            return self._start_mono_s + self._elapsed_s

    def utc(self) -> datetime:
        """Simulated wall time."""
        with self._lock:
            return self._start_utc + timedelta(seconds=self._elapsed_s)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError(f"time cannot go back ({seconds} s)")
        with self._lock:
            self._elapsed_s += seconds

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Pretend to wait: return at once when the event is set, else let the whole time-out pass."""
        if not event.is_set():
            self.advance(max(0.0, timeout_s))
        return event.is_set()
