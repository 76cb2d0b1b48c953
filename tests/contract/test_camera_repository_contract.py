"""One suite for every list of cameras: the configuration's, FindFace's over HTTP, both mixed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from vigia.application.errors import NoCameras, RecognizerUnavailable
from vigia.application.ports import CameraRepository
from vigia.domain.camera import Camera
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_cameras import FindfaceCameraRepository
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import load_settings
from vigia.infrastructure.config.camera_list import ConfiguredCameraRepository
from vigia.infrastructure.config.camera_overrides import own_values, settings_for, sound
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository
from vigia.testing.findface_stub import StubServer
from vigia.testing.findface_stub.settings import StubCamera, StubGroup, StubSettings

SECRET = "pl4nted"


def url_of(number: int) -> str:
    return f"rtsp://ana:{SECRET}@10.0.0.{number}/s"


class Site(Protocol):
    """Where a list of cameras is kept, and how it changes there: three cameras, 1 and 2 active, 3 not."""

    @property
    def repository(self) -> CameraRepository: ...

    def set_active(self, number: int, *, active: bool) -> None: ...

    def set_size(self, number: int, size_px: float) -> None: ...


class ConfiguredSite:
    """A file; read again after each change."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._active = {1: True, 2: True, 3: False}
        self._sizes: dict[int, float] = {}
        self._write()

    @property
    def repository(self) -> CameraRepository:
        return ConfiguredCameraRepository(load_settings(self._path, env_file=None, environ={}).cameras)

    def set_active(self, number: int, *, active: bool) -> None:
        self._active[number] = active
        self._write()

    def set_size(self, number: int, size_px: float) -> None:
        self._sizes[number] = size_px
        self._write()

    def _write(self) -> None:
        lines = ["cameras:"]
        for number, active in self._active.items():
            lines += [
                f"- id: '{number}'",
                f"  name: camera {number}",
                f"  url: {url_of(number)}",
                f"  findface_id: {number}",
                f"  token: token-{number}",
                "  group: vigia gate",
                f"  active: {str(active).lower()}",
            ]
            if number in self._sizes:
                lines.append(f"  settings: {{filter_min_size: {self._sizes[number]}}}")
        self._path.write_text("\n".join(lines), encoding="utf-8")


class FindfaceSite:
    """The stand-in; changed as an operator does it there."""

    def __init__(self, stub: StubServer, client: FindfaceMulti, http: httpx.Client) -> None:
        self.stub = stub
        self.repository: CameraRepository = FindfaceCameraRepository(client, group_prefix="vigia")
        self._http = http

    def set_active(self, number: int, *, active: bool) -> None:
        self._http.patch(f"/cameras/{number}/", json={"active": active}).raise_for_status()

    def set_size(self, number: int, size_px: float) -> None:
        chosen = {"external_detector_settings": {"filter_min_size": int(size_px)}}
        self._http.patch(f"/cameras/{number}/", json=chosen).raise_for_status()


class CombinedSite:
    """FindFace's three, of which the configuration knows one under the same id."""

    def __init__(self, findface: FindfaceSite, path: Path) -> None:
        self._findface = findface
        path.write_text(
            "camera_list: both\ncameras: [{id: '1', url: 'rtsp://own/1', findface_id: 1}]\n", encoding="utf-8"
        )
        listed = findface.repository
        assert isinstance(listed, FindfaceCameraRepository)
        self.repository: CameraRepository = CombinedCameraRepository(
            load_settings(path, env_file=None, environ={}), listed
        )
        self.set_active = findface.set_active
        self.set_size = findface.set_size


@contextmanager
def findface_site(directory: Path) -> Iterator[FindfaceSite]:
    groups = (
        StubGroup(id=1, name="vigia gate"),
        StubGroup(id=2, name="office"),
        StubGroup(id=3, name="vigia old", active=False),
    )
    cameras = tuple(
        StubCamera(id=n, name=f"camera {n}", group=1, url=url_of(n), token=f"token-{n}", active=n < 3)
        for n in (1, 2, 3)
    )
    settings = StubSettings(data_dir=directory, user="ana", password="pw", groups=groups, cameras=cameras)
    with StubServer(settings) as stub:
        access = FindfaceAccess(url=stub.url, user="ana", password="pw", uuid="u")
        with FindfaceMulti(access, clock=SystemClock()) as client, httpx.Client(base_url=stub.url) as http:
            answer = http.post("/auth/login/", auth=("ana", "pw"), json={"uuid": "operator"})
            http.headers["Authorization"] = f"Token {answer.json()['token']}"
            yield FindfaceSite(stub, client, http)


@pytest.fixture(params=["configured", "findface", "combined"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "configured":
        yield ConfiguredSite(tmp_path / "c.yaml")
        return
    with findface_site(tmp_path / "stub") as findface:
        yield findface if request.param == "findface" else CombinedSite(findface, tmp_path / "c.yaml")


def by_id(site: Site) -> dict[str, Camera]:
    cameras = site.repository.list()
    found: dict[str, Camera] = {camera.id: camera for camera in cameras}
    assert len(found) == len(cameras)
    return found


def test_all_cameras_are_listed_and_some_are_not_to_be_watched(site: Site) -> None:
    cameras = by_id(site)
    assert {number: camera.active for number, camera in cameras.items()} == {"1": True, "2": True, "3": False}
    for number, camera in cameras.items():
        assert (camera.name, camera.findface_id) == (f"camera {number}", int(number))
        assert (camera.token, camera.group, camera.overrides) == (f"token-{number}", "vigia gate", ())
        assert camera.url
        assert SECRET not in repr(camera) + camera.url_redacted
        assert "token" not in repr(camera)


def test_reading_twice_gives_the_same_and_leaves_the_first_alone(site: Site) -> None:
    first = site.repository.list()
    second = site.repository.list()
    assert first == second
    first.clear()
    assert site.repository.list() == second


def test_a_change_is_read_and_touches_no_other_camera(site: Site) -> None:
    before = by_id(site)
    site.set_size(2, 90)
    site.set_active(1, active=False)
    after = by_id(site)
    assert own_values(after["2"]) == {"filter_min_size": 90.0}
    assert after["3"] == before["3"]
    assert not after["1"].active
    site.set_active(1, active=True)
    assert by_id(site)["1"] == before["1"]


def test_what_a_camera_has_of_its_own_makes_settings(site: Site) -> None:
    site.set_size(2, 90)
    defaults = load_settings(None, env_file=None, environ={})
    camera, left_out = sound(defaults, by_id(site)["2"])
    assert left_out == ()
    assert settings_for(defaults, camera).tracks.filter_min_size == 90.0


def test_none_to_watch_is_an_error_of_its_own(site: Site) -> None:
    for number in (1, 2):
        site.set_active(number, active=False)
    with pytest.raises(NoCameras):
        site.repository.list()


@pytest.mark.parametrize("mixed", [False, True])
def test_findface_that_does_not_answer_is_an_error_that_may_pass(tmp_path: Path, *, mixed: bool) -> None:
    with findface_site(tmp_path / "stub") as findface:
        repository = CombinedSite(findface, tmp_path / "c.yaml").repository if mixed else findface.repository
        before = repository.list()
        findface.stub.stop()
        with pytest.raises(RecognizerUnavailable):
            repository.list()
        findface.stub.start()
        assert repository.list() == before
