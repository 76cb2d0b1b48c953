"""``vigia models list|pull|prepare``."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vigia.application.errors import ModelUnavailable
from vigia.cli.options import ConfigOption, JsonOption, read_settings
from vigia.infrastructure.detection.registry import AUTO_PULL, MODELS, ModelSpec
from vigia.infrastructure.detection.store import ModelStatus, ModelStore
from vigia.infrastructure.i18n import mark, translate

app = typer.Typer(no_args_is_help=True, help="Face detection models: list, fetch, prepare.")

NameArgument = Annotated[str, typer.Argument(help="Name in the registry, or all.")]


def _store(config: ConfigOption) -> ModelStore:
    return ModelStore(read_settings(config).models_directory())


@app.command("list")
def list_models(*, config: ConfigOption = None, as_json: JsonOption = False) -> int:
    """Show every model and whether its weights are here."""
    statuses = _store(config).statuses()
    if as_json:
        typer.echo(json.dumps([_as_dict(status) for status in statuses]))
        return 0
    table = Table(box=None, padding=(0, 2))
    for title in (mark("model"), mark("licence"), mark("smallest face"), mark("state")):
        table.add_column(translate(title))
    for status in statuses:
        state = translate("here") if status.path is not None else status.problem
        table.add_row(status.spec.name, status.spec.licence, f"{status.spec.floor_px:.0f} px", state)
    Console().print(table)
    return 0


@app.command("pull")
def pull(name: NameArgument = AUTO_PULL, *, config: ConfigOption = None) -> int:
    """Fetch weights from their public address and check their hash."""
    store = _store(config)
    for spec in _chosen(name):
        typer.echo(f"{spec.name}: {store.pull(spec)}")
    return 0


@app.command("prepare")
def prepare(name: NameArgument = "all", *, config: ConfigOption = None) -> int:
    """Make the cached graphs that a first run would make."""
    store = _store(config)
    for spec in _chosen(name):
        if spec.prepared:
            typer.echo(f"{spec.name}: {store.prepared(spec)}")
        else:
            typer.echo(f"{spec.name}: {translate('needs no preparation')}")
    return 0


def _chosen(name: str) -> list[ModelSpec]:
    if name == "all":
        return list(MODELS.values())
    if name not in MODELS:
        raise ModelUnavailable(
            "there is no model %(model)s; choose auto, %(names)s", model=name, names=", ".join(MODELS)
        )
    return [MODELS[name]]


def _as_dict(status: ModelStatus) -> dict[str, object]:
    spec = status.spec
    return {
        "name": spec.name,
        "licence": spec.licence,
        "sha256": spec.sha256,
        "floor_px": spec.floor_px,
        "path": None if status.path is None else str(status.path),
        "problem": status.problem,
    }
