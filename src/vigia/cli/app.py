"""The commands put together, and the one place where an error becomes a line and an exit code."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console

from vigia import __version__
from vigia.application.errors import ConfigurationError
from vigia.cli import (
    bench_command,
    cameras_command,
    check_command,
    demo_command,
    models_command,
    outbox_command,
    process_command,
    run_command,
    settings_command,
    stub_command,
    track_command,
    web_command,
)
from vigia.domain.errors import VigiaError
from vigia.infrastructure.i18n import set_language, translate, translate_error
from vigia.infrastructure.logging.sinks import console_safe

EXIT_FAILED = 1
EXIT_USAGE = 2


def _exit_with(code: int | None, **_parameters: object) -> None:
    """A command's return value is the exit code."""
    raise typer.Exit(code or 0)


app = typer.Typer(
    name="vigia",
    result_callback=_exit_with,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Watches many cameras, finds every face and delivers the best shot of each passage to FindFace Multi.",
)
app.command("run")(run_command.run)
app.command("demo")(demo_command.demo)
app.command("check")(check_command.check)
app.command("process")(process_command.process)
app.command("track")(track_command.track)
app.command("bench")(bench_command.bench)
app.command("findface-stub")(stub_command.findface_stub)
app.add_typer(cameras_command.app, name="cameras")
app.add_typer(models_command.app, name="models")
app.add_typer(outbox_command.app, name="outbox")
app.add_typer(settings_command.app, name="settings")
app.add_typer(web_command.app, name="web")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vigia {__version__}")
        raise typer.Exit


@app.callback()
def _vigia(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options that every command shares."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    _language_from_environment()
    try:
        app(args=None if arguments is None else list(arguments), prog_name="vigia")
    except SystemExit as ended:  # typer tells usage errors itself and ends with 2
        return ended.code if isinstance(ended.code, int) else EXIT_FAILED
    except ConfigurationError as error:
        _tell(error)
        return EXIT_USAGE
    except VigiaError as error:
        _tell(error)
        return EXIT_FAILED
    return 0


def _language_from_environment() -> None:
    """Until the settings are read: what the operator said in VIGIA_LANGUAGE, else Portuguese."""
    wanted = os.environ.get("VIGIA_LANGUAGE", "pt_BR")
    set_language(wanted if wanted in {"pt_BR", "en", "auto"} else "pt_BR")


def _tell(error: VigiaError) -> None:
    label = translate("Error")
    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)
    for line in translate_error(error).splitlines():
        console.print(f"{label}: {console_safe(line)}", style="red" if sys.stderr.isatty() else None)
