"""The FindFace stand-in over real sockets: sessions, camera groups, cameras, addresses."""

import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from vigia.application.errors import ConfigurationError
from vigia.testing.findface_stub import (
    StubCamera,
    StubGroup,
    StubServer,
    StubSettings,
    load_settings,
    seed_cameras,
)
from vigia.testing.sim_clock import SimClock

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # spares httpx loading certificates that nothing here needs
http_get = partial(httpx.get, verify=NO_TLS)
http_post = partial(httpx.post, verify=NO_TLS)
http_delete = partial(httpx.delete, verify=NO_TLS)
PASSWORD = "correct horse: battery"


def settings_in(data_dir: Path) -> StubSettings:
    return StubSettings(
        data_dir=data_dir,
        user="operator",
        password=PASSWORD,
        groups=(StubGroup(id=1, name="vigia door"), StubGroup(id=2, name="vigia yard"), StubGroup(id=3, name="other")),
        cameras=(
            *seed_cameras({"gate": "rtsp://u:p@camera/1", "hall": "rtsp://camera/2"}, group_id=1),
            StubCamera(id=3, name="yard", group=2, url="rtsp://camera/3"),
            StubCamera(id=4, name="asleep", group=1, active=False),
            StubCamera(id=5, name="plain", group=3, external_detector=False),
        ),
    )


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubServer]:
    """Shared by the tests that change nothing."""
    with StubServer(settings_in(tmp_path_factory.mktemp("shared") / "stub")) as server:
        yield server


@pytest.fixture(scope="module")
def client(stub: StubServer) -> Iterator[httpx.Client]:
    with httpx.Client(verify=NO_TLS, base_url=stub.url, headers={"Authorization": f"Token {log_in(stub)}"}) as http:
        yield http


@pytest.fixture
def own_stub(tmp_path: Path) -> Iterator[StubServer]:
    """For a test that changes something."""
    with StubServer(settings_in(tmp_path / "stub")) as server:
        yield server


@pytest.fixture
def own_client(own_stub: StubServer) -> Iterator[httpx.Client]:
    with httpx.Client(
        verify=NO_TLS, base_url=own_stub.url, headers={"Authorization": f"Token {log_in(own_stub)}"}
    ) as http:
        yield http


def log_in(stub: StubServer) -> str:
    answer = http_post(f"{stub.url}/auth/login/", auth=("operator", PASSWORD), json={"uuid": "vigia-1"})
    return str(answer.raise_for_status().json()["token"])


def results(answer: httpx.Response) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer.raise_for_status().json()["results"]
    return found


def names(answer: httpx.Response) -> list[str]:
    return [entry["name"] for entry in results(answer)]


def refusal(answer: httpx.Response) -> tuple[int, str, str | None]:
    body = answer.json()
    assert {"traceback", "code", "desc"} <= set(body)
    return answer.status_code, body["code"], body.get("param")


def test_log_in_gives_a_session_that_works_until_log_out(stub: StubServer) -> None:
    token = log_in(stub)
    headers = {"Authorization": f"Token {token}"}
    assert http_get(f"{stub.url}/cameras/", headers=headers).status_code == 200
    assert http_post(f"{stub.url}/auth/logout/", headers=headers).status_code == 204
    assert refusal(http_get(f"{stub.url}/cameras/", headers=headers)) == (401, "UNAUTHORIZED", None)


def test_two_sessions_of_one_device_live_side_by_side(stub: StubServer) -> None:
    first, second = log_in(stub), log_in(stub)
    assert first != second
    for token in (first, second):
        assert http_get(f"{stub.url}/cameras/", headers={"Authorization": f"Token {token}"}).status_code == 200


@pytest.mark.parametrize("auth", [None, ("operator", "wrong"), ("somebody", PASSWORD), ("operator", "")])
def test_wrong_or_absent_credentials_are_refused(stub: StubServer, auth: tuple[str, str] | None) -> None:
    answer = http_post(f"{stub.url}/auth/login/", auth=auth, json={"uuid": "vigia-1"})
    assert refusal(answer) == (401, "UNAUTHORIZED", None)


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic b3BlcmF0b3I=", "Token b3BlcmF0b3I6eA=="])
def test_a_malformed_basic_header_is_refused(stub: StubServer, header: str) -> None:
    answer = http_post(f"{stub.url}/auth/login/", headers={"Authorization": header}, json={"uuid": "vigia-1"})
    assert refusal(answer) == (401, "UNAUTHORIZED", None)


@pytest.mark.parametrize("body", [{}, {"uuid": ""}, {"uuid": 5}, {"uuid": "x" * 257}, {"uuid": None}])
def test_log_in_needs_a_uuid(stub: StubServer, body: dict[str, Any]) -> None:
    answer = http_post(f"{stub.url}/auth/login/", auth=("operator", PASSWORD), json=body)
    assert refusal(answer) == (400, "BAD_PARAM", "uuid")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"uuid": NaN}', b'{"uuid": "\\ud800"}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(stub: StubServer, content: bytes) -> None:
    answer = http_post(
        f"{stub.url}/auth/login/",
        auth=("operator", PASSWORD),
        content=content,
        headers={"Content-Type": "application/json"},
    )
    assert refusal(answer)[:2] == (400, "BAD_PARAM")


def test_a_form_is_no_json(stub: StubServer) -> None:
    answer = http_post(f"{stub.url}/auth/login/", auth=("operator", PASSWORD), data={"uuid": "vigia-1"})
    assert refusal(answer) == (415, "UNSUPPORTED_MEDIA_TYPE", None)


def test_a_session_ends_with_time(tmp_path: Path) -> None:
    clock = SimClock()
    with StubServer(replace(settings_in(tmp_path), session_length_s=60.0), clock=clock) as stub:
        answer = http_post(f"{stub.url}/auth/login/", auth=("operator", PASSWORD), json={"uuid": "a"}).json()
        assert answer["token_expiration_datetime"] == (clock.utc() + timedelta(seconds=60)).strftime(
            "%Y-%m-%dT%H:%M:%S.%fZ"
        )
        headers = {"Authorization": f"Token {answer['token']}"}
        clock.advance(59.0)
        assert http_get(f"{stub.url}/cameras/", headers=headers).status_code == 200
        clock.advance(2.0)
        assert http_get(f"{stub.url}/cameras/", headers=headers).status_code == 401


def test_all_sessions_can_be_ended_at_once(own_stub: StubServer, own_client: httpx.Client) -> None:
    log_in(own_stub)
    assert own_stub.expire_sessions() == 2
    assert refusal(own_client.get("/camera-groups/")) == (401, "UNAUTHORIZED", None)


@pytest.mark.parametrize("path", ["/camera-groups/", "/cameras/", "/cameras/1/", "/events/faces/", "/events/faces/1/"])
@pytest.mark.parametrize("header", [None, "Token", "Token nonsense", "Bearer abc"])
def test_every_list_needs_a_session(stub: StubServer, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert refusal(http_get(f"{stub.url}{path}", headers=headers)) == (401, "UNAUTHORIZED", None)


def test_groups_come_in_one_list_with_the_video_archive(client: httpx.Client) -> None:
    answer = client.get("/camera-groups/", params={"ordering": "id"})
    assert set(answer.json()) == {"results"}
    assert [group["id"] for group in results(answer)] == [-1, 1, 2, 3]
    assert names(client.get("/camera-groups/", params={"id_in": [1, 3], "ordering": "-name"})) == [
        "vigia door",
        "other",
    ]
    assert refusal(client.get("/camera-groups/", params={"ordering": "colour"})) == (400, "BAD_PARAM", "ordering")


def test_groups_can_be_added_changed_and_deleted(own_client: httpx.Client) -> None:
    added = own_client.post("/camera-groups/", json={"name": "new", "deduplicate": True})
    assert added.status_code == 201
    url = f"/camera-groups/{added.json()['id']}/"
    assert own_client.patch(url, json={"active": False}).json()["active"] is False
    assert own_client.get(url).json()["name"] == "new"
    assert own_client.delete(url).status_code == 204
    assert refusal(own_client.get(url)) == (404, "NOT_FOUND", None)
    assert refusal(own_client.post("/camera-groups/", json={"name": ""})) == (400, "BAD_PARAM", "name")
    assert own_client.delete("/camera-groups/1/").status_code == 400, "it still has cameras"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ["gate", "hall", "yard", "asleep", "plain"]),
        ({"external_detector": "true"}, ["gate", "hall", "yard", "asleep"]),
        ({"external_detector": "false"}, ["plain"]),
        ({"active": "true", "camera_groups": [1, 2]}, ["gate", "hall", "yard"]),
        ({"active": "True", "camera_groups": "1,2"}, ["gate", "hall", "yard"]),
        ({"camera_groups": ["1,2", "3"], "ordering": "-id"}, ["plain", "asleep", "yard", "hall", "gate"]),
        ({"camera_groups": [99]}, []),
        ({"camera_groups": ["9" * 30]}, []),
        ({"name_contains": "A"}, ["gate", "hall", "yard", "asleep", "plain"]),
        ({"name_contains": "ALL"}, ["hall"]),
        ({"id_in": [2, 4]}, ["hall", "asleep"]),
        ({"created_date_lt": "2000-01-01T00:00:00Z"}, []),
    ],
)
def test_cameras_are_filtered(client: httpx.Client, params: dict[str, Any], expected: list[str]) -> None:
    assert names(client.get("/cameras/", params=params)) == expected


@pytest.mark.parametrize(
    ("name", "value"), [("active", "perhaps"), ("camera_groups", "one"), ("created_date_gte", "soon"), ("id_in", "1;2")]
)
def test_a_filter_that_cannot_be_read_is_refused(client: httpx.Client, name: str, value: str) -> None:
    assert refusal(client.get("/cameras/", params={name: value})) == (400, "BAD_PARAM", name)


def test_cameras_come_in_pages_by_url(own_stub: StubServer, own_client: httpx.Client) -> None:
    page = own_client.get("/cameras/", params={"limit": 2, "camera_groups": [1, 2], "ordering": "id"}).json()
    found = [camera["name"] for camera in page["results"]]
    assert page["next_page"].startswith(f"{own_stub.url}/cameras/?")
    # A camera deleted between two pages shifts nothing.
    assert own_client.delete("/cameras/1/").status_code == 204
    page = own_client.get(page["next_page"]).json()
    assert [*found, *(camera["name"] for camera in page["results"])] == ["gate", "hall", "yard", "asleep"]
    assert page["next_page"] is None


def test_cameras_come_in_pages_by_bare_cursor(tmp_path: Path) -> None:
    with StubServer(replace(settings_in(tmp_path), camera_next_page="cursor", page_size=2)) as stub:
        headers = {"Authorization": f"Token {log_in(stub)}"}
        found: list[str] = []
        params = {"ordering": "-created_date"}
        for _ in range(3):
            page = http_get(f"{stub.url}/cameras/", params=params, headers=headers).json()
            found += [camera["name"] for camera in page["results"]]
            params["page"] = page["next_page"]
        assert found == ["plain", "asleep", "yard", "hall", "gate"]
        assert page["next_page"] is None


@pytest.mark.parametrize("cursor", ["1", "!", "WzEsMiwzXQ", "WyJhIiwxXQ", "https://camera/?page=2"])
def test_a_cursor_of_no_list_is_refused(client: httpx.Client, cursor: str) -> None:
    assert refusal(client.get("/cameras/", params={"page": cursor})) == (404, "NOT_FOUND", None)


def test_a_camera_tells_what_a_sender_needs(client: httpx.Client) -> None:
    camera = client.get("/cameras/1/").json()
    assert camera["comment"] == "rtsp://u:p@camera/1"
    assert len(camera["external_detector_token"]) == 32
    assert camera["external_detector"] is True
    assert camera["group"] == 1
    tokens = {entry["external_detector_token"] for entry in results(client.get("/cameras/"))}
    assert len(tokens) == 5, "each camera has its own"


def test_cameras_can_be_added_changed_and_deleted(own_client: httpx.Client) -> None:
    added = own_client.post(
        "/cameras/", json={"name": "new", "group": 2, "external_detector": True, "comment": "rtsp://camera/9"}
    )
    assert added.status_code == 201
    url = f"/cameras/{added.json()['id']}/"
    changed = own_client.patch(url, json={"comment": "rtsp://camera/10", "active": False}).json()
    assert (changed["comment"], changed["active"]) == ("rtsp://camera/10", False)
    assert changed["external_detector_token"] == added.json()["external_detector_token"]
    assert own_client.delete(url).status_code == 204
    assert own_client.get(url).status_code == 404
    again = own_client.post("/cameras/", json={"name": "newer", "group": 2})
    assert again.json()["id"] != added.json()["id"], "an id is not used twice"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"group": 1}, "name"),
        ({"name": "x"}, "group"),
        ({"name": "x", "group": 99}, "group"),
        ({"name": "x", "group": "1"}, "group"),
        ({"name": "x" * 257, "group": 1}, "name"),
        ({"name": "x", "group": 1, "comment": "x" * 2049}, "comment"),
        ({"name": "x", "group": 1, "latitude": 91}, "latitude"),
        (
            {"name": "x", "group": 1, "external_detector_settings": {"filter_min_size": -1}},
            "external_detector_settings",
        ),
    ],
)
def test_a_wrong_camera_field_is_named(client: httpx.Client, body: dict[str, Any], param: str) -> None:
    assert refusal(client.post("/cameras/", json=body)) == (400, "BAD_PARAM", param)


def test_a_missing_slash_is_a_permanent_redirect_that_loses_a_body(client: httpx.Client) -> None:
    answer = client.get("/cameras?limit=1")
    assert (answer.status_code, answer.headers["location"]) == (301, "/cameras/?limit=1")
    assert names(client.get("/cameras?limit=1", follow_redirects=True)) == ["gate"]
    lost = client.post("/events/faces/add", data={"camera": 1}, follow_redirects=True)
    assert refusal(lost) == (405, "METHOD_NOT_ALLOWED", None)


def test_an_unknown_address_and_a_wrong_method_are_refused(client: httpx.Client) -> None:
    assert refusal(client.get("/nothing/")) == (404, "NOT_FOUND", None)
    assert refusal(client.get("/nothing")) == (404, "NOT_FOUND", None)
    put = client.put("/cameras/1/", json={})
    assert refusal(put) == (405, "METHOD_NOT_ALLOWED", None)
    assert "PATCH" in put.headers["allow"]


def test_the_base_url_may_end_in_api(stub: StubServer) -> None:
    answer = http_post(f"{stub.url}/api/auth/login/", auth=("operator", PASSWORD), json={"uuid": "a"})
    headers = {"Authorization": f"Token {answer.json()['token']}"}
    page = http_get(f"{stub.url}/api/cameras/", params={"limit": 4}, headers=headers).json()
    assert page["next_page"].startswith(f"{stub.url}/api/cameras/?")
    assert names(http_get(page["next_page"], headers=headers)) == ["plain"]


def test_a_restart_keeps_sessions_tokens_and_changes(own_stub: StubServer, own_client: httpx.Client) -> None:
    before = own_client.get("/cameras/1/").json()
    own_client.patch("/cameras/1/", json={"comment": "rtsp://elsewhere"})
    own_client.delete("/cameras/2/")
    url = own_stub.url
    own_stub.restart()
    assert own_stub.url == url
    after = own_client.get("/cameras/1/").json()
    assert after["external_detector_token"] == before["external_detector_token"]
    assert after["comment"] == "rtsp://elsewhere"
    assert own_client.get("/cameras/2/").status_code == 404, "what was deleted is not seeded again"


def test_a_seed_that_changed_wins_over_what_was_kept(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with StubServer(settings) as stub:
        headers = {"Authorization": f"Token {log_in(stub)}"}
        token = http_get(f"{stub.url}/cameras/2/", headers=headers).json()["external_detector_token"]
        http_delete(f"{stub.url}/cameras/2/", headers=headers)
    moved = tuple(replace(c, url="file:///new.mp4") if c.id == 2 else c for c in settings.cameras)
    with StubServer(replace(settings, cameras=moved)) as stub:
        camera = http_get(f"{stub.url}/cameras/2/", headers=headers).json()
    assert (camera["comment"], camera["external_detector_token"]) == ("file:///new.mp4", token)


def test_seeds_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    group = StubGroup(id=1, name="a")
    with pytest.raises(ConfigurationError, match="group id 1 is used twice"):
        StubSettings(data_dir=tmp_path, user="u", password="p", groups=(group, group))
    with pytest.raises(ConfigurationError, match="camera gate is in group 7"):
        StubSettings(data_dir=tmp_path, user="u", password="p", cameras=seed_cameras({"gate": "x"}, group_id=7))


def test_a_seed_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text(
        "user: operator\npassword: s3cret\ngroups: [{id: 1, name: vigia}]\n"
        "cameras:\n  - {id: 7, name: gate, group: 1, url: 'rtsp://u:p@camera/1', token: abc}\n",
        encoding="utf-8",
    )
    settings = load_settings(file, data_dir=tmp_path / "data")
    assert settings.cameras == (StubCamera(id=7, name="gate", group=1, url="rtsp://u:p@camera/1", token="abc"),)
    assert settings.data_dir == tmp_path / "data"
    assert "s3cret" not in repr(settings)
    assert "u:p@" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("user: operator\npassword: s3cret\ncolour: red\n", "colour"),
        ("user: operator\npassword: [s3cret]\n", "password"),
        ("user: operator\npassword: s3cret\ncameras: [{id: x, name: a, group: 1}]\n", "cameras.0.id"),
        ("- s3cret\n", "must hold settings"),
        ("{", "cannot read"),
    ],
)
def test_a_wrong_seed_file_is_told_without_its_password(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=told) as caught:
        load_settings(file, data_dir=tmp_path)
    assert "s3cret" not in str(caught.value)
