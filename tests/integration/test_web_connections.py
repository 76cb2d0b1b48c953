"""Connections are bounded in number and time; a page that is open, a long answer and a WebSocket are left alone."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import trustme
import websockets
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse
from starlette.websockets import WebSocket

from vigia.infrastructure.web import protocol, sockets
from vigia.infrastructure.web.access import DoorRules
from vigia.infrastructure.web.sockets import Gate
from web_site import WebSite, log_in

SHORT_S = 1.0
END_S = 20.0
"""A machine that is busy is given so long."""
HEAD = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_S", "BODY_S", "STALL_S"):
        monkeypatch.setattr(protocol, name, SHORT_S)
    monkeypatch.setattr(sockets, "HANDSHAKE_S", SHORT_S)


@pytest.fixture
def site(short: None, tmp_path: Path) -> Iterator[WebSite]:
    site = WebSite(tmp_path, gate=Gate(most=5, most_of_one=3))
    site.start()
    yield site
    site.stop()


def port_of(site: WebSite) -> int:
    return int(site.url.rsplit(":", 1)[1])


@contextlib.contextmanager
def connected(site: WebSite) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port_of(site)), END_S) as raw:
        yield raw


def was_closed(raw: socket.socket) -> bool:
    """Whether the other side ends it, before END_S."""
    try:
        while raw.recv(65_536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def is_refused(site: WebSite) -> bool:
    """Whether one more is cut off without an answer; the end may come while it connects."""
    try:
        with connected(site) as raw:
            raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return not raw.recv(4096)
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HT",
        HEAD + b"X-Slow: ",
        HEAD + b"Content-Length: 50\r\n\r\nuser=",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nuser=\r\n",
    ],
)
def test_whoever_sends_nothing_more_is_cut_off(site: WebSite, sent: bytes) -> None:
    with connected(site) as raw:
        raw.sendall(sent)
        assert was_closed(raw)


def test_a_byte_now_and_then_does_not_help(site: WebSite) -> None:
    with connected(site) as raw:
        raw.settimeout(SHORT_S / 4)
        sent = 0
        with contextlib.suppress(ConnectionError):
            for byte in HEAD * 10:
                raw.sendall(bytes([byte]))
                sent += 1
                with contextlib.suppress(TimeoutError):
                    if not raw.recv(1):
                        break
        assert 0 < sent < 20


def test_a_further_request_has_the_same_time(site: WebSite) -> None:
    with connected(site) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b'{"status":"ok"}'):
            answer += raw.recv(4096)
        raw.settimeout(3 * SHORT_S)
        with pytest.raises(TimeoutError):  # between two requests it may be quiet
            raw.recv(4096)
        raw.settimeout(END_S)
        raw.sendall(b"GET /hea")
        assert was_closed(raw)


def test_what_is_connected_is_bounded_and_there_is_room_again(site: WebSite) -> None:
    with contextlib.ExitStack() as held:
        crowd = [held.enter_context(connected(site)) for _ in range(5)]
        assert all(is_refused(site) for _ in range(7))
        for raw in crowd:
            assert was_closed(raw)  # by the time
        with site.client() as client:
            assert client.get("/healthz").status_code == 200
    assert len(site.server.gate) <= 5


def test_too_many_are_cut_off_at_once_and_others_go_on(tmp_path: Path) -> None:
    site = WebSite(tmp_path, gate=Gate(most=3))
    site.start()
    try:
        with site.client() as client, connected(site), connected(site):
            assert client.get("/healthz").status_code == 200  # the third
            assert is_refused(site)
            assert client.get("/healthz").status_code == 200
        with site.client() as client:
            assert client.get("/healthz").status_code == 200
    finally:
        site.stop()


def test_one_address_leaves_room_for_others(tmp_path: Path) -> None:
    site = WebSite(tmp_path, gate=Gate(most=9, most_of_one=2, is_free=lambda _address: False))
    site.start()
    try:
        with connected(site), connected(site):
            assert is_refused(site)
            with socket.socket() as elsewhere:
                elsewhere.settimeout(END_S)
                elsewhere.bind(("127.0.0.2", 0))
                elsewhere.connect(("127.0.0.1", port_of(site)))
                elsewhere.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"200" in elsewhere.recv(4096)
    finally:
        site.stop()


def test_a_long_answer_is_not_cut(site: WebSite) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(8):
            await asyncio.sleep(SHORT_S / 2)
            yield b"x" * 1000

    @site.app.post("/_nicegui/slow")
    async def slow() -> StreamingResponse:
        return StreamingResponse(slowly())

    with site.client() as client:
        log_in(client)
        answer = client.post("/_nicegui/slow", content=b"y" * 70_000, headers={"Origin": site.url})
        assert (answer.status_code, len(answer.content)) == (200, 8000)


def test_an_answer_that_nobody_takes_is_given_up(site: WebSite) -> None:
    ended = threading.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 100_000
                await asyncio.sleep(0)
        finally:
            ended.set()

    @site.app.get("/login.css/endless")
    async def stream() -> StreamingResponse:
        return StreamingResponse(endless())

    user = site.users.find("olga")
    assert user is not None
    token, _ = site.sessions.open(user, address="127.0.0.1")
    with connected(site) as raw:
        raw.sendall(f"GET /login.css/endless HTTP/1.1\r\nHost: localhost\r\nCookie: vigia={token}\r\n\r\n".encode())
        assert ended.wait(END_S)


def test_a_web_socket_may_be_quiet(site: WebSite) -> None:
    async def echo(there: WebSocket) -> None:
        await there.accept()
        await there.send_text(await there.receive_text())

    site.app.add_api_websocket_route("/_nicegui_ws/quiet", echo)
    user = site.users.find("olga")
    assert user is not None
    token, _ = site.sessions.open(user, address="127.0.0.1")

    async def talk() -> str:
        address = site.url.replace("http", "ws") + "/_nicegui_ws/quiet"
        async with websockets.connect(
            address,
            origin=websockets.Origin(site.url),
            additional_headers={"Cookie": f"{site.cookie}={token}"},
            proxy=None,
        ) as there:
            await asyncio.sleep(4 * SHORT_S)
            await there.send("hello")
            return str(await there.recv())

    assert asyncio.run(talk()) == "hello"


def test_a_handshake_that_is_not_finished_is_cut_off(short: None, tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("localhost", "127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    for blob in issued.cert_chain_pems:
        blob.write_to_path(cert, append=True)
    issued.private_key_pem.write_to_path(key)
    site = WebSite(tmp_path, rules=DoorRules(names={"localhost"}, tls=True), tls=(cert, key))
    site.start()
    try:
        with connected(site) as raw:
            assert was_closed(raw)
        with connected(site) as raw:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with context.wrap_socket(raw, server_hostname="localhost") as secret:
                secret.sendall(b"GET /heal")
                assert was_closed(secret)
    finally:
        site.stop()


def test_a_name_is_served_at_all_its_addresses(tmp_path: Path) -> None:
    site = WebSite(tmp_path, host="localhost")
    site.start()
    try:
        found = socket.getaddrinfo("localhost", port_of(site), type=socket.SOCK_STREAM)
        served = 0
        for family, kind, number, _, address in found:
            with socket.socket(family, kind, number) as raw:
                raw.settimeout(END_S)
                try:
                    raw.connect(address)
                except OSError:
                    assert family == socket.AF_INET6  # switched off on this machine
                    continue
                raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"200" in raw.recv(4096)
                served += 1
        assert served >= 1
    finally:
        site.stop()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "2001:db8::1", "2001:db8::2", "127.0.0.1", "::1"]
            ),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_the_gate_counts_right_whatever_comes_and_goes(steps: list[tuple[str, bool]]) -> None:
    gate = Gate(most=6, most_of_one=2)
    there: list[tuple[str, Callable[[], None]]] = []
    networks = {"::ffff:10.0.0.1": "10.0.0.1", "2001:db8::2": "2001:db8::1"}
    for address, comes in steps:
        key = networks.get(address, address)
        if comes:
            own = sum(1 for other, _ in there if other == key)
            free = key in {"127.0.0.1", "::1"}
            leave = gate.enter(address)
            assert (leave is not None) is (len(there) < 6 and (free or own < 2))
            if leave is not None:
                there.append((key, leave))
        elif there:
            _, gone = there.pop(0)
            gone()
            gone()  # once is enough
        assert len(gate) == len(there)
