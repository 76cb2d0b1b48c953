"""What the settings are once they are read: defaults, precedence, derived values, redaction."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config import Settings, load_settings, settings_keys

Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads the settings that are written as text."""

    def load_text(
        text: str = "",
        *,
        dotenv: str | None = None,
        environ: Mapping[str, str] | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> Settings:
        path, env_file = tmp_path / "vigia.yaml", None
        path.write_text(text, encoding="utf-8")
        if dotenv is not None:
            env_file = tmp_path / "vigia.env"
            env_file.write_text(dotenv, encoding="utf-8")
        return load_settings(path, env_file=env_file, environ=environ or {}, overrides=overrides)

    return load_text


def test_an_empty_file_means_the_defaults(load: Load) -> None:
    assert load("") == load("# only a comment\n") == load("---\n") == Settings()


def test_no_file_at_all_means_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(environ={}) == Settings()


def test_the_files_of_the_working_directory_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("language: en\n", encoding="utf-8")
    (tmp_path / ".env").write_text("FINDFACE_USER=ana\n", encoding="utf-8")
    settings = load_settings(environ={})
    assert (settings.language, settings.findface.user) == ("en", "ana")
    assert load_settings(environ={}, env_file=None).findface.user is None


def test_settings_made_directly_ignore_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Settings()
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setenv("VIGIA_LANGUAGE", "en")
    assert Settings() == before


def test_the_process_environment_is_the_default(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGIA_DETECTOR__MIN_FACE_PX", "60")
    assert load_settings().detector.min_face_px == 60.0


def test_defaults_are_the_agreed_ones() -> None:
    settings = Settings()
    assert settings.language == "pt_BR"
    assert (settings.log.queue_size, settings.log.file_max_bytes, settings.log.file_backups) == (10_000, 20_000_000, 5)
    assert settings.log_file == Path("data/logs/vigia.jsonl")
    assert settings.outbox_directory == Path("data/outbox")
    assert settings.uuid_file == Path("data/findface-uuid")
    assert settings.memory.interval_s == 5.0
    assert settings.findface.max_connections == 20
    assert settings.findface.read_timeout_s >= 40.0
    assert settings.findface.tls_insecure_skip_verify is False
    assert settings.delivery.drain_timeout_s == 10.0
    assert settings.cameras == ()


def test_values_are_typed_by_their_key_not_by_yaml(load: Load) -> None:
    settings = load(
        "cameras:\n- {id: 007, name: no, url: webcam:0, group: on, active: off, token: 1e3}\n"
        "findface: {user: 12:30:45, password: 0123, uuid: 2024-01-01}\n"
        "log: {file_max_bytes: 30_000_000}\n"
        "detector: {min_face_px: 64, motion_gate: No, cadence_k: 3, imotion_threshold: 1e-3}\n"
    )
    camera = settings.cameras[0]
    assert (camera.id, camera.name, camera.group, camera.active) == ("007", "no", "on", False)
    assert camera.token is not None
    assert camera.token.get_secret_value() == "1e3"
    assert settings.findface.user == "12:30:45"
    assert settings.findface.password is not None
    assert settings.findface.password.get_secret_value() == "0123"
    assert settings.findface.uuid == "2024-01-01"
    assert settings.log.file_max_bytes == 30_000_000
    detector = settings.detector
    assert (detector.min_face_px, detector.motion_gate, detector.cadence_k, detector.imotion_threshold) == (
        64.0,
        False,
        3,
        0.001,
    )


def test_an_empty_value_means_the_default(load: Load) -> None:
    assert load("detector:\nlog:\n  level:\n  queue_size: null\ntracks: ~\ncameras:\n") == Settings()


def test_quoted_null_is_text(load: Load) -> None:
    assert load("findface: {user: 'null'}").findface.user == "null"


def test_anchors_and_byte_order_marks_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("source: {open_timeout_s: &t 7, read_timeout_s: *t}\n", encoding="utf-8-sig")
    assert load_settings(path, env_file=None, environ={}).source.read_timeout_s == 7.0


def test_precedence_is_overrides_environment_dotenv_file_defaults(load: Load) -> None:
    text = "detector: {cadence_k_max: 2, min_face_px: 20, input_width: 200, confidence_min: 0.2}\n"
    dotenv = "VIGIA_DETECTOR__CADENCE_K_MAX=3\nVIGIA_DETECTOR__MIN_FACE_PX=30\nVIGIA_DETECTOR__INPUT_WIDTH=300\n"
    environ = {"VIGIA_DETECTOR__CADENCE_K_MAX": "4", "VIGIA_DETECTOR__MIN_FACE_PX": "40"}
    detector = load(text, dotenv=dotenv, environ=environ, overrides={"detector.cadence_k_max": "6"}).detector
    assert (detector.cadence_k_max, detector.min_face_px, detector.input_width) == (6, 40.0, 300)
    assert detector.confidence_min == 0.2
    assert detector.motion_gate is True


def test_the_four_findface_variables(load: Load) -> None:
    environ = {
        "FINDFACE_URL": " https://face.example/api/ ",
        "FINDFACE_USER": "ana",
        "FINDFACE_PASSWORD": "p$ss w#rd",
        "FINDFACE_UUID": "gate-1",
    }
    settings = load(environ=environ)
    access = settings.findface_access()
    assert (access.url, access.user, access.password) == ("https://face.example/api", "ana", "p$ss w#rd")
    assert settings.findface.uuid == "gate-1"
    assert "p$ss" not in repr(access) + repr(settings)


def test_plain_names_come_before_prefixed_ones(load: Load) -> None:
    environ = {"FINDFACE_USER": "plain", "VIGIA_FINDFACE__USER": "prefixed"}
    assert load(environ=environ).findface.user == "plain"


def test_empty_variables_count_as_absent(load: Load) -> None:
    settings = load(
        "findface: {uuid: from-yaml}",
        dotenv="FINDFACE_USER=from-dotenv\nVIGIA_LANGUAGE=en\n",
        environ={"FINDFACE_USER": "", "VIGIA_LANGUAGE": " ", "FINDFACE_UUID": ""},
    )
    assert (settings.findface.user, settings.language, settings.findface.uuid) == ("from-dotenv", "en", "from-yaml")


def test_a_variable_of_null_asks_for_the_default(load: Load) -> None:
    environ = {"VIGIA_DETECTOR__INPUT_WIDTH": "null"}
    assert load("detector: {input_width: 320}", environ=environ).detector.input_width is None


@pytest.mark.parametrize(
    "text",
    ['[{id: gate, url: "rtsp://10.0.0.5/a"}]', '[{"id": "gate", "url": "rtsp://10.0.0.5/a"}]'],
    ids=["yaml", "json"],
)
def test_cameras_can_come_from_the_environment(load: Load, text: str) -> None:
    (camera,) = load("cameras: [{id: other, url: webcam:0}]", environ={"VIGIA_CAMERAS": text}).cameras
    assert (camera.id, camera.url, camera.shown_name) == ("gate", "rtsp://10.0.0.5/a", "gate")


def test_a_section_in_one_variable_joins_its_single_keys(load: Load) -> None:
    environ = {"VIGIA_DETECTOR": "{cadence_k: 2, min_face_px: 50}", "VIGIA_DETECTOR__MIN_FACE_PX": "55"}
    detector = load(environ=environ).detector
    assert (detector.cadence_k, detector.min_face_px) == (2, 55.0)


def test_dotenv_values_are_taken_literally(load: Load) -> None:
    dotenv = "# note\r\nexport FINDFACE_USER=ana # who\r\nFINDFACE_PASSWORD='a${HOME}$x #1'\r\nOTHER_TOOL=1\r\nBARE\r\n"
    findface = load(dotenv=dotenv).findface
    assert findface.user == "ana"
    assert findface.password is not None
    assert findface.password.get_secret_value() == "a${HOME}$x #1"


def test_every_key_has_its_variable(load: Load) -> None:
    singles = [facts for facts in settings_keys() if facts.kind not in {"section", "list"} and "*" not in facts.path]
    assert len(singles) > 50
    for facts in singles:
        if facts.default is not None:
            name = "VIGIA_" + "__".join(facts.path).upper()
            assert load(environ={name: str(facts.default)}) == Settings(), name


def test_every_key_is_described_and_every_number_bounded() -> None:
    for facts in settings_keys():
        assert facts.description, facts.dotted
        if facts.kind in {"whole", "number"}:
            assert facts.low is not None, facts.dotted
            assert facts.high is not None, facts.dotted


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.language = "en"
    with pytest.raises(ValidationError):
        settings.detector.min_face_px = 1.0


def test_paths_follow_the_data_directory(load: Load, tmp_path: Path) -> None:
    settings = load("data_dir: /srv/vigia")
    assert settings.log_file == Path("/srv/vigia/logs/vigia.jsonl")
    assert settings.outbox_directory == Path("/srv/vigia/outbox")
    assert settings.uuid_file == Path("/srv/vigia/findface-uuid")
    chosen = load(f"log: {{file: {tmp_path}/x.log}}\noutbox: {{directory: {tmp_path}/o}}\nmodels_dir: {tmp_path}/m")
    assert (chosen.log_file, chosen.outbox_directory) == (tmp_path / "x.log", tmp_path / "o")
    assert chosen.models_directory({"XDG_CACHE_HOME": "/cache"}) == tmp_path / "m"
    assert load("log: {file_enabled: false}").log_file is None


def test_a_tilde_is_the_home_directory(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load("data_dir: ~/vigia\ndetector: {model: ~/face.onnx}\ncameras: [{id: a, url: ~/a.mp4}]")
    assert settings.data_dir == tmp_path / "vigia"
    assert settings.detector.model_file == tmp_path / "face.onnx"
    assert settings.cameras[0].url == str(tmp_path / "a.mp4")


def test_models_live_in_the_users_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings().models_directory({}) == tmp_path / ".cache/vigia/models"
    assert Settings().models_directory({"XDG_CACHE_HOME": "relative"}) == tmp_path / ".cache/vigia/models"
    assert Settings().models_directory({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/vigia/models")


def test_findface_access_names_every_missing_variable(load: Load) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(environ={"FINDFACE_URL": "http://f"}).findface_access()
    assert str(caught.value).splitlines() == [
        "FINDFACE_USER is missing; set it in .env or the environment",
        "FINDFACE_PASSWORD is missing; set it in .env or the environment",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://10.0.0.5/stream",
        "rtsps://u:p%40x@cam.example:322/a?b=c",
        "RTSP://[2001:db8::1]:554/x",
        "http://cam/mjpg",
        "https://cam/x.m3u8",
        "rtmp://h/app",
        "udp://239.0.0.1:1234",
        "srt://h:9000",
        "file:///srv/a.mp4",
        "/srv/video/a b.mp4",
        "video.mp4",
        "clip:1.mp4",
        "~nobody-at-all/a.mp4",
        "/dev/video0",
        "webcam:12",
    ],
)
def test_camera_urls_that_are_accepted(load: Load, url: str) -> None:
    assert load(f"cameras: [{{id: a, url: '  {url} '}}]").cameras[0].url == url


def test_dumps_and_representations_show_no_secret(load: Load) -> None:
    settings = load(
        "findface: {password: hunter2, user: ana, url: 'http://face'}\n"
        "cameras:\n"
        "- {id: a, url: 'rtsp://adm:hunter2@10.0.0.5/x?token=hunter2', token: hunter2}\n"
        "- {id: b, url: 'videos/hunter2@home.mp4'}\n"
    )
    dump = settings.redacted_dump()
    assert "hunter2" not in repr(dump) + repr(settings) + str(settings)
    assert dump["findface"]["password"] == "***"
    assert dump["cameras"][0]["url"] == "rtsp://***@10.0.0.5/x?token=***"
    assert dump["cameras"][0]["token"] == "***"
    assert dump["data_dir"] == "data"
    assert dump["detector"]["confidence_min"] is None
    assert dump["findface"]["uuid"] is None


def test_empty_keys_follow_others(load: Load) -> None:
    assert load("log: {level: debug}").console_level == "DEBUG"
    assert load("log: {console_level: warning}").console_level == "WARNING"
    assert Settings().shard_count(cores=6) == 6
    assert Settings().shard_count(cores=0) == 1
    assert load("shards: {count: 3}").shard_count(cores=6) == 3
    assert Settings().detector.model_file is None
    memory = load("memory: {soft_limit_mb: 500, hard_limit_mb: 800}").memory
    assert (memory.soft_limit_bytes, memory.hard_limit_bytes) == (500_000_000, 800_000_000)
    assert Settings().memory.soft_limit_bytes is None


def test_sharp_looks_are_switched_off_by_a_word_that_yaml_would_take_for_false(load: Load) -> None:
    detector = load("detector: {sharp_look: off, sharp_face_px: 32}\n").detector
    assert (detector.sharp_look, detector.sharp_face_px) == ("off", 32.0)
    assert (load("{}\n").detector.sharp_look, load("{}\n").detector.sharp_face_px) == ("auto", 60.0)
