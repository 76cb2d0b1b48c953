"""Compare every picture with its row, beside a service that goes on committing and delivering."""

import sqlite3

from vigia.application.errors import OutboxCorrupt
from vigia.application.ports import Damage, Finding, VerifyReport
from vigia.domain.capture import CaptureId, CaptureState
from vigia.domain.outbox_policy import GivenUp
from vigia.infrastructure.outbox.database import OutboxDatabase
from vigia.infrastructure.outbox.picture_files import FoundFile, PictureCut, PictureFiles
from vigia.infrastructure.outbox.rows import add_to_tally

ORPHAN_AGE_S = 3600.0
"""A file without a row may be a commit's that goes on, until it is that old."""
PAGE_ROWS = 500
_KNOWN = (GivenUp.PICTURE_MISSING, GivenUp.PICTURE_DAMAGED)
_REASONS = {
    Damage.MISSING: (GivenUp.PICTURE_MISSING, "its picture is missing"),
    Damage.TRUNCATED: (GivenUp.PICTURE_DAMAGED, "its picture is damaged: cut off"),
    Damage.WRONG_HASH: (GivenUp.PICTURE_DAMAGED, "its picture is damaged: its content changed"),
}


def verify(
    database: OutboxDatabase, pictures: PictureFiles, *, repair: bool, now: float, file_now: float
) -> VerifyReport:
    """See ``OutboxDesk.verify``.

    A damaged picture is never deleted: it stays with its dead capture, which is not found again.

    Args:
        database: open.
        pictures: its pictures.
        repair: put right what can be.
        now: the outbox's time, seconds.
        file_now: the wall clock that files are stamped with, seconds.

    Raises:
        OutboxUnavailable, OSError.
    """
    there = {file.name: file for file in pictures.found()}  # before the rows: a file that comes later is no orphan
    findings: list[Finding] = []
    checked = seq = 0
    while rows := _page(database, seq):
        seq = rows[-1]["seq"]
        for row in rows:
            there.pop(row["file"], None)
            if row["code"] in _KNOWN:
                continue
            checked += 1
            damage = _damage(database, pictures, row)
            if damage is not None:
                repaired = repair and _repair_row(database, row, damage, now=now)
                findings.append(Finding(damage, row["file"], CaptureId(row["id"]), repaired))
    findings += [
        finding
        for file in there.values()
        if (finding := _left_over(pictures, file, repair=repair, file_now=file_now)) is not None
    ]
    return VerifyReport(checked, findings)


def _page(database: OutboxDatabase, seq: int) -> list[sqlite3.Row]:
    with database.reading() as connection:
        return connection.execute(
            "SELECT seq, id, file, file_bytes, sha256, state, code FROM capture "
            "WHERE picture_kept = 1 AND seq > ? ORDER BY seq LIMIT ?",
            (seq, PAGE_ROWS),
        ).fetchall()


def _damage(database: OutboxDatabase, pictures: PictureFiles, row: sqlite3.Row) -> Damage | None:
    try:
        pictures.read(row["file"], capture_id=CaptureId(row["id"]), file_bytes=row["file_bytes"], digest=row["sha256"])
    except FileNotFoundError:
        with database.reading() as connection:  # delivered or dropped meanwhile?
            still = connection.execute(
                "SELECT 1 FROM capture WHERE seq = ? AND picture_kept = 1", (row["seq"],)
            ).fetchone()
        return None if still is None else Damage.MISSING
    except PictureCut:
        return Damage.TRUNCATED
    except OutboxCorrupt:
        return Damage.WRONG_HASH
    return None


def _repair_row(database: OutboxDatabase, row: sqlite3.Row, damage: Damage, *, now: float) -> bool:
    """Put a pending one to dead, note in a finished one what is known; nothing if its state changed meanwhile."""
    state = CaptureState(row["state"])
    if state is CaptureState.LEASED:
        return False
    code, reason = _REASONS[damage]
    kept = int(damage is not Damage.MISSING)
    with database.transaction("repair") as connection:
        if state is CaptureState.PENDING:
            changed = connection.execute(
                "UPDATE capture SET state = 'dead', code = ?, reason = ?, ended_at = ?, picture_kept = ? "
                "WHERE seq = ? AND state = 'pending'",
                (code, reason, now, kept, row["seq"]),
            ).rowcount
            add_to_tally(connection, code, changed)
        else:
            changed = connection.execute(
                "UPDATE capture SET code = ?, picture_kept = ? WHERE seq = ? AND state = ?",
                (code, kept, row["seq"], state),
            ).rowcount
    return changed == 1


def _left_over(pictures: PictureFiles, file: FoundFile, *, repair: bool, file_now: float) -> Finding | None:
    if not file.ours:
        return Finding(Damage.FOREIGN, file.name)
    if file_now - file.changed_at < ORPHAN_AGE_S or pictures.size_bytes(file.name) is None:
        return None
    if repair:
        pictures.remove(file.name)
    return Finding(Damage.ORPHAN, file.name, repaired=repair)
