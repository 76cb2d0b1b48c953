"""What a scrape reads: one consistent picture of a run, gathered when somebody asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from vigia.application.orchestrator import RunStatus
from vigia.application.ports import OutboxStats
from vigia.application.recent_durations import DurationStats
from vigia.domain.camera import CameraId
from vigia.domain.histogram import DurationHistogram


@dataclass(frozen=True, slots=True)
class PauseFigures:
    """Garbage collection, seconds."""

    count: int = 0
    total_s: float = 0.0
    p50_s: float = 0.0
    p99_s: float = 0.0
    max_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """Connections to FindFace."""

    in_use: int = 0
    idle: int = 0
    waiting: int = 0
    connections_max: int = 0


@dataclass(frozen=True, slots=True)
class ProcessFigures:
    """This process and its workers."""

    rss_bytes: int = 0
    cpu_s: float = 0.0
    workers_rss_bytes: int = 0
    workers_cpu_s: float = 0.0
    pauses: PauseFigures = field(default_factory=PauseFigures)
    log_queued: int = 0
    log_queue_max: int = 0
    log_dropped: int = 0
    disk_free_bytes: int | None = None
    """None when it cannot be read."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it."""

    status: RunStatus
    started_unix_s: float
    now_unix_s: float
    lost: int
    """Captures that never reached the disk."""
    mode: str
    """``threads`` or ``processes``."""
    states: Mapping[CameraId, str]
    """Of every camera in the list, disabled ones too."""
    alarms: Mapping[CameraId, frozenset[str]]
    outbox: OutboxStats | None
    """None while it does not answer."""
    ages: DurationHistogram
    latencies: DurationHistogram
    pool: PoolFigures
    process: ProcessFigures
    lock_holds: DurationStats = field(default_factory=DurationStats)
    """Of the cameras' tracks, as sampled."""
    sessions: int = 0
    login_failures: int = 0


class FigureSource(Protocol):
    """Gathers figures. Called from the thread that answers a scrape."""

    def __call__(self) -> Figures:
        """Now."""
        ...
