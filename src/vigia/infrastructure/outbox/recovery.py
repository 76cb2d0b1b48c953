"""What is put right when an outbox is opened: the traces of a process that ended in the middle of something."""

from vigia.domain.capture import CaptureId
from vigia.infrastructure.logging import get_logger
from vigia.infrastructure.outbox.database import OutboxDatabase
from vigia.infrastructure.outbox.picture_files import PictureFiles

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
    damaged = _put_damaged_aside(database, pictures)
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
    with database.transaction() as connection:
        returned = connection.execute(
            "UPDATE capture SET state = 'pending', lease = NULL, lease_until = NULL, due_at = ?, "
            "attempts = max(0, attempts - 1) WHERE state = 'leased'",
            (now + settle_s,),
        ).rowcount
        # A pause of the last run says nothing about the recogniser now, and a wrong clock may have written any time.
        connection.execute(
            "UPDATE capture SET due_at = min(due_at, CASE WHEN maybe_sent THEN ?1 ELSE ?2 END) WHERE state = 'pending'",
            (now + settle_s, now),
        )
    return returned


def _put_damaged_aside(database: OutboxDatabase, pictures: PictureFiles) -> int:
    with database.reading() as connection:
        rows = connection.execute("SELECT id, file, size_bytes FROM capture WHERE state = 'pending'").fetchall()
    damaged: list[tuple[str, CaptureId]] = []
    for row in rows:
        size_bytes = pictures.size_bytes(row["file"])
        if size_bytes is None:
            damaged.append(("its picture is missing", row["id"]))
        elif size_bytes != row["size_bytes"]:
            damaged.append(
                (f"its picture is damaged: {size_bytes} bytes found, {row['size_bytes']} written", row["id"])
            )
    if damaged:
        with database.transaction() as connection:
            connection.executemany("UPDATE capture SET state = 'dead', reason = ? WHERE id = ?", damaged)
    return len(damaged)


def _remove_orphans(database: OutboxDatabase, pictures: PictureFiles) -> int:
    """Pictures whose row was never committed, or was delivered in the moment the process died."""
    with database.reading() as connection:
        named = {row["file"] for row in connection.execute("SELECT file FROM capture WHERE state <> 'delivered'")}
    orphans = pictures.orphans(named)
    for file in orphans:
        pictures.remove(file)
    return len(orphans)
