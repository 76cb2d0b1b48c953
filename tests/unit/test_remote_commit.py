"""Committing across processes: committed means on disk, and a lost answer neither loses nor doubles a capture."""

from typing import Any

import pytest

from making import event_maker
from vigia.application.errors import OutboxUnavailable, PermanentError
from vigia.application.messages import CommitAnswer, CommitCapture, Outcome
from vigia.application.remote_commit import CaptureDesk, RemoteStore
from vigia.application.use_cases.commit_captures import CaptureRequest, CommitCapturesUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import Capture, CaptureId
from vigia.domain.errors import TransitionError
from vigia.domain.frame import Picture
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock
from worker_fakes import MemoryChannel

GATE = Camera(CameraId("gate"), "Gate", "rtsp://gate", findface_id=1)


class TinyJpeg:
    def encode_jpeg(self, picture: Picture, *, quality: int, **_part: object) -> bytes:
        return f"{picture.width} {quality}".encode()


class WorkerEnd(MemoryChannel):
    """Its parent serves whenever the worker waits for an answer, unless it is ``away``."""

    def __init__(self, rig: "Rig") -> None:
        super().__init__(rig.clock)
        self._rig = rig

    def send(self, message: object, *, timeout_s: float) -> None:
        super().send(message, timeout_s=timeout_s)
        self._rig.parent_end.arrived.append(message)

    def receive(self, timeout_s: float) -> Any:
        if not self.arrived and not self._rig.away:
            self._rig.serve()
        return super().receive(timeout_s)


class Rig:
    """A worker's commit thread and its parent's outbox, in one thread."""

    def __init__(self) -> None:
        self.clock = SimClock()
        self.outbox = MemoryOutbox(self.clock)
        self.away = False
        self.parent_end = MemoryChannel(self.clock)
        self.worker_end = WorkerEnd(self)
        self.told: list[CaptureId] = []
        self.desk = CaptureDesk(self.parent_end, self.outbox, on_committed=lambda capture: self.told.append(capture.id))
        self.store = RemoteStore(self.worker_end, clock=self.clock, timeout_s=10.0)
        self.committed: list[CaptureId] = []
        self.failed: list[CaptureRequest] = []
        self.commit = CommitCapturesUseCase(
            self.store,
            TinyJpeg(),
            clock=self.clock,
            on_committed=lambda capture_id, _: self.committed.append(capture_id),
            on_failed=lambda request, _: self.failed.append(request),
        )
        self._make = event_maker()

    def serve(self) -> None:
        while self.parent_end.arrived:
            self.desk.step()
            self.worker_end.arrived.extend(self.parent_end.sent)
            self.parent_end.sent.clear()

    def request(self) -> CaptureRequest:
        return CaptureRequest(event=self._make(), camera=GATE, track_id=1, reason="silence")

    def steps(self, count: int = 5) -> None:
        for _ in range(count):
            self.clock.advance(self.commit.step() or 0.0)

    @property
    def stored(self) -> list[CaptureId]:
        return [entry.id for entry in self.outbox.entries()]


def a_capture(rig: Rig) -> Capture:
    return rig.commit._encode(rig.request())


def test_committed_means_that_the_parents_outbox_has_it() -> None:
    rig = Rig()
    rig.commit.offer(rig.request())
    rig.steps(1)
    assert rig.committed == rig.told == rig.stored != []
    assert rig.store.in_doubt is None


def test_without_an_answer_in_time_it_is_kept_and_sent_once_only() -> None:
    rig = Rig()
    rig.away = True
    rig.commit.offer(rig.request())
    rig.steps(4)
    assert (rig.committed, rig.commit.pending) == ([], 1)
    assert len(rig.worker_end.sent) == 1, "what the parent has not read is not sent again"
    rig.away = False
    rig.steps(2)
    assert rig.committed == rig.stored
    assert len(rig.stored) == 1


def test_an_answer_that_was_lost_on_the_way_does_not_double_the_capture() -> None:
    rig = Rig()
    rig.away = True
    rig.commit.offer(rig.request())
    rig.steps(1)
    rig.desk.step()  # it is on disk, and nobody hears of it
    rig.parent_end.sent.clear()
    rig.store._under_way = None  # as after a new connection
    rig.away = False
    rig.steps(3)
    assert len(rig.stored) == len(rig.told) == 1
    assert rig.committed == rig.stored
    assert rig.failed == []


def test_what_is_given_up_at_the_end_is_in_doubt_and_its_late_answer_belongs_to_nobody_else() -> None:
    rig = Rig()
    rig.away = True
    first, second = a_capture(rig), a_capture(rig)
    with pytest.raises(OutboxUnavailable, match="does not answer"):
        rig.store.commit(first)
    assert rig.store.in_doubt == first.id
    rig.away = False
    rig.store.commit(second)
    assert rig.stored == [first.id, second.id]
    assert rig.store.in_doubt is None


def test_a_full_outbox_is_told_with_its_own_words() -> None:
    rig = Rig()
    rig.outbox.fault = OutboxUnavailable("the disk is full: %(free)d MB", free=3)
    with pytest.raises(OutboxUnavailable, match="the disk is full: 3 MB") as refused:
        rig.store.commit(a_capture(rig))
    assert refused.value.template == "the disk is full: %(free)d MB", "it can still be translated"
    rig.outbox.fault = None
    rig.commit.offer(rig.request())
    rig.steps(2)
    assert len(rig.stored) == 1


def test_the_same_id_twice_is_an_error() -> None:
    rig = Rig()
    capture = a_capture(rig)
    rig.store.commit(capture)
    with pytest.raises(TransitionError):
        rig.store.commit(capture)


def test_an_outbox_that_breaks_costs_one_capture_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()

    class Broken(MemoryOutbox):
        def commit(self, capture: Capture) -> None:
            raise ZeroDivisionError(capture.id)

    rig.desk = CaptureDesk(rig.parent_end, Broken(rig.clock), on_committed=lambda _: None)
    with pytest.raises(PermanentError, match="ZeroDivisionError"):
        rig.store.commit(a_capture(rig))
    assert "cannot be stored" in caplog.text


@pytest.mark.parametrize("gone", [True, False])
def test_a_parent_that_is_gone_or_does_not_read_keeps_the_capture_waiting(gone: bool) -> None:
    rig = Rig()
    rig.worker_end.closed, rig.worker_end.full = gone, not gone
    with pytest.raises(OutboxUnavailable):
        rig.store.commit(a_capture(rig))
    assert rig.store.in_doubt is None, "it was never handed over"


def test_the_desk_ends_with_its_worker_after_serving_all_it_had_sent() -> None:
    rig = Rig()
    captures = [a_capture(rig) for _ in range(2)]
    rig.parent_end.arrived.extend(["noise", *(CommitCapture(capture) for capture in captures)])
    rig.parent_end.closed = True
    assert [rig.desk.step() for _ in range(4)] == [0.0, 0.0, 0.0, None]
    assert rig.stored == [capture.id for capture in captures]


def test_answers_carry_only_what_any_process_can_read() -> None:
    rig = Rig()
    rig.outbox.fault = OutboxUnavailable("%(path)s: %(count)d", path=rig, count=2)
    rig.parent_end.arrived.append(CommitCapture(a_capture(rig)))
    rig.desk.step()
    answer = rig.parent_end.sent[0]
    assert isinstance(answer, CommitAnswer)
    assert answer.outcome is Outcome.UNAVAILABLE
    assert answer.facts == {"path": str(rig), "count": 2}
