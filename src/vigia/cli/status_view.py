"""What a person sees while vigia runs (a live table on a terminal, a line now and then in a log) and at its end."""

import json
import logging
import sys
from types import TracebackType
from typing import Self

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vigia.application.orchestrator import RunStatus
from vigia.application.run_report import RunFacts, run_report
from vigia.domain.ledger import FilterReason, FrameFate, LedgerPage, TrackFate
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
FATE_LABELS: dict[str, str] = {
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
    FilterReason.DID_NOT_MOVE: mark("did not move"),
    FilterReason.NO_PICTURE: mark("no picture"),
}
"""How the ledger's columns are told to a person."""


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
    return Group(table)


def print_json(facts: RunFacts) -> None:
    """The report as the last line of standard output."""
    sys.stdout.write(json.dumps(run_report(facts), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_summary(facts: RunFacts) -> None:
    """The report for a person: the ledger, and whether it balances."""
    status, ledger = facts.status, facts.ledger
    table = Table(title=translate("Ledger"), show_header=False, box=None, padding=(0, 2), title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    rows: list[tuple[str, str]] = [
        (translate("duration"), f"{status.elapsed_s:.1f} s"),
        (translate("cameras"), str(status.cameras)),
        (translate("model"), f"{facts.model}, k={max((shard.k for shard in status.shards), default=0)}"),
        (translate("frames a second"), f"{facts.steady.fps:.1f}"),
        (translate("frames received"), str(ledger.received)),
        *((f"  {translate(FATE_LABELS[fate])}", str(ledger.frames[fate])) for fate in FrameFate),
        (translate("faces"), str(ledger.faces)),
        (translate("tracks ended"), str(ledger.tracks_ended)),
        *((label, str(count)) for label, count in _track_rows(ledger)),
        (translate("captures committed"), str(status.committed)),
        (f"  {translate('left by an earlier run')}", str(facts.carried_over)),
        (f"  {translate('delivered')}", str(status.delivery.delivered)),
        (f"  {translate('refused')}", str(status.delivery.refused)),
        (f"  {translate('dead')}", str(status.delivery.dead)),
        (f"  {translate('waiting on disk')}", str(facts.pending)),
        (f"  {translate('lost')}", str(facts.lost)),
    ]
    if facts.passages is not None:
        report = facts.passages
        rows.append((translate("passages delivered"), f"{report.delivered}/{report.truth} ({report.recall:.1%})"))
        rows.append((translate("captures per passage"), f"{report.captures_per_passage:.2f}"))
    rows.append((translate("memory"), f"{facts.rss_bytes / 1e6:.0f} MB"))
    for label, value in rows:
        table.add_row(label, value)
    console = Console()
    console.print(table)
    balanced = translate("The ledger balances.") if facts.balanced else translate("The ledger does NOT balance.")
    console.print(balanced, style="green" if facts.balanced else "bold red")
    if facts.survivors:
        typer.echo(translate("Still running: %(names)s") % {"names": ", ".join(facts.survivors)}, err=True)


def _track_rows(ledger: LedgerPage) -> list[tuple[str, int]]:
    """Label, indented, and count."""
    fates = [(f"  {translate(FATE_LABELS[fate])}", count) for fate, count in ledger.tracks.items()]
    return fates + [(f"    {translate(FATE_LABELS[reason])}", count) for reason, count in ledger.filter_reasons.items()]
