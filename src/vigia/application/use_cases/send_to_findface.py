"""Send captures to FindFace: effectively once, whatever breaks in between.

One object, shared by a few sender threads that each call ``step``. It knows no HTTP: what a failure means is in
``application/retry_table.py``, what FindFace answers is the recogniser's business, what is still to be done is the
outbox's.

Why a capture arrives once although FindFace has no idempotency key: a lease writes down, in its own transaction, that
the capture may have been sent. The doubt is taken away only by an answer or by the certainty that nothing arrived. So
whoever leases a doubtful capture (after a time-out, a lost lease, a killed process) looks it up before sending it.

Wiring: one ``LoopService`` per sender around ``step``; ``wake`` each of them after a commit. To stop: ``begin_drain``,
wake them, join them; what is left stays on disk.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from vigia.application.camera_tokens import CameraToken, CameraTokens
from vigia.application.concurrency import ConcurrencyLimit, ConcurrencyRules
from vigia.application.delivery_counts import DeliveryCounts, DeliveryStats
from vigia.application.errors import (
    ApplicationError,
    CameraTokenRejected,
    CaptureRefused,
    DeliveryGivenUp,
    LeaseLost,
    LookUpDeferred,
    OutboxUnavailable,
)
from vigia.application.given_up import error_text, no_findface_id, spent, spent_unsent
from vigia.application.ports import Clock, Outbox, Recognizer
from vigia.application.retry import DeliveryGate, Permit, RetryPolicy
from vigia.application.retry_table import Blame, outcome_of
from vigia.domain.camera import CameraId
from vigia.domain.capture import LeasedCapture

__all__ = ["CameraToken", "DeliveryStats", "SendOptions", "SendToFindfaceUseCase"]

logger = logging.getLogger("vigia.delivery")

IDLE_MAX_S = 1.0
"""How long a sender waits at most before it looks into the outbox again, when nobody wakes it."""
EMPTY_HANDED_S = 0.05
"""Another sender was quicker: no need to spin."""
NARROW_POLL_S = 0.25
"""How soon a sender looks again while as many as the recogniser bears are asking it."""


@dataclass(frozen=True, slots=True)
class SendOptions:
    """How the senders work."""

    senders: int = 4
    """Threads that call ``step``: the most that ever ask the recogniser at the same time."""
    batch: int = 4
    """Captures leased at once by one sender: one fsync for all of them."""
    lease_s: float = 600.0
    """How long a lease lasts, seconds."""
    send_max_s: float = 300.0
    """Longest that a look-up, a log-in and a delivery take together, by the recogniser's own time-outs, seconds.

    A capture whose lease ends sooner than this is not sent any more, so that no lease ends while a request is out."""

    def __post_init__(self) -> None:
        if self.senders < 1 or self.batch < 1 or not 0.0 < self.send_max_s < self.lease_s:
            raise ValueError("senders and batch are 1 or more, and a lease lasts longer than the longest delivery")


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of asking about one capture."""

    event_ids: tuple[str, ...] = ()
    error: Exception | None = None
    looked_up: bool = False
    """The event ids were found, not made."""
    doubt: bool = False
    """An earlier attempt may still have arrived."""
    asked: bool = True
    """False when the recogniser was not asked to take it."""
    token: str | None = None


class SendToFindfaceUseCase:
    """Takes due captures from the outbox, delivers them and books what came of it.

    Args:
        outbox: shared with whoever commits.
        recognizer: shared by all senders.
        clock: times pauses and leases.
        camera_token: see ``CameraToken``; called before each delivery, must not block.
        refresh_cameras: asks for the camera list to be read again soon; must not block.
        options: senders, batch and lease.
        policy: pauses, retries and when to give up.
        rng: for jitter; give a seeded one to replay a run.

    Owner: gate, limit, tokens and counts guard themselves, its own lock guards the rest; none is held across a call to
    the outbox, the recogniser, a callback or the log. Any thread may call any method.
    Stops when: ``begin_drain`` was called and nothing is due, or its deadline passed: then ``step`` returns None.
    """

    def __init__(
        self,
        outbox: Outbox,
        recognizer: Recognizer,
        *,
        clock: Clock,
        camera_token: CameraToken,
        refresh_cameras: Callable[[CameraId], None],
        options: SendOptions | None = None,
        policy: RetryPolicy | None = None,
        rng: Random | None = None,
    ) -> None:
        self._outbox = outbox
        self._recognizer = recognizer
        self._clock = clock
        self._tokens = CameraTokens(camera_token, refresh_cameras, clock=clock)
        self._options = options if options is not None else SendOptions()
        self._policy = policy if policy is not None else RetryPolicy()
        generator = rng if rng is not None else Random()  # noqa: S311 - jitter is no secret
        self._gate = DeliveryGate(self._policy, clock=clock, rng=generator)
        self._limit = ConcurrencyLimit(ConcurrencyRules(limit_max=self._options.senders))
        self.counts = DeliveryCounts()
        self._lock = threading.Lock()  # guards everything below
        self._outbox_failures = 0  # in a row
        self._deadline_mono_s: float | None = None

    @property
    def stats(self) -> DeliveryStats:
        """A consistent picture of now."""
        limit = self._limit
        return self.counts.stats(senders_allowed=limit.limit, senders_max=limit.limit_max, gate=self._gate.state)

    def begin_drain(self, deadline_mono_s: float) -> None:
        """Let the senders end once nothing is due, at the latest at ``deadline_mono_s``. The earliest deadline holds.

        Never blocks; idempotent. Senders that wait must be woken. A request that is out is waited for by its sender.
        """
        with self._lock:
            known = self._deadline_mono_s
            self._deadline_mono_s = deadline_mono_s if known is None else min(known, deadline_mono_s)

    def drain(self, deadline_mono_s: float) -> int:
        """Send in the calling thread until nothing is due or the deadline passes.

        Returns how many captures stay on disk unsent.

        Raises:
            OutboxUnavailable: they could not be counted.
        """
        self.begin_drain(deadline_mono_s)
        never = threading.Event()
        while (delay_s := self.step()) is not None:
            if delay_s > 0.0:
                self._clock.wait(never, min(delay_s, max(0.0, deadline_mono_s - self._clock.mono_s())))
        return self._outbox.stats().unsent

    def step(self) -> float | None:
        """Deliver one batch, if there is something due and the recogniser may be asked.

        Returns:
            Seconds until the next call makes sense (0: now), None when draining is done.
        """
        if self._time_is_up():
            return None
        try:
            wait_s = self._turn()
        except OutboxUnavailable as error:
            wait_s = self._outbox_failed(error)
        else:
            self._outbox_works()
        if wait_s is not None and self._time_is_up(in_s=wait_s):
            return None
        return wait_s

    def _turn(self) -> float | None:
        due_s = self._outbox.next_due_s()
        if due_s is None or due_s > 0.0:
            return None if self._draining() else min(IDLE_MAX_S, due_s if due_s is not None else IDLE_MAX_S)
        permit = self._gate.admit()
        if not isinstance(permit, Permit):
            return permit
        if not self._limit.enter(force=permit.probe):
            return NARROW_POLL_S
        try:
            if permit.log_in and not self._log_in(permit):
                return 0.0  # the gate knows how long to wait
            return 0.0 if self._send_batch(permit) else EMPTY_HANDED_S
        finally:
            self._limit.leave()
            self._gate.leave(permit)

    def _log_in(self, permit: Permit) -> bool:
        try:
            self._recognizer.log_in()
        except Exception as error:  # noqa: BLE001 - booked and told; a sender survives whatever a log-in raises
            self._tell_setback(error, permit)
            return False
        self._gate.logged_in()
        return True

    def _send_batch(self, permit: Permit) -> int:
        """Lease and handle captures one after the other; let the rest go as soon as it makes no sense to go on."""
        lease_ends_mono_s = self._clock.mono_s() + self._options.lease_s
        limit = 1 if permit.probe else self._options.batch
        batch = self._outbox.lease(limit=limit, duration_s=self._options.lease_s)
        for position, capture in enumerate(batch):
            too_late = self._clock.mono_s() + self._options.send_max_s > lease_ends_mono_s
            if self._time_is_up() or too_late or (position > 0 and not self._gate.stays_open(permit)):
                self._release(batch[position:])
                break
            self._handle(capture, permit)
        return len(batch)

    def _release(self, captures: Sequence[LeasedCapture]) -> None:
        """Give back what was leased and not sent, as it was."""
        for capture in captures:
            try:
                self._outbox.retry_later(capture, delay_s=0.0, reason="", counts=False, maybe_sent=capture.maybe_sent)
            except LeaseLost:
                self._lease_lost(capture)

    def _handle(self, capture: LeasedCapture, permit: Permit) -> None:
        self.counts.add("in_flight")
        try:
            answer = self._ask(capture)
            self._book(capture, answer, permit)
        except LeaseLost:
            self._lease_lost(capture)
        finally:
            self.counts.add("in_flight", -1)

    def _ask(self, capture: LeasedCapture) -> _Answer:
        """Look a doubtful capture up, else send it. Touches no books; every failure is in the answer."""
        doubt, token = capture.maybe_sent, None
        try:
            if doubt:
                found = self._recognizer.find_delivered(capture)
                if found:
                    return _Answer(event_ids=found, looked_up=True)
                doubt = False
            token = self._tokens.current(capture.camera_id)
            if capture.findface_camera_id is None or token is None or capture.attempts > self._policy.failures_max:
                return _Answer(asked=False, token=token)
            return _Answer(event_ids=self._deliver(capture, token), token=token)
        except Exception as error:  # noqa: BLE001 - a defect in an adapter is booked and told, and costs no sender
            return _Answer(error=error, doubt=doubt, token=token)

    def _deliver(self, capture: LeasedCapture, token: str) -> tuple[str, ...]:
        """Send, and let the limit learn from how long that took and how it ended."""
        began_mono_s = self._clock.mono_s()
        try:
            with self.counts.posting(self._clock):
                event_ids = self._recognizer.deliver(capture, camera_token=token)
        except Exception as error:
            if outcome_of(error).narrows:
                self._tell_limit(self._limit.bad(began_mono_s=began_mono_s, now_mono_s=self._clock.mono_s()))
            raise
        self._tell_limit(self._limit.good(began_mono_s=began_mono_s, now_mono_s=self._clock.mono_s()))
        return event_ids

    def _tell_limit(self, changed: int | None) -> None:
        if changed is None:
            return
        senders_max = self._limit.limit_max
        if changed == senders_max:
            logger.info("FindFace keeps up: all %d senders may send at once again", senders_max)
        else:
            logger.info("FindFace sets the pace: %d of %d senders may send at once", changed, senders_max)

    def _book(self, capture: LeasedCapture, answer: _Answer, permit: Permit) -> None:
        error = answer.error
        if not answer.asked:
            self._book_unasked(capture, answer)
        elif error is None:
            if not answer.looked_up:  # a look-up that is answered does not prove that captures are taken
                self._answered()
            self._outbox.mark_delivered(capture, answer.event_ids)
            taken_s = (self._clock.utc() - capture.at_utc).total_seconds()
            self.counts.delivered(capture.camera_id, looked_up=answer.looked_up, taken_s=taken_s)
            logger.debug("capture %s of camera %s delivered as %s", capture.id, capture.camera_id, answer.event_ids)
        elif isinstance(error, CaptureRefused) and not answer.doubt:
            self._answered()
            self._outbox.mark_refused(capture, f"{error.reason}: {error_text(error)}")
            self.counts.add("refused")
            logger.info("capture %s of camera %s was refused: %s", capture.id, capture.camera_id, error_text(error))
        else:
            self._book_failure(capture, answer, error, permit)

    def _book_unasked(self, capture: LeasedCapture, answer: _Answer) -> None:
        """The capture surely did not arrive, and there is a reason not to send it."""
        if capture.findface_camera_id is None:
            self._give_up(capture, no_findface_id(capture))
        elif answer.token is not None:
            self._give_up(capture, spent_unsent(capture.attempts - 1))
        else:
            error = CameraTokenRejected("camera %(camera)s is not in the camera list", camera=capture.camera_id)
            delay_s = self._wait_for_camera(capture, answer)
            self._retry(capture, error, delay_s=delay_s, counts=True, maybe_sent=False)

    def _book_failure(self, capture: LeasedCapture, answer: _Answer, error: Exception, permit: Permit) -> None:
        outcome = outcome_of(error)
        maybe_sent = answer.doubt or outcome.maybe_sent
        counts = outcome.counts
        if isinstance(error, LookUpDeferred):
            delay_s = error.retry_after_s or 0.0
        elif outcome.blame is Blame.CAMERA:
            self._answered()
            delay_s = self._wait_for_camera(capture, answer)
        elif outcome.blame is Blame.CAPTURE:  # the look-up was refused: whether it arrived cannot be known
            self._answered()
            delay_s = self._gate.jitter_s(self._policy.backoff, capture.attempts)
        else:
            delay_s, counts = self._tell_setback(error, permit)
            if outcome.suspect:  # after the pause somebody else's capture goes first
                delay_s += self._gate.jitter_s(self._policy.backoff, capture.attempts)
            elif not maybe_sent:
                delay_s = 0.0  # the gate keeps the pause, and the oldest stays the oldest
        if outcome.maybe_sent and not isinstance(error, LookUpDeferred):
            delay_s = max(delay_s, self._policy.settle_s)
        self._retry(capture, error, delay_s=delay_s, counts=counts, maybe_sent=maybe_sent)

    def _retry(
        self, capture: LeasedCapture, error: Exception, *, delay_s: float, counts: bool, maybe_sent: bool
    ) -> None:
        self.counts.add("look_ups_deferred" if isinstance(error, LookUpDeferred) else "failures")
        # With a doubt left there is one more turn: it starts with a look-up and ends in any case.
        failures_max = self._policy.failures_max + int(maybe_sent)
        if counts and capture.attempts >= failures_max:
            self._give_up(capture, spent(capture.attempts, error, maybe_sent=maybe_sent))
            return
        self._outbox.retry_later(
            capture, delay_s=delay_s, reason=error_text(error), counts=counts, maybe_sent=maybe_sent
        )

    def _give_up(self, capture: LeasedCapture, reason: DeliveryGivenUp) -> None:
        self._outbox.mark_dead(capture, str(reason))
        self.counts.add("dead")
        logger.warning("capture %s of camera %s is kept for a person: %s", capture.id, capture.camera_id, reason)

    def _wait_for_camera(self, capture: LeasedCapture, answer: _Answer) -> float:
        """Ask for the camera list, unless it has been read since; how long the capture waits, seconds."""
        if self._tokens.was_renewed(capture.camera_id, answer.token):
            return 0.0
        self._tokens.ask_for_new(capture.camera_id)
        return self._gate.jitter_s(self._policy.camera_backoff, capture.attempts)

    def _tell_setback(self, error: Exception, permit: Permit) -> tuple[float, bool]:
        """Book a failure with the gate and tell of it once; the pause in seconds, and whether it counts."""
        setback = self._gate.failed(permit, error)
        expected = isinstance(error, ApplicationError) and outcome_of(error).expected
        if setback.news or (setback.counts and not expected):
            logger.warning(
                "delivery paused, captures are kept on disk: %s",
                error_text(error),
                exc_info=None if expected else error,
            )
        return setback.pause_s, setback.counts

    def _answered(self) -> None:
        outage_s = self._gate.answered()
        if outage_s is not None:
            logger.warning("delivery resumed after %.0f s", outage_s)

    def _lease_lost(self, capture: LeasedCapture) -> None:
        self.counts.add("leases_lost")
        logger.warning("capture %s was leased to somebody else meanwhile", capture.id)

    def _outbox_failed(self, error: OutboxUnavailable) -> float:
        with self._lock:
            self._outbox_failures += 1
            failures = self._outbox_failures
        if failures == 1:
            logger.error("the outbox cannot be used, delivery waits: %s", error_text(error))
        return max(self._policy.pause_min_s, self._gate.jitter_s(self._policy.backoff, failures))

    def _outbox_works(self) -> None:
        with self._lock:
            failures, self._outbox_failures = self._outbox_failures, 0
        if failures:
            logger.warning("the outbox works again")

    def _draining(self) -> bool:
        with self._lock:
            return self._deadline_mono_s is not None

    def _time_is_up(self, *, in_s: float = 0.0) -> bool:
        """True when draining has a deadline and it has passed, or will have passed ``in_s`` seconds from now."""
        with self._lock:
            deadline_mono_s = self._deadline_mono_s
        return deadline_mono_s is not None and self._clock.mono_s() + in_s >= deadline_mono_s
