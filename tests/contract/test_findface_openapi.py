"""The stand-in against FindFace Multi's own description of the calls that vigia needs.

Requests are made up from the description, well-formed and malformed ones, and every answer is held against it. What the
description is known to get wrong is put right first, in ``corrected``, each point with its reason.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import requests
import schemathesis
import simplejpeg
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from test_findface_openapi_subset import load_subset

from vigia.testing.findface_stub import StubGroup, StubServer, StubSettings, seed_cameras

USER, PASSWORD = "operator", "a long password"
BOUNDED = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
# Left out: whether well-formed data is accepted depends on which records exist, and Django's filters forgive empty and
# malformed values that the description forbids.
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
    ignored_auth,
]
ERROR_SCHEMA = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("traceback", "code", "desc", "param")},
    "required": ["traceback", "code", "desc"],
    "additionalProperties": False,
}


def corrected(description: dict[str, Any]) -> dict[str, Any]:
    """The description with its known faults mended."""
    schemas = description["components"]["schemas"]
    _forget_impossible_types(description)
    # Said to be an integer; servers answer 64-bit numbers as decimal text.
    schemas["CreateEventsResponse"]["properties"]["events"]["items"] = {"type": "string", "pattern": "^[0-9]{1,19}$"}
    # Said to be required and never null; servers answer null for an event that belongs to no case.
    schemas["ExtendedFaceEvent"]["properties"]["case"]["nullable"] = True
    # Refusals are not described at all.
    schemas["Error"] = ERROR_SCHEMA
    refusal = {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    for operations in description["paths"].values():
        for operation in operations.values():
            for status in ("400", "401", "403", "404", "405", "415"):
                operation["responses"][status] = refusal
    return description


def _forget_impossible_types(part: Any) -> None:
    """Empty the schemas whose type is ``str┃int┃float…``: meant as "anything", but no JSON Schema."""
    if isinstance(part, dict):
        if "┃" in str(part.get("type")):
            part.clear()
        for value in part.values():
            _forget_impossible_types(value)
    elif isinstance(part, list):
        for value in part:
            _forget_impossible_types(value)


schema = schemathesis.openapi.from_dict(corrected(load_subset()))
# Hundreds of systematic cases a call: worth a run by hand after a change of the stand-in, too slow for every run.
schema.config.phases.coverage.enabled = False
add_event = schema["/events/faces/add/"]["POST"]


@contextmanager
def running_stub(data_dir: Path) -> Iterator[StubServer]:
    settings_ = StubSettings(
        data_dir=data_dir,
        user=USER,
        password=PASSWORD,
        groups=(StubGroup(id=1, name="vigia"),),
        cameras=seed_cameras({"gate": "rtsp://camera/1", "hall": "rtsp://camera/2"}, group_id=1),
    )
    with StubServer(settings_) as server:
        yield server


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StubServer]:
    with running_stub(tmp_path_factory.mktemp("stub")) as server:
        yield server


@pytest.fixture
def untouched_stub(tmp_path: Path) -> Iterator[StubServer]:
    """One whose cameras no generated call has changed or deleted."""
    with running_stub(tmp_path) as server:
        yield server


def session_token(stub: StubServer) -> str:
    answer = httpx.post(f"{stub.url}/auth/login/", auth=(USER, PASSWORD), json={"uuid": "contract-test"})
    return str(answer.raise_for_status().json()["token"])


@pytest.fixture(scope="module")
def token(stub: StubServer) -> str:
    return session_token(stub)


@pytest.fixture(scope="module")
def connection() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@schema.parametrize()
@BOUNDED
def test_every_answer_is_as_described(
    case: schemathesis.Case[Any], stub: StubServer, token: str, connection: requests.Session
) -> None:
    if case.operation.path == "/auth/login/":
        case.call_and_validate(base_url=stub.url, session=connection, auth=(USER, PASSWORD), checks=CHECKS)
        return
    if case.operation.path == "/auth/logout/":  # ends the session it is called with
        token = session_token(stub)
    headers = {"Authorization": f"Token {token}"}
    case.call_and_validate(base_url=stub.url, session=connection, headers=headers, checks=CHECKS)


@given(case=add_event.as_strategy(generation_mode=GenerationMode.POSITIVE))
@BOUNDED
def test_a_well_formed_event_of_a_known_camera_is_accepted(
    case: schemathesis.Case[Any], untouched_stub: StubServer
) -> None:
    noise = np.random.default_rng(2).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    with httpx.Client(base_url=untouched_stub.url) as client:
        client.headers["Authorization"] = f"Token {session_token(untouched_stub)}"
        camera = client.get("/cameras/2/").json()
        assert isinstance(case.body, dict)
        # A form cannot say null: a field that is null is left out.
        body: dict[str, Any] = {name: value for name, value in case.body.items() if value is not None}
        case.body = body | {
            "token": camera["external_detector_token"],
            "camera": camera["id"],
            "fullframe": simplejpeg.encode_jpeg(noise),
            "roi": [20, 30, 220, 230],
        }
        answer = case.call(base_url=untouched_stub.url, headers={"Authorization": client.headers["Authorization"]})
        assert answer.status_code == 200, answer.text
        add_event.validate_response(answer)
        event_id = answer.json()["events"][0]
        schema["/events/faces/{id}/"]["GET"].validate_response(client.get(f"/events/faces/{event_id}/"))
        listed = client.get("/events/faces/", params={"limit": 3})
        schema["/events/faces/"]["GET"].validate_response(listed)
        assert listed.json()["results"][0]["id"] == event_id
