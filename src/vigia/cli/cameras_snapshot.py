"""``vigia cameras snapshot``: one whole picture of a camera, now."""

import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.camera_probe import first_picture, jpeg_of, with_transport
from vigia.cli.camera_target import TargetArgument, TransportOption, checked_transport, target_camera
from vigia.cli.options import ConfigOption, EnvFileOption, read_settings
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE
from vigia.infrastructure.i18n import translate
from vigia.infrastructure.logging.sinks import console_safe
from vigia.infrastructure.private_file import write_private

STANDARD_OUTPUT = Path("-")
OutOption = Annotated[
    Path | None, typer.Option("--out", "-o", help="Where to; ID-TIME.jpg by default, - for standard output.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


def snapshot(
    target: TargetArgument,
    *,
    out: OutOption = None,
    force: ForceOption = False,
    transport: TransportOption = None,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
) -> int:
    """Save one whole picture of a camera as a JPEG file."""
    settings = read_settings(config, env_file=env_file)
    camera = with_transport(target_camera(settings, target), checked_transport(transport))
    if out is not None and out != STANDARD_OUTPUT:
        check_writable(out, force=force)
    taken = first_picture(settings, camera, clock=SystemClock())
    jpeg = jpeg_of(settings, camera, taken.picture)
    if out == STANDARD_OUTPUT:
        sys.stdout.buffer.write(jpeg)
        sys.stdout.buffer.flush()
        return 0
    path = out if out is not None else Path(default_name(camera.id, taken.at_utc))
    write_private(path, jpeg, replace=force)
    size = {"file": path, "width": taken.picture.width, "height": taken.picture.height, "bytes": len(jpeg)}
    typer.echo(console_safe(translate("%(file)s: %(width)d x %(height)d pixels, %(bytes)d bytes") % size))
    return 0


def default_name(camera_id: str, at_utc: datetime) -> str:
    """``gate-20260105T080000Z.jpg``: letters, digits, dots, dashes and underscores only."""
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', camera_id)}-{at_utc:%Y%m%dT%H%M%SZ}.jpg"


def check_writable(path: Path, *, force: bool) -> None:
    """Refuse early what could not be written in the end.

    Raises:
        ConfigurationError: the file is there, or its directory is not.
    """
    if not force and path.exists():
        raise ConfigurationError("%(file)s is there already; --force replaces it", file=path)
    if not path.absolute().parent.is_dir():
        raise ConfigurationError("%(directory)s is no directory", directory=path.absolute().parent)
