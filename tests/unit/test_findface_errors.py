"""Every answer means one of the application's errors."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import (
    ApplicationError,
    CameraTokenRejected,
    CaptureRefused,
    CredentialsRejected,
    DeliveryAmbiguous,
    LicenseRejected,
    RecognizerBusy,
    RecognizerMisaddressed,
    RecognizerUnavailable,
    RecognizerUnreachable,
    RetryableError,
    SessionRejected,
)
from vigia.infrastructure.clients.findface_errors import (
    RETRY_AFTER_MAX_S,
    Call,
    error_of_answer,
    error_of_fault,
    parse_retry_after,
)
from vigia.infrastructure.clients.http_transport import (
    HttpResponse,
    RequestIncomplete,
    RequestNotSent,
    ResponseLost,
    TransportFault,
)

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
HTML = b"<html><h1>Bad Gateway</h1></html>"


def told(code: str, param: str | None = None, desc: str = "descr") -> bytes:
    body = {"traceback": "", "code": code, "desc": desc}
    return json.dumps(body if param is None else body | {"param": param}).encode()


POST, QUERY, LOG_IN = Call.POST_EVENT, Call.QUERY, Call.LOG_IN

TABLE: list[tuple[Call, int, bytes, type[ApplicationError] | str]] = [
    (POST, 400, told("BAD_PARAM", "fullframe", "Нет объектов"), "no_face"),
    (POST, 400, told("BAD_PARAM", "roi"), "bad_param"),
    (POST, 400, told("BAD_PARAM", "camera"), CameraTokenRejected),
    (POST, 400, b'{"roi": ["A valid integer is required."]}', "bad_param"),
    (POST, 400, HTML, RecognizerMisaddressed),
    (POST, 401, told("UNAUTHORIZED"), SessionRejected),
    (POST, 401, HTML, SessionRejected),
    (POST, 401, told("LICENSE_ERROR"), LicenseRejected),
    (POST, 403, told("LICENSE_ERROR"), LicenseRejected),
    (POST, 403, told("PERMISSION_DENIED"), CameraTokenRejected),
    (POST, 403, HTML, RecognizerMisaddressed),
    (POST, 404, told("NOT_FOUND"), CameraTokenRejected),
    (POST, 404, HTML, RecognizerMisaddressed),
    (POST, 408, b"", RecognizerUnavailable),
    (POST, 413, HTML, "too_large"),
    (POST, 425, b"", RecognizerUnavailable),
    (POST, 429, b"", RecognizerBusy),
    (POST, 500, told("INTERNAL"), RecognizerUnavailable),
    (POST, 503, told("SERVICE_ERROR"), RecognizerBusy),
    (POST, 500, HTML, DeliveryAmbiguous),
    (POST, 503, b'{"message": "no peer"}', DeliveryAmbiguous),
    (POST, 502, HTML, DeliveryAmbiguous),
    (POST, 504, told("GATEWAY"), DeliveryAmbiguous),
    (POST, 301, b"", RecognizerMisaddressed),
    (QUERY, 400, told("BAD_PARAM", "ordering"), RecognizerUnavailable),
    (QUERY, 401, told("UNAUTHORIZED"), SessionRejected),
    (QUERY, 401, told("LICENSE_ERROR"), LicenseRejected),
    (QUERY, 403, told("PERMISSION_DENIED"), CredentialsRejected),
    (QUERY, 404, told("NOT_FOUND"), RecognizerMisaddressed),
    (QUERY, 502, HTML, RecognizerUnavailable),
    (QUERY, 413, HTML, RecognizerMisaddressed),
    (QUERY, 200, HTML, RecognizerMisaddressed),
    (QUERY, 429, HTML, RecognizerBusy),
    (POST, 200, HTML, DeliveryAmbiguous),
    (POST, 418, told("TEAPOT"), RecognizerUnavailable),
    (LOG_IN, 400, told("BAD_PARAM", "uuid"), CredentialsRejected),
    (LOG_IN, 400, HTML, RecognizerMisaddressed),
    (LOG_IN, 401, told("UNAUTHORIZED"), CredentialsRejected),
    (LOG_IN, 401, told("LICENSE_ERROR"), LicenseRejected),
    (LOG_IN, 403, told("PERMISSION_DENIED"), CredentialsRejected),
    (LOG_IN, 404, HTML, RecognizerMisaddressed),
    (LOG_IN, 502, HTML, RecognizerUnavailable),
    (LOG_IN, 308, b"", RecognizerMisaddressed),
    (LOG_IN, 200, HTML, RecognizerMisaddressed),
]


@pytest.mark.parametrize(("call", "status", "body", "meaning"), TABLE)
def test_meaning(call: Call, status: int, body: bytes, meaning: type[ApplicationError] | str) -> None:
    error = error_of_answer(call, HttpResponse(status, {}, body), now_utc=NOW)
    if isinstance(meaning, str):
        assert isinstance(error, CaptureRefused)
        assert error.reason == meaning
    else:
        assert type(error) is meaning


ANSWERS = st.builds(
    HttpResponse,
    status=st.integers(100, 599).filter(lambda s: not 200 <= s < 300) | st.integers(-5, 2000),
    headers=st.dictionaries(st.sampled_from(["retry-after", "location", "content-type"]), st.text(max_size=30)),
    body=st.binary(max_size=40)
    | st.builds(
        lambda fields: json.dumps(fields).encode(),
        st.dictionaries(
            st.sampled_from(["code", "param", "desc", "%(x)s"]),
            st.none() | st.integers() | st.text(max_size=20) | st.sampled_from(["BAD_PARAM", "fullframe", "%s %(a)d"]),
        ),
    ),
)


@given(call=st.sampled_from(Call), answer=ANSWERS)
def test_any_answer_is_an_error_of_the_tree(call: Call, answer: HttpResponse) -> None:
    error = error_of_answer(call, answer, now_utc=NOW)
    assert isinstance(error, RetryableError | CaptureRefused)
    assert str(error)
    if call is not Call.POST_EVENT:
        assert not isinstance(error, CaptureRefused | DeliveryAmbiguous | CameraTokenRejected)


@given(st.sampled_from(Call), st.text(max_size=300), st.sampled_from(range(300, 600)))
def test_server_that_repeats_secrets_does_not_spread_them(call: Call, noise: str, status: int) -> None:
    secrets = ("S3CRET-token", "p4ss word")
    body = told("BAD_PARAM", desc=f"{noise} {secrets[0]} rtsp://ana:{secrets[1]}@h {secrets[1]}")
    answer = HttpResponse(status, {"location": f"http://h/?token={secrets[0]}"}, body)
    error = error_of_answer(call, answer, now_utc=NOW, secrets=secrets)
    assert not any(secret in str(error) for secret in secrets)
    assert len(str(error)) < 400


def test_location_of_a_redirect_is_told() -> None:
    answer = HttpResponse(302, {"location": "https://ana:pw@findface.example/auth/login/"})
    text = str(error_of_answer(Call.LOG_IN, answer, now_utc=NOW))
    assert "https://***@findface.example/auth/login/" in text


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-3", 0.0),
        ("1e9", RETRY_AFTER_MAX_S),
        ("inf", RETRY_AFTER_MAX_S),
        ("nan", None),
        ("", None),
        ("soon", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("Mon, 05 Jan 2026 08:01:00 -0000", 60.0),
    ],
)
def test_retry_after(text: str, delay_s: float | None) -> None:
    assert parse_retry_after(text, now_utc=NOW) == delay_s


@given(st.text(max_size=40))
def test_retry_after_is_total(text: str) -> None:
    delay_s = parse_retry_after(text, now_utc=NOW)
    assert delay_s is None or 0.0 <= delay_s <= RETRY_AFTER_MAX_S


@pytest.mark.parametrize("status", [429, 503])
def test_patience_asked_for_is_passed_on(status: int) -> None:
    error = error_of_answer(Call.POST_EVENT, HttpResponse(status, {"retry-after": "12"}, told("BUSY")), now_utc=NOW)
    assert isinstance(error, RecognizerUnavailable)
    assert error.retry_after_s == 12.0


@pytest.mark.parametrize(
    ("call", "fault", "kind"),
    [
        (POST, RequestNotSent("refused"), RecognizerUnreachable),
        (POST, RequestIncomplete("reset"), RecognizerUnavailable),
        (POST, ResponseLost("reset"), DeliveryAmbiguous),
        (QUERY, RequestNotSent("refused"), RecognizerUnreachable),
        (QUERY, RequestIncomplete("reset"), RecognizerUnreachable),
        (QUERY, ResponseLost("reset"), RecognizerUnreachable),
        (LOG_IN, RequestNotSent("refused"), RecognizerUnreachable),
        (LOG_IN, RequestIncomplete("reset"), RecognizerUnavailable),  # it may have been counted as an attempt
        (LOG_IN, ResponseLost("reset"), RecognizerUnavailable),
    ],
)
def test_what_no_answer_means_depends_on_what_was_sent(
    call: Call, fault: TransportFault, kind: type[ApplicationError]
) -> None:
    error = error_of_fault(call, fault)

    assert type(error) is kind
    assert str(fault) in str(error)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_proxy_that_answers_before_it_has_the_capture_lost_nothing(status: int) -> None:
    error = error_of_answer(POST, HttpResponse(status, {}, HTML, early=True), now_utc=NOW)

    assert type(error) is RecognizerUnavailable


def test_an_early_refusal_is_a_refusal() -> None:
    error = error_of_answer(POST, HttpResponse(413, {}, HTML, early=True), now_utc=NOW)

    assert isinstance(error, CaptureRefused)


def test_a_web_page_is_told_in_one_line_without_its_words() -> None:
    answer = HttpResponse(404, {"content-type": "text/html; charset=utf-8"}, b"<html>\n<h1>S3CRET</h1>\n</html>")

    assert str(error_of_answer(LOG_IN, answer, now_utc=NOW)) == (
        "what answers at FindFace's address is not FindFace (404): check its URL; Not Found, text/html"
    )
