"""The ledger as a table: a row for each camera, a column for each end that a frame, a track or a capture can find."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from vigia.application.site_view import CaptureQuery, SiteView
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
GROUPS: Final = (
    ("frames", mark("Frames"), FRAMES),
    ("tracks", mark("Tracks: passages of a face"), TRACKS),
    ("captures", mark("Captures"), CAPTURES),
)
TABLE: Final = mark("Where everything ended, by camera")
COUNTED_MAX: Final = 500
"""Captures of a state that are counted by camera; more are told as ``500+``."""
_WAITING: Final = (CaptureState.PENDING, CaptureState.LEASED)
_ENDED: Final = (CaptureState.REFUSED, CaptureState.DEAD)

Counts = Mapping[str, int]
"""What one row holds: ``group.column`` → count."""


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


def on_disk(view: SiteView) -> tuple[dict[str, Counter[str]], frozenset[str]]:
    """Captures that lie on disk, by camera and column; and the columns with more than are counted. Reads the disk."""
    found: dict[str, Counter[str]] = {}
    full = set()
    for state in (*_WAITING, *_ENDED):
        key = "captures.waiting" if state in _WAITING else f"captures.{state.value}"
        rows = view.captures(CaptureQuery(state=state, limit=COUNTED_MAX))
        if len(rows) >= COUNTED_MAX:
            full.add(key)
        for row in rows:
            found.setdefault(str(row["camera"]), Counter())[key] += 1
    return found, frozenset(full)


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

    def tell(self, cameras: Sequence[Mapping[str, Any]], disk: Mapping[str, Counts], full: frozenset[str]) -> None:
        """Show what is now."""
        total: Counter[str] = Counter()
        rows: dict[str, Drawing] = {"": ""}  # the total's place is the first
        for camera in cameras:
            name = str(camera["id"])
            counts = Counter(counts_of(camera)) + Counter(disk.get(name, {}))
            total += counts
            rows[name] = self._drawing(name, str(camera["name"]), counts, full)
        rows[""] = self._drawing("", self._ctx.say(ALL), total, full)
        if list(rows) != self._names:
            self._names = list(rows)
            self._body.clear()
            with self._body:
                self._rows = {name: Sketch(drawing) for name, drawing in rows.items()}
        for name, drawing in rows.items():
            self._rows[name].tell(drawing)

    def _drawing(self, camera: str, name: str, counts: Counts, full: frozenset[str]) -> Drawing:
        cells = [draw("th", name, scope="row")]
        for group, _, columns in GROUPS:
            for place, column in enumerate(columns):
                key = f"{group}.{column.key}"
                count = counts.get(key, 0)
                link = draw(
                    "a",
                    number(count, self._ctx.language) + ("+" if count and key in full else ""),
                    classes=f"vg-cell vg-cell--{column.kind or 'plain'}" if count else "vg-cell vg-cell--none",
                    href=_address(group, column, camera) if count else None,
                    testid=f"cell-{camera or 'all'}-{column.key}",
                )
                cells.append(draw("td", link, classes="vg-num vg-ledger__edge" if place == 0 else "vg-num"))
        return draw("tr", *cells, classes="" if camera else "vg-ledger__total")


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
