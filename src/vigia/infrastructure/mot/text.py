"""Reads and writes MOTChallenge text (motchallenge.net/instructions).

``frame,id,left,top,width,height,confidence[,…]``: frames count from 1, boxes are in pixels, an id of -1 is nobody's;
whatever follows the seventh value (a class, a visibility, world coordinates) is not looked at. A file is read whole or
not at all: the first line that is wrong is told with its number. Nothing here tracks.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from vigia.application.errors import ConfigurationError
from vigia.domain.geometry import Boxes, as_boxes_xyxy

FIELDS = ("frame", "id", "left", "top", "width", "height", "confidence")
FIELDS_MIN = 6
"""Some files leave the confidence out, or say -1: such boxes count as certain."""
CONFIDENCE_UNKNOWN = -1.0
ROWS_MAX = 2_000_000
"""More lines than any sequence of the benchmark has a hundred times over; a longer file is refused, not cut."""
NUMBER_MAX = 1e9
"""Beyond this a coordinate or a frame number is a mistake."""
SHOWN_CHARS_MAX = 40
"""Of a value that is no number, as it is quoted."""


@dataclass(frozen=True, slots=True, eq=False)
class MotBoxes:
    """The boxes of one frame. N may be 0.

    Args:
        ids: int64 (N,); -1 where there is none.
        boxes_xyxy: float32 (N, 4), left, top, right, bottom, pixels.
        confidences: float64 (N,), as the file has them; 1 where it has none or -1.

    Raises:
        ValueError: the lengths differ.
        ShapeError: the boxes are no boxes.
    """

    ids: NDArray[np.int64]
    boxes_xyxy: Boxes
    confidences: NDArray[np.float64]

    def __post_init__(self) -> None:
        """One id and one confidence a box."""
        as_boxes_xyxy(self.boxes_xyxy)
        if not len(self.ids) == len(self.boxes_xyxy) == len(self.confidences):
            raise ValueError(f"{len(self.ids)} ids, {len(self.boxes_xyxy)} boxes, {len(self.confidences)} confidences")

    def __len__(self) -> int:
        return len(self.ids)

    def with_ids(self, ids: Iterable[int]) -> "MotBoxes":
        """The same boxes under other ids: without those whose id is negative."""
        named = np.fromiter(ids, dtype=np.int64)
        kept = named >= 0
        return MotBoxes(named[kept], self.boxes_xyxy[kept], self.confidences[kept])


NO_BOXES = MotBoxes(np.zeros(0, np.int64), np.zeros((0, 4), np.float32), np.zeros(0))
MotFrames: TypeAlias = Mapping[int, MotBoxes]
"""Boxes by frame number (1-based), in ascending order; frames without a box are not in it."""
_Row: TypeAlias = tuple[int, int, float, float, float, float, float]
"""Frame, id, left, top, right, bottom, confidence."""


def read_mot(path: Path) -> MotFrames:
    """Read a file.

    Raises:
        ConfigurationError: it cannot be read, or a line is wrong: file, line, what is wrong, what would be right.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            "%(path)s is no text; wanted are lines of frame,id,left,top,width,height,confidence", path=path
        ) from error
    except OSError as error:
        raise ConfigurationError(
            "%(path)s cannot be read: %(why)s", path=path, why=error.strerror or type(error).__name__
        ) from error
    return read_mot_text(text, name=str(path))


def read_mot_text(text: str, *, name: str) -> MotFrames:
    """Read what a file holds; ``name`` is told in errors. Raises as ``read_mot`` does. Pure."""
    rows: dict[int, list[_Row]] = {}
    count = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        count += 1
        if count > ROWS_MAX:
            raise ConfigurationError("%(path)s has more than %(most)d boxes: split it", path=name, most=ROWS_MAX)
        row = _row(line, name=name, number=number)
        rows.setdefault(row[0], []).append(row)
    return {frame: _boxes(rows[frame]) for frame in sorted(rows)}


def format_mot(frames: MotFrames) -> str:
    """Result text: ``frame,id,left,top,width,height,confidence,-1,-1,-1``, frame by frame, ids in order.

    Coordinates are written with two decimals, a hundredth of a pixel. Pure.
    """
    lines = []
    for frame, boxes in sorted(frames.items()):
        for row in np.argsort(boxes.ids, kind="stable").tolist():
            left, top, right, bottom = boxes.boxes_xyxy[row].tolist()
            lines.append(
                f"{frame},{boxes.ids[row]},{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f},"
                f"{boxes.confidences[row]:.4g},-1,-1,-1\n"
            )
    return "".join(lines)


def _boxes(rows: list[_Row]) -> MotBoxes:
    values = np.array([row[2:] for row in rows], dtype=np.float64)
    ids = np.array([row[1] for row in rows], dtype=np.int64)
    return MotBoxes(ids, values[:, :4].astype(np.float32), values[:, 4].copy())


def _row(line: str, *, name: str, number: int) -> _Row:
    texts = [text.strip() for text in line.split(",")]
    if len(texts) < FIELDS_MIN:
        raise ConfigurationError(
            "%(path)s, line %(line)d has %(count)d values; wanted are frame,id,left,top,width,height,confidence "
            "with commas between them",
            path=name,
            line=number,
            count=len(texts),
        )
    values = [_number(text, field=field, name=name, number=number) for field, text in zip(FIELDS, texts, strict=False)]
    frame, owner, left, top, width, height, *rest = values
    if frame < 1.0 or frame != math.floor(frame):
        raise ConfigurationError(
            "%(path)s, line %(line)d: frame %(value)s; frames are whole numbers from 1 on",
            path=name,
            line=number,
            value=texts[0],
        )
    if owner != math.floor(owner):
        raise ConfigurationError(
            "%(path)s, line %(line)d: id %(value)s; ids are whole numbers, -1 for nobody's",
            path=name,
            line=number,
            value=texts[1],
        )
    if width <= 0.0 or height <= 0.0:
        raise ConfigurationError(
            "%(path)s, line %(line)d: a box %(width)s wide and %(height)s high; both must be more than 0",
            path=name,
            line=number,
            width=texts[4],
            height=texts[5],
        )
    confidence = rest[0] if rest and rest[0] != CONFIDENCE_UNKNOWN else 1.0
    return int(frame), int(owner), left, top, left + width, top + height, confidence


def _number(text: str, *, field: str, name: str, number: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= NUMBER_MAX:
        raise ConfigurationError(
            "%(path)s, line %(line)d: %(field)s is %(value)s, which is no number that makes sense there",
            path=name,
            line=number,
            field=field,
            value=repr(text[:SHOWN_CHARS_MAX]),
        )
    return value
