"""Logging in and out. Who is told what is the same for a user who exists and for one who does not."""

import logging
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qs

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import HTMLResponse, RedirectResponse, Response

from vigia.application.audit_port import AuditAction, AuditEntry, AuditLog, Person
from vigia.application.ports import Clock
from vigia.infrastructure.web.access import (
    LOGIN_PATH,
    SESSION_COOKIE,
    BodyTooLarge,
    DoorRules,
    cookies,
    session_of,
)
from vigia.infrastructure.web.addresses import visitor_of
from vigia.infrastructure.web.devices import COOKIE_S, DeviceStore
from vigia.infrastructure.web.lockout import LockOut
from vigia.infrastructure.web.pages import CSS, EXPIRED, WRONG, home_page, locked_text, login_page
from vigia.infrastructure.web.sessions import SessionStore
from vigia.infrastructure.web.texts import chosen_language, say
from vigia.infrastructure.web.users import User, UserFile

logger = logging.getLogger("vigia.web")

FORM_COOKIE = "vigia-form"
DEVICE_COOKIE = "vigia-device"
LANGUAGE_COOKIE = "vigia-lang"
LANGUAGE_COOKIE_S = 31_536_000
FORM_BYTES_MAX = 8192
NEXT_CHARACTERS_MAX = 500
UNKNOWN = "(unknown)"
"""In the audit log for a name that nobody has: what was typed there may be a password."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """What logging in takes."""

    users: UserFile
    sessions: SessionStore
    lockout: LockOut
    audit: AuditLog
    rules: DoorRules
    clock: Clock
    language: Callable[[], str]
    """The operator's, for browsers that say nothing."""
    devices: DeviceStore
    on_log_in: Callable[[User], None] = lambda _user: None
    """Called after each good log-in, in a thread that may touch the disk."""


class LoginPages:
    """Owner: none; its tasks run in the server's loop."""

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._one_at_a_time = anyio.CapacityLimiter(1)  # a hash takes a core and 19 MB for a moment
        self._disk = anyio.CapacityLimiter(1)  # of its own: nobody is kept out because the outbox hangs

    def routes(self, *, home: bool) -> APIRouter:
        """``/login``, ``/logout``, the style sheet, and with ``home`` a page at ``/``."""
        router = APIRouter(include_in_schema=False)
        router.get(LOGIN_PATH)(self.show)
        router.post(LOGIN_PATH)(self.log_in)
        router.post("/logout")(self.log_out)
        router.get("/login.css")(_style)
        router.get("/favicon.ico")(_icon)
        if home:
            router.get("/")(self.home)
        return router

    async def show(self, request: Request, then: Annotated[str, Query(alias="next")] = "/", lang: str = "") -> Response:
        """The form; with ``lang`` the language is kept, also of somebody who is in already."""
        language = self._language(request, lang)
        response: Response
        if session_of(request) is not None:
            response = RedirectResponse(safe_path(then), 303)
        else:
            response = self._form(request, language=language, then=safe_path(then))
        if lang:
            self._set_cookie(response, LANGUAGE_COOKIE, language, max_age=LANGUAGE_COOKIE_S)
        return response

    async def log_in(self, request: Request) -> Response:
        """The form sent."""
        fields = await _fields(request)
        language, then = self._language(request, ""), safe_path(fields.get("next", "/"))
        kept = self._cookie(request, FORM_COOKIE)
        if not kept or not secrets.compare_digest(kept.encode(), fields.get("token", "").encode()):
            return self._form(request, language=language, then=then, problem=say(EXPIRED, language), status=403)
        name, address = fields.get("user", ""), self._visitor(request)
        device = self._entrance.devices.find(name, self._cookie(request, DEVICE_COOKIE))
        attempt = self._entrance.lockout.begin(name, address, device=device)
        if attempt.wait_s > 0.0:
            if attempt.is_news:  # not for each one: whoever goes on asking would fill the log
                await self._note_failure(name, address, "locked")
            told = locked_text(attempt.wait_s, language)
            response: Response = self._form(request, language=language, then=then, problem=told, status=429)
            response.headers["retry-after"] = str(math.ceil(attempt.wait_s))
            return response
        user = await anyio.to_thread.run_sync(
            self._entrance.users.check, name, fields.get("password", ""), limiter=self._one_at_a_time
        )
        if user is None:
            await self._note_failure(name, address, "wrong")
            logger.warning("Web: a log-in from %s failed", address)
            return self._form(request, language=language, then=then, problem=say(WRONG, language), status=403)
        self._entrance.lockout.right(attempt)
        return await self._let_in(request, user, address=address, then=then)

    async def log_out(self, request: Request) -> Response:
        """The end of a session."""
        rules, session, fields = self._entrance.rules, session_of(request), await _fields(request)
        brought = fields.get("token", "") or request.headers.get("x-csrf-token", "")
        if session is None or not secrets.compare_digest(brought.encode(), session.csrf.encode()):
            return Response(status_code=403)
        name = rules.cookie(request.headers)
        self._entrance.sessions.close(self._cookie(request))
        await self._note(session.person, "ok", AuditAction.LOGOUT)
        response = RedirectResponse(LOGIN_PATH, 303)
        self._set_cookie(response, name, "", max_age=0)
        return response

    async def home(self, request: Request) -> Response:
        """What is at ``/`` before there is a dashboard."""
        session = session_of(request)
        if session is None:  # the door lets nobody through without one
            return Response(status_code=401)
        return HTMLResponse(home_page(language=self._language(request, ""), session=session))

    async def _let_in(self, request: Request, user: User, *, address: str, then: str) -> Response:
        rules, sessions = self._entrance.rules, self._entrance.sessions
        sessions.close(self._cookie(request))  # never the same id again
        device = await anyio.to_thread.run_sync(
            self._welcome, user, self._cookie(request, DEVICE_COOKIE), limiter=self._disk
        )
        token, session = sessions.open(user, address=address)
        await self._note(session.person, "ok")
        response = RedirectResponse(then, 303)
        self._set_cookie(response, rules.cookie(request.headers), token)
        self._set_cookie(response, rules.cookie(request.headers, FORM_COOKIE), "", max_age=0)
        self._set_cookie(response, rules.cookie(request.headers, DEVICE_COOKIE), device, max_age=COOKIE_S)
        return response

    def _welcome(self, user: User, device: str) -> str:
        self._entrance.on_log_in(user)
        return self._entrance.devices.remember(user.name, device)

    def _form(
        self, request: Request, *, language: str, then: str, problem: str = "", status: int = 200
    ) -> HTMLResponse:
        token = secrets.token_urlsafe(16)
        response = HTMLResponse(login_page(language=language, token=token, then=then, problem=problem), status)
        self._set_cookie(response, self._entrance.rules.cookie(request.headers, FORM_COOKIE), token)
        return response

    def _cookie(self, request: Request, base: str = SESSION_COOKIE) -> str:
        return cookies(request.headers).get(self._entrance.rules.cookie(request.headers, base), "")

    def _set_cookie(self, response: Response, name: str, value: str, *, max_age: int | None = None) -> None:
        secure = self._entrance.rules.tls
        response.set_cookie(name, value, max_age=max_age, path="/", secure=secure, httponly=True, samesite="strict")

    def _visitor(self, request: Request) -> str:
        """The visitor's address."""
        peer = "" if request.client is None else request.client.host
        forwarded = request.headers.getlist("x-forwarded-for")
        return visitor_of(peer, forwarded, trusted=self._entrance.rules.trusted_proxies)

    def _language(self, request: Request, asked: str) -> str:
        return chosen_language(
            asked=asked,
            kept=cookies(request.headers).get(LANGUAGE_COOKIE, ""),
            accepts=request.headers.get("accept-language", ""),
            default=self._entrance.language(),
        )

    async def _note_failure(self, name: str, address: str, result: str) -> None:
        known = self._entrance.users.find(name) is not None
        await self._note(Person(name if known else UNKNOWN, address=address), result)

    async def _note(self, who: Person, result: str, action: AuditAction = AuditAction.LOGIN) -> None:
        entry = AuditEntry(self._entrance.clock.utc(), who, action, result)
        await anyio.to_thread.run_sync(self._entrance.audit.record, entry, limiter=self._disk)


async def _style() -> Response:
    return Response(CSS, media_type="text/css")


async def _icon() -> Response:
    return Response(status_code=204)


def safe_path(text: str) -> str:
    """A path of this server to go to: ``text``, or ``/`` where it could lead elsewhere."""
    plain = text.isprintable() and "\\" not in text and len(text) <= NEXT_CHARACTERS_MAX and text.isascii()
    return text if plain and text.startswith("/") and not text.startswith("//") and text != LOGIN_PATH else "/"


async def _fields(request: Request) -> dict[str, str]:
    """The form's fields, the first of each name; none where the body is no form."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    try:
        body = await request.body()
        parsed = parse_qs(body[: FORM_BYTES_MAX + 1].decode("utf-8", "replace"), max_num_fields=20)
    except (BodyTooLarge, ClientDisconnect, ValueError):
        return {}
    return {} if len(body) > FORM_BYTES_MAX else {name: values[0] for name, values in parsed.items()}
