"""The outbox as the application sees it: what senders need (``Outbox``), and what people and upkeep ask
(``OutboxDesk``). Adapters are both: ``ManagedOutbox``. Import these from ``application/ports.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.domain.outbox_policy import GivenUp


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """How many captures are in each state, and how old the oldest unsent one is."""

    counts: dict[CaptureState, int]
    """Finished captures that are no longer kept included: what became of them stays true."""
    oldest_pending_age_s: float | None
    bytes_on_disk: int
    """Of the pictures kept."""
    kept: dict[CaptureState, int] = field(default_factory=dict)
    """Rows that are there now."""

    @property
    def unsent(self) -> int:
        """Pending and leased."""
        return self.counts.get(CaptureState.PENDING, 0) + self.counts.get(CaptureState.LEASED, 0)


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One capture as the books show it, without its picture."""

    id: CaptureId
    camera_id: CameraId
    track_id: int
    at_utc: datetime
    state: CaptureState
    attempts: int
    quality: float
    box_xyxy: tuple[float, float, float, float]
    seq: int
    """Order of commitment, 1 or more: what ``entries(after=...)`` takes."""
    committed_at_utc: datetime
    size_bytes: int
    """Of the picture as committed, though it may be gone."""
    findface_camera_id: int | None = None
    details: dict[str, Any] = field(default_factory=dict)
    event_ids: tuple[str, ...] = ()
    """What FindFace called it: 64-bit decimal numbers as text."""
    reason: str = ""
    """Why it is refused or dead, or why the last attempt failed. For people."""
    code: GivenUp | None = None
    """Why it is dead, or that a finished one's picture is no good. For machines."""
    maybe_sent: bool = False
    """An attempt may have arrived: it is looked up before it is sent again."""
    due_in_s: float | None = None
    """Pending: seconds until it may be leased, 0 now. Leased: until the lease runs out. Else None."""
    ended_at_utc: datetime | None = None
    """When it was delivered, refused or given up."""
    picture_kept: bool = True
    """False once it was delivered, or its picture was given up for room or lost."""
    exempt: bool = False
    """A person put it back: it never expires."""
    location: str = ""
    """Where a person finds the picture: a file's path. Empty when it is gone or in no file."""
    roi_ltrb: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Where FindFace is told to look, pixels of the posted picture."""
    size_wh: tuple[int, int] = (0, 0)
    """Of the posted picture, pixels."""


@dataclass(frozen=True, slots=True)
class OutboxTally:
    """What the outbox or a person did to captures since the outbox was made; no sender counts these.

    ``carried over + committed + put_back = delivered + refused + dead by senders + given_up + dropped + unsent``
    """

    given_up: Mapping[GivenUp, int] = field(default_factory=dict)
    """Unsent captures that the outbox itself put to ``dead``: too old, no room, no usable picture."""
    put_back: int = 0
    """Refused or dead captures that a person made pending again."""
    dropped: int = 0
    """Pending captures that a person removed."""
    pictures_given_up: int = 0
    """Finished captures whose pictures had to make room."""

    @property
    def lost_to_senders(self) -> int:
        """Captures that left the waiting ones without a sender, less those that came back."""
        return sum(self.given_up.values()) + self.dropped - self.put_back

    def since(self, earlier: "OutboxTally") -> "OutboxTally":
        """What was added after ``earlier``."""
        given_up = {code: count - earlier.given_up.get(code, 0) for code, count in self.given_up.items()}
        return OutboxTally(
            given_up={code: count for code, count in given_up.items() if count},
            put_back=self.put_back - earlier.put_back,
            dropped=self.dropped - earlier.dropped,
            pictures_given_up=self.pictures_given_up - earlier.pictures_given_up,
        )


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What one bounded sweep did."""

    expired: int = 0
    """Pending captures that became too old to be sent."""
    forgotten: Mapping[CaptureState, int] = field(default_factory=dict)
    """Finished captures removed because their time was over or too many were kept; still in ``counts``."""
    more: bool = False
    """There is more to do: sweep again soon."""


class Damage(StrEnum):
    """What ``verify`` finds."""

    MISSING = "missing"
    """A capture whose picture should be there and is not."""
    TRUNCATED = "truncated"
    """A picture of another size than was written."""
    WRONG_HASH = "wrong_hash"
    """A picture of the right size whose content changed, or that cannot be decrypted."""
    ORPHAN = "orphan"
    """A picture without a capture that needs it."""
    FOREIGN = "foreign"
    """Something that vigia did not put there. Never touched."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that ``verify`` found."""

    damage: Damage
    name: str
    """The file, or where an adapter has no files the capture."""
    capture_id: CaptureId | None = None
    """The capture concerned; None for orphans and foreign files."""
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What ``verify`` looked at and found."""

    checked: int
    """Pictures read and compared."""
    findings: Sequence[Finding] = ()

    @property
    def counts(self) -> dict[Damage, int]:
        """Findings of each kind, kinds without any included."""
        return {damage: sum(finding.damage is damage for finding in self.findings) for damage in Damage}

    @property
    def sound(self) -> bool:
        """True when every picture that should be there is there, whole, and nothing of vigia's is left over."""
        return all(finding.damage is Damage.FOREIGN for finding in self.findings)


class CaptureStore(Protocol):
    """Where captures are committed: the outbox, or in a worker process the way to it."""

    def commit(self, capture: Capture) -> None:
        """Store a capture for good: picture fsynced, row committed. Committing the same id twice is an error.

        When there is no room, others may be given up for it: see ``domain/outbox_policy.py`` and ``OutboxTally``.

        Raises:
            OutboxUnavailable: disk full or locked; nothing was stored. From a worker also: not known to be stored.
            TransitionError: it is there already.
            PermanentError: it alone is larger than all pictures together may be.
        """
        ...


class Outbox(CaptureStore, Protocol):
    """Keeps captures until FindFace has answered. Any thread; survives kill -9 once ``commit`` has returned.

    pending → leased → delivered | refused | dead | pending again. Every transition names the lease it holds.
    """

    def lease(self, *, limit: int, duration_s: float) -> list[LeasedCapture]:
        """Hand out due captures and expired leases: cameras in turn, the one that was not served for longest first;
        within a camera oldest first, or by the policy newest first.

        A row whose picture is missing or cut off goes to ``dead`` with that reason and is not returned; so does one
        that became too old, where the policy says so.
        """
        ...

    def mark_delivered(self, capture: LeasedCapture, event_ids: Sequence[str]) -> None:
        """FindFace took it. Raises LeaseLost when the lease is not this one any more."""
        ...

    def mark_refused(self, capture: LeasedCapture, reason: str) -> None:
        """FindFace will never take it. Raises LeaseLost."""
        ...

    def mark_dead(self, capture: LeasedCapture, reason: str) -> None:
        """Given up by a sender (``GivenUp.DELIVERY``), kept for a person. Raises LeaseLost."""
        ...

    def retry_later(
        self, capture: LeasedCapture, *, delay_s: float, reason: str, counts: bool = True, maybe_sent: bool = True
    ) -> None:
        """Back to pending.

        Args:
            capture: as leased.
            delay_s: due again in so many seconds.
            reason: why, for people; empty keeps the reason of an earlier attempt.
            counts: False takes the attempt back.
            maybe_sent: False only when it is certain that no attempt so far arrived. A lease writes down that the
                capture may have been sent, so that a killed process leaves the doubt behind; this takes it away.

        Raises:
            LeaseLost, OutboxUnavailable.
        """
        ...

    def next_due_s(self) -> float | None:
        """Seconds until the next capture can be leased: 0 when one can now, None when there is none."""
        ...

    def stats(self) -> OutboxStats:
        """Counts by state."""
        ...

    def close(self) -> None:
        """Finish and let go. Idempotent."""
        ...


class OutboxDesk(Protocol):
    """What a person, the report and the upkeep ask of an outbox. Any thread; every call raises OutboxUnavailable."""

    def entries(
        self,
        *,
        state: CaptureState | None = None,
        camera_id: CameraId | None = None,
        older_than_s: float | None = None,
        younger_than_s: float | None = None,
        limit: int | None = None,
        after: int = 0,
    ) -> list[OutboxEntry]:
        """The books, oldest first; every filter that is given must hold.

        Args:
            state: only these.
            camera_id: only this camera's.
            older_than_s: committed at least so many seconds ago.
            younger_than_s: committed less than so many seconds ago.
            limit: at most so many; None is all.
            after: only those whose ``seq`` is larger: the last one's of the page before.
        """
        ...

    def newest(
        self,
        *,
        state: CaptureState | None = None,
        camera_id: CameraId | None = None,
        quality_min: float | None = None,
        limit: int,
        before: int | None = None,
    ) -> list[OutboxEntry]:
        """The books, newest first; every filter that is given must hold. Quick however many captures are kept.

        Args:
            state: only these.
            camera_id: only this camera's.
            quality_min: only those with this quality or more.
            limit: at most so many.
            before: only those whose ``seq`` is smaller: the last one's of the page before.
        """
        ...

    def counts_by_camera(self) -> Mapping[CameraId, Mapping[CaptureState, int]]:
        """How many captures of each camera are kept now in each state; a state without any is left out. Cheap."""
        ...

    def entry(self, capture_id: CaptureId) -> OutboxEntry | None:
        """One capture; None when it is unknown or no longer kept."""
        ...

    def picture(self, capture_id: CaptureId) -> bytes | None:
        """The JPEG file's bytes, compared with what was committed; None when the capture or its picture is not kept.

        Raises:
            OutboxCorrupt: it should be there and is missing, cut off or changed.
        """
        ...

    def put_back(self, capture_id: CaptureId, *, expected: CaptureState) -> None:
        """Make a refused or dead capture pending again: no attempts, due now, doubtful if it may have been sent.

        It is exempt from ``age_max_s`` from now on, may exceed the limits, and is the last to be given up for room: a
        person decided.

        Args:
            capture_id: which.
            expected: the state it was seen in, ``REFUSED`` or ``DEAD``.

        Raises:
            CaptureUnknown: it is not there (any more).
            TransitionError: it is in another state now; nothing changed.
            PictureGone: there is nothing left to send.
            ValueError: another state cannot be put back.
        """
        ...

    def drop(self, capture_id: CaptureId, *, expected: CaptureState) -> None:
        """Remove a capture and its picture for good. A leased one cannot be dropped.

        Args:
            capture_id: which.
            expected: the state it was seen in; any but ``LEASED``.

        Raises:
            CaptureUnknown, TransitionError: as for ``put_back``.
            ValueError: ``expected`` is ``LEASED``.
        """
        ...

    def tally(self) -> OutboxTally:
        """What happened to captures without a sender. Cheap."""
        ...

    def sweep(self) -> SweepReport:
        """Do a bounded part of the upkeep: what is too old to be sent, to be kept, or too much to be kept."""
        ...

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Read every picture and compare it with the rows, beside a running service.

        A file younger than an hour that no row names is passed over: it may be a commit's that goes on.

        Args:
            repair: put pending captures without a usable picture to ``dead``, note in finished ones that their picture
                is gone, delete orphans. Leased captures and foreign files are only told.
        """
        ...


class ManagedOutbox(Outbox, OutboxDesk, Protocol):
    """What every adapter is, and the contract suite tests."""
