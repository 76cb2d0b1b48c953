"""``vigia cameras import``: cameras from a spreadsheet into the configuration."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.camera_import import ListedCamera, holds_secrets, read_camera_list
from vigia.domain.camera import redact_url
from vigia.infrastructure.config.layer import Layer, read_settings_file
from vigia.infrastructure.config.yaml_layer import read_yaml
from vigia.infrastructure.i18n import mark, set_language, translate
from vigia.infrastructure.logging.sinks import console_safe
from vigia.infrastructure.private_file import write_private
from vigia.infrastructure.yaml_text import Edited, cameras_block, with_cameras

FileArgument = Annotated[Path, typer.Argument(metavar="FILE.csv", help="The list, its first row naming the columns.")]
IntoOption = Annotated[
    Path | None, typer.Option("--into", help="Add the cameras to this YAML file, after a copy of it as FILE.bak.")
]
UpdateOption = Annotated[bool, typer.Option("--update", help="With --into: also change cameras that are there.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Check the list and say what would be done; no more.")]
OTHERS_MAY_READ = 0o044


def import_csv(
    file: FileArgument, *, into: IntoOption = None, update: UpdateOption = False, dry_run: DryRunOption = False
) -> int:
    """Print the cameras of a CSV list as YAML, or put them into a configuration file."""
    if update and into is None:
        raise ConfigurationError("--update goes with --into: without it nothing is changed")
    base = _layer(into)
    cameras = read_camera_list(file, base=base)
    if into is None:
        _print(cameras, dry_run=dry_run)
    else:
        _put(into, cameras, update=update, dry_run=dry_run)
    return 0


def _print(cameras: list[ListedCamera], *, dry_run: bool) -> None:
    if dry_run:
        for camera in cameras:
            _tell_camera("+", camera)
    else:
        if holds_secrets(cameras):
            _tell(translate("what follows holds passwords or tokens: keep it where only vigia can read it"))
        sys.stdout.write(cameras_block([camera.document for camera in cameras]))
    _tell(translate("%(count)d cameras, all valid") % {"count": len(cameras)})


def _put(into: Path, cameras: list[ListedCamera], *, update: bool, dry_run: bool) -> None:
    before = read_settings_file(into) if into.exists() else ""
    edited = with_cameras(before, [camera.document for camera in cameras], update=update)
    by_id = {camera.settings.id: camera for camera in cameras}
    for sign, ids in (("+", edited.added), ("~", edited.updated)):
        for camera_id in ids:
            _tell_camera(sign, by_id[camera_id])
    if edited.left:
        _tell(
            translate("left as they are, --update would change them: %(ids)s") % {"ids": ", ".join(edited.left)},
        )
    if not dry_run and edited.text != before:
        _write(into, before, edited, cameras)
    counts = {"added": len(edited.added), "updated": len(edited.updated), "same": len(edited.same)}
    _tell(translate("%(added)d added, %(updated)d changed, %(same)d as they were") % counts)
    if dry_run:
        _tell(translate("nothing was written"))


def _write(into: Path, before: str, edited: Edited, cameras: list[ListedCamera]) -> None:
    """The copy first: whatever happens then, both states are there."""
    if before:
        write_private(into.with_name(into.name + ".bak"), into.read_bytes())
    write_private(into, edited.text.encode(), keep_mode=True)
    if holds_secrets(cameras) and into.stat().st_mode & OTHERS_MAY_READ:
        _tell(translate("%(file)s holds passwords and others may read it: chmod 600") % {"file": into})


def _layer(into: Path | None) -> Layer:
    """The configuration as it is; nothing may be put into one that is broken."""
    if into is None or not into.exists():
        return Layer()
    layer = read_yaml(into)
    language = layer.data.get("language")
    if isinstance(language, str) and language in {"pt_BR", "en", "auto"}:
        set_language(language)
    return layer


def _tell_camera(sign: str, camera: ListedCamera) -> None:
    active = "" if camera.settings.active else f" ({translate(mark('not active'))})"
    _tell(f"{sign} {camera.settings.id}  {redact_url(camera.settings.url)}{active}")


def _tell(text: str) -> None:
    """One line for a person: standard output is for the YAML."""
    typer.echo(console_safe(text), err=True)
