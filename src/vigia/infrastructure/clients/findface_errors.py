"""What FindFace's failing answers mean: one table from status, code and field to the application's errors.

FindFace's own errors are JSON objects ``{code, desc, param}``. Anything else comes from something in between (a proxy,
a firewall, another program at this address) and never counts as FindFace's word: a capture is refused only because
FindFace said so, or because it is too large for whatever stands before FindFace.

A 5xx that FindFace did not write may be a proxy that passed the request on and lost patience or the other side, so a
capture may have arrived. 401 and 403 are matched by code, because a missing licence is also told with 401 and must not
cause a log-in at every capture.
"""

import email.utils
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from http import HTTPStatus

from vigia.application.errors import (
    ApplicationError,
    CameraTokenRejected,
    CaptureRefused,
    CredentialsRejected,
    DeliveryAmbiguous,
    LicenseRejected,
    RecognizerUnavailable,
    RetryableError,
    SessionRejected,
)
from vigia.infrastructure.clients.findface_wire import parse_json
from vigia.infrastructure.clients.http_transport import HttpResponse, RequestNotSent, TransportFault, clean_text
from vigia.infrastructure.i18n import mark

RETRY_AFTER_MAX_S = 3600.0
"""A server may ask for patience, not for silence until tomorrow."""


class Call(Enum):
    """What a request was for: the same answer means different things."""

    LOG_IN = auto()
    QUERY = auto()
    """Reading, and logging out: repeating it changes nothing."""
    POST_EVENT = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """A failing answer as far as it was understood."""

    call: Call
    status: int
    structured: bool
    """A JSON object."""
    code: str
    """FindFace's word in capitals; empty when it is not FindFace that speaks."""
    param: str
    detail: str
    """For people: the code and FindFace's description, in its language, without secrets."""
    location: str
    retry_after_s: float | None


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line of the table; what is left empty matches everything."""

    kind: type[RetryableError] | str
    """An error's type, or the reason of a CaptureRefused."""
    text: str
    calls: Collection[Call] = tuple(Call)
    statuses: Collection[int] = range(1000)
    codes: Collection[str] = ()
    param: str = ""
    structured: bool = False

    def matches(self, answer: Answer) -> bool:
        return (
            answer.call in self.calls
            and answer.status in self.statuses
            and (not self.codes or answer.code in self.codes)
            and (not self.param or answer.param == self.param)
            and (not self.structured or answer.structured)
        )


_POST = (Call.POST_EVENT,)
_READ = (Call.QUERY,)
_IN_SESSION = (Call.QUERY, Call.POST_EVENT)

_RULES: Sequence[_Rule] = (
    _Rule(
        RecognizerUnavailable,
        mark("FindFace's address redirects (%(status)s) to %(location)s: set that as its URL"),
        statuses=range(300, 400),
    ),
    _Rule(
        LicenseRejected,
        mark("FindFace's licence forbids it: %(detail)s"),
        statuses=range(400, 500),
        codes=("LICENSE_ERROR",),
    ),
    _Rule(
        CredentialsRejected,
        mark("FindFace refused the log-in: %(detail)s"),
        calls=(Call.LOG_IN,),
        statuses=(401,),
    ),
    _Rule(
        CredentialsRejected,
        mark("FindFace refused the log-in: %(detail)s"),
        calls=(Call.LOG_IN,),
        statuses=(400, 403),
        structured=True,
    ),
    _Rule(
        SessionRejected,
        mark("FindFace does not accept the session any more: %(detail)s"),
        calls=_IN_SESSION,
        statuses=(401,),
    ),
    _Rule(
        CameraTokenRejected,
        mark("FindFace does not accept the camera's token: %(detail)s"),
        calls=_POST,
        statuses=(403,),
        codes=("PERMISSION_DENIED",),
    ),
    _Rule(
        CredentialsRejected,
        mark("the FindFace user may not do this: %(detail)s"),
        calls=_READ,
        statuses=(403,),
        codes=("PERMISSION_DENIED",),
    ),
    _Rule(
        CameraTokenRejected,
        mark("FindFace does not know the camera: %(detail)s"),
        calls=_POST,
        statuses=(404,),
        codes=("NOT_FOUND",),
    ),
    _Rule(
        "no_face",
        mark("FindFace saw no face: %(detail)s"),
        calls=_POST,
        statuses=(400,),
        codes=("BAD_PARAM",),
        param="fullframe",
    ),
    _Rule(
        "bad_param",
        mark("FindFace refused the capture: %(detail)s"),
        calls=_POST,
        statuses=(400,),
        structured=True,
    ),
    _Rule(
        "too_large",
        mark("the capture is too large for FindFace: %(detail)s"),
        calls=_POST,
        statuses=(413,),
    ),
    _Rule(
        DeliveryAmbiguous,
        mark("a proxy before FindFace lost it (%(status)s): the capture may have arrived: %(detail)s"),
        calls=_POST,
        statuses=(502, 504),
    ),
)
_OWN_FAILURE = "FindFace failed (%(status)s): %(detail)s"
_FOREIGN_FAILURE = "something before FindFace failed (%(status)s): the capture may have arrived: %(detail)s"
_UNEXPECTED = "FindFace's address gave an unexpected answer (%(status)s): %(detail)s"


def error_of_answer(
    call: Call, response: HttpResponse, *, now_utc: datetime, secrets: Sequence[str] = ()
) -> ApplicationError:
    """The error that an answer outside 2xx stands for. Total: any status and any body give one.

    Args:
        call: what was asked.
        response: the answer.
        now_utc: for a ``Retry-After`` that is a date.
        secrets: texts to be blotted out, should the server repeat them.
    """
    answer = _understand(call, response, now_utc=now_utc, secrets=secrets)
    facts: dict[str, object] = {"status": answer.status, "detail": answer.detail, "location": answer.location}
    for rule in _RULES:
        if rule.matches(answer):
            if isinstance(rule.kind, str):
                return CaptureRefused(rule.kind, rule.text, **facts)
            return rule.kind(rule.text, retry_after_s=answer.retry_after_s, **facts)
    if answer.status >= 500:
        if call is Call.POST_EVENT and not answer.code:
            return DeliveryAmbiguous(_FOREIGN_FAILURE, retry_after_s=answer.retry_after_s, **facts)
        return RecognizerUnavailable(_OWN_FAILURE, retry_after_s=answer.retry_after_s, **facts)
    return RecognizerUnavailable(_UNEXPECTED, retry_after_s=answer.retry_after_s, **facts)


def error_of_fault(call: Call, fault: TransportFault) -> RetryableError:
    """The error that an exchange without an answer stands for."""
    if isinstance(fault, RequestNotSent):
        return RecognizerUnavailable("FindFace cannot be reached: %(detail)s", detail=fault)
    if call is Call.POST_EVENT:
        return DeliveryAmbiguous("FindFace did not answer, the capture may have arrived: %(detail)s", detail=fault)
    return RecognizerUnavailable("FindFace did not answer: %(detail)s", detail=fault)


def parse_retry_after(text: str, *, now_utc: datetime) -> float | None:
    """``Retry-After`` in seconds, from 0 to RETRY_AFTER_MAX_S; None when it cannot be read.

    Args:
        text: a number of seconds or an HTTP date.
        now_utc: timezone-aware.
    """
    text = text.strip()
    try:
        delay_s = float(text)
    except ValueError:
        try:
            at = email.utils.parsedate_to_datetime(text)
            delay_s = ((at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - now_utc).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    if math.isnan(delay_s):
        return None
    return min(max(delay_s, 0.0), RETRY_AFTER_MAX_S)


def _understand(call: Call, response: HttpResponse, *, now_utc: datetime, secrets: Sequence[str]) -> Answer:
    body = parse_json(response.body)
    fields = body if isinstance(body, dict) else {}
    code, param, desc = (fields.get(name) for name in ("code", "param", "desc"))
    code = code.upper() if isinstance(code, str) else ""
    param = param if isinstance(param, str) else ""
    desc = desc if isinstance(desc, str) else ""
    if code:
        words = f"{code} ({param}) {desc}" if param else f"{code} {desc}"
    elif fields:
        words = f"{_phrase(response.status)}: {', '.join(fields)}"
    else:
        words = _phrase(response.status)
    return Answer(
        call=call,
        status=response.status,
        structured=isinstance(body, dict),
        code=code,
        param=param,
        detail=clean_text(words, secrets=secrets),
        location=clean_text(response.headers.get("location", ""), secrets=secrets) or "?",
        retry_after_s=parse_retry_after(response.headers.get("retry-after", ""), now_utc=now_utc),
    )


def _phrase(status: int) -> str:
    """What HTTP calls a status: the words of a page that is not FindFace's are no use to anybody."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP {status}"
