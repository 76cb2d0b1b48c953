"""``vigia cameras show``: one camera's settings and who says so, from the configuration, FindFace, and both."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from vigia.cli import main
from vigia.infrastructure.i18n import catalogue
from vigia.testing.findface_stub import StubServer
from vigia.testing.findface_stub.settings import StubCamera, StubGroup, StubSettings

SECRET = "pl4nted-s3cret"
Captured = pytest.CaptureFixture[str]
CONFIG = f"""\
tracks:
  events_min: 3
groups:
  Portaria:
    jpeg_quality: 70
    no_face_alarm: 3600
cameras:
  - id: gate
    name: Portão
    url: rtsp://admin:{SECRET}@192.0.2.7/live
    findface_id: 7
    token: {SECRET}
    group: Portaria
    settings:
      jpeg_quality: 60
      roi: 640x360+10+20
  - id: dock
    url: rtsp://192.0.2.8/live
    active: false
"""


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory, no variables, no terminal; the language restored."""
    for name in os.environ:
        if name.startswith(("VIGIA_", "FINDFACE_")) or name in {"FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"}:
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    before = catalogue._Active.state
    yield
    catalogue._Active.state = before


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubServer]:
    """A FindFace with one camera that somebody set a size and a region for."""
    settings = StubSettings(
        data_dir=tmp_path / "stub",
        user="ana",
        password=SECRET,
        groups=(StubGroup(id=1, name="Portaria"),),
        cameras=(StubCamera(id=7, name="Entrance", group=1, url=f"rtsp://u:{SECRET}@h/7", token=SECRET),),
    )
    with StubServer(settings) as stub:
        with httpx.Client(base_url=stub.url) as http:
            token = http.post("/auth/login/", auth=("ana", SECRET), json={"uuid": "operator"}).json()["token"]
            http.headers["Authorization"] = f"Token {token}"
            chosen = {"filter_min_size": 90, "roi": {"x": 100, "y": 50, "width": 640, "height": 360}}
            http.patch("/cameras/7/", json={"external_detector_settings": chosen}).raise_for_status()
            http.post("/auth/logout/").raise_for_status()
        monkeypatch.setenv("FINDFACE_URL", stub.url)
        monkeypatch.setenv("FINDFACE_USER", "ana")
        monkeypatch.setenv("FINDFACE_PASSWORD", SECRET)
        yield stub


def shown(capsys: Captured, camera_id: str) -> dict[str, Any]:
    assert main(["cameras", "show", camera_id, "--json"]) == 0
    out = capsys.readouterr().out
    assert SECRET not in out
    document: dict[str, Any] = json.loads(out)
    document["settings"] = {setting["name"]: setting for setting in document["settings"]}
    return document


def origin(document: dict[str, Any], name: str) -> tuple[object, ...]:
    setting = document["settings"][name]
    return setting["value"], setting["from"], setting["group"], setting["line"]


def test_the_configurations_camera(capsys: Captured) -> None:
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")
    document = shown(capsys, "gate")
    assert document["url"] == "rtsp://***@192.0.2.7/live"
    assert (document["name"], document["group"], document["active"]) == ("Portão", "Portaria", True)
    assert origin(document, "jpeg_quality") == (60, "camera", None, 15)
    assert origin(document, "no_face_alarm") == (3600.0, "group", "Portaria", 6)
    assert origin(document, "events_min") == (3, "configuration", None, 2)
    assert origin(document, "filter_min_size") == (60.0, "default", None, None)
    assert document["settings"]["jpeg_quality"]["file"] == "config.yaml"
    assert document["settings"]["no_face_alarm"]["key"] == "health.no_face_alarm_s"
    assert not shown(capsys, "dock")["active"]


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", ["group Portaria (config.yaml, line 5)", "this camera (config.yaml, line 16)", "default", "watched"]),
        (
            "pt_BR",
            ["grupo Portaria (config.yaml, linha 5)", "esta câmera (config.yaml, linha 16)", "padrão", "observada"],
        ),
    ],
)
def test_people_read_it_in_their_language(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, language: str, told: list[str]
) -> None:
    monkeypatch.setenv("VIGIA_LANGUAGE", language)
    Path("config.yaml").write_text(
        CONFIG.replace("      jpeg_quality: 60\n", "      events_min: 9\n"), encoding="utf-8"
    )
    assert main(["cameras", "show", "gate"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert SECRET not in out
    for text in told:
        assert text in out
    row = next(line.split() for line in out.splitlines() if line.split()[:1] == ["roi"])
    assert row[1] == "640x360+10+20"
    assert row[-1] == "tracks.roi"


@pytest.mark.parametrize(
    ("camera_id", "told"),
    [
        ("gte", "Error: there is no camera gte; did you mean gate?"),
        ("portao", "Error: there is no camera portao; did you mean gate?"),
        ("zzz", "Error: there is no camera zzz; there are gate, dock"),
    ],
)
def test_an_unknown_id_names_those_that_are_near(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, camera_id: str, told: str
) -> None:
    monkeypatch.setenv("VIGIA_LANGUAGE", "en")
    Path("config.yaml").write_text(CONFIG, encoding="utf-8")
    assert main(["cameras", "show", camera_id]) == 2
    assert capsys.readouterr() == ("", f"{told}\n")


def test_findfaces_camera(stub: StubServer, capsys: Captured) -> None:
    document = shown(capsys, "7")
    assert (document["name"], document["group"], document["url"]) == ("Entrance", "Portaria", "rtsp://***@h/7")
    assert origin(document, "filter_min_size") == (90.0, "findface", None, None)
    assert origin(document, "roi") == ("640x360+100+50", "findface", None, None)
    assert origin(document, "filter_max_size")[1] == "default", "nobody has set it"
    assert stub.expire_sessions() == 0, "logged out again"


def test_a_camera_of_both(stub: StubServer, capsys: Captured) -> None:
    text = CONFIG.replace("    group: Portaria\n", "").replace("    name: Portão\n", "")
    Path("config.yaml").write_text(f"camera_list: both\n{text}", encoding="utf-8")
    document = shown(capsys, "gate")
    assert (document["name"], document["group"], document["findface_id"]) == ("Entrance", "Portaria", 7)
    assert document["url"] == "rtsp://***@192.0.2.7/live"
    assert origin(document, "roi") == ("640x360+10+20", "camera", None, 15)
    assert origin(document, "filter_min_size")[:2] == (90.0, "findface")
    assert origin(document, "no_face_alarm")[:3] == (3600.0, "group", "Portaria")


def test_findfaces_settings_can_be_left_alone(stub: StubServer, capsys: Captured) -> None:
    Path("config.yaml").write_text("findface: {apply_camera_settings: false}\n", encoding="utf-8")
    assert origin(shown(capsys, "7"), "filter_min_size")[1] == "default"
