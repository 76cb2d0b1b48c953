"""How requests travel: was it sent, was it answered, over how many connections. A real server on loopback."""

import itertools
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime

import pytest

from vigia.application.errors import (
    RecognizerUnavailable,
)
from vigia.application.ports import Clock
from vigia.infrastructure.clients import http_transport
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.http_transport import (
    HttpRequest,
    HttpTimeouts,
    HttpTransport,
    RequestIncomplete,
    RequestNotSent,
    ResponseLost,
    TlsPolicy,
    TransportFault,
)
from vigia.infrastructure.clients.httpx_transport import KEEPALIVE_EXPIRY_S, HttpxTransport
from vigia.infrastructure.clients.requests_transport import RequestsTransport
from vigia.infrastructure.clock import SystemClock
from vigia.testing.flaky_http_server import Cut, FlakyHttpServer, HttpAnswer, ReceivedRequest
from vigia.testing.sim_clock import SimClock

ADD = "/events/faces/add/"
AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
CLOCK = SystemClock()


class TellingClock(SystemClock):
    """Tells whoever asks when somebody begins to wait."""

    def __init__(self) -> None:
        self._waits = threading.Semaphore(0)

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        self._waits.release()
        return super().wait(event, timeout_s)

    def somebody_waits(self) -> bool:
        return self._waits.acquire(timeout=10.0)


def respond(request: ReceivedRequest) -> HttpAnswer:
    if request.path == "/auth/login/":
        return HttpAnswer(200, b'{"token": "t"}')
    return HttpAnswer(200, b'{"events": ["4737770269510631760"], "errors": []}')


@pytest.fixture
def server() -> Iterator[FlakyHttpServer]:
    with FlakyHttpServer(respond, clock=CLOCK) as server:
        yield server


def plain_client(url: str, *, clock: Clock = CLOCK, **timeouts: float) -> FindfaceMulti:
    limits = HttpTimeouts(**({"read_s": 10.0} | timeouts))
    access = FindfaceAccess(url=url, user="ana", password="s3cret", uuid="u", timeouts=limits)
    return FindfaceMulti(access, clock=clock)


@pytest.fixture(params=["httpx", "requests"])
def open_transport(request: pytest.FixtureRequest) -> Iterator[Callable[..., HttpTransport]]:
    with ExitStack() as stack:

        def make(url: str, **timeouts: float) -> HttpTransport:
            limits = HttpTimeouts(**({"read_s": 10.0} | timeouts))
            transport: HttpTransport = (
                HttpxTransport(url, clock=CLOCK, timeouts=limits, tls=TlsPolicy(), max_connections=2)
                if request.param == "httpx"
                else RequestsTransport(url, clock=CLOCK, timeouts=limits, tls=TlsPolicy())
            )
            stack.callback(transport.close)
            return transport

        yield make


def send(client: FindfaceMulti | FindfaceMultiAsync) -> tuple[str, ...]:
    return client.add_face_event(
        7, "c0ffee", fullframe_jpeg=b"\xff\xd8picture\xff\xd9", roi=(1, 2, 30, 40), timestamp=AT
    )


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What the clients logged at INFO and above."""
    logger, lines = logging.getLogger("vigia.findface"), list[str]()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler, before = Handler(), logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(before)


# ── phases ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_answers_of_any_status_are_answers(
    server: FlakyHttpServer, open_transport: Callable[..., HttpTransport]
) -> None:
    server.script("GET", "/x", HttpAnswer(302, b"moved", {"Location": "/y"}), HttpAnswer(599, b"odd"))
    transport = open_transport(server.url)
    first = transport.request(HttpRequest("GET", "/x"))
    assert (first.status, first.headers["location"], first.body) == (302, "/y", b"moved")
    assert transport.request(HttpRequest("GET", "/x")).status == 599
    assert [r.path for r in server.requests] == ["/x", "/x"]


def test_nobody_listens_is_not_sent(open_transport: Callable[..., HttpTransport]) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        transport = open_transport(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(RequestNotSent):
            transport.request(HttpRequest("POST", ADD, body=b"x"))


def test_unknown_host_is_not_sent(open_transport: Callable[..., HttpTransport]) -> None:
    with pytest.raises(RequestNotSent):
        open_transport("http://findface.invalid").request(HttpRequest("POST", ADD, body=b"x"))


def test_tls_to_a_server_that_speaks_none(
    server: FlakyHttpServer, open_transport: Callable[..., HttpTransport]
) -> None:
    with pytest.raises((RequestNotSent, RequestIncomplete)):
        open_transport(server.url.replace("http:", "https:")).request(HttpRequest("POST", ADD, body=b"x"))
    assert server.requests == ()


@pytest.mark.parametrize("cut", list(Cut))
@pytest.mark.parametrize("size", [10, 2_000_000])
def test_connection_cut_after_the_first_byte_may_have_brought_it(
    server: FlakyHttpServer, open_transport: Callable[..., HttpTransport], cut: Cut, size: int
) -> None:
    server.script("POST", ADD, HttpAnswer(200, b"{}", cut=cut))
    with pytest.raises(TransportFault) as caught:
        open_transport(server.url).request(HttpRequest("POST", ADD, body=b"x" * size))
    # Two megabytes nobody reads may stand in the buffers of two sockets, or not: both are the truth.
    assert type(caught.value) is ResponseLost or (cut is Cut.BEFORE_BODY and size > 10)


@contextmanager
def hasty_server(answer: bytes, *, hang_up: bool) -> Iterator[str]:
    """Reads the head of one request, sends ``answer``, and never reads the body."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(1024)
            connection.sendall(answer)
            if not hang_up:
                over.wait(10.0)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener, ThreadPoolExecutor(1) as pool:
        served = pool.submit(serve)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            served.result(10.0)


BODY_THAT_FILLS_EVERY_BUFFER = b"x" * 40_000_000


def test_request_whose_last_byte_never_left_is_incomplete(open_transport: Callable[..., HttpTransport]) -> None:
    with (
        hasty_server(b"", hang_up=True) as url,
        pytest.raises(RequestIncomplete),
    ):
        open_transport(url).request(HttpRequest("POST", ADD, body=BODY_THAT_FILLS_EVERY_BUFFER))


def test_request_that_nobody_reads_is_incomplete(open_transport: Callable[..., HttpTransport]) -> None:
    with (
        hasty_server(b"", hang_up=False) as url,
        pytest.raises(RequestIncomplete),
    ):
        # requests knows one time-out for both directions
        open_transport(url, write_s=0.2, connect_s=0.2, read_s=0.2).request(
            HttpRequest("POST", ADD, body=BODY_THAT_FILLS_EVERY_BUFFER)
        )


def test_answer_that_comes_before_the_request_is_read_is_heard(open_transport: Callable[..., HttpTransport]) -> None:
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    with hasty_server(answer, hang_up=True) as url:
        response = open_transport(url).request(HttpRequest("POST", ADD, body=BODY_THAT_FILLS_EVERY_BUFFER))
    assert (response.status, response.body, response.early) == (413, b"no", True)


def test_answer_to_a_whole_request_is_not_early(
    server: FlakyHttpServer, open_transport: Callable[..., HttpTransport]
) -> None:
    transport = open_transport(server.url)
    for request in (
        HttpRequest("POST", ADD, body=b"x" * 100_000),
        HttpRequest("POST", ADD, body=b""),
        HttpRequest("GET", ADD),
    ):
        assert not transport.request(request).early


def test_silence_after_the_request_is_lost(
    server: FlakyHttpServer, open_transport: Callable[..., HttpTransport]
) -> None:
    gate = threading.Event()
    server.script("POST", ADD, HttpAnswer(200, b"{}", gate=gate))
    try:
        with pytest.raises(ResponseLost):
            open_transport(server.url, read_s=0.2).request(HttpRequest("POST", ADD, body=b"x"))
        assert len(server.requests) == 1
    finally:
        gate.set()


def test_answer_that_is_too_large_or_too_slow(
    server: FlakyHttpServer, open_transport: Callable[..., HttpTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script("GET", "/x", HttpAnswer(200, b"y" * 5000), HttpAnswer(200, b"y"))
    monkeypatch.setattr(http_transport, "RESPONSE_BYTES_MAX", 4999)
    with pytest.raises(ResponseLost, match="larger"):
        open_transport(server.url).request(HttpRequest("GET", "/x"))
    with pytest.raises(ResponseLost, match="slowly"):
        open_transport(server.url, total_s=1e-9).request(HttpRequest("GET", "/x"))


def test_closed_transport_sends_nothing(server: FlakyHttpServer, open_transport: Callable[..., HttpTransport]) -> None:
    transport = open_transport(server.url)
    transport.close()
    transport.close()
    with pytest.raises(RequestNotSent, match="closed"):
        transport.request(HttpRequest("GET", "/x"))
    assert server.connections == 0


def test_no_cookie_netrc_or_proxy_gets_in(
    server: FlakyHttpServer,
    open_transport: Callable[..., HttpTransport],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.script("GET", "/x", HttpAnswer(200, b"", {"Set-Cookie": "sessionid=1; Path=/"}))
    transport = open_transport(server.url)
    for _ in range(2):
        transport.request(HttpRequest("GET", "/x", headers={"Authorization": "Token t"}))
    assert [r.headers.get("authorization") for r in server.requests] == ["Token t", "Token t"]
    assert not any("cookie" in r.headers for r in server.requests)


# ── the pool ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pool_keeps_to_its_limit_and_reuses_connections(told: list[str]) -> None:
    limit, senders, captures = 3, 8, 48
    together, arrived = threading.Barrier(limit, timeout=10.0), itertools.count()

    def first_ones_meet(request: ReceivedRequest) -> HttpAnswer:
        if request.path == ADD and next(arrived) < limit:
            together.wait()  # so many are on their way at the same time
        return respond(request)

    with FlakyHttpServer(first_ones_meet, clock=CLOCK) as server:
        plain = plain_client(server.url)
        with FindfaceMultiAsync(plain, max_connections=limit) as client:
            client.login()
            with ThreadPoolExecutor(senders) as pool:
                futures = [pool.submit(send, client) for _ in range(captures)]
                assert all(future.result(30.0) for future in futures)
    assert len(server.sent_to(ADD)) == captures
    assert server.connections == server.open_max == limit
    assert told[0] == "✓ httpx connection pool configured (max_connections=3)"


def test_plain_client_opens_one_connection_for_each_call(server: FlakyHttpServer) -> None:
    with plain_client(server.url) as client:
        client.login()
        for _ in range(3):
            send(client)
    assert server.connections == 4


def test_connection_that_nobody_needs_is_closed() -> None:
    together, clock = threading.Barrier(2, timeout=10.0), SimClock()

    def meet(request: ReceivedRequest) -> HttpAnswer:
        if request.path == "/both":
            together.wait()
        return HttpAnswer(200)

    with FlakyHttpServer(meet, clock=CLOCK) as server:
        transport = HttpxTransport(
            server.url, clock=clock, timeouts=HttpTimeouts(read_s=10.0), tls=TlsPolicy(), max_connections=5
        )
        with ThreadPoolExecutor(2) as pool, closing(transport):
            for answered in [pool.submit(transport.request, HttpRequest("GET", "/both")) for _ in range(2)]:
                assert answered.result(10.0).status == 200
            forgotten = transport._idle[0].client
            clock.advance(KEEPALIVE_EXPIRY_S + 0.1)
            transport.request(HttpRequest("GET", "/one"))
            assert not forgotten._pool.connections
            assert len(transport._idle) == 1
            transport.request(HttpRequest("GET", "/one"))
    assert server.connections == 2


def test_full_pool_is_not_sent(server: FlakyHttpServer) -> None:
    reached, gate = threading.Event(), threading.Event()
    server.script("POST", ADD, HttpAnswer(200, b'{"events": [1], "errors": []}', reached=reached, gate=gate))
    with FindfaceMultiAsync(plain_client(server.url, pool_s=0.1), max_connections=1) as client:
        client.login()
        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(send, client)
            assert reached.wait(10.0)
            with pytest.raises(RecognizerUnavailable, match="no connection of the pool"):
                send(client)
            gate.set()
            assert busy.result(10.0) == ("1",)
    assert len(server.sent_to(ADD)) == 1


def test_waiting_calls_are_served_in_order_of_arrival(server: FlakyHttpServer) -> None:
    reached, clock = threading.Event(), TellingClock()
    gates = [threading.Event() for _ in range(3)]
    server.script("GET", "/x", *[HttpAnswer(200, reached=reached, gate=gate) for gate in gates])
    transport = HttpxTransport(
        server.url, clock=clock, timeouts=HttpTimeouts(read_s=10.0), tls=TlsPolicy(), max_connections=1
    )
    with ThreadPoolExecutor(3) as pool, closing(transport):
        calls = []
        for number in range(3):
            calls.append(pool.submit(transport.request, HttpRequest("GET", "/x", (("n", str(number)),))))
            assert reached.wait(10.0) if number == 0 else clock.somebody_waits()
        for gate, call in zip(gates, calls, strict=True):
            assert not call.done()
            gate.set()
            assert call.result(10.0).status == 200
    assert [r.query["n"] for r in server.requests] == [["0"], ["1"], ["2"]]


def test_close_turns_away_those_who_wait(server: FlakyHttpServer) -> None:
    reached, gate, clock = threading.Event(), threading.Event(), TellingClock()
    server.script("GET", "/x", HttpAnswer(200, reached=reached, gate=gate))
    transport = HttpxTransport(
        server.url, clock=clock, timeouts=HttpTimeouts(read_s=10.0, pool_s=30.0), tls=TlsPolicy(), max_connections=1
    )
    with ThreadPoolExecutor(3) as pool:
        running = pool.submit(transport.request, HttpRequest("GET", "/x"))
        assert reached.wait(10.0)
        waiting = pool.submit(transport.request, HttpRequest("GET", "/y"))
        assert clock.somebody_waits()
        closer = pool.submit(transport.close)
        assert isinstance(waiting.exception(10.0), RequestNotSent)
        gate.set()
        assert running.result(10.0).status == 200
        closer.result(10.0)
    assert server.sent_to("/y") == ()


def test_close_lets_a_running_call_end(server: FlakyHttpServer) -> None:
    reached, gate, clock = threading.Event(), threading.Event(), TellingClock()
    server.script("POST", ADD, HttpAnswer(200, b'{"events": [1], "errors": []}', reached=reached, gate=gate))
    client = FindfaceMultiAsync(plain_client(server.url, clock=clock))
    client.login()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(send, client)
        assert reached.wait(10.0)
        closer = pool.submit(client.close)
        assert clock.somebody_waits()
        gate.set()
        assert running.result(10.0) == ("1",)
        closer.result(10.0)
    with pytest.raises(RecognizerUnavailable, match="closed"):
        send(client)


def test_pool_of_a_forgotten_client_is_closed(server: FlakyHttpServer) -> None:
    client = FindfaceMultiAsync(plain_client(server.url))
    client.login()
    transport = client._pooled._transport
    del client
    with pytest.raises(RequestNotSent, match="closed"):
        transport.request(HttpRequest("GET", "/x"))


def test_half_made_client_is_let_go_quietly() -> None:
    client = FindfaceMultiAsync.__new__(FindfaceMultiAsync)
    with pytest.raises(AttributeError):
        _ = client._client
    del client  # __del__ would fail loudly here: warnings are errors


def test_pool_without_connections_is_refused(server: FlakyHttpServer) -> None:
    with pytest.raises(ValueError, match="1 connection"):
        FindfaceMultiAsync(plain_client(server.url), max_connections=0)
