"""A capture's life as one trace: which spans there are, what they say, and by which ids they belong together.

A capture outlives the process that made it, and another vigia may deliver it from a shared outbox. So nothing about a
trace is handed on: the trace's id is the capture's own id, and the id of the span that all others hang from is made of
it. Whoever has a capture can tell a part of its life.

When things happened is wall time: that of the camera's frames (``at_utc``), of the outbox (``committed_at_utc``), and
of the process that tells. Within one span it is reckoned from one reading plus monotonic seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from math import isfinite
from re import compile as re_compile
from typing import Any, Protocol

from vigia.application.ports import Clock
from vigia.domain.capture import CaptureId

_TRACE_ID = re_compile(r"[0-9a-f]{32}")
RANDOM_BITS = 56
"""Of a trace's id, the lowest: those that are random in a capture's (version 4 UUIDs fix bits above them). Whether a
trace is sampled depends on them only, so that every process decides alike."""
STAMPS = "stamps"
"""In a capture's details, where traces are on: wall times, seconds since 1970, by the names below."""
OFFERED, TAKEN, ENCODED = "offered", "taken", "encoded"
"""Handed to the commit queue; taken from it; the picture is a JPEG."""


class SpanName(StrEnum):
    """The spans of a trace."""

    CAPTURE = "capture"
    """The one that all others hang from."""
    TRACK = "track"
    CHOOSE = "choose"
    COMMIT_WAIT = "commit wait"
    ENCODE = "encode"
    COMMIT = "commit"
    OUTBOX_WAIT = "outbox wait"
    LOOK_UP = "look up"
    DELIVER = "deliver"
    AGAIN = "again"


CAPTURE_ID = "vigia.capture.id"
CAMERA_ID = "vigia.camera.id"
FATE = "vigia.capture.fate"
QUALITY = "vigia.capture.quality"
SHOT = "vigia.capture.shot"
TRACK_ID = "vigia.track.id"
TRACK_EVENTS = "vigia.track.events"
TRACK_END = "vigia.track.end"
PICTURE_BYTES = "vigia.picture.bytes"
PICTURE_WIDTH = "vigia.picture.width"
PICTURE_HEIGHT = "vigia.picture.height"
COMMIT_TRIES = "vigia.commit.tries"
ATTEMPT = "vigia.delivery.attempt"
RESULT = "vigia.result"
REFUSAL = "vigia.refusal.reason"
STATUS_CLASS = "vigia.http.status_class"
ERROR_TYPE = "error.type"

EVERY_SPAN = (CAPTURE_ID, CAMERA_ID)
"""What every span says."""
SPANS: Mapping[SpanName, tuple[str, tuple[str, ...]]] = {
    SpanName.CAPTURE: ("From the track's first event to the capture's end.", (FATE, QUALITY, ATTEMPT)),
    SpanName.TRACK: ("From the track's first to its last event.", (TRACK_ID, TRACK_EVENTS, TRACK_END)),
    SpanName.CHOOSE: ("From the chosen shot until it was handed on.", (SHOT, QUALITY)),
    SpanName.COMMIT_WAIT: ("In the queue to the disk.", ()),
    SpanName.ENCODE: ("The picture becomes a JPEG.", (PICTURE_BYTES, PICTURE_WIDTH, PICTURE_HEIGHT)),
    SpanName.COMMIT: ("Written and fsynced, all tries together.", (COMMIT_TRIES,)),
    SpanName.OUTBOX_WAIT: ("On disk, until a sender asked.", (ATTEMPT,)),
    SpanName.LOOK_UP: ("Whether an earlier attempt had arrived.", (ATTEMPT, RESULT, STATUS_CLASS, ERROR_TYPE)),
    SpanName.DELIVER: ("One attempt.", (ATTEMPT, RESULT, STATUS_CLASS, ERROR_TYPE, REFUSAL)),
    SpanName.AGAIN: ("The last attempt of a capture that a person put back.", (FATE, ATTEMPT)),
}
"""What each span is, and what it may say beyond ``EVERY_SPAN``. Never a picture, a name, an address, a token."""

SpanValue = str | int | float


@dataclass(frozen=True, slots=True)
class CaptureSpan:
    """One span, told after it has ended."""

    capture_id: CaptureId
    name: SpanName
    began_s: float
    """Wall time, seconds since 1970."""
    ended_s: float
    """The same; a span that would end before it began, because a clock was set, ends when it began."""
    attributes: Mapping[str, SpanValue] = field(default_factory=dict)
    failed: bool = False
    """Whether it ended in an error."""


class CaptureTracer(Protocol):
    """Takes spans. Any thread. Where traces are off there is none: nothing asks."""

    def wants(self, capture_id: CaptureId, /) -> bool:
        """Whether this capture's life is told; the same answer in every process. Quick."""
        ...

    def tell(self, span: CaptureSpan, /) -> None:
        """Take a span of a capture that is wanted. Never waits, never raises: what finds no room is counted."""
        ...


@dataclass(frozen=True, slots=True)
class Instant:
    """One reading of both clocks, so that setting the computer's clock stretches no span."""

    wall_s: float
    mono_s: float

    @classmethod
    def now(cls, clock: Clock) -> "Instant":
        """Both clocks now."""
        return cls(clock.utc().timestamp(), clock.mono_s())

    def wall_at(self, mono_s: float) -> float:
        """The wall time of another monotonic reading, seconds since 1970."""
        return self.wall_s + (mono_s - self.mono_s)


@dataclass(frozen=True, slots=True)
class TrackTimes:
    """When a capture's track was seen; wall time, seconds since 1970."""

    first_s: float
    last_s: float
    chosen_s: float

    @classmethod
    def of(cls, at_utc: datetime, details: Mapping[str, Any]) -> "TrackTimes":
        """As far as the details of a capture tell; else all three are the chosen shot's. Total."""
        chosen_s = at_utc.timestamp()
        last_s = chosen_s + max(0.0, number_of(details.get("best_to_last_s")))
        first_s = min(chosen_s, last_s - max(0.0, number_of(details.get("duration_s"))))
        return cls(first_s, last_s, chosen_s)


def number_of(value: object, default: float = 0.0) -> float:
    """A finite number, or ``default``: details are whatever somebody wrote into a row."""
    try:
        number = float(value) if isinstance(value, int | float) else default
    except OverflowError:
        return default
    return number if isfinite(number) else default


def trace_id_of(capture_id: CaptureId) -> int:
    """The trace's id, 128 bits, never 0: the capture's own. One that is no such number gets one made of it. Pure."""
    number = int(capture_id, 16) if _TRACE_ID.fullmatch(capture_id) else 0
    return number or _digest(capture_id, "trace", size=16)


def root_span_id_of(capture_id: CaptureId) -> int:
    """The id of the span ``capture``, 64 bits, never 0; the same in every process. Pure."""
    return _digest(capture_id, "capture", size=8)


def is_sampled(capture_id: CaptureId, ratio: float) -> bool:
    """Whether a capture is among the share ``ratio``, in [0, 1], of all; the same in every process. Pure."""
    return ratio >= 1.0 or trace_id_of(capture_id) % (1 << RANDOM_BITS) < ratio * (1 << RANDOM_BITS)


def _digest(capture_id: CaptureId, what: str, *, size: int) -> int:
    digest = blake2b(capture_id.encode("utf-8", "replace"), digest_size=size, person=f"vigia {what}".encode())
    return int.from_bytes(digest.digest(), "big") or 1
