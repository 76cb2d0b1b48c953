"""What is told of each camera: what its source does, how thoroughly it is looked at and why, where its frames went.

Frozen and picklable: a shard in another process sends them too.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.camera import CameraId
from vigia.domain.ledger import LedgerPage


class LoadState(StrEnum):
    """How thoroughly a camera is looked at."""

    FULL = "full"
    """At least six times a second, or as often as a fixed cadence says, in an input of the ordinary size."""
    REDUCED = "reduced"
    """Looked at less often, or in a smaller picture: the shard had fallen behind, or has more cameras than time."""
    SKIPPING = "skipping"
    """Packets were skipped up to a key frame within the last seconds."""


class LoadReason(StrEnum):
    """Why a camera is not looked at in full."""

    NONE = ""
    FRAMES_WAIT = "frames_wait"
    """Its shard's oldest packet waited too long."""
    PREDICTED = "predicted"
    """What its shard's cameras cost, as measured, is more than the shard has."""
    QUEUE_FULL = "queue_full"
    """Its packet queue overflowed."""
    MEMORY = "memory"
    """The memory limit was passed, and waiting packets were given back."""


@dataclass(frozen=True, slots=True)
class CameraLoad:
    """What load control does to one camera at the moment."""

    state: LoadState = LoadState.FULL
    reason: LoadReason = LoadReason.NONE
    waited_s: float = 0.0
    """How old the oldest packet was when the present state was entered, seconds."""
    k: int = 1
    """Detection on every k-th frame."""
    input_width: int = 0
    """Of the detector's input, pixels; 0 before the first detection."""
    cost_share: float = 0.0
    """Share of its shard's time that it takes, as measured, at this k; 0 before that is known."""


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One camera at one moment."""

    id: CameraId
    name: str
    source: CameraState
    shard: str
    load: CameraLoad = field(default_factory=CameraLoad)
    page: LedgerPage = field(default_factory=LedgerPage)
