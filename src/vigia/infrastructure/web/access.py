"""The door: what stands before every route, HTTP and WebSocket alike. What is not named public needs a session.

Plain ASGI and not ``BaseHTTPMiddleware``, which sees no WebSocket and buffers streams. In this order:

1. A ``Host`` that is not ours is refused (DNS rebinding), but for the two probes.
2. The session is looked up by the cookie and put into ``scope["state"]``.
3. Without one: only public paths, and ``/metrics`` with its token or where it is public. A page leads to the log-in.
4. What changes something, and every WebSocket, has to come from a page of ours (``Origin``, ``Sec-Fetch-Site``), and
   must bring the session's CSRF token in ``X-CSRF-Token``. Where a library makes the requests and cannot bring it, the
   origin must be said and right.
5. Bodies are bounded, and every answer gets the security headers.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vigia.infrastructure.web.addresses import Networks
from vigia.infrastructure.web.headers import answer_headers, host_is_ours, origin_matches, wants_page
from vigia.infrastructure.web.sessions import Session, SessionStore

LOGIN_PATH: Final = "/login"
METRICS_PATH: Final = "/metrics"
PUBLIC_PATHS: Final = frozenset({LOGIN_PATH, "/login.css", "/favicon.ico", "/healthz", "/readyz"})
PROBE_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Whoever probes asks by an address or by a name of their own; the answer holds nothing that is worth a rebinding."""
OWN_CSRF_PATHS: Final = frozenset({LOGIN_PATH, "/logout"})
"""Forms: their routes check the token themselves, which stands in the body."""
LIBRARY_PREFIXES: Final = ("/_nicegui_ws/", "/_nicegui/")
"""Where the dashboard's library posts by itself."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
BODY_BYTES_MAX: Final = 65_536
SESSION_COOKIE: Final = "vigia"
PORT_DIGITS_MAX: Final = 5
SESSION_KEY: Final = "vigia_session"
POLICY_VIOLATION: Final = 1008
PINGS: Final = frozenset({"2", "3"})
"""Engine.IO's ping and pong."""
UNUSED_PATHS: Final = frozenset({"/api/history"})
"""What an open page asks for by itself: no use of the session. Live pictures are one: somebody watches."""
RECEIPT: Final = '42["ack"'
"""What a page of the dashboard says by itself every few seconds: how far it has read."""
_CLOSE: Final[Message] = {"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""}


@dataclass(frozen=True, slots=True)
class DoorRules:
    """What the door goes by."""

    names: Collection[str]
    """Host names that are ours, lower case."""
    tls: bool = False
    """Browsers speak HTTPS, with this server or with a proxy before it."""
    trusted_proxies: Networks = ()
    """Whose word on the visitor's address is believed."""
    metrics_public: bool = False
    metrics_token: str = ""

    @property
    def scheme(self) -> str:
        """As browsers speak."""
        return "https" if self.tls else "http"

    def cookie(self, headers: Headers, base: str = SESSION_COOKIE) -> str:
        """A cookie's name; with TLS the browser itself holds it to this host.

        It carries the port that the browser asks: to cookies all ports of a host are one, and two vigias on it would
        take each other's place.
        """
        port = headers.get("host", "").rpartition(":")[2]
        own = f"{base}-{port}" if port.isascii() and port.isdigit() and len(port) <= PORT_DIGITS_MAX else base
        return f"__Host-{own}" if self.tls else own


class AccessMiddleware:
    """Owner: none; any task.

    Args:
        app: what is behind the door.
        rules: who is let in.
        sessions: who is in.
    """

    def __init__(self, app: ASGIApp, *, rules: DoorRules, sessions: SessionStore) -> None:
        self._app = app
        self._rules = rules
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in, or answer instead."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        # No route takes a line break for a part of a path: the router's patterns stop there, and pages with them.
        scope["path"] = str(scope["path"]).replace("\n", "\N{REPLACEMENT CHARACTER}")
        headers = Headers(scope=scope)
        token = cookies(headers).get(self._rules.cookie(headers), "")
        session = self._sessions.find(token, used=scope["path"] not in UNUSED_PATHS)
        scope.setdefault("state", {})[SESSION_KEY] = session
        refusal = self._refusal(scope, headers, session)
        if scope["type"] == "websocket":
            if refusal is not None:
                await receive()  # websocket.connect
                await send(_CLOSE)
            else:
                socket = GuardedSocket(receive, send, sessions=self._sessions, token=token)
                await self._app(scope, socket.receive, socket.send)
            return
        path = str(scope["path"])
        sending = _with_headers(send, path)
        if refusal is not None:
            await refusal(scope, receive, sending)
        else:
            await self._app(scope, _bounded(receive, path), sending)

    def _refusal(self, scope: Scope, headers: Headers, session: Session | None) -> Response | None:
        """What is answered instead; None lets it in."""
        path, rules = str(scope["path"]), self._rules
        method = "GET" if scope["type"] == "websocket" else str(scope["method"]).upper()
        if path not in PROBE_PATHS and not host_is_ours(headers, rules.names):
            return _problem(421, "host_unknown")
        if not (path in PUBLIC_PATHS or session is not None or self._may_scrape(path, method, headers)):
            if method == "GET" and scope["type"] == "http" and wants_page(headers):
                return RedirectResponse(f"{LOGIN_PATH}?next={quote(_asked(scope), safe='/')}", 303)
            return _problem(401, "log_in")
        if scope["type"] == "websocket":
            return _problem(403, "origin") if origin_matches(headers, scheme=rules.scheme) is not True else None
        if method in SAFE_METHODS:
            return None
        return self._unsafe_refusal(path, headers, session)

    def _unsafe_refusal(self, path: str, headers: Headers, session: Session | None) -> Response | None:
        origin = origin_matches(headers, scheme=self._rules.scheme)
        if origin is False:
            return _problem(403, "origin")
        if not path.startswith(LIBRARY_PREFIXES) and _said_length(headers) > BODY_BYTES_MAX:
            return _problem(413, "too_large")
        if path in OWN_CSRF_PATHS:
            return None
        if path.startswith(LIBRARY_PREFIXES):
            return None if origin else _problem(403, "origin")
        brought = headers.get("x-csrf-token", "")
        if session is None or not secrets.compare_digest(brought.encode(), session.csrf.encode()):
            return _problem(403, "csrf")
        return None

    def _may_scrape(self, path: str, method: str, headers: Headers) -> bool:
        if path != METRICS_PATH or method not in SAFE_METHODS:
            return False
        if self._rules.metrics_public:
            return True
        kind, _, token = headers.get("authorization", "").partition(" ")
        wanted = self._rules.metrics_token
        return bool(wanted) and kind.lower() == "bearer" and secrets.compare_digest(token.encode(), wanted.encode())


class GuardedSocket:
    """A WebSocket that ends with its session: each message is a moment to look, and pings come every few seconds.

    Owner: the task of the connection. What a page says counts as use of the session, its pings do not.
    """

    def __init__(self, receive: Receive, send: Send, *, sessions: SessionStore, token: str) -> None:
        self._receive = receive
        self._send = send
        self._sessions = sessions
        self._token = token
        self._over = False

    async def receive(self) -> Message:
        """The next message, or the end."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return message
        text = message.get("text") or ""
        used = text not in PINGS and not text.startswith(RECEIPT)
        if self._over or self._sessions.find(self._token, used=used) is None:
            await self._close()
            return {"type": "websocket.disconnect", "code": POLICY_VIOLATION, "reason": ""}
        return message

    async def send(self, message: Message) -> None:
        """Pass a message on while the session lasts; after that nothing goes out any more."""
        if self._over:
            return
        if message["type"] == "websocket.send" and self._sessions.find(self._token, used=False) is None:
            await self._close()
        else:
            self._over = message["type"] == "websocket.close"
            await self._send(message)

    async def _close(self) -> None:
        if not self._over:
            self._over = True
            await self._send(_CLOSE)


def session_of(request: Request) -> Session | None:
    """The session that the door found."""
    found = getattr(request.state, SESSION_KEY, None)
    return found if isinstance(found, Session) else None


def cookies(headers: Headers) -> Mapping[str, str]:
    """The request's cookies. Lenient: other servers of the same host set cookies too, and not all by the book."""
    return cookie_parser("; ".join(headers.getlist("cookie")))


def _asked(scope: Scope) -> str:
    """Path and query as asked for: a link with a filter leads there after the log-in too."""
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{scope['path']}?{query}" if query else str(scope["path"])


def _said_length(headers: Headers) -> int:
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else BODY_BYTES_MAX + 1


def _problem(status: int, code: str) -> JSONResponse:
    return JSONResponse({"error": code}, status)


class BodyTooLarge(Exception):
    """A body that is longer than it said, or did not say."""


def _bounded(receive: Receive, path: str) -> Receive:
    if path.startswith(LIBRARY_PREFIXES):
        return receive
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > BODY_BYTES_MAX:
            raise BodyTooLarge
        return message

    return bounded


def _with_headers(send: Send, path: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            strict = path in PUBLIC_PATHS or path in OWN_CSRF_PATHS or path.startswith(("/api/", METRICS_PATH))
            fresh = answer_headers(path, strict=strict, own_caching="cache-control" in headers)
            for name, value in fresh.items():
                headers[name] = value
        await send(message)

    return sending
