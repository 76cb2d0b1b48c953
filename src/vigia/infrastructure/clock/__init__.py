"""Time from the operating system."""

import threading
import time
from datetime import UTC, datetime


class SystemClock:
    """The real clock. Any thread."""

    def mono_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Wall time in UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place that asks the operating system

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait for ``event`` at most ``timeout_s`` seconds."""
        return event.wait(timeout_s)
