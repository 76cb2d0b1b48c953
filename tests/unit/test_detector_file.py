"""What provisioning keeps on disk, and what cameras make of it."""

import json
from pathlib import Path

import pytest

from running import SECRET
from vigia.application.errors import ConfigurationError
from vigia.application.provisioning import KnownDetector
from vigia.bootstrap.provisioned import ProvisionedCameraRepository, detector_file, provisioned
from vigia.domain.camera import CameraId
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository
from vigia.infrastructure.provisioning import DetectorFile, known_detectors

GATE, HALL = CameraId("gate"), CameraId("hall")


def test_what_is_kept_is_there_again_and_for_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "data" / "cameras-findface.json"
    book = DetectorFile(path)
    assert book.read() == {}
    book.keep(GATE, KnownDetector(7, SECRET))
    book.keep(HALL, KnownDetector(8, "t"))
    book.keep(GATE, KnownDetector(9, SECRET))
    assert known_detectors(path) == {GATE: KnownDetector(9, SECRET), HALL: KnownDetector(8, "t")}
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["version"] == 1
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "no draft is left"


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", '{"version": 1}', '{"version": 1, "cameras": {"a": {}}}', '{"version": 1, "cameras": []}',
        f'{{"version": 1, "cameras": {{"a": {{"findface_id": "7", "token": "{SECRET}"}}}}}}',
        f'{{"version": 1, "cameras": {{"a": {{"findface_id": 0, "token": "{SECRET}"}}}}}}',
        '{"version": 1, "cameras": {"a": {"findface_id": 7, "token": ""}}}',
        '{"version": 2, "cameras": {}}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_told_and_never_taken_for_an_empty_one(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cameras-findface.json"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as refused:
        known_detectors(path)
    assert SECRET not in f"{refused.value!r}{refused.value.__cause__!r}"
    with pytest.raises(ConfigurationError):
        DetectorFile(path).keep(GATE, KnownDetector(1, "t"))
    assert path.read_text() == content


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    with pytest.raises(ConfigurationError, match="cannot be"):
        DetectorFile(tmp_path / "data" / "x.json").keep(GATE, KnownDetector(1, "t"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "config.yaml"
    file.write_text(
        f"data_dir: {tmp_path}\n"
        "cameras:\n"
        "  - {id: gate, url: 'rtsp://h/1'}\n"
        "  - {id: hall, url: 'rtsp://h/2', findface_id: 8}\n"
        "  - {id: yard, url: 'rtsp://h/3', findface_id: 5, token: own}\n"
        "  - {id: door, url: 'rtsp://h/4', findface_id: 6}\n"
    )
    return load_settings(file, env_file=None, environ={})


def test_cameras_get_what_they_do_not_say_themselves(settings: Settings) -> None:
    book = DetectorFile(detector_file(settings))
    for camera_id, known in (("gate", 7), ("hall", 8), ("yard", 9), ("door", 10)):
        book.keep(CameraId(camera_id), KnownDetector(known, f"t{known}"))
    found = CombinedCameraRepository(provisioned(settings)).all()
    assert [(c.findface_id, c.token) for c in found] == [(7, "t7"), (8, "t8"), (5, "own"), (6, "")]


def test_a_list_takes_over_what_is_provisioned_while_it_is_in_use(settings: Settings) -> None:
    made: list[Settings] = []

    def make(completed: Settings) -> CombinedCameraRepository:
        made.append(completed)
        return CombinedCameraRepository(completed)

    repository = ProvisionedCameraRepository(settings, make)
    assert repository.list()[0].findface_id is None
    DetectorFile(detector_file(settings)).keep(GATE, KnownDetector(7, "t"))
    assert (repository.list()[0].findface_id, repository.all()[0].token) == (7, "t")
    assert len(made) == 2, "made anew only when something changed"
