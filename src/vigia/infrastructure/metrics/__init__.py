"""What the operating system says of this process."""

import psutil


class ProcessFacts:
    """CPU and memory of this process. Any thread."""

    def __init__(self) -> None:
        self._process = psutil.Process()

    def cpu_s(self) -> float:
        """CPU time used so far, user and system, seconds."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def rss_bytes(self) -> int:
        """Resident set size, bytes."""
        return int(self._process.memory_info().rss)
