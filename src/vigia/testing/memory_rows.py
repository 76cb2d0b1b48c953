"""The rows of the outbox in memory."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from vigia.application.ports import Damage, OutboxEntry
from vigia.domain.capture import Capture, CaptureState, LeasedCapture
from vigia.domain.outbox_policy import GivenUp

UNSENT = frozenset({CaptureState.PENDING, CaptureState.LEASED})


@dataclass(slots=True)
class MemoryRow:
    """One capture. Owner: the outbox's lock."""

    seq: int
    capture: Capture
    jpeg: bytes | None
    committed_mono_s: float
    committed_at_utc: datetime
    due_mono_s: float
    state: CaptureState = CaptureState.PENDING
    attempts: int = 0
    maybe_sent: bool = False
    lease: str = ""
    lease_end_mono_s: float = 0.0
    reason: str = ""
    code: GivenUp | None = None
    event_ids: tuple[str, ...] = ()
    picture_kept: bool = True
    exempt: bool = False
    ended_mono_s: float = 0.0
    ended_at_utc: datetime | None = None

    @property
    def size_bytes(self) -> int:
        """Of the picture as committed."""
        return len(self.capture.jpeg)

    @property
    def kept_bytes(self) -> int:
        """Of the picture while it is kept."""
        return self.size_bytes if self.picture_kept else 0

    @property
    def damage(self) -> Damage | None:
        """What is wrong with the picture that should be there."""
        if self.jpeg is None:
            return Damage.MISSING
        if len(self.jpeg) != self.size_bytes:
            return Damage.TRUNCATED
        return None if self.jpeg == self.capture.jpeg else Damage.WRONG_HASH

    def leased(self, lease: str) -> LeasedCapture:
        """What a sender gets; called before the row is marked."""
        capture = self.capture
        return LeasedCapture(
            id=capture.id,
            camera_id=capture.camera_id,
            findface_camera_id=capture.findface_camera_id,
            at_utc=capture.at_utc,
            roi_ltrb=capture.roi_ltrb,
            jpeg=capture.jpeg,
            lease=lease,
            attempts=self.attempts + 1,
            quality=capture.quality,
            details=dict(capture.details),
            maybe_sent=self.maybe_sent,
            committed_at_utc=self.committed_at_utc,
            is_fresh=not (self.attempts or self.maybe_sent or self.reason),
            put_back=self.exempt,
        )


def until_enough(rows: Iterable[MemoryRow], needed_bytes: int) -> tuple[list[MemoryRow], int]:
    """Rows until their pictures have ``needed_bytes``, and what is still needed after them."""
    taken: list[MemoryRow] = []
    for row in rows:
        if needed_bytes <= 0:
            break
        taken.append(row)
        needed_bytes -= row.kept_bytes
    return taken, needed_bytes


def due_mono_s(row: MemoryRow) -> float:
    """When an unsent row may be leased."""
    return row.due_mono_s if row.state is CaptureState.PENDING else row.lease_end_mono_s


def entry_of(row: MemoryRow, now_s: float) -> OutboxEntry:
    """What the books show."""
    capture = row.capture
    return OutboxEntry(
        id=capture.id,
        camera_id=capture.camera_id,
        track_id=capture.track_id,
        at_utc=capture.at_utc,
        state=row.state,
        attempts=row.attempts,
        quality=capture.quality,
        box_xyxy=capture.box_xyxy,
        seq=row.seq,
        committed_at_utc=row.committed_at_utc,
        size_bytes=row.size_bytes,
        findface_camera_id=capture.findface_camera_id,
        details=dict(capture.details),
        event_ids=row.event_ids,
        reason=row.reason,
        code=row.code,
        maybe_sent=row.maybe_sent,
        due_in_s=max(0.0, due_mono_s(row) - now_s) if row.state in UNSENT else None,
        ended_at_utc=row.ended_at_utc,
        picture_kept=row.picture_kept,
        exempt=row.exempt,
        roi_ltrb=capture.roi_ltrb,
        size_wh=capture.size_wh,
    )
