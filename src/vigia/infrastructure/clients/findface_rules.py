"""Every way a request to FindFace can fail, and the application's error that it is: one table, first match holds.

FindFace's own errors are JSON objects ``{code, desc, param}``. Anything else comes from something in between (a proxy,
a firewall, another program at this address) and never counts as FindFace's word: a capture is refused only because
FindFace said so, or because it is too large for whatever stands before FindFace.

A 5xx that FindFace did not write may be a proxy that passed the request on and lost patience or the other side, so a
capture may have arrived; not so when it came before the request was sent whole. 401 and 403 are matched by code,
because a missing licence is also told with 401 and must not cause a log-in at every capture.

What follows from each error is the application's: ``application/retry_table.py``. docs/delivery.md shows both joined.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum

from vigia.application.errors import (
    ApplicationError,
    CameraTokenRejected,
    CaptureRefused,
    CredentialsRejected,
    DeliveryAmbiguous,
    LicenseRejected,
    RecognizerBusy,
    RecognizerMisaddressed,
    RecognizerUnavailable,
    RecognizerUnreachable,
    RetryableError,
    SessionRejected,
)
from vigia.infrastructure.i18n import mark


class Call(Enum):
    """What a request was for: the same answer means different things."""

    LOG_IN = "log-in"
    QUERY = "query"
    """Reading, and logging out: repeating it changes nothing."""
    POST_EVENT = "capture"


class Phase(StrEnum):
    """How far a request had come when it failed."""

    BEFORE = "before sending"
    """No byte left."""
    WHILE = "while sending"
    """Its last byte did not leave: nobody can have read all of it."""
    AFTER = "after sending"
    """All of it left."""


class Answered(StrEnum):
    """What came back."""

    NOTHING = "none"
    ANY = ""
    JSON = "a JSON object"
    CODED = "FindFace's (a code)"
    FOREIGN = "not FindFace's (no code)"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed request, as far as it was understood."""

    call: Call
    phase: Phase
    answered: bool = True
    status: int = 0
    """HTTP status; 0 without an answer."""
    structured: bool = False
    """The answer is a JSON object."""
    code: str = ""
    """FindFace's word in capitals; empty when it is not FindFace that speaks."""
    param: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table; what is left out matches everything."""

    kind: type[RetryableError] | str
    """An error's type, or the reason of a CaptureRefused."""
    text: str
    """For the operator; places: ``detail``, ``status``, ``location``."""
    calls: Collection[Call] = tuple(Call)
    phases: Collection[Phase] = (Phase.WHILE, Phase.AFTER)
    answer: Answered = Answered.ANY
    statuses: Sequence[range] = (range(1000),)
    codes: Collection[str] = ()
    param: str = ""

    def matches(self, failure: Failure) -> bool:
        """Whether this line is about that failure."""
        if failure.call not in self.calls or failure.phase not in self.phases:
            return False
        if not failure.answered or self.answer is Answered.NOTHING:
            return not failure.answered and self.answer is Answered.NOTHING
        return (
            any(failure.status in span for span in self.statuses)
            and (not self.codes or failure.code in self.codes)
            and (not self.param or failure.param == self.param)
            and (self.answer is not Answered.JSON or failure.structured)
            and (self.answer is not Answered.CODED or bool(failure.code))
            and (self.answer is not Answered.FOREIGN or not failure.code)
        )

    @property
    def error(self) -> type[ApplicationError]:
        """The error's type."""
        return CaptureRefused if isinstance(self.kind, str) else self.kind


def _is(*statuses: int) -> tuple[range, ...]:
    return tuple(range(status, status + 1) for status in statuses)


_POST = (Call.POST_EVENT,)
_READ = (Call.QUERY,)
_LOG_IN = (Call.LOG_IN,)
_IN_SESSION = (Call.QUERY, Call.POST_EVENT)
_OTHER = (Call.LOG_IN, Call.QUERY)

RULES: Sequence[Rule] = (
    # Without an answer
    Rule(
        RecognizerUnreachable,
        mark("FindFace cannot be reached: %(detail)s"),
        phases=(Phase.BEFORE,),
        answer=Answered.NOTHING,
    ),
    Rule(
        RecognizerUnavailable,
        mark("the connection to FindFace broke before the capture was sent: %(detail)s"),
        calls=_POST,
        phases=(Phase.WHILE,),
        answer=Answered.NOTHING,
    ),
    Rule(
        DeliveryAmbiguous,
        mark("FindFace did not answer, the capture may have arrived: %(detail)s"),
        calls=_POST,
        phases=(Phase.AFTER,),
        answer=Answered.NOTHING,
    ),
    Rule(
        RecognizerUnavailable,
        mark("FindFace did not answer the log-in: %(detail)s"),
        calls=_LOG_IN,
        answer=Answered.NOTHING,
    ),
    Rule(
        RecognizerUnreachable,
        mark("FindFace did not answer: %(detail)s"),
        calls=_READ,
        answer=Answered.NOTHING,
    ),
    # An answer that is no failure by its status, but not FindFace's either
    Rule(
        DeliveryAmbiguous,
        mark("FindFace's answer to a capture cannot be read: it may have arrived"),
        calls=_POST,
        statuses=(range(200, 300),),
    ),
    # The address, the licence, the account
    Rule(
        RecognizerMisaddressed,
        mark("FindFace's address redirects (%(status)s) to %(location)s: set that as its URL"),
        statuses=(range(300, 400),),
    ),
    Rule(
        LicenseRejected,
        mark("FindFace's licence forbids it: %(detail)s"),
        statuses=(range(400, 500),),
        codes=("LICENSE_ERROR",),
    ),
    Rule(
        CredentialsRejected,
        mark("FindFace refused the log-in: %(detail)s"),
        calls=_LOG_IN,
        statuses=_is(401),
    ),
    Rule(
        CredentialsRejected,
        mark("FindFace refused the log-in: %(detail)s"),
        calls=_LOG_IN,
        statuses=_is(400, 403),
        answer=Answered.JSON,
    ),
    Rule(
        SessionRejected,
        mark("FindFace does not accept the session any more: %(detail)s"),
        calls=_IN_SESSION,
        statuses=_is(401),
    ),
    Rule(
        CredentialsRejected,
        mark("the FindFace user may not do this: %(detail)s"),
        calls=_READ,
        statuses=_is(403),
        codes=("PERMISSION_DENIED",),
    ),
    # The camera
    Rule(
        CameraTokenRejected,
        mark("FindFace does not accept the camera's token: %(detail)s"),
        calls=_POST,
        statuses=_is(403),
        codes=("PERMISSION_DENIED",),
    ),
    Rule(
        CameraTokenRejected,
        mark("FindFace does not know the camera: %(detail)s"),
        calls=_POST,
        statuses=_is(404),
        codes=("NOT_FOUND",),
    ),
    Rule(
        CameraTokenRejected,
        mark("FindFace does not know the camera: %(detail)s"),
        calls=_POST,
        statuses=_is(400),
        codes=("BAD_PARAM",),
        param="camera",
    ),
    # The capture
    Rule(
        "no_face",
        mark("FindFace saw no face: %(detail)s"),
        calls=_POST,
        statuses=_is(400),
        codes=("BAD_PARAM",),
        param="fullframe",
    ),
    Rule(
        "bad_param",
        mark("FindFace refused the capture: %(detail)s"),
        calls=_POST,
        statuses=_is(400),
        answer=Answered.JSON,
    ),
    Rule(
        "too_large",
        mark("the capture is too large for FindFace: %(detail)s"),
        calls=_POST,
        statuses=_is(413),
    ),
    # Failing for now
    Rule(
        RecognizerBusy,
        mark("FindFace has too much to do (%(status)s): %(detail)s"),
        statuses=_is(429),
    ),
    Rule(
        RecognizerBusy,
        mark("FindFace has too much to do (%(status)s): %(detail)s"),
        statuses=_is(503),
        answer=Answered.CODED,
    ),
    Rule(
        RecognizerUnavailable,
        mark("something before FindFace failed (%(status)s) before the capture was sent: %(detail)s"),
        calls=_POST,
        phases=(Phase.WHILE,),
        statuses=(range(500, 1000),),
    ),
    Rule(
        DeliveryAmbiguous,
        mark("a proxy before FindFace lost it (%(status)s): the capture may have arrived: %(detail)s"),
        calls=_POST,
        statuses=_is(502, 504),
    ),
    Rule(
        DeliveryAmbiguous,
        mark("something before FindFace failed (%(status)s): the capture may have arrived: %(detail)s"),
        calls=_POST,
        statuses=(range(500, 1000),),
        answer=Answered.FOREIGN,
    ),
    Rule(
        RecognizerUnavailable,
        mark("a proxy answered in FindFace's place (%(status)s): is FindFace running? %(detail)s"),
        calls=_OTHER,
        statuses=(range(500, 1000),),
        answer=Answered.FOREIGN,
    ),
    Rule(
        RecognizerUnavailable,
        mark("FindFace failed (%(status)s): %(detail)s"),
        statuses=(range(500, 1000),),
    ),
    Rule(
        RecognizerMisaddressed,
        mark("FindFace's address has no such call (%(status)s): check its URL; %(detail)s"),
        calls=_OTHER,
        statuses=_is(404, 405),
        answer=Answered.CODED,
    ),
    Rule(
        RecognizerUnavailable,
        mark("FindFace's address gave an unexpected answer (%(status)s): %(detail)s"),
        statuses=_is(408, 425),
    ),
    Rule(
        RecognizerMisaddressed,
        mark("what answers at FindFace's address is not FindFace (%(status)s): check its URL; %(detail)s"),
        statuses=(range(200, 300), range(400, 500)),
        answer=Answered.FOREIGN,
    ),
    Rule(
        RecognizerUnavailable,
        mark("FindFace's address gave an unexpected answer (%(status)s): %(detail)s"),
    ),
)


def rule_of(failure: Failure) -> Rule:
    """The line of the table that a failure falls under. Total: the last one takes what is left."""
    return next((rule for rule in RULES if rule.matches(failure)), RULES[-1])
