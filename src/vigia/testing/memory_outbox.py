"""An outbox without a disk: the same behaviour as the one on SQLite, but it does not survive its process."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count

from vigia.application.errors import (
    CaptureUnknown,
    LeaseLost,
    OutboxUnavailable,
    PermanentError,
    PictureGone,
)
from vigia.application.ports import (
    Clock,
    Damage,
    Finding,
    OutboxStats,
    OutboxTally,
    SweepReport,
    VerifyReport,
)
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError
from vigia.domain.outbox_policy import DAY_S, GivenUp, LeaseOrder, OutboxPolicy, WhenFull
from vigia.testing.memory_books import MemoryBooks
from vigia.testing.memory_rows import UNSENT, MemoryRow, due_mono_s, until_enough

_FINISHED = (CaptureState.DELIVERED, CaptureState.REFUSED, CaptureState.DEAD)
_BAD_PICTURES = {
    Damage.MISSING: GivenUp.PICTURE_MISSING,
    Damage.TRUNCATED: GivenUp.PICTURE_DAMAGED,
    Damage.WRONG_HASH: GivenUp.PICTURE_DAMAGED,
}


class MemoryOutbox(MemoryBooks):
    """The ``ManagedOutbox`` port in memory. Any thread.

    Owner: its lock, which guards every row and is held for moments. Bounds: the policy's.

    ``fault``: while it holds an error, everything that would write to the disk raises it, as a full disk does.
    """

    def __init__(self, clock: Clock, *, policy: OutboxPolicy | None = None) -> None:
        super().__init__(clock)
        self._policy = policy if policy is not None else OutboxPolicy()
        self._turns: dict[CameraId, int] = {}
        self._forgotten: Counter[CaptureState] = Counter()
        self._tally: Counter[str] = Counter()
        self._seqs = count(1)
        self._tokens = count(1)

    def commit(self, capture: Capture) -> None:
        """Store a capture. Raises OutboxUnavailable, PermanentError, TransitionError when its id is known."""
        with self._lock:
            self._check(writing=True)
            size_bytes = len(capture.jpeg)
            if 0 < self._policy.bytes_max < size_bytes:
                raise PermanentError(
                    "a picture of %(bytes)d bytes is larger than the whole outbox may be", bytes=size_bytes
                )
            if capture.id in self._rows:
                raise TransitionError("capture %(id)s is in the outbox already", id=capture.id)
            self._make_room(size_bytes)
            now_s = self._clock.mono_s()
            self._rows[capture.id] = MemoryRow(
                next(self._seqs), capture, capture.jpeg, now_s, self._clock.utc(), due_mono_s=now_s
            )
            self._turns.setdefault(capture.camera_id, 0)

    def lease(self, *, limit: int, duration_s: float) -> list[LeasedCapture]:
        """Hand out due captures: cameras in turn, within a camera by the policy's order."""
        leased: list[LeasedCapture] = []
        with self._lock:
            self._check()
            now_s = self._clock.mono_s()
            if not any(due_mono_s(row) <= now_s for row in self._rows.values() if row.state in UNSENT):
                return []
            self._check(writing=True)
            for held in self._rows.values():
                if held.state is CaptureState.LEASED and held.lease_end_mono_s <= now_s:
                    held.state, held.attempts = CaptureState.PENDING, max(0, held.attempts - 1)
            self._expire(now_s)
            while len(leased) < limit and (row := self._next(now_s)) is not None:
                self._turns[row.capture.camera_id] = max(self._turns.values()) + 1
                if row.damage is not None:
                    row.attempts, row.maybe_sent = row.attempts + 1, True
                    self._put_aside(row, row.damage)
                    continue
                lease = f"lease-{next(self._tokens)}"
                leased.append(row.leased(lease))
                row.state, row.lease, row.lease_end_mono_s = CaptureState.LEASED, lease, now_s + duration_s
                row.attempts, row.maybe_sent = row.attempts + 1, True
        return leased

    def mark_delivered(self, capture: LeasedCapture, event_ids: Sequence[str]) -> None:
        """FindFace took it. Raises LeaseLost."""
        with self._lock:
            row = self._held(capture)
            row.event_ids, row.picture_kept, row.jpeg = tuple(event_ids), False, None
            self._end(row, CaptureState.DELIVERED)
            self._forget_excess(CaptureState.DELIVERED)

    def mark_refused(self, capture: LeasedCapture, reason: str) -> None:
        """FindFace will never take it. Raises LeaseLost."""
        with self._lock:
            self._end(self._held(capture), CaptureState.REFUSED, reason=reason)
            self._forget_excess(CaptureState.REFUSED)

    def mark_dead(self, capture: LeasedCapture, reason: str) -> None:
        """Given up. Raises LeaseLost."""
        with self._lock:
            self._end(self._held(capture), CaptureState.DEAD, reason=reason, code=GivenUp.DELIVERY)

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
            next_mono_s = min((due_mono_s(row) for row in self._rows.values() if row.state in UNSENT), default=None)
            return None if next_mono_s is None else max(0.0, next_mono_s - self._clock.mono_s())

    def stats(self) -> OutboxStats:
        """Counts by state, captures that are no longer kept included."""
        with self._lock:
            self._check()
            rows = self._rows.values()
            kept = Counter(row.state for row in rows)
            oldest_mono_s = min((row.committed_mono_s for row in rows if row.state in UNSENT), default=None)
            return OutboxStats(
                counts=dict(kept + self._forgotten),
                oldest_pending_age_s=None if oldest_mono_s is None else self._clock.mono_s() - oldest_mono_s,
                bytes_on_disk=sum(row.kept_bytes for row in rows),
                kept=dict(kept),
            )

    def put_back(self, capture_id: CaptureId, *, expected: CaptureState) -> None:
        """Make a refused or dead capture pending again. Raises CaptureUnknown, TransitionError, PictureGone."""
        if expected not in {CaptureState.REFUSED, CaptureState.DEAD}:
            raise ValueError(f"a capture that is {expected.value} cannot be put back")
        with self._lock:
            row = self._expected(capture_id, expected)
            if not row.picture_kept:
                raise PictureGone("capture %(id)s has no picture any more: there is nothing to send", id=capture_id)
            row.state, row.attempts, row.due_mono_s = CaptureState.PENDING, 0, self._clock.mono_s()
            row.exempt, row.code, row.reason, row.ended_at_utc = True, None, "", None
            self._tally["put_back"] += 1

    def drop(self, capture_id: CaptureId, *, expected: CaptureState) -> None:
        """Remove a capture and its picture for good. Raises CaptureUnknown, TransitionError."""
        if expected is CaptureState.LEASED:
            raise ValueError("a leased capture cannot be dropped")
        with self._lock:
            self._expected(capture_id, expected)
            del self._rows[capture_id]
            if expected is CaptureState.PENDING:
                self._tally["dropped"] += 1
            else:
                self._forgotten[expected] += 1

    def tally(self) -> OutboxTally:
        """What happened to captures without a sender."""
        with self._lock:
            self._check()
            return OutboxTally(
                given_up={code: self._tally[code] for code in GivenUp if self._tally[code]},
                put_back=self._tally["put_back"],
                dropped=self._tally["dropped"],
                pictures_given_up=self._tally["pictures"],
            )

    def sweep(self) -> SweepReport:
        """All of the upkeep at once."""
        policy = self._policy
        days = {
            CaptureState.DELIVERED: policy.delivered_days,
            CaptureState.REFUSED: policy.refused_days,
            CaptureState.DEAD: policy.dead_days,
        }
        with self._lock:
            self._check(writing=True)
            now_s = self._clock.mono_s()
            expired = self._expire(now_s)
            forgotten: Counter[CaptureState] = Counter()
            for state in _FINISHED:
                before = self._forgotten[state]
                old = [
                    capture_id
                    for capture_id, row in self._rows.items()
                    if row.state is state and days[state] and row.ended_mono_s <= now_s - days[state] * DAY_S
                ]
                for capture_id in old:
                    self._forget(capture_id)
                self._forget_excess(state)
                forgotten[state] = self._forgotten[state] - before
            return SweepReport(expired=expired, forgotten={state: rows for state, rows in forgotten.items() if rows})

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Compare every picture with what was committed."""
        with self._lock:
            self._check(writing=repair)
            rows = [row for row in self._rows.values() if row.picture_kept and row.code not in _BAD_PICTURES.values()]
            findings = []
            for row in rows:
                damage = row.damage
                if damage is None:
                    continue
                repaired = repair and row.state is not CaptureState.LEASED
                if repaired and row.state is CaptureState.PENDING:
                    self._put_aside(row, damage)
                elif repaired:
                    row.code, row.picture_kept = _BAD_PICTURES[damage], damage is not Damage.MISSING
                findings.append(Finding(damage, row.capture.id, row.capture.id, repaired))
            return VerifyReport(len(rows), findings)

    def close(self) -> None:
        """Later calls raise OutboxUnavailable. Idempotent."""
        with self._lock:
            self._closed = True

    def damage(self, capture_id: CaptureId, change: Callable[[bytes], bytes | None] = lambda _jpeg: None) -> None:
        """Spoil a picture, as a broken disk does: by default it is lost."""
        with self._lock:
            row = self._rows[capture_id]
            row.jpeg = change(row.capture.jpeg)

    def _make_room(self, size_bytes: int) -> None:
        """As ``domain/outbox_policy.py`` says, or change nothing."""
        policy, rows = self._policy, self._rows.values()
        pending = [row for row in rows if row.state is CaptureState.PENDING] if self._gives_up_oldest else []
        pending.sort(key=lambda row: row.exempt)
        waiting = sum(row.state in UNSENT for row in rows)
        excess = waiting + 1 - policy.captures_max if policy.captures_max else 0
        if excess > len(pending):
            raise OutboxUnavailable("the outbox is full: %(waiting)d captures wait", waiting=policy.captures_max)
        going = pending[: max(0, excess)]
        going_bytes = sum(row.kept_bytes for row in going)
        needed_bytes = sum(row.kept_bytes for row in rows) + size_bytes - policy.bytes_max - going_bytes
        spare: list[MemoryRow] = []
        if policy.bytes_max and needed_bytes > 0:
            finished = [row for state in _FINISHED[1:] for row in rows if row.state is state and row.picture_kept]
            spare, needed_bytes = until_enough(finished, needed_bytes)
            more, needed_bytes = until_enough(pending[len(going) :], needed_bytes)
            if needed_bytes > 0:
                raise OutboxUnavailable(
                    "the outbox is full: its pictures may have %(max_mb)d MB", max_mb=policy.bytes_max // 1_000_000
                )
            going += more
        for row in spare:
            row.picture_kept, row.jpeg = False, None
        self._tally["pictures"] += len(spare)
        for row in going:
            doubt = "; it may have arrived" if row.maybe_sent else ""
            row.picture_kept, row.jpeg = False, None
            self._give_up(row, GivenUp.OUTBOX_FULL, f"given up: the outbox was full{doubt}")

    @property
    def _gives_up_oldest(self) -> bool:
        return self._policy.when_full is WhenFull.OLDEST

    def _expire(self, now_s: float) -> int:
        if not self._policy.expires:
            return 0
        old = [row for row in self._rows.values() if row.state is CaptureState.PENDING and self._is_old(row, now_s)]
        for row in old:
            doubt = "; it may have arrived" if row.maybe_sent else ""
            self._give_up(row, GivenUp.EXPIRED, f"too old to be sent{doubt}")
        return len(old)

    def _is_old(self, row: MemoryRow, now_s: float) -> bool:
        age_max_s = self._policy.age_max_s
        return age_max_s > 0.0 and not row.exempt and row.committed_mono_s <= now_s - age_max_s

    def _next(self, now_s: float) -> MemoryRow | None:
        """The next due row of the camera that was not served for longest; old ones when there are no others."""
        ready = [row for row in self._rows.values() if row.state is CaptureState.PENDING and row.due_mono_s <= now_s]
        if self._policy.defers:
            ready = [row for row in ready if not self._is_old(row, now_s)] or ready
        if self._policy.order is LeaseOrder.NEWEST:
            ready.reverse()
        due: dict[CameraId, MemoryRow] = {}
        for row in ready:
            due.setdefault(row.capture.camera_id, row)
        return due[min(due, key=lambda camera_id: (self._turns[camera_id], camera_id))] if due else None

    def _held(self, capture: LeasedCapture) -> MemoryRow:
        self._check(writing=True)
        row = self._rows.get(capture.id)
        if row is None or row.state is not CaptureState.LEASED or row.lease != capture.lease:
            raise LeaseLost("capture %(id)s is not leased by this holder any more", id=capture.id)
        return row

    def _expected(self, capture_id: CaptureId, expected: CaptureState) -> MemoryRow:
        self._check(writing=True)
        row = self._rows.get(capture_id)
        if row is None:
            raise CaptureUnknown("capture %(id)s is not in the outbox", id=capture_id)
        if row.state is not expected:
            raise TransitionError(
                "capture %(id)s is %(state)s now, not %(expected)s",
                id=capture_id,
                state=row.state.value,
                expected=expected.value,
            )
        return row

    def _end(self, row: MemoryRow, state: CaptureState, *, reason: str = "", code: GivenUp | None = None) -> None:
        row.state, row.reason, row.code = state, reason, code
        row.ended_mono_s, row.ended_at_utc = self._clock.mono_s(), self._clock.utc()

    def _give_up(self, row: MemoryRow, code: GivenUp, reason: str) -> None:
        self._end(row, CaptureState.DEAD, reason=reason, code=code)
        self._tally[code] += 1

    def _put_aside(self, row: MemoryRow, damage: Damage) -> None:
        row.picture_kept = damage is not Damage.MISSING
        self._give_up(row, _BAD_PICTURES[damage], f"its picture is {'damaged' if row.picture_kept else 'missing'}")

    def _forget_excess(self, state: CaptureState) -> None:
        kept = {CaptureState.DELIVERED: self._policy.delivered_kept, CaptureState.REFUSED: self._policy.refused_kept}
        ended = [capture_id for capture_id, row in self._rows.items() if row.state is state]
        for capture_id in ended[: max(0, len(ended) - kept.get(state, len(ended)))]:
            self._forget(capture_id)

    def _forget(self, capture_id: CaptureId) -> None:
        self._forgotten[self._rows.pop(capture_id).state] += 1
