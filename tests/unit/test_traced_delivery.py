"""The life of a capture as it is told: the real use cases on a clock moved by hand, the SDK's spans in memory."""

import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from outbox_rigs import RIGS, Rig, capture_of
from trace_receiver import Told, by_trace, told_of
from vigia.application.capture_trace import EVERY_SPAN, SPANS, CaptureSpan, SpanName, root_span_id_of
from vigia.application.errors import (
    CaptureRefused,
    DeliveryAmbiguous,
    LookUpDeferred,
    OutboxUnavailable,
    RecognizerUnavailable,
)
from vigia.application.ports import ManagedOutbox
from vigia.application.retry import RetryPolicy
from vigia.application.traced_delivery import REMEMBERED_MAX, CaptureTelling, TracedOutbox, TracedRecognizer
from vigia.application.use_cases.send_to_findface import SendOptions, SendToFindfaceUseCase
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError
from vigia.infrastructure.tracing.otel import OtelTracer, TraceTarget
from vigia.testing.flaky_recognizer import Fault, FlakyRecognizer
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

SECRET_TEXT = "t0ken-of-a-camera"
ENDS = {SpanName.CAPTURE.value, SpanName.AGAIN.value}
Step = Exception | tuple[str, ...]


class SlowRecognizer:
    """Takes 2 s for each call, then does as the script says; without one it takes or finds everything."""

    def __init__(self, clock: SimClock) -> None:
        self.clock = clock
        self.deliveries: deque[Step] = deque()
        self.look_ups: deque[Step] = deque()

    def log_in(self) -> None: ...

    def log_out(self) -> None: ...

    def close(self) -> None: ...

    def deliver(self, capture: LeasedCapture, *, camera_token: str) -> tuple[str, ...]:
        assert (capture.findface_camera_id, camera_token) == (7, SECRET_TEXT)
        return self._do(self.deliveries)

    def find_delivered(self, capture: LeasedCapture) -> tuple[str, ...]:
        assert capture.maybe_sent
        return self._do(self.look_ups)

    def _do(self, script: deque[Step]) -> tuple[str, ...]:
        self.clock.advance(2.0)
        step: Step = script.popleft() if script else ("4711",)
        if isinstance(step, Exception):
            raise step
        return step


class Life:
    """One process's life on an outbox: sender and traces of its own."""

    def __init__(self, outbox: ManagedOutbox, clock: SimClock, *, sample: float = 1.0, failures_max: int = 20) -> None:
        self.clock = clock
        self.exporter = InMemorySpanExporter()
        target = TraceTarget("http://127.0.0.1:1/v1/traces", sample=sample)
        self.tracer = OtelTracer(target, clock=clock, exporter=self.exporter)
        self.recognizer = SlowRecognizer(clock)
        telling = CaptureTelling(self.tracer, clock=clock)
        self.outbox = TracedOutbox(outbox, telling)
        self.sender = SendToFindfaceUseCase(
            self.outbox,
            TracedRecognizer(self.recognizer, telling),
            clock=clock,
            camera_token=lambda _camera: SECRET_TEXT,
            refresh_cameras=lambda _camera: None,
            options=SendOptions(lease_s=60.0, send_max_s=10.0),
            policy=RetryPolicy(failures_max=failures_max),
            rng=Random(3),
        )

    def run(self) -> None:
        """Send until nothing waits."""
        for _ in range(1000):
            if self.outbox.next_due_s() is None:
                return
            self.clock.advance(self.sender.step() or 0.0)
        raise AssertionError("not finished")

    def told(self) -> list[Told]:
        self.tracer.step()
        assert self.tracer.dropped == 0
        return [told_of(span) for span in self.exporter.get_finished_spans()]


@pytest.fixture
def memory(clock: SimClock) -> MemoryOutbox:
    return MemoryOutbox(clock)


@pytest.fixture
def life(memory: MemoryOutbox, clock: SimClock) -> Life:
    return Life(memory, clock)


@pytest.fixture(params=["sqlite", "postgres"])
def lasting(request: pytest.FixtureRequest, tmp_path: Path, clock: SimClock) -> Iterator[Rig]:
    """Outboxes that outlive the process."""
    rig = RIGS[request.param](tmp_path, clock)
    yield rig
    rig.close()


def committed(life: Life, number: int = 1) -> Capture:
    """A capture as the commit thread makes it, its track seen from 8 s before the commit to 3 s before it."""
    now_s = life.clock.utc().timestamp()
    details = {
        "duration_s": 5.0,
        "best_to_last_s": 1.0,
        "events": 41,
        "reason": "silence",
        "shot": "overall",
        "stamps": {"offered": now_s - 1.5, "taken": now_s - 1.0, "encoded": now_s - 0.5},
    }
    at_utc = life.clock.utc() - timedelta(seconds=4)
    capture = replace(capture_of(number), at_utc=at_utc, details=details)
    life.outbox.commit(capture)
    return capture


def only_trace(spans: Sequence[Told]) -> list[Told]:
    (trace,) = by_trace(spans).values()
    check(trace)
    return trace


def check(trace: Sequence[Told]) -> None:
    """What holds of every trace."""
    for span in trace:
        capture_id = CaptureId(str(span.attributes["vigia.capture.id"]))
        root_id = f"{root_span_id_of(capture_id):016x}"
        assert span.trace_id == capture_id
        assert (span.span_id, span.parent_id) == (root_id, "") if span.name == "capture" else span.parent_id == root_id
        assert span.began_ns <= span.ended_ns
        assert set(span.attributes) <= {*EVERY_SPAN, *SPANS[SpanName(span.name)][1]}
        assert set(span.attributes) >= set(EVERY_SPAN)
    assert len({span.span_id for span in trace}) == len(trace)
    assert [span.name for span in trace].count("capture") <= 1


def shape(trace: Sequence[Told]) -> list[tuple[str, float, float]]:
    """Names, and begin and end in seconds after the trace began."""
    zero_ns = min(span.began_ns for span in trace)
    return [(s.name, round((s.began_ns - zero_ns) / 1e9, 3), round((s.ended_ns - zero_ns) / 1e9, 3)) for s in trace]


def named(trace: Sequence[Told], name: str) -> list[Told]:
    return [span for span in trace if span.name == name]


def test_a_capture_that_is_delivered_at_once(life: Life) -> None:
    committed(life)
    life.clock.advance(7.0)
    life.run()

    trace = only_trace(life.told())

    assert shape(trace) == [
        ("track", 0.0, 5.0),
        ("capture", 0.0, 17.0),
        ("choose", 4.0, 6.5),
        ("commit wait", 6.5, 7.0),
        ("encode", 7.0, 7.5),
        ("commit", 8.0, 8.0),
        ("outbox wait", 8.0, 15.0),
        ("deliver", 15.0, 17.0),
    ]
    said = {span.name: {k: v for k, v in span.attributes.items() if k not in EVERY_SPAN} for span in trace}
    assert said == {
        "track": {"vigia.track.id": 1, "vigia.track.events": 41, "vigia.track.end": "silence"},
        "capture": {"vigia.capture.fate": "delivered", "vigia.capture.quality": 0.75, "vigia.delivery.attempt": 1},
        "choose": {"vigia.capture.shot": "overall", "vigia.capture.quality": 0.75},
        "commit wait": {},
        "encode": {"vigia.picture.bytes": 102, "vigia.picture.width": 64, "vigia.picture.height": 48},
        "commit": {"vigia.commit.tries": 1},
        "outbox wait": {"vigia.delivery.attempt": 1},
        "deliver": {"vigia.delivery.attempt": 1, "vigia.result": "delivered", "vigia.http.status_class": "2xx"},
    }
    assert not any(span.failed for span in trace)
    assert {span.attributes["vigia.camera.id"] for span in trace} == {"gate"}


def test_one_that_is_retried_waits_and_is_delivered_again(life: Life) -> None:
    life.recognizer.deliveries += [
        RecognizerUnavailable("503 of %(who)s", who=SECRET_TEXT, status=503),
        DeliveryAmbiguous("no answer"),
    ]
    life.recognizer.look_ups += [LookUpDeferred("later", retry_after_s=3.0), ()]
    committed(life)
    life.run()

    trace = only_trace(life.told())

    asked = [span for span in trace if span.name in {"deliver", "look up"}]
    assert [(s.name, s.attributes["vigia.result"], s.failed, s.attributes.get("error.type")) for s in asked] == [
        ("deliver", "failed", True, "RecognizerUnavailable"),
        ("deliver", "unknown", True, "DeliveryAmbiguous"),
        ("look up", "deferred", False, "LookUpDeferred"),
        ("look up", "absent", False, None),
        ("deliver", "delivered", False, None),
    ]
    assert [s.attributes.get("vigia.http.status_class") for s in asked] == ["5xx", None, None, None, "2xx"]
    waits = named(trace, "outbox wait")
    ends = [span.ended_ns for span in asked[:3]]
    assert [wait.began_ns for wait in waits[1:]] == pytest.approx(ends, abs=1000)
    assert [wait.ended_ns for wait in waits] == [asked[n].began_ns for n in (0, 1, 2, 3)]
    (root,) = named(trace, "capture")
    assert root.ended_ns == pytest.approx(asked[-1].ended_ns, abs=1000)
    assert not root.failed
    assert SECRET_TEXT not in repr(trace)


def test_one_that_an_earlier_attempt_had_brought(life: Life) -> None:
    life.recognizer.deliveries.append(DeliveryAmbiguous("no answer"))
    committed(life)
    life.run()

    trace = only_trace(life.told())

    assert [s.attributes["vigia.result"] for s in trace if s.name in {"deliver", "look up"}] == ["unknown", "found"]
    assert named(trace, "capture")[0].attributes["vigia.capture.fate"] == "delivered"


def test_one_that_is_refused(life: Life) -> None:
    life.recognizer.deliveries.append(CaptureRefused("no_face", "no face: %(detail)s", detail="x", status=400))
    committed(life)
    life.run()

    trace = only_trace(life.told())

    (attempt,), (root,) = named(trace, "deliver"), named(trace, "capture")
    assert (attempt.failed, root.failed) == (True, True)
    assert root.attributes["vigia.capture.fate"] == "refused"
    assert attempt.attributes["vigia.result"] == "refused"
    assert attempt.attributes["vigia.refusal.reason"] == "no_face"
    assert attempt.attributes["vigia.http.status_class"] == "4xx"


def test_one_that_is_given_up_put_back_and_delivered(memory: MemoryOutbox, clock: SimClock) -> None:
    life = Life(memory, clock, failures_max=1)
    failures = [RecognizerUnavailable("500", status=500) for _ in range(3)]
    life.recognizer.deliveries += failures
    capture = committed(life)
    life.run()
    if memory.entries()[0].state is not CaptureState.DEAD:
        raise AssertionError(memory.entries())
    clock.advance(3600.0)
    memory.put_back(capture.id, expected=CaptureState.DEAD)
    life.recognizer.deliveries.clear()
    life.run()

    trace = only_trace(life.told())

    (root,), (again,) = named(trace, "capture"), named(trace, "again")
    assert (root.attributes["vigia.capture.fate"], root.failed) == ("dead", True)
    assert (again.attributes["vigia.capture.fate"], again.failed) == ("delivered", False)
    assert again.began_ns > root.ended_ns
    asked = [span for span in trace if span.name in {"deliver", "look up"}]
    assert asked[-1].began_ns == again.began_ns


def test_one_that_another_process_delivers(lasting: Rig, clock: SimClock) -> None:
    """The second life knows the capture only from the outbox."""
    outbox = lasting.open()
    first = Life(outbox, clock)
    first.recognizer.deliveries += [RecognizerUnavailable("500", status=500)]
    capture = committed(first)
    first.sender.step()
    told = first.told()
    assert {span.name for span in told} >= {"track", "commit", "deliver"}
    assert not ENDS & {span.name for span in told}
    outbox.close()
    clock.advance(3600.0)
    second = Life(lasting.open(), clock)
    second.run()

    trace = only_trace(told + second.told())

    assert trace[0].trace_id == capture.id
    assert {span.life for span in trace} == {told[0].life, second.told()[0].life}
    assert len({span.life for span in trace}) == 2
    (root,) = named(trace, "capture")
    assert root.life != told[0].life
    assert root.began_ns == named(trace, "track")[0].began_ns
    assert len(named(trace, "outbox wait")) == 1, "when the second wait began, the second process cannot know"
    assert [s.attributes["vigia.result"] for s in named(trace, "deliver")] == ["failed", "delivered"]


def test_one_that_nobody_had_tried_is_waited_for_since_its_commit(lasting: Rig, clock: SimClock) -> None:
    outbox = lasting.open()
    first = Life(outbox, clock)
    committed(first)
    outbox.close()
    clock.advance(600.0)
    second = Life(lasting.open(), clock)
    second.run()

    trace = only_trace(first.told() + second.told())

    (wait,) = named(trace, "outbox wait")
    assert wait.life == second.told()[0].life
    assert wait.ended_ns - wait.began_ns == pytest.approx(600e9, abs=1e6)


def test_a_disk_that_did_not_take_it_at_first_is_one_span(life: Life, memory: MemoryOutbox) -> None:
    capture = replace(capture_of(1), details={})
    full = OutboxUnavailable("full")
    outcomes: deque[Exception | None] = deque([full, full, None])

    class FullAtFirst(MemoryOutbox):
        def commit(self, capture: Capture) -> None:
            if (outcome := outcomes.popleft()) is not None:
                raise outcome
            super().commit(capture)

    outbox = TracedOutbox(FullAtFirst(life.clock), CaptureTelling(life.tracer, clock=life.clock))
    for _ in range(2):
        with pytest.raises(OutboxUnavailable):
            outbox.commit(capture)
        life.clock.advance(5.0)
    outbox.commit(capture)

    trace = only_trace(life.told())

    assert {span.name for span in trace} == {"track", "commit"}, "without stamps no more is known"
    (commit,) = named(trace, "commit")
    assert commit.attributes["vigia.commit.tries"] == 3
    assert commit.ended_ns - commit.began_ns == pytest.approx(10e9, abs=1000)


def test_a_commit_that_was_reported_as_failed_and_holds_is_told(life: Life) -> None:
    class Doubtful(MemoryOutbox):
        """Stores, and says that it did not."""

        def commit(self, capture: Capture) -> None:
            super().commit(capture)
            raise OutboxUnavailable("no answer")

    outbox = TracedOutbox(Doubtful(life.clock), CaptureTelling(life.tracer, clock=life.clock))
    with pytest.raises(OutboxUnavailable):
        outbox.commit(capture_of(1))
    assert life.told() == []
    with pytest.raises(TransitionError):
        outbox.commit(capture_of(1))
    assert {span.name for span in only_trace(life.told())} == {"track", "commit"}

    with pytest.raises(TransitionError):  # asked again though it was answered: told once
        outbox.commit(capture_of(1))
    assert len(life.told()) == 2


def test_what_is_not_sampled_is_not_told(memory: MemoryOutbox, clock: SimClock) -> None:
    life = Life(memory, clock, sample=0.5)
    life.outbox.commit(capture_of(1))
    life.outbox.commit(replace(capture_of(2), id=CaptureId(f"{1 << 55:032x}")))  # half of what 56 bits hold
    life.run()

    assert {span.trace_id for span in life.told()} == {f"{1:032x}"}
    assert memory.stats().counts[CaptureState.DELIVERED] == 2


def test_a_lost_lease_ends_nothing(life: Life, memory: MemoryOutbox, clock: SimClock) -> None:
    committed(life)
    (stale,) = life.outbox.lease(limit=1, duration_s=1.0)
    clock.advance(2.0)
    life.run()
    with pytest.raises(Exception, match="not leased"):
        life.outbox.mark_dead(stale, "too late")

    assert len(named(only_trace(life.told()), "capture")) == 1


def test_a_defect_in_telling_costs_no_capture(
    memory: MemoryOutbox, clock: SimClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def wants(self, capture_id: CaptureId, /) -> bool:
            return bool(capture_id)

        def tell(self, span: CaptureSpan, /) -> None:
            raise RuntimeError(f"{span.name} is broken")

    telling = CaptureTelling(Broken(), clock=clock)
    outbox, recognizer = TracedOutbox(memory, telling), TracedRecognizer(SlowRecognizer(clock), telling)
    with caplog.at_level(logging.ERROR):
        outbox.commit(capture_of(1))
        (leased,) = outbox.lease(limit=1, duration_s=60.0)
        assert recognizer.deliver(leased, camera_token=SECRET_TEXT) == ("4711",)
        outbox.mark_delivered(leased, ("4711",))
    assert memory.stats().counts[CaptureState.DELIVERED] == 1
    assert caplog.text


def test_what_is_remembered_is_bounded(life: Life, memory: MemoryOutbox, clock: SimClock) -> None:
    telling = CaptureTelling(life.tracer, clock=clock)
    leased = LeasedCapture(CaptureId(""), capture_of(1).camera_id, 7, clock.utc(), (0, 0, 1, 1), b"", "lease", 1)
    for number in range(2 * REMEMBERED_MAX):
        capture_id = CaptureId(f"{number:032x}")
        first, tries = telling.began_commit(capture_id)
        telling.failed_commit(capture_id, first, tries)
        list(telling.asked(replace(leased, id=capture_id), first))
        telling.returned(capture_id)
        list(telling.asked(replace(leased, id=capture_id), first))
    kept = (telling._tries, telling._returned_s, telling._asked_s)
    assert max(len(entries) for entries in kept) <= REMEMBERED_MAX


def test_it_passes_everything_on(life: Life, memory: MemoryOutbox) -> None:
    life.outbox.commit(capture_of(1))
    assert life.outbox.stats() == memory.stats()
    assert life.outbox.next_due_s() == 0.0
    recognizer = TracedRecognizer(life.recognizer, CaptureTelling(life.tracer, clock=life.clock))
    recognizer.log_in()
    recognizer.log_out()
    recognizer.close()
    life.outbox.close()


@pytest.mark.parametrize("seed", range(6))
def test_with_traces_everything_ends_as_without(seed: int) -> None:
    """The same faults by chance: the same attempts at the same times, the same ends; and each end is told once."""
    told: list[Told] = []

    def outcome(*, traced: bool) -> tuple[object, ...]:
        clock = SimClock()
        memory, flaky = MemoryOutbox(clock), FlakyRecognizer(rates=dict.fromkeys(Fault, 0.06), seed=seed)
        exporter = InMemorySpanExporter()
        tracer = OtelTracer(TraceTarget("http://127.0.0.1:1/v1/traces"), clock=clock, exporter=exporter)
        telling = CaptureTelling(tracer, clock=clock)
        outbox = TracedOutbox(memory, telling) if traced else memory
        sender = SendToFindfaceUseCase(
            outbox,
            TracedRecognizer(flaky, telling) if traced else flaky,
            clock=clock,
            camera_token=lambda _camera: "token",
            refresh_cameras=lambda _camera: None,
            policy=RetryPolicy(failures_max=3),
            rng=Random(seed),
        )
        for number in range(1, 31):
            outbox.commit(capture_of(number))
        while outbox.next_due_s() is not None:
            clock.advance(sender.step() or 0.0)
        while tracer.step() == 0.0:
            pass
        told.extend(told_of(span) for span in exporter.get_finished_spans())
        ends = [(entry.id, entry.state, entry.attempts, entry.reason, entry.event_ids) for entry in memory.entries()]
        return ends, flaky.arrivals, flaky.deliveries, flaky.look_ups, clock.mono_s(), sender.stats

    plain = outcome(traced=False)
    assert told == []
    traced = outcome(traced=True)
    assert traced == plain
    states = {str(capture_id): state.value for capture_id, state, *_ in cast("list[Any]", plain[0])}
    roots = [span for span in told if span.name == "capture"]
    assert sorted((span.trace_id, span.attributes["vigia.capture.fate"]) for span in roots) == sorted(states.items())
    asked = Counter(span.name for span in told)
    assert (asked["deliver"], asked["look up"]) == plain[2:4]
    for trace in by_trace(told).values():
        check(trace)
