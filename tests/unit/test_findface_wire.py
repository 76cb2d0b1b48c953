"""Requests as they are built, answers as they are read: no socket here."""

import email.parser
import email.policy
import json
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import (
    CaptureRefused,
    ConfigurationError,
    DeliveryAmbiguous,
    RecognizerUnavailable,
)
from vigia.infrastructure.clients.findface_access import FindfaceAccess, normalize_base_url
from vigia.infrastructure.clients.findface_cameras import stream_url
from vigia.infrastructure.clients.findface_wire import (
    EventForm,
    FindfaceCamera,
    add_event_request,
    cameras_request,
    events_request,
    format_timestamp,
    log_in_request,
    parse_json,
    parse_next_page,
    read_event,
    read_event_ids,
    read_group,
    read_page,
    read_token,
)
from vigia.infrastructure.clients.http_transport import HttpRequest, HttpResponse, HttpTimeouts, TlsPolicy

AT = datetime(2026, 1, 5, 8, 0, 0, 123456, tzinfo=UTC)
SIDES = st.integers(min_value=0, max_value=6000)


@st.composite
def rois(draw: st.DrawFn) -> tuple[int, int, int, int]:
    left, right = sorted(draw(st.tuples(SIDES, SIDES).filter(lambda p: p[0] != p[1])))
    top, bottom = sorted(draw(st.tuples(SIDES, SIDES).filter(lambda p: p[0] != p[1])))
    return left, top, right, bottom


def form(**changes: Any) -> EventForm:
    fields: dict[str, Any] = {
        "camera": 7,
        "token": "0123abcd",
        "fullframe_jpeg": b"\xff\xd8jpeg\xff\xd9",
        "roi": (1, 2, 30, 40),
        "timestamp": AT,
    }
    return EventForm(**(fields | changes))


def parts_of(request: HttpRequest) -> list[tuple[str, bytes]]:
    """Names and values of a multipart body, read by the standard library."""
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    parser = email.parser.BytesParser(EmailMessage, policy=email.policy.HTTP)
    found = []
    for part in parser.parsebytes(head + (request.body or b"")).iter_parts():
        value = part.get_payload(decode=True)
        assert isinstance(value, bytes)
        found.append((str(part.get_param("name", header="content-disposition")), value))
    return found


def json_response(value: object, status: int = 200) -> HttpResponse:
    return HttpResponse(status, {}, json.dumps(value).encode())


@given(roi=rois(), at=st.datetimes(timezones=st.timezones()))
def test_roi_is_the_key_four_times_and_time_survives_with_its_offset(
    roi: tuple[int, int, int, int], at: datetime
) -> None:
    try:
        at.astimezone(UTC)
    except OverflowError:
        return
    parts = parts_of(add_event_request(form(roi=roi, timestamp=at)))
    assert tuple(int(value) for name, value in parts if name == "roi") == roi
    sent = dict(parts)["timestamp"].decode()
    assert sent.endswith("+00:00")
    assert datetime.fromisoformat(sent) == at.astimezone(UTC)


def test_event_form_on_the_wire() -> None:
    jpeg = bytes(range(256)) * 3
    request = add_event_request(form(fullframe_jpeg=jpeg, rotate=True, temperature=36.6, liveness=0.25))
    assert (request.method, request.path) == ("POST", "/events/faces/add/")
    assert parts_of(request) == [
        ("token", b"0123abcd"),
        ("camera", b"7"),
        ("mf_selector", b"biggest"),
        ("timestamp", b"2026-01-05T08:00:00.123456+00:00"),
        ("roi", b"1"),
        ("roi", b"2"),
        ("roi", b"30"),
        ("roi", b"40"),
        ("rotate", b"true"),
        ("temperature", b"36.6"),
        ("liveness", b"0.25"),
        ("fullframe", jpeg),
    ]
    assert request.body is not None
    assert b'filename="fullframe.jpg"\r\nContent-Type: image/jpeg\r\n' in request.body


def test_body_is_shared_by_a_repetition() -> None:
    request = add_event_request(form())
    assert request.with_headers({"Authorization": "Token t"}).body is request.body


@pytest.mark.parametrize(
    "changes",
    [
        {"roi": (5, 0, 5, 10)},
        {"roi": (0, 9, 5, 9)},
        {"roi": (-1, 0, 5, 10)},
        {"timestamp": AT.replace(tzinfo=None)},
        {"fullframe_jpeg": b""},
        {"mf_selector": "smallest"},
        {"temperature": float("nan")},
        {"liveness": float("inf")},
    ],
)
def test_form_that_cannot_be_sent(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"roi|time zone|empty|mf_selector|finite"):
        form(**changes)


def test_timestamp_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        format_timestamp(AT.replace(tzinfo=None))
    local = AT.astimezone(timezone(timedelta(hours=-3)))
    assert format_timestamp(local) == format_timestamp(AT)


def test_lists_repeat_keys_and_carry_the_cursor() -> None:
    request = cameras_request(group_ids=[1, 2], external_detector=True, active=None, cursor="a+b/=")
    assert request.url("http://h/api") == (
        "http://h/api/cameras/?camera_groups=1&camera_groups=2&external_detector=true"
        "&ordering=id&limit=100&page=a%2Bb%2F%3D"
    )
    window = events_request(camera=3, from_utc=AT, to_utc=AT, cursor=None).url("http://h")
    assert "cameras=3&created_date_gte=2026-01-05T08%3A00%3A00.123456%2B00%3A00&created_date_lte=" in window


def test_log_in_is_basic_with_the_stable_uuid() -> None:
    request = log_in_request(user="ana", password="sênha:2", uuid="vigia-1")
    assert request.headers["Authorization"] == "Basic YW5hOnPDqm5oYToy"
    assert request.body is not None
    assert json.loads(request.body)["uuid"] == "vigia-1"


def test_secrets_are_in_no_repr() -> None:
    access = FindfaceAccess(url="http://h", user="ana", password="s3cret", uuid="u")
    camera = FindfaceCamera(1, "c", 1, active=True, external_detector=True, comment="rtsp://a:s3cret@h", token="s3cret")
    login = log_in_request(user="ana", password="s3cret", uuid="u")
    shown = repr([access, camera, login, form(token="s3cret"), add_event_request(form(token="s3cret"))])
    assert "s3cret" not in shown
    assert login.headers["Authorization"] not in shown


CURSORS = st.text(st.characters(codec="ascii", categories=("L", "N")) | st.sampled_from("+/=-_"), min_size=1)


@given(cursor=CURSORS, base=st.sampled_from(["", "/cameras/", "http://evil.example/api/cameras/"]))
def test_next_page_by_address(cursor: str, base: str) -> None:
    url = HttpRequest("GET", base, (("limit", "5"), ("page", cursor))).url("")
    assert parse_next_page(url) == cursor
    assert parse_next_page(url + "&ordering=id#end") == cursor


@given(cursor=CURSORS.filter(lambda c: not c.startswith("page=")))
def test_next_page_as_a_bare_cursor(cursor: str) -> None:
    assert parse_next_page(cursor) == cursor


@pytest.mark.parametrize(("value", "cursor"), [(None, None), ("", None), (3, "3"), ("page=ab", "ab")])
def test_next_page_in_other_forms(value: object, cursor: str | None) -> None:
    assert parse_next_page(value) == cursor


@given(
    st.booleans() | st.floats() | st.lists(st.integers()) | st.sampled_from(["http://h/next", "?offset=3", "?page="])
)
def test_next_page_that_cannot_be_followed_is_no_silent_end(value: object) -> None:
    with pytest.raises(RecognizerUnavailable):
        parse_next_page(value)


@given(st.one_of(st.none(), st.integers(), st.text(), st.binary(), st.lists(st.text())))
def test_next_page_never_fails_otherwise(value: object) -> None:
    try:
        cursor = parse_next_page(value)
    except RecognizerUnavailable:
        return
    assert cursor is None or isinstance(cursor, str)


def test_event_ids_are_text_of_64_bits() -> None:
    assert read_event_ids(json_response({"events": ["4737770269510631760", 9007199254740993], "errors": []})) == (
        "4737770269510631760",
        "9007199254740993",
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"null",
        b'{"events": null}',
        b'{"events": [true]}',
        b'{"events": [1.5]}',
        b'{"events":["x"]}',
    ],
)
def test_answer_that_does_not_tell_is_ambiguous(body: bytes) -> None:
    with pytest.raises(DeliveryAmbiguous):
        read_event_ids(HttpResponse(200, {}, body))


def test_no_event_and_no_error_is_a_refusal() -> None:
    with pytest.raises(CaptureRefused) as caught:
        read_event_ids(json_response({"events": [], "errors": []}))
    assert caught.value.reason == "no_event"


def test_no_event_but_errors_is_ambiguous_and_told_without_secrets() -> None:
    with pytest.raises(DeliveryAmbiguous, match="disk full for") as caught:
        read_event_ids(json_response({"events": [], "errors": ["disk full for t0ken"]}), secrets=("t0ken",))
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize("token", [None, "", 5, "a b", "a\r\nX: y", "ção"])
def test_token_that_cannot_be_used(token: object) -> None:
    with pytest.raises(RecognizerUnavailable):
        read_token(json_response({"token": token}))


@given(st.binary(max_size=60) | st.sampled_from([b"[" * 100_000, b"9" * 5000, b"\xff"]))
def test_json_parser_is_total(body: bytes) -> None:
    parse_json(body)


@pytest.mark.parametrize("answer", [None, [], {}, {"results": {}}, {"results": [1]}])
def test_list_that_is_none(answer: object) -> None:
    with pytest.raises(RecognizerUnavailable):
        read_page(json_response(answer))


@pytest.mark.parametrize("item", [{}, {"id": True}, {"id": "1"}])
def test_entry_without_id(item: dict[str, object]) -> None:
    with pytest.raises(RecognizerUnavailable):
        read_group(item)
    with pytest.raises(RecognizerUnavailable):
        read_event({**item, "id": None})


def test_event_of_the_list() -> None:
    item = {
        "id": "4737770269510631760",
        "camera": 7,
        "created_date": "2026-01-05T05:00:00.123-03:00",
        "frame_coords_left": 1,
        "frame_coords_top": 2.0,
        "frame_coords_right": 30,
        "frame_coords_bottom": 40,
    }
    event = read_event(item)
    assert event.id == "4737770269510631760"
    assert event.created_at_utc == AT.replace(microsecond=123000)
    assert event.face_ltrb == (1, 2, 30, 40)
    assert read_event({**item, "frame_coords_right": 1}).face_ltrb is None
    assert read_event({**item, "frame_coords_right": None}).face_ltrb is None
    assert read_event({**item, "created_date": "2026-01-05T08:00:00Z"}).created_at_utc.utcoffset() == timedelta(0)
    with pytest.raises(RecognizerUnavailable):
        read_event({**item, "created_date": "yesterday"})


@pytest.mark.parametrize(
    ("given_url", "normal"),
    [
        ("http://h", "http://h"),
        (" HTTPS://h:8443/api// ", "https://h:8443/api"),
        ("http://[::1]:80/", "http://[::1]:80"),
    ],
)
def test_base_url(given_url: str, normal: str) -> None:
    assert normalize_base_url(given_url) == normal


@pytest.mark.parametrize(
    "url",
    ["", "h", "h:80", "ftp://h", "http://", "http://h:99999", "http://[::1", "http://h/?a=1", "http://h/#x", "http:/h",
     "http://ana:s3cret@h", "http://h\r\n/x", "//h"],
)  # fmt: skip
def test_base_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        normalize_base_url(url)
    assert "s3cret" not in str(caught.value)


@given(st.text(max_size=40))
def test_base_url_is_good_or_a_configuration_error(url: str) -> None:
    try:
        normal = normalize_base_url(url)
    except ConfigurationError:
        return
    assert normalize_base_url(normal) == normal
    assert not normal.endswith("/")


@pytest.mark.parametrize(
    "changes", [{"user": ""}, {"user": "a:b"}, {"password": ""}, {"uuid": ""}, {"uuid": "x" * 257}, {"url": "h"}]
)
def test_access_that_cannot_be_used(changes: dict[str, str]) -> None:
    fields: dict[str, Any] = {"url": "http://h", "user": "ana", "password": "s3cret", "uuid": "u"}
    with pytest.raises(ConfigurationError) as caught:
        FindfaceAccess(**(fields | changes))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_time_outs_are_finite(value: float) -> None:
    with pytest.raises(ConfigurationError, match="read_s"):
        HttpTimeouts(read_s=value)


def test_default_read_time_out_outlasts_findface() -> None:
    assert HttpTimeouts().read_s >= 40.0


def test_ca_file_is_read_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("ca")
    broken = folder / "ca.pem"
    broken.write_text("no certificate")
    for path in (broken, folder / "missing.pem"):
        with pytest.raises(ConfigurationError, match=path.name):
            TlsPolicy(ca_file=path)


@pytest.mark.parametrize(
    ("comment", "url"),
    [
        ("  rtsp://ana:p@10.0.0.5:554/s?c=1\n", "rtsp://ana:p@10.0.0.5:554/s?c=1"),
        ("RTSP://h/s main gate", "RTSP://h/s"),
        ("main gate rtsp://h/s", None),
        ("", None),
        ("rtsp://", None),
        ("rtsp:///s", None),
        ("rtsp://[::1/s", None),
        ("file:///etc/passwd", None),
        ("10.0.0.5", None),
    ],
)
def test_stream_url_in_a_comment(comment: str, url: str | None) -> None:
    assert stream_url(comment) == url


def test_files_can_be_allowed() -> None:
    assert stream_url("file:///clips/a.mp4", schemes={"file"}) == "file:///clips/a.mp4"
    assert stream_url("file://", schemes={"file"}) is None


@given(st.text(max_size=60))
def test_stream_url_is_total(comment: str) -> None:
    url = stream_url(comment)
    assert url is None or url in comment
