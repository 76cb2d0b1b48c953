"""``captures.csv``: one capture a row, as a spreadsheet opens it at a double click.

UTF-8 with a byte order mark. In Portuguese: semicolons between cells and decimal commas, as such a spreadsheet expects
them; else commas and points. A text that a spreadsheet would take for a formula gets an apostrophe in front.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vigia.infrastructure.report.texts import COLUMNS, clock_time

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_table(
    path: Path, captures: Iterable[dict[str, Any]], *, video: str, headers: Sequence[str], decimal_comma: bool
) -> None:
    """Write all captures.

    Args:
        path: the file; replaced.
        captures: as in ``captures.jsonl``.
        video: the video's name.
        headers: of the columns, as many as ``COLUMNS``, in the reader's language.
        decimal_comma: Portuguese manners.
    """

    def cell(value: object) -> str:
        if isinstance(value, float):
            text = f"{value:g}" if abs(value) < 1e6 else f"{value:.0f}"
            return text.replace(".", ",") if decimal_comma else text
        if isinstance(value, int):
            return str(value)
        return safe_text(str(value))

    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";" if decimal_comma else ",")
        writer.writerow(headers)
        for capture in captures:
            writer.writerow([cell(value) for value in _row(capture, video)])


def safe_text(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(FORMULA_STARTS) else text


def _row(capture: dict[str, Any], video: str) -> tuple[object, ...]:
    row = (
        video,
        capture["capture"],
        capture["track"],
        clock_time(capture["at_s"]),
        capture["at_utc"][:19].replace("T", " "),
        "" if capture["frame"] is None else capture["frame"],
        *capture["box_xyxy"],
        capture["size_px"],
        capture["confidence"],
        capture["quality"],
        capture["chosen_as"],
        capture["picture"],
    )
    if len(row) != len(COLUMNS):
        raise AssertionError("a cell for each column")
    return row
