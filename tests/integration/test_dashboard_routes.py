"""The site with its dashboard: every address of it is behind the door, and a page ends with its session."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from vigia.infrastructure.web.access import PUBLIC_PATHS
from web_site import csrf_of, log_in
from whole_site_process import WholeSite, whole_site

SOCKET = "/_nicegui_ws/socket.io/"
UPGRADE = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip
RELOAD = "window.location.reload()"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeSite]:
    with whole_site(tmp_path_factory.mktemp("site")) as site:
        site.order("capture 1")
        yield site


def client_of(site: WholeSite, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=site.url, timeout=20.0, trust_env=False, **options)


def test_no_address_answers_without_a_session(site: WholeSite) -> None:
    paths: list[str] = json.loads(site.order("walk"))
    wanted = {"/", "/captures", f"/captures/{'0' * 31}1", "/system", "/cameras/cam1", "/nothing", "/api/live"}
    assert wanted <= set(paths)
    for part in ("/static/", "/libraries/", "/components/", "/esm/", "/dashboard-assets/", f"{SOCKET}?EIO"):
        assert [path for path in paths if part in path], part
    with client_of(site) as insider, client_of(site) as stranger:
        log_in(insider)
        for path in paths:
            own = path in PUBLIC_PATHS
            if path.startswith("/dashboard-assets/") or ("/_nicegui/" in path and not path.endswith("/none")):
                assert insider.get(path).status_code == 200, f"{path} is none that is there"
            for accept in ("text/html", "application/json"):
                for method in ("GET", "HEAD", "POST"):
                    answer = stranger.request(method, path, headers={"accept": accept})
                    if not own:
                        assert answer.status_code in {401, 303}, (method, path)
                        assert answer.status_code == 401 or answer.headers["location"].startswith("/login?"), path


@pytest.mark.parametrize("origin", [True, False])
def test_no_socket_opens_without_a_session(site: WholeSite, origin: bool) -> None:
    with client_of(site) as stranger:
        for path in (SOCKET, "/_nicegui_ws/", "/captures", "/"):
            answer = stranger.get(
                path, params={"EIO": "4", "transport": "websocket"},
                headers={**UPGRADE, **({"Origin": site.url} if origin else {})},
            )  # fmt: skip
            assert answer.status_code == 403, path
        for transport in ("polling", "websocket"):
            asked = stranger.post(SOCKET, params={"EIO": "4", "transport": transport}, headers={"Origin": site.url})
            assert asked.status_code == 401


@pytest.mark.parametrize("path", ["/captures/~%0A0", "/%0A", "/a%0A/b", "/cameras/%0A", "/captures/~%0A%2F0", "/x%0A"])
def test_an_address_with_a_line_break_is_one_of_no_page(site: WholeSite, path: str) -> None:
    with client_of(site, headers={"accept": "text/html"}) as insider:
        log_in(insider)
        answer = insider.get(path)
        assert answer.status_code == 404
        assert "text/html" in answer.headers["content-type"]
        assert "not-found" in answer.text
        assert insider.get("/api/session%0A").status_code == 404


@contextmanager
def page_socket(site: WholeSite, page: httpx.Response, visitor: httpx.Client) -> Iterator[ClientConnection]:
    """What a browser does with a page: its socket, by the cookies of ``visitor``."""
    found = re.search(r"client_id\W+([0-9a-f-]{36})", page.text)
    assert found is not None
    query = {
        "EIO": "4", "transport": "websocket", "client_id": found[1], "tab_id": "tab", "document_id": "document",
        "next_message_id": "0", "implicit_handshake": "true",
    }  # fmt: skip
    cookie = "; ".join(f"{name}={value}" for name, value in visitor.cookies.items())
    address = f"{site.url.replace('http', 'ws', 1)}{SOCKET}?{urlencode(query)}"
    with connect(address, origin=Origin(site.url), additional_headers={"Cookie": cookie}, proxy=None) as socket:
        assert str(socket.recv(10.0)).startswith("0{")
        socket.send("40")
        yield socket


def told_to_reload(socket: ClientConnection, *, within_s: float) -> bool:
    """Whether the page is led away."""
    deadline_s = time.monotonic() + within_s
    while (left_s := deadline_s - time.monotonic()) > 0.0:
        try:
            message = str(socket.recv(left_s))
        except TimeoutError:
            return False
        if message == "2":
            socket.send("3")
        if RELOAD in message:
            return True
    return False


def test_a_page_ends_with_its_session_although_another_one_holds_its_socket(site: WholeSite) -> None:
    with client_of(site) as olga, client_of(site) as vera:
        log_in(olga)
        log_in(vera, "vera")
        page = olga.get("/captures", headers={"accept": "text/html"})
        assert page.status_code == 200
        with page_socket(site, page, vera) as socket:
            assert not told_to_reload(socket, within_s=1.5), "her session goes on"
            assert olga.post("/logout", data={"token": csrf_of(olga)["X-CSRF-Token"]}).status_code == 303
            assert told_to_reload(socket, within_s=10.0)
