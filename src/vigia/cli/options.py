"""Options that several commands share, and reading the settings for them."""

import contextlib
import os
import re
from pathlib import Path
from typing import Annotated

import typer

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings, load_settings
from vigia.infrastructure.config.loading import DEFAULT_FILE
from vigia.infrastructure.config.yaml_layer import read_yaml
from vigia.infrastructure.i18n import set_language

ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", help="YAML file; config.yaml of the working directory by default.")
]
EnvFileOption = Annotated[
    Path, typer.Option("--env-file", help="File with FINDFACE_URL, FINDFACE_USER, FINDFACE_PASSWORD, FINDFACE_UUID.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object on standard output.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Override one setting: --set detector.cadence_k=3. Repeatable.")
]


def read_settings(
    config: Path | None, *, env_file: Path = DEFAULT_ENV_FILE, overrides: list[str] | None = None
) -> Settings:
    """The settings of a command, with their language switched on.

    Raises:
        ConfigurationError: with every mistake found.
    """
    parsed = parse_overrides(overrides)
    _speak_as_asked(config, parsed)
    settings = load_settings(config, env_file=env_file, overrides=parsed)
    set_language(settings.language)
    return settings


def _speak_as_asked(config: Path | None, overrides: dict[str, str]) -> None:
    """Switch to the language that the settings ask for before they are checked: their mistakes are told in it too.

    The environment's ``VIGIA_LANGUAGE`` is heard already; a file that cannot be read is told of afterwards.
    """
    wanted: object = overrides.get("language") or os.environ.get("VIGIA_LANGUAGE")
    if not wanted:
        with contextlib.suppress(ConfigurationError):
            wanted = read_yaml(config if config is not None else DEFAULT_FILE).data.get("language")
    if isinstance(wanted, str) and wanted in {"pt_BR", "en", "auto"}:
        set_language(wanted)


def parse_overrides(overrides: list[str] | None) -> dict[str, str]:
    """``["a.b=1"]`` → ``{"a.b": "1"}``; of a key that is given twice the last value counts.

    Raises:
        ConfigurationError: one of them has no ``=``, or nothing before it.
    """
    parsed = {}
    for item in overrides or []:
        key, sign, value = item.partition("=")
        if not sign or not key.strip():
            raise ConfigurationError("--set %(key)s: write key=value, such as detector.cadence_k=3", key=_told_key(key))
        parsed[key.strip()] = value
    return parsed


def _told_key(text: str) -> str:
    """What looks like a key at the beginning of ``text``: the rest may be a password."""
    found = re.match(r"[\w.]+", text.strip())
    return found[0] if found is not None else "…"
