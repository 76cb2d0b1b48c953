"""``vigia cameras show ID``: every setting of one camera, and who says what it is."""

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from rich.table import Table

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.parts import read_all_cameras
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, read_settings
from vigia.cli.tables import add_row, print_table
from vigia.domain.camera import Camera
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, setting_places
from vigia.infrastructure.config.camera_overrides import EffectiveSetting, SettingOrigin, effective_settings
from vigia.infrastructure.config.own_settings import OwnValue
from vigia.infrastructure.i18n import mark, translate

KNOWN_MAX = 10
"""So many ids are named when none is near to the one that was asked for."""
ORIGINS: dict[SettingOrigin, str] = {
    SettingOrigin.DEFAULT: mark("default"),
    SettingOrigin.CONFIGURATION: mark("all cameras"),
    SettingOrigin.GROUP: mark("group %(group)s"),
    SettingOrigin.FINDFACE: "FindFace",
    SettingOrigin.CAMERA: mark("this camera"),
}
"""Who says so, as a person reads it."""

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The camera's id, as vigia cameras list shows it.")]


def show_camera(
    camera_id: IdArgument,
    *,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
) -> int:
    """Show one camera: every setting that counts for it, and where it comes from."""
    settings = read_settings(config, env_file=env_file)
    camera = find_camera(read_all_cameras(settings, clock=SystemClock()), camera_id)
    shown = effective_settings(settings, camera, places=setting_places(config, env_file=env_file))
    if as_json:
        document = _described(camera) | {"settings": [_as_dict(setting) for setting in shown]}
        typer.echo(json.dumps(document, ensure_ascii=False))
        return 0
    about = Table(box=None, padding=(0, 2), show_header=False)
    number = "-" if camera.findface_id is None else str(camera.findface_id)
    for label, value in (
        (translate("id"), camera.id),
        (translate("name"), camera.name),
        (translate("group"), camera.group or "-"),
        ("FindFace", number),
        ("URL", camera.url_redacted or "-"),
        (translate("watched"), translate("yes") if camera.active else translate("no")),
    ):
        add_row(about, (label, value))
    print_table(about)
    table = Table(box=None, padding=(0, 2))
    for title in (mark("setting"), mark("value"), mark("from"), mark("vigia's key")):
        table.add_column(translate(title))
    for setting in shown:
        style = None if setting.origin is SettingOrigin.DEFAULT else "bold"
        add_row(table, (setting.name, _told_value(setting.value), told_origin(setting), setting.key), style=style)
    print_table(table)
    return 0


def find_camera(cameras: Sequence[Camera], camera_id: str) -> Camera:
    """The camera of this id.

    Raises:
        ConfigurationError: there is none; names those that were probably meant.
    """
    for camera in cameras:
        if camera.id == camera_id:
            return camera
    if not cameras:
        raise ConfigurationError("there is no camera %(id)s: the list is empty", id=camera_id)
    called = {word.casefold(): camera.id for camera in cameras for word in (camera.name, camera.id)}
    near = [called[word] for word in get_close_matches(camera_id.casefold(), called, n=3)]
    if near:
        nearest = ", ".join(dict.fromkeys(near))
        raise ConfigurationError("there is no camera %(id)s; did you mean %(nearest)s?", id=camera_id, nearest=nearest)
    known = ", ".join(camera.id for camera in cameras[:KNOWN_MAX])
    raise ConfigurationError(
        "there is no camera %(id)s; there are %(known)s",
        id=camera_id,
        known=known if len(cameras) <= KNOWN_MAX else f"{known}, …",
    )


def told_origin(setting: EffectiveSetting) -> str:
    """Who says so, and where that is written when it is known."""
    told, place = translate(ORIGINS[setting.origin]), setting.place
    if setting.origin is SettingOrigin.GROUP:
        told %= {"group": setting.detail}
    if place is not None and place.file:
        where = translate("%(file)s, line %(line)d") % {"file": place.file, "line": place.line}
        return f"{told} ({where})"
    return f"{told} ({place.variable})" if place is not None and place.variable else told


def _told_value(value: OwnValue) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.10g}" if isinstance(value, float) else str(value) or "-"


def _described(camera: Camera) -> dict[str, Any]:
    return {
        "id": camera.id,
        "name": camera.name,
        "group": camera.group,
        "findface_id": camera.findface_id,
        "url": camera.url_redacted,
        "active": camera.active,
    }


def _as_dict(setting: EffectiveSetting) -> dict[str, Any]:
    place = setting.place
    return {
        "name": setting.name,
        "value": setting.value,
        "from": setting.origin.value,
        "group": setting.detail or None,
        "file": None if place is None else place.file or None,
        "line": None if place is None else place.line or None,
        "variable": None if place is None else place.variable or None,
        "key": setting.key,
    }
