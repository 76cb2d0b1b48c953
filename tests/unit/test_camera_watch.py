"""The list by the settings as they are now: a changed file counts, a broken one does not, FindFace may be away."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from vigia.application.errors import RecognizerUnavailable
from vigia.bootstrap.camera_watch import AFTER_DEFECT_S, ListedCameras, enduring
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository
from vigia.infrastructure.config.reloading import SettingsFiles

ONE = """\
cameras:
  - {id: gate, url: "rtsp://10.0.0.1/1"}
"""
TWO = ONE + '  - {id: yard, url: "rtsp://10.0.0.2/1"}\n'


class FindfaceList:
    """FindFace's cameras; away when told so."""

    def __init__(self) -> None:
        self.away = False
        self.cameras = [Camera(CameraId("7"), "Hall", "rtsp://10.0.0.7/1", 7, "t" * 32)]

    def list(self) -> list[Camera]:
        if self.away:
            raise RecognizerUnavailable("away")
        return list(self.cameras)

    def all(self) -> Sequence[Camera]:
        return self.list()


class Rig:
    def __init__(self, tmp_path: Path, text: str) -> None:
        self.path = tmp_path / "config.yaml"
        self.path.write_text(text)
        self.findface = FindfaceList()
        self.told: list[Settings] = []
        self.known: list[Camera] = []
        settings = load_settings(self.path, env_file=None, environ={})
        self.listed = ListedCameras(
            settings,
            lambda chosen: CombinedCameraRepository(chosen, self.findface),
            files=SettingsFiles(self.path, env_file=None, environ={}),
            known=lambda: self.known,
        )

    def write(self, text: str) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)

    def ids(self) -> list[str]:
        self.known = self.listed.list()
        rules = self.listed.take_rules()
        self.told += [] if rules is None else [rules]
        return [str(camera.id) for camera in self.known]


def test_a_changed_file_counts_from_the_next_reading(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ONE)
    assert rig.ids() == ["gate"]
    assert not rig.listed.changed()
    rig.write(TWO)
    assert rig.listed.changed()
    assert rig.ids() == ["gate", "yard"]
    assert [len(settings.cameras) for settings in rig.told] == [2]
    assert not rig.listed.changed()


def test_a_broken_file_says_where_and_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(tmp_path, TWO)
    rig.write(ONE + "  - {id: yard, url: rtsp://}\n")
    assert rig.ids() == ["gate", "yard"]
    assert "config.yaml, line 3: cameras[1].url" in caplog.text
    assert not rig.listed.touched
    caplog.clear()
    assert rig.ids() == ["gate", "yard"]
    assert caplog.text == "", "told once"
    rig.write(ONE)
    assert rig.ids() == ["gate"]


def test_what_needs_a_restart_is_named_without_its_value(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(tmp_path, ONE)
    rig.write(ONE + "shards: {count: 3}\nfindface: {password: s3cret-word}\n")
    assert rig.ids() == ["gate"]
    assert "counts after a restart only: " in caplog.text
    assert "shards.count" in caplog.text
    assert "findface.password" in caplog.text
    assert "s3cret-word" not in caplog.text


def test_settings_of_all_cameras_count_live(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ONE)
    rig.write(ONE + "tracks: {filter_min_size: 99}\n")
    assert rig.ids() == ["gate"]
    assert rig.listed.settings.tracks.filter_min_size == 99


def test_a_file_may_change_while_findface_is_away(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "camera_list: both\n" + ONE)
    assert rig.ids() == ["gate", "7"]
    rig.findface.away = True
    with pytest.raises(RecognizerUnavailable):
        rig.listed.list()
    rig.write("camera_list: both\n" + TWO)
    assert rig.ids() == ["gate", "yard", "7"]
    with pytest.raises(RecognizerUnavailable):
        rig.listed.list()


def test_a_person_may_ask_for_a_reading_of_a_file_that_looks_the_same(tmp_path: Path) -> None:
    rig = Rig(tmp_path, ONE)
    rig.listed.reload()
    assert rig.ids() == ["gate"]
    assert rig.told == []


def test_a_configuration_that_lists_no_camera_any_more_says_whose_list_counts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(tmp_path, ONE)
    rig.write("cameras: []\n")
    assert rig.ids() == ["7"]
    assert "FindFace's list counts" in caplog.text


def test_a_defect_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    calls = 0

    def step() -> float:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise TypeError("a defect")
        return 5.0

    kept = enduring("health", step)
    assert kept() == AFTER_DEFECT_S
    assert "health: unexpected failure" in caplog.text
    assert "a defect" in caplog.text
    assert kept() == 5.0
