"""The one camera that a command is about: named by its id, or by its URL."""

import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer
from pydantic_core import PydanticCustomError

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.parts import read_all_cameras
from vigia.cli.cameras_show import find_camera
from vigia.domain.camera import Camera, CameraId, redact_url
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.camera_url import check_camera_url
from vigia.infrastructure.i18n import translate

TargetArgument = Annotated[
    str, typer.Argument(metavar="ID|URL|-", help="A camera's id, a URL as in cameras:, or - for one from input.")
]
TRANSPORTS = ("tcp", "udp")
TransportOption = Annotated[
    str | None, typer.Option("--transport", help="How RTSP carries its packets, tcp or udp; else as it is set.")
]
STDIN = "-"
LINE_MAX = 8192
UNNAMED = "camera"
"""Stands for a URL without a host."""


def target_camera(settings: Settings, text: str) -> Camera:
    """The camera that ``text`` names. FindFace is asked only for an id that the configuration does not have.

    ``-`` reads a URL from standard input: what stands in the command line can be seen by every user of the machine.

    Raises:
        ConfigurationError: there is no such camera, or the URL is none that a camera may have.
    """
    if text == STDIN:
        return _camera_at(sys.stdin.readline(LINE_MAX))
    own = settings.model_copy(update={"camera_list": "config"})
    for camera in read_all_cameras(own, clock=SystemClock()):
        if camera.id == text:
            return camera
    if _is_address(text):
        if redact_url(text) != text:
            typer.echo(
                translate(
                    "Every user of this machine can see the URL's password while this runs; - reads it from input."
                ),
                err=True,
            )
        return _camera_at(text)
    return find_camera(read_all_cameras(settings, clock=SystemClock()), text)


def _camera_at(text: str) -> Camera:
    url = checked_url(text)
    name = _name_of(url)
    return Camera(CameraId(name), name, url)


def checked_url(text: str) -> str:
    """The URL, by the rules of the configuration.

    Raises:
        ConfigurationError: what is wrong; never the URL itself, which may hold a password.
    """
    try:
        return check_camera_url(text)
    except PydanticCustomError as error:
        problem = (error.context or {})["problem"]("URL")
    if not isinstance(problem, ConfigurationError):
        raise TypeError(type(problem).__name__)
    raise problem


def checked_transport(text: str | None) -> str | None:
    """``--transport``. Raises ConfigurationError."""
    if text is None or text.lower() in TRANSPORTS:
        return None if text is None else text.lower()
    raise ConfigurationError("--transport is one of %(choices)s", choices=", ".join(TRANSPORTS))


def _is_address(text: str) -> bool:
    return "://" in text or text.startswith(("/", "~", ".", "webcam:")) or Path(text).is_file()


def _name_of(url: str) -> str:
    """A short name for files and tables: the host, or the file's name."""
    if "://" in url:
        try:
            return urlsplit(url).hostname or UNNAMED
        except ValueError:
            return UNNAMED
    return Path(url.replace("webcam:", "webcam-")).stem or UNNAMED
