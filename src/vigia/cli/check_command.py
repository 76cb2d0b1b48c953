"""``vigia check``, the doctor: would a run work here as configured, and what is to be done where it would not?"""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from vigia.application.diagnosis import Area, Verdict
from vigia.bootstrap.doctor import Origins, examine
from vigia.cli.check_view import as_document, show
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, read_settings
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, DEFAULT_FILE, setting_places
from vigia.infrastructure.i18n import translate

EXIT_FAILED = 1
VARIABLES = ("VIGIA_", "FINDFACE_")


def check(
    *,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
    capacity: Annotated[
        bool, typer.Option("--capacity/--no-capacity", help="Measure for 10 s how many cameras this machine holds.")
    ] = True,
    only: Annotated[list[Area] | None, typer.Option("--only", help="Look at this area only. Repeatable.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
) -> int:
    """Look at everything that a run depends on, and say what to do; exit 1 when something would not work."""
    settings = read_settings(config, env_file=env_file)
    areas = set(only) if only else set(Area)
    if not capacity:
        areas.discard(Area.CAPACITY)
    # What looks log on the way is told as findings, with what to do; beside a table it would only be in the way.
    logging.getLogger("vigia").addHandler(logging.NullHandler())
    if sys.stderr.isatty():
        typer.echo(translate("Looking; this may take half a minute, more with many cameras."), err=True)
    findings = examine(settings, _origins(config, env_file), clock=SystemClock(), areas=areas)
    verdict = Verdict.of(findings)
    if as_json:
        typer.echo(as_document(findings, verdict, strict=strict))
    else:
        show(findings, verdict)
    return 0 if verdict.passes(strict=strict) else EXIT_FAILED


def _origins(config: Path | None, env_file: Path) -> Origins:
    """What the settings were read from, a moment ago."""
    files = (config if config is not None else DEFAULT_FILE, env_file)
    return Origins(
        files=tuple(file for file in files if file.is_file()),
        places=setting_places(config, env_file=env_file),
        from_environment=any(name.startswith(VARIABLES) and value for name, value in os.environ.items()),
    )
