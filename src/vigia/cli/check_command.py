"""``vigia check``: can a run work as configured? One line per point, and what to do where it cannot."""

import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from vigia.application.errors import ApplicationError, ConfigurationError
from vigia.bootstrap import detector_factory, findface_client
from vigia.bootstrap.capacity import measure_capacity
from vigia.bootstrap.outbox_choice import probe_outbox
from vigia.bootstrap.parts import WEAK_SHARE, read_all_cameras
from vigia.bootstrap.source_parts import source_options
from vigia.bootstrap.web_entry import check_web
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, read_settings
from vigia.cli.tables import add_row, print_table
from vigia.domain.camera import Camera
from vigia.domain.errors import VigiaError
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings
from vigia.infrastructure.i18n import translate, translate_error
from vigia.infrastructure.video.source import AvFrameSource

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
    *,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
    capacity: Annotated[
        bool, typer.Option("--capacity/--no-capacity", help="Measure for 10 s how many cameras this machine holds.")
    ] = True,
) -> int:
    """Check settings, disk, model, FindFace, every camera and the machine; exit 1 when something would not work."""
    settings = read_settings(config, env_file=env_file)
    findface = _look("FindFace", lambda: _findface(settings))
    findings = [
        Finding(translate("configuration"), ok=True, text=translate("valid")),
        _look(translate("data directory"), lambda: _directory(settings.data_dir)),
        _look(translate("outbox"), lambda: probe_outbox(settings)),
        _look(translate("model"), lambda: detector_factory(settings)().name),
        _look(translate("web server"), lambda: _web(settings)),
        findface,
    ]
    try:
        cameras = [camera for camera in read_all_cameras(settings, clock=SystemClock()) if camera.active]
    except VigiaError as error:
        why = translate_error(error)
        text = translate("not known without FindFace") if why == findface.text else why  # told once, not twice
        findings.append(Finding(translate("cameras"), ok=False, text=text))
    else:
        looks = [_look(camera.name, lambda camera=camera: _camera(settings, camera)) for camera in cameras]  # type: ignore[misc]
        findings += looks
        working = [camera for camera, look in zip(cameras, looks, strict=True) if look.ok]
        if capacity and working:
            findings.append(_look(translate("capacity"), lambda: _capacity(settings, working)))
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


def _web(settings: Settings) -> str:
    """How the web server will listen; an error where others could read passwords on their way."""
    web = settings.web
    if not web.enabled:
        return translate("switched off")
    check_web(settings)
    if web.exposed:
        raise ConfigurationError(
            "the web server listens on %(host)s without TLS: passwords and faces travel in clear; "
            "set web.tls_cert and web.tls_key, or web.host: 127.0.0.1",
            host=web.host,
        )
    scheme = "HTTPS" if web.tls else "HTTP"
    if web.is_local:
        return translate("%(scheme)s, only this machine") % {"scheme": scheme}
    return translate("%(scheme)s, listens on %(host)s") % {"scheme": scheme, "host": web.host}


def _camera(settings: Settings, camera: Camera) -> str:
    source = AvFrameSource(
        camera,
        clock=SystemClock(),
        options=source_options(settings, camera),
    )
    with contextlib.closing(source):
        stream = source.open()
        next(source.packets())
    return f"{stream.codec} {stream.width}x{stream.height} {stream.fps:.0f} fps"


def _capacity(settings: Settings, cameras: Sequence[Camera]) -> str:
    """How many such cameras this machine holds; an error when it is asked for more."""
    found = measure_capacity(settings, cameras, detector_factory(settings, weak_share=WEAK_SHARE), clock=SystemClock())
    if found is None:
        raise ApplicationError("no camera delivered anything to measure")
    chosen = settings.detector
    k_last = chosen.cadence_k_max if chosen.cadence_k == "auto" else chosen.cadence_k
    if len(cameras) > found.cameras(k_last):
        raise ApplicationError(
            "about %(room)d cameras like these with detection on every %(k)d frames; there are %(count)d: "
            "some of their frames will be skipped",
            room=found.cameras(k_last),
            k=k_last,
            count=len(cameras),
        )
    rooms = ", ".join(f"{found.cameras(k)} (k={k})" for k in sorted({1, min(3, k_last), k_last}))
    return translate("room for about %(rooms)s cameras like these at %(fps).0f fps; there are %(count)d") % {
        "rooms": rooms,
        "fps": found.fps,
        "count": len(cameras),
    }


def _show(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
        return
    table = Table(box=None, padding=(0, 2), show_header=False)
    for finding in findings:
        row = ("✓" if finding.ok else "✗", finding.point, finding.text)
        add_row(table, row, style=None if finding.ok else "red")
    print_table(table)
