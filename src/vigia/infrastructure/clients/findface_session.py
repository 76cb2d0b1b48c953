"""The session's token, and logging in once for everybody.

Several senders notice a dead session at the same moment. One of them logs in; the others wait for its result and use
it, success or failure. Invariants:

1. At most one log-in is under way.
2. A token is dropped only by somebody who used that very token: a late 401 for the token before the last changes
   nothing (tokens carry a generation number).
3. After a failure the next attempt waits: a moment when nobody could be reached, else half a minute. Whoever answered
   (FindFace that refuses, a proxy's page, a wrong address), a person may have to act, and repeated wrong passwords may
   lock the account.
4. A log-in whose token is refused at its first use counts as refused: else two faults would chase each other.
5. So does one that replaced a refused token less than half a minute before: a fault that takes reading and refuses
   captures, say, costs one log-in in half a minute, too. The first replacement is made at once.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from vigia.application.errors import (
    CredentialsRejected,
    LicenseRejected,
    RecognizerBusy,
    RecognizerMisaddressed,
    RecognizerUnavailable,
    RecognizerUnreachable,
    RetryableError,
    SessionRejected,
)
from vigia.application.ports import Clock

REFUSED_SPACING_S = 30.0
UNREACHABLE_SPACING_S = 1.0
WAIT_S = 80.0
"""Longer than a log-in can take by its own time-outs: pool, connect, write, read."""


@dataclass(frozen=True, slots=True)
class SessionToken:
    """A token and which log-in it came from."""

    generation: int
    value: str = field(repr=False)


class _Flight:
    """One log-in under way. Owner: the thread that leads it; the others read after ``done``."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.token: SessionToken | None = None
        self.failure: RetryableError | None = None


class FindfaceSession:
    """Shared by all senders of one FindFace.

    Owner: any thread; the lock guards every field and is never held while somebody logs in.
    Bounds: one token, one log-in under way; a waiter gives up after ``wait_s``.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        refused_spacing_s: float = REFUSED_SPACING_S,
        unreachable_spacing_s: float = UNREACHABLE_SPACING_S,
        wait_s: float = WAIT_S,
    ) -> None:
        self._clock = clock
        self._refused_spacing_s = refused_spacing_s
        self._unreachable_spacing_s = unreachable_spacing_s
        self._wait_s = wait_s
        self._lock = threading.Lock()  # guards everything below
        self._token: SessionToken | None = None
        self._generation = 0
        self._proven = False
        self._rejected = False
        """A token was refused and no other taken its place."""
        self._replaces = False
        """The present token took the place of a refused one."""
        self._logged_in_mono_s = 0.0
        self._flight: _Flight | None = None
        self._failure: RetryableError | None = None
        self._not_before_mono_s = 0.0

    def __repr__(self) -> str:
        with self._lock:
            return f"<FindfaceSession generation {self._generation}, {'open' if self._token else 'closed'}>"

    @property
    def token(self) -> SessionToken | None:
        """The present token, or None."""
        with self._lock:
            return self._token

    def obtain(self, log_in: Callable[[], str]) -> SessionToken:
        """The present token; without one, that of a log-in, one's own or somebody else's under way.

        Raises:
            RetryableError: whatever ``log_in`` raises; again, without trying, until the spacing is over.
            SessionRejected: another sender's log-in did not end in time.
        """
        return self._join(log_in, fresh=False)

    def refresh(self, log_in: Callable[[], str]) -> SessionToken:
        """Log in although there may be a token. Raises as ``obtain``; the old token is kept then."""
        return self._join(log_in, fresh=True)

    def prove(self, token: SessionToken) -> None:
        """FindFace answered to this token: it is good."""
        with self._lock:
            if self._token is not None and self._token.generation == token.generation:
                self._proven = True

    def reject(self, token: SessionToken) -> None:
        """FindFace does not accept this token. Nothing happens when it has been replaced meanwhile."""
        with self._lock:
            if self._token is None or self._token.generation != token.generation:
                return
            self._token = None
            self._rejected = True
            young = self._clock.mono_s() < self._logged_in_mono_s + self._refused_spacing_s
            if not self._proven or (self._replaces and young):
                self._failure = SessionRejected("FindFace does not accept a session that it has just opened")
                self._not_before_mono_s = self._logged_in_mono_s + self._refused_spacing_s

    def clear(self) -> SessionToken | None:
        """Forget the token, for a log-out; return it."""
        with self._lock:
            token, self._token = self._token, None
            return token

    def _join(self, log_in: Callable[[], str], *, fresh: bool) -> SessionToken:
        with self._lock:
            if self._token is not None and not fresh:
                return self._token
            flight, leads = self._flight, False
            if flight is None:
                self._check_spacing()
                flight, leads = _Flight(), True
                self._flight = flight
        if leads:
            return self._lead(flight, log_in)
        if not self._clock.wait(flight.done, self._wait_s):
            raise SessionRejected("the log-in of another sender takes too long")
        if flight.token is not None:
            return flight.token
        if flight.failure is not None:
            raise _again(flight.failure, flight.failure.retry_after_s) from flight.failure
        raise SessionRejected("the log-in of another sender broke off")

    def _lead(self, flight: _Flight, log_in: Callable[[], str]) -> SessionToken:
        try:
            value = log_in()
        except RetryableError as error:
            # A copy: the error itself holds, by its traceback, the picture of whoever wanted to send one.
            flight.failure = _again(error, error.retry_after_s)
            raise
        else:
            with self._lock:
                self._generation += 1
                flight.token = self._token = SessionToken(self._generation, value)
                self._proven = False
                self._replaces, self._rejected = self._rejected, False
                self._logged_in_mono_s = self._clock.mono_s()
                self._failure = None
            return flight.token
        finally:
            with self._lock:
                self._flight = None
                if flight.failure is not None:
                    self._failure = flight.failure
                    self._not_before_mono_s = self._clock.mono_s() + self._spacing_s(flight.failure)
            flight.done.set()

    def _spacing_s(self, failure: RetryableError) -> float:
        nobody = isinstance(failure, RecognizerUnreachable)
        spacing_s = self._unreachable_spacing_s if nobody else self._refused_spacing_s
        return max(spacing_s, failure.retry_after_s or 0.0)

    def _check_spacing(self) -> None:
        """Raise the last failure again while it is too early. The lock is held."""
        remaining_s = self._not_before_mono_s - self._clock.mono_s()
        if self._failure is not None and remaining_s > 0.0:
            raise _again(self._failure, remaining_s) from self._failure


def _again(failure: RetryableError, retry_after_s: float | None) -> RetryableError:
    """The same failure for another caller: one exception object must not be raised by two threads."""
    known = (
        CredentialsRejected,
        LicenseRejected,
        RecognizerUnreachable,
        RecognizerBusy,
        RecognizerMisaddressed,
        RecognizerUnavailable,
        SessionRejected,
    )
    kind = next((kind for kind in known if isinstance(failure, kind)), SessionRejected)
    return kind(failure.template, retry_after_s=retry_after_s, **failure.facts)
