"""The examples that an operator copies: complete, commented, and equal to the defaults."""

import re
from pathlib import Path

import pytest
import yaml

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config import Settings, load_settings, settings_keys
from vigia.infrastructure.config.layer import Place, read_settings_file
from vigia.infrastructure.config.yaml_layer import parse_yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.yaml"
ENV_EXAMPLE = ROOT / ".env.example"


def test_the_example_equals_the_defaults() -> None:
    assert load_settings(EXAMPLE, env_file=None, environ={}) == Settings()


def test_the_example_holds_every_key_with_its_default() -> None:
    layer = parse_yaml(read_settings_file(EXAMPLE), lambda line: Place(line=line))
    expected = {facts.path: facts for facts in settings_keys() if "*" not in facts.path}
    assert set(layer.places) == set(expected)
    written = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    for path, facts in expected.items():
        value = written
        for part in path:
            value = value[part]
        if facts.kind != "section":
            assert value == facts.default or (value is None and facts.default == []), facts.dotted


def test_every_key_of_the_example_has_a_comment_and_every_range_is_right() -> None:
    layer = parse_yaml(read_settings_file(EXAMPLE), lambda line: Place(line=line))
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    for path, place in layer.places.items():
        comment = lines[place.line - 2].strip()
        assert comment.startswith("# "), path
        ranges = re.search(r"\(([\d.]+) a ([\d.]+)\)", comment)
        facts = settings_keys().get(path)
        assert facts is not None
        if ranges is not None:
            assert (float(ranges[1]), float(ranges[2])) == (facts.low, facts.high), path


def test_the_example_cameras_load_when_they_are_uncommented(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8").replace("\ncameras: null\n", "\n").replace("\ngroups: null\n", "\n")
    groups = text.index("# groups:\n")
    end = text.index("\n\n", groups)
    text = text[:groups] + re.sub(r"(?m)^# ?", "", text[groups:end]) + text[end:]
    start = text.index("# cameras:\n")
    uncommented = re.sub(r"(?m)^# ?", "", text[start:])
    path = tmp_path / "c.yaml"
    path.write_text(text[:start] + uncommented, encoding="utf-8")
    settings = load_settings(path, env_file=None, environ={})
    assert [camera.id for camera in settings.cameras] == ["entrada", "gravacao"]
    assert list(settings.groups) == ["Portaria", "Corredor norte"]
    assert all(own.values() for own in settings.groups.values())
    shown = {part for facts in settings_keys() if facts.path[:1] == ("cameras",) for part in facts.path[2:]}
    assert shown == {name for name in shown if re.search(rf"\b{name}:", uncommented)}


def test_the_variables_example_names_the_four_and_sets_none() -> None:
    names = re.findall(r"(?m)^([A-Z_]+)=$", ENV_EXAMPLE.read_text(encoding="utf-8"))
    assert names == ["FINDFACE_URL", "FINDFACE_USER", "FINDFACE_PASSWORD", "FINDFACE_UUID"]
    assert load_settings(EXAMPLE, env_file=ENV_EXAMPLE, environ={}) == Settings()


def test_the_example_names_every_way_in_which_shards_run() -> None:
    comment = EXAMPLE.read_text(encoding="utf-8").partition("  mode: auto")[0].splitlines()[-1]
    for mode in ("auto", "threads", "processes"):
        assert re.search(rf"\b{mode}\b", comment)
        assert load_settings(EXAMPLE, env_file=None, environ={}, overrides={"shards.mode": mode}).shards.mode == mode
    with pytest.raises(ConfigurationError, match="threads"):
        load_settings(EXAMPLE, env_file=None, environ={}, overrides={"shards.mode": "actors"})
