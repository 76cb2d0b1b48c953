"""``vigia check``: can a run work as configured? One line per point, and what to do where it cannot."""

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.table import Table

from vigia.application.errors import ApplicationError, ConfigurationError
from vigia.bootstrap import detector_factory, findface_client
from vigia.cli.cameras_command import read_cameras
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, read_settings
from vigia.cli.tables import add_row, print_table
from vigia.domain.camera import Camera
from vigia.domain.errors import VigiaError
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings
from vigia.infrastructure.i18n import translate, translate_error
from vigia.infrastructure.video.source import AvFrameSource, SourceOptions

EXIT_FAILED = 1
FREE_BYTES_MIN = 1_000_000_000
"""Less than this is room for a few thousand waiting captures only."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One point that was looked at."""

    point: str
    ok: bool
    text: str


def check(
    *, config: ConfigOption = None, env_file: EnvFileOption = DEFAULT_ENV_FILE, as_json: JsonOption = False
) -> int:
    """Check configuration, disk, model, FindFace and every camera; exit 1 when something would not work."""
    settings = read_settings(config, env_file=env_file)
    findface = _look("FindFace", lambda: _findface(settings))
    findings = [
        Finding(translate("configuration"), ok=True, text=translate("valid")),
        _look(translate("data directory"), lambda: _directory(settings.data_dir)),
        _look(translate("model"), lambda: detector_factory(settings)().name),
        findface,
    ]
    try:
        cameras = read_cameras(settings)
    except VigiaError as error:
        why = translate_error(error)
        text = translate("not known without FindFace") if why == findface.text else why  # told once, not twice
        findings.append(Finding(translate("cameras"), ok=False, text=text))
    else:
        findings += [_look(camera.name, lambda camera=camera: _camera(settings, camera)) for camera in cameras]  # type: ignore[misc]
    _show(findings, as_json=as_json)
    return 0 if all(finding.ok for finding in findings) else EXIT_FAILED


def _look(point: str, probe: Callable[[], str]) -> Finding:
    try:
        return Finding(point, ok=True, text=probe())
    except VigiaError as error:
        return Finding(point, ok=False, text=translate_error(error))


def _directory(path: Path) -> str:
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".vigia-check"
        probe.write_bytes(b"vigia")
        probe.unlink()
        free_bytes = shutil.disk_usage(path).free
    except OSError as error:
        raise ConfigurationError(
            "%(directory)s cannot be written: %(why)s", directory=path, why=error.strerror or type(error).__name__
        ) from error
    if free_bytes < FREE_BYTES_MIN:
        raise ApplicationError("only %(free).1f GB are free in %(directory)s", free=free_bytes / 1e9, directory=path)
    return translate("%(free).0f GB free") % {"free": free_bytes / 1e9}


def _findface(settings: Settings) -> str:
    with contextlib.closing(findface_client(settings, clock=SystemClock())) as client:
        client.login()
        client.logout()
    return translate("log-in works")


def _camera(settings: Settings, camera: Camera) -> str:
    source = AvFrameSource(
        camera,
        clock=SystemClock(),
        options=SourceOptions(
            open_timeout_s=settings.source.open_timeout_s,
            read_timeout_s=settings.source.read_timeout_s,
            rtsp_transport=settings.source.rtsp_transport,
        ),
    )
    with contextlib.closing(source):
        stream = source.open()
        next(source.packets())
    return f"{stream.codec} {stream.width}x{stream.height} {stream.fps:.0f} fps"


def _show(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
        return
    table = Table(box=None, padding=(0, 2), show_header=False)
    for finding in findings:
        row = ("✓" if finding.ok else "✗", finding.point, finding.text)
        add_row(table, row, style=None if finding.ok else "red")
    print_table(table)
