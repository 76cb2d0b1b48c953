"""HTTP over ``httpx``: a bounded pool of kept-alive connections, shared by every sender thread.

Threads over the synchronous client cost less here than the asynchronous one (``httpx.AsyncClient`` took two to three
times the CPU a request), so "async" in the users' name means: no sender waits for another's connection.

The pool is ours: each connection is an ``httpx.HTTPTransport`` of its own that one thread uses at a time. (The client
above a transport adds cookies, redirects, authentication and merged headers: a fifth of a request's CPU, and none of it
is wanted here.) The pool inside a
shared client is not safe enough for captures: while one thread takes an idle connection into use, another that is
looking for one asks the same connection whether it is idle and readable, sees the first one's answer arriving, takes
it for a disconnect and closes it (httpcore 1.0.9, ``has_expired``). Of 1500 requests by 8 threads over 3 connections
of one client, 88 lost their answer so; without that check, none. A lost answer is an ambiguous delivery.

Whether a request was sent is not guessed from an exception's class: httpcore's trace tells when the first header
begins to go out and when the last byte of the body has gone out. Before the former an error is a RequestNotSent, before
the latter a RequestIncomplete. (When a write fails, httpcore goes on to read: a server may have answered early.)
"""

import contextlib
import ssl
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from vigia import __version__
from vigia.application.ports import Clock
from vigia.infrastructure.clients.http_transport import (
    HttpRequest,
    HttpResponse,
    HttpTimeouts,
    PoolStats,
    RequestIncomplete,
    RequestNotSent,
    ResponseLost,
    TlsPolicy,
    TransportFault,
    collect_body,
    describe,
)

KEEPALIVE_EXPIRY_S = 4.0
"""Below the shortest idle limit in common use (5 s: uvicorn, Node, Apache), so that it is we who close first: a server
that closes a connection while a request goes out leaves the delivery ambiguous."""
CLOSE_GRACE_S = 2.0
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"vigia/{__version__}"}
"""Of every request, beside its own."""


class _SendTrace:
    """Notes when the request's first byte goes out, and its last. Owner: the thread of one request."""

    def __init__(self) -> None:
        self.started = False
        self.complete = False

    def __call__(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith("send_request_headers.started"):
            self.started = True
        elif event.endswith("send_request_body.complete"):
            self.complete = True

    @property
    def fault(self) -> type[TransportFault]:
        """What an error means now."""
        if not self.started:
            return RequestNotSent
        return ResponseLost if self.complete else RequestIncomplete


@dataclass(frozen=True, slots=True)
class _IdleClient:
    """A client that nobody uses now, with its connection if the server has not closed it."""

    client: httpx.HTTPTransport
    since_mono_s: float


class _Turn:
    """A thread's wait for a client. Owner: the pool, under its lock."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.granted = False


class HttpxTransport:
    """A pool of at most ``max_connections`` connections, the one used last first.

    Owner: any thread; the lock guards the idle clients, the running count, the turns and the closing flag, and is
    never held across I/O. A client belongs to the thread that took it until that gives it back.
    Bounds: ``max_connections``; a request that finds none free waits ``pool_s``, then fails as not sent.
    """

    def __init__(
        self, base_url: str, *, clock: Clock, timeouts: HttpTimeouts, tls: TlsPolicy, max_connections: int
    ) -> None:
        self._base_url = base_url
        self._clock = clock
        self._timeouts = timeouts
        self._ssl_context = _ssl_context(tls)
        self._limits_s = httpx.Timeout(
            connect=timeouts.connect_s, read=timeouts.read_s, write=timeouts.write_s, pool=timeouts.pool_s
        ).as_dict()
        self._max_connections = max_connections
        self._lock = threading.Lock()  # guards everything below
        self._idle: list[_IdleClient] = []  # the longest idle first
        self._running = 0  # clients taken, never more than max_connections
        self._turns: deque[_Turn] = deque()  # who waits for one, in order of arrival
        self._closing = False
        self._all_back = threading.Event()

    def __repr__(self) -> str:
        return f"<HttpxTransport {self._base_url}>"

    @property
    def name(self) -> str:
        """The library, for the log."""
        return "httpx"

    @property
    def stats(self) -> PoolStats:
        """The pool now. Any thread."""
        with self._lock:
            return PoolStats(self._max_connections, self._running, len(self._idle), len(self._turns))

    def request(self, request: HttpRequest) -> HttpResponse:
        """See HttpTransport. Raises RequestNotSent, RequestIncomplete, ResponseLost."""
        client = self._take()
        trace = _SendTrace()
        try:
            return self._exchange(client, request, trace)
        except TransportFault:
            raise  # the answer began: it is too large, or too slow
        except Exception as error:  # whatever a library may raise, the caller must learn whether it was sent
            raise trace.fault("%(detail)s", detail=describe(error)) from error
        finally:
            self._give_back(client)

    def close(self) -> None:
        """Refuse new and waiting requests, give running ones CLOSE_GRACE_S, close every connection. Idempotent.

        A connection still in use then is closed by the thread that uses it, when its time-outs let it go.
        """
        with self._lock:
            self._closing = True
            running = self._running
            idle, self._idle = self._idle, []
            for turn in self._turns:
                turn.over.set()
            self._turns.clear()
        _close_all(idle)
        if running:
            self._clock.wait(self._all_back, CLOSE_GRACE_S)

    def _take(self) -> httpx.HTTPTransport:
        with self._lock:
            if self._closing:
                raise RequestNotSent("the client is closed")
            if self._running < self._max_connections:
                self._running += 1
                return self._pop_idle()
            turn = _Turn()
            self._turns.append(turn)
        self._clock.wait(turn.over, self._timeouts.pool_s)
        with self._lock:
            if turn.granted:
                return self._pop_idle()
            if self._closing:
                raise RequestNotSent("the client is closed")
            self._turns.remove(turn)
        raise RequestNotSent("no connection of the pool became free in %(limit)s s", limit=self._timeouts.pool_s)

    def _give_back(self, client: httpx.HTTPTransport) -> None:
        """Keep the client for the next request, and let go of those that nobody has needed for a while.

        Whoever waits longest gets the place: one that is merely free would go to the quickest, and starve the others.
        """
        now_mono_s = self._clock.mono_s()
        with self._lock:
            self._idle.append(_IdleClient(client, now_mono_s))
            if self._turns:
                turn = self._turns.popleft()
                turn.granted = True
                turn.over.set()
            else:
                self._running -= 1
            kept_from = len(self._idle) if self._closing else 0
            while kept_from < len(self._idle) and now_mono_s - self._idle[kept_from].since_mono_s > KEEPALIVE_EXPIRY_S:
                kept_from += 1
            stale, self._idle = self._idle[:kept_from], self._idle[kept_from:]
            all_back = self._closing and self._running == 0
        _close_all(stale)
        if all_back:
            self._all_back.set()

    def _pop_idle(self) -> httpx.HTTPTransport:
        """The client used last, or a new one. The lock is held: making one opens nothing."""
        return self._idle.pop().client if self._idle else self._new_client()

    def _new_client(self) -> httpx.HTTPTransport:
        return httpx.HTTPTransport(
            verify=self._ssl_context,
            trust_env=False,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_EXPIRY_S),
        )

    def _exchange(self, client: httpx.HTTPTransport, request: HttpRequest, trace: _SendTrace) -> HttpResponse:
        deadline_mono_s = self._clock.mono_s() + self._timeouts.total_s
        outgoing = httpx.Request(
            request.method,
            request.url(self._base_url),
            headers={**HEADERS, **request.headers},
            content=request.body,
            extensions={"trace": trace, "timeout": self._limits_s},
        )
        response = client.handle_request(outgoing)
        with contextlib.closing(response):
            body = collect_body(response.iter_bytes(), deadline_mono_s=deadline_mono_s, clock=self._clock)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpResponse(response.status_code, headers, body, early=not trace.complete)


def _close_all(idle: Iterable[_IdleClient]) -> None:
    for one in idle:
        one.client.close()


def _ssl_context(tls: TlsPolicy) -> ssl.SSLContext:
    if tls.insecure_skip_verify:
        return httpx.create_ssl_context(verify=False, trust_env=False)  # the operator asked; the client warns
    if tls.ca_file is not None:
        return ssl.create_default_context(cafile=str(tls.ca_file))
    return httpx.create_ssl_context(trust_env=False)
