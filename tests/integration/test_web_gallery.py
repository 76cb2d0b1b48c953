"""The gallery over HTTP: pages of what was sent and of what was not, pictures, and nothing for strangers."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from outbox_rigs import capture_id_of, capture_of
from vigia.application.gallery_values import Candidate, PassageSheet, ShotKey, ShotPictures, TrackKey
from vigia.domain.camera import CameraId
from web_site import WebSite, csrf_of, log_in

AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
FACE, FRAME, SMALL = b"\xff\xd8face", b"\xff\xd8frame", b"\xff\xd8small"
PATHS = [
    "/api/feed",
    f"/api/captures/{capture_id_of(1)}",
    f"/api/captures/{capture_id_of(1)}/face",
    f"/api/captures/{capture_id_of(1)}/frame",
    f"/api/captures/{capture_id_of(1)}/candidates/5",
    "/api/unsent",
    "/api/unsent/1/face",
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebSite]:
    site = WebSite(tmp_path_factory.mktemp("web"))
    track = TrackKey(CameraId("gate"), 1)
    for number in range(1, 6):
        capture = replace(capture_of(number), details={"frame_index": 5}, quality=number / 10.0)
        site.outbox.commit(capture)
        site.gallery.captured(capture)
    one = Candidate(5, 0.5, 0.7, {"size": 0.5}, 0.9, 80.0, sent=True, face=SMALL)
    site.gallery.take(ShotPictures(ShotKey(track, 5), FACE, FRAME))
    site.gallery.take(PassageSheet(track, AT, 1.0, 3, 9.0, one, "captured", None, (one,)))
    for number in range(2, 5):
        key = TrackKey(CameraId("gate" if number % 2 else "door"), number)
        site.gallery.take(PassageSheet(key, AT, 1.0, 3, 9.0, one, "filtered", "duplicate"))
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="module")
def insider(site: WebSite) -> Iterator[httpx.Client]:
    with site.client() as client:
        log_in(client, "vera")  # whoever may look
        yield client


@pytest.mark.parametrize("path", PATHS)
def test_nobody_without_a_session_sees_any_of_it(site: WebSite, path: str) -> None:
    with site.client() as stranger:
        answer = stranger.get(path)
    assert (answer.status_code, answer.content) == (401, b'{"error":"log_in"}')


@pytest.mark.parametrize("path", PATHS)
def test_whoever_may_look_sees_all_of_it_and_no_browser_keeps_it(insider: httpx.Client, path: str) -> None:
    answer = insider.get(path)
    assert answer.status_code == 200
    assert "no-store" in answer.headers["cache-control"]


def test_pictures_are_jpegs(insider: httpx.Client) -> None:
    for path, content in zip(PATHS[2:5], (FACE, FRAME, SMALL), strict=True):
        answer = insider.get(path)
        assert (answer.headers["content-type"], answer.content) == ("image/jpeg", content)


def test_the_feed_goes_back_in_pages(insider: httpx.Client) -> None:
    first = insider.get("/api/feed", params={"limit": 3}).json()
    rest = insider.get("/api/feed", params={"limit": 3, "before": first["next_before"]}).json()
    assert [page["seq"] for page in first["captures"] + rest["captures"]] == [5, 4, 3, 2, 1]
    assert rest["next_before"] is None
    good = insider.get("/api/feed", params={"quality_min": 0.4, "camera": "gate", "state": "pending"}).json()
    assert [page["seq"] for page in good["captures"]] == [5, 4]
    assert good["captures"][0]["camera_name"] == "Portão"


def test_a_capture_tells_its_candidates(insider: httpx.Client) -> None:
    page = insider.get(PATHS[1]).json()
    (chosen,) = page["candidates"]
    assert (chosen["chosen"], chosen["face_kept"], chosen["behind"]) == (True, True, None)
    assert len(page["face_box"]) == len(page["roi_box"]) == 4


def test_unsent_tracks_go_back_in_pages(insider: httpx.Client) -> None:
    first = insider.get("/api/unsent", params={"limit": 2}).json()
    rest = insider.get("/api/unsent", params={"limit": 2, "before": first["next_before"]}).json()
    assert [track["number"] for track in first["unsent"] + rest["unsent"]] == [3, 2, 1]
    assert rest["next_before"] is None
    door = insider.get("/api/unsent", params={"camera": "door", "reason": "duplicate"}).json()
    assert [track["camera"] for track in door["unsent"]] == ["door", "door"]
    assert insider.get("/api/unsent", params={"reason": "lost"}).json()["unsent"] == []


def test_what_a_person_removes_is_forgotten_at_once(site: WebSite) -> None:
    capture = replace(capture_of(50), details={"frame_index": 7})
    site.outbox.commit(capture)
    site.gallery.captured(capture)
    before = site.gallery.size_bytes
    site.gallery.take(ShotPictures(ShotKey(TrackKey(CameraId("gate"), 50), 7), FACE, FRAME))
    assert site.gallery.size_bytes > before
    with site.client() as client:
        log_in(client)
        body = {"ids": [capture.id], "confirm": True}
        answer = client.post("/api/outbox/drop", json=body, headers=csrf_of(client))
    assert answer.json()["results"] == [{"id": capture.id, "result": "ok"}]
    assert site.gallery.shot(capture.id) is None
    assert site.gallery.size_bytes < before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/api/captures/{capture_id_of(99)}", 404),
        (f"/api/captures/{capture_id_of(99)}/face", 404),
        (f"/api/captures/{capture_id_of(1)}/candidates/6", 404),
        ("/api/unsent/99/face", 404),
        ("/api/captures/ABC/face", 422),
        (f"/api/captures/{capture_id_of(1)}/candidates/-1", 422),
        (f"/api/captures/{capture_id_of(1)}/candidates/x", 422),
        ("/api/unsent/1e3/face", 422),
        ("/api/feed?limit=0", 422),
        ("/api/feed?limit=201", 422),
        ("/api/feed?quality_min=nan", 422),
        ("/api/feed?quality_min=1.5", 422),
        ("/api/feed?before=0", 422),
        ("/api/feed?before=99999999999999999999999", 422),
        ("/api/feed?camera=a/b", 422),
        ("/api/unsent?reason=other", 422),
    ],
)
def test_what_is_not_there_or_not_right(insider: httpx.Client, path: str, status: int) -> None:
    assert insider.get(path).status_code == status


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
@given(
    path=st.sampled_from(["/api/feed", "/api/unsent"]),
    query=st.dictionaries(
        st.sampled_from(["state", "camera", "quality_min", "reason", "limit", "before", "x"]),
        st.one_of(
            st.integers().map(str),
            st.floats().map(str),
            st.text(max_size=40),
            st.sampled_from(["9" * 30, "0x10", "1_000", "", "dead", "lost", "gate"]),
        ),
        max_size=6,
    ),
)
def test_any_parameters_are_answered(insider: httpx.Client, path: str, query: dict[str, str]) -> None:
    answer = insider.get(path, params={n: v.encode("utf-8", "surrogatepass") for n, v in query.items()})
    assert answer.status_code in {200, 422}
