"""Whatever stands in a file or a variable, the answer is settings or a ConfigurationError of clean lines."""

import json
import re
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config import load_settings, settings_keys
from vigia.infrastructure.config.layer import Place
from vigia.infrastructure.config.problems import PROBLEMS_MAX
from vigia.infrastructure.config.yaml_layer import parse_yaml

NAMES = sorted({part for facts in settings_keys() for part in facts.path})
VARIABLES = sorted(settings_keys().variables)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ["auto", "10", "0.5", "~", "null", "no", "rtsp://u:p@h/x", "x.onnx", "http://h", "~root/x", "1e400"]
    ),
)
keys = st.one_of(st.sampled_from(NAMES), st.text(max_size=12))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
quick = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check_loading(path: Path, *, env_file: Path | None = None, environ: dict[str, str] | None = None) -> None:
    """Load; anything but settings or an error told in clean lines fails."""
    problem = None
    try:
        load_settings(path, env_file=env_file, environ=environ or {})
    except ConfigurationError as error:
        problem = error
    lines = str(problem).split("\n")
    assert 1 <= len(lines) <= PROBLEMS_MAX + 1
    assert all(line and line.isprintable() for line in lines), lines


@quick
@given(document=st.dictionaries(keys, values, max_size=5))
def test_any_mapping(tmp_path: Path, document: dict[str, object]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML, and json.dumps writes every text
    check_loading(path)


@quick
@given(content=st.one_of(st.binary(max_size=80), st.text(alphabet="ab:-[]{}'\"#&*!|>%@`~ \n\t?,\\x0", max_size=60)))
def test_any_content(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check_loading(path)


@quick
@given(environ=st.dictionaries(st.sampled_from(VARIABLES), st.text(max_size=40), max_size=4))
def test_any_environment(tmp_path: Path, environ: dict[str, str]) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("", encoding="utf-8")
    check_loading(path, environ=environ)


@quick
@given(content=st.one_of(st.binary(max_size=80), st.text(alphabet="ab=\n\r'\"# \\$", max_size=60)))
def test_any_dotenv(tmp_path: Path, content: bytes | str) -> None:
    path, env_file = tmp_path / "c.yaml", tmp_path / "e.env"
    path.write_text("", encoding="utf-8")
    env_file.write_bytes(content if isinstance(content, bytes) else content.encode())
    check_loading(path, env_file=env_file)


@quick
@given(document=st.dictionaries(st.text(alphabet="nosy", min_size=1, max_size=8), values, max_size=6))
def test_text_stays_text_and_lines_are_right(document: dict[str, object]) -> None:
    """What PyYAML wrote is read back as written, and each root key is found on the line it stands on."""
    written = yaml.safe_dump(document, sort_keys=False)  # escapes what YAML cannot carry
    layer = parse_yaml(written, lambda line: Place(file="f", line=line))
    lines = written.splitlines()
    assert list(layer.data) == list(document)
    for key, value in document.items():
        assert re.match(rf"['\"]?{key}['\"]?:", lines[layer.places[key,].line - 1])
        if isinstance(value, str):
            assert layer.data[key] == value


@quick
@given(
    min_face_px=st.floats(8, 2000),
    queue_size=st.integers(100, 1_000_000),
    gate=st.booleans(),
    password=st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
)
def test_valid_values_come_back(
    tmp_path: Path, *, min_face_px: float, queue_size: int, gate: bool, password: str
) -> None:
    path = tmp_path / "c.yaml"
    document = {
        "detector": {"min_face_px": min_face_px, "motion_gate": gate},
        "log": {"queue_size": queue_size},
        "findface": {"password": password},
    }
    path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    read = load_settings(path, env_file=None, environ={})
    assert (read.detector.min_face_px, read.detector.motion_gate) == (min_face_px, gate)
    assert read.log.queue_size == queue_size
    assert read.findface.password is not None
    assert read.findface.password.get_secret_value() == password
