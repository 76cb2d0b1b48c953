"""``vigia outbox``: what waits, what was refused or given up, and what a person decides about it.

Everything but ``reseal`` works beside a vigia that runs: it goes through the outbox's desk, whose every act names the
state that it expects. ``--json`` prints one object, ``list --json`` an object a line (JSON Lines).
"""

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from vigia.application.errors import ConfigurationError, OutboxUnavailable
from vigia.application.ports import Damage, ManagedOutbox, OutboxEntry, ProgressTask
from vigia.bootstrap.outbox_desk import outbox_desk, reseal_outbox, sealed_by
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, read_settings
from vigia.cli.outbox_export import export_captures
from vigia.cli.outbox_filters import (
    CameraFilter,
    Filters,
    LimitOption,
    NewerFilter,
    OlderFilter,
    StateFilter,
    find,
    in_states,
    matching,
)
from vigia.cli.outbox_view import (
    entry_as_dict,
    print_entries,
    print_entry,
    print_findings,
    print_json,
    print_stats,
    report_as_dict,
    stats_as_dict,
)
from vigia.cli.progress import RichProgress
from vigia.domain.capture import CaptureState
from vigia.domain.errors import TransitionError, VigiaError
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings
from vigia.infrastructure.i18n import mark, translate, translate_error
from vigia.infrastructure.logging.sinks import console_safe

EXIT_FAILED = 1
LISTED = 100
"""Rows of a table without ``--limit``."""
PROGRESS_MIN = 20
"""Fewer captures are done before anybody has read a bar."""
LABELS = (mark("captures put back"), mark("captures removed"), mark("captures exported"), mark("pictures sealed"))
RETRIED = (CaptureState.REFUSED, CaptureState.DEAD)

app = typer.Typer(no_args_is_help=True, help="The captures on disk: what waits, what was refused or given up.")

IdsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Captures; the beginning of an id is enough.")
]


@app.command("stats")
def stats(
    *, config: ConfigOption = None, env_file: EnvFileOption = DEFAULT_ENV_FILE, as_json: JsonOption = False
) -> int:
    """Show how many captures are in which state, how old the oldest is, and what was given up."""
    with _desk(read_settings(config, env_file=env_file)) as desk:
        numbers, tally = desk.stats(), desk.tally()
    if as_json:
        print_json(stats_as_dict(numbers, tally))
    else:
        print_stats(numbers, tally)
    return 0


@app.command("list")
def list_captures(
    *,
    camera: CameraFilter = None,
    state: StateFilter = None,
    older_than: OlderFilter = None,
    newer_than: NewerFilter = None,
    limit: LimitOption = None,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line, all that match.")] = False,
) -> int:
    """List captures, the oldest first: 100 of them, with --limit or --json as many as you like."""
    settings, now_utc = read_settings(config, env_file=env_file), SystemClock().utc()
    most = limit if limit is not None or as_json else LISTED + 1
    filters = Filters.of(
        camera=camera, state=state, older_than=older_than, newer_than=newer_than, limit=most, now_utc=now_utc
    )
    with _desk(settings) as desk:
        if as_json:
            for entry in matching(desk, filters):
                print_json(entry_as_dict(entry))
            return 0
        entries = list(matching(desk, filters))
    more = limit is None and len(entries) > LISTED
    print_entries(entries[:LISTED] if more else entries, now_utc=now_utc)
    if more:
        _tell(translate("There are more: --limit says how many to list, --json lists all."))
    return 0


@app.command("show")
def show(
    capture_id: Annotated[str, typer.Argument(metavar="ID", help="The capture; the beginning of its id is enough.")],
    *,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
) -> int:
    """Show everything about one capture, and where its picture is."""
    with _desk(read_settings(config, env_file=env_file)) as desk:
        (entry,) = find(desk, [capture_id])
    if as_json:
        print_json({**entry_as_dict(entry), "sealed_by": sealed_by(entry) or None})
    else:
        print_entry(entry, now_utc=SystemClock().utc())
    return 0


@app.command("retry")
def retry(  # noqa: PLR0913 - the filters
    ids: IdsArgument = None,
    *,
    camera: CameraFilter = None,
    state: StateFilter = None,
    older_than: OlderFilter = None,
    newer_than: NewerFilter = None,
    limit: LimitOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were refused or given up.")] = False,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
) -> int:
    """Send refused and dead captures again: a vigia that runs takes them at once, else the next one that starts."""
    settings = read_settings(config, env_file=env_file)
    filters = _filters(camera, state, older_than, newer_than, limit)
    _require_choice(ids, filters, everything=everything)
    if state is not None and state not in RETRIED:
        raise ConfigurationError(
            "--state %(state)s: only refused and dead captures can be sent again", state=state.value
        )
    with _desk(settings) as desk:
        chosen = find(desk, ids) if ids else list(in_states(desk, filters, RETRIED))
        bare = 0
        if not ids:  # whoever names one is told why it cannot be sent
            bare = sum(not entry.picture_kept for entry in chosen)
            chosen = [entry for entry in chosen if entry.picture_kept]

        def put_back(entry: OutboxEntry) -> None:
            if entry.state not in RETRIED:
                raise TransitionError(
                    "capture %(id)s is %(state)s: only refused and dead ones can be sent again",
                    id=entry.id,
                    state=entry.state.value,
                )
            desk.put_back(entry.id, expected=entry.state)

        done, failed = _each(chosen, put_back, label="captures put back")
    if as_json:
        print_json({"matched": len(chosen) + bare, "put_back": done, "without_picture": bare, "failed": failed})
    else:
        typer.echo(translate("%(done)d of %(all)d captures put back") % {"done": done, "all": len(chosen)})
        if bare:
            typer.echo(translate("%(count)d more have no picture any more: nothing to send") % {"count": bare})
    return EXIT_FAILED if failed else 0


@app.command("drop")
def drop(  # noqa: PLR0913 - the filters
    ids: IdsArgument = None,
    *,
    camera: CameraFilter = None,
    state: StateFilter = None,
    older_than: OlderFilter = None,
    newer_than: NewerFilter = None,
    limit: LimitOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
) -> int:
    """Remove captures and their pictures for good, by id or by --state and other filters; asks first."""
    settings = read_settings(config, env_file=env_file)
    filters = _filters(camera, state, older_than, newer_than, limit)
    if not ids and state is None:
        raise ConfigurationError("say which captures: ids, or --state with other filters as you like")
    _require_choice(ids, filters, everything=False)
    if state is CaptureState.LEASED:
        raise ConfigurationError("--state leased: these are being sent; they can be removed when that has ended")
    with _desk(settings) as desk:
        chosen = find(desk, ids) if ids else list(matching(desk, filters))
        if chosen and not yes and not _confirmed(chosen):
            return EXIT_FAILED

        def remove(entry: OutboxEntry) -> None:
            if entry.state is CaptureState.LEASED:
                raise TransitionError(
                    "capture %(id)s is being sent; it can be removed when that has ended", id=entry.id
                )
            desk.drop(entry.id, expected=entry.state)

        done, failed = _each(chosen, remove, label="captures removed")
    if as_json:
        print_json({"matched": len(chosen), "dropped": done, "failed": failed})
    else:
        typer.echo(translate("%(done)d of %(all)d captures removed") % {"done": done, "all": len(chosen)})
    return EXIT_FAILED if failed else 0


@app.command("export")
def export(  # noqa: PLR0913 - the filters
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="New or empty; gets captures.jsonl and the pictures.")
    ],
    *,
    camera: CameraFilter = None,
    state: StateFilter = None,
    older_than: OlderFilter = None,
    newer_than: NewerFilter = None,
    limit: LimitOption = None,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
) -> int:
    """Write captures out: a JPEG each, opened with the key where it is sealed, and a JSON line each."""
    settings = read_settings(config, env_file=env_file)
    filters = _filters(camera, state, older_than, newer_than, limit)
    with _desk(settings) as desk:
        chosen = [entry.id for entry in matching(desk, filters)]
        with _progress("captures exported", len(chosen)) as task:
            report = export_captures(
                desk, chosen, folder, as_dict=entry_as_dict, on_capture=task.advance, on_problem=_tell_error
            )
    if as_json:
        print_json(
            {
                "folder": str(folder),
                "captures": report.captures,
                "pictures": report.pictures,
                "without_picture": report.captures - report.pictures - report.failed,
                "failed": report.failed,
            }
        )
    else:
        places = {"captures": report.captures, "pictures": report.pictures, "folder": folder}
        typer.echo(translate("%(captures)d captures, %(pictures)d pictures written to %(folder)s") % places)
    return EXIT_FAILED if report.failed else 0


@app.command("verify")
def verify(
    *,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Put waiting captures without a good picture to dead, remove stray pictures."),
    ] = False,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
) -> int:
    """Read every picture and compare it with what was committed; exit 1 when something is wrong and not repaired."""
    settings = read_settings(config, env_file=env_file)
    with _desk(settings, all_pictures=True) as desk:
        report = desk.verify(repair=repair)
    if as_json:
        print_json(report_as_dict(report))
    else:
        print_findings(report)
        wrong = sum(finding.damage is not Damage.FOREIGN for finding in report.findings)
        typer.echo(
            translate("%(checked)d pictures read, all as they should be") % {"checked": report.checked}
            if report.sound
            else translate("%(checked)d pictures read, %(wrong)d findings")
            % {"checked": report.checked, "wrong": wrong}
        )
    left = [f for f in report.findings if f.damage is not Damage.FOREIGN and not f.repaired]
    return EXIT_FAILED if left else 0


@app.command("reseal")
def reseal(
    *, config: ConfigOption = None, env_file: EnvFileOption = DEFAULT_ENV_FILE, as_json: JsonOption = False
) -> int:
    """Seal every picture with the newest key, so that older keys can be forgotten at once; no vigia may run."""
    settings = read_settings(config, env_file=env_file)
    with _desk(settings) as desk:
        kept = sum(entry.picture_kept for entry in matching(desk, Filters()))
    with _progress("pictures sealed", kept) as task:
        report = reseal_outbox(settings, on_picture=task.advance)
    if as_json:
        print_json({"resealed": report.resealed, "already": report.already, "unreadable": report.unreadable})
    else:
        places = {"resealed": report.resealed, "already": report.already, "unreadable": report.unreadable}
        typer.echo(
            translate("%(resealed)d pictures sealed anew, %(already)d had the newest key, %(unreadable)d unreadable")
            % places
        )
    return EXIT_FAILED if report.unreadable else 0


@contextlib.contextmanager
def _desk(settings: Settings, *, all_pictures: bool = False) -> Iterator[ManagedOutbox]:
    with contextlib.closing(outbox_desk(settings, clock=SystemClock(), all_pictures=all_pictures)) as desk:
        yield desk


def _filters(
    camera: str | None, state: CaptureState | None, older_than: str | None, newer_than: str | None, limit: int | None
) -> Filters:
    return Filters.of(
        camera=camera,
        state=state,
        older_than=older_than,
        newer_than=newer_than,
        limit=limit,
        now_utc=SystemClock().utc(),
    )


def _require_choice(ids: Sequence[str] | None, filters: Filters, *, everything: bool) -> None:
    """Ids or filters, and not both; nothing at all is nobody's wish."""
    if ids and (not filters.is_empty or filters.limit is not None or everything):
        raise ConfigurationError("say which captures by ids or by filters, not by both")
    if not ids and filters.is_empty and not everything:
        raise ConfigurationError("say which captures: ids, filters such as --state, or --all")


def _each(entries: Sequence[OutboxEntry], act: Callable[[OutboxEntry], None], *, label: str) -> tuple[int, int]:
    """Do it to each; what cannot be done is told, a line each. How many were done, how many not."""
    failed = 0
    with _progress(label, len(entries)) as task:
        for entry in entries:
            try:
                act(entry)
            except OutboxUnavailable:
                raise  # the next one would meet the same
            except VigiaError as error:
                failed += 1
                _tell_error(error)
            task.advance()
    return len(entries) - failed, failed


class _NoTask:
    def advance(self, amount: int = 1) -> None:
        """Nobody watches."""


@contextlib.contextmanager
def _progress(label: str, total: int) -> Iterator[ProgressTask]:
    if total < PROGRESS_MIN:
        yield _NoTask()
        return
    with RichProgress().task(label, total) as task:
        yield task


def _confirmed(entries: Sequence[OutboxEntry]) -> bool:
    if not sys.stdin.isatty():
        raise ConfigurationError("nobody can be asked here: --yes removes without asking")
    states = ", ".join(f"{count} {state.value}" for state, count in Counter(e.state for e in entries).items())
    question = translate("Remove %(count)d captures (%(states)s) and their pictures for good? [y/N]")
    sys.stderr.write(question % {"count": len(entries), "states": states} + " ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().casefold() in {"y", "yes", "s", "sim"}


def _tell_error(error: VigiaError) -> None:
    _tell(translate_error(error))


def _tell(text: str) -> None:
    typer.echo(console_safe(text), err=True)
