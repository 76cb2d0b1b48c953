"""``vigia run``: the main job, until Ctrl+C or ``--duration``."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer

from vigia.application.run_report import RunFacts
from vigia.bootstrap import RunOptions, System, running_logger
from vigia.bootstrap.web_entry import first_password
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, SetOption, parse_overrides, read_settings
from vigia.cli.status_view import StatusView, print_json, print_summary
from vigia.cli.web_command import tell_first_password
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings
from vigia.infrastructure.config.reloading import SettingsFiles
from vigia.infrastructure.i18n import translate

EXIT_FAILED = 1
EXIT_KILLED = 130
STDERR = 2

DurationOption = Annotated[
    float | None, typer.Option("--duration", min=1.0, help="Stop by itself after so many seconds and print a summary.")
]


def run(
    *,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    duration: DurationOption = None,
    as_json: JsonOption = False,
    overrides: SetOption = None,
    loop_files: Annotated[bool, typer.Option("--loop-files", help="Files start over at their end.")] = False,
) -> int:
    """Watch the cameras, and deliver the best shot of each passage to FindFace."""
    settings = read_settings(config, env_file=env_file, overrides=overrides)
    files = SettingsFiles(config, env_file=env_file, overrides=parse_overrides(overrides))
    options = RunOptions(duration_s=duration, loop_files=loop_files, files=files, web=True)
    return run_system(settings, options, as_json=as_json)


def run_system(settings: Settings, options: RunOptions, *, as_json: bool) -> int:
    """Run one system with its logger, signals and status; return the exit code."""
    clock = SystemClock()
    has_screen = os.isatty(STDERR)
    if options.web and (first := first_password(settings, clock=clock, has_screen=has_screen)) is not None:
        tell_first_password(first)
    with running_logger(settings, clock=clock):
        view = StatusView()
        system = System(settings, options, clock=clock, on_status=view.update)
        with _signals(system), view:
            facts = system.run()
    return finish(facts, as_json=as_json)


def finish(facts: RunFacts | None, *, as_json: bool) -> int:
    """Print what a run came to; return the exit code."""
    if facts is None:
        typer.echo(translate("Stopped before it could start."), err=True)
        return EXIT_FAILED
    if as_json:
        print_json(facts)
    else:
        print_summary(facts)
    return EXIT_FAILED if facts.survivors else 0


@contextmanager
def _signals(system: System) -> Iterator[None]:
    """The first SIGINT or SIGTERM asks for a clean stop, the second ends the process at once.

    SIGHUP has the settings' files read again; when it came because the terminal is gone, it asks for a stop.
    """
    has_terminal = os.isatty(STDERR)

    def handle(_number: int, _frame: FrameType | None) -> None:
        if system.stopping:
            os._exit(EXIT_KILLED)
        system.request_stop()
        sys.stderr.write("\n" + translate("Stopping… press Ctrl+C again to end at once.") + "\n")

    def reread(_number: int, _frame: FrameType | None) -> None:
        if has_terminal and not os.isatty(STDERR):
            system.request_stop()
        else:
            system.request_reload()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, reread)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
