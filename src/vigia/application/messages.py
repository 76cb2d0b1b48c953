"""What a worker process and its parent tell each other: frozen, picklable, bounded.

Two channels a worker, so that neither waits for the other:

- *control*: orders from the parent (``StopWork``, ``BeginMeasuring``, ``ShedMemory``, ``SetCameras``, ``WatchLive``);
  news from the worker (``LogEntries``, ``WorkerReport`` twice a second, ``LiveNews`` while somebody watches,
  ``WorkerFailed``).
- *captures*: one ``CommitCapture`` at a time, and its ``CommitAnswer`` when the capture is on disk.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from vigia.application.camera_shard import ShardStatus
from vigia.application.camera_status import CameraStatus
from vigia.application.gallery_values import GalleryItem
from vigia.application.live_tap import LiveShot
from vigia.application.load_control import LoadDecision
from vigia.application.recent_durations import DurationStats
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import Capture, CaptureId
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import LedgerPage
from vigia.domain.passages import ProcessedWindow


class ChannelClosed(Exception):
    """The other side is gone. Never leaves the module that talks to it."""


class ChannelFull(Exception):
    """The other side does not read; the message was not taken."""


class Channel(Protocol):
    """Messages between two processes, in order. Owner: one thread that sends and one that receives."""

    def send(self, message: object, *, timeout_s: float) -> None:
        """Hand a message over, waiting that long at most for the other side to read.

        What the other side has not read by then is owed, and goes before anything else.

        Raises:
            ChannelFull: an earlier message is still owed; this one was not taken.
            ChannelClosed.
        """
        ...

    def flush(self, timeout_s: float) -> bool:
        """Hand over what is owed; True when nothing is. The sending thread's. Raises ChannelClosed."""
        ...

    def receive(self, timeout_s: float) -> Any:
        """The next message, or None when none came in time. Raises ChannelClosed."""
        ...

    def close(self) -> None:
        """Let go. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class StopWork:
    """Stop sources, shards and commits, report for the last time, and end."""

    left_s: float
    """Time for all of it, seconds."""


@dataclass(frozen=True, slots=True)
class BeginMeasuring:
    """Frame ages count from now on."""


@dataclass(frozen=True, slots=True)
class ShedMemory:
    """Give waiting packets back: memory is short."""


@dataclass(frozen=True, slots=True)
class SetCameras:
    """Watch these cameras and no others, as they are described here."""

    cameras: Sequence[Camera]
    rules: Any = None
    """What else has changed in the settings that cameras go by; None = nothing. Known to whoever makes their parts."""


@dataclass(frozen=True, slots=True)
class WatchLive:
    """Somebody watches these cameras: send pictures, for a moment; it is said again while it is true."""

    cameras: Sequence[CameraId]
    width_px: int
    """How wide the pictures are wanted."""


Order = StopWork | BeginMeasuring | ShedMemory | SetCameras | WatchLive


@dataclass(frozen=True, slots=True)
class LogEntries:
    """Log records as they wait in a queue, to be told by the parent."""

    entries: Sequence[Any]
    dropped: int = 0
    """Records that found the worker's queue full, since it began."""


@dataclass(frozen=True, slots=True)
class GalleryNews:
    """What the dashboard remembers of shots and tracks. Bounded; sent when nothing else waits."""

    items: Sequence[GalleryItem]


@dataclass(frozen=True, slots=True)
class LiveNews:
    """Live pictures as small files, for those who watch. Bounded; the first to be dropped."""

    shots: Sequence[LiveShot]


@dataclass(frozen=True, slots=True)
class WorkerFailed:
    """Why it ends: what an operator is told."""

    text: str


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """Everything that is known of a worker. Figures are since it began."""

    shards: Sequence[ShardStatus]
    details: Sequence[CameraStatus]
    ages: DurationHistogram
    commit_waiting: int
    commit_room: int
    """Captures that still find room in the queue to the disk; without any its shard waits, and is not stuck."""
    lost: Mapping[CameraId, int]
    """Captures that will never be committed, as far as the worker knows."""
    doubtful: Sequence[tuple[CameraId, CaptureId]]
    """Those of the lost ones that were handed over and not answered: the parent knows what became of them."""
    ended: bool
    beats: int
    """Grows while its shard is well."""
    spare_bytes: int
    """What waiting packets it could give back."""
    rss_bytes: int
    cpu_s: float
    gc_pause_p99_s: float
    gc_pause_max_s: float
    windows: Mapping[tuple[CameraId, int], ProcessedWindow] = field(default_factory=dict)
    """What was seen of each clip since the last report: to hold the run against a ground truth."""
    retired: LedgerPage = field(default_factory=LedgerPage)
    """The books of cameras that were taken out."""
    final: bool = False
    """All threads have ended, or are named as survivors: nothing follows."""
    survivors: Sequence[str] = ()
    decisions: Sequence[LoadDecision] = ()
    """Load control's latest: some of them may have been told before, one that was not told yet is among them."""
    lock_holds: DurationStats = field(default_factory=DurationStats)


@dataclass(frozen=True, slots=True)
class CommitCapture:
    """A capture to be put into the outbox."""

    capture: Capture


class Outcome(StrEnum):
    """What became of it."""

    COMMITTED = "committed"
    KNOWN = "known"
    """It was there already."""
    UNAVAILABLE = "unavailable"
    """Not now: nothing was stored."""
    FAILED = "failed"
    """Never."""


@dataclass(frozen=True, slots=True)
class CommitAnswer:
    """The answer to a ``CommitCapture``."""

    id: CaptureId
    outcome: Outcome
    template: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """An error's text, to be told in the worker."""
