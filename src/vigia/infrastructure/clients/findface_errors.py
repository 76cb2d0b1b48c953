"""From a failing answer, or none, to the application's error: reads the answer, ``findface_rules.py`` has the table."""

import email.utils
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from vigia.application.errors import ApplicationError, CaptureRefused
from vigia.infrastructure.clients.findface_rules import Call, Failure, Phase, Rule, rule_of
from vigia.infrastructure.clients.findface_wire import parse_json
from vigia.infrastructure.clients.http_transport import (
    HttpResponse,
    RequestIncomplete,
    RequestNotSent,
    TransportFault,
    clean_text,
)

__all__ = ["Call", "error_of_answer", "error_of_fault", "parse_retry_after"]

RETRY_AFTER_MAX_S = 3600.0
"""A server may ask for patience, not for silence until tomorrow."""


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
    body = parse_json(response.body)
    fields = body if isinstance(body, dict) else {}
    code, param = (_text(fields, name) for name in ("code", "param"))
    failure = Failure(
        call=call,
        phase=Phase.WHILE if response.early else Phase.AFTER,
        status=response.status,
        structured=isinstance(body, dict),
        code=code.upper(),
        param=param,
    )
    facts: dict[str, object] = {
        "status": response.status,
        "detail": clean_text(_words(response, fields), secrets=secrets),
        "location": clean_text(response.headers.get("location", ""), secrets=secrets) or "?",
    }
    retry_after_s = parse_retry_after(response.headers.get("retry-after", ""), now_utc=now_utc)
    return _error(rule_of(failure), retry_after_s, facts)


def error_of_fault(call: Call, fault: TransportFault) -> ApplicationError:
    """The error that an exchange without an answer stands for."""
    if isinstance(fault, RequestNotSent):
        phase = Phase.BEFORE
    else:
        phase = Phase.WHILE if isinstance(fault, RequestIncomplete) else Phase.AFTER
    return _error(rule_of(Failure(call, phase, answered=False)), None, {"detail": fault})


def _error(rule: Rule, retry_after_s: float | None, facts: Mapping[str, object]) -> ApplicationError:
    if isinstance(rule.kind, str):
        return CaptureRefused(rule.kind, rule.text, **facts)
    return rule.kind(rule.text, retry_after_s=retry_after_s, **facts)


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


def _words(response: HttpResponse, fields: Mapping[str, object]) -> str:
    """What a failing answer says, for people: FindFace's code and description in its language, or HTTP's own phrase."""
    code, param, desc = (_text(fields, name) for name in ("code", "param", "desc"))
    if code:
        return f"{code.upper()} ({param}) {desc}" if param else f"{code.upper()} {desc}"
    phrase = _phrase(response.status)
    if fields:
        return f"{phrase}: {', '.join(fields)}"
    media_type = response.headers.get("content-type", "").split(";")[0].strip()
    return f"{phrase}, {media_type}" if media_type else phrase


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _phrase(status: int) -> str:
    """What HTTP calls a status: the words of a page that is not FindFace's are no use to anybody."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"HTTP {status}"
