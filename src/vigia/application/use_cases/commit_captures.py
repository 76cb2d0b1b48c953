"""Commit captures: from the shards to the disk, with neither JPEG encoding nor fsync on the hot path.

Shards ``offer`` requests into a bounded queue; one thread calls ``step``, which encodes the picture once, builds the
capture and commits it. Only when it is on disk is it counted.

Where a request can end, exactly one of:

- ``on_committed``: it is on disk, for good;
- ``on_failed``: it can never be committed (no picture, not encodable), or the time to drain was over;
- ``offer`` raised: it was never taken, because the queue stayed full for ``offer_timeout_s``; the caller books it.

The queue's policy: captures wait, then fail loudly, and are never dropped silently. While the disk is full, one
encoded capture and at most ``queue_size`` pictures are held; then shards wait once, are told, and go on.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any
from uuid import uuid4

from vigia.application.capture_trace import ENCODED, OFFERED, STAMPS, TAKEN, Instant
from vigia.application.errors import OutboxUnavailable, PermanentError
from vigia.application.picture_posting import make_posted_picture
from vigia.application.plain_values import plain
from vigia.application.ports import CaptureStore, Clock, PictureEncoder
from vigia.application.retry import Backoff
from vigia.domain.camera import Camera
from vigia.domain.capture import Capture, CaptureId
from vigia.domain.errors import TransitionError, VigiaError
from vigia.domain.event import FaceEvent
from vigia.domain.posted_picture import PictureRules

logger = logging.getLogger("vigia.captures")

DRAIN_RETRY_S = 0.25
"""At shutdown the disk is tried again that soon, seconds."""
IDLE_MAX_S = 5.0
"""How long the thread sleeps at most when nobody wakes it."""


@dataclass(frozen=True, slots=True, eq=False)
class CaptureRequest:
    """What a shard wants committed."""

    event: FaceEvent
    """The chosen shot, with its picture."""
    camera: Camera
    track_id: int
    reason: str
    """Why now: how the track ended, or that a first shot is sent early."""
    details: dict[str, Any] = field(default_factory=dict)
    """More for people and reports; numbers, texts, lists and dictionaries, numpy's included."""
    picture: PictureRules | None = None
    """What the posted picture is like; None = as ``CommitOptions`` says."""


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """How captures are made and how long anybody waits."""

    queue_size: int = 64
    """Requests that may wait; each holds a picture (3.1 MB at 1080p)."""
    offer_timeout_s: float = 2.0
    """How long a shard waits for room, seconds."""
    picture: PictureRules = field(default_factory=PictureRules)
    """What posted pictures are like, of requests that do not say."""
    backoff: Backoff = field(default_factory=lambda: Backoff(base_s=0.25, cap_s=10.0))
    """Between two attempts to write to a disk that does not take it."""
    stamps: bool = False
    """Write into each capture's details when it was offered, taken and encoded: for its trace."""

    def __post_init__(self) -> None:
        if self.queue_size < 1 or self.offer_timeout_s < 0.0:
            raise ValueError("the queue holds 1 or more; a time is not negative")


def _nothing() -> None:
    """Nobody waits for captures."""


class CommitCapturesUseCase:
    """Takes requests from any thread and commits them in one.

    Args:
        outbox: where captures go.
        encoder: makes the JPEG.
        clock: times waits.
        on_committed: called with the capture's id and the request, its picture let go, after it is on disk.
        on_failed: called with a request that will never be on disk, and why. After an error line in the log.
        wake_senders: called after ``on_committed``; must not block.
        options: sizes, time-outs, and what pictures are like.
        rng: for jitter.

    Owner: the lock guards the queue, the request in hand and the flags; what is in hand is worked on only by the thread
    that calls ``step``. Callbacks come from that thread. ``work`` is set when there is something to do: give it to the
    ``LoopService`` as its ``wake``.
    Bounds: ``queue_size`` requests and one in hand.
    Stops when: ``begin_drain`` was called and nothing is left, or its deadline passed: then ``step`` returns None and
    ``offer`` raises.
    """

    def __init__(
        self,
        outbox: CaptureStore,
        encoder: PictureEncoder,
        *,
        clock: Clock,
        on_committed: Callable[[CaptureId, CaptureRequest], None],
        on_failed: Callable[[CaptureRequest, Exception], None],
        wake_senders: Callable[[], None] = _nothing,
        options: CommitOptions | None = None,
        rng: Random | None = None,
    ) -> None:
        self.work = threading.Event()
        self._outbox = outbox
        self._encoder = encoder
        self._clock = clock
        self._on_committed = on_committed
        self._on_failed = on_failed
        self._wake_senders = wake_senders
        self._options = options if options is not None else CommitOptions()
        self._rng = rng if rng is not None else Random()  # noqa: S311 - jitter is no secret
        self._room = threading.Event()
        self._lock = threading.Lock()  # guards the next four
        self._queue: deque[CaptureRequest] = deque()
        self._in_hand: CaptureRequest | None = None
        self._deadline_mono_s: float | None = None
        self._closed = False
        self._encoded: Capture | None = None  # of the request in hand; owner: the thread of step
        self._disk_failures = 0  # in a row; owner: the thread of step
        self._disk_failing_since_mono_s: float | None = None  # owner: the thread of step; others only look
        self._disk_failed_mono_s = 0.0  # when, and how long it is left alone; owner: the thread of step
        self._disk_pause_s = 0.0

    @property
    def pending(self) -> int:
        """Requests in memory: taken, and neither committed nor failed. Any thread."""
        with self._lock:
            return len(self._queue) + (self._in_hand is not None)

    def offer(self, request: CaptureRequest) -> None:
        """Hand a request over; wait up to ``offer_timeout_s`` for room. Any thread.

        While the outbox takes nothing (the disk is full), that time is given once and not to each: no camera goes on
        waiting for a disk.

        Raises:
            OutboxUnavailable: there was no room in time, or committing has ended. The request was not taken: the
                caller tells and books it as lost.
        """
        deadline_mono_s = self._clock.mono_s() + self._options.offer_timeout_s
        if self._options.stamps:
            offered = {OFFERED: self._clock.utc().timestamp()}
            request = replace(request, details=request.details | {STAMPS: offered})
        while not self._take(request):
            failing_since_s = self._disk_failing_since_mono_s
            if failing_since_s is not None and self._clock.mono_s() >= failing_since_s + self._options.offer_timeout_s:
                raise OutboxUnavailable(
                    "the outbox takes no captures, and as many as may (%(size)d) wait in memory",
                    size=self._options.queue_size,
                )
            wait_s = deadline_mono_s - self._clock.mono_s()
            if wait_s <= 0.0:
                logger.error(
                    "camera %s: the capture of track %s is lost: no room in the queue to the disk for %.1f s",
                    request.camera.id,
                    request.track_id,
                    self._options.offer_timeout_s,
                )
                raise OutboxUnavailable(
                    "the queue to the outbox stayed full for %(timeout_s).1f s (%(size)d captures wait)",
                    timeout_s=self._options.offer_timeout_s,
                    size=self._options.queue_size,
                )
            self._clock.wait(self._room, wait_s)

    def begin_drain(self, deadline_mono_s: float) -> None:
        """Let ``step`` end once everything is committed, at the latest at ``deadline_mono_s``. The earliest holds.

        Never blocks; idempotent; any thread. Requests are taken until then.
        """
        with self._lock:
            known = self._deadline_mono_s
            self._deadline_mono_s = deadline_mono_s if known is None else min(known, deadline_mono_s)
        self.work.set()

    def drain(self, deadline_mono_s: float) -> int:
        """Commit in the calling thread until nothing is left or the deadline passes.

        Only where no other thread calls ``step``: after its service ended, or as the service's ``on_stop``.

        Returns:
            How many requests could not be committed in time; each went to ``on_failed``.
        """
        self.begin_drain(deadline_mono_s)
        never = threading.Event()
        while True:
            before = self.pending
            delay_s = self.step()
            if delay_s is None:
                return before if self._time_is_up() else 0
            if delay_s > 0.0:
                self._clock.wait(never, min(delay_s, max(0.0, deadline_mono_s - self._clock.mono_s())))

    def step(self) -> float | None:
        """Commit one request. One thread.

        Returns:
            Seconds until the next call makes sense (0: now), None when draining is done.
        """
        if self._time_is_up():
            self._give_up_rest()
            return None
        request = self._next()
        if request is None:
            return None if self._closed else IDLE_MAX_S
        wait_s = self._disk_wait_s()
        if wait_s > 0.0:  # woken by a new request: that is no reason to try the disk sooner
            return wait_s
        try:
            if self._encoded is None:
                self._encoded = self._encode(request)
                request = self._without_picture(request)
            self._commit(self._encoded)
        except OutboxUnavailable as error:
            return self._disk_failed(error)
        except Exception as error:  # noqa: BLE001 - one bad picture must not end the thread that saves all others
            self._fail(request, error)
            return 0.0
        capture_id = self._encoded.id
        try:
            self._on_committed(capture_id, request)
        finally:
            self._let_go()
        self._wake_senders()
        return 0.0

    def _take(self, request: CaptureRequest) -> bool:
        """Put a request into the queue; False when there is no room, and ``_room`` will be set when there is."""
        with self._lock:
            if self._closed:
                raise OutboxUnavailable("captures are not committed any more: vigia is stopping")
            if len(self._queue) >= self._options.queue_size:
                self._room.clear()
                return False
            self._queue.append(request)
        self.work.set()
        return True

    def _next(self) -> CaptureRequest | None:
        """The request in hand, else the next of the queue; closes when there is none and draining has begun."""
        with self._lock:
            if self._in_hand is None and self._queue:
                self._in_hand = self._queue.popleft()
                self._room.set()
            if self._in_hand is None and self._deadline_mono_s is not None:
                self._closed = True
            return self._in_hand

    def _without_picture(self, request: CaptureRequest) -> CaptureRequest:
        """Keep the JPEG only: the picture goes back to its decoder."""
        request = replace(request, event=request.event.without_picture())
        with self._lock:
            self._in_hand = request
        return request

    def _commit(self, capture: Capture) -> None:
        try:
            self._outbox.commit(capture)
        except TransitionError:
            if self._disk_failures == 0:
                raise
            # The attempt before this one was reported as failed, and yet the row is there: it is committed.
        if self._disk_failures:
            logger.warning("captures are written to the outbox again")
            self._disk_failures, self._disk_failing_since_mono_s = 0, None

    def _encode(self, request: CaptureRequest) -> Capture:
        event = request.event
        picture = event.picture
        if picture is None:
            raise PermanentError("event %(event)s has no picture any more", event=event.id)
        taken = Instant.now(self._clock) if self._options.stamps else None
        left, top, right, bottom = (float(edge) for edge in event.box_xyxy)
        posted = make_posted_picture(
            self._encoder,
            picture,
            (left, top, right, bottom),
            rules=request.picture if request.picture is not None else self._options.picture,
            frame_boxes_xyxy=event.frame_boxes_xyxy,
        )
        made: dict[str, Any] = {"crop": posted.plan.crop_ltrb, "jpeg_quality": posted.jpeg_quality}
        if taken is not None:
            encoded = {TAKEN: taken.wall_s, ENCODED: taken.wall_at(self._clock.mono_s())}
            made[STAMPS] = request.details.get(STAMPS, {}) | encoded
        return Capture(
            id=CaptureId(uuid4().hex),
            camera_id=request.camera.id,
            findface_camera_id=request.camera.findface_id,
            track_id=int(request.track_id),
            at_utc=event.at_utc,
            box_xyxy=posted.plan.box_xyxy,
            roi_ltrb=posted.plan.roi_ltrb,
            size_wh=posted.plan.size_wh,
            quality=float(event.quality.score),
            jpeg=posted.jpeg,
            details=details_of(request) | plain(made),
        )

    def _disk_failed(self, error: OutboxUnavailable) -> float:
        """Keep the encoded capture for the next step; the queue backs up behind it."""
        self._disk_failures += 1
        if self._disk_failures == 1:
            self._disk_failing_since_mono_s = self._clock.mono_s()
            logger.error("captures wait in memory, the outbox does not take them: %s", error)
        ceiling_s = self._options.backoff.ceiling_s(self._disk_failures)
        # Half of it at least: one thread retries alone, so that jitter need not reach down to 0.
        self._disk_pause_s = self._rng.uniform(ceiling_s / 2.0, ceiling_s)
        self._disk_failed_mono_s = self._clock.mono_s()
        return self._disk_wait_s()

    def _disk_wait_s(self) -> float:
        """How long the disk is left alone yet, seconds; less when draining: a person waits."""
        if self._disk_failures == 0:
            return 0.0
        with self._lock:
            draining = self._deadline_mono_s is not None
        pause_s = min(self._disk_pause_s, DRAIN_RETRY_S) if draining else self._disk_pause_s
        return max(0.0, self._disk_failed_mono_s + pause_s - self._clock.mono_s())

    def _fail(self, request: CaptureRequest, error: Exception) -> None:
        expected = isinstance(error, VigiaError)
        logger.error(
            "camera %s: the capture of track %s is lost: %s",
            request.camera.id,
            request.track_id,
            error,
            exc_info=None if expected else error,
        )
        try:
            self._on_failed(replace(request, event=request.event.without_picture()), error)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        self._encoded = None
        with self._lock:
            self._in_hand = None

    def _give_up_rest(self) -> None:
        """The deadline passed: close, and book whatever is left as failed."""
        with self._lock:
            self._closed = True
            rest = [request for request in (self._in_hand, *self._queue) if request is not None]
            self._queue.clear()
            self._room.set()
        error = OutboxUnavailable("the time to write captures to the outbox is over")
        for request in rest:
            self._fail(request, error)

    def _time_is_up(self) -> bool:
        with self._lock:
            deadline_mono_s = self._deadline_mono_s
        return deadline_mono_s is not None and self._clock.mono_s() >= deadline_mono_s


def details_of(request: CaptureRequest) -> dict[str, Any]:
    """What is kept beside the picture, as plain JSON values; numbers that are not finite become None. Pure.

    ``box`` is the face in pixels of the camera's picture, whose size is ``frame_size``: what is held against a ground
    truth, while a capture's own ``box_xyxy`` is in pixels of the posted picture.
    """
    event = request.event
    own: dict[str, Any] = {
        "confidence": event.confidence,
        "quality_parts": event.quality.parts,
        "media_index": event.media_index,
        "loop": event.loop,
        "frame_index": event.frame_index,
        "reason": request.reason,
        "box": event.box_xyxy,
        "frame_size": event.frame_size_wh,
    }
    details: dict[str, Any] = plain(request.details | own)
    return details
