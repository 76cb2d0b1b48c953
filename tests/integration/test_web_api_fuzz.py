"""Whatever is asked of the API, well-formed or not: no answer is a failure of ours; what is not right is 4xx."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection, status_code_conformance

from vigia.application.ports import Clock
from vigia.infrastructure.outbox.sqlite_outbox import SqliteOutbox
from web_site import WebSite, csrf_of, log_in

BOUNDED = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)

CHECKS = [not_a_server_error, status_code_conformance, negative_data_rejection]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    directory = tmp_path_factory.mktemp("web")

    def outbox(clock: Clock) -> SqliteOutbox:
        return SqliteOutbox(directory / "outbox", clock)

    site = WebSite(directory, outbox=outbox)
    for number in range(1, 4):
        site.dead_capture(number)
    site.start()
    yield site
    site.stop()
    site.outbox.close()


@pytest.fixture(scope="module")
def insider(site: WebSite) -> Iterator[httpx.Client]:
    with site.client() as client:
        log_in(client)
        client.headers.update(csrf_of(client))
        yield client


def description(site: WebSite) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(site.app.openapi()))
    for operations in found["paths"].values():
        for operation in operations.values():
            for status in ("400", "404", "410", "413", "422"):
                operation["responses"].setdefault(status, {"description": ""})
            operation["responses"].pop("422")
            operation["responses"]["422"] = {"description": ""}
    return found


def test_requests_made_up_from_the_description_never_fail(site: WebSite, insider: httpx.Client) -> None:
    described = description(site)
    schema = schemathesis.openapi.from_dict(described)
    session = f"{site.cookie}={insider.cookies[site.cookie]}"
    cookie = {"Cookie": session, "X-CSRF-Token": insider.headers["X-CSRF-Token"]}
    checked = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        raw = described["paths"][operation.path][operation.method.lower()]
        modes = [GenerationMode.POSITIVE]
        if raw.get("parameters") or raw.get("requestBody"):  # else there is nothing to be wrong
            modes.append(GenerationMode.NEGATIVE)
        for mode in modes:

            @BOUNDED
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                nonlocal checked
                response = case.call(base_url=site.url, headers=cookie)
                case.validate_response(response, checks=CHECKS)
                checked += 1

            ask()
    assert checked >= 100


TEXT = st.text(max_size=40)
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from(["9" * 30, "-1", "1e400", "nan", "inf", "0x10", "\u0661", "1_000", ""])
)


@BOUNDED
@given(
    query=st.dictionaries(
        st.sampled_from(["state", "camera", "older_than_s", "younger_than_s", "limit", "after", "x"]),
        st.one_of(NUMBERS.map(str), TEXT),
        max_size=6,
    ),
    capture=TEXT,
)
def test_any_parameters_are_answered(insider: httpx.Client, query: dict[str, str], capture: str) -> None:
    listed = insider.get("/api/captures", params={n: v.encode("utf-8", "surrogatepass") for n, v in query.items()})
    assert listed.status_code in {200, 422}
    picture = insider.get(f"/api/captures/{quote(capture.encode('utf-8', 'surrogatepass'), safe='')}/picture")
    assert picture.status_code in {404, 422}


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=8,
)


@BOUNDED
@given(
    body=st.one_of(
        st.binary(max_size=60),
        JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace")),
        JSON.map(lambda value: json.dumps({"ids": value, "confirm": True}).encode("utf-8", "replace")),
    ),
    kind=st.sampled_from(["application/json", "text/plain", "application/x-www-form-urlencoded", ""]),
    path=st.sampled_from(["/api/outbox/retry", "/api/outbox/drop", "/login", "/logout"]),
)
def test_any_body_is_refused_and_does_nothing(
    site: WebSite, insider: httpx.Client, body: bytes, kind: str, path: str
) -> None:
    before = site.outbox.stats().kept
    token = "" if path == "/logout" else insider.headers["X-CSRF-Token"]
    answer = insider.post(path, content=body, headers={"Content-Type": kind, "X-CSRF-Token": token})
    assert 400 <= answer.status_code < 500
    assert site.outbox.stats().kept == before


def test_what_is_refused_is_not_echoed(insider: httpx.Client) -> None:
    answer = insider.post("/api/outbox/drop", json={"ids": ["hunter2"], "confirm": True})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert answer.json()["details"][0]["where"] == ["body", "ids", "0"]


def test_pages_of_captures_follow_each_other(insider: httpx.Client) -> None:
    first = insider.get("/api/captures", params={"limit": 2, "state": "dead", "camera": "gate"}).json()
    rest = insider.get("/api/captures", params={"limit": 2, "after": first["next_after"]}).json()
    assert [len(page["captures"]) for page in (first, rest)] == [2, 1]
    assert rest["next_after"] is None
    assert not {"location", "token", "url"} & set(first["captures"][0])


def test_the_run_over_time_is_bounded(insider: httpx.Client) -> None:
    found = insider.get("/api/history", params={"span_s": 60}).json()
    assert {len(series) for series in found.values()} == {12}
    for wrong in ({"span_s": "0"}, {"span_s": "21601"}, {"span_s": "nan"}, {"points": "0"}, {"points": "721"}):
        assert insider.get("/api/history", params=wrong).status_code == 422, wrong


def test_a_cameras_settings_are_there_or_not(insider: httpx.Client) -> None:
    assert insider.get("/api/cameras/cam1/settings").json()["settings"][0]["name"] == "track_miss_interval"
    missing = insider.get("/api/cameras/cam9/settings")
    assert (missing.status_code, missing.json()) == (404, {"error": "no_camera"})
    assert insider.get("/api/cameras/%20/settings").status_code == 422
    assert insider.get("/api/decisions").json()["decisions"][0]["k"] == 2
