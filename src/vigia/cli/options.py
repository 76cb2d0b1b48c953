"""Options that several commands share, and reading the settings for them."""

from pathlib import Path
from typing import Annotated

import typer

from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings, load_settings
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
    settings = load_settings(config, env_file=env_file, overrides=parse_overrides(overrides))
    set_language(settings.language)
    return settings


def parse_overrides(overrides: list[str] | None) -> dict[str, str]:
    """``["a.b=1"]`` → ``{"a.b": "1"}``."""
    parsed = {}
    for item in overrides or []:
        key, sign, value = item.partition("=")
        if not sign or not key.strip():
            raise typer.BadParameter(f"--set {item!r}: write key=value")
        parsed[key.strip()] = value
    return parsed
