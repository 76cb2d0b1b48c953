"""``vigia demo``: the main job on an embedded default. Eight demo cameras, the FindFace stand-in, everything real."""

import contextlib
import json
import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from vigia.application.errors import ConfigurationError
from vigia.bootstrap import RunOptions
from vigia.cli.options import JsonOption, SetOption, parse_overrides
from vigia.cli.progress import RichProgress
from vigia.cli.run_command import DurationOption, run_system
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.demo import DemoClip, DemoSpec, generate_clips, load_truth
from vigia.infrastructure.i18n import set_language, translate
from vigia.infrastructure.process.child import ChildProcess

GROUP_ID = 1
GROUP_NAME = "vigia demo"
FIRST_CAMERA_ID = 1
READY_TIMEOUT_S = 60.0
USER = "vigia"


def demo(
    *,
    duration: DurationOption = None,
    as_json: JsonOption = False,
    overrides: SetOption = None,
    data_dir: Annotated[Path, typer.Option("--data", help="Where the demo keeps its data.")] = Path("data/demo"),
    cameras: Annotated[int, typer.Option("--cameras", min=1, max=64, help="How many demo cameras.")] = 8,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of the stand-in; 0 takes a free one.")] = 0,
) -> int:
    """Run everything on this machine: demo cameras, a FindFace stand-in, the whole chain in between."""
    settings = _settings(data_dir, {}, overrides)
    set_language(settings.language)
    clips = generate_clips(DemoSpec(count=cameras), _cache_directory(settings), RichProgress())
    password = secrets.token_urlsafe(12)
    with _stand_in(clips, data_dir=data_dir, password=password, port=port) as url:
        typer.echo(translate("FindFace stand-in: %(url)s") % {"url": url}, err=True)
        account = {"findface.url": url, "findface.user": USER, "findface.password": password}
        options = RunOptions(
            duration_s=duration,
            loop_files=True,
            allow_file_cameras=True,
            web=True,
            truths={clip.camera_name: load_truth(clip.truth_path) for clip in clips},
        )
        return run_system(_settings(data_dir, account, overrides), options, as_json=as_json)


def _settings(data_dir: Path, account: dict[str, str], overrides: list[str] | None) -> Settings:
    """The defaults, the environment's ``VIGIA_…`` and the given overrides; no configuration file."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FINDFACE_")}
    own = {"data_dir": str(data_dir), "findface.group_prefix": GROUP_NAME, **account}
    empty = data_dir / "demo.yaml"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        empty.write_text("# The demo runs on the defaults.\n{}\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            "%(directory)s cannot be written: %(why)s", directory=data_dir, why=error.strerror or type(error).__name__
        ) from error
    return load_settings(empty, env_file=None, environ=environ, overrides={**own, **parse_overrides(overrides)})


def _cache_directory(settings: Settings) -> Path:
    return settings.models_directory().parent / "demo"


@contextlib.contextmanager
def _stand_in(clips: Sequence[DemoClip], *, data_dir: Path, password: str, port: int) -> Iterator[str]:
    """The stand-in in a process of its own; yields its address."""
    seed = data_dir / "findface-seed.json"
    cameras = [
        {"id": FIRST_CAMERA_ID + n, "name": clip.camera_name, "group": GROUP_ID, "url": clip.path.absolute().as_uri()}
        for n, clip in enumerate(clips)
    ]
    document = {
        "user": USER,
        "password": password,
        "groups": [{"id": GROUP_ID, "name": GROUP_NAME}],
        "cameras": cameras,
    }
    seed.unlink(missing_ok=True)
    seed.touch(mode=0o600)
    seed.write_text(json.dumps(document), encoding="utf-8")
    arguments = [sys.executable, "-m", "vigia", "findface-stub", "--with-parent", "--seed", str(seed)]
    arguments += ["--data", str(data_dir / "findface"), "--port", str(port)]
    child = ChildProcess(arguments, log_path=data_dir / "logs" / "findface-stub.log", clock=SystemClock())
    try:
        line = child.wait_ready(timeout_s=READY_TIMEOUT_S)
        yield line.rsplit(" ", 1)[-1]
    finally:
        child.stop()
