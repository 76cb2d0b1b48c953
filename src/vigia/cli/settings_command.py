"""``vigia settings import``: what was set for a camera in FindFace, as vigia's settings."""

import json
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Annotated

import typer

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.findface_stream_settings import (
    ImportedSetting,
    Why,
    check_yaml,
    import_settings,
    read_camera,
)
from vigia.infrastructure.config.layer import FILE_BYTES_MAX, read_settings_file
from vigia.infrastructure.i18n import mark, translate
from vigia.infrastructure.logging.sinks import console_safe

app = typer.Typer(no_args_is_help=True, help="vigia's settings.")

STANDARD_INPUT = Path("-")
HIDDEN = "…"
"""Stands for the value of what was not taken over, unless it is a number: headers and addresses hold passwords."""
REASONS: dict[Why, str] = {
    Why.OTHER_SCALE: mark("FindFace's scale of quality is another one; choose tracks.filter_min_quality by looking"),
    Why.OLD_SCALE: mark(
        "FindFace's scale before 2020, where 0 was the best and -5 poor; choose tracks.filter_min_quality by looking"
    ),
    Why.FRAMES: mark("counted in frames: give the camera's frames a second with --fps"),
    Why.EVERYWHERE: mark("for all cameras"),
    Why.OWN_TRACKER: mark("vigia follows faces in its own way"),
    Why.POSTED_PICTURE: mark("see capture.picture: the whole picture, or a part around the face"),
    Why.ALWAYS_JPEG: mark("vigia always sends JPEG"),
    Why.OWN_CLOCK: mark("vigia times a frame by its arrival, in a file by its place"),
    Why.OWN_DELIVERY: mark("see the section findface: its address, time-outs and pauses"),
    Why.CERTIFICATES: mark("see findface.ca_file: certificates are always checked"),
    Why.OWN_DECODER: mark("vigia reads and decodes in its own way"),
    Why.FACES_ONLY: mark("vigia finds faces only"),
    Why.NOT_OFFERED: mark("vigia does not offer it"),
    Why.FREE_FORM: mark("a region of another form; write tracks.roi as WxH+X+Y"),
    Why.UNKNOWN: mark("not known to vigia"),
}
"""How the reasons are told to a person."""

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="JSON of one camera, or - for standard input.")]
FpsOption = Annotated[
    float | None,
    typer.Option(
        "--fps", min=0.1, max=1000.0, help="The camera's frames a second, for what FindFace counts in frames."
    ),
]


@app.callback()
def _settings() -> None:
    """Keeps ``import`` a subcommand while it is the only one."""


@app.command("import")
def import_findface(file: FileArgument, *, fps: FpsOption = None) -> int:
    """Translate a FindFace camera's stream settings: prints YAML for config.yaml, every setting with a comment."""
    found = import_settings(read_camera(_read(file)), fps=fps)
    text = yaml_of(found)
    check_yaml(text)
    typer.echo(text, nl=False)
    return 0


def yaml_of(found: Sequence[ImportedSetting]) -> str:
    """The settings as YAML: those taken over by section, the others as comments behind them."""
    taken = {setting.key: setting for setting in found if setting.key}  # of two names of one key the later counts
    lines = [f"# {translate('Taken over from the settings of a FindFace camera.')}"]
    for section, settings in groupby(sorted(taken.values(), key=lambda s: s.key[0]), key=lambda s: s.key[0]):
        lines.append(f"{section}:")
        for setting in settings:
            lines += [f"  # {_comment(setting)}", f"  {setting.key[1]}: {json.dumps(setting.value)}"]
    left = [setting for setting in found if not setting.key]
    if left:
        lines.append(f"# {translate('Not taken over:')}")
        lines += [f"#   {_comment(setting)}" for setting in left]
    return "\n".join(lines) + "\n"


def _comment(setting: ImportedSetting) -> str:
    """One line: FindFace's name and value, and what to know."""
    given = json.dumps(setting.given) if setting.key or isinstance(setting.given, bool | int | float) else HIDDEN
    told = f"{setting.name}: {given}"
    if setting.why is not None:
        told += f" ({translate(REASONS[setting.why])})"
    return console_safe(" ".join(told.split()))


def _read(file: Path) -> str:
    if file != STANDARD_INPUT:
        return read_settings_file(file)
    content = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise ConfigurationError(
            "%(file)s is larger than %(bytes_max)d bytes: that is no settings file",
            file=str(file),
            bytes_max=FILE_BYTES_MAX,
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError("%(file)s, line %(line)d: not UTF-8 text", file=str(file), line=line) from None
