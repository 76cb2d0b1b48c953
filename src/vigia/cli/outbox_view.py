"""How ``vigia outbox`` shows captures: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from vigia.application.ports import Damage, OutboxEntry, OutboxStats, OutboxTally, VerifyReport
from vigia.bootstrap.outbox_desk import sealed_by
from vigia.bootstrap.reasons import told_reason
from vigia.cli.status_view import LABELS
from vigia.cli.tables import add_row, print_table
from vigia.domain.capture import CaptureState
from vigia.domain.outbox_policy import GivenUp
from vigia.infrastructure.i18n import mark, translate

SHORT_ID = 12
"""Digits of an id on a terminal: enough to be unique, and to be typed."""
_STEPS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))
DAMAGES: dict[Damage, str] = {
    Damage.MISSING: mark("picture missing"),
    Damage.TRUNCATED: mark("picture cut off"),
    Damage.WRONG_HASH: mark("picture changed"),
    Damage.ORPHAN: mark("picture without a capture"),
    Damage.FOREIGN: mark("not vigia's, left alone"),
}


def print_json(value: object) -> None:
    """One line of JSON on standard output."""
    typer.echo(json.dumps(value, ensure_ascii=False))


def entry_as_dict(entry: OutboxEntry) -> dict[str, Any]:
    """One capture for programs. Times are ISO 8601 in UTC."""
    return {
        "id": entry.id,
        "camera": entry.camera_id,
        "findface_camera_id": entry.findface_camera_id,
        "track_id": entry.track_id,
        "at": _iso(entry.at_utc),
        "committed_at": _iso(entry.committed_at_utc),
        "ended_at": _iso(entry.ended_at_utc),
        "state": entry.state.value,
        "reason": entry.reason,
        "code": None if entry.code is None else entry.code.value,
        "attempts": entry.attempts,
        "maybe_sent": entry.maybe_sent,
        "due_in_s": None if entry.due_in_s is None else round(entry.due_in_s, 3),
        "exempt": entry.exempt,
        "quality": entry.quality,
        "box_xyxy": list(entry.box_xyxy),
        "event_ids": list(entry.event_ids),
        "size_bytes": entry.size_bytes,
        "picture_kept": entry.picture_kept,
        "picture": str(Path(entry.location).absolute()) if entry.location else None,
        "details": entry.details,
    }


def print_entries(entries: Iterable[OutboxEntry], *, now_utc: datetime) -> int:
    """A table, a capture a row; how many there were."""
    digits = SHORT_ID if sys.stdout.isatty() else None
    table = Table(box=None, padding=(0, 2))
    titles = (mark("id"), mark("camera"), mark("state"), mark("age"), mark("attempts"), "KB", mark("reason"))
    for title in titles:
        table.add_column(translate(title), justify="right" if title in {"age", "attempts", "KB"} else "left")
    count = 0
    for count, entry in enumerate(entries, start=1):  # noqa: B007 - counted
        size = f"{entry.size_bytes / 1000:.0f}" if entry.picture_kept else "-"
        age = short_age((now_utc - entry.committed_at_utc).total_seconds())
        reason = told_reason(entry.reason, translate)
        places = (entry.id[:digits], entry.camera_id, entry.state.value, age, str(entry.attempts), size, reason)
        add_row(table, places)
    print_table(table)
    return count


def print_entry(entry: OutboxEntry, *, now_utc: datetime) -> None:
    """Everything about one capture."""
    rows = [
        (translate("id"), entry.id),
        (translate("camera"), _with_number(entry)),
        (translate("track"), str(entry.track_id)),
        (translate("time"), _local(entry.at_utc)),
        (translate("state"), entry.state.value),
        (translate("committed"), f"{_local(entry.committed_at_utc)} ({_age(entry.committed_at_utc, now_utc)})"),
    ]
    if entry.ended_at_utc is not None:
        rows.append((translate("ended"), f"{_local(entry.ended_at_utc)} ({_age(entry.ended_at_utc, now_utc)})"))
    if entry.due_in_s is not None:
        label = translate("due in") if entry.state is CaptureState.PENDING else translate("lease ends in")
        rows.append((label, short_age(entry.due_in_s)))
    rows += [
        (translate("attempts"), str(entry.attempts)),
        (translate("may have arrived"), translate("yes") if entry.maybe_sent else translate("no")),
    ]
    if entry.reason or entry.code is not None:
        why = told_reason(entry.reason, translate)
        rows.append((translate("reason"), why or translate(LABELS.get(str(entry.code), str(entry.code)))))
    if entry.event_ids:
        rows.append((translate("FindFace events"), ", ".join(entry.event_ids)))
    rows += [
        (translate("quality"), f"{entry.quality:.3f}"),
        (translate("face"), ", ".join(f"{side:.0f}" for side in entry.box_xyxy)),
        (translate("picture"), _picture(entry)),
    ]
    _print_pairs(rows)


def print_stats(stats: OutboxStats, tally: OutboxTally) -> None:
    """Counts by state, and what became of captures without a sender."""
    table = Table(box=None, padding=(0, 2))
    for title, side in ((mark("state"), "left"), (mark("kept"), "right"), (mark("in all"), "right")):
        table.add_column(translate(title), justify="right" if side == "right" else "left")
    for state in CaptureState:
        add_row(table, (state.value, str(stats.kept.get(state, 0)), str(stats.counts.get(state, 0))))
    print_table(table)
    oldest_s = stats.oldest_pending_age_s
    rows = [
        (translate("oldest that waits"), "-" if oldest_s is None else short_age(oldest_s)),
        (translate("pictures"), f"{stats.bytes_on_disk / 1e6:.1f} MB"),
    ]
    rows += [(translate(LABELS[code]), str(count)) for code, count in tally.given_up.items() if code in LABELS]
    rows += [
        (label, str(count))
        for label, count in (
            (translate("put back by a person"), tally.put_back),
            (translate("removed by a person"), tally.dropped),
            (translate("pictures that made room"), tally.pictures_given_up),
        )
        if count
    ]
    _print_pairs(rows)


def stats_as_dict(stats: OutboxStats, tally: OutboxTally) -> dict[str, Any]:
    """The same for programs."""
    oldest_s = stats.oldest_pending_age_s
    return {
        "kept": {state.value: stats.kept.get(state, 0) for state in CaptureState},
        "in_all": {state.value: stats.counts.get(state, 0) for state in CaptureState},
        "unsent": stats.unsent,
        "oldest_pending_age_s": None if oldest_s is None else round(oldest_s, 3),
        "picture_bytes": stats.bytes_on_disk,
        "given_up": {code.value: tally.given_up.get(code, 0) for code in GivenUp},
        "put_back": tally.put_back,
        "dropped": tally.dropped,
        "pictures_given_up": tally.pictures_given_up,
    }


def print_findings(report: VerifyReport) -> None:
    """What was found, a finding a row."""
    if report.findings:
        table = Table(box=None, padding=(0, 2))
        for title in (mark("finding"), mark("capture"), mark("file"), mark("repaired")):
            table.add_column(translate(title))
        for finding in report.findings:
            repaired = translate("yes") if finding.repaired else translate("no")
            add_row(table, (translate(DAMAGES[finding.damage]), finding.capture_id or "-", finding.name, repaired))
        print_table(table)


def report_as_dict(report: VerifyReport) -> dict[str, Any]:
    """The same for programs."""
    return {
        "checked": report.checked,
        "sound": report.sound,
        "counts": {damage.value: count for damage, count in report.counts.items()},
        "findings": [
            {
                "damage": finding.damage.value,
                "capture": finding.capture_id,
                "name": finding.name,
                "repaired": finding.repaired,
            }
            for finding in report.findings
        ],
    }


def short_age(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h``, ``5 d``: one number, rounded down."""
    for step_s, unit in _STEPS:
        if seconds >= step_s:
            return f"{int(seconds // step_s)} {unit}"
    return f"{max(0, int(seconds))} s"


def _print_pairs(rows: Sequence[tuple[str, str]]) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    for row in rows:
        add_row(table, row)
    print_table(table)


def _picture(entry: OutboxEntry) -> str:
    if not entry.picture_kept:
        return translate("not kept any more")
    size = f"{entry.size_bytes / 1000:.0f} KB"
    if not entry.location:
        return translate("in the database, %(size)s; vigia outbox export writes it out") % {"size": size}
    path = Path(entry.location).absolute()
    if key := sealed_by(entry):
        places = {"path": path, "size": size, "key": key}
        return translate("%(path)s, %(size)s, sealed with the key %(key)s; vigia outbox export opens it") % places
    return f"{path}, {size}"


def _with_number(entry: OutboxEntry) -> str:
    number = entry.findface_camera_id
    return entry.camera_id if number is None else f"{entry.camera_id} (FindFace {number})"


def _age(at_utc: datetime, now_utc: datetime) -> str:
    return short_age((now_utc - at_utc).total_seconds())


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _local(at: datetime) -> str:
    return at.astimezone().isoformat(sep=" ", timespec="seconds")
