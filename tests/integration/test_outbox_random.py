"""Every outbox against the one in memory, under random operations: the same answers and books after each step."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from outbox_rigs import RIGS, Change, MemoryRig, capture_id_of, capture_of, changed, cut, lost
from vigia.application.errors import OutboxCorrupt
from vigia.application.ports import ManagedOutbox, OutboxEntry
from vigia.domain.capture import CaptureId, CaptureState, LeasedCapture
from vigia.domain.errors import VigiaError
from vigia.domain.outbox_policy import DAY_S, GivenUp, LeaseOrder, OutboxPolicy, WhenFull, WhenOld
from vigia.testing.sim_clock import SimClock

LEASE_S = 32.0
# Quarters of a second, so that sums are exact in wall time too and no comparison hangs on the last bit.
seconds = st.integers(1, 4 * 40).map(lambda quarters: quarters / 4)
finals = st.sampled_from([CaptureState.DELIVERED, CaptureState.REFUSED, CaptureState.DEAD])
policies = st.builds(
    OutboxPolicy,
    captures_max=st.sampled_from([0, 2, 4]),
    bytes_max=st.sampled_from([0, 60, 150]),
    when_full=st.sampled_from(WhenFull),
    order=st.sampled_from(LeaseOrder),
    age_max_s=st.sampled_from([0.0, 16.0, 64.0]),
    when_old=st.sampled_from(WhenOld),
    delivered_kept=st.integers(0, 2),
    refused_kept=st.integers(0, 2),
    delivered_days=st.sampled_from([0.0, 32.0 / DAY_S]),
    refused_days=st.sampled_from([0.0, 32.0 / DAY_S]),
    dead_days=st.sampled_from([0.0, 32.0 / DAY_S]),
)


def told(entry: OutboxEntry) -> OutboxEntry:
    """What all adapters tell alike: not where a picture lies, nor their words for a damaged one, nor the last bit of
    a time."""
    damaged = entry.code is GivenUp.PICTURE_DAMAGED
    return replace(
        entry,
        location="",
        reason="" if damaged else entry.reason,
        committed_at_utc=entry.committed_at_utc.replace(microsecond=0),
        ended_at_utc=None if entry.ended_at_utc is None else entry.ended_at_utc.replace(microsecond=0),
        due_in_s=None if entry.due_in_s is None else round(entry.due_in_s, 3),
    )


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or which error it raises."""
    try:
        return call()
    except OutboxCorrupt:  # an adapter may tell more precisely
        return OutboxCorrupt
    except (VigiaError, ValueError) as error:
        return type(error)


def picture_of(capture_id: CaptureId, outbox: ManagedOutbox) -> bytes | None:
    return outbox.picture(capture_id)


class Comparison(RuleBasedStateMachine):
    """Owner: Hypothesis."""

    rig_name = ""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="vigia-outbox-"))
        self.clock = SimClock()
        self.rigs = (MemoryRig(self.place, self.clock), RIGS[self.rig_name](self.place, self.clock))
        self.committed = 0
        self.leased: list[tuple[LeasedCapture, LeasedCapture]] = []

    @initialize(policy=policies)
    def open(self, policy: OutboxPolicy) -> None:
        self.outboxes = tuple(rig.open(policy) for rig in self.rigs)

    def same(self, call: Callable[[ManagedOutbox], Any]) -> Any:
        """Ask both; the answer they agree on."""
        model, real = (outcome(partial(call, outbox)) for outbox in self.outboxes)
        assert real == model
        return model

    @rule(camera=st.sampled_from("abc"), size=st.integers(1, 70))
    def commit(self, camera: str, size: int) -> None:
        self.committed += 1
        capture = capture_of(self.committed, camera, jpeg=bytes([self.committed % 251]) * size)
        self.same(lambda outbox: outbox.commit(capture))

    @precondition(lambda self: self.committed)
    @rule(data=st.data())
    def commit_again(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, self.committed))
        known = self.outboxes[0].entry(capture_id_of(number)) is not None
        if known:
            self.same(lambda outbox: outbox.commit(capture_of(number)))

    @rule(limit=st.integers(1, 4))
    def lease(self, limit: int) -> None:
        model, real = (outbox.lease(limit=limit, duration_s=LEASE_S) for outbox in self.outboxes)
        assert [replace(capture, lease="") for capture in real] == [replace(capture, lease="") for capture in model]
        self.leased += zip(model, real, strict=True)

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), how=finals)
    def end(self, data: st.DataObject, how: CaptureState) -> None:
        pair = self.draw_leased(data)
        endings: dict[CaptureState, Callable[[ManagedOutbox, LeasedCapture], None]] = {
            CaptureState.DELIVERED: lambda outbox, capture: outbox.mark_delivered(capture, ["1"]),
            CaptureState.REFUSED: lambda outbox, capture: outbox.mark_refused(capture, "because"),
            CaptureState.DEAD: lambda outbox, capture: outbox.mark_dead(capture, "because"),
        }
        self.with_lease(pair, endings[how])

    @precondition(lambda self: self.leased)
    @rule(data=st.data(), delay_s=seconds, counts=st.booleans(), maybe_sent=st.booleans())
    def retry_later(self, data: st.DataObject, delay_s: float, *, counts: bool, maybe_sent: bool) -> None:
        self.with_lease(
            self.draw_leased(data),
            lambda outbox, capture: outbox.retry_later(
                capture, delay_s=delay_s, reason="later", counts=counts, maybe_sent=maybe_sent
            ),
        )

    @precondition(lambda self: self.committed)
    @rule(data=st.data(), expected=st.sampled_from(CaptureState), drop=st.booleans())
    def person(self, data: st.DataObject, expected: CaptureState, *, drop: bool) -> None:
        capture_id = capture_id_of(data.draw(st.integers(1, self.committed)))
        entry = self.outboxes[0].entry(capture_id)
        if entry is not None and data.draw(st.booleans()):  # mostly what it is, or nothing would ever happen
            expected = entry.state
        if drop:
            self.same(lambda outbox: outbox.drop(capture_id, expected=expected))
        else:
            self.same(lambda outbox: outbox.put_back(capture_id, expected=expected))

    @rule(data=st.data(), change=st.sampled_from([lost, cut, changed]))
    def spoil(self, data: st.DataObject, change: Change) -> None:
        there = [entry.id for entry in self.outboxes[0].entries() if entry.picture_kept]
        sound = [name for name in there if isinstance(outcome(partial(self.outboxes[0].picture, name)), bytes)]
        if sound:
            capture_id = data.draw(st.sampled_from(sound))
            for rig, outbox in zip(self.rigs, self.outboxes, strict=True):
                rig.spoil(outbox, capture_id, change)

    @rule(repair=st.booleans())
    def verify(self, *, repair: bool) -> None:
        def found(outbox: ManagedOutbox) -> Any:
            report = outbox.verify(repair=repair)
            findings = sorted((f.capture_id or "", f.damage, f.repaired) for f in report.findings)
            return report.checked, findings

        self.same(found)

    @rule()
    def sweep(self) -> None:
        self.same(lambda outbox: outbox.sweep())

    @rule(delta_s=seconds)
    def advance(self, delta_s: float) -> None:
        self.clock.advance(delta_s)

    @invariant()
    def books_agree(self) -> None:
        model, real = ([told(entry) for entry in outbox.entries()] for outbox in self.outboxes)
        assert real == model
        for entry in model:
            self.same(partial(picture_of, entry.id))
        self.same(lambda outbox: (outbox.stats().counts, outbox.stats().kept, outbox.stats().bytes_on_disk))
        self.same(lambda outbox: outbox.tally())
        self.same(lambda outbox: outbox.counts_by_camera())

    @invariant()
    def due_times_agree(self) -> None:
        model, real = (outbox.next_due_s() for outbox in self.outboxes)
        assert real == (None if model is None else pytest.approx(model, abs=1e-3))
        model_s, real_s = (outbox.stats().oldest_pending_age_s for outbox in self.outboxes)
        assert real_s == (None if model_s is None else pytest.approx(model_s, abs=1e-3))

    def draw_leased(self, data: st.DataObject) -> tuple[LeasedCapture, LeasedCapture]:
        return data.draw(st.sampled_from(self.leased))

    def with_lease(
        self,
        pair: tuple[LeasedCapture, LeasedCapture],
        transition: Callable[[ManagedOutbox, LeasedCapture], None],
    ) -> None:
        model, real = (
            outcome(partial(transition, outbox, capture)) for outbox, capture in zip(self.outboxes, pair, strict=True)
        )
        assert real == model

    def teardown(self) -> None:
        for rig in self.rigs:
            rig.close()
        shutil.rmtree(self.place)


@pytest.mark.parametrize("rig_name", [name for name in RIGS if name != "memory"])
def test_an_outbox_behaves_like_the_one_in_memory(rig_name: str) -> None:
    run_state_machine_as_test(
        type(f"ComparisonOf{rig_name.title()}", (Comparison,), {"rig_name": rig_name}),
        settings=settings(
            max_examples=40,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
