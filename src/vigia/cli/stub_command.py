"""``vigia findface-stub``: the FindFace stand-in, a server of its own."""

from pathlib import Path
from typing import Annotated

import typer

from vigia.application.errors import ConfigurationError
from vigia.cli.options import ConfigOption, read_settings
from vigia.infrastructure.i18n import translate
from vigia.infrastructure.process.parent import end_with_parent


def findface_stub(
    *,
    seed: Annotated[Path, typer.Option("--seed", help="YAML or JSON file: user, password, groups, cameras.")],
    faults: Annotated[
        Path | None, typer.Option("--faults", help="YAML file of what shall go wrong: see docs/faults.md.")
    ] = None,
    data_dir: Annotated[Path | None, typer.Option("--data", help="Where it keeps what it receives.")] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes a free one.")] = 8800,
    with_parent: Annotated[
        bool, typer.Option("--with-parent", hidden=True, help="End when the process that started it has ended.")
    ] = False,
    config: ConfigOption = None,
) -> int:
    """Run a stand-in for FindFace Multi: it takes events, looks for a face in each, and shows them on a page."""
    try:
        from vigia.testing.findface_stub import (  # noqa: PLC0415 - needs an optional extra
            load_scenario,
            load_settings,
            run_stub,
        )
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "the FindFace stand-in needs %(package)s: install vigia[stub]", package=error.name or "?"
        ) from error
    settings = read_settings(config)
    stub_settings = load_settings(seed, data_dir=data_dir)
    scenario = None if faults is None else load_scenario(faults)

    def ready(real_port: int) -> None:
        typer.echo(translate("FindFace stand-in: %(url)s") % {"url": f"http://{host}:{real_port}/"})

    if with_parent:
        end_with_parent()
    from vigia.bootstrap.stub_detector import face_finder  # noqa: PLC0415 - loads a model

    run_stub(stub_settings, host=host, port=port, find_faces=face_finder(settings), faults=scenario, ready=ready)
    return 0
