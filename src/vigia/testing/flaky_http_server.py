"""A real HTTP server on loopback whose answers are scripted, and whose connections are cut where a test wants it.

It is there for what the FindFace stand-in is too well-behaved to do. It knows nothing of FindFace.
"""

import contextlib
import socket
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from vigia.application.ports import Clock
from vigia.application.service import LoopService

_POLL_S = 0.05
_IDLE_S = 10.0
"""How long the server keeps a silent connection."""


class Cut(Enum):
    """Where a connection is cut."""

    BEFORE_BODY = "after the request's headers"
    AFTER_BODY = "after the whole request, without an answer"
    IN_ANSWER = "in the middle of the answer"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One scripted answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: Cut | None = None
    reached: threading.Event | None = None
    """Set when the request was read."""
    gate: threading.Event | None = None
    """The answer waits for this, up to ten seconds."""


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)
    connection: int
    """Number of the connection it came on, from 1."""


Responder = Callable[[ReceivedRequest], HttpAnswer]


class FlakyHttpServer:
    """A real HTTP/1.1 server on loopback: answers from the script, then from the responder.

    Args:
        respond: answers what the script does not.
        clock: paces its loop.
        tls: serves HTTPS with this context.

    Owner: one LoopService accepts, the standard library's threads answer; the lock guards what they record.
    Stops when: ``close`` is called. Use it as a context manager.
    """

    def __init__(self, respond: Responder, *, clock: Clock, tls: SSLContext | None = None) -> None:
        self._respond = respond
        self._lock = threading.Lock()  # guards _script, _requests and the counts
        self._script: defaultdict[tuple[str, str], deque[HttpAnswer]] = defaultdict(deque)
        self._requests: list[ReceivedRequest] = []
        self._connections = 0
        self._open = 0
        self._open_max = 0
        self._server = _Server(self, tls=tls)
        self._service = LoopService("flaky-http-server", self._step, clock=clock)
        self._scheme = "http" if tls is None else "https"

    def __enter__(self) -> Self:
        self._service.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Scheme, address and port."""
        return f"{self._scheme}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Chosen by the system."""
        return int(self._server.server_address[1])

    @property
    def requests(self) -> tuple[ReceivedRequest, ...]:
        """Every request that was read in full, in order."""
        with self._lock:
            return tuple(self._requests)

    @property
    def connections(self) -> int:
        """Connections accepted so far."""
        with self._lock:
            return self._connections

    @property
    def open_max(self) -> int:
        """Most connections open at the same time."""
        with self._lock:
            return self._open_max

    def sent_to(self, path: str) -> tuple[ReceivedRequest, ...]:
        """The requests for one path."""
        return tuple(request for request in self.requests if request.path == path)

    def script(self, method: str, path: str, *answers: HttpAnswer) -> None:
        """Queue answers for one call; each is used once."""
        with self._lock:
            self._script[method, path].extend(answers)

    def close(self) -> None:
        """Stop accepting and cut every connection. Idempotent."""
        self._service.request_stop()
        self._service.join(_IDLE_S)
        self._server.cut_all()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler, connection: int) -> HttpAnswer:
        """Read one request and choose its answer, in the connection's thread."""
        parts = urlsplit(handler.path)
        with self._lock:
            queue = self._script[handler.command, parts.path]
            answer = queue.popleft() if queue else None
        if answer is not None and answer.cut is Cut.BEFORE_BODY:
            return answer
        request = ReceivedRequest(
            method=handler.command,
            path=parts.path,
            query=parse_qs(parts.query, keep_blank_values=True),
            headers={name.lower(): value for name, value in handler.headers.items()},
            body=handler.rfile.read(int(handler.headers.get("Content-Length", "0"))),
            connection=connection,
        )
        with self._lock:
            self._requests.append(request)
        return answer if answer is not None else self._respond(request)

    def opened(self) -> int:
        """Count a connection; its number."""
        with self._lock:
            self._connections += 1
            self._open += 1
            self._open_max = max(self._open_max, self._open)
            return self._connections

    def ended(self) -> None:
        """Count a connection's end."""
        with self._lock:
            self._open -= 1

    def _step(self) -> float:
        self._server.handle_request()
        return 0.0


class _Handler(BaseHTTPRequestHandler):
    """One connection. Owner: its thread."""

    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    wbufsize = -1  # an answer in one piece: in two, the second waits 40 ms for the client's acknowledgement
    server: "_Server"

    def setup(self) -> None:
        super().setup()
        self._connection = self.server.owner.opened()

    def finish(self) -> None:
        self.server.owner.ended()
        super().finish()

    def do_GET(self) -> None:
        answer = self.server.owner.answer(self, self._connection)
        if answer.reached is not None:
            answer.reached.set()
        if answer.gate is not None:
            answer.gate.wait(_IDLE_S)
        self.close_connection = self.close_connection or answer.cut is not None
        if answer.cut in {Cut.BEFORE_BODY, Cut.AFTER_BODY}:
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        promised = len(answer.body) + (10 if answer.cut is Cut.IN_ANSWER else 0)
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_GET  # noqa: N815 - the standard library's name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    """Threads that are joined at the end, TLS in each connection's own thread, no words about broken connections."""

    daemon_threads = False
    timeout = _POLL_S
    request_queue_size = 64

    def __init__(self, owner: FlakyHttpServer, *, tls: SSLContext | None) -> None:
        self.owner = owner
        self._tls = tls
        self._sockets_lock = threading.Lock()  # guards _sockets
        self._sockets: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(_IDLE_S)
        connection = request if self._tls is None else self._tls.wrap_socket(request, server_side=True)
        with self._sockets_lock:
            self._sockets.add(connection)
        try:
            super().finish_request(connection, client_address)
        finally:
            with self._sockets_lock:
                self._sockets.discard(connection)
            connection.close()

    def cut_all(self) -> None:
        with self._sockets_lock:
            open_now = list(self._sockets)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that goes is no fault here
            super().handle_error(request, client_address)
