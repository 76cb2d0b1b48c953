"""What is put right when an outbox is opened: the traces of a process that ended in the middle of something."""

from vigia.domain.capture import CaptureId
from vigia.domain.outbox_policy import GivenUp
from vigia.infrastructure.logging import get_logger
from vigia.infrastructure.outbox.database import OutboxDatabase
from vigia.infrastructure.outbox.picture_files import PictureFiles
from vigia.infrastructure.outbox.rows import add_to_tally

logger = get_logger("vigia.outbox")


def recover(database: OutboxDatabase, pictures: PictureFiles, *, now: float, settle_s: float) -> None:
    """Return leases, put damaged rows aside, remove pictures without a row; say in the log what was found.

    Args:
        database: open and of the newest version; nobody else uses it yet.
        pictures: its pictures.
        now: wall time, seconds.
        settle_s: how long a returned capture waits: what the dead process sent may still be on its way.

    Raises:
        OutboxUnavailable, OSError.
    """
    returned = _return_leases(database, now=now, settle_s=settle_s)
    damaged = _put_damaged_aside(database, pictures, now=now)
    removed = _remove_orphans(database, pictures)
    with database.reading() as connection:
        (waiting,) = connection.execute("SELECT count(*) FROM capture WHERE state = 'pending'").fetchone()
    if waiting or returned:
        logger.info(
            "outbox opened: %d captures wait, %d of them were being sent when the last run ended", waiting, returned
        )
    if removed:
        logger.info("outbox: %d pictures without a capture were removed", removed)
    if damaged:
        logger.error("outbox: %d captures are dead, their pictures are missing or damaged", damaged)


def _return_leases(database: OutboxDatabase, *, now: float, settle_s: float) -> int:
    """Whoever held a lease is dead: the directory's lock is ours. ``maybe_sent`` stays, so they are looked up first."""
    with database.transaction("recover") as connection:
        returned = connection.execute(
            "UPDATE capture SET state = 'pending', lease = NULL, lease_until = NULL, due_at = ?, "
            "attempts = max(0, attempts - 1) WHERE state = 'leased'",
            (now + settle_s,),
        ).rowcount
        # A pause of the last run says nothing about the recogniser now, and a wrong clock may have written any time.
        # Rows that are as they should be are not written: a full disk keeps nobody from opening.
        connection.execute(
            "UPDATE capture SET due_at = CASE WHEN maybe_sent THEN ?1 ELSE ?2 END "
            "WHERE state = 'pending' AND due_at > CASE WHEN maybe_sent THEN ?1 ELSE ?2 END",
            (now + settle_s, now),
        )
    return returned


def _put_damaged_aside(database: OutboxDatabase, pictures: PictureFiles, *, now: float) -> int:
    with database.reading() as connection:
        rows = connection.execute("SELECT id, file, file_bytes FROM capture WHERE state = 'pending'").fetchall()
    missing: list[tuple[float, str, CaptureId]] = []
    cut: list[tuple[float, str, CaptureId]] = []
    for row in rows:
        found, written = pictures.size_bytes(row["file"]), row["file_bytes"]
        if found is None:
            missing.append((now, "its picture is missing", row["id"]))
        elif found != written:
            cut.append((now, f"its picture is damaged: {found} bytes found, {written} written", row["id"]))
    if missing or cut:
        dead = "UPDATE capture SET state = 'dead', ended_at = ?, reason = ?"
        with database.transaction("recover") as connection:
            connection.executemany(f"{dead}, code = 'picture_missing', picture_kept = 0 WHERE id = ?", missing)
            connection.executemany(f"{dead}, code = 'picture_damaged' WHERE id = ?", cut)
            add_to_tally(connection, GivenUp.PICTURE_MISSING, len(missing))
            add_to_tally(connection, GivenUp.PICTURE_DAMAGED, len(cut))
    return len(missing) + len(cut)


def _remove_orphans(database: OutboxDatabase, pictures: PictureFiles) -> int:
    """Pictures whose row was never committed, or was delivered in the moment the process died."""
    with database.reading() as connection:
        named = {row["file"] for row in connection.execute("SELECT file FROM capture WHERE picture_kept = 1")}
    orphans = pictures.orphans(named)
    for file in orphans:
        pictures.remove(file)
    return len(orphans)
