"""The queue, the batches and the collector: what is dropped, what is told, how it ends, what is sent and what not."""

import logging
import os
import re
import socket
import sys
import threading
from collections import deque
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from pydantic import SecretStr

from trace_receiver import collecting
from vigia.application.capture_trace import CaptureSpan, SpanName
from vigia.application.errors import ConfigurationError
from vigia.application.ports import Clock
from vigia.bootstrap.crews import without_secrets
from vigia.bootstrap.traces import FLUSH_MAX_S, FLUSH_MIN_S, run_traces
from vigia.domain.capture import CaptureId
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.tracing import otel
from vigia.infrastructure.tracing.otel import BATCH_MAX, QUEUE_MAX, OtelTracer, TraceTarget
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

TARGET = TraceTarget("http://127.0.0.1:1/v1/traces")
PLANTED = "Bearer pl4nted-h3ader"


class ScriptedExporter(SpanExporter):
    """Takes batches, or not, as the script says. ``gate``: waits there when given."""

    def __init__(self, *outcomes: bool | Exception) -> None:
        self.outcomes = deque(outcomes)
        self.batches: list[list[ReadableSpan]] = []
        self.gate: threading.Event | None = None
        self.entered = threading.Event()
        self.shut_down = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.entered.set()
        if self.gate is not None:
            self.gate.wait(30.0)
        outcome = self.outcomes.popleft() if self.outcomes else True
        if isinstance(outcome, Exception):
            raise outcome
        if outcome:
            self.batches.append(list(spans))
        return SpanExportResult.SUCCESS if outcome else SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.shut_down.set()


def span_of(number: int = 1, **changes: object) -> CaptureSpan:
    given: dict[str, object] = {"began_s": 100.0 + number, "ended_s": 101.0 + number, **changes}
    return CaptureSpan(CaptureId(f"{number:032x}"), SpanName.DELIVER, **given)  # type: ignore[arg-type]


def tracer_of(exporter: SpanExporter, clock: Clock | None = None) -> OtelTracer:
    return OtelTracer(TARGET, clock=clock if clock is not None else SimClock(), exporter=exporter)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_what_finds_no_room_is_dropped_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    exporter = ScriptedExporter()
    tracer = tracer_of(exporter)
    for number in range(1, QUEUE_MAX + 11):
        tracer.tell(span_of(number))
    assert tracer.dropped == 10
    while tracer.step() == 0.0:
        pass
    assert [len(batch) for batch in exporter.batches] == [BATCH_MAX] * (QUEUE_MAX // BATCH_MAX)
    assert tracer.exported == QUEUE_MAX
    tracer.step()
    assert len([text for text in warnings_of(caplog) if "More traces than" in text]) == 1
    tracer.stop(timeout_s=1.0)
    assert "10 spans of this run's traces were lost" in warnings_of(caplog)


def test_a_collector_that_is_away_is_told_once_and_its_return_too(caplog: pytest.LogCaptureFixture) -> None:
    exporter = ScriptedExporter(False, RuntimeError("defect"), False, True, True)
    tracer = tracer_of(exporter)
    for number in range(1, 6):
        tracer.tell(span_of(number))
        tracer.step()
    assert (tracer.dropped, tracer.exported) == (3, 2)
    assert [len(batch) for batch in exporter.batches] == [1, 1]
    away, back = warnings_of(caplog)
    assert away.startswith("The trace collector at http://127.0.0.1:1/v1/traces takes no traces (?)")
    assert back == "The trace collector takes traces again; 3 spans were lost"


def test_a_span_that_cannot_be_made_costs_its_batch_only() -> None:
    exporter = ScriptedExporter()
    tracer = tracer_of(exporter)
    tracer.tell(span_of(1))
    tracer.tell(span_of(2, began_s=float("nan")))
    tracer.step()
    tracer.tell(span_of(3))
    tracer.step()
    ((good,),) = exporter.batches
    assert good.start_time == 103 * 10**9
    assert (tracer.dropped, tracer.exported) == (2, 1)


def test_odd_values_are_made_storable() -> None:
    with collecting() as collector:
        tracer = OtelTracer(TraceTarget(collector.endpoint), clock=SystemClock())
        for number, (began_s, text) in enumerate([(-5.0, "\ud800"), (1e300, "x" * 10_000), (0.0, "\0")], start=1):
            tracer.tell(span_of(number, began_s=began_s, ended_s=began_s, attributes={"vigia.result": text}))
        tracer.step()
        assert tracer.dropped == 0
        assert len(collector.spans) == 3
        assert max(len(span.attributes["vigia.result"]) for span in collector.spans) == otel.TEXT_MAX


def test_tell_never_waits_for_an_export() -> None:
    exporter, clock = ScriptedExporter(), SystemClock()
    exporter.gate = threading.Event()
    tracer = tracer_of(exporter, clock)
    tracer.tell(span_of())
    tracer.service.start()
    assert exporter.entered.wait(10.0)
    for number in range(2, QUEUE_MAX + 1000):
        tracer.tell(span_of(number))
    assert not exporter.batches
    exporter.gate.set()
    tracer.stop(timeout_s=10.0)
    assert tracer.exported + tracer.dropped == QUEUE_MAX + 999


def test_the_stop_sends_what_waits() -> None:
    exporter = ScriptedExporter()
    tracer = tracer_of(exporter, SystemClock())
    tracer.service.start()
    for number in range(1, 2 * BATCH_MAX + 2):
        tracer.tell(span_of(number))
    tracer.stop(timeout_s=10.0)
    assert sum(len(batch) for batch in exporter.batches) == 2 * BATCH_MAX + 1
    assert exporter.shut_down.is_set()
    assert not tracer.service.is_alive


def test_the_stop_waits_for_a_hanging_collector_only_so_long(caplog: pytest.LogCaptureFixture) -> None:
    exporter, clock = ScriptedExporter(), SystemClock()
    exporter.gate = threading.Event()
    tracer = tracer_of(exporter, clock)
    tracer.tell(span_of(1))
    tracer.service.start()
    assert exporter.entered.wait(10.0)
    tracer.tell(span_of(2))
    began_s = clock.mono_s()
    tracer.stop(timeout_s=0.3)
    assert clock.mono_s() - began_s < 1.0
    assert exporter.shut_down.is_set(), "which cuts short what the exporter waits for"
    assert "1 spans of this run's traces were lost" in warnings_of(caplog)
    exporter.gate.set()
    assert tracer.service.join(10.0)


@pytest.mark.parametrize("status", [302, 401, 404, 503])
def test_an_answer_that_is_none_is_told_with_its_status(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with collecting(status=status) as collector:
        tracer = OtelTracer(TraceTarget(collector.endpoint), clock=SystemClock())
        tracer.service.start()
        tracer.tell(span_of())
        tracer.service.wake()
        assert collector.arrived.wait(10.0)
        tracer.stop(timeout_s=0.2 if status == 503 else 5.0)  # 503 is tried again, until the stop
        assert tracer.service.join(10.0)
    assert tracer.exported == 0
    assert tracer.dropped >= 1
    if status != 302:
        assert any(f"HTTP {status}" in text for text in warnings_of(caplog))


def test_a_collector_that_is_not_there_is_told_with_the_errors_class(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(otel, "EXPORT_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    tracer = OtelTracer(TraceTarget(f"http://127.0.0.1:{port}/v1/traces"), clock=SystemClock())
    tracer.tell(span_of())
    tracer.step()
    assert (tracer.exported, tracer.dropped) == (0, 1)
    assert "takes no traces (ConnectionError)" in warnings_of(caplog)[0]


def test_nothing_of_the_environment_changes_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/other",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-foreign=1,authorization=foreign",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-foreign=1",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": "/nowhere.pem",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "nonsense",
        "OTEL_SERVICE_NAME": "foreign",
        "OTEL_RESOURCE_ATTRIBUTES": "foreign=1",
        "OTEL_TRACES_SAMPLER": "always_off",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with collecting() as collector:
        target = TraceTarget(
            collector.endpoint, headers={"Authorization": PLANTED}, service_name="gate house", version="9.9"
        )
        tracer = OtelTracer(target, clock=SystemClock())
        tracer.tell(span_of(attributes={"vigia.result": "delivered"}))
        tracer.step()
        assert tracer.dropped == 0
        (headers,), (resource,), (span,) = collector.headers, collector.resources, collector.spans
        assert headers["authorization"] == PLANTED
        assert headers["content-encoding"] == "gzip"
        assert headers["content-type"] == "application/x-protobuf"
        assert "x-foreign" not in headers
        assert resource["service.name"] == "gate house"
        assert set(resource) == {
            "service.name", "service.version", "service.instance.id", "telemetry.sdk.language", "telemetry.sdk.name",
        }  # fmt: skip
        assert span.attributes == {"vigia.result": "delivered"}
        assert PLANTED.encode() not in collector.bodies[0]
        assert PLANTED not in repr(tracer) + repr(target)


def tracing(**tracing: object) -> Settings:
    return load_settings(
        env_file=None, environ={}, overrides={f"tracing.{key}": str(value) for key, value in tracing.items()}
    )


def test_off_nothing_is_wired(clock: SimClock) -> None:
    traces, outbox = run_traces(tracing(), clock=clock), MemoryOutbox(clock)
    assert traces.outbox(outbox) is outbox
    traces.start()
    traces.stop(deadline_mono_s=0.0)


def test_opentelemetrys_own_switch_is_obeyed_and_told(
    clock: SimClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "True")
    outbox = MemoryOutbox(clock)
    assert run_traces(tracing(enabled="true"), clock=clock).outbox(outbox) is outbox
    assert warnings_of(caplog) == ["No traces are sent: OTEL_SDK_DISABLED is set"]


def test_without_the_extra_it_says_what_to_install(clock: SimClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "vigia.infrastructure.tracing.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    with pytest.raises(ConfigurationError, match=re.escape("install vigia[otel]")):
        run_traces(tracing(enabled="true"), clock=clock)


@pytest.mark.parametrize(
    ("left_s", "bound_s"), [(9.0, FLUSH_MAX_S), (1.0, 1.0), (-3.0, FLUSH_MIN_S), (float("-inf"), FLUSH_MIN_S)]
)
def test_the_last_flush_has_what_is_left_of_the_stop(clock: SimClock, left_s: float, bound_s: float) -> None:
    class Clocked:
        def __init__(self) -> None:
            self.given_s: list[float] = []

        def stop(self, *, timeout_s: float) -> None:
            self.given_s.append(timeout_s)

    traces = run_traces(tracing(enabled="true"), clock=clock)
    traces._tracer = clocked = Clocked()  # type: ignore[assignment]
    traces.stop(deadline_mono_s=clock.mono_s() + left_s)
    assert clocked.given_s == [pytest.approx(bound_s)]


@pytest.mark.parametrize(
    ("endpoint", "becomes"),
    [
        ("http://c:4318", "http://c:4318/v1/traces"),
        (" https://c.example/ ", "https://c.example/v1/traces"),
        ("https://c.example/otlp/v1/traces", "https://c.example/otlp/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_an_endpoint_gets_its_path(endpoint: str, becomes: str) -> None:
    assert tracing(endpoint=endpoint).tracing.endpoint == becomes


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("endpoint", "grpc://c:4317", "must begin with http:// or https://"),
        ("endpoint", "http://", "has no usable host and port"),
        ("endpoint", "http://c:port", "has no usable host and port"),
        ("endpoint", "http://u:s3cr3t@c/", "must not hold a user name or password; use tracing.headers"),
        ("endpoint", "http://c/?token=s3cr3t", "must not hold a query"),
        ("headers", "s3cr3t", "must be NAME=VALUE"),
        ("headers", "a b=s3cr3t", "must be NAME=VALUE"),
        ("headers", "a=s3cr3t\nb", "must be NAME=VALUE"),
        ("headers", "a=s3cr3té", "must be NAME=VALUE"),
        ("sample", "1.5", "1"),
        ("sample", "-1", "0"),
        ("service_name", "", "service_name"),
    ],
)
def test_mistakes_are_told_with_their_key_and_never_with_a_secret(key: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        tracing(**{key: value})
    text = str(caught.value)
    assert f"tracing.{key}" in text
    assert told in text
    assert "s3cr3t" not in text


def test_headers_are_secrets() -> None:
    settings = tracing(headers=f"Authorization={PLANTED}, X-Scope = vigia=1 ")
    assert settings.tracing.header_fields == {"authorization": PLANTED, "x-scope": "vigia=1"}
    assert set(settings.tracing.secrets) == {PLANTED, PLANTED.partition(" ")[2]}
    assert PLANTED not in repr(settings) + repr(settings.redacted_dump())
    worker = without_secrets(settings)
    assert worker.tracing.headers is None
    assert worker.tracing.enabled == settings.tracing.enabled
    assert isinstance(settings.tracing.headers, SecretStr)


def test_a_worker_process_loads_none_of_it() -> None:
    """Its captures bring their times along; it has no collector to talk to and no secrets."""
    code = "import sys, vigia.bootstrap.worker_main; sys.exit('opentelemetry.sdk' in sys.modules)"
    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0  # noqa: S606 - our own program
