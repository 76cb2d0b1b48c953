"""What a person sees while vigia runs (a live table on a terminal, a line now and then in a log) and at its end."""

import json
import logging
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vigia.application.camera_pipeline import NO_DECODER, NO_KEY_FRAME, OVERLOAD, STOPPED
from vigia.application.orchestrator import RunStatus
from vigia.application.packet_queue import QUEUE_FULL
from vigia.application.run_report import RunFacts, run_report
from vigia.application.worker_books import WORKER_DIED
from vigia.cli.camera_states import camera_table
from vigia.cli.tables import add_row, print_table
from vigia.domain.ledger import FilterReason, FrameFate, LedgerPage, TrackFate
from vigia.domain.outbox_policy import GivenUp
from vigia.infrastructure.i18n import mark, translate

logger = logging.getLogger("vigia.status")

LINE_INTERVAL_S = 10.0
"""Without a terminal the status is a log line this often."""
STATUS_TITLES = (
    mark("cameras"),
    mark("fps"),
    mark("k"),
    mark("faces"),
    mark("captures"),
    mark("delivered"),
    mark("waiting"),
    mark("skipped"),
    "FindFace",
)
LABELS: dict[str, str] = {
    FrameFate.DETECTED: mark("looked at by the detector"),
    FrameFate.TRACKED: mark("decoded, between two detections"),
    FrameFate.QUIET: mark("decoded, nothing moved"),
    FrameFate.SKIPPED: mark("skipped"),
    FrameFate.CORRUPT: mark("corrupt"),
    TrackFate.CAPTURED: mark("captured"),
    TrackFate.FILTERED: mark("filtered"),
    TrackFate.LOST: mark("lost"),
    FilterReason.TOO_FEW_EVENTS: mark("seen too few times"),
    FilterReason.TOO_SMALL: mark("too small"),
    FilterReason.TOO_LARGE: mark("too large"),
    FilterReason.POOR_QUALITY: mark("poor quality"),
    FilterReason.OUTSIDE_ROI: mark("outside the region"),
    FilterReason.DID_NOT_MOVE: mark("did not move"),
    FilterReason.NO_PICTURE: mark("no picture"),
    FilterReason.DUPLICATE: mark("same passage as one captured before"),
    QUEUE_FULL: mark("queue full"),
    OVERLOAD: mark("overload"),
    NO_KEY_FRAME: mark("before a key frame"),
    NO_DECODER: mark("no decoder"),
    STOPPED: mark("left over at the stop"),
    WORKER_DIED: mark("its worker process died"),
    GivenUp.EXPIRED: mark("too old to be sent"),
    GivenUp.OUTBOX_FULL: mark("given up: the outbox was full"),
    GivenUp.PICTURE_MISSING: mark("its picture is missing"),
    GivenUp.PICTURE_DAMAGED: mark("its picture is damaged"),
}
"""How the ledger's columns and reasons are told to a person."""


class StatusView:
    """Shows the status. Owner: the thread that runs the orchestrator."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live: Live | None = None
        self._told_at_s = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=2, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def update(self, status: RunStatus) -> None:
        """Show a new state."""
        if self._live is not None:
            self._live.update(_table(status))
        elif status.elapsed_s - self._told_at_s >= LINE_INTERVAL_S:
            self._told_at_s = status.elapsed_s
            logger.info(
                "%d of %d cameras live, %.0f fps, %d faces, %d captures, %d delivered, %d waiting, %d skipped",
                status.cameras_live,
                status.cameras,
                status.fps,
                status.ledger.faces,
                status.committed,
                status.delivery.delivered,
                status.unsent,
                status.ledger.frames[FrameFate.SKIPPED],
            )


def _table(status: RunStatus) -> Group:
    table = Table(show_header=True, box=None, padding=(0, 2))
    for title in STATUS_TITLES:
        table.add_column(translate(title), justify="right")
    delivery = translate("ok") if status.delivery.state == "ok" else translate("down")
    table.add_row(
        f"{status.cameras_live}/{status.cameras}",
        f"{status.fps:.0f}",
        "/".join(str(shard.k) for shard in status.shards),
        str(status.ledger.faces),
        str(status.committed),
        str(status.delivery.delivered),
        str(status.unsent),
        str(status.ledger.frames[FrameFate.SKIPPED]),
        Text(delivery, style="green" if status.delivery.state == "ok" else "bold red"),
    )
    return Group(table, camera_table(status.details)) if status.details else Group(table)


def print_json(facts: RunFacts) -> None:
    """The report as the last line of standard output."""
    sys.stdout.write(json.dumps(run_report(facts), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_summary(facts: RunFacts) -> None:
    """The report for a person: the ledger, and whether it balances."""
    table = Table(title=translate("Ledger"), show_header=False, box=None, padding=(0, 2), title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    for label, value in (*_work_rows(facts), *_track_rows(facts.ledger), *_capture_rows(facts), *_figure_rows(facts)):
        add_row(table, (label, value))
    print_table(table)
    balanced = translate("The ledger balances.") if facts.balanced else translate("The ledger does NOT balance.")
    typer.secho(balanced, fg="green" if facts.balanced else "red", bold=not facts.balanced)
    if facts.survivors:
        typer.echo(translate("Still running: %(names)s") % {"names": ", ".join(facts.survivors)}, err=True)


Row = tuple[str, str]
"""A label, indented below what it is a part of, and its value."""


def _work_rows(facts: RunFacts) -> list[Row]:
    status, ledger = facts.status, facts.ledger
    rows = [
        (translate("duration"), f"{status.elapsed_s:.1f} s"),
        (translate("cameras"), str(status.cameras)),
        (translate("model"), f"{facts.model}, k={max((shard.k for shard in status.shards), default=0)}"),
        (translate("frames a second"), f"{facts.steady.fps:.1f}"),
        (translate("frames received"), str(ledger.received)),
    ]
    for fate in FrameFate:
        rows.append((f"  {translate(LABELS[fate])}", str(ledger.frames[fate])))
        if fate is FrameFate.SKIPPED:
            rows += _reason_rows(ledger.skip_reasons)
    return rows


def _track_rows(ledger: LedgerPage) -> list[Row]:
    rows = [(translate("faces"), str(ledger.faces)), (translate("tracks ended"), str(ledger.tracks_ended))]
    for fate in TrackFate:
        rows.append((f"  {translate(LABELS[fate])}", str(ledger.tracks[fate])))
        if fate is TrackFate.FILTERED:
            rows += _reason_rows(ledger.filter_reasons)
        elif fate is TrackFate.CAPTURED and ledger.further_captures:
            rows.append((f"    {translate('further shots of these')}", str(ledger.further_captures)))
    return rows


def _reason_rows(reasons: Mapping[str, int]) -> list[Row]:
    """Only those that there were; a reason that has no label yet is told by its own name."""
    return [(f"    {translate(LABELS.get(reason, reason))}", str(count)) for reason, count in reasons.items() if count]


def _capture_rows(facts: RunFacts) -> list[Row]:
    """Both kinds of captures, and below them what became of them together."""
    committed, delivery, tally = facts.status.committed, facts.status.delivery, facts.status.tally
    rows = [(translate("captures committed"), str(committed))]
    if facts.carried_over:
        rows.append((translate("captures left by an earlier run"), str(facts.carried_over)))
    if tally.put_back:
        rows.append((translate("captures put back by a person"), str(tally.put_back)))
    return [
        *rows,
        (f"  {translate('delivered')}", str(delivery.delivered)),
        (f"  {translate('refused')}", str(delivery.refused)),
        (f"  {translate('dead, kept for a person')}", str(delivery.dead + sum(tally.given_up.values()))),
        *_reason_rows({code.value: count for code, count in tally.given_up.items()}),
        *([(f"  {translate('removed by a person')}", str(tally.dropped))] if tally.dropped else []),
        (f"  {translate('waiting on disk')}", str(facts.pending)),
        (translate("captures lost before the disk"), str(facts.lost)),
    ]


def _figure_rows(facts: RunFacts) -> list[Row]:
    rows = []
    if facts.passages is not None:
        report = facts.passages
        rows.append((translate("passages delivered"), f"{report.delivered}/{report.truth} ({report.recall:.1%})"))
        rows.append((translate("captures per passage"), f"{report.captures_per_passage:.2f}"))
    ages = " / ".join(f"{facts.ages.percentile_s(percent) * 1000.0:.0f}" for percent in (50, 95, 99))
    rows.append((translate("frame age, p50 / p95 / p99"), f"{ages} ms"))
    if facts.status.elapsed_s > 0.0:
        rows.append((translate("processor cores used"), f"{facts.cpu_s / facts.status.elapsed_s:.2f}"))
    rows.append((translate("memory"), f"{facts.rss_bytes / 1e6:.0f} MB"))
    if facts.status.restarts:
        rows.append((translate("worker processes started again"), str(facts.status.restarts)))
    return rows
