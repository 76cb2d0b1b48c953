"""What the machine is, and whether it was quiet: without that, figures say little."""

import os
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import psutil

BUSY_SHARE_MAX = 0.2
"""Of all cores, by others, just before a benchmark: more than this and its figures are not to be trusted."""
BUSY_PROBE_S = 0.5
PACKAGES = ("av", "onnxruntime", "numpy", "httpx")


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """One machine at one moment."""

    cpu: str
    cores: int
    """Usable by this process."""
    memory_bytes: int
    kernel: str
    python: str
    packages: dict[str, str]
    """Versions by name; of av, FFmpeg's libavcodec too."""
    load_1min: float
    """Load average when it was looked at."""
    busy_share: float
    """Of all cores over the last half second, in [0, 1]."""

    def as_json(self) -> dict[str, Any]:
        """Field by field."""
        return asdict(self)

    def line(self) -> str:
        """For people, in one line."""
        packages = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_bytes / 2**30:.1f} GiB; {self.kernel}; "
            f"Python {self.python}, {packages}"
        )

    def warning(self, *, by_load: bool = False) -> str | None:
        """What to say when others were at work, or None.

        Args:
            by_load: also judge by the load average, which remembers a minute: right only before the first benchmark.
        """
        if self.busy_share > BUSY_SHARE_MAX:
            return f"the machine was not quiet: {self.busy_share:.0%} busy before the start; do not trust the figures"
        if by_load and self.load_1min > self.cores / 2.0:
            return f"the machine was not quiet: load average {self.load_1min:.1f} on {self.cores} cores at the start"
        return None


def machine_facts() -> MachineFacts:
    """Look at this machine; takes half a second."""
    busy_share = psutil.cpu_percent(BUSY_PROBE_S) / 100.0
    packages = {name: _version(name) for name in PACKAGES}
    packages["libavcodec"] = ".".join(str(part) for part in av.library_versions["libavcodec"])
    return MachineFacts(
        cpu=_cpu_model(),
        cores=_usable_cores(),
        memory_bytes=psutil.virtual_memory().total,
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        packages=packages,
        load_1min=psutil.getloadavg()[0],
        busy_share=busy_share,
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "missing"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
