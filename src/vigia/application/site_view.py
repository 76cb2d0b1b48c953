"""What the web server reads of a run. Plain values without secrets: everything comes from this process's own view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, CaptureState


@dataclass(frozen=True, slots=True)
class CaptureQuery:
    """Which captures; every one that is given must hold."""

    state: CaptureState | None = None
    camera_id: CameraId | None = None
    older_than_s: float | None = None
    younger_than_s: float | None = None
    limit: int = 100
    after: int = 0
    """Only those committed after the one of this ``seq``."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether it does what it is there for, and what keeps it from it."""

    alive: bool
    """All main services run."""
    reasons: Sequence[Mapping[str, Any]] = ()
    """Each with a ``code``; no names and no addresses."""

    @property
    def ready(self) -> bool:
        """Nothing keeps it from working."""
        return self.alive and not self.reasons


class Probed(Protocol):
    """What answers for the run as a whole. Any thread."""

    def alive(self) -> bool:
        """Whether all main services run. Asks nothing else, and never blocks."""
        ...

    def readiness(self) -> Readiness:
        """Whether it works. Never raises; may take as long as the outbox does, for one caller at a time."""
        ...


class SiteView(Probed, Protocol):
    """Any thread. What touches the outbox raises OutboxUnavailable."""

    def status(self) -> Mapping[str, Any]:
        """The run as a whole."""
        ...

    def cameras(self) -> Sequence[Mapping[str, Any]]:
        """Every camera of the list: what it is, what it does, and what it did."""
        ...

    def others(self) -> Mapping[str, Any]:
        """What was counted that is no listed camera's: ``ledger`` and ``delivered``, as in ``cameras``.

        Of cameras that were taken out of the list, and of what they did before they came back; where several vigias
        share an outbox, deliveries for other vigias' cameras too.
        """
        ...

    def captures_by_camera(self) -> Mapping[CameraId, Mapping[CaptureState, int]]:
        """How many captures of each camera lie on disk in each state, of cameras that are not listed too. Cheap."""
        ...

    def captures(self, query: CaptureQuery) -> Sequence[Mapping[str, Any]]:
        """Captures, the oldest first."""
        ...

    def picture(self, capture_id: CaptureId) -> bytes | None:
        """A capture's JPEG file; None when it is not kept.

        Raises:
            OutboxCorrupt: it should be there, and is not as it was.
        """
        ...
