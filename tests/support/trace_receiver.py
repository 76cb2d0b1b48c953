"""A collector: a real HTTP server that takes OTLP's ``ExportTraceServiceRequest`` and keeps the spans."""

import gzip
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.sdk.trace import ReadableSpan

from vigia.application.service import LoopService
from vigia.infrastructure.clock import SystemClock

HELD_MAX_S = 60.0


@dataclass(frozen=True)
class Told:
    """One span as a collector sees it."""

    trace_id: str
    span_id: str
    parent_id: str
    """Empty: it has none."""
    name: str
    began_ns: int
    ended_ns: int
    attributes: Mapping[str, Any]
    failed: bool
    kind: int
    life: str
    """``service.instance.id``."""


@dataclass
class Collector:
    """What came. Owner: its thread; the lock guards the lists."""

    port: int = 0
    status: int = 200
    holds: bool = False
    """Answer nobody until ``release`` is set."""
    release: threading.Event = field(default_factory=threading.Event)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    spans: list[Told] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def take(self, headers: Mapping[str, str], body: bytes) -> None:
        plain = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        request = ExportTraceServiceRequest.FromString(plain)
        with self._lock:
            self.bodies.append(plain)
            self.headers.append(dict(headers))
            for resource_spans in request.resource_spans:
                resource = _plain(resource_spans.resource.attributes)
                self.resources.append(resource)
                for scope in resource_spans.scope_spans:
                    self.spans += [_told(span, resource.get("service.instance.id", "")) for span in scope.spans]
        self.arrived.set()

    def traces(self) -> dict[str, list[Told]]:
        """The spans of each trace, in the order in which they began."""
        with self._lock:
            return by_trace(self.spans)


def by_trace(spans: Sequence[Told]) -> dict[str, list[Told]]:
    found: dict[str, list[Told]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: (span.began_ns, span.ended_ns)):
        found[span.trace_id].append(span)
    return found


def told_of(span: ReadableSpan) -> Told:
    """A span of the SDK, as a collector would see it."""
    context, parent = span.context, span.parent
    assert context is not None
    assert span.start_time is not None
    assert span.end_time is not None
    return Told(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_id="" if parent is None else f"{parent.span_id:016x}",
        name=span.name,
        began_ns=span.start_time,
        ended_ns=span.end_time,
        attributes=dict(span.attributes or {}),
        failed=not span.status.is_ok,
        kind=span.kind.value,
        life=str(span.resource.attributes["service.instance.id"]),
    )


def _told(span: Any, life: str) -> Told:
    return Told(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        began_ns=span.start_time_unix_nano,
        ended_ns=span.end_time_unix_nano,
        attributes=_plain(span.attributes),
        failed=span.status.code == 2,
        kind=span.kind,
        life=life,
    )


def _plain(attributes: Sequence[KeyValue]) -> dict[str, Any]:
    return {a.key: getattr(a.value, str(a.value.WhichOneof("value"))) for a in attributes}


@contextmanager
def collecting(*, status: int = 200, holds: bool = False) -> Iterator[Collector]:
    """A collector on a port of its own while the block lasts."""
    collector = Collector(status=status, holds=holds)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if collector.holds:
                collector.arrived.set()
                collector.release.wait(HELD_MAX_S)
                return
            if collector.status == 200:
                collector.take({name.lower(): value for name, value in self.headers.items()}, body)
            else:
                collector.arrived.set()
            self.send_response(collector.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.port, server.timeout = server.server_port, 0.1

        def step() -> float:
            server.handle_request()
            return 0.0

        service = LoopService("collector", step, clock=SystemClock())
        service.start()
        try:
            yield collector
        finally:
            collector.release.set()
            service.request_stop()
            assert service.join(10.0)
            assert service.failure is None
