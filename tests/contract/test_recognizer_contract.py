"""What every Recognizer does: the fake, and FindFace's over both transports against a real server on loopback."""

import email.parser
import email.policy
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Protocol

import pytest

from vigia.application.errors import (
    CameraTokenRejected,
    CaptureRefused,
    CredentialsRejected,
    DeliveryAmbiguous,
    LicenseRejected,
    RecognizerBusy,
    RecognizerUnavailable,
    SessionRejected,
)
from vigia.application.ports import Recognizer
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, LeasedCapture
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_recognizer import FindfaceRecognizer
from vigia.infrastructure.clients.http_transport import HttpTimeouts
from vigia.infrastructure.clients.look_ups import LookUpRules
from vigia.infrastructure.clock import SystemClock
from vigia.testing.flaky_http_server import Cut, FlakyHttpServer, HttpAnswer, ReceivedRequest
from vigia.testing.flaky_recognizer import FIRST_EVENT_ID, Fault, FlakyRecognizer

AT = datetime(2026, 1, 5, 8, 0, 0, 123456, tzinfo=UTC)
TOKEN = "c0ffee"
CAMERA = 7
ADD = "/events/faces/add/"


def capture(
    name: str = "a",
    *,
    at_utc: datetime = AT,
    roi_ltrb: tuple[int, int, int, int] = (10, 20, 110, 140),
    camera: int | None = CAMERA,
) -> LeasedCapture:
    return LeasedCapture(
        id=CaptureId(name * 32),
        camera_id=CameraId("7"),
        findface_camera_id=camera,
        at_utc=at_utc,
        roi_ltrb=roi_ltrb,
        jpeg=b"\xff\xd8" + name.encode() * 5000 + b"\xff\xd9",
        lease="l",
        attempts=1,
    )


class World(Protocol):
    """One recogniser and the strings behind it."""

    recognizer: Recognizer

    def then(self, *faults: Fault | None) -> None: ...

    def refuse_log_ins(self) -> None: ...

    def go_down(self) -> None: ...

    def come_back(self) -> None: ...

    @property
    def arrived(self) -> list[tuple[int, datetime]]: ...

    @property
    def log_ins(self) -> int: ...


class FakeWorld:
    def __init__(self) -> None:
        self.fake = FlakyRecognizer(tokens={CAMERA: TOKEN})
        self.recognizer: Recognizer = self.fake
        self.then = self.fake.then

    def refuse_log_ins(self) -> None:
        self.fake.set_credentials_good(False)

    def go_down(self) -> None:
        self.fake.set_down(True)

    def come_back(self) -> None:
        self.fake.set_down(False)

    @property
    def arrived(self) -> list[tuple[int, datetime]]:
        return [(a.findface_camera_id, a.at_utc) for a in self.fake.arrivals]

    @property
    def log_ins(self) -> int:
        return self.fake.log_ins


def answer(status: int, value: object) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def failure(status: int, code: str, param: str | None = None) -> HttpAnswer:
    return answer(status, {"traceback": "", "code": code, "desc": "told", "param": param})


DENIED = failure(401, "UNAUTHORIZED")
HTTP_FAULTS: dict[Fault, tuple[HttpAnswer, ...]] = {
    Fault.NO_FACE: (failure(400, "BAD_PARAM", "fullframe"),),
    Fault.BAD_PARAM: (failure(400, "BAD_PARAM", "roi"),),
    Fault.TOO_LARGE: (HttpAnswer(413, b"<html>"),),
    Fault.UNAVAILABLE: (failure(500, "SERVICE_ERROR"),),
    Fault.BUSY: (failure(429, "THROTTLED"),),
    Fault.LOST_BEFORE: (HttpAnswer(cut=Cut.BEFORE_BODY),),
    Fault.SESSION: (DENIED, DENIED),  # the second one after a new log-in
    Fault.LICENSE: (failure(401, "LICENSE_ERROR"),),
    Fault.CAMERA_TOKEN: (failure(403, "PERMISSION_DENIED"),),
}


class HttpWorld:
    """As much of FindFace as the port needs, with the faults on the wire."""

    def __init__(self, server_of: Callable[[Callable[[ReceivedRequest], HttpAnswer]], FlakyHttpServer]) -> None:
        self.server = server_of(self.respond)
        self.recognizer: Recognizer
        self.events: list[dict[str, object]] = []
        self.sessions = 0
        self.lose_next = False
        self.down = False
        self.log_ins_refused = False

    def respond(self, request: ReceivedRequest) -> HttpAnswer:
        if self.down:
            return HttpAnswer(502, b"<html>Bad Gateway</html>")
        if request.path == "/auth/login/":
            if self.log_ins_refused:
                return DENIED
            self.sessions += 1
            return answer(200, {"token": f"session-{self.sessions}"})
        if request.headers.get("authorization") != f"Token session-{self.sessions}":
            return DENIED
        calls = {ADD: self.add, "/events/faces/": self.find}
        return calls[request.path](request) if request.path in calls else HttpAnswer(204)

    def add(self, request: ReceivedRequest) -> HttpAnswer:
        fields = form_of(request)
        if fields["token"] != [TOKEN]:
            return failure(403, "PERMISSION_DENIED")
        left, top, right, bottom = (int(side) for side in fields["roi"])
        event_id = str(FIRST_EVENT_ID + len(self.events))
        at = datetime.fromisoformat(fields["timestamp"][0])
        self.events.append(
            {
                "id": event_id,
                "camera": int(fields["camera"][0]),
                # as a server does that keeps milliseconds only
                "created_date": at.isoformat(timespec="milliseconds"),
                "at": at,
                "frame_coords_left": left + 20,
                "frame_coords_top": top + 20,
                "frame_coords_right": right - 20,
                "frame_coords_bottom": bottom - 20,
            }
        )
        if self.lose_next:
            self.lose_next = False
            return HttpAnswer(cut=Cut.AFTER_BODY)
        return answer(200, {"events": [event_id], "errors": []})

    def find(self, request: ReceivedRequest) -> HttpAnswer:
        after, before = (datetime.fromisoformat(request.query[f"created_date_{side}"][0]) for side in ("gte", "lte"))
        found = [
            {name: value for name, value in event.items() if name != "at"}
            for event in self.events
            if str(event["camera"]) in request.query["cameras"]
            and after <= datetime.fromisoformat(str(event["created_date"])) <= before
        ]
        return answer(200, {"next_page": None, "results": found})

    def then(self, *faults: Fault | None) -> None:
        for fault in faults:
            if fault is Fault.LOST_AFTER:
                self.lose_next = True
            elif fault is not None:
                self.server.script("POST", ADD, *HTTP_FAULTS[fault])

    def refuse_log_ins(self) -> None:
        self.log_ins_refused = True

    def go_down(self) -> None:
        self.down = True

    def come_back(self) -> None:
        self.down = False

    @property
    def arrived(self) -> list[tuple[int, datetime]]:
        return [(int(str(e["camera"])), e["at"]) for e in self.events if isinstance(e["at"], datetime)]

    @property
    def log_ins(self) -> int:
        return len(self.server.sent_to("/auth/login/"))


def form_of(request: ReceivedRequest) -> dict[str, list[str]]:
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    fields: dict[str, list[str]] = {}
    parser = email.parser.BytesParser(EmailMessage, policy=email.policy.HTTP)
    for part in parser.parsebytes(head + request.body).iter_parts():
        value = part.get_payload(decode=True)
        assert isinstance(value, bytes)
        name = str(part.get_param("name", header="content-disposition"))
        fields.setdefault(name, []).append(value.decode("latin-1"))
    return fields


@pytest.fixture(params=["fake", "httpx", "requests"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    clock = SystemClock()
    with ExitStack() as stack:
        http = HttpWorld(lambda respond: stack.enter_context(FlakyHttpServer(respond, clock=clock)))
        access = FindfaceAccess(
            url=http.server.url, user="ana", password="s3cret", uuid="u", timeouts=HttpTimeouts(read_s=10.0)
        )
        plain = FindfaceMulti(access, clock=clock)
        http.recognizer = FindfaceRecognizer(
            FindfaceMultiAsync(plain) if request.param == "httpx" else plain,
            look_ups=LookUpRules(settle_s=0.0, finish_s=0.0),  # here nothing is late
        )
        stack.callback(http.recognizer.close)
        yield http


def test_capture_arrives_once_with_its_ids_as_text(world: World) -> None:
    world.recognizer.log_in()
    assert world.recognizer.deliver(capture(), camera_token=TOKEN) == (str(FIRST_EVENT_ID),)
    assert world.arrived == [(CAMERA, AT)]
    assert world.recognizer.find_delivered(capture()) == (str(FIRST_EVENT_ID),)


def test_session_is_opened_when_it_is_needed(world: World) -> None:
    assert world.recognizer.deliver(capture(), camera_token=TOKEN)


@pytest.mark.parametrize("fault", [Fault.NO_FACE, Fault.BAD_PARAM, Fault.TOO_LARGE])
def test_refusal_names_its_reason(world: World, fault: Fault) -> None:
    world.then(fault)
    with pytest.raises(CaptureRefused) as caught:
        world.recognizer.deliver(capture(), camera_token=TOKEN)
    assert caught.value.reason == fault.value
    assert world.arrived == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.UNAVAILABLE, RecognizerUnavailable),
        (Fault.BUSY, RecognizerBusy),
        (Fault.SESSION, SessionRejected),
        (Fault.LICENSE, LicenseRejected),
        (Fault.CAMERA_TOKEN, CameraTokenRejected),
    ],
)
def test_failure_that_surely_delivered_nothing(world: World, fault: Fault, kind: type[Exception]) -> None:
    world.recognizer.log_in()
    world.then(fault)
    with pytest.raises(kind) as caught:
        world.recognizer.deliver(capture(), camera_token=TOKEN)
    assert type(caught.value) is kind
    assert world.arrived == []


def test_licence_fault_causes_no_log_in(world: World) -> None:
    world.recognizer.log_in()
    world.then(Fault.LICENSE)
    with pytest.raises(LicenseRejected):
        world.recognizer.deliver(capture(), camera_token=TOKEN)
    assert world.log_ins == 1


@pytest.mark.parametrize(("fault", "arrives"), [(Fault.LOST_BEFORE, False), (Fault.LOST_AFTER, True)])
def test_lost_answer_is_ambiguous_and_the_look_up_tells(world: World, fault: Fault, arrives: bool) -> None:
    world.recognizer.log_in()
    world.then(fault)
    with pytest.raises(DeliveryAmbiguous):
        world.recognizer.deliver(capture(), camera_token=TOKEN)
    found = world.recognizer.find_delivered(capture())
    assert found == ((str(FIRST_EVENT_ID),) if arrives else ())
    assert len(world.arrived) == int(arrives)


def test_look_up_does_not_take_a_neighbour_for_the_capture(world: World) -> None:
    world.recognizer.deliver(capture("a"), camera_token=TOKEN)
    beside = (300, 20, 400, 140)
    for other in (
        capture("b", at_utc=AT + timedelta(milliseconds=40)),
        capture("b", at_utc=AT - timedelta(milliseconds=40)),
        capture("b", camera=8),
        capture("b", roi_ltrb=beside),
    ):
        assert world.recognizer.find_delivered(other) == ()


def test_two_faces_of_one_frame_are_told_apart(world: World) -> None:
    first, second = capture("a"), capture("b", roi_ltrb=(300, 20, 400, 140))
    world.recognizer.deliver(first, camera_token=TOKEN)
    world.then(Fault.LOST_AFTER)
    with pytest.raises(DeliveryAmbiguous):
        world.recognizer.deliver(second, camera_token=TOKEN)
    assert world.recognizer.find_delivered(second) == (str(FIRST_EVENT_ID + 1),)
    assert world.recognizer.find_delivered(first) == (str(FIRST_EVENT_ID),)


def test_event_of_another_delivery_is_not_taken(world: World) -> None:
    world.recognizer.deliver(capture("a"), camera_token=TOKEN)
    assert world.recognizer.find_delivered(capture("b")) == ()


def test_wrong_camera_token(world: World) -> None:
    for token in ("stale", ""):
        with pytest.raises(CameraTokenRejected):
            world.recognizer.deliver(capture(), camera_token=token)
    assert world.arrived == []


def test_capture_of_a_camera_that_findface_does_not_have(world: World) -> None:
    with pytest.raises(CaptureRefused) as caught:
        world.recognizer.deliver(capture(camera=None), camera_token=TOKEN)
    assert caught.value.reason == "no_camera"
    assert world.recognizer.find_delivered(capture(camera=None)) == ()


def test_refused_log_in(world: World) -> None:
    world.refuse_log_ins()
    with pytest.raises(CredentialsRejected):
        world.recognizer.log_in()


def test_down_and_back(world: World) -> None:
    world.recognizer.log_in()
    world.go_down()
    with pytest.raises((RecognizerUnavailable, DeliveryAmbiguous)):
        world.recognizer.deliver(capture(), camera_token=TOKEN)
    with pytest.raises(RecognizerUnavailable):
        world.recognizer.find_delivered(capture())
    world.come_back()
    assert world.recognizer.find_delivered(capture()) == ()
    assert world.recognizer.deliver(capture(), camera_token=TOKEN)


def test_no_session_is_opened_while_it_is_down(world: World) -> None:
    world.go_down()
    with pytest.raises(RecognizerUnavailable):
        world.recognizer.log_in()


def test_log_out_never_fails(world: World) -> None:
    world.recognizer.log_out()
    world.recognizer.log_in()
    world.go_down()
    world.recognizer.log_out()
    world.recognizer.log_out()


def test_delivery_after_log_out_opens_a_session(world: World) -> None:
    world.recognizer.log_in()
    world.recognizer.log_out()
    assert world.recognizer.deliver(capture(), camera_token=TOKEN)


def test_closed_recognizer_takes_nothing(world: World) -> None:
    world.recognizer.log_in()
    world.recognizer.close()
    world.recognizer.close()
    with pytest.raises(RecognizerUnavailable):
        world.recognizer.deliver(capture(), camera_token=TOKEN)
    assert world.arrived == []
