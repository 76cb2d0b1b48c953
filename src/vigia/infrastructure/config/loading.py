"""Reads the settings from where an operator writes them, and tells every mistake at once."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from vigia.infrastructure.config.keys import KeyTable
from vigia.infrastructure.config.layer import Layer, SettingPlaces
from vigia.infrastructure.config.problems import combined, problems_of
from vigia.infrastructure.config.settings import Settings
from vigia.infrastructure.config.variables_layer import dotenv_layer, environment_layer, overrides_layer
from vigia.infrastructure.config.yaml_layer import read_yaml

DEFAULT_FILE = Path("config.yaml")
"""In the working directory; may be absent."""
DEFAULT_ENV_FILE = Path(".env")
"""In the working directory; may be absent."""


@cache
def settings_keys() -> KeyTable:
    """Every key of :class:`Settings`."""
    return KeyTable(Settings)


def load_settings(
    path: Path | None = None,
    *,
    env_file: Path | None = DEFAULT_ENV_FILE,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings: overrides before environment before ``.env`` before YAML before defaults.

    Args:
        path: the YAML file, which must exist; None takes ``config.yaml`` of the working directory when there is one.
        env_file: a file of variables, which must exist unless it is the default one; None reads none.
        environ: the environment; None takes the process's.
        overrides: dotted keys and their values as text, such as ``{"detector.cadence_k": "3"}``.

    Raises:
        ConfigurationError: with every mistake found, one line each; no secret among them.
    """
    keys = settings_keys()
    layers = _layers(path, env_file, environ, overrides)
    problems = [problem for layer in layers for problem in layer.problems]
    try:
        settings = Settings.from_layers(layers)
    except ValidationError as error:
        # Chaining it is safe: the model hides the values that were rejected.
        raise combined([*problems, *problems_of(error, keys, layers)]) from error
    if problems:
        raise combined(problems)
    return settings


def setting_places(
    path: Path | None = None,
    *,
    env_file: Path | None = DEFAULT_ENV_FILE,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> SettingPlaces:
    """Where each setting stands; reads what ``load_settings`` reads, with the same arguments.

    Raises:
        ConfigurationError: a file cannot be read, or is not YAML.
    """
    return SettingPlaces(_layers(path, env_file, environ, overrides))


def _layers(
    path: Path | None,
    env_file: Path | None,
    environ: Mapping[str, str] | None,
    overrides: Mapping[str, str] | None,
) -> list[Layer]:
    """The most important first; mistakes are told in the order in which one would look: file, .env, environment."""
    keys = settings_keys()
    return [
        overrides_layer(overrides or {}, keys, order=3),
        environment_layer(os.environ if environ is None else environ, keys, order=2),
        _dotenv(env_file, keys),
        _yaml(path),
    ]


def _yaml(path: Path | None) -> Layer:
    if path is None:
        if not _is_there(DEFAULT_FILE):
            return Layer()
        path = DEFAULT_FILE
    return read_yaml(path, order=0)


def _dotenv(path: Path | None, keys: KeyTable) -> Layer:
    if path is None or (path == DEFAULT_ENV_FILE and not _is_there(path)):
        return Layer()
    return dotenv_layer(path, keys, order=1)


def _is_there(path: Path) -> bool:
    """A link that leads nowhere is there: the operator meant something by it."""
    return os.path.lexists(path)
