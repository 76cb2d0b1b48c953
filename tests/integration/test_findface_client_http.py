"""The FindFace clients against a real server on loopback: drop-in, fall-back, session, answers, pages."""

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from vigia.application.errors import (
    ApplicationError,
    CredentialsRejected,
    DeliveryAmbiguous,
    LicenseRejected,
    RecognizerUnavailable,
    SessionRejected,
)
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.http_transport import (
    HttpTimeouts,
)
from vigia.infrastructure.clock import SystemClock
from vigia.testing.flaky_http_server import Cut, FlakyHttpServer, HttpAnswer, ReceivedRequest

ADD = "/events/faces/add/"
AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
PASSWORD = "hunter2-S3CRET"
CAMERA_TOKEN = "cam-T0KEN"
SESSION = "sess-T0KEN"
SECRETS = (PASSWORD, CAMERA_TOKEN, SESSION)
CLOCK = SystemClock()
Client = FindfaceMulti | FindfaceMultiAsync


def answer(status: int, value: object, **headers: str) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(value).encode(), {n.replace("_", "-"): v for n, v in headers.items()})


def respond(request: ReceivedRequest) -> HttpAnswer:
    if request.path == "/auth/login/":
        return answer(200, {"token": SESSION, "token_expiration_datetime": "2027-01-01T00:00:00Z", "user": {}})
    if request.path == ADD:
        return answer(200, {"events": ["4737770269510631760"], "errors": []})
    if request.path == "/auth/logout/":
        return HttpAnswer(204)
    return answer(200, {"results": [], "next_page": None})


@pytest.fixture
def server() -> Iterator[FlakyHttpServer]:
    with FlakyHttpServer(respond, clock=CLOCK) as server:
        yield server


def access_to(url: str, **changes: Any) -> FindfaceAccess:
    timeouts = HttpTimeouts(connect_s=5.0, read_s=10.0, write_s=10.0, pool_s=10.0)
    fields: dict[str, Any] = {"url": url, "user": "ana", "password": PASSWORD, "uuid": "u", "timeouts": timeouts}
    return FindfaceAccess(**(fields | changes))


@pytest.fixture(params=["httpx", "requests"])
def open_client(request: pytest.FixtureRequest) -> Iterator[Callable[..., Client]]:
    """Makes a client over the transport under test; closed at the end."""
    with ExitStack() as stack:

        def make(url: str, **changes: Any) -> Client:
            plain = FindfaceMulti(access_to(url, **changes), clock=CLOCK)
            client: Client = FindfaceMultiAsync(plain) if request.param == "httpx" else plain
            stack.callback(client.close)
            return client

        yield make


class Lines(logging.Handler):
    """What the clients logged, as told."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def of(self, level: int) -> list[str]:
        return [record.getMessage() for record in self.records if record.levelno == level]


@pytest.fixture
def lines() -> Iterator[Lines]:
    logger, handler = logging.getLogger("vigia.findface"), Lines()
    before = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(before)


def send(client: Client, jpeg: bytes = b"\xff\xd8picture\xff\xd9") -> tuple[str, ...]:
    return client.add_face_event(7, CAMERA_TOKEN, fullframe_jpeg=jpeg, roi=(1, 2, 30, 40), timestamp=AT)


def texts_of(error: BaseException | None) -> str:
    """The error and everything chained behind it, as a log would print them."""
    told = []
    while error is not None:
        told.append(f"{error!r} {error}")
        error = error.__cause__ or error.__context__
    return "\n".join(told)


# ── drop-in ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class SiteClient(FindfaceMulti):
    """A site's own client: one call more, one call changed."""

    def greeting(self) -> str:
        return f"hello {self.access.user}"

    def add_face_event(self, camera: int, token: str, **fields: Any) -> tuple[str, ...]:
        return ("site", *super().add_face_event(camera, token, **fields))


def test_what_is_not_overridden_is_delegated(server: FlakyHttpServer) -> None:
    with FindfaceMultiAsync(SiteClient(access_to(server.url), clock=CLOCK)) as client:
        assert client.greeting() == "hello ana"
        assert client.access.url == server.url
        with pytest.raises(AttributeError):
            _ = client.no_such_call
        assert send(client) == ("site", "4737770269510631760")


def test_both_clients_have_the_same_calls() -> None:
    names = {name for name in vars(FindfaceMulti) if not name.startswith("_")} - {"over", "access", "clock"}
    assert names <= set(vars(FindfaceMultiAsync))


def test_session_is_shared_with_the_plain_client(server: FlakyHttpServer) -> None:
    plain = FindfaceMulti(access_to(server.url), clock=CLOCK)
    with FindfaceMultiAsync(plain) as client:
        client.login()
        send(plain)
    assert len(server.sent_to("/auth/login/")) == 1


def test_without_httpx_the_job_goes_on_over_requests(
    server: FlakyHttpServer, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "vigia.infrastructure.clients.httpx_transport")
    with FindfaceMultiAsync(FindfaceMulti(access_to(server.url), clock=CLOCK)) as client:
        assert not client.is_pooled
        assert send(client) == ("4737770269510631760",)
    assert any("falling back to requests" in line for line in lines.of(logging.WARNING))
    assert not any("pool configured" in line for line in lines.of(logging.INFO))
    assert "requests" in repr(client)


# ── session ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_senders_with_a_dead_session_log_in_once(open_client: Callable[..., Client]) -> None:
    senders = 6
    all_denied = threading.Barrier(senders, timeout=10.0)
    logins: list[int] = []

    def strict(request: ReceivedRequest) -> HttpAnswer:
        if request.path == "/auth/login/":
            logins.append(1)
            return answer(200, {"token": f"session-{len(logins)}"})
        if request.path == ADD and request.headers["authorization"] == "Token session-1":
            all_denied.wait()  # everybody is refused at the same moment
            return answer(401, {"code": "UNAUTHORIZED", "desc": "Invalid token."})
        return respond(request)

    with FlakyHttpServer(strict, clock=CLOCK) as server:
        client = open_client(server.url)
        client.camera_groups()
        with ThreadPoolExecutor(senders) as pool:
            results = [f.result(20.0) for f in [pool.submit(send, client) for _ in range(senders)]]
    assert results == [("4737770269510631760",)] * senders
    assert len(logins) == 2
    assert len(server.sent_to(ADD)) == 2 * senders


def test_licence_fault_causes_no_log_in(server: FlakyHttpServer, open_client: Callable[..., Client]) -> None:
    client = open_client(server.url)
    client.login()
    fault = answer(401, {"code": "LICENSE_ERROR", "desc": "expired", "original_error": "x"})
    server.script("POST", ADD, *[fault] * 3)
    for _ in range(3):
        with pytest.raises(LicenseRejected, match="expired"):
            send(client)
    assert len(server.sent_to("/auth/login/")) == 1


def test_two_faults_do_not_chase_each_other(server: FlakyHttpServer, open_client: Callable[..., Client]) -> None:
    denied = answer(401, {"code": "UNAUTHORIZED", "desc": "no"})
    server.script("POST", ADD, *[denied] * 20)
    client = open_client(server.url)
    for _ in range(5):
        with pytest.raises(SessionRejected):
            send(client)
    assert len(server.sent_to("/auth/login/")) == 1


def test_wrong_password_is_tried_once_and_told_without_it(
    server: FlakyHttpServer, open_client: Callable[..., Client], lines: Lines
) -> None:
    server.script("POST", "/auth/login/", *[answer(401, {"code": "UNAUTHORIZED", "desc": f"not {PASSWORD}"})] * 5)
    client = open_client(server.url)
    for _ in range(5):
        with pytest.raises(CredentialsRejected) as caught:
            client.login()
        assert PASSWORD not in texts_of(caught.value)
    assert len(server.sent_to("/auth/login/")) == 1
    assert PASSWORD not in repr(client)


def test_log_out_forgets_the_session_even_when_the_server_is_gone(
    server: FlakyHttpServer, open_client: Callable[..., Client]
) -> None:
    client = open_client(server.url)
    client.login()
    server.script("POST", "/auth/logout/", HttpAnswer(502, b"<html>"))
    with pytest.raises(RecognizerUnavailable):
        client.logout()
    client.logout()
    assert len(server.sent_to("/auth/logout/")) == 1
    assert server.sent_to("/auth/logout/")[0].headers["authorization"] == f"Token {SESSION}"


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_redirect_is_not_followed_and_told(server: FlakyHttpServer, open_client: Callable[..., Client]) -> None:
    client = open_client(server.url)
    client.login()
    server.script("POST", ADD, HttpAnswer(301, b"", {"Location": "https://findface.example/events/faces/add/"}))
    with pytest.raises(RecognizerUnavailable, match=r"redirects .* to https://findface\.example"):
        send(client)
    assert len(server.sent_to(ADD)) == 1


def test_broken_json_of_an_accepted_capture_is_ambiguous(
    server: FlakyHttpServer, open_client: Callable[..., Client]
) -> None:
    server.script("POST", ADD, HttpAnswer(200, b'{"events": ["47'))
    with pytest.raises(DeliveryAmbiguous):
        send(open_client(server.url))


def test_patience_of_a_real_header(server: FlakyHttpServer, open_client: Callable[..., Client]) -> None:
    server.script("POST", ADD, answer(429, {}, Retry_After="17"))
    with pytest.raises(RecognizerUnavailable) as caught:
        send(open_client(server.url))
    assert caught.value.retry_after_s == 17.0


@pytest.mark.parametrize("cut", [None, *Cut])
@pytest.mark.parametrize("path", [ADD, "/auth/login/", "/camera-groups/"])
def test_no_secret_in_any_error_or_log_line(
    server: FlakyHttpServer, open_client: Callable[..., Client], lines: Lines, cut: Cut | None, path: str
) -> None:
    echo = answer(500, {"code": "ERROR", "desc": " ".join(SECRETS), "param": SESSION})
    method = "GET" if path == "/camera-groups/" else "POST"
    server.script(method, path, HttpAnswer(500, echo.body, cut=cut))
    client = open_client(server.url)
    with pytest.raises(ApplicationError) as caught:
        client.camera_groups() if path == "/camera-groups/" else send(client)
    told = texts_of(caught.value) + "\n".join(record.getMessage() for record in lines.records) + repr(client)
    # The client can blot out what it knows at that time.
    hidden = {ADD: SECRETS, "/auth/login/": (PASSWORD,), "/camera-groups/": (PASSWORD, SESSION)}[path]
    assert not any(secret in told for secret in hidden)


# ── lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def camera(number: int) -> dict[str, object]:
    return {"id": number, "name": f"c{number}", "group": 1, "active": True, "external_detector": True}


@pytest.mark.parametrize("shape", ["cursor", "address"])
def test_all_pages_are_read(server: FlakyHttpServer, open_client: Callable[..., Client], shape: str) -> None:
    def page(cursor: str) -> str:
        return cursor if shape == "cursor" else f"http://elsewhere.example/cameras/?limit=1&page={cursor}%3D"

    server.script(
        "GET",
        "/cameras/",
        answer(200, {"results": [camera(1), camera(2)], "next_page": page("b")}),
        answer(200, {"results": [camera(2), camera(3)], "next_page": page("c")}),
        answer(200, {"results": [camera(4)], "next_page": None}),
    )
    found = open_client(server.url).cameras([1, 2])
    assert [c.id for c in found] == [1, 2, 3, 4]
    asked = [r.query for r in server.sent_to("/cameras/")]
    end = "" if shape == "cursor" else "="
    assert [q.get("page") for q in asked] == [None, [f"b{end}"], [f"c{end}"]]
    assert all(q["camera_groups"] == ["1", "2"] and q["external_detector"] == ["true"] for q in asked)


def test_pages_that_go_round_end(server: FlakyHttpServer, open_client: Callable[..., Client], lines: Lines) -> None:
    server.script("GET", "/cameras/", *[answer(200, {"results": [camera(1)], "next_page": "again"})] * 5)
    assert [c.id for c in open_client(server.url).cameras()] == [1]
    assert len(server.sent_to("/cameras/")) == 2
    assert any("same next page" in line for line in lines.of(logging.WARNING))


def test_page_that_fails_fails_the_list(server: FlakyHttpServer, open_client: Callable[..., Client]) -> None:
    server.script(
        "GET",
        "/cameras/",
        answer(200, {"results": [camera(1)], "next_page": "b"}),
        HttpAnswer(502, b"<html>"),
    )
    with pytest.raises(RecognizerUnavailable):
        open_client(server.url).cameras()


def test_base_url_with_a_path(open_client: Callable[..., Client]) -> None:
    def under_api(request: ReceivedRequest) -> HttpAnswer:
        assert request.path.startswith("/api/")
        return answer(200, {"token": "t", "results": []})

    with FlakyHttpServer(under_api, clock=CLOCK) as server:
        open_client(f"{server.url}/api/").camera_groups()
    assert [r.path for r in server.requests] == ["/api/auth/login/", "/api/camera-groups/"]
