"""``vigia cameras list``: which cameras a run would watch."""

import contextlib
import json

import typer
from rich.table import Table

from vigia.bootstrap import camera_repository, findface_client
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, read_settings
from vigia.cli.tables import add_row, print_table
from vigia.domain.camera import Camera
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings
from vigia.infrastructure.config.camera_list import ConfiguredCameraRepository
from vigia.infrastructure.i18n import mark, translate

app = typer.Typer(no_args_is_help=True, help="The cameras of this vigia.")


@app.callback()
def _cameras() -> None:
    """Keeps ``list`` a subcommand while it is the only one."""


@app.command("list")
def list_cameras(
    *, config: ConfigOption = None, env_file: EnvFileOption = DEFAULT_ENV_FILE, as_json: JsonOption = False
) -> int:
    """Show the cameras, without their passwords."""
    cameras = read_cameras(read_settings(config, env_file=env_file))
    if as_json:
        typer.echo(json.dumps([_as_dict(camera) for camera in cameras], ensure_ascii=False))
        return 0
    table = Table(box=None, padding=(0, 2))
    for title in (mark("id"), mark("name"), mark("group"), "FindFace", "URL"):
        table.add_column(translate(title))
    for camera in cameras:
        number = "-" if camera.findface_id is None else str(camera.findface_id)
        add_row(table, (camera.id, camera.name, camera.group, number, camera.url_redacted))
    print_table(table)
    return 0


def read_cameras(settings: Settings) -> list[Camera]:
    """The camera list of these settings, read once."""
    if settings.cameras:
        return ConfiguredCameraRepository(settings.cameras).list()
    with contextlib.closing(findface_client(settings, clock=SystemClock())) as client:
        client.login()
        try:
            return camera_repository(settings, client).list()
        finally:
            client.logout()


def _as_dict(camera: Camera) -> dict[str, object]:
    return {
        "id": camera.id,
        "name": camera.name,
        "group": camera.group,
        "findface_id": camera.findface_id,
        "url": camera.url_redacted,
    }
