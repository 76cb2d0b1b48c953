"""What provisioning relies on, of FindFace and of the book: the fakes and the real ones alike."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vigia.application.errors import RecognizerUnreachable
from vigia.application.provisioning import (
    DetectorBook,
    DetectorGroup,
    DetectorRefused,
    DetectorRegistry,
    KnownDetector,
)
from vigia.domain.camera import CameraId
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_registry import FindfaceDetectorRegistry
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.provisioning import DetectorFile
from vigia.testing.findface_stub.server import StubServer
from vigia.testing.findface_stub.settings import StubGroup, StubSettings
from vigia.testing.sim_detectors import MakingFault, MemoryDetectorBook, SimDetectorRegistry

SITE = DetectorGroup(1, "site")
URL = "rtsp://ana:p4ss@10.0.0.5/s"


@pytest.fixture(params=["sim", "findface"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DetectorRegistry]:
    if request.param == "sim":
        yield SimDetectorRegistry([SITE])
        return
    settings = StubSettings(data_dir=tmp_path, user="u", password="p", groups=(StubGroup(id=1, name="site"),))
    with (
        StubServer(settings) as stub,
        FindfaceMulti(FindfaceAccess(url=stub.url, user="u", password="p", uuid="d"), clock=SystemClock()) as client,
    ):
        yield FindfaceDetectorRegistry(client)


def test_what_is_made_is_listed(registry: DetectorRegistry) -> None:
    assert list(registry.groups()) == [SITE]
    assert list(registry.detectors()) == []
    made = registry.make_detector(name="Gate", group_id=1, comment=URL)
    assert (made.name, made.group_id, made.external, made.comment) == ("Gate", 1, True, URL)
    assert made.token
    assert list(registry.detectors()) == [made]
    assert "p4ss" not in repr(made)


def test_each_has_its_own_number_and_token(registry: DetectorRegistry) -> None:
    first, second = (registry.make_detector(name="Gate", group_id=1, comment=URL) for _ in range(2))
    assert first.findface_id != second.findface_id
    assert first.token != second.token


def test_a_group_that_is_made_can_be_used(registry: DetectorRegistry) -> None:
    group = registry.make_group("shop")
    assert (group.name, group.active) == ("shop", True)
    assert registry.make_detector(name="Gate", group_id=group.id, comment="").group_id == group.id
    assert list(registry.groups()) == [SITE, group]


def test_what_is_wrong_is_refused_and_nothing_is_made(registry: DetectorRegistry) -> None:
    with pytest.raises(DetectorRefused):
        registry.make_detector(name="Gate", group_id=99, comment=URL)
    with pytest.raises(DetectorRefused):
        registry.make_detector(name="", group_id=1, comment=URL)
    with pytest.raises(DetectorRefused):
        registry.make_group("")
    assert list(registry.detectors()) == []
    assert list(registry.groups()) == [SITE]


def test_the_fake_breaks_as_it_is_told() -> None:
    registry = SimDetectorRegistry([SITE], faults=iter([MakingFault.UNREACHABLE]))
    with pytest.raises(RecognizerUnreachable):
        registry.make_group("shop")


@pytest.fixture(params=["memory", "file"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> DetectorBook:
    return MemoryDetectorBook() if request.param == "memory" else DetectorFile(tmp_path / "book.json")


def test_the_book_keeps_the_last_of_each_camera(book: DetectorBook) -> None:
    gate, hall = CameraId("gate"), CameraId("Saída 2")
    assert book.read() == {}
    for camera_id, number in ((gate, 7), (hall, 8), (gate, 9)):
        book.keep(camera_id, KnownDetector(number, f"t{number}"))
    assert book.read() == {gate: KnownDetector(9, "t9"), hall: KnownDetector(8, "t8")}
