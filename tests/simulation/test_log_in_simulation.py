"""Faults that a person must mend: wrong password, dead sessions, a wrong address, a proxy's pages.

Ten minutes on a simulated clock, four senders in turn and somebody who reads the camera list, and every two minutes a
new use case with a new circuit breaker over the same session. What must hold: at most one log-in in half a minute, one
line in the log for each life, nothing lost, and delivery by itself once the fault is mended.
"""

import contextlib
import json
import logging
from collections.abc import Callable
from random import Random

import pytest

from log_in_counter import LogInCounter
from vigia.application.errors import RetryableError
from vigia.application.use_cases.send_to_findface import SendToFindfaceUseCase
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_recognizer import FindfaceRecognizer
from vigia.infrastructure.clients.findface_wire import ADD_EVENT_PATH, LOG_IN_PATH
from vigia.infrastructure.clients.http_transport import HttpRequest, HttpResponse, ResponseLost
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

SENDERS = 4
LIVES, LIFE_S = 5, 120.0
Server = Callable[[HttpRequest], HttpResponse]


def told(status: int, code: str) -> HttpResponse:
    return HttpResponse(status, {}, json.dumps({"code": code, "desc": "told"}).encode())


def page(status: int, **headers: str) -> HttpResponse:
    return HttpResponse(status, {"content-type": "text/html", **headers}, b"<html><h1>nginx</h1></html>")


def good(request: HttpRequest) -> HttpResponse:
    if request.path == LOG_IN_PATH:
        return HttpResponse(200, {}, b'{"token": "t"}')
    if request.path == ADD_EVENT_PATH:
        return HttpResponse(200, {}, b'{"events": ["4737770269510631760"], "errors": []}')
    return HttpResponse(200, {}, b'{"results": [], "next_page": null}')


def at_log_in(answer: HttpResponse) -> Server:
    return lambda request: answer if request.path == LOG_IN_PATH else told(401, "UNAUTHORIZED")


def always(answer: HttpResponse) -> Server:
    return lambda _request: answer


def no_session_is_ever_good(request: HttpRequest) -> HttpResponse:
    return good(request) if request.path == LOG_IN_PATH else told(401, "UNAUTHORIZED")


def reads_but_takes_nothing(request: HttpRequest) -> HttpResponse:
    return told(401, "UNAUTHORIZED") if request.path == ADD_EVENT_PATH else good(request)


def log_in_is_never_answered(request: HttpRequest) -> HttpResponse:
    if request.path == LOG_IN_PATH:
        raise ResponseLost("reset")
    return told(401, "UNAUTHORIZED")


FAULTS: dict[str, tuple[Server, str]] = {
    "wrong password": (at_log_in(told(401, "UNAUTHORIZED")), "FindFace refused the log-in: UNAUTHORIZED told"),
    "no licence": (at_log_in(told(401, "LICENSE_ERROR")), "FindFace's licence forbids it: LICENSE_ERROR told"),
    "no session is good": (no_session_is_ever_good, "FindFace does not accept a session that it has just opened"),
    "reads, takes nothing": (reads_but_takes_nothing, "FindFace does not accept"),
    "wrong path": (
        always(page(404)),
        "what answers at FindFace's address is not FindFace (404): check its URL; Not Found, text/html",
    ),
    "a web page for everything": (
        always(page(200)),
        "what answers the log-in at FindFace's address is not FindFace: check its URL",
    ),
    "a redirect": (
        always(page(301, location="https://findface.example/login")),
        "FindFace's address redirects (301) to https://findface.example/login: set that as its URL",
    ),
    "plain HTTP to an HTTPS port": (
        always(page(400)),
        "what answers at FindFace's address is not FindFace (400): check its URL; Bad Request, text/html",
    ),
    "a proxy without FindFace": (
        always(page(502)),
        "a proxy answered in FindFace's place (502): is FindFace running? Bad Gateway, text/html",
    ),
    "a proxy that is full": (
        always(page(503)),
        "a proxy answered in FindFace's place (503): is FindFace running? Service Unavailable, text/html",
    ),
    "no answer to the log-in": (log_in_is_never_answered, "FindFace did not answer the log-in: reset"),
}


class Wire:
    """An HTTP transport to a function."""

    name = "simulated"

    def __init__(self, server: Server) -> None:
        self.server = server

    def request(self, request: HttpRequest) -> HttpResponse:
        return self.server(request)

    def close(self) -> None:
        """Nothing is open."""


def capture_of(number: int, clock: SimClock) -> Capture:
    return Capture(
        id=CaptureId(f"{number:032x}"),
        camera_id=CameraId("gate"),
        findface_camera_id=7,
        track_id=number,
        at_utc=clock.utc(),
        box_xyxy=(0.0, 0.0, 10.0, 10.0),
        roi_ltrb=(0, 0, 10, 10),
        size_wh=(64, 48),
        quality=0.5,
        jpeg=b"jpeg",
    )


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_costs_one_log_in_in_half_a_minute_and_one_line(name: str, caplog: pytest.LogCaptureFixture) -> None:
    server, line = FAULTS[name]
    clock = SimClock()
    wire = Wire(server)
    transport = LogInCounter(wire, clock)
    access = FindfaceAccess(url="https://findface.example", user="ana", password="s3cret", uuid="u")
    client = FindfaceMulti(access, clock=clock, transport=transport)
    recognizer = FindfaceRecognizer(client)
    outbox = MemoryOutbox(clock)
    for number in range(20):
        outbox.commit(capture_of(number, clock))

    def new_life(seed: int) -> SendToFindfaceUseCase:
        return SendToFindfaceUseCase(
            outbox,
            recognizer,
            clock=clock,
            camera_token=lambda _camera: "token",
            refresh_cameras=lambda _camera: None,
            rng=Random(seed),
        )

    lists_read = 0
    with caplog.at_level(logging.WARNING, "vigia.delivery"):
        for life in range(LIVES):
            sender, end_s = new_life(life), clock.mono_s() + LIFE_S
            list_read_s = clock.mono_s()
            while clock.mono_s() < end_s:
                if clock.mono_s() >= list_read_s + 10.0:  # somebody else asks for the camera list meanwhile
                    list_read_s = clock.mono_s()
                    with contextlib.suppress(RetryableError):
                        client.camera_groups()
                    lists_read += 1
                delays_s = [sender.step() for _ in range(SENDERS)]
                clock.advance(max(0.05, min(delay_s or 0.0 for delay_s in delays_s)))
            assert sender.stats.state == "down"

    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == LIVES, lines
    assert all(line in one for one in lines), lines
    assert 3 <= transport.log_ins <= LIVES * LIFE_S / 30.0 + 1
    assert transport.gap_min_s >= 30.0
    assert transport.requests <= 4 * transport.log_ins + 4 * LIVES + lists_read
    assert outbox.stats().counts == {CaptureState.PENDING: 20}

    wire.server = good
    sender, end_s = new_life(99), clock.mono_s() + 60.0
    while outbox.stats().unsent and clock.mono_s() < end_s:
        clock.advance(max(0.05, sender.step() or 0.0))
    assert outbox.stats().counts == {CaptureState.DELIVERED: 20}
    assert transport.gap_min_s >= 30.0
