"""``vigia cameras discover``: which ONVIF cameras are on the networks of this machine."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from rich.table import Table

from vigia.bootstrap.parts import read_all_cameras
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, read_settings
from vigia.cli.tables import add_row, print_table
from vigia.domain.errors import VigiaError
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings
from vigia.infrastructure.i18n import mark, translate, translate_error
from vigia.infrastructure.logging.sinks import console_safe
from vigia.infrastructure.onvif.discovery import Discovered, discover
from vigia.infrastructure.onvif.reply import OnvifDevice, host_of

SecondsOption = Annotated[
    float, typer.Option("--seconds", min=0.5, max=120.0, help="How long answers are listened for.")
]


def discover_cameras(
    *,
    seconds: SecondsOption = 5.0,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
) -> int:
    """Find ONVIF cameras on the networks of this machine, and say which of them vigia knows."""
    settings, clock = read_settings(config, env_file=env_file), SystemClock()
    found = discover(seconds=seconds, clock=clock)
    known = _known_hosts(settings)
    if as_json:
        typer.echo(json.dumps([_as_dict(device, known) for device in found.devices], ensure_ascii=False))
        return 0
    if found.devices:
        print_table(_table(found.devices, known))
    _tell_end(found, seconds)
    return 0


def _known_hosts(settings: Settings) -> Mapping[str, Sequence[str]]:
    """Ids of the cameras at each host: of the configuration, and of FindFace where it can be asked."""
    urls = {camera.id: camera.url for camera in settings.cameras}
    if settings.reads_findface_cameras and settings.findface.url and settings.findface.user:
        try:
            urls |= {camera.id: camera.url for camera in read_all_cameras(settings, clock=SystemClock())}
        except VigiaError as error:
            _tell(translate("FindFace's cameras are not known here: %(why)s") % {"why": translate_error(error)})
    hosts: dict[str, list[str]] = defaultdict(list)
    for camera_id, url in urls.items():
        if host := host_of(url):
            hosts[host].append(camera_id)
    return hosts


def _ids(device: OnvifDevice, known: Mapping[str, Sequence[str]]) -> list[str]:
    return sorted({camera_id for host in device.hosts for camera_id in known.get(host, ())})


def _table(devices: Sequence[OnvifDevice], known: Mapping[str, Sequence[str]]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for title in (mark("address"), mark("name"), mark("hardware"), mark("location"), mark("known as"), "ONVIF"):
        table.add_column(translate(title))
    for device in devices:
        row = (
            ", ".join(device.addresses),
            device.name,
            device.hardware,
            device.location,
            ", ".join(_ids(device, known)) or "-",
            " ".join(device.xaddrs),
        )
        add_row(table, row)
    return table


def _tell_end(found: Discovered, seconds: float) -> None:
    facts = {"count": len(found.devices), "seconds": seconds, "networks": ", ".join(found.interfaces)}
    _tell(translate("%(count)d devices answered within %(seconds)g s on %(networks)s") % facts)
    if found.ignored:
        _tell(translate("%(count)d answers could not be read") % {"count": found.ignored})


def _as_dict(device: OnvifDevice, known: Mapping[str, Sequence[str]]) -> dict[str, object]:
    return {
        "endpoint": device.endpoint,
        "addresses": list(device.addresses),
        "name": device.name,
        "hardware": device.hardware,
        "location": device.location,
        "xaddrs": list(device.xaddrs),
        "known_as": _ids(device, known),
    }


def _tell(text: str) -> None:
    typer.echo(console_safe(text), err=True)
