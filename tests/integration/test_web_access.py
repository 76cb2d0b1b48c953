"""Nobody gets anything without a session: log-in, lock-out, sessions, forged requests, roles; over real HTTP."""

import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from fastapi.routing import APIRoute
from starlette.websockets import WebSocket

from vigia.application.site_view import Readiness
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.web.access import PUBLIC_PATHS, DoorRules
from vigia.infrastructure.web.addresses import networks
from vigia.infrastructure.web.app import THREADS
from vigia.infrastructure.web.devices import COOKIE_S
from vigia.infrastructure.web.lockout import FIRST_PAUSE_S, FREE_FAILURES
from vigia.infrastructure.web.server import WebServer
from vigia.infrastructure.web.users import Role
from web_site import PASSWORD, TOKEN, WebSite, connect_socket, csrf_of, form_token, log_in

ID = "0" * 31 + "1"
WRONG = "wrong-horse-1"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebSite]:
    site = WebSite(tmp_path)
    site.start()
    yield site
    site.stop()


@pytest.fixture
def visitor(site: WebSite) -> Iterator[httpx.Client]:
    with site.client() as client:
        yield client


def routes_of(site: WebSite) -> list[tuple[str, str]]:
    """Every method and path there is, found in the application itself."""
    found: list[tuple[str, str]] = []
    waiting: list[Any] = list(site.app.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, APIRoute):
            path = route.path.replace("{capture_id}", ID).replace("{camera_id}", "cam1")
            found += [(method, path) for method in route.methods or ()]
        else:
            waiting += getattr(getattr(route, "original_router", None) or getattr(route, "app", None), "routes", ())
    return found


def test_an_unknown_visitor_reaches_no_route_but_the_public_ones(site: WebSite, visitor: httpx.Client) -> None:
    site.dead_capture(1)
    routes = routes_of(site)
    paths = {path for _, path in routes}
    assert {"/api/status", "/api/cameras", "/api/captures", "/metrics", "/", "/logout"} <= paths
    assert {"/api/history", "/api/decisions", "/api/cameras/cam1/settings"} <= paths
    assert {f"/api/captures/{ID}/picture", "/api/outbox/retry", "/api/outbox/drop", "/api/cameras/reload"} <= paths
    for method, path in routes:
        for asked in {method, "GET", "HEAD", "OPTIONS", "PUT", "DELETE"}:
            answer = visitor.request(asked, path, headers={"Accept": "application/json"})
            if path in PUBLIC_PATHS or path == "/logout":
                assert answer.status_code in {200, 204, 401, 403, 405}, (asked, path)
            else:
                assert answer.status_code == 401, (asked, path)
                assert answer.content in {b"", b'{"error":"log_in"}'}
    assert not site.audit.entries
    assert site.outbox.entries()


def test_no_spelling_of_a_path_opens_the_door(visitor: httpx.Client) -> None:
    for path in (
        "/login/", "//api/status", "/login/../api/status", "/API/status", "/api/status/", "/healthz/x",
        "/_nicegui_ws/socket.io/?EIO=4&transport=polling", "/_nicegui/3.0/static/x.js", "/docs", "/openapi.json",
        "/login%2f..%2fapi/status", "/nowhere",
    ):  # fmt: skip
        assert visitor.get(path).status_code == 401, path


def test_a_page_leads_to_the_log_in_and_back(site: WebSite, visitor: httpx.Client) -> None:
    answer = visitor.get("/api/cameras", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=/api/cameras")
    answer = log_in(visitor, next="/api/cameras")
    assert (answer.status_code, answer.headers["location"]) == (303, "/api/cameras")
    assert visitor.get("/api/cameras").json() == {"cameras": site.view.cameras()}
    assert site.audit.told() == [("olga", "login", "ok")]


def test_the_way_back_never_leads_elsewhere(site: WebSite) -> None:
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nX: y", ""):
        with site.client() as client:
            assert log_in(client, next=elsewhere).headers["location"] == "/"


def test_two_vigias_on_one_host_do_not_take_each_others_session(site: WebSite, tmp_path: Path) -> None:
    second = WebSite(tmp_path)
    second.start()
    try:
        with site.client() as browser:
            assert log_in(browser).status_code == 303
            browser.base_url = httpx.URL(second.url)
            assert browser.get("/api/session").status_code == 401
            assert log_in(browser, "vera").status_code == 303
            assert browser.get("/api/session").json()["user"] == "vera"
            browser.base_url = httpx.URL(site.url)
            assert browser.get("/api/session").json()["user"] == "olga"
    finally:
        second.stop()


def test_the_session_cookie_is_for_this_server_only_and_new_at_each_log_in(site: WebSite) -> None:
    with site.client() as client:
        cookie = next(c for c in log_in(client).headers.get_list("set-cookie") if c.startswith(f"{site.cookie}="))
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        first = client.cookies[site.cookie]
        client.get("/logout")
        stolen = site.client(cookies={site.cookie: first})
        assert stolen.get("/api/status").status_code == 200
        fields = {"token": csrf_of(client)["X-CSRF-Token"]}
        assert client.post("/logout", data=fields).status_code == 303
        assert stolen.get("/api/status").status_code == 401
        stolen.close()
        log_in(client)
        assert client.cookies[site.cookie] != first
        assert len(first) >= 43  # 256 bits


def test_logging_in_again_ends_the_session_before(site: WebSite) -> None:
    with site.client() as client:
        log_in(client)
        first = client.cookies[site.cookie]
        token = form_token_while_in(site)
        form = client.post(
            "/login",
            data={"token": token, "user": "olga", "password": PASSWORD},
            headers={"Cookie": f"{site.cookie}={first}; {site.cookie.replace('vigia', 'vigia-form')}={token}"},
        )
        assert form.status_code == 303
        assert site.sessions.find(first) is None


def form_token_while_in(site: WebSite) -> str:
    with site.client() as other:
        return form_token(other)


def test_only_the_hash_of_a_session_is_kept(site: WebSite, visitor: httpx.Client) -> None:
    log_in(visitor)
    assert visitor.cookies[site.cookie] not in repr(vars(site.sessions))


def test_wrong_passwords_and_unknown_users_are_told_alike(site: WebSite, visitor: httpx.Client) -> None:
    wrong, unknown = log_in(visitor, "olga", "wrong-horse-1"), log_in(visitor, "nobody", "wrong-horse-1")
    assert wrong.status_code == unknown.status_code == 403
    token = 'name="token" value="'
    cut = [answer.text.split(token)[0] + answer.text.split(token)[1][22:] for answer in (wrong, unknown)]
    assert cut[0] == cut[1]
    assert "User or password is wrong." in wrong.text
    assert site.audit.told() == [("olga", "login", "wrong"), ("(unknown)", "login", "wrong")]


@pytest.mark.parametrize("user", ["olga", "nobody"])
def test_failures_lock_out_for_longer_and_longer(site: WebSite, user: str) -> None:
    def attempt(password: str) -> httpx.Response:
        with site.client() as client:
            return log_in(client, user, password)

    for _ in range(FREE_FAILURES):
        assert attempt(WRONG).status_code == 403
    locked = attempt(PASSWORD)
    assert (locked.status_code, locked.headers["retry-after"]) == (429, str(int(FIRST_PAUSE_S)))
    assert "Too many attempts. Try again in 1 min." in locked.text
    site.clock.advance(FIRST_PAUSE_S)
    assert attempt(WRONG).status_code == 403
    assert int(attempt(WRONG).headers["retry-after"]) == 2 * int(FIRST_PAUSE_S)
    with site.client() as client:  # the address is locked for everybody else too
        assert log_in(client, "vera").status_code == 429
    site.clock.advance(2.0 * FIRST_PAUSE_S)
    if user == "olga":
        assert attempt(PASSWORD).status_code == 303
        assert len(site.lockout) == 0


def test_whoever_locks_a_name_out_does_not_keep_its_user_out(site: WebSite, visitor: httpx.Client) -> None:
    """The browser that olga has logged in with before has a count of its own."""
    log_in(visitor)
    visitor.cookies.delete(site.cookie)  # the session is over, the browser is known
    with site.client() as stranger:
        for _ in range(FREE_FAILURES):
            log_in(stranger, "olga", WRONG)
        assert log_in(stranger, "olga").status_code == 429
    with site.client() as another:  # a new browser of hers has to wait like anybody
        assert log_in(another, "olga").status_code == 429
    assert log_in(visitor, "olga").status_code == 303
    visitor.cookies.delete(site.cookie)
    assert log_in(visitor, "vera").status_code == 429  # known for olga only


def test_guesses_from_a_known_browser_are_bounded_too(site: WebSite, visitor: httpx.Client) -> None:
    log_in(visitor)
    visitor.cookies.delete(site.cookie)
    for _ in range(FREE_FAILURES):
        assert log_in(visitor, "olga", WRONG).status_code == 403
    assert log_in(visitor, "olga").status_code == 429
    with site.client() as another:
        assert log_in(another, "olga").status_code == 303


def test_the_device_cookie_lasts_opens_nothing_and_is_kept_as_a_hash(site: WebSite, visitor: httpx.Client) -> None:
    answer = log_in(visitor)
    name = site.cookie.replace("vigia", "vigia-device")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(f"{name}="))
    assert {"HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={COOKIE_S}"} <= set(cookie.split("; "))
    token = visitor.cookies[name]
    with site.client(cookies={name: token, site.cookie: token}) as other:
        assert other.get("/api/status").status_code == 401
    assert token not in repr(vars(site.devices))
    visitor.cookies.delete(site.cookie)
    log_in(visitor)
    assert visitor.cookies[name] == token  # the same browser, not one more
    assert len(site.devices) == 1


def test_whoever_goes_on_trying_fills_no_log(site: WebSite) -> None:
    secret = "hunter2-typed-into-the-wrong-field"
    with site.client() as client:
        for _ in range(FREE_FAILURES + 20):
            log_in(client, secret, WRONG)
        site.clock.advance(FIRST_PAUSE_S)
        for _ in range(10):
            log_in(client, "olga", WRONG)
    told = [result for _, _, result in site.audit.told()]
    assert told == ["wrong"] * FREE_FAILURES + ["locked", "wrong", "locked"]
    assert secret not in repr(site.audit.entries)
    assert {entry.who.name for entry in site.audit.entries} == {"(unknown)", "olga"}


def test_sessions_end_when_idle_and_in_any_case(site: WebSite, visitor: httpx.Client) -> None:
    log_in(visitor)
    for _ in range(11):
        site.clock.advance(320.0)
        assert visitor.get("/api/status").status_code == 200
    site.clock.advance(80.0)  # 3600 s after the log-in, 80 s after the last request
    assert visitor.get("/api/status").status_code == 401
    log_in(visitor)
    site.clock.advance(600.0)
    assert visitor.get("/api/status").status_code == 401


def test_a_new_password_ends_sessions_and_takes_effect_at_once(site: WebSite, visitor: httpx.Client) -> None:
    log_in(visitor)
    site.users.set_password("olga", "another-horse", now_utc=site.clock.utc())
    assert visitor.get("/api/status").status_code == 401
    assert log_in(visitor).status_code == 403
    assert log_in(visitor, password="another-horse").status_code == 303
    site.users.set_password("olga", "another-horse", role=Role.VIEWER, now_utc=site.clock.utc())
    assert visitor.get("/api/status").status_code == 401


def test_acts_need_the_token_of_the_session(site: WebSite, visitor: httpx.Client) -> None:
    capture_id = site.dead_capture(1)
    log_in(visitor)
    body = {"ids": [capture_id]}
    assert visitor.post("/api/outbox/retry", json=body).status_code == 403
    assert visitor.post("/api/outbox/retry", json=body, headers={"X-CSRF-Token": "x"}).status_code == 403
    with site.client() as other:
        log_in(other)
        assert visitor.post("/api/outbox/retry", json=body, headers=csrf_of(other)).status_code == 403
    assert visitor.post("/logout").status_code == 403
    done = visitor.post("/api/outbox/retry", json=body, headers=csrf_of(visitor))
    assert done.json() == {"results": [{"id": capture_id, "result": "ok"}]}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"},
    ],
)  # fmt: skip
def test_requests_from_other_sites_do_nothing(site: WebSite, visitor: httpx.Client, headers: dict[str, str]) -> None:
    log_in(visitor)
    token = csrf_of(visitor)
    assert visitor.post("/api/cameras/reload", headers={**token, **headers}).status_code == 403
    assert site.reloads == 0
    own = {"Origin": site.url, "Sec-Fetch-Site": "same-origin"}
    assert visitor.post("/api/cameras/reload", headers={**token, **own}).status_code == 202
    assert site.reloads == 1
    with site.client() as other:
        fields = {"token": form_token(other), "user": "olga", "password": PASSWORD}
        assert other.post("/login", data=fields, headers=headers).status_code == 403
        assert other.post("/login", data={**fields, "token": "x"}).status_code == 403


def test_a_host_that_is_not_ours_is_refused(visitor: httpx.Client) -> None:
    for host in ("evil.example", "evil.example:80", "", "localhost@evil.example", "localhost/x", "[", "a:b"):
        for path in ("/login", "/login.css", "/metrics", "/api/status"):
            answer = visitor.get(path, headers={"Host": host, "Authorization": f"Bearer {TOKEN}"})
            assert answer.status_code in {400, 421}, host


def test_our_names_and_addresses_are_served(visitor: httpx.Client) -> None:
    for host in ("localhost", "LOCALHOST:1234", "127.0.0.1", "192.168.0.7:8321", "[::1]:8321"):
        assert visitor.get("/healthz", headers={"Host": host}).status_code == 200, host


def test_probes_may_ask_by_any_name(site: WebSite, visitor: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        for host in ("10.0.0.9", "vigia.monitoring.svc.cluster.local:8321", "x"):
            assert visitor.get(path, headers={"Host": host}).status_code == 200, host
        raw_host = "Host: a b\r\n" if path == "/readyz" else ""
        with socket.create_connection(("127.0.0.1", int(site.url.rsplit(":", 1)[1])), 5.0) as raw:
            raw.sendall(f"GET {path} HTTP/1.0\r\n{raw_host}\r\n".encode())
            assert b" 200 " in raw.recv(4096)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_head_answers_as_get_without_a_body(visitor: httpx.Client, path: str) -> None:
    token = {"Authorization": f"Bearer {TOKEN}"}
    asked, head = visitor.get(path, headers=token), visitor.head(path, headers=token)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-type", "content-length", "cache-control"):
        assert head.headers[name] == asked.headers[name]
    assert visitor.post(path, headers=token).status_code in {401, 403, 405}


def test_a_probe_is_answered_whatever_hangs(site: WebSite, visitor: httpx.Client) -> None:
    release = threading.Event()

    def hang(*_arguments: object) -> Readiness:
        release.wait(30.0)
        return Readiness(alive=True)

    site.view.hang = hang
    site.app.add_api_route("/api/hangs", hang)
    log_in(visitor)
    cookie = {"Cookie": f"{site.cookie}={visitor.cookies[site.cookie]}"}
    with ExitStack() as held:
        held.callback(release.set)
        for _ in range(THREADS):  # every thread of the framework waits for the outbox
            raw = held.enter_context(socket.create_connection(("127.0.0.1", int(site.url.rsplit(":", 1)[1])), 5.0))
            raw.sendall(
                f"GET /api/hangs HTTP/1.1\r\nHost: {site.url[7:]}\r\nCookie: {cookie['Cookie']}\r\n\r\n".encode()
            )
        for _ in range(2):
            assert visitor.get("/healthz").json() == {"status": "ok"}
            found = visitor.get("/readyz")
            assert (found.status_code, found.json()["reasons"]) == (503, [{"code": "outbox_unavailable"}])
        with site.client() as other:  # a log-in needs none of them either
            assert log_in(other, "vera").status_code == 303
    assert visitor.get("/readyz").status_code == 200


def test_two_hosts_are_no_host(site: WebSite) -> None:
    port = int(site.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), 5.0) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        assert b" 400 " in raw.recv(4096) or b" 421 " in raw.recv(4096)


def test_a_viewer_looks_and_does_not_act(site: WebSite, visitor: httpx.Client) -> None:
    capture_id = site.dead_capture(1)
    log_in(visitor, "vera")
    token = csrf_of(visitor)
    assert visitor.get("/api/captures").json()["captures"][0]["id"] == capture_id
    assert visitor.get(f"/api/captures/{capture_id}/picture").headers["content-type"] == "image/jpeg"
    acts = {
        "/api/outbox/retry": {"ids": [capture_id]},
        "/api/outbox/drop": {"ids": [capture_id], "confirm": True},
        "/api/cameras/reload": None,
    }
    for path, body in acts.items():
        answer = visitor.post(path, json=body, headers=token)
        assert (answer.status_code, answer.json()) == (403, {"error": "role"})
    assert site.reloads == 0
    assert site.outbox.entry(capture_id) is not None
    assert [told[1:] for told in site.audit.told()] == [("login", "ok"), *[("refused", "role")] * 3]


def test_an_operators_acts_are_done_and_written_down(site: WebSite, visitor: httpx.Client) -> None:
    first, second = site.dead_capture(1), site.dead_capture(2)
    log_in(visitor)
    token = csrf_of(visitor)
    unknown = "f" * 32
    answer = visitor.post("/api/outbox/retry", json={"ids": [first, unknown, first]}, headers=token)
    assert answer.json()["results"] == [{"id": first, "result": "ok"}, {"id": unknown, "result": "unknown"}]
    again = visitor.post("/api/outbox/retry", json={"ids": [first]}, headers=token)
    assert again.json()["results"] == [{"id": first, "result": "wrong_state"}]
    assert visitor.post("/api/outbox/drop", json={"ids": [second]}, headers=token).status_code == 422
    assert visitor.post("/api/outbox/drop", json={"ids": [second], "confirm": False}, headers=token).status_code == 422
    gone = visitor.post("/api/outbox/drop", json={"ids": [second], "confirm": True}, headers=token)
    assert gone.json()["results"] == [{"id": second, "result": "ok"}]
    assert site.outbox.entry(second) is None
    assert visitor.get(f"/api/captures/{second}/picture").status_code == 404
    notes = [(e.who.name, e.who.address, e.action.value, e.target, e.result) for e in site.audit.entries[1:]]
    assert notes == [
        ("olga", "127.0.0.1", "outbox.retry", first, "ok"),
        ("olga", "127.0.0.1", "outbox.retry", unknown, "unknown"),
        ("olga", "127.0.0.1", "outbox.retry", first, "wrong_state"),
        ("olga", "127.0.0.1", "outbox.drop", second, "ok"),
    ]


def test_metrics_need_a_session_or_the_token(site: WebSite, visitor: httpx.Client) -> None:
    assert visitor.get("/metrics").status_code == 401
    for wrong in ("Bearer x", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", ""):
        assert visitor.get("/metrics", headers={"Authorization": wrong}).status_code == 401
    assert visitor.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text == "vigia_cameras 2.0\n"
    assert visitor.get("/api/status", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 401
    assert visitor.post("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 401
    log_in(visitor, "vera")
    assert visitor.get("/metrics").status_code == 200
    assert site.reloads == 0


@pytest.mark.parametrize("public", [False, True])
def test_metrics_without_a_token_take_no_empty_one_and_may_be_public(tmp_path: Path, public: bool) -> None:
    site = WebSite(tmp_path, rules=DoorRules(names={"localhost"}, metrics_public=public))
    site.start()
    try:
        with site.client() as client:
            answer = client.get("/metrics", headers={"Authorization": "Bearer"})
            assert answer.status_code == (200 if public else 401)
            assert client.get("/api/status").status_code == 401
    finally:
        site.stop()


def test_every_answer_has_the_security_headers(site: WebSite, visitor: httpx.Client) -> None:
    answers = [visitor.get(path) for path in ("/login", "/login.css", "/healthz", "/api/status", "/nowhere")]
    log_in(visitor)
    answers += [visitor.get(path) for path in ("/", "/api/status", "/api/captures?limit=x", "/nowhere")]
    answers.append(visitor.get("/login", headers={"Host": "evil.example"}))
    for answer in answers:
        headers = answer.headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "http:" not in headers["content-security-policy"]
        assert "server" not in headers
    assert "script-src" not in visitor.get("/login.css").headers["content-security-policy"]
    assert site.server.service.is_alive


def test_a_defect_of_ours_tells_nothing_and_is_logged(
    site: WebSite, visitor: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("the secret is hunter2")

    site.app.add_api_route("/api/broken", broken)
    log_in(visitor)
    with caplog.at_level(logging.ERROR, "vigia.web"):
        answer = visitor.get("/api/broken")
    assert (answer.status_code, answer.json()) == (500, {"error": "internal"})
    assert answer.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "/api/broken failed: RuntimeError" in caplog.text


def test_other_servers_cookies_do_not_hide_ours(site: WebSite, visitor: httpx.Client) -> None:
    log_in(visitor)
    own = visitor.cookies[site.cookie]
    for others in ('a={"x":1,"y":[2]}', "b", "c=ü", 'd="', "=e", ";;;"):
        cookie = f"{others}; {site.cookie}={own}".encode()
        with site.client() as client:
            assert client.get("/api/session", headers=[(b"cookie", cookie)]).status_code == 200, others


def test_web_sockets_stand_behind_the_same_door(tmp_path: Path) -> None:
    site = WebSite(tmp_path)

    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.state.vigia_session.user)
        await socket.close()

    site.app.add_api_websocket_route("/_nicegui_ws/socket.io/", echo)
    user = site.users.find("olga")
    assert user is not None
    token, _ = site.sessions.open(user, address="127.0.0.1")
    cookie = {"Cookie": f"vigia={token}"}
    own, host = {"Origin": "http://localhost"}, {"Host": "localhost"}
    path = "/_nicegui_ws/socket.io/"
    for headers in (
        {**host, **own},
        {**host, **cookie},
        {**host, **cookie, "Origin": "http://evil.example"},
        {**cookie, **own, "Host": "evil"},
        {**host, **own, "Cookie": "vigia=x"},
    ):
        assert connect_socket(site.app, path, headers) == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    answer = connect_socket(site.app, path, {**host, **cookie, **own})
    assert [message["type"] for message in answer] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert answer[1]["text"] == "olga"


def test_a_librarys_own_posts_need_a_session_and_our_origin(site: WebSite, visitor: httpx.Client) -> None:
    path = "/_nicegui_ws/socket.io/"
    assert visitor.post(path, headers={"Origin": site.url}).status_code == 401
    log_in(visitor)
    assert visitor.post(path).status_code == 403
    assert visitor.post(path, headers={"Origin": "http://evil.example"}).status_code == 403
    assert visitor.post(path, headers={"Origin": site.url}).status_code == 404  # nobody there yet, but let in


def test_large_bodies_are_refused(visitor: httpx.Client) -> None:
    log_in(visitor)
    token = csrf_of(visitor)
    large = b'{"ids": ["' + b"a" * 100_000 + b'"]}'
    assert visitor.post("/api/outbox/retry", content=large, headers=token).status_code == 413
    chunked = visitor.post("/api/outbox/retry", content=iter([large]), headers=token)
    assert 400 <= chunked.status_code < 500
    form = visitor.post("/login", data={"token": "x", "user": "u" * 20_000, "password": "p"})
    assert form.status_code == 403


def test_the_page_speaks_the_readers_language(site: WebSite, visitor: httpx.Client) -> None:
    assert "Entrar" in visitor.get("/login", headers={"Accept-Language": "pt-BR,pt;q=0.9"}).text
    english = visitor.get("/login", headers={"Accept-Language": "en"}).text
    assert "Log in" in english
    assert 'lang="en"' in english
    assert 'name="viewport"' in english
    assert "Senha" in visitor.get("/login?lang=pt_BR").text
    assert "Senha" in visitor.get("/login", headers={"Accept-Language": "en"}).text  # kept
    hostile = '"><script>x</script>'
    assert "<script>" not in visitor.get("/login", params={"next": f"/{hostile}", "lang": hostile}).text
    log_in(visitor)
    assert "olga" in visitor.get("/").text
    assert site.users.users()[0].name == "olga"


def test_health_is_public_and_says_nothing_personal(site: WebSite, visitor: httpx.Client) -> None:
    assert visitor.get("/healthz").json() == {"status": "ok"}
    assert visitor.get("/readyz").json() == {"status": "ready", "reasons": []}
    site.view.ready = type(site.view.ready)(alive=True, reasons=[{"code": "findface_down", "seconds": 90}])
    answer = visitor.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, [{"code": "findface_down", "seconds": 90}])
    assert visitor.get("/healthz").status_code == 200
    site.view.ready = type(site.view.ready)(alive=False)
    assert visitor.get("/healthz").status_code == 503


def test_over_tls_the_cookie_is_held_to_host_and_channel(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    cert, key, root = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    for blob in issued.cert_chain_pems:
        blob.write_to_path(cert, append=True)
    issued.private_key_pem.write_to_path(key)
    authority.cert_pem.write_to_path(root)
    site = WebSite(tmp_path, rules=DoorRules(names={"localhost"}, tls=True), tls=(cert, key))
    site.start()
    try:
        assert site.url.startswith("https://127.0.0.1:")
        with site.client(verify=ssl.create_default_context(cafile=str(root))) as client:
            answer = log_in(client)
            name = f"__Host-{site.cookie}="
            cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(name))
            assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
            assert client.get("/api/status", headers={"Origin": site.url}).status_code == 200
            token = csrf_of(client)
            insecure = {**token, "Origin": site.url.replace("https", "http")}
            assert client.post("/api/cameras/reload", headers=insecure).status_code == 403
            assert client.post("/api/cameras/reload", headers={**token, "Origin": site.url}).status_code == 202
    finally:
        site.stop()


def test_behind_a_proxy_that_ends_tls_one_logs_in_by_https_and_is_known_by_ones_own_address(tmp_path: Path) -> None:
    rules = DoorRules(names={"vigia.example"}, tls=True, trusted_proxies=networks("127.0.0.1"))
    site = WebSite(tmp_path, rules=rules)
    site.start()
    try:
        proxied = {"Host": "vigia.example", "Origin": "https://vigia.example", "X-Forwarded-For": "10.9.9.9, 192.0.2.7"}
        with site.client(headers=proxied) as client:
            cookies = client.get("/login").cookies
            fields = {"token": cookies["__Host-vigia-form"], "user": "olga", "password": PASSWORD}
            form = {"Cookie": f"__Host-vigia-form={cookies['__Host-vigia-form']}"}
            plain = client.post("/login", data=fields, headers={**form, "Origin": "http://vigia.example"})
            assert plain.status_code == 403
            answer = client.post("/login", data=fields, headers=form)
            assert answer.status_code == 303
            cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith("__Host-vigia="))
            assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
            inside = {"Cookie": cookie.split(";")[0]}
            csrf = {"X-CSRF-Token": client.get("/api/session", headers=inside).json()["csrf"], **inside}
            assert client.post("/api/cameras/reload", headers=csrf).status_code == 202
            path = "/_nicegui_ws/socket.io/"
            assert client.post(path, headers=inside).status_code == 404  # let in, and nobody there yet
        socket = {"Host": "vigia.example", "Cookie": inside["Cookie"]}
        closed = [{"type": "websocket.close", "code": 1008, "reason": ""}]
        assert connect_socket(site.app, path, {**socket, "Origin": "http://vigia.example"}) == closed
        assert [entry.who.address for entry in site.audit.entries] == ["192.0.2.7", "192.0.2.7"]
    finally:
        site.stop()


def test_a_port_that_is_taken_costs_the_pages_and_not_the_run(
    site: WebSite, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = int(site.url.rsplit(":", 1)[1])
    second = WebServer(site.app, host="127.0.0.1", port=port, clock=SystemClock())
    with caplog.at_level(logging.ERROR, "vigia.web"):
        second.service.start()
        assert second.service.join(5.0)
    assert second.service.failure is None
    assert not second.listening.is_set()
    assert f"cannot listen on 127.0.0.1, port {port}" in caplog.text


def test_it_stops_within_its_grace_although_somebody_is_connected(site: WebSite, visitor: httpx.Client) -> None:
    clock = SystemClock()
    visitor.get("/healthz")  # the connection stays open
    with socket.create_connection(("127.0.0.1", int(site.url.rsplit(":", 1)[1])), 5.0) as slow:
        slow.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nuser=")
        visitor.get("/healthz")
        began_s = clock.mono_s()
        site.server.service.request_stop()
        assert site.server.service.join(5.0)
        assert clock.mono_s() - began_s < 1.5
