"""An outbox without a disk: the same behaviour as the one on SQLite, but it does not survive its process."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from vigia.application.errors import LeaseLost, OutboxUnavailable
from vigia.application.ports import Clock, OutboxEntry, OutboxStats
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError

_UNSENT = frozenset({CaptureState.PENDING, CaptureState.LEASED})


@dataclass(slots=True)
class _Row:
    """One capture. Owner: the outbox's lock."""

    capture: Capture
    jpeg: bytes | None
    committed_mono_s: float
    due_mono_s: float
    state: CaptureState = CaptureState.PENDING
    attempts: int = 0
    maybe_sent: bool = False
    lease: str = ""
    lease_end_mono_s: float = 0.0
    reason: str = ""
    event_ids: tuple[str, ...] = ()

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
        )


class MemoryOutbox:
    """The ``Outbox`` port in memory. Any thread.

    Owner: its lock, which guards every row and is held for moments. Bounds and arguments: as ``SqliteOutbox``.

    ``fault``: while it holds an error, everything that would write to the disk raises it, as a full disk does.
    """

    def __init__(
        self, clock: Clock, *, captures_max: int = 100_000, delivered_kept: int = 10_000, refused_kept: int = 1_000
    ) -> None:
        self.fault: OutboxUnavailable | None = None
        self._clock = clock
        self._captures_max = captures_max
        self._kept = {CaptureState.DELIVERED: delivered_kept, CaptureState.REFUSED: refused_kept}
        self._lock = threading.Lock()
        self._rows: dict[CaptureId, _Row] = {}  # in the order of commitment
        self._turns: dict[CameraId, int] = {}
        self._pruned: Counter[CaptureState] = Counter()
        self._tokens = count(1)
        self._closed = False

    def commit(self, capture: Capture) -> None:
        """Store a capture. Raises OutboxUnavailable, TransitionError when its id is known."""
        with self._lock:
            self._check(writing=True)
            if self._captures_max and sum(row.state in _UNSENT for row in self._rows.values()) >= self._captures_max:
                raise OutboxUnavailable("the outbox is full: %(waiting)d captures wait", waiting=self._captures_max)
            if capture.id in self._rows:
                raise TransitionError("capture %(id)s is in the outbox already", id=capture.id)
            now_s = self._clock.mono_s()
            self._rows[capture.id] = _Row(capture, capture.jpeg, committed_mono_s=now_s, due_mono_s=now_s)
            self._turns.setdefault(capture.camera_id, 0)

    def lease(self, *, limit: int, duration_s: float) -> list[LeasedCapture]:
        """Hand out due captures: cameras in turn, oldest first within a camera."""
        leased: list[LeasedCapture] = []
        with self._lock:
            self._check()
            now_s = self._clock.mono_s()
            if not any(_due_mono_s(row) <= now_s for row in self._rows.values() if row.state in _UNSENT):
                return []
            self._check(writing=True)
            for held in self._rows.values():
                if held.state is CaptureState.LEASED and held.lease_end_mono_s <= now_s:
                    held.state, held.attempts = CaptureState.PENDING, max(0, held.attempts - 1)
            while len(leased) < limit and (row := self._next(now_s)) is not None:
                self._turns[row.capture.camera_id] = max(self._turns.values()) + 1
                if row.jpeg != row.capture.jpeg:
                    row.state, row.attempts, row.maybe_sent = CaptureState.DEAD, row.attempts + 1, True
                    row.reason = "its picture is missing"
                    continue
                lease = f"lease-{next(self._tokens)}"
                leased.append(row.leased(lease))
                row.state, row.lease, row.lease_end_mono_s = CaptureState.LEASED, lease, now_s + duration_s
                row.attempts, row.maybe_sent = row.attempts + 1, True
        return leased

    def mark_delivered(self, capture: LeasedCapture, event_ids: Sequence[str]) -> None:
        """FindFace took it. Raises LeaseLost."""
        self._end(capture, CaptureState.DELIVERED, event_ids=tuple(event_ids))

    def mark_refused(self, capture: LeasedCapture, reason: str) -> None:
        """FindFace will never take it. Raises LeaseLost."""
        self._end(capture, CaptureState.REFUSED, reason=reason)

    def mark_dead(self, capture: LeasedCapture, reason: str) -> None:
        """Given up. Raises LeaseLost."""
        self._end(capture, CaptureState.DEAD, reason=reason)

    def retry_later(
        self, capture: LeasedCapture, *, delay_s: float, reason: str, counts: bool = True, maybe_sent: bool = True
    ) -> None:
        """Back to pending. Raises LeaseLost."""
        with self._lock:
            row = self._held(capture)
            row.state, row.due_mono_s = CaptureState.PENDING, self._clock.mono_s() + max(0.0, delay_s)
            row.maybe_sent, row.reason = maybe_sent, reason or row.reason
            if not counts:
                row.attempts = max(0, row.attempts - 1)

    def next_due_s(self) -> float | None:
        """Seconds until the next capture can be leased; None when there is none."""
        with self._lock:
            self._check()
            due_mono_s = min((_due_mono_s(row) for row in self._rows.values() if row.state in _UNSENT), default=None)
            return None if due_mono_s is None else max(0.0, due_mono_s - self._clock.mono_s())

    def stats(self) -> OutboxStats:
        """Counts by state, captures that are no longer kept included."""
        with self._lock:
            self._check()
            rows = self._rows.values()
            counts = Counter(row.state for row in rows)
            counts.update(self._pruned)
            oldest_mono_s = min((row.committed_mono_s for row in rows if row.state in _UNSENT), default=None)
            return OutboxStats(
                counts=dict(counts),
                oldest_pending_age_s=None if oldest_mono_s is None else self._clock.mono_s() - oldest_mono_s,
                bytes_on_disk=sum(len(row.capture.jpeg) for row in rows if row.state is not CaptureState.DELIVERED),
            )

    def entries(self, *, state: CaptureState | None = None, limit: int | None = None) -> list[OutboxEntry]:
        """The books, oldest first."""
        with self._lock:
            self._check()
            return [_entry(row) for row in self._rows.values() if state in {None, row.state}][:limit]

    def close(self) -> None:
        """Later calls raise OutboxUnavailable. Idempotent."""
        with self._lock:
            self._closed = True

    def damage(self, capture_id: CaptureId) -> None:
        """Lose a picture, as a broken disk does: the capture is dead when it is leased next."""
        with self._lock:
            self._rows[capture_id].jpeg = None

    def _check(self, *, writing: bool = False) -> None:
        if self._closed:
            raise OutboxUnavailable("the outbox is closed")
        if writing and self.fault is not None:
            raise self.fault

    def _next(self, now_s: float) -> _Row | None:
        """The oldest due row of the camera that was not served for longest."""
        due: dict[CameraId, _Row] = {}
        for row in self._rows.values():
            if row.state is CaptureState.PENDING and row.due_mono_s <= now_s:
                due.setdefault(row.capture.camera_id, row)
        return due[min(due, key=lambda camera_id: (self._turns[camera_id], camera_id))] if due else None

    def _held(self, capture: LeasedCapture) -> _Row:
        self._check(writing=True)
        row = self._rows.get(capture.id)
        if row is None or row.state is not CaptureState.LEASED or row.lease != capture.lease:
            raise LeaseLost("capture %(id)s is not leased by this holder any more", id=capture.id)
        return row

    def _end(
        self, capture: LeasedCapture, state: CaptureState, *, reason: str = "", event_ids: tuple[str, ...] = ()
    ) -> None:
        with self._lock:
            row = self._held(capture)
            row.state, row.reason, row.event_ids = state, reason, event_ids
            ended = [capture_id for capture_id, other in self._rows.items() if other.state is state]
            for capture_id in ended[: max(0, len(ended) - self._kept.get(state, len(ended)))]:
                del self._rows[capture_id]
                self._pruned[state] += 1


def _due_mono_s(row: _Row) -> float:
    return row.due_mono_s if row.state is CaptureState.PENDING else row.lease_end_mono_s


def _entry(row: _Row) -> OutboxEntry:
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
        details=dict(capture.details),
        event_ids=row.event_ids,
        reason=row.reason,
    )
