"""The camera list out of FindFace: which cameras, which are left out, and what an operator is told."""

import json
import logging
from collections.abc import Iterator

import pytest

from vigia.application.errors import CredentialsRejected, NoCameras, RecognizerUnavailable
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_cameras import FindfaceCameraRepository
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clock import SystemClock
from vigia.testing.flaky_http_server import FlakyHttpServer, HttpAnswer, ReceivedRequest

CLOCK = SystemClock()
URL = "rtsp://ana:p4ss@10.0.0.5/s"


def group(number: int, name: str, *, active: bool = True) -> dict[str, object]:
    return {"id": number, "name": name, "active": active}


def camera(number: int, **changes: object) -> dict[str, object]:
    return {
        "id": number,
        "name": f"camera {number}",
        "group": 1,
        "active": True,
        "external_detector": True,
        "external_detector_token": f"t{number}",
        "comment": URL,
    } | changes


class Site:
    """A FindFace that ignores every filter, as one might."""

    def __init__(self) -> None:
        self.groups = [group(-1, "vigia archive"), group(1, "vigia gate"), group(2, "office"), group(3, "vigia old")]
        self.groups[3]["active"] = False
        self.cameras: list[dict[str, object]] = []
        self.requests: list[ReceivedRequest] = []
        self.failure: HttpAnswer | None = None

    def respond(self, request: ReceivedRequest) -> HttpAnswer:
        self.requests.append(request)
        if request.path == "/auth/login/":
            return HttpAnswer(200, b'{"token": "t"}')
        if self.failure is not None:
            return self.failure
        results = self.groups if request.path == "/camera-groups/" else self.cameras
        return HttpAnswer(200, json.dumps({"results": results, "next_page": None}).encode())


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def repository(site: Site) -> Iterator[FindfaceCameraRepository]:
    with FlakyHttpServer(site.respond, clock=CLOCK) as server:
        access = FindfaceAccess(url=server.url, user="ana", password="s3cret", uuid="u")
        with FindfaceMulti(access, clock=CLOCK) as client:
            yield FindfaceCameraRepository(client, group_prefix="vigia")


@pytest.fixture
def told() -> Iterator[list[str]]:
    logger, lines = logging.getLogger("vigia.findface"), list[str]()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Handler(logging.WARNING)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def test_active_external_detectors_of_the_groups(site: Site, repository: FindfaceCameraRepository) -> None:
    site.cameras = [
        camera(9, comment=f"  {URL}\nmain gate"),
        camera(7),
        camera(2, group=2),
        camera(3, group=3),
        camera(4, active=False),
        camera(5, external_detector=False),
    ]
    cameras = repository.list()
    assert [camera for camera in cameras if camera.active] == [
        Camera(CameraId("7"), "camera 7", URL, findface_id=7, token="t7", group="vigia gate"),
        Camera(CameraId("9"), "camera 9", URL, findface_id=9, token="t9", group="vigia gate"),
    ]
    assert [(camera.id, camera.group) for camera in cameras if not camera.active] == [
        ("3", "vigia old"),
        ("4", "vigia gate"),
    ]
    assert repository.all() == cameras
    query = site.requests[-1].query
    assert query["camera_groups"] == ["1", "3"]
    assert query["external_detector"] == ["true"]
    assert "active" not in query, "inactive ones are shown as disabled"


def test_camera_that_cannot_be_watched_is_told_once(
    site: Site, repository: FindfaceCameraRepository, told: list[str]
) -> None:
    site.cameras = [camera(1), camera(2, comment="10.0.0.5 admin p4ss"), camera(3, external_detector_token="")]
    for _ in range(3):
        assert [c.id for c in repository.list()] == ["1"]
    assert len(told) == 2
    assert "camera 2" in told[0]
    assert "camera 3" in told[1]
    assert "p4ss" not in "".join(told)
    site.cameras[1]["comment"] = URL
    assert [c.id for c in repository.list()] == ["1", "2"]
    site.cameras[1]["comment"] = ""
    repository.list()
    assert len(told) == 3  # it had been good in between


def test_nobody_expects_anything_of_an_inactive_camera(
    site: Site, repository: FindfaceCameraRepository, told: list[str]
) -> None:
    off = {"active": False}
    site.cameras = [
        camera(1),
        camera(2, comment="", **off),
        camera(3, external_detector_token="", **off),
        camera(4, external_detector_settings={"roi": 7}, **off),
    ]
    assert [(c.id, c.active) for c in repository.list()] == [("1", True), ("3", False), ("4", False)]
    assert told == []


def test_settings_of_a_camera_that_cannot_be_used_are_told_once(
    site: Site, repository: FindfaceCameraRepository, told: list[str]
) -> None:
    wrong = {"filter_min_size": -4, "filter_max_size": 500, "roi": {"a": 1}}
    site.cameras = [camera(1, external_detector_settings=wrong), camera(2, external_detector_settings="none")]
    for _ in range(3):
        first, second = repository.list()
    assert [(o.name, o.value) for o in first.overrides] == [("filter_max_size", 500.0)]
    assert second.overrides == ()
    assert len(told) == 2
    assert told[0] == "camera 1 (camera 1): its filter_min_size in FindFace is left out, it cannot be used: -4"
    assert "roi" in told[1]
    site.cameras[0]["external_detector_settings"] = wrong | {"filter_min_size": -5}
    repository.list()
    assert len(told) == 3, "another value, and the region as before"


def test_settings_can_be_left_alone_and_addresses_may_be_known_elsewhere(
    site: Site, repository: FindfaceCameraRepository, told: list[str]
) -> None:
    site.cameras = [
        camera(1, comment="", external_detector_settings={"filter_min_size": 90}),
        camera(2, comment="", external_detector_token=""),
        camera(3, comment=""),
    ]
    other = FindfaceCameraRepository(repository._client, group_prefix="vigia", apply_settings=False, addressed=[1, 2])
    assert [(c.id, c.url, c.token, c.overrides) for c in other.list()] == [("1", "", "t1", ()), ("2", "", "", ())]
    assert len(told) == 1
    assert "camera 3" in told[0]


def test_no_group_says_which_there_are(site: Site, repository: FindfaceCameraRepository) -> None:
    site.groups = [group(-1, "vigia archive"), group(2, "office"), group(3, "vigia old", active=False)]
    with pytest.raises(NoCameras, match=r"'vigia'; active: office; inactive: vigia old$"):
        repository.list()
    assert repository.all() == []
    site.groups = [group(2, "office")]
    with pytest.raises(NoCameras, match=r"'vigia'; active: office; inactive: -$"):
        repository.list()


def test_no_camera_says_in_which_groups(site: Site, repository: FindfaceCameraRepository) -> None:
    site.cameras = [camera(2, comment=""), camera(3, active=False)]
    with pytest.raises(NoCameras, match=r"groups vigia gate: .*\(1 without\)"):
        repository.list()
    assert [c.id for c in repository.all()] == ["3"]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "UNAUTHORIZED", RecognizerUnavailable),
        (403, "PERMISSION_DENIED", CredentialsRejected),
        (500, "ERROR", RecognizerUnavailable),
    ],
)
def test_failures_are_the_ports(
    site: Site, repository: FindfaceCameraRepository, status: int, code: str, kind: type[Exception]
) -> None:
    site.failure = HttpAnswer(status, json.dumps({"code": code, "desc": "no"}).encode())
    with pytest.raises(kind):
        repository.list()
