"""Findings as a person reads them, by area, with what to do below each complaint; and as one document."""

import json
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vigia.application.diagnosis import Area, Finding, Status, Verdict
from vigia.cli.tables import is_narrow, print_table
from vigia.domain.camera import redact_url
from vigia.infrastructure.i18n import mark, translate, translate_template
from vigia.infrastructure.logging.sinks import console_safe

SIGNS = {Status.OK: "✓", Status.WARNING: "!", Status.ERROR: "✗"}
STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.ERROR: "red"}
TITLES: dict[Area, str] = {
    Area.CONFIGURATION: mark("Configuration"),
    Area.DISK: mark("Disk"),
    Area.OUTBOX: mark("Outbox"),
    Area.MACHINE: mark("Machine"),
    Area.CLOCK: mark("Clock"),
    Area.MODEL: mark("Model"),
    Area.DECODER: mark("Decoder"),
    Area.WEB: mark("Web server"),
    Area.FINDFACE: "FindFace",
    Area.CAMERAS: mark("Cameras"),
    Area.CAPACITY: mark("Capacity"),
}
POINT_COLUMNS_MAX = 22
"""On 80 columns the text keeps fifty."""


def point_of(finding: Finding) -> str:
    """What was looked at, in the reader's language."""
    return finding.point if finding.is_named else translate(finding.point)


def text_of(finding: Finding) -> str:
    """What was found, on one line."""
    return _told(finding.kind.text, finding)


def remedy_of(finding: Finding) -> str:
    """What to do; empty where all is well."""
    return _told(finding.kind.remedy, finding)


def as_document(findings: Sequence[Finding], verdict: Verdict, *, strict: bool) -> str:
    """One JSON document."""
    pages = [
        {
            "id": finding.kind.id,
            "area": finding.area.value,
            "point": point_of(finding),
            "status": finding.status.value,
            "ok": finding.status is not Status.ERROR,
            "text": text_of(finding),
            "remedy": remedy_of(finding),
        }
        for finding in findings
    ]
    document = {
        "ok": verdict.passes(strict=strict),
        "errors": verdict.errors,
        "warnings": verdict.warnings,
        "findings": pages,
    }
    return json.dumps(document, ensure_ascii=False)


def show(findings: Sequence[Finding], verdict: Verdict) -> None:
    """Print them for a person."""
    widest = max((len(console_safe(point_of(finding))) for finding in findings), default=0)
    columns = min(widest, POINT_COLUMNS_MAX) if is_narrow() else widest
    parts: list[RenderableType] = []
    for area, group in groupby(findings, key=lambda finding: finding.area):
        parts += [Text(translate(TITLES[area]), style="bold"), _table(list(group), columns)]
    print_table(Group(*parts, Text(summary(verdict), style=STYLES[_worst(verdict)])))


def summary(verdict: Verdict) -> str:
    """The last line."""
    if not verdict.errors and not verdict.warnings:
        return translate("everything is as it should be")
    return translate("errors: %(errors)d, warnings: %(warnings)d") % {
        "errors": verdict.errors,
        "warnings": verdict.warnings,
    }


def _table(findings: Sequence[Finding], columns: int) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(width=columns, overflow="fold")
    table.add_column(overflow="fold")
    for finding in findings:
        for row in _rows(finding):
            table.add_row(*row)
    return table


def _rows(finding: Finding) -> Iterator[tuple[Text, Text, Text]]:
    style = STYLES[finding.status]
    told = "" if finding.status is Status.OK else style
    yield (
        Text(SIGNS[finding.status], style=style),
        Text(console_safe(point_of(finding))),
        Text(console_safe(text_of(finding)), style=told),
    )
    if finding.kind.remedy:
        yield Text(), Text(), Text(console_safe(f"→ {remedy_of(finding)}"))


def _told(template: str, finding: Finding) -> str:
    """The last guard against a password in an address that a library told."""
    return redact_url("; ".join(translate_template(template, finding.facts).splitlines()))


def _worst(verdict: Verdict) -> Status:
    if verdict.errors:
        return Status.ERROR
    return Status.WARNING if verdict.warnings else Status.OK
