"""Settings that change while vigia runs: seen once, a broken file changes nothing, what needs a restart is named."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.config.reloading import SettingsFiles, live_settings, restart_keys

SECRET = "pl4nted"
Load = Callable[[str], Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str) -> Settings:
        path = tmp_path / "other.yaml"
        path.write_text(text, encoding="utf-8")
        return load_settings(path, env_file=None, environ={})

    return load_text


def write(path: Path, text: str) -> None:
    """As a careful editor does: a new file in the place of the old one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def test_a_change_is_seen_until_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("cameras: [{id: a, url: x}]\n", encoding="utf-8")
    files = SettingsFiles(path, env_file=None, environ={}, overrides={"detector.cadence_k": "3"})
    assert not files.changed()
    write(path, "cameras: [{id: a, url: x}, {id: b, url: y}]\n")
    assert files.changed()
    assert files.changed(), "asking changes nothing"
    settings = files.read()
    assert [camera.id for camera in settings.cameras] == ["a", "b"]
    assert settings.detector.cadence_k == 3, "what was said at the start still counts"
    assert not files.changed()


def test_a_file_written_in_place_is_seen_too(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("language: en\n", encoding="utf-8")
    files = SettingsFiles(path, env_file=None, environ={})
    path.write_text("language: pt_BR\n", encoding="utf-8")
    assert files.changed()
    files.read()
    stamp = path.stat()
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert files.changed(), "the same size, another time"


def test_a_broken_file_is_told_with_its_line_and_once(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("cameras: [{id: a, url: x}]\n", encoding="utf-8")
    files = SettingsFiles(path, env_file=None, environ={})
    write(path, f"cameras:\n- id: a\n  url: 'rtsp://u:{SECRET}@h'\n  setings: {{}}\n")
    with pytest.raises(ConfigurationError) as caught:
        files.read()
    assert str(caught.value) == (f"{path}, line 4: unknown key cameras[0].setings; did you mean cameras[0].settings?")
    assert not files.changed(), "not told again before somebody writes again"
    write(path, "cameras: [{id: b, url: x}]\n")
    assert files.changed()
    assert files.read().cameras[0].id == "b"


def test_a_file_that_is_gone_is_an_error_and_not_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("cameras: [{id: a, url: x}]\n", encoding="utf-8")
    files = SettingsFiles(path, env_file=None, environ={})
    path.unlink()
    assert files.changed()
    with pytest.raises(ConfigurationError, match=r"c\.yaml does not exist$"):
        files.read()
    path.write_text("cameras: [{id: b, url: x}]\n", encoding="utf-8")
    assert files.changed()
    assert files.read().cameras[0].id == "b"


def test_the_default_file_may_appear_and_must_stay_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = SettingsFiles(environ={})
    assert not files.changed()
    Path("config.yaml").write_text("cameras: [{id: a, url: x}]\n", encoding="utf-8")
    assert files.changed()
    assert [camera.id for camera in files.read().cameras] == ["a"]
    Path("config.yaml").unlink()
    assert files.changed()
    with pytest.raises(ConfigurationError, match=r"config\.yaml does not exist$"):
        files.read()


def test_variables_in_a_file_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = SettingsFiles(environ={})
    Path(".env").write_text("VIGIA_GROUPS='{gate: {events_min: 5}}'\n", encoding="utf-8")
    assert files.changed()
    assert files.read().groups["gate"].events_min == 5


def test_what_needs_a_restart_is_named_without_its_value(load: Load) -> None:
    old = load("cameras: [{id: a, url: x}]\ntracks: {events_min: 2}\n")
    new = load(
        f"findface: {{password: {SECRET}, group_prefix: v, sync_interval_s: 10}}\ncamera_list: both\n"
        "cameras: [{id: b, url: y}]\ngroups: {g: {events_min: 4}}\n"
        "tracks: {events_min: 5, roi: 10x10+0+0}\ncapture: {jpeg_quality: 50, queue_size: 9}\n"
        "detector: {imotion_threshold: 0.5, min_face_px: 60, cadence_k: 2}\n"
        "source: {open_timeout_s: 3, retry_max_s: 9}\n"
    )
    assert restart_keys(old, new) == [
        "source.retry_max_s",
        "detector.min_face_px",
        "detector.cadence_k",
        "capture.queue_size",
        "findface.password",
        "findface.sync_interval_s",
    ]
    assert restart_keys(old, old) == restart_keys(new, new) == []


def test_what_may_change_is_taken_and_nothing_else(load: Load) -> None:
    old = load("tracks: {events_min: 2, roi: 5x5+0+0}\ncapture: {queue_size: 3}\n")
    new = load(
        "cameras: [{id: b, url: y}]\ngroups: {g: {events_min: 4}}\ncamera_list: both\n"
        "tracks: {events_min: 5}\ncapture: {jpeg_quality: 50, queue_size: 9}\n"
        "detector: {imotion_threshold: 0.5, cadence_k: 2}\nsource: {open_timeout_s: 3, retry_max_s: 90}\n"
        "findface: {group_prefix: v}\nlog: {level: DEBUG}\n"
    )
    live = live_settings(old, new)
    assert (live.cameras, live.groups, live.camera_list) == (new.cameras, new.groups, "both")
    assert live.tracks == new.tracks
    assert "events_min" in live.tracks.model_fields_set
    assert "roi" not in live.tracks.model_fields_set
    assert (live.capture.jpeg_quality, live.capture.queue_size) == (50, 3)
    assert (live.detector.imotion_threshold, live.detector.cadence_k) == (0.5, "auto")
    assert (live.source.open_timeout_s, live.source.retry_max_s) == (3.0, 3.0)
    assert (live.findface.group_prefix, live.log.level) == ("v", "INFO")
    assert restart_keys(old, live) == []
    assert restart_keys(live, new) == restart_keys(old, new)
    Settings.model_validate(live.model_dump())
