"""The FindFace stand-in over real sockets: how events are found again, which decides whether one is sent twice."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_findface_stub_events import ScriptedFinder, Sender, refusal, sending


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    with sending(tmp_path / "stub", ScriptedFinder()) as sender:
        yield sender


def listed(sender: Sender, **params: Any) -> list[str]:
    answer = sender.http.get("/events/faces/", params=params)
    return [str(event["id"]) for event in answer.raise_for_status().json()["results"]]


def test_ids_grow_and_newest_comes_first(sender: Sender) -> None:
    ids = [sender.add_one(timestamp=f"2026-03-01T12:00:0{second}Z") for second in (5, 1, 3)]
    assert ids == sorted(ids, key=int)
    assert listed(sender) == ids[::-1]
    assert listed(sender, ordering="id") == ids
    assert refusal(sender.http.get("/events/faces/", params={"ordering": "camera"})) == (400, "BAD_PARAM", "ordering")


def test_an_event_is_found_again_by_camera_and_time(sender: Sender) -> None:
    gate = [sender.add_one(timestamp=f"2026-03-01T12:00:0{second}.000001Z") for second in range(3)]
    hall = sender.add_one(camera="2", token="b" * 32, timestamp="2026-03-01T12:00:01.000001Z")
    exact = "2026-03-01T09:00:01.000001-03:00"
    assert listed(sender, cameras=1, created_date_gte=exact, created_date_lte=exact) == [gate[1]]
    assert listed(sender, created_date_gte=exact, created_date_lte=exact) == [hall, gate[1]]
    assert listed(sender, created_date_gte=exact, ordering="id") == [gate[1], gate[2], hall]
    assert listed(sender, created_date_lte="2026-03-01T12:00:00.000000Z") == []
    assert listed(sender, cameras=[1, 2]) == listed(sender, cameras="1,2") == [hall, *gate[::-1]]
    assert listed(sender, cameras="9" * 30) == []
    assert listed(sender, camera_groups=2) == [hall]
    assert listed(sender, external_detector="false") == []
    assert listed(sender, id=gate[1]) == [gate[1]]
    assert listed(sender, id_in=[gate[0], gate[2]], ordering="id") == [gate[0], gate[2]]
    assert listed(sender, id_gte=gate[1], id_lte=gate[2], ordering="id") == gate[1:]
    assert listed(sender, id_gte="1e30") == []
    assert listed(sender, id=f"{gate[1]}.5") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("cameras", "gate"), ("created_date_gte", "soon"), ("id", "x"), ("id_gte", "nan"), ("external_detector", "x")],
)
def test_a_filter_that_cannot_be_read_is_refused(sender: Sender, name: str, value: str) -> None:
    assert refusal(sender.http.get("/events/faces/", params={name: value})) == (400, "BAD_PARAM", name)


@pytest.mark.parametrize("ordering", ["id", "-id"])
def test_pages_together_hold_each_event_once(sender: Sender, ordering: str) -> None:
    ids = [sender.add_one(timestamp=f"2026-03-01T12:00:0{second}Z") for second in range(5)]
    found: list[str] = []
    page = sender.http.get("/events/faces/", params={"limit": 2, "ordering": ordering, "cameras": 1}).json()
    found += [event["id"] for event in page["results"]]
    while page["next_page"]:
        page = sender.http.get(page["next_page"]).json()
        found += [event["id"] for event in page["results"]]
    assert found == (ids if ordering == "id" else ids[::-1])


@pytest.mark.parametrize("event_id", ["1", "9" * 19, "9" * 30, "abc", "-1", "%C2%B2"])
def test_an_unknown_event_is_not_found(sender: Sender, event_id: str) -> None:
    for path in (f"/events/faces/{event_id}/", f"/uploads/events/{event_id}/thumbnail.jpg"):
        assert refusal(sender.http.get(path)) == (404, "NOT_FOUND", None)
