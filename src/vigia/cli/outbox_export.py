"""Captures written out of the outbox: a folder of JPEGs and ``captures.jsonl``. Faces: private, as the outbox is."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigia.application.errors import ConfigurationError, OutboxCorrupt
from vigia.application.ports import OutboxDesk, OutboxEntry
from vigia.domain.capture import CaptureId
from vigia.domain.errors import VigiaError

LINES_NAME = "captures.jsonl"
FOLDER_MODE = 0o700
FILE_MODE = 0o600


@dataclass(slots=True)
class ExportReport:
    """What was written."""

    captures: int = 0
    pictures: int = 0
    failed: int = 0
    """Captures whose picture should be there and could not be read; their lines say why."""


def export_captures(
    desk: OutboxDesk,
    ids: Sequence[CaptureId],
    folder: Path,
    *,
    as_dict: Callable[[OutboxEntry], dict[str, Any]],
    on_capture: Callable[[], None],
    on_problem: Callable[[VigiaError], None],
) -> ExportReport:
    """Write captures to a folder, made when it is not there. A picture is complete before its line is written.

    Args:
        desk: the outbox.
        ids: which; those that are gone meanwhile are passed over.
        folder: new or empty.
        as_dict: a capture as JSON can hold it. ``picture`` becomes the file's name, null without one, and ``problem``
            says why a picture could not be read.
        on_capture: called after each.
        on_problem: told of each picture that could not be read.

    Raises:
        ConfigurationError: the folder is not empty, or cannot be written to.
        OutboxUnavailable.
    """
    report = ExportReport()
    try:
        _make(folder)
        with os.fdopen(_create(folder / LINES_NAME), "w", encoding="utf-8") as lines:
            for capture_id in ids:
                line = _export(desk, capture_id, folder, as_dict=as_dict, report=report, on_problem=on_problem)
                if line is not None:
                    lines.write(json.dumps(line, ensure_ascii=False) + "\n")
                on_capture()
    except OSError as error:
        raise ConfigurationError(
            "the captures cannot be written to %(folder)s: %(cause)s", folder=folder, cause=error.strerror or error
        ) from error
    return report


def _export(
    desk: OutboxDesk,
    capture_id: CaptureId,
    folder: Path,
    *,
    as_dict: Callable[[OutboxEntry], dict[str, Any]],
    report: ExportReport,
    on_problem: Callable[[VigiaError], None],
) -> dict[str, Any] | None:
    entry = desk.entry(capture_id)
    if entry is None:
        return None
    line, problem = {**as_dict(entry), "picture": None}, None
    try:
        jpeg = desk.picture(capture_id)
    except OutboxCorrupt as error:
        jpeg, problem = None, str(error)
        report.failed += 1
        on_problem(OutboxCorrupt("capture %(id)s is exported without its picture: %(cause)s", id=entry.id, cause=error))
    if jpeg is not None:
        line["picture"] = f"{entry.id}.jpg"
        with os.fdopen(_create(folder / f"{entry.id}.jpg"), "wb") as file:
            file.write(jpeg)
        report.pictures += 1
    report.captures += 1
    return line if problem is None else {**line, "problem": problem}


def _make(folder: Path) -> None:
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConfigurationError("%(folder)s is not empty: name a new folder", folder=folder)


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
