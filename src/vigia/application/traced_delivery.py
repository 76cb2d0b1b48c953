"""Tells a capture's life as spans, from where it passes: an outbox and a recogniser that do what they did, and tell.

Only wired where traces are on; the use cases know nothing of it. What is told never holds up and never changes what is
done: a defect in here costs spans.

- ``TracedOutbox.commit`` tells all that came before, from the capture's own details: the process that decoded and
  encoded need not have a tracer (workers have none, as they are given no secrets).
- ``TracedRecognizer`` tells each look-up and each attempt.
- ``TracedOutbox.mark_…`` tells the whole, once, when the outbox has taken the end. What ends without a sender (too
  old, no room, dropped by a person) has no such span.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from vigia.application import capture_trace as trace
from vigia.application.capture_trace import CaptureSpan, CaptureTracer, Instant, SpanName, SpanValue, TrackTimes
from vigia.application.errors import (
    CaptureRefused,
    DeliveryAmbiguous,
    LookUpDeferred,
    OutboxUnavailable,
)
from vigia.application.ports import CaptureStore, Clock, Outbox, OutboxStats, Recognizer
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError, VigiaError

logger = logging.getLogger("vigia.traces")

T = TypeVar("T")

REMEMBERED_MAX = 1024
"""Captures whose last attempt, or first try to commit, is remembered; the oldest are forgotten and lack a span."""


class CaptureTelling:
    """What the traced outbox and the traced recogniser share.

    Owner: any thread; the lock guards the three dictionaries. Bounds: REMEMBERED_MAX entries in each.

    Args:
        tracer: takes the spans.
        clock: reads when things happen.
    """

    def __init__(self, tracer: CaptureTracer, *, clock: Clock) -> None:
        self._tracer = tracer
        self.clock = clock
        self._lock = threading.Lock()
        self._tries: dict[CaptureId, tuple[Instant, int]] = {}  # first try to commit, and how many
        self._returned_s: dict[CaptureId, float] = {}  # when it went back after an attempt, wall time
        self._asked_s: dict[CaptureId, float] = {}  # when the attempt under way began, wall time

    def wants(self, capture_id: CaptureId) -> bool:
        """Whether a capture's life is told."""
        return self._tracer.wants(capture_id)

    def safely(self, spans: Callable[[], Iterable[CaptureSpan]]) -> None:
        """Tell these; whatever goes wrong, the caller goes on."""
        try:
            for span in spans():
                self._tracer.tell(span)
        except Exception:  # traces must not cost a capture
            logger.exception("a trace cannot be told")

    def began_commit(self, capture_id: CaptureId) -> tuple[Instant, int]:
        """The first try to commit a capture, and the number of this one."""
        now = Instant.now(self.clock)
        with self._lock:
            first, tries = self._tries.pop(capture_id, (now, 0))
            return first, tries + 1

    def failed_commit(self, capture_id: CaptureId, first: Instant, tries: int) -> None:
        """Remember that a try failed."""
        with self._lock:
            _keep(self._tries, capture_id, (first, tries))

    def asked(self, capture: LeasedCapture, began: Instant) -> Iterator[CaptureSpan]:
        """The wait that ends now, where it is known when it began."""
        with self._lock:
            waits_since_s = self._returned_s.pop(capture.id, None)
            is_first = capture.id not in self._asked_s
            if is_first:
                _keep(self._asked_s, capture.id, began.wall_s)
        if waits_since_s is None and capture.is_fresh and not capture.put_back and capture.committed_at_utc is not None:
            waits_since_s = capture.committed_at_utc.timestamp()
        if is_first and waits_since_s is not None:
            yield leased_span(
                capture, SpanName.OUTBOX_WAIT, waits_since_s, began.wall_s, {trace.ATTEMPT: capture.attempts}
            )

    def returned(self, capture_id: CaptureId) -> None:
        """An attempt ended, and the capture waits again."""
        now_s = self.clock.utc().timestamp()
        with self._lock:
            self._asked_s.pop(capture_id, None)
            _keep(self._returned_s, capture_id, now_s)

    def ended(self, capture: LeasedCapture, fate: CaptureState) -> Iterator[CaptureSpan]:
        """The whole, once the outbox has taken its end."""
        now_s = self.clock.utc().timestamp()
        with self._lock:
            asked_s = self._asked_s.pop(capture.id, now_s)
            self._returned_s.pop(capture.id, None)
        failed = fate is not CaptureState.DELIVERED
        told: dict[str, SpanValue] = {trace.FATE: fate.value, trace.ATTEMPT: capture.attempts}
        if capture.put_back:  # its first life was told when that ended
            yield leased_span(capture, SpanName.AGAIN, asked_s, now_s, told, failed=failed)
            return
        first_s = TrackTimes.of(capture.at_utc, capture.details).first_s
        told[trace.QUALITY] = round(capture.quality, 4)
        yield leased_span(capture, SpanName.CAPTURE, first_s, now_s, told, failed=failed)


class TracedOutbox:
    """An outbox whose commits and ends are told. Raises, returns and does what the other does.

    Owner: as the other's.
    """

    def __init__(self, outbox: Outbox, telling: CaptureTelling) -> None:
        self._outbox = outbox
        self._telling = telling

    def commit(self, capture: Capture) -> None:
        """See the port."""
        if self._telling.wants(capture.id):
            commit_and_tell(self._outbox, capture, self._telling)
        else:
            self._outbox.commit(capture)

    def lease(self, *, limit: int, duration_s: float) -> list[LeasedCapture]:
        """See the port."""
        return self._outbox.lease(limit=limit, duration_s=duration_s)

    def mark_delivered(self, capture: LeasedCapture, event_ids: Sequence[str]) -> None:
        """See the port."""
        self._outbox.mark_delivered(capture, event_ids)
        self._ended(capture, CaptureState.DELIVERED)

    def mark_refused(self, capture: LeasedCapture, reason: str) -> None:
        """See the port."""
        self._outbox.mark_refused(capture, reason)
        self._ended(capture, CaptureState.REFUSED)

    def mark_dead(self, capture: LeasedCapture, reason: str) -> None:
        """See the port."""
        self._outbox.mark_dead(capture, reason)
        self._ended(capture, CaptureState.DEAD)

    def retry_later(
        self, capture: LeasedCapture, *, delay_s: float, reason: str, counts: bool = True, maybe_sent: bool = True
    ) -> None:
        """See the port."""
        self._outbox.retry_later(capture, delay_s=delay_s, reason=reason, counts=counts, maybe_sent=maybe_sent)
        if reason and self._telling.wants(capture.id):  # without a reason it is given back as it was
            self._telling.returned(capture.id)

    def next_due_s(self) -> float | None:
        """See the port."""
        return self._outbox.next_due_s()

    def stats(self) -> OutboxStats:
        """See the port."""
        return self._outbox.stats()

    def close(self) -> None:
        """See the port."""
        self._outbox.close()

    def _ended(self, capture: LeasedCapture, fate: CaptureState) -> None:
        if self._telling.wants(capture.id):
            self._telling.safely(lambda: self._telling.ended(capture, fate))


class TracedRecognizer:
    """A recogniser whose look-ups and deliveries are told. Raises, returns and does what the other does.

    Owner: as the other's.
    """

    def __init__(self, recognizer: Recognizer, telling: CaptureTelling) -> None:
        self._recognizer = recognizer
        self._telling = telling

    def log_in(self) -> None:
        """See the port."""
        self._recognizer.log_in()

    def deliver(self, capture: LeasedCapture, *, camera_token: str) -> tuple[str, ...]:
        """See the port."""
        return self._timed(
            SpanName.DELIVER, capture, lambda: self._recognizer.deliver(capture, camera_token=camera_token)
        )

    def find_delivered(self, capture: LeasedCapture) -> tuple[str, ...]:
        """See the port."""
        return self._timed(SpanName.LOOK_UP, capture, lambda: self._recognizer.find_delivered(capture))

    def log_out(self) -> None:
        """See the port."""
        self._recognizer.log_out()

    def close(self) -> None:
        """See the port."""
        self._recognizer.close()

    def _timed(self, name: SpanName, capture: LeasedCapture, call: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
        telling = self._telling
        if not telling.wants(capture.id):
            return call()
        began = Instant.now(telling.clock)
        telling.safely(lambda: telling.asked(capture, began))
        try:
            event_ids = call()
        except Exception as error:
            kind = error
            telling.safely(lambda: [attempt_span(name, capture, began, telling.clock, error=kind)])
            raise
        telling.safely(lambda: [attempt_span(name, capture, began, telling.clock, event_ids=event_ids)])
        return event_ids


def commit_and_tell(store: CaptureStore, capture: Capture, telling: CaptureTelling) -> None:
    """Commit a capture, and tell of it and of all before it when it is on disk. Raises as the store does."""
    first, tries = telling.began_commit(capture.id)

    def tell() -> None:
        ended_s = first.wall_at(telling.clock.mono_s())
        telling.safely(lambda: committed_spans(capture, began_s=first.wall_s, ended_s=ended_s, tries=tries))

    try:
        store.commit(capture)
    except OutboxUnavailable:
        telling.failed_commit(capture.id, first, tries)
        raise
    except TransitionError:
        if tries > 1:  # the try before was reported as failed, and yet the row is there
            tell()
        raise
    tell()


def committed_spans(capture: Capture, *, began_s: float, ended_s: float, tries: int) -> Iterator[CaptureSpan]:
    """From the track's first event until the capture is on disk, as far as its details tell. Pure."""
    details = capture.details
    times = TrackTimes.of(capture.at_utc, details)

    def span(name: SpanName, began_s: float, ended_s: float, attributes: Mapping[str, SpanValue]) -> CaptureSpan:
        return _span(capture.id, capture.camera_id, name, began_s, ended_s, attributes)

    track: dict[str, SpanValue] = {trace.TRACK_ID: capture.track_id}
    if isinstance(events := details.get("events"), int):
        track[trace.TRACK_EVENTS] = events
    if isinstance(end := details.get("reason"), str):
        track[trace.TRACK_END] = end
    yield span(SpanName.TRACK, times.first_s, times.last_s, track)
    stamps = details.get(trace.STAMPS)
    if isinstance(stamps, Mapping):
        offered_s, taken_s, encoded_s = (
            trace.number_of(stamps.get(name), began_s) for name in (trace.OFFERED, trace.TAKEN, trace.ENCODED)
        )
        chosen: dict[str, SpanValue] = {trace.QUALITY: round(capture.quality, 4)}
        if isinstance(shot := details.get("shot"), str):
            chosen[trace.SHOT] = shot
        width, height = capture.size_wh
        picture = {
            trace.PICTURE_BYTES: len(capture.jpeg),
            trace.PICTURE_WIDTH: width,
            trace.PICTURE_HEIGHT: height,
        }
        yield span(SpanName.CHOOSE, times.chosen_s, offered_s, chosen)
        yield span(SpanName.COMMIT_WAIT, offered_s, taken_s, {})
        yield span(SpanName.ENCODE, taken_s, encoded_s, picture)
    yield span(SpanName.COMMIT, began_s, ended_s, {trace.COMMIT_TRIES: tries})


def attempt_span(
    name: SpanName,
    capture: LeasedCapture,
    began: Instant,
    clock: Clock,
    *,
    event_ids: Sequence[str] = (),
    error: Exception | None = None,
) -> CaptureSpan:
    """One look-up or delivery that ends now. Of an error its class, its status and FindFace's word; never its text."""
    told: dict[str, SpanValue] = {trace.ATTEMPT: capture.attempts, trace.RESULT: _result(name, event_ids, error)}
    if error is None:
        if name is SpanName.DELIVER:
            told[trace.STATUS_CLASS] = "2xx"
    else:
        told[trace.ERROR_TYPE] = type(error).__name__
        status = error.facts.get("status") if isinstance(error, VigiaError) else None
        if isinstance(status, int):
            told[trace.STATUS_CLASS] = f"{status // 100}xx"
        if isinstance(error, CaptureRefused):
            told[trace.REFUSAL] = error.reason
    failed = error is not None and not isinstance(error, LookUpDeferred)
    return leased_span(capture, name, began.wall_s, began.wall_at(clock.mono_s()), told, failed=failed)


def leased_span(
    capture: LeasedCapture,
    name: SpanName,
    began_s: float,
    ended_s: float,
    attributes: Mapping[str, SpanValue],
    *,
    failed: bool = False,
) -> CaptureSpan:
    """A span of a capture that a sender holds. Pure."""
    span = _span(capture.id, capture.camera_id, name, began_s, ended_s, attributes)
    return replace(span, failed=True) if failed else span


def _result(name: SpanName, event_ids: Sequence[str], error: Exception | None) -> str:
    if isinstance(error, CaptureRefused):
        return "refused"
    if isinstance(error, LookUpDeferred):
        return "deferred"
    if isinstance(error, DeliveryAmbiguous):
        return "unknown"
    if error is not None:
        return "failed"
    if name is SpanName.DELIVER:
        return "delivered"
    return "found" if event_ids else "absent"


RESULTS = ("delivered", "refused", "unknown", "failed", "found", "absent", "deferred")
"""What ``vigia.result`` may be."""


def _span(
    capture_id: CaptureId,
    camera_id: CameraId,
    name: SpanName,
    began_s: float,
    ended_s: float,
    attributes: Mapping[str, SpanValue],
) -> CaptureSpan:
    own: dict[str, SpanValue] = {trace.CAPTURE_ID: capture_id, trace.CAMERA_ID: camera_id}
    return CaptureSpan(capture_id, name, began_s, max(began_s, ended_s), own | dict(attributes))


def _keep(kept: dict[CaptureId, T], capture_id: CaptureId, value: T) -> None:
    """Remember one more; the oldest go. Under the lock."""
    kept.pop(capture_id, None)
    kept[capture_id] = value
    while len(kept) > REMEMBERED_MAX:
        del kept[next(iter(kept))]
