"""The outbox on SQLite against a model of a few lines, through random lives that include opening it again.

The model says what a capture's state, attempts, doubt and due time must be. The order of handing out is not in it (the
contract has that); it only says which captures may be handed out.
"""

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from vigia.application.errors import LeaseLost
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError
from vigia.infrastructure.outbox import SqliteOutbox
from vigia.infrastructure.outbox.sqlite_outbox import OWED_MAX
from vigia.testing.sim_clock import SimClock

LEASE_S = 30.0
SETTLE_S = 5.0
AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
# Steps of eighths of a second, so that the model's sums are exact and no comparison hangs on the last bit.
seconds = st.integers(1, 8 * 40).map(lambda eighths: eighths / 8)


@dataclass
class ModelRow:
    jpeg: bytes
    state: CaptureState = CaptureState.PENDING
    attempts: int = 0
    maybe_sent: bool = False
    due_s: float = 0.0
    lease: str | None = None
    lease_end_s: float = 0.0

    def can_be_leased(self, now_s: float) -> bool:
        if self.state is CaptureState.PENDING:
            return self.due_s <= now_s
        return self.state is CaptureState.LEASED and self.lease_end_s <= now_s


class OutboxMachine(RuleBasedStateMachine):
    leases: Bundle[LeasedCapture] = Bundle("leases")

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="vigia-outbox-"))
        self.clock = SimClock(start_mono_s=0.0)
        self.rows: dict[str, ModelRow] = {}

    @initialize()
    def open(self) -> None:
        self.outbox = SqliteOutbox(self.directory, self.clock, free_bytes_min=0, settle_s=SETTLE_S)

    @rule(camera=st.sampled_from("abc"), size=st.integers(0, 50))
    def commit(self, camera: str, size: int) -> None:
        number = len(self.rows)
        capture_id = f"{number:032x}"
        jpeg = bytes([number % 256]) * size
        self.outbox.commit(_capture(capture_id, camera, jpeg))
        self.rows[capture_id] = ModelRow(jpeg, due_s=self.clock.mono_s())

    @rule(data=st.data())
    def commit_again(self, data: st.DataObject) -> None:
        if self.rows:
            capture_id = data.draw(st.sampled_from(sorted(self.rows)))
            with pytest.raises(TransitionError):
                self.outbox.commit(_capture(capture_id, "a", b"other"))

    @rule(target=leases, limit=st.integers(1, 4))
    def lease(self, limit: int) -> MultipleResults[LeasedCapture]:
        now_s = self.clock.mono_s()
        expected = {name for name, row in self.rows.items() if row.can_be_leased(now_s)}
        leased = self.outbox.lease(limit=limit, duration_s=LEASE_S)
        assert {capture.id for capture in leased} <= expected
        assert len(leased) == min(limit, len(expected))
        if expected:  # an expired lease is noticed when somebody asks for captures, whether they get this one or not
            for row in self.rows.values():
                if row.state is CaptureState.LEASED and row.lease_end_s <= now_s:
                    row.state, row.lease, row.attempts = CaptureState.PENDING, None, row.attempts - 1
                    row.due_s = -1.0
        for capture in leased:
            row = self.rows[capture.id]
            assert (capture.jpeg, capture.attempts, capture.maybe_sent) == (row.jpeg, row.attempts + 1, row.maybe_sent)
            row.state, row.lease, row.lease_end_s = CaptureState.LEASED, capture.lease, now_s + LEASE_S
            row.attempts, row.maybe_sent = row.attempts + 1, True
        return multiple(*leased)

    @rule(
        capture=consumes(leases), how=st.sampled_from([CaptureState.DELIVERED, CaptureState.REFUSED, CaptureState.DEAD])
    )
    def end(self, capture: LeasedCapture, how: CaptureState) -> None:
        row = self.rows[capture.id]
        try:
            if how is CaptureState.DELIVERED:
                self.outbox.mark_delivered(capture, ["1"])
            elif how is CaptureState.REFUSED:
                self.outbox.mark_refused(capture, "because")
            else:
                self.outbox.mark_dead(capture, "because")
        except LeaseLost:
            assert row.lease != capture.lease
        else:
            assert row.lease == capture.lease
            row.state, row.lease = how, None

    @rule(capture=leases, delay_s=seconds, counts=st.booleans(), maybe_sent=st.booleans())
    def retry_later(self, capture: LeasedCapture, delay_s: float, *, counts: bool, maybe_sent: bool) -> None:
        row = self.rows[capture.id]
        try:
            self.outbox.retry_later(capture, delay_s=delay_s, reason="later", counts=counts, maybe_sent=maybe_sent)
        except LeaseLost:
            assert row.lease != capture.lease
        else:
            assert row.lease == capture.lease
            row.state, row.lease, row.due_s = CaptureState.PENDING, None, self.clock.mono_s() + delay_s
            row.maybe_sent = maybe_sent
            row.attempts -= 0 if counts else 1

    @rule(delta_s=seconds)
    def advance(self, delta_s: float) -> None:
        self.clock.advance(delta_s)

    @rule()
    def reopen(self) -> None:
        self.outbox.close()
        self.open()
        for row in self.rows.values():
            if row.state is CaptureState.LEASED:
                row.state, row.lease, row.attempts = CaptureState.PENDING, None, row.attempts - 1
                row.due_s = self.clock.mono_s() + SETTLE_S
            elif row.state is CaptureState.PENDING:  # a pause of the last run says nothing about now
                row.due_s = min(row.due_s, self.clock.mono_s() + (SETTLE_S if row.maybe_sent else 0.0))

    @invariant()
    def books_agree(self) -> None:
        books = {entry.id: (entry.state, entry.attempts) for entry in self.outbox.entries()}
        assert books == {CaptureId(name): (row.state, row.attempts) for name, row in self.rows.items()}

    @invariant()
    def exactly_the_needed_pictures_are_there(self) -> None:
        """And, while captures wait, of a few deliveries that are not durable yet."""
        delivered = {name for name, row in self.rows.items() if row.state is CaptureState.DELIVERED}
        found = [path.name[:32] for path in (self.directory / "pictures").iterdir()]
        assert len(found) == len(set(found))
        assert set(self.rows) - delivered <= set(found) <= set(self.rows)
        owed = delivered & set(found)
        assert len(owed) < OWED_MAX
        if not any(row.state in {CaptureState.PENDING, CaptureState.LEASED} for row in self.rows.values()):
            assert not owed

    @invariant()
    def next_due_agrees(self) -> None:
        times_s = [
            row.due_s if row.state is CaptureState.PENDING else row.lease_end_s
            for row in self.rows.values()
            if row.state in {CaptureState.PENDING, CaptureState.LEASED}
        ]
        due_s = self.outbox.next_due_s()
        if not times_s:
            assert due_s is None
        else:
            assert due_s == pytest.approx(max(0.0, min(times_s) - self.clock.mono_s()), abs=1e-3)

    def teardown(self) -> None:
        self.outbox.close()
        shutil.rmtree(self.directory)


def _capture(capture_id: str, camera: str, jpeg: bytes) -> Capture:
    return Capture(
        id=CaptureId(capture_id),
        camera_id=CameraId(camera),
        findface_camera_id=1,
        track_id=1,
        at_utc=AT,
        box_xyxy=(0.0, 0.0, 1.0, 1.0),
        roi_ltrb=(0, 0, 1, 1),
        size_wh=(1, 1),
        quality=0.5,
        jpeg=jpeg,
    )


TestOutboxMachine = OutboxMachine.TestCase
TestOutboxMachine.settings = settings(
    max_examples=30,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
