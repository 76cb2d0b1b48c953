"""TLS as it is: verified by default, by a CA file, or (loudly) not at all."""

import json
import logging
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from vigia.application.errors import RecognizerUnavailable
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.http_transport import HttpTimeouts, TlsPolicy
from vigia.infrastructure.clock import SystemClock
from vigia.testing.flaky_http_server import FlakyHttpServer, HttpAnswer, ReceivedRequest

CLOCK = SystemClock()
TIMEOUTS = HttpTimeouts(read_s=10.0)
Open = Callable[[TlsPolicy], FindfaceMulti | FindfaceMultiAsync]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def respond(request: ReceivedRequest) -> HttpAnswer:
    return HttpAnswer(200, json.dumps({"token": "t", "results": []}).encode())


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[FlakyHttpServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with FlakyHttpServer(respond, clock=CLOCK, tls=context) as server:
        yield server


@pytest.fixture(params=["httpx", "requests"])
def open_client(request: pytest.FixtureRequest, server: FlakyHttpServer) -> Iterator[Open]:
    with ExitStack() as stack:

        def make(tls: TlsPolicy) -> FindfaceMulti | FindfaceMultiAsync:
            access = FindfaceAccess(url=server.url, user="ana", password="s3cret", uuid="u", tls=tls, timeouts=TIMEOUTS)
            plain = FindfaceMulti(access, clock=CLOCK)
            client = FindfaceMultiAsync(plain) if request.param == "httpx" else plain
            stack.callback(client.close)
            return client

        yield make


@pytest.fixture
def warnings_told() -> Iterator[list[str]]:
    logger, told = logging.getLogger("vigia.findface"), list[str]()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    handler = Handler(logging.WARNING)
    logger.addHandler(handler)
    yield told
    logger.removeHandler(handler)


def test_unknown_authority_is_refused_and_nothing_sent(server: FlakyHttpServer, open_client: Open) -> None:
    with pytest.raises(RecognizerUnavailable, match=r"(?i)certificate.verify.failed"):
        open_client(TlsPolicy()).login()
    assert server.requests == ()


def test_ca_file_is_believed(
    server: FlakyHttpServer, open_client: Open, ca_file: Path, warnings_told: list[str]
) -> None:
    client = open_client(TlsPolicy(ca_file=ca_file))
    client.login()
    assert client.camera_groups() == []
    assert warnings_told == []


@pytest.mark.parametrize("pooled", [True, False])
def test_certificate_of_another_host_is_refused(authority: trustme.CA, ca_file: Path, pooled: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("findface.example").configure_cert(context)
    tls = TlsPolicy(ca_file=ca_file)
    with FlakyHttpServer(respond, clock=CLOCK, tls=context) as server:
        access = FindfaceAccess(url=server.url, user="ana", password="s3cret", uuid="u", tls=tls, timeouts=TIMEOUTS)
        plain = FindfaceMulti(access, clock=CLOCK)
        with FindfaceMultiAsync(plain) if pooled else plain as client, pytest.raises(RecognizerUnavailable):
            client.login()
    assert server.requests == ()


def test_verification_can_be_switched_off_and_that_is_told(
    server: FlakyHttpServer, open_client: Open, warnings_told: list[str]
) -> None:
    client = open_client(TlsPolicy(insecure_skip_verify=True))
    client.login()
    assert len(warnings_told) == 1
    assert "tls_insecure_skip_verify" in warnings_told[0]
    assert server.url in warnings_told[0]
