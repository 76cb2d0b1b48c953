"""Sealing anew: every picture of a resting outbox gets the newest key, so that older ones can be forgotten at once.

A rotation does not need it: pictures go as they are delivered or as their time is up, and the log says at each start
how many still need an older key. It is for keys that have become known.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from vigia.application.errors import OutboxCorrupt
from vigia.domain.capture import CaptureId
from vigia.infrastructure.logging import get_logger
from vigia.infrastructure.outbox.database import OutboxDatabase
from vigia.infrastructure.outbox.directory import OutboxDirectory
from vigia.infrastructure.outbox.fault_points import FaultPoint, no_fault
from vigia.infrastructure.outbox.picture_files import PictureFiles
from vigia.infrastructure.outbox.sealing import HEADER_BYTES, PictureSealer, key_id_of

logger = get_logger("vigia.outbox")
PAGE_ROWS = 500


@dataclass(slots=True)
class ResealReport:
    """What was done."""

    resealed: int = 0
    already: int = 0
    """They had the newest key."""
    unreadable: int = 0
    """Missing, damaged, or sealed with a key that is not among ours: left as they are, told in the log."""


def _told_nobody() -> None:
    """Nobody watches."""


def reseal_pictures(
    directory: Path,
    sealer: PictureSealer,
    *,
    fault_point: FaultPoint = no_fault,
    on_picture: Callable[[], None] = _told_nobody,
) -> ResealReport:
    """Seal every picture with the sealer's first key. No vigia may be using the outbox: its lock is taken.

    Each picture is written under a new name, its row changed in one transaction, then the old file removed: wherever
    that is cut short, the row names a complete picture, and what is left over is removed when the outbox is opened
    next. It may be repeated.

    Args:
        directory: of the outbox.
        sealer: with at least one key.
        fault_point: see ``fault_points.py``.
        on_picture: called after each picture.

    Raises:
        ConfigurationError: no outbox there, or a vigia uses it.
        ValueError: the sealer has no key.
        OutboxUnavailable, OSError: the disk is full, say; what was done stays done.
    """
    if not sealer.key_ids:
        raise ValueError("sealing anew needs a key")
    report = ResealReport()
    OutboxDirectory(directory, beside=True)  # must be there: opening it for real would make one
    with ExitStack() as opened:
        held = OutboxDirectory(directory)
        opened.callback(held.close)
        database = OutboxDatabase(held.database, fault_point=fault_point)
        opened.callback(database.close)
        pictures = PictureFiles(held.pictures, codec=sealer, fault_point=fault_point)
        for row in _rows(database):
            _reseal(database, pictures, row, newest=sealer.key_ids[0], report=report)
            on_picture()
    return report


def _reseal(
    database: OutboxDatabase, pictures: PictureFiles, row: sqlite3.Row, *, newest: str, report: ResealReport
) -> None:
    capture_id = CaptureId(row["id"])
    try:
        with pictures.path(row["file"]).open("rb") as file:
            if key_id_of(file.read(HEADER_BYTES)) == newest:
                report.already += 1
                return
        jpeg = pictures.read(row["file"], capture_id=capture_id, file_bytes=row["file_bytes"], digest=row["sha256"])
    except (FileNotFoundError, OutboxCorrupt) as error:
        logger.warning("capture %s is not sealed anew: %s", capture_id, error)
        report.unreadable += 1
        return
    stored = pictures.write(capture_id, jpeg)
    with database.transaction("repair") as connection:
        connection.execute(
            "UPDATE capture SET file = ?, file_bytes = ? WHERE seq = ?", (stored.name, stored.file_bytes, row["seq"])
        )
    pictures.remove(row["file"])
    report.resealed += 1


def _rows(database: OutboxDatabase) -> Iterator[sqlite3.Row]:
    seq = 0
    while True:
        with database.reading() as connection:
            rows = connection.execute(
                "SELECT seq, id, file, file_bytes, sha256 FROM capture WHERE picture_kept = 1 AND seq > ? "
                "ORDER BY seq LIMIT ?",
                (seq, PAGE_ROWS),
            ).fetchall()
        if not rows:
            return
        seq = rows[-1]["seq"]
        yield from rows
