"""The page of the FindFace stand-in: what it shows, in which language, and what it must not show."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from test_findface_stub_events import ScriptedFinder, Sender, sending, settings_in

from vigia.testing.findface_stub import StubServer
from vigia.testing.findface_stub.page_texts import TEXTS

VOID = {"meta", "link", "img", "br", "rect"}


class Page(HTMLParser):
    """Collects the elements of a page and makes sure that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    with sending(tmp_path / "stub", ScriptedFinder()) as sender:
        yield sender


def test_an_event_is_shown_with_its_picture_region_and_face(sender: Sender) -> None:
    sender.finder.boxes = [(60, 60, 160, 180)]
    event_id = sender.add_one()
    text = sender.http.get("/").text
    page = Page(text)
    (image,) = page.all("img")
    assert image["src"] == f"/uploads/events/{event_id}/fullframe.jpeg"
    assert sender.http.get(str(image["src"])).status_code == 200
    assert [(r["class"], r["x"], r["y"], r["width"], r["height"]) for r in page.all("rect")] == [
        ("roi", "20", "30", "200", "170"),
        ("face", "60", "60", "100", "120"),
    ]
    assert page.all("svg")[0]["viewbox"] == "0 0 320 240"
    assert "01/03/2026 15:00:00 UTC" in text
    assert "gate" in text
    assert event_id in text


def test_it_speaks_portuguese_and_english(sender: Sender) -> None:
    portuguese, english = sender.http.get("/").text, sender.http.get("/", params={"lang": "en"}).text
    assert Page(portuguese).all("html")[0]["lang"] == "pt-BR"
    assert "Nenhum evento recebido ainda." in portuguese
    assert Page(english).all("html")[0]["lang"] == "en"
    assert "No event has been received yet." in english
    assert sender.http.get("/", params={"lang": "xx"}).text.count("pt-BR") == portuguese.count("pt-BR")
    assert TEXTS["pt"].keys() == TEXTS["en"].keys()


def test_totals_refusals_and_duplicates_are_shown_by_camera(sender: Sender) -> None:
    sender.add_one()
    sender.add_one()
    sender.add(token="x")
    sender.add(camera="99")
    sender.finder.boxes = []
    sender.add()
    text = sender.http.get("/", params={"lang": "en"}).text
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr>.*?</tr>", text, re.DOTALL)]
    assert ["gate", "#1", "2", "1", "camera_token&nbsp;1", "1"] in rows
    assert ["no", "camera", "given", "0", "0", "camera&nbsp;1", "0"] in rows
    assert ["hall", "#2", "0", "0", "0", "0"] in rows
    assert text.count("duplicate</span>") == 1


def test_older_events_are_a_page_away(sender: Sender) -> None:
    for second in range(26):
        sender.add_one(timestamp=f"2026-03-01T12:00:{second:02}Z")
    first = sender.http.get("/").text
    assert len(Page(first).all("img")) == 24
    (older,) = [a["href"] for a in Page(first).all("a") if "page=" in str(a["href"])]
    second_page = sender.http.get(str(older)).text
    assert len(Page(second_page).all("img")) == 2
    assert not Page(second_page).all("script"), "only the first page looks for new events"


def test_names_are_escaped_and_no_secret_is_shown(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    gate = replace(settings.cameras[0], name="<script>alert(1)</script>", url="rtsp://admin:s3cret@camera/1")
    with StubServer(replace(settings, cameras=(gate,))) as stub:
        answer = httpx.get(f"{stub.url}/")
        everything = answer.text + str(stub.stats()) + str(stub.events())
    assert "<script>alert" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    for secret in ("s3cret", "a" * 32, "operator"):
        assert secret not in everything


def test_nothing_comes_from_elsewhere(sender: Sender) -> None:
    answer = sender.http.get("/")
    assert "http://" not in answer.text
    assert "https://" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    page = Page(answer.text)
    nonces = {element["nonce"] for element in page.all("style") + page.all("script")}
    assert len(nonces) == 1
    assert f"'nonce-{nonces.pop()}'" in policy
    assert not [attributes for _, attributes in page.elements if "style" in attributes], "the policy forbids it"
