"""Wrong passwords, sessions that end, wrong addresses: several senders at once against a real server, log-ins counted.

The clock is simulated and the sockets are real, so that minutes of faults take a moment.
"""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from test_findface_stub_events import JPEG, settings_in

from log_in_counter import LogInCounter
from vigia.application.use_cases.send_to_findface import SendOptions, SendToFindfaceUseCase
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_recognizer import FindfaceRecognizer
from vigia.infrastructure.clients.http_transport import HttpTimeouts, HttpTransport, TlsPolicy
from vigia.infrastructure.clients.httpx_transport import HttpxTransport
from vigia.infrastructure.clock import SystemClock
from vigia.testing.findface_stub import FaultScenario, StubServer
from vigia.testing.flaky_http_server import FlakyHttpServer, HttpAnswer
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

SENDERS = 4
CAPTURES = 12
TOKEN = "a" * 32
RIGHT = "pw"
MINUTES = 4


class HandClock(SimClock):
    """Moved by hand only: who waits for another thread waits for it, and no simulated time passes."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:  # noqa: ARG002
        return event.wait(30.0)


@dataclass
class Desk:
    """Four senders and everything up to the wire."""

    clock: SimClock
    outbox: MemoryOutbox
    transport: LogInCounter
    recognizer: FindfaceRecognizer

    def switch_to(self, url: str) -> None:
        """Another server at the address from now on."""
        old, self.transport.inner = self.transport.inner, transport_to(url, self.clock)
        old.close()

    def senders(self, seed: int) -> SendToFindfaceUseCase:
        return SendToFindfaceUseCase(
            self.outbox,
            self.recognizer,
            clock=self.clock,
            camera_token=lambda _camera: TOKEN,
            refresh_cameras=lambda _camera: None,
            options=SendOptions(senders=SENDERS, batch=1),
            rng=Random(seed),
        )

    def send_for(self, sender: SendToFindfaceUseCase, seconds: float) -> None:
        """Rounds of four senders at the same time, a second between two."""
        with ThreadPoolExecutor(SENDERS) as pool:
            for _ in range(int(seconds)):
                for future in [pool.submit(sender.step) for _ in range(SENDERS)]:
                    future.result(30.0)
                self.clock.advance(1.0)


def transport_to(url: str, clock: SimClock) -> HttpTransport:
    return HttpxTransport(url, clock=clock, timeouts=HttpTimeouts(), tls=TlsPolicy(), max_connections=SENDERS)


@contextmanager
def desk_of(url: str, *, password: str = RIGHT) -> Iterator[Desk]:
    clock = HandClock()
    access = FindfaceAccess(url=url, user="operator", password=password, uuid="vigia-1")
    transport = LogInCounter(transport_to(url, clock), clock)
    outbox = MemoryOutbox(clock)
    with closing(FindfaceRecognizer(FindfaceMulti(access, clock=clock, transport=transport))) as recognizer:
        for number in range(CAPTURES):
            outbox.commit(capture_of(number, clock))
        yield Desk(clock, outbox, transport, recognizer)


def capture_of(number: int, clock: SimClock) -> Capture:
    return Capture(
        id=CaptureId(f"{number:032x}"),
        camera_id=CameraId("gate"),
        findface_camera_id=1,
        track_id=number,
        at_utc=clock.utc(),
        box_xyxy=(30.0, 40.0, 110.0, 190.0),
        roi_ltrb=(20, 30, 120 + number, 200),
        size_wh=(640, 480),
        quality=0.5,
        jpeg=JPEG,
    )


def check_patience(desk: Desk, caplog: pytest.LogCaptureFixture, *, line: str) -> None:
    """Two lives of four senders each under the fault."""
    with caplog.at_level(logging.WARNING, "vigia.delivery"):
        for life in range(2):
            desk.send_for(desk.senders(life), MINUTES / 2 * 60.0)
    assert 2 <= desk.transport.log_ins <= MINUTES * 2 + 1
    assert desk.transport.gap_min_s >= 30.0
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2, told
    assert all(line in one for one in told), told
    assert desk.outbox.stats().counts == {CaptureState.PENDING: CAPTURES}


def check_recovery(desk: Desk, *, seconds: float = 60.0) -> None:
    """The fault is mended: everything is delivered, and still nobody hurries with log-ins."""
    desk.send_for(desk.senders(9), seconds)
    assert desk.outbox.stats().counts == {CaptureState.DELIVERED: CAPTURES}
    assert desk.transport.gap_min_s >= 30.0


def test_wrong_password(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with StubServer(settings_in(tmp_path)) as stub, desk_of(stub.url, password="wrong") as desk:
        check_patience(desk, caplog, line="FindFace refused the log-in: UNAUTHORIZED")
        assert stub.events() == []


def test_sessions_that_end_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Every capture finds its session ended, though each log-in is accepted."""
    faults = FaultScenario.model_validate({"faults": [{"kind": "session-expired"}]})
    with StubServer(settings_in(tmp_path), faults=faults) as stub, desk_of(stub.url) as desk:
        check_patience(desk, caplog, line="FindFace does not accept")
        assert stub.events() == []


def test_one_session_that_ends_is_replaced_at_once_for_all_senders(tmp_path: Path) -> None:
    faults = FaultScenario.model_validate(
        {"faults": [{"kind": "session-expired", "path": "/events/faces/add/", "every": 1000}]}
    )
    with StubServer(settings_in(tmp_path), faults=faults) as stub, desk_of(stub.url) as desk:
        desk.recognizer.log_in()
        desk.send_for(desk.senders(1), 10.0)
        assert len(stub.events()) == CAPTURES
        assert desk.outbox.stats().counts == {CaptureState.DELIVERED: CAPTURES}
        assert desk.transport.log_ins <= 2


def test_wrong_path_in_the_address(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with StubServer(settings_in(tmp_path)) as stub, desk_of(f"{stub.url}/findface") as desk:
        check_patience(desk, caplog, line="FindFace's address has no such call (404): check its URL")
        assert stub.events() == []


def test_a_proxy_that_shows_its_page_and_then_findface(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    page = HttpAnswer(502, b"<html><h1>Bad Gateway</h1></html>", {"Content-Type": "text/html"})
    with (
        StubServer(settings_in(tmp_path)) as stub,
        FlakyHttpServer(lambda _request: page, clock=SystemClock()) as proxy,
        desk_of(proxy.url) as desk,
    ):
        check_patience(
            desk, caplog, line="a proxy answered in FindFace's place (502): is FindFace running? Bad Gateway, text/html"
        )
        desk.switch_to(stub.url)
        check_recovery(desk)
        assert len(stub.events()) == CAPTURES
