"""Traces over OTLP/HTTP, with OpenTelemetry's SDK and exporter.

Whoever tells a span puts it into a bounded queue and goes on. One thread makes the SDK's spans of them, with the ids
that follow from the capture (see ``application/capture_trace.py``), and posts them in batches; it alone waits for the
collector, within time-outs. What finds no room, or is not taken, is dropped and counted, and told once.

The SDK's ``BatchSpanProcessor`` is not used: it makes its spans and ids where they are told, starts a thread of its
own, and says nothing of how many it dropped. Nor do variables ``OTEL_…`` of the environment, proxies or ``.netrc``
count here: all that they could change is given explicitly, and what the exporter would add is taken away again.
"""

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import requests
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from vigia.application.capture_trace import (
    CaptureSpan,
    SpanName,
    SpanValue,
    is_sampled,
    root_span_id_of,
    trace_id_of,
)
from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.domain.capture import CaptureId
from vigia.infrastructure.logging import get_logger

logger = get_logger("vigia.traces")
# What the libraries say of a collector is told here, once; after the logger's end nobody shall hear it on the screen.
logging.getLogger("opentelemetry").addHandler(logging.NullHandler())

QUEUE_MAX = 4096
"""Spans that may wait; a capture has about eight."""
BATCH_MAX = 512
EXPORT_EVERY_S = 1.0
EXPORT_TIMEOUT_S = 5.0
"""For one batch, repetitions included."""
LEFT_S = 0.1
"""For the thread to end once its request was given up."""
TEXT_MAX = 256
"""Characters of a text in a span."""
NS = 1_000_000_000
YEARS_MAX_S = 9e9
"""The year 2255."""
_SAMPLED = TraceFlags(TraceFlags.SAMPLED | 0x02)  # and random: see capture_trace.RANDOM_BITS
_OUTWARD = frozenset({SpanName.DELIVER, SpanName.LOOK_UP})
_KEPT_HEADERS = frozenset(
    {"accept", "accept-encoding", "connection", "content-encoding", "content-length", "content-type", "user-agent"}
)
"""Of what the exporter and the HTTP library send by themselves."""


@dataclass(frozen=True, slots=True)
class TraceTarget:
    """Where traces go, and which."""

    endpoint: str
    """Full URL, without credentials."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: str | None = None
    """Certificates (PEM) that the collector's is checked against; None = those that come with the library."""
    sample: float = 1.0
    """Share of captures, in [0, 1]."""
    service_name: str = "vigia"
    version: str = ""


class OtelTracer:
    """The ``CaptureTracer`` port over OTLP/HTTP.

    Owner: any thread tells; the queue's lock guards queue and counts; all else is the thread's of ``service``.
    Bounds: QUEUE_MAX spans wait, BATCH_MAX are in hand; further ones are dropped and counted.
    Stops when: ``stop`` is called; what waits is sent before, as long as the time allows and the collector answers.

    Args:
        target: where to, and which.
        clock: times the last flush.
        exporter: sends a batch; made from ``target`` when not given.
    """

    def __init__(self, target: TraceTarget, *, clock: Clock, exporter: SpanExporter | None = None) -> None:
        self._target = target
        self._clock = clock
        self._session = CollectorSession(target.headers, ca_file=target.ca_file)
        self._exporter = exporter if exporter is not None else _exporter(target, self._session)
        self._ids = _CaptureIds()
        self._made = _Made()
        self._tracer = _provider(target, self._ids, self._made).get_tracer("vigia", target.version)
        self._lock = threading.Lock()  # guards the next four
        self._queue: deque[CaptureSpan] = deque()
        self._no_room = 0
        self._not_taken = 0
        self._exported = 0
        self._told_full = False
        self._failing = False
        self._lost_before_failing = 0
        self._flush_by_mono_s = 0.0  # set before the stop is asked for
        self.service = LoopService("traces", self.step, clock=clock, on_stop=self._flush)

    def __repr__(self) -> str:
        return f"<OtelTracer to {self._target.endpoint}: {self.exported} spans sent, {self.dropped} dropped>"

    @property
    def exported(self) -> int:
        """Spans that the collector took. Any thread."""
        with self._lock:
            return self._exported

    @property
    def dropped(self) -> int:
        """Spans that found no room or were not taken. Any thread."""
        with self._lock:
            return self._no_room + self._not_taken

    def wants(self, capture_id: CaptureId, /) -> bool:
        """See the port."""
        return is_sampled(capture_id, self._target.sample)

    def tell(self, span: CaptureSpan, /) -> None:
        """See the port."""
        with self._lock:
            waiting = len(self._queue)
            if waiting >= QUEUE_MAX:
                self._no_room += 1
                return
            self._queue.append(span)
        if waiting + 1 == BATCH_MAX:
            self.service.wake()

    def step(self) -> float:
        """Send one batch; return seconds until the next call makes sense."""
        batch = self._take()
        if batch:
            self._send(batch)
        self._tell_full()
        with self._lock:
            return 0.0 if len(self._queue) >= BATCH_MAX else EXPORT_EVERY_S

    def stop(self, *, timeout_s: float) -> None:
        """Send what waits and end, within ``timeout_s`` and a little; what could not be sent is counted and told."""
        self._flush_by_mono_s = self._clock.mono_s() + timeout_s
        self.service.request_stop()
        ended = self.service.join(timeout_s)
        self._exporter.shutdown()  # ends the exporter's own pause between two tries
        if not ended:
            self.service.join(LEFT_S)
        with self._lock:
            self._not_taken += len(self._queue)
            self._queue.clear()
        if lost := self.dropped:
            logger.warning("%d spans of this run's traces were lost", lost)

    def _take(self) -> list[CaptureSpan]:
        with self._lock:
            return [self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))]

    def _flush(self) -> None:
        """The last batches, as long as they are taken and there is time."""
        while self._clock.mono_s() < self._flush_by_mono_s and (batch := self._take()) and self._send(batch):
            pass

    def _send(self, batch: Sequence[CaptureSpan]) -> bool:
        """Whether the collector took it. Never raises."""
        self._session.outcome = ""
        try:
            taken = self._exporter.export(self._made_of(batch)) is SpanExportResult.SUCCESS
        except Exception:  # a span that cannot be made costs its batch, and no more
            logger.debug("a batch of spans failed", exc_info=True)
            self._made.take()
            taken = False
        lost = self.dropped
        with self._lock:
            self._exported += len(batch) if taken else 0
            self._not_taken += 0 if taken else len(batch)
        if not taken and not self._failing:
            self._failing, self._lost_before_failing = True, lost
            logger.warning(
                "The trace collector at %s takes no traces (%s): they are dropped and counted until it does",
                self._target.endpoint,
                self._session.outcome or "?",
            )
        elif taken and self._failing:
            self._failing = False
            logger.warning(
                "The trace collector takes traces again; %d spans were lost", lost - self._lost_before_failing
            )
        return taken

    def _tell_full(self) -> None:
        with self._lock:
            full = self._no_room > 0
        if full and not self._failing and not self._told_full:
            self._told_full = True
            logger.warning("More traces than the collector takes: some spans are dropped and counted")

    def _made_of(self, batch: Sequence[CaptureSpan]) -> list[ReadableSpan]:
        for span in batch:
            self._make(span)
        return self._made.take()

    def _make(self, told: CaptureSpan) -> None:
        trace_id, root_id = trace_id_of(told.capture_id), root_span_id_of(told.capture_id)
        context = Context()  # not this thread's: it has none, and shall not get one
        if told.name is SpanName.CAPTURE:
            self._ids.next_root = (trace_id, root_id)
        else:
            parent = SpanContext(trace_id, root_id, is_remote=True, trace_flags=_SAMPLED)
            context = set_span_in_context(NonRecordingSpan(parent), context)
        span = self._tracer.start_span(
            told.name.value,
            context=context,
            kind=SpanKind.CLIENT if told.name in _OUTWARD else SpanKind.INTERNAL,
            attributes={name: _storable(value) for name, value in told.attributes.items()},
            start_time=_ns(told.began_s),
        )
        if told.failed:
            span.set_status(Status(StatusCode.ERROR))  # without a text: error.type says which
        span.end(_ns(told.ended_s))


class CollectorSession(requests.Session):
    """Sends exactly what it is told to: no proxies, ``.netrc`` or certificates of the environment, no other headers.

    Owner: the thread that exports; ``outcome`` is read there.
    """

    def __init__(self, headers: Mapping[str, str], *, ca_file: str | None) -> None:
        super().__init__()
        self.trust_env = False  # no proxies, no .netrc
        self.outcome = ""
        """How the last request ended: an HTTP status or an error's class."""
        self._own = {name.lower(): value for name, value in headers.items()}
        self._ca_file = ca_file

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """As the base class; then only headers that belong there, and ours."""
        prepared = super().prepare_request(request)
        for name in [name for name in prepared.headers if name.lower() not in _KEPT_HEADERS]:
            del prepared.headers[name]
        prepared.headers.update(self._own)
        return prepared

    def request(self, method: Any, url: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """As the base class, with our certificates."""
        self.cert = None
        options |= {"verify": self._ca_file or True, "allow_redirects": False}
        try:
            response = super().request(method, url, **options)
        except Exception as error:
            self.outcome = type(error).__name__
            raise
        self.outcome = f"HTTP {response.status_code}"
        if HTTPStatus.MULTIPLE_CHOICES <= response.status_code < HTTPStatus.BAD_REQUEST:
            # The exporter takes a redirect for an answer; the spans would go nowhere.
            raise requests.exceptions.TooManyRedirects("a collector does not redirect")
        return response


class _CaptureIds(RandomIdGenerator):
    """Gives the root of a trace the ids that follow from its capture; all others a random span id.

    Owner: the thread that makes spans, which sets ``next_root`` before it starts one without a parent.
    """

    def __init__(self) -> None:
        self.next_root: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        """Called for a span without a parent, before ``generate_span_id``."""
        return super().generate_trace_id() if self.next_root is None else self.next_root[0]

    def generate_span_id(self) -> int:
        """The root's, once; else random."""
        root, self.next_root = self.next_root, None
        return super().generate_span_id() if root is None else root[1]


class _Made(SpanProcessor):
    """Keeps spans that ended until they are taken. Owner: the thread that makes them."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        """All of them."""
        spans, self._spans = self._spans, []
        return spans


def _provider(target: TraceTarget, ids: _CaptureIds, made: _Made) -> TracerProvider:
    own = {
        "service.name": target.service_name,
        "service.version": target.version,
        "service.instance.id": uuid4().hex,
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
    }
    limits = SpanLimits(
        max_attributes=64, max_events=8, max_links=8, max_span_attributes=64, max_event_attributes=8,
        max_link_attributes=8, max_attribute_length=TEXT_MAX, max_span_attribute_length=TEXT_MAX,
    )  # fmt: skip
    provider = TracerProvider(
        sampler=ALWAYS_ON,  # whoever tells has asked ``wants``
        resource=Resource(own),
        shutdown_on_exit=False,
        id_generator=ids,
        span_limits=limits,
    )
    provider.add_span_processor(made)
    return provider


def _exporter(target: TraceTarget, session: CollectorSession) -> OTLPSpanExporter:
    return OTLPSpanExporter(
        endpoint=target.endpoint,
        timeout=EXPORT_TIMEOUT_S,
        compression=Compression.Gzip,
        session=session,
    )


def _storable(value: SpanValue) -> SpanValue:
    """A text that UTF-8 can hold: one that cannot would cost the whole batch."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _ns(at_s: float) -> int:
    """Within what a span's time can hold: one that cannot would cost the whole batch."""
    return round(min(max(at_s, 0.0), YEARS_MAX_S) * NS)
