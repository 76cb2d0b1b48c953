"""``vigia cameras``: what they are and how they do."""

import json

import typer
from rich.table import Table

from vigia.bootstrap.parts import read_all_cameras
from vigia.cli.cameras_discover import discover_cameras
from vigia.cli.cameras_import import import_csv
from vigia.cli.cameras_list import live_table
from vigia.cli.cameras_probe import probe
from vigia.cli.cameras_provision import provision
from vigia.cli.cameras_show import show_camera
from vigia.cli.cameras_snapshot import snapshot
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, read_settings
from vigia.cli.tables import add_row, print_table
from vigia.domain.camera import Camera
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE
from vigia.infrastructure.i18n import mark, translate
from vigia.infrastructure.metrics.status_file import read_status

app = typer.Typer(no_args_is_help=True, help="The cameras of this vigia.")
app.command("probe")(probe)
app.command("snapshot")(snapshot)
app.command("discover")(discover_cameras)
app.command("import")(import_csv)
app.command("provision")(provision)
app.command("show")(show_camera)


@app.command("list")
def list_cameras(
    *, config: ConfigOption = None, env_file: EnvFileOption = DEFAULT_ENV_FILE, as_json: JsonOption = False
) -> int:
    """Show the cameras, without their passwords: as a vigia that runs here sees them, else as the lists have them."""
    settings, clock = read_settings(config, env_file=env_file), SystemClock()
    page = read_status(settings.status_file, clock=clock)
    if page is not None:
        if as_json:
            typer.echo(json.dumps(page["cameras"], ensure_ascii=False))
        else:
            print_table(live_table(page["cameras"], clock=clock))
        return 0
    cameras = read_all_cameras(settings, clock=clock)
    if as_json:
        typer.echo(json.dumps([_as_dict(camera) for camera in cameras], ensure_ascii=False))
        return 0
    table = Table(box=None, padding=(0, 2))
    for title in (mark("id"), mark("name"), mark("group"), "FindFace", mark("state"), "URL"):
        table.add_column(translate(title))
    for camera in cameras:
        number = "-" if camera.findface_id is None else str(camera.findface_id)
        state = "" if camera.active else translate("disabled")
        add_row(table, (camera.id, camera.name, camera.group, number, state, camera.url_redacted))
    print_table(table)
    typer.echo(translate("No vigia runs with this data_dir: states are known while one does."), err=True)
    return 0


def _as_dict(camera: Camera) -> dict[str, object]:
    return {
        "id": camera.id,
        "name": camera.name,
        "group": camera.group,
        "findface_id": camera.findface_id,
        "active": camera.active,
        "url": camera.url_redacted,
    }
