"""A FindFace camera's settings become vigia's: what is taken, what is not and why, and that nothing is guessed."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError
from vigia.cli.app import main
from vigia.cli.settings_command import REASONS, yaml_of
from vigia.infrastructure.config import load_settings
from vigia.infrastructure.config.findface_stream_settings import (
    ImportedSetting,
    Why,
    check_yaml,
    import_settings,
    read_camera,
)
from vigia.infrastructure.i18n import catalogue, set_language

FACE: dict[str, Any] = {
    "filter_max_size": 8192, "filter_min_quality": 0.5, "filter_min_size": 60, "fullframe_crop_rot": False,
    "fullframe_use_png": False, "jpeg_quality": 95, "overall_only": False, "post_best_track_frame": True,
    "post_best_track_normalize": False, "post_first_track_frame": True, "post_last_track_frame": False,
    "realtime_post_every_interval": True, "realtime_post_first_immediately": True, "realtime_post_interval": 2,
    "roi": "1000x600+100+50", "track_interpolate_bboxes": True, "track_max_duration_frames": 250,
    "track_miss_interval": 1, "track_overlap_threshold": 0.25, "track_send_history": False,
    "tracker_type": "simple_iou", "track_deep_sort_matching_threshold": 0.65,
    "track_deep_sort_filter_unconfirmed_tracks": True,
}  # fmt: skip
STREAM: dict[str, Any] = {
    "detectors": {"face": FACE, "body": None, "car": None}, "disable_drops": False, "ffmpeg_format": "",
    "ffmpeg_params": ["rtsp_transport=udp", "stimeout=5"], "imotion_threshold": 0.001, "play_speed": -1,
    "rot": "1200x700+0+0", "router_timeout_ms": 15000, "router_verify_ssl": True, "start_stream_timestamp": 0,
    "stream_data_filter": "", "use_stream_timestamp": False, "video_transform": "", "enable_recorder": False,
    "enable_liveness": False,
}  # fmt: skip
CAMERA = {"id": 7, "name": "Gate", "url": "rtsp://user:secret@gate/1", "stream_settings": STREAM}


@pytest.fixture(autouse=True)
def _language_restored() -> Iterator[None]:
    before = catalogue._Active.state
    yield
    catalogue._Active.state = before


def of(camera: object, *, fps: float | None = None) -> dict[str, ImportedSetting]:
    return {setting.name: setting for setting in import_settings(read_camera(json.dumps(camera)), fps=fps)}


def test_a_whole_camera_becomes_settings_that_vigia_takes(tmp_path: Path) -> None:
    text = yaml_of(import_settings(read_camera(json.dumps(CAMERA)), fps=25.0))
    check_yaml(text)
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    chosen = load_settings(path, env_file=None, environ={})
    tracks = chosen.tracks
    assert (tracks.roi, tracks.rot) == ("1000x600+100+50", "1200x700+0+0")
    assert (tracks.overall_only, tracks.realtime_post_interval_s) == (False, 2.0)
    assert tracks.realtime_post_every_interval
    assert tracks.realtime_post_first_immediately
    assert (tracks.post_best_track_frame, tracks.post_first_track_frame) == (True, True)
    assert tracks.track_max_duration_s == 10.0
    assert chosen.source.rtsp_transport == "udp"
    assert chosen.detector.imotion_threshold == 0.001
    assert tracks.filter_min_quality == 0.3, "vigia's own default: the scales differ"
    assert "secret" not in text


def test_every_setting_of_findface_is_known_and_comes_out_once() -> None:
    found = of(CAMERA, fps=25.0)
    named = {name for name in (*FACE, *STREAM) if name not in {"detectors", "ffmpeg_params"}}
    assert named - {"body", "car"} <= set(found), "those are not there"
    assert not [name for name, setting in found.items() if setting.why is Why.UNKNOWN]
    assert all(setting.key or setting.why for setting in found.values())


@pytest.mark.parametrize(
    ("block", "fps", "name", "expected"),
    [
        ({"filter_min_quality": 0.45}, None, "filter_min_quality", ((), Why.OTHER_SCALE)),
        ({"filter_min_quality": -2}, None, "filter_min_quality", ((), Why.OLD_SCALE)),
        (
            {"track_max_duration_frames": 0},
            None,
            "track_max_duration_frames",
            (("tracks", "track_max_duration_s"), None),
        ),
        ({"track_max_duration_frames": 50}, None, "track_max_duration_frames", ((), Why.FRAMES)),
        ({"imotion_threshold": 0}, None, "imotion_threshold", (("detector", "motion_gate"), Why.EVERYWHERE)),
        ({"filter_min_face_size": 1}, None, "filter_min_face_size", (("tracks", "filter_min_size"), None)),
        ({"roi": {"x": 1}}, None, "roi", ((), Why.FREE_FORM)),
        ({"who_knows": 3}, None, "who_knows", ((), Why.UNKNOWN)),
        ({"detectors": {"body": {}, "face": FACE}}, None, "body", ((), Why.FACES_ONLY)),
        ({"router_verify_ssl": False}, None, "router_verify_ssl", ((), Why.CERTIFICATES)),
    ],
)
def test_what_differs_is_left_to_a_person(
    block: dict[str, Any], fps: float | None, name: str, expected: tuple[tuple[str, ...], Why | None]
) -> None:
    setting = of(block, fps=fps)[name]
    assert (setting.key, setting.why) == expected


def test_a_limit_that_is_off_there_is_off_here() -> None:
    assert of({"filter_max_size": 0})["filter_max_size"].value == 8192
    assert of({"imotion_threshold": 0})["imotion_threshold"].value is False


def test_what_is_kept_for_an_external_detector_counts_only_where_there_is_one() -> None:
    blocks = {
        "stream_settings": {"detectors": {"face": {"roi": "640x480+0+0", "filter_min_size": 80}}},
        "external_detector_settings": {"roi": {}, "filter_min_size": 0},
    }
    watched = of({**blocks, "external_detector": False})
    assert (watched["filter_min_size"].value, watched["roi"].value) == (80, "640x480+0+0")
    external = of({**blocks, "external_detector": True})
    assert (external["filter_min_size"].value, external["roi"].value) == (0, "640x480+0+0")


@pytest.mark.parametrize(
    "wrapped",
    [
        {"stream_settings_gpu": {"overall_only": True}},
        {"external_detector_settings": {"overall_only": True}},
        {"overall_only": True},
        [{"stream_settings": {"overall_only": True}}],
        {"results": [{"stream_settings": {"detectors": {"face": {"overall_only": True}}}}], "next_page": None},
    ],
)
def test_every_form_in_which_settings_come(wrapped: object) -> None:
    assert list(of(wrapped)) == ["overall_only"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "not valid JSON, line 1"),
        ("3", "JSON object"),
        ("[]", "0 cameras"),
        ("[{}, {}]", "2 cameras"),
        ("{}", "no settings of FindFace"),
        ('{"overall_only": "yes"}', "overall_only must be true or false"),
        ('{"filter_min_size": true}', "filter_min_size must be a number"),
        ('{"roi": 5}', "roi must be text"),
        ('{"ffmpeg_params": "x"}', "ffmpeg_params must be a list"),
    ],
)
def test_what_is_wrong_is_told(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        import_settings(read_camera(text))


def test_secrets_of_what_is_not_taken_over_are_not_shown() -> None:
    text = yaml_of(list(of({"url": "rtsp://u:secret@x", "router_headers": ["Authorization: secret"]}).values()))
    assert "secret" not in text
    assert "router_headers" in text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10_000) | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*FACE, *STREAM, "odd\n name"]), JSON, min_size=1, max_size=6))
def test_whatever_comes_in_what_comes_out_is_yaml_or_an_error(block: dict[str, Any]) -> None:
    try:
        text = yaml_of(import_settings(block))
        check_yaml(text)
    except ConfigurationError:
        return
    read = yaml.safe_load(text)
    assert read is None or set(read) <= {"tracks", "capture", "detector", "source"}


@pytest.mark.parametrize(("language", "told"), [("en", "Not taken over"), ("pt_BR", "Não aproveitados")])
def test_the_command_prints_yaml_with_comments_in_the_language_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, language: str, told: str
) -> None:
    monkeypatch.setenv("VIGIA_LANGUAGE", language)
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(CAMERA), encoding="utf-8")
    assert main(["settings", "import", str(path), "--fps", "25"]) == 0
    out = capsys.readouterr().out
    assert told in out
    assert yaml.safe_load(out)["tracks"]["realtime_post_interval_s"] == 2


def test_the_command_reads_standard_input(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"overall_only": false}')))
    assert main(["settings", "import", "-"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {"tracks": {"overall_only": False}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"roi": "everywhere"}', "tracks.roi"),
        ('{"realtime_post_interval": -4}', "tracks.realtime_post_interval_s"),
        ('{"post_best_track_frame": false}', "nothing would ever be sent"),
        ("nonsense", "JSON"),
    ],
)
def test_mistakes_end_with_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.setenv("VIGIA_LANGUAGE", "en")
    path = tmp_path / "camera.json"
    path.write_text(text, encoding="utf-8")
    assert main(["settings", "import", str(path)]) == 2
    shown = capsys.readouterr()
    assert told in shown.err
    assert shown.out == ""
    assert main(["settings", "import", str(tmp_path / "absent.json")]) == 2


def test_every_reason_has_words() -> None:
    set_language("pt_BR")
    assert set(REASONS) == set(Why)
