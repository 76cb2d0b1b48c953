"""What is told of each camera: what its source does, how thoroughly it is looked at and why, where its frames went.

Frozen and picklable: a shard in another process sends them too.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.camera import CameraId
from vigia.domain.errors import VigiaError
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
class CameraReason:
    """Why a camera is in its state, to be told in the operator's language. Without credentials."""

    template: str
    """English, with ``%(name)s`` places; the catalogue's message id."""
    facts: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def mark(cls, template: str, /, **facts: object) -> "CameraReason":
        """A reason with its facts; by this name the catalogue finds the text."""
        return cls(template, tuple(facts.items()))

    @classmethod
    def of_error(cls, error: VigiaError) -> "CameraReason":
        """The text of an error."""
        return cls(error.template, tuple((name, _plain_fact(value)) for name, value in error.facts.items()))

    def as_error(self) -> VigiaError:
        """The same as an error: told in the operator's language wherever errors are."""
        return VigiaError(self.template, **dict(self.facts))

    def __str__(self) -> str:
        return self.template % dict(self.facts) if self.facts else self.template


def _plain_fact(value: object) -> object:
    return value if isinstance(value, (int, float, str)) else str(value)


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """What a camera's stream is, and how it flows."""

    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    """Packets a second, over the last seconds."""
    bit_rate_bps: float = 0.0
    last_packet_age_s: float | None = None
    """None before the first."""
    reconnects: int = 0
    abandoned: int = 0
    """Threads left behind inside the video library."""
    clock_off_s: float | None = None
    """How far the camera's own clock is ahead of this machine's; None when it does not tell."""


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One camera at one moment."""

    id: CameraId
    name: str
    source: CameraState
    shard: str
    load: CameraLoad = field(default_factory=CameraLoad)
    page: LedgerPage = field(default_factory=LedgerPage)
    reason: CameraReason | None = None
    """Why it is not live; None when it is, or has not been tried yet."""
    stream: StreamStatus = field(default_factory=StreamStatus)
