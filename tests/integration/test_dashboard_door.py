"""What the dashboard asks of the door: a link leads to what it asked for, and the language changes within a session."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.types import Message

from vigia.infrastructure.web.access import GuardedSocket
from vigia.infrastructure.web.login import LANGUAGE_COOKIE
from web_site import WebSite, log_in

FILTERED = "/captures?camera=gate&state=dead&quality=0.5"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebSite]:
    made = WebSite(tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_link_with_a_filter_leads_there_after_the_log_in(site: WebSite) -> None:
    with site.client() as client:
        answer = client.get(FILTERED, headers={"accept": "text/html"})
        assert answer.status_code == 303
        asked = urlsplit(answer.headers["location"])
        assert asked.path == "/login"
        then = parse_qs(asked.query)["next"][0]
        assert then == FILTERED
        assert log_in(client, next=then).headers["location"] == FILTERED


def test_the_language_changes_without_logging_out(site: WebSite) -> None:
    with site.client() as client:
        log_in(client)
        for language in ("pt_BR", "en"):
            answer = client.get("/login", params={"lang": language, "next": FILTERED})
            assert (answer.status_code, answer.headers["location"]) == (303, FILTERED)
            assert client.cookies[LANGUAGE_COOKIE] == language
        assert client.get("/api/session").json()["user"] == "olga"


def test_a_language_does_not_lead_elsewhere(site: WebSite) -> None:
    with site.client() as client:
        log_in(client)
        answer = client.get("/login", params={"lang": "en", "next": "//elsewhere.example/"})
        assert answer.headers["location"] == "/"


@pytest.mark.parametrize(
    ("said", "lasts"), [('42["ack",{"next_message_id":7}]', False), ('42["event",{"id":7}]', True)]
)
def test_a_page_that_only_reads_is_idle(site: WebSite, said: str, lasts: bool) -> None:
    user = site.users.find("olga")
    assert user is not None
    token, _ = site.sessions.open(user, address="a")

    async def receive() -> Message:
        return {"type": "websocket.receive", "text": said}

    async def send(_message: Message) -> None:
        """Nobody listens."""

    socket = GuardedSocket(receive, send, sessions=site.sessions, token=token)
    for _ in range(3):  # 600 s without use end a session
        site.clock.advance(400.0)
        kind = asyncio.run(socket.receive())["type"]
    assert kind == ("websocket.receive" if lasts else "websocket.disconnect")


@pytest.mark.parametrize(("path", "lasts"), [("/api/history", False), ("/api/status", True)])
def test_charts_that_are_only_open_are_no_use_of_the_session(site: WebSite, path: str, lasts: bool) -> None:
    with site.client() as client:
        log_in(client)
        for _ in range(2):  # 600 s without use end a session
            site.clock.advance(290.0)
            assert client.get(path).status_code == 200
        site.clock.advance(290.0)
        assert client.get(path).status_code == (200 if lasts else 401)
