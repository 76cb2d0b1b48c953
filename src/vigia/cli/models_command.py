"""``vigia models list|pull|prepare``."""

import json
from typing import Annotated

import typer
from rich.table import Table

from vigia.application.errors import ModelUnavailable
from vigia.cli.options import ConfigOption, JsonOption, read_settings
from vigia.cli.tables import add_row, print_table
from vigia.infrastructure.detection.registry import AUTO_PULL, MODELS, ModelSpec
from vigia.infrastructure.detection.store import ModelStatus, ModelStore
from vigia.infrastructure.i18n import mark, translate, translate_error

app = typer.Typer(no_args_is_help=True, help="Face detection models: list, fetch, prepare.")

NameArgument = Annotated[str, typer.Argument(help="Name in the registry, or all.")]


def _store(config: ConfigOption) -> ModelStore:
    return ModelStore(read_settings(config).models_directory())


@app.command("list")
def list_models(*, config: ConfigOption = None, as_json: JsonOption = False) -> int:
    """Show every model and whether its weights are here."""
    store = _store(config)
    statuses = store.statuses()
    if as_json:
        typer.echo(json.dumps([_as_dict(status) for status in statuses]))
        return 0
    table = Table(box=None, padding=(0, 2))
    for title in (mark("model"), mark("licence"), mark("smallest face"), mark("state")):
        table.add_column(translate(title))
    for status in statuses:
        spec = status.spec
        add_row(table, (spec.name, spec.licence, f"{spec.floor_px:.0f} px", _state(store, status)))
    print_table(table)
    return 0


def _state(store: ModelStore, status: ModelStatus) -> str:
    """Whether a model is here; if not, what to do, in the language in use (``problem`` is English, for JSON)."""
    if status.path is None:
        try:
            store.resolve(status.spec.name)
        except ModelUnavailable as error:
            return translate_error(error)
    return translate("here")


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
        "problem": "" if status.problem is None else str(status.problem),
    }
