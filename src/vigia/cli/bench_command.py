"""``vigia bench``: measure what is claimed, beside the designs and libraries that it is claimed against."""

import importlib.util
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vigia.application.errors import ConfigurationError
from vigia.cli.options import JsonOption
from vigia.cli.progress import RichProgress
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import generate_clips
from vigia.infrastructure.i18n import translate

if TYPE_CHECKING:
    from vigia.bench.context import BenchContext
    from vigia.bench.registry import BenchEntry
    from vigia.bench.report import Outcome

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
NEEDED = ("cv2", "loguru", "matplotlib", "skimage", "starlette", "structlog", "trustme", "uvicorn")
"""Modules of the optional extra."""
NEEDED_UNTIL_3_13 = "picologging"
"""Not to be had for later versions."""
TRACKING = "tracking"
NEEDED_FOR_TRACKING = ("motpy", "norfair", "supervision", "trackers", "trackeval")
"""Modules of the trackers that it measures. No extra: what they ask for does not go together with the rest of vigia."""
TRACKING_REQUIREMENTS = "requirements/tracking-peers.txt"


def bench(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Which; all by default.")] = None,
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Short runs and few repeats: a first look.")] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder for tables, JSON and plots.")] = Path("bench-results"),
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Folder with model files beside the models directory.")
    ] = None,
    tracks: Annotated[
        Path | None, typer.Option("--tracks", help="Folder with sequences for trackers: NAME/det.txt, NAME/gt.txt.")
    ] = None,
    gallery: Annotated[
        bool, typer.Option("--gallery", help="Only write gallery.html: chosen shots beside all their candidates.")
    ] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Show which benchmarks there are and exit.")] = False,
    as_json: JsonOption = False,
) -> int:
    """Run the benchmarks, each in a process of its own; the last table holds every promise."""
    # Imported here and not above: no other command needs any of it.
    from vigia.bench.context import BenchContext  # noqa: PLC0415 - see the line above
    from vigia.bench.runner import chosen_benches  # noqa: PLC0415 - see the line above

    entries = chosen_benches(names or [], apart=show_list)
    if show_list:
        _list(entries, as_json=as_json)
        return 0
    _require_extra(entries)
    for folder in (weights, tracks):
        if folder is not None and not folder.is_dir():
            raise ConfigurationError("%(directory)s is not a directory", directory=folder)
    _make_folder(out)
    if gallery:
        _gallery(entries, out=out, weights=weights)
        return 0
    try:
        context = BenchContext(out, quick=quick, weights=weights, tracks=tracks)
        outcomes = _run(entries, context, as_json=as_json)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if any(outcome.failure for outcome in outcomes) else 0


def _run(entries: "Sequence[BenchEntry]", context: "BenchContext", *, as_json: bool) -> "list[Outcome]":
    from vigia.bench.machine import machine_facts  # noqa: PLC0415 - see bench()
    from vigia.bench.report import (  # noqa: PLC0415 - see bench()
        outcome_text,
        summary_json,
        summary_text,
        write_outcome,
        write_summary,
    )
    from vigia.bench.runner import WITHOUT_CLIPS, BenchRunner  # noqa: PLC0415 - see bench()

    if any(entry.name not in WITHOUT_CLIPS for entry in entries):
        _draw_clips(context)
    out = context.out
    machine = machine_facts()
    runner = BenchRunner(context, SystemClock())
    outcomes: list[Outcome] = []
    for number, entry in enumerate(entries, 1):
        place = f"[{number}/{len(entries)}] {entry.name}"
        _tell(f"{place}: {entry.what}")

        def running(elapsed_s: float, place: str = place) -> None:
            _tell(translate("%(bench)s: running for %(elapsed).0f s") % {"bench": place, "elapsed": elapsed_s})

        outcome = write_outcome(runner.run(entry, running), out)
        outcomes.append(outcome)
        write_summary(outcomes, machine, out)  # after each one: what was measured outlives an interruption
        if not as_json:
            typer.echo(outcome_text(outcome))
        done = (
            translate("%(bench)s: failed after %(elapsed).0f s")
            if outcome.failure
            else translate("%(bench)s: done in %(elapsed).0f s")
        )
        _tell(done % {"bench": place, "elapsed": outcome.elapsed_s})
    if as_json:
        typer.echo(json.dumps(summary_json(outcomes, machine), ensure_ascii=False))
    else:
        typer.echo(summary_text(outcomes, machine))
    _tell(translate("Tables, JSON and plots are in %(directory)s") % {"directory": out})
    return outcomes


def _gallery(entries: "Sequence[BenchEntry]", *, out: Path, weights: Path | None) -> None:
    """Write the page of chosen shots, and nothing else."""
    from vigia.bench.context import BenchContext  # noqa: PLC0415 - see bench()
    from vigia.bench.gallery import write_gallery  # noqa: PLC0415 - see bench()
    from vigia.bench.quality import MIN_FACE_PX, SEED  # noqa: PLC0415 - see bench()

    if "quality" not in {entry.name for entry in entries}:
        raise ConfigurationError("--gallery belongs to the benchmark quality: vigia bench quality --gallery")
    page = out / "gallery.html"
    with tempfile.TemporaryDirectory(prefix="vigia-bench-") as folder:
        context = BenchContext(Path(folder), weights=weights)
        model = write_gallery(context, page, seed=SEED, min_face_px=MIN_FACE_PX)
    _tell(translate("The chosen shots of %(model)s are in %(path)s") % {"model": model, "path": page})


def _draw_clips(context: "BenchContext") -> None:
    """All clips that any benchmark uses, before the first: drawing takes longer than most of them."""
    from vigia.bench.context import CLIPS, QUICK_CLIPS, clip_spec  # noqa: PLC0415 - see bench()

    with tempfile.TemporaryDirectory(prefix="vigia-bench-") as folder:
        cache = replace(context, out=Path(folder)).settings().models_directory().parent / "demo"
    for height, count in (QUICK_CLIPS if context.quick else CLIPS).items():
        generate_clips(clip_spec(height, count=count), cache, RichProgress())


def _list(entries: "Sequence[BenchEntry]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps([{"name": entry.name, "what": entry.what} for entry in entries], ensure_ascii=False))
        return
    width = max(len(entry.name) for entry in entries)
    for entry in entries:
        typer.echo(f"{entry.name:<{width}}  {entry.what}")


def _require_extra(entries: "Sequence[BenchEntry]") -> None:
    """Tell what is missing before anything has run for minutes."""
    needed = NEEDED if sys.version_info >= (3, 13) else (*NEEDED, NEEDED_UNTIL_3_13)
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            "the benchmarks need %(packages)s: run pip install 'vigia[bench]'", packages=", ".join(missing)
        )
    if any(entry.name == TRACKING for entry in entries):
        missing = [name for name in NEEDED_FOR_TRACKING if importlib.util.find_spec(name) is None]
        if missing:
            raise ConfigurationError(
                "the benchmark tracking needs %(packages)s: run pip install --no-deps -r %(requirements)s",
                packages=", ".join(missing),
                requirements=TRACKING_REQUIREMENTS,
            )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            "%(directory)s cannot be written: %(why)s", directory=path, why=error.strerror or type(error).__name__
        ) from error


def _tell(line: str) -> None:
    """A line of progress: standard output is for tables."""
    typer.echo(line, err=True)
