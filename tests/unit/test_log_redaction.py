"""No credential passes, whatever it stands in; ordinary lines stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.infrastructure.logging import Redactor, redact

SECRET = "Sup3rS3cretValue"


@pytest.mark.parametrize(
    "text",
    [
        f"rtsp://admin:{SECRET}@10.0.0.5/stream: 401",
        f"GET http://host/path?token={SECRET}&x=1",
        f"rtsp://admin:with/slash#{SECRET}@cam/1",
        f"rtsp://{SECRET}@cam/1",
        f"/relative?auth={SECRET}",
        f"token={SECRET}",
        f"token = '{SECRET}'",
        f"FINDFACE_PASSWORD={SECRET}",
        f"senha={SECRET};",
        f"api_key={SECRET}, next",
        f'{{"password": "{SECRET}"}}',
        f"{{'external_detector_token': '{SECRET}'}}",
        f'{{"password": "with \\" {SECRET}"}}',
        f"Authorization: Token {SECRET}",
        f"authorization: Basic {SECRET}==",
        f"{{'Authorization': 'Bearer {SECRET}'}}",
        f"headers={{b'Authorization': b'Token {SECRET}'}}",
        f'Authorization: Digest username="u", response="{SECRET}"',
        f"Proxy-Authorization: Basic {SECRET}",
        f"Cookie: session={SECRET}; other=1",
        f"Set-Cookie: a=b; sid={SECRET}",
        "sent Token 0123456789abcdef0123",
        "sent token 0123456789ABCDEF0123",
        "Basic YWRtaW46aHVudGVyMg==",
        "Bearer abcdefghijklmnop0123456789",
    ],
)
def test_a_credential_is_blanked(text: str) -> None:
    shown = redact(text)
    assert "***" in shown
    for secret in (SECRET, "0123456789abcdef", "0123456789ABCDEF", "YWRtaW46", "abcdefghijklmnop"):
        assert secret not in shown


@pytest.mark.parametrize(
    "text",
    [
        "✓ AsyncLogger iniciado (queue size: 10000)",
        "Evento 1 associado ao track 1 por IoU (0.850)",
        "FINDFACE_PASSWORD is missing; set it in .env or the environment",
        "FindFace refused the token: reading the camera list again",
        "basic authentication is used",
        "rtsp://10.0.0.5:554/stream is live, h264 1280x720, 30 fps",
        "outbox.max_gb: must be above 0",
        "https://findface.example/api?page=2&limit=10",
        "password: wrong",
    ],
)
def test_an_ordinary_line_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        "x",
        "x-",
        "://",
        ":// a:",
        "?pass",
        "token=",
        "'token':'",
        "token ",
        "basic a",
        "authorization:'",
        "cookie",
        "a://a:",
        "1 ",
    ],
)
def test_hostile_texts_are_searched_to_their_end(piece: str) -> None:
    text = piece * (65_536 // len(piece))  # with an unbounded repetition this would take minutes
    redact(text)
    redact(f"{text}://u:{SECRET}@h rest")


def test_redacting_twice_changes_nothing_more() -> None:
    once = redact(f"token={SECRET} Authorization: Token {SECRET} rtsp://a:{SECRET}@h/")
    assert redact(once) == once


def test_known_secrets_are_blanked_wherever_they_stand() -> None:
    redactor = Redactor(["hunter2", "hunter2-longer", "abc", ""])
    assert redactor("it said hunter2-longer, then hunter2!") == "it said ***, then ***!"
    assert redactor("abc") == "abc"  # too short to tell from ordinary text


@given(
    user=st.text(st.characters(categories=["L", "N"]), max_size=8),
    password=st.text(st.characters(categories=["L", "N"]), min_size=12, max_size=20),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
)
def test_a_password_in_a_url_never_passes(user: str, password: str, before: str, after: str) -> None:
    shown = redact(f"{before} rtsp://{user}:{password}@camera/1 {after}")
    assert password not in shown or password in before + after


@given(st.text(max_size=300))
def test_any_text_can_be_redacted(text: str) -> None:
    redact(text)
