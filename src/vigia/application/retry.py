"""How long to wait after a failure, when to give up, and the gate that keeps senders off a recogniser that is down.

What each failure means is in ``retry_table.py``. When a capture is given up (``dead``): after ``failures_max`` failures
that tell something about *it*. A failure counts only if the recogniser had answered some capture since the failure
before; the failures of an outage say nothing about the capture that happened to be the probe, however long the outage
lasts. A rejected camera token is an answer and always counts.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from vigia.application.camera_status import CameraReason
from vigia.application.errors import RetryableError
from vigia.application.ports import Clock
from vigia.application.retry_table import Outcome, outcome_of
from vigia.domain.errors import VigiaError

PROBE_POLL_S = 0.5
"""How soon a sender looks again while another one's probe is on its way."""
EXPONENT_MAX = 40
"""Doublings beyond this are far past every cap; keeps the arithmetic finite."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, capped, with full jitter."""

    base_s: float = 0.5
    """Ceiling of the first delay, seconds; greater than 0."""
    cap_s: float = 60.0
    """No ceiling is above this, seconds."""

    def __post_init__(self) -> None:
        if not 0.0 < self.base_s <= self.cap_s:
            raise ValueError(f"0 < base_s <= cap_s does not hold for {self.base_s}, {self.cap_s}")

    def ceiling_s(self, failures: int) -> float:
        """The longest delay after ``failures`` failures in a row (1 or more), seconds."""
        return min(self.cap_s, self.base_s * 2.0 ** min(max(failures - 1, 0), EXPONENT_MAX))

    def delay_s(self, failures: int, rng: Random) -> float:
        """A delay between 0 and the ceiling, so that many who failed together do not come back together."""
        return rng.uniform(0.0, self.ceiling_s(failures))


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient delivery is."""

    backoff: Backoff = Backoff()
    """Of the recogniser as a whole, and of one capture that keeps failing."""
    camera_backoff: Backoff = Backoff(base_s=2.0, cap_s=60.0)
    """Of a capture whose camera has no good token."""
    failures_max: int = 20
    """Failures that count before a capture is dead."""
    pause_min_s: float = 0.2
    """Jitter may choose 0; an outage is not probed more often than this."""
    settle_s: float = 5.0
    """After a doubtful delivery: time for the receiver to finish it before it is looked up."""
    retry_after_max_s: float = 600.0
    """The receiver may ask for a longer pause; it does not get it."""

    def __post_init__(self) -> None:
        if self.failures_max < 1:
            raise ValueError(f"failures_max must be 1 or more, not {self.failures_max}")


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to ask the recogniser. Returned to the gate with ``leave``."""

    probe: bool
    """The only one out while the recogniser is down."""
    log_in: bool
    """A session must be opened first."""


@dataclass(frozen=True, slots=True)
class Setback:
    """What the gate made of a failure."""

    pause_s: float
    """Until the recogniser is asked again, seconds."""
    counts: bool
    """True when the failure says something about the capture, not only about the recogniser."""
    news: bool
    """True when this failure made it an outage, or gave the outage a cause of another kind: tell the operator."""


@dataclass(frozen=True, slots=True)
class GateState:
    """How the recogniser is doing."""

    down_since_utc: datetime | None
    """None while it answers."""
    cause: str
    """Text of the last failure of the outage; empty while it answers."""
    reason: CameraReason | None = None
    """The same, to be told in any language; None where its text is nobody's but its own."""

    @property
    def is_down(self) -> bool:
        """True during an outage."""
        return self.down_since_utc is not None


@dataclass(slots=True)
class _Trouble:
    """Failures since the last answer. Owner: the gate's lock."""

    since_utc: datetime
    since_mono_s: float
    retry_at_mono_s: float
    failures: int = 0
    """Backoff steps: failures of probes, and the first one."""
    declared: bool = False
    told: set[type[BaseException] | str] = field(default_factory=set)
    """Kinds and texts of failures; a new text is told only if its kind is new, so this stays small."""
    cause: str = ""
    reason: CameraReason | None = None


class DeliveryGate:
    """The circuit breaker: keeps all senders off a recogniser that is down, and lets one at a time try.

    Closed: everyone may ask. Open: after a failure nobody may until the pause is over. Half-open: then one *probe* at a
    time; each failed probe doubles the pause's ceiling, the first answer closes the circuit. Requests that were on
    their way when the trouble began neither lengthen the pause nor count against their captures. A pause that the
    receiver asked for (``Retry-After``) is kept even when another request is answered meanwhile.

    Owner: its lock, which guards every field and is held for arithmetic only. Any thread.
    """

    def __init__(self, policy: RetryPolicy, *, clock: Clock, rng: Random) -> None:
        self._policy = policy
        self._clock = clock
        self._rng = rng
        self._lock = threading.Lock()  # guards everything below and the generator
        self._trouble: _Trouble | None = None
        self._probing = False
        self._log_in = False
        self._quiet_until_mono_s = float("-inf")

    @property
    def state(self) -> GateState:
        """How the recogniser is doing, as far as the senders know."""
        with self._lock:
            trouble = self._trouble
            if trouble is None or not trouble.declared:
                return GateState(None, "")
            return GateState(trouble.since_utc, trouble.cause, trouble.reason)

    def admit(self) -> Permit | float:
        """Ask for leave: a permit, or how many seconds to wait before asking again."""
        with self._lock:
            trouble = self._trouble
            retry_at_mono_s = self._quiet_until_mono_s
            if trouble is not None:
                retry_at_mono_s = max(retry_at_mono_s, trouble.retry_at_mono_s)
            wait_s = retry_at_mono_s - self._clock.mono_s()
            if wait_s > 0.0:
                return wait_s
            if trouble is None:
                return Permit(probe=False, log_in=False)
            if self._probing:
                return PROBE_POLL_S
            self._probing = True
            return Permit(probe=True, log_in=self._log_in)

    def leave(self, permit: Permit) -> None:
        """Give a permit back, whatever came of it. Once per permit."""
        if permit.probe:
            with self._lock:
                self._probing = False

    def stays_open(self, permit: Permit) -> bool:
        """False when the rest of a batch should be let go: trouble began since the permit was given."""
        with self._lock:
            return not permit.probe and self._trouble is None and self._quiet_until_mono_s <= self._clock.mono_s()

    def logged_in(self) -> None:
        """A session is open again."""
        with self._lock:
            self._log_in = False

    def answered(self) -> float | None:
        """The recogniser took or refused something: it is up. Returns how long an outage lasted, if one ends here."""
        with self._lock:
            trouble, self._trouble = self._trouble, None
            self._log_in = False
            if trouble is None or not trouble.declared:
                return None
            return self._clock.mono_s() - trouble.since_mono_s

    def failed(self, permit: Permit, error: BaseException) -> Setback:
        """Book a failure that is to blame on the recogniser, and choose the pause."""
        outcome = outcome_of(error)
        with self._lock:
            now_s = self._clock.mono_s()
            first = self._trouble is None
            trouble = self._trouble or _Trouble(self._clock.utc(), now_s, now_s)
            self._trouble = trouble
            if first or permit.probe:
                trouble.failures += 1
            pause_s = self._pause_s(trouble, outcome, error) if first or permit.probe else asked_pause_s(error)
            pause_s = min(pause_s, max(self._policy.retry_after_max_s, self._policy.backoff.cap_s))
            if (asked_s := min(asked_pause_s(error), self._policy.retry_after_max_s)) > 0.0:
                self._quiet_until_mono_s = max(self._quiet_until_mono_s, now_s + asked_s)
            trouble.retry_at_mono_s = max(trouble.retry_at_mono_s, now_s + pause_s)
            trouble.declared = trouble.declared or outcome.certain or not first
            trouble.cause = str(error)
            trouble.reason = CameraReason.of_error(error) if isinstance(error, VigiaError) else None
            self._log_in = self._log_in or outcome.log_in
            news = trouble.declared and type(error) not in trouble.told and str(error) not in trouble.told
            if news:
                trouble.told |= {type(error), str(error)}
            return Setback(pause_s=max(0.0, trouble.retry_at_mono_s - now_s), counts=first, news=news)

    def jitter_s(self, backoff: Backoff, failures: int) -> float:
        """A delay of ``backoff`` from the gate's generator, which the lock guards."""
        with self._lock:
            return backoff.delay_s(failures, self._rng)

    def _pause_s(self, trouble: _Trouble, outcome: Outcome, error: BaseException) -> float:
        chosen_s = self._policy.backoff.delay_s(trouble.failures, self._rng)
        return max(chosen_s, self._policy.pause_min_s, outcome.pause_min_s, asked_pause_s(error))


def asked_pause_s(error: BaseException) -> float:
    """The pause the other side asked for, seconds; 0 when it asked for none."""
    if isinstance(error, RetryableError) and error.retry_after_s is not None:
        return max(0.0, error.retry_after_s)
    return 0.0
