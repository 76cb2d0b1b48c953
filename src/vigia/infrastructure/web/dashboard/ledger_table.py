"""The ledger as a table: a row for each camera, a column for each end that a frame, a track or a capture can find."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureState
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.captures import captures_address
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.drawing import Drawing, Sketch, draw
from vigia.infrastructure.web.dashboard.elements import node
from vigia.infrastructure.web.dashboard.formats import number
from vigia.infrastructure.web.dashboard.why_words import CAPTURES, FRAMES, REASONS, TRACKS, Column

CAMERA: Final = mark("Camera")
ALL: Final = mark("all cameras")
OTHERS: Final = mark("cameras no longer listed")
OTHERS_MEANING: Final = mark(
    "What cameras did before they were taken out of the list, and what lies on disk of cameras that are not in it."
)
GROUPS: Final = (
    ("frames", mark("Frames"), FRAMES),
    ("tracks", mark("Tracks: passages of a face"), TRACKS),
    ("captures", mark("Captures"), CAPTURES),
)
TABLE: Final = mark("Where everything ended, by camera")
_WAITING: Final = (CaptureState.PENDING, CaptureState.LEASED)
_ENDED: Final = (CaptureState.REFUSED, CaptureState.DEAD)

Counts = Mapping[str, int]
"""What one row holds: ``group.column`` → count."""
_TOTAL: Final = ""
_NOT_LISTED: Final = "\0"
"""Rows that are no camera's. No camera has such a name."""


def why_address(*, camera: str = "", reason: str = "") -> str:
    """Where examples are shown."""
    kept = {name: value for name, value in (("camera", camera), ("reason", reason)) if value}
    return f"/why?{urlencode(kept)}#examples" if kept else "/why"


def counts_of(camera: Mapping[str, Any]) -> dict[str, int]:
    """Frames, tracks and deliveries of one camera, as its books tell; nothing before it was looked at."""
    books = camera.get("ledger")
    if books is None:
        return {}
    counts = {f"frames.{column.key}": int(books["frames"].get(column.key, 0)) for column in FRAMES}
    for column in TRACKS:
        counts[f"tracks.{column.key}"] = int(
            books["tracks"].get(column.key, 0) or books["filter_reasons"].get(column.key, 0)
        )
    counts["captures.delivered"] = int(camera.get("delivered", 0))
    return counts


def on_disk(kept: Mapping[CameraId, Mapping[CaptureState, int]]) -> dict[str, Counter[str]]:
    """Captures that lie on disk, by camera and column. Delivered ones are counted since the start, not on disk."""
    found: dict[str, Counter[str]] = {}
    for camera_id, counts in kept.items():
        columns = found.setdefault(camera_id, Counter())
        for state in (*_WAITING, *_ENDED):
            columns["captures.waiting" if state in _WAITING else f"captures.{state.value}"] += counts.get(state, 0)
    return found


def drawn_rows(
    ctx: PageContext, cameras: Sequence[Mapping[str, Any]], others: Mapping[str, Any], disk: Mapping[str, Counts]
) -> dict[str, Drawing]:
    """The table's rows by name: the total first, then each camera; last what is no listed camera's, if there is any.

    Args:
        ctx: for the language.
        cameras: those of the list.
        others: ``ledger`` and ``delivered`` of what is no listed camera's.
        disk: what lies on disk, of cameras that are not listed too.
    """
    listed = {str(camera["id"]): camera for camera in cameras}
    total: Counter[str] = Counter()
    rows: dict[str, Drawing] = {_TOTAL: ""}  # its place
    for name, camera in listed.items():
        counts = Counter(counts_of(camera)) + Counter(disk.get(name, {}))
        total += counts
        rows[name] = _drawn_row(ctx, name, str(camera["name"]), counts)
    rest = Counter(counts_of(others))
    for name, columns in disk.items():
        if name not in listed:
            rest.update(columns)
    if any(rest.values()):
        total += rest
        rows[_NOT_LISTED] = _drawn_row(ctx, _NOT_LISTED, ctx.say(OTHERS), rest)
    rows[_TOTAL] = _drawn_row(ctx, _TOTAL, ctx.say(ALL), total)
    return rows


class LedgerTable:
    """Owner: the page's tasks. A row is one drawing: of a row in which nothing changed nothing is sent."""

    def __init__(self, ctx: PageContext) -> None:
        self._ctx = ctx
        self._rows: dict[str, Sketch] = {}
        self._names: list[str] = []
        with (
            node("div", classes="vg-scroll vg-ledger", tabindex="0", role="region", aria_label=ctx.say(TABLE)),
            node("table", classes="vg-table", testid="ledger"),
        ):
            Sketch(_head(ctx))
            self._body = node("tbody")

    def tell(self, cameras: Sequence[Mapping[str, Any]], others: Mapping[str, Any], disk: Mapping[str, Counts]) -> None:
        """Show what is now: see ``drawn_rows``."""
        rows = drawn_rows(self._ctx, cameras, others, disk)
        if list(rows) != self._names:
            self._names = list(rows)
            self._body.clear()
            with self._body:
                self._rows = {name: Sketch(drawing) for name, drawing in rows.items()}
        for name, drawing in rows.items():
            self._rows[name].tell(drawing)


def _drawn_row(ctx: PageContext, row: str, name: str, counts: Counts) -> Drawing:
    told_as = {_TOTAL: "all", _NOT_LISTED: "others"}.get(row, row)
    cells = [draw("th", name, scope="row", title=ctx.say(OTHERS_MEANING) if row == _NOT_LISTED else None)]
    for group, _, columns in GROUPS:
        for place, column in enumerate(columns):
            count = counts.get(f"{group}.{column.key}", 0)
            link = draw(
                "a",
                number(count, ctx.language),
                classes=f"vg-cell vg-cell--{column.kind or 'plain'}" if count else "vg-cell vg-cell--none",
                href=_address(group, column, row) if count and row != _NOT_LISTED else None,
                testid=f"cell-{told_as}-{column.key}",
            )
            cells.append(draw("td", link, classes="vg-num vg-ledger__edge" if place == 0 else "vg-num"))
    return draw("tr", *cells, classes="vg-ledger__total" if row == _TOTAL else "")


def _head(ctx: PageContext) -> Drawing:
    say = ctx.say
    groups = [
        draw("th", say(name), colspan=str(len(columns)), scope="colgroup", classes="vg-ledger__group")
        for _, name, columns in GROUPS
    ]
    columns = [
        draw("th", say(column.name), title=say(column.meaning), scope="col",
             classes="vg-num vg-ledger__edge" if place == 0 else "vg-num")
        for _, _, columns in GROUPS
        for place, column in enumerate(columns)
    ]  # fmt: skip
    return draw(
        "thead",
        draw("tr", draw("th", say(CAMERA), rowspan="2", scope="col"), *groups),
        draw("tr", *columns),
    )


def _address(group: str, column: Column, camera: str) -> str | None:
    """Where a count leads."""
    if group == "captures":
        return captures_address(camera=camera, state="pending" if column.key == "waiting" else column.key)
    if column.key == "captured":
        return captures_address(camera=camera)
    if column in REASONS or column.key == "skipped":
        return why_address(camera=camera, reason=column.key)
    return None
