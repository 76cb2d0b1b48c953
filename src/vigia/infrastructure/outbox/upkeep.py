"""What is given up for room, what is too old, and what is kept no longer: statements of the caller's transaction.

Functions name the picture files that no row needs any more. The caller deletes them after its transaction is durable.
The rules are in ``domain/outbox_policy.py``.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from vigia.application.errors import OutboxUnavailable
from vigia.domain.capture import CaptureState
from vigia.domain.outbox_policy import DAY_S, GivenUp, OutboxPolicy, WhenFull
from vigia.infrastructure.outbox.rows import add_to_tally, count_forgotten

GIVE_UP_MAX = 5_000
"""One call gives up at most so many captures."""
SWEEP_MAX = 500
"""One sweep changes at most so many rows, so that nobody waits for it."""
BARE_KEPT = 10_000
"""Dead captures without a picture that are kept: there is nothing to send again, and their number must have an end."""
EXPIRED_REASON = "too old to be sent"
FULL_REASON = "given up: the outbox was full"
MAYBE_SENT = "; it may have arrived"
PICTURES = "pictures"
PUT_BACK = "put_back"
DROPPED = "dropped"
"""Words of the tally beside those of ``GivenUp``."""


@dataclass(slots=True)
class Freed:
    """What was given up for room. Owner: the transaction that fills it."""

    files: list[str] = field(default_factory=list)
    file_bytes: int = 0
    captures: int = 0
    """Pending captures given up; the other files are of finished ones."""

    def add(self, rows: list[sqlite3.Row], *, pending: bool) -> None:
        """Rows whose pictures go."""
        self.files += [row["file"] for row in rows]
        self.file_bytes += sum(row["file_bytes"] for row in rows)
        self.captures += len(rows) if pending else 0


def waiting_count(connection: sqlite3.Connection) -> int:
    """Captures that wait: pending and leased."""
    row = connection.execute("SELECT sum(captures) FROM usage WHERE state IN ('pending', 'leased')").fetchone()
    return int(row[0])


def pictures_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of all pictures kept."""
    return int(connection.execute("SELECT sum(bytes) FROM usage").fetchone()[0])


def make_room(connection: sqlite3.Connection, policy: OutboxPolicy, *, file_bytes: int, now: float) -> Freed:
    """Make room for one capture more, as the policy says.

    Raises:
        OutboxUnavailable: there is none to be had; roll the transaction back.
    """
    freed = Freed()
    if policy.captures_max and (excess := waiting_count(connection) + 1 - policy.captures_max) > 0:
        give_up_pending(connection, policy, freed, captures=excess, now=now)
        if freed.captures < excess:
            raise OutboxUnavailable("the outbox is full: %(waiting)d captures wait", waiting=policy.captures_max)
    if policy.bytes_max:
        excess_bytes = pictures_bytes(connection) + file_bytes - policy.bytes_max
        if not give_up_bytes(connection, policy, freed, file_bytes=excess_bytes, now=now):
            raise OutboxUnavailable(
                "the outbox is full: its pictures may have %(max_mb)d MB", max_mb=policy.bytes_max // 1_000_000
            )
    return freed


def give_up_bytes(
    connection: sqlite3.Connection,
    policy: OutboxPolicy,
    freed: Freed,
    *,
    file_bytes: int,
    now: float,
    captures_max: int = GIVE_UP_MAX,
) -> bool:
    """Free ``file_bytes`` bytes of pictures more: refused, dead, then by the policy pending ones; False: not so many.

    What was found goes in any case; roll back when that shall not be.
    """
    target_bytes = freed.file_bytes + file_bytes
    for state in (CaptureState.REFUSED, CaptureState.DEAD):
        rows = _until_enough(
            connection.execute(
                "SELECT seq, file, file_bytes FROM capture "
                "WHERE state = ? AND picture_kept = 1 AND ended_at IS NOT NULL ORDER BY seq LIMIT ?",
                (state, captures_max),
            ),
            target_bytes - freed.file_bytes,
        )
        connection.executemany("UPDATE capture SET picture_kept = 0 WHERE seq = ?", [(row["seq"],) for row in rows])
        add_to_tally(connection, PICTURES, len(rows))
        freed.add(rows, pending=False)
    needed_bytes = target_bytes - freed.file_bytes
    if needed_bytes > 0:
        give_up_pending(connection, policy, freed, captures=captures_max, file_bytes=needed_bytes, now=now)
    return freed.file_bytes >= target_bytes


def give_up_pending(
    connection: sqlite3.Connection,
    policy: OutboxPolicy,
    freed: Freed,
    *,
    captures: int,
    now: float,
    file_bytes: int | None = None,
) -> None:
    """Give up the oldest pending ones, if the policy allows: so many, or until ``file_bytes`` bytes are free.

    Those that a person put back come last.
    """
    if policy.when_full is not WhenFull.OLDEST:
        return
    rows: list[sqlite3.Row] = []
    for exempt in (0, 1):
        left = min(captures, GIVE_UP_MAX) - len(rows)
        needed_bytes = None if file_bytes is None else file_bytes - sum(row["file_bytes"] for row in rows)
        if left <= 0 or (needed_bytes is not None and needed_bytes <= 0):
            break  # to look for exempt ones takes a scan
        pending = connection.execute(
            "SELECT seq, file, file_bytes FROM capture WHERE state = 'pending' AND exempt = ? ORDER BY seq LIMIT ?",
            (exempt, left),
        )
        rows += pending.fetchall() if needed_bytes is None else _until_enough(pending, needed_bytes)
    connection.executemany(
        "UPDATE capture SET state = 'dead', code = ?, ended_at = ?, picture_kept = 0, "
        "reason = CASE WHEN maybe_sent THEN ? || ? ELSE ? END WHERE seq = ?",
        [(GivenUp.OUTBOX_FULL, now, FULL_REASON, MAYBE_SENT, FULL_REASON, row["seq"]) for row in rows],
    )
    add_to_tally(connection, GivenUp.OUTBOX_FULL, len(rows))
    freed.add(rows, pending=True)


def lower_to_limits(
    connection: sqlite3.Connection, policy: OutboxPolicy, freed: Freed, *, now: float, captures_max: int
) -> None:
    """Give up what is beyond limits that were lowered since, ``captures_max`` captures at most."""
    if policy.captures_max and (excess := waiting_count(connection) - policy.captures_max) > 0:
        give_up_pending(connection, policy, freed, captures=min(excess, captures_max), now=now)
    if policy.bytes_max and (excess_bytes := pictures_bytes(connection) - policy.bytes_max) > 0:
        left = captures_max - freed.captures
        give_up_bytes(connection, policy, freed, file_bytes=excess_bytes, now=now, captures_max=left)


def expire(connection: sqlite3.Connection, policy: OutboxPolicy, *, now: float, limit: int = SWEEP_MAX) -> int:
    """Put pending captures that are too old to ``dead``, pictures kept; how many."""
    if not policy.expires:
        return 0
    expired = connection.execute(
        "UPDATE capture SET state = 'dead', code = ?1, ended_at = ?2, "
        "reason = CASE WHEN maybe_sent THEN ?3 || ?4 ELSE ?3 END WHERE seq IN (SELECT seq FROM capture "
        "WHERE state = 'pending' AND committed_at <= ?5 AND exempt = 0 ORDER BY committed_at LIMIT ?6)",
        (GivenUp.EXPIRED, now, EXPIRED_REASON, MAYBE_SENT, now - policy.age_max_s, limit),
    ).rowcount
    add_to_tally(connection, GivenUp.EXPIRED, expired)
    return expired


def forget_excess(
    connection: sqlite3.Connection, policy: OutboxPolicy, state: CaptureState, *, limit: int = SWEEP_MAX
) -> tuple[list[str], int]:
    """Forget the oldest finished rows beyond the number kept; the names of their pictures, and how many rows."""
    kept = {CaptureState.DELIVERED: policy.delivered_kept, CaptureState.REFUSED: policy.refused_kept}.get(state)
    if kept is None:
        return [], 0
    (there,) = connection.execute("SELECT captures FROM usage WHERE state = ?", (state,)).fetchone()
    if there <= kept:
        return [], 0
    return _forget(
        connection,
        state,
        "SELECT seq FROM capture WHERE state = ?1 ORDER BY seq LIMIT ?2",
        (state, min(there - kept, limit)),
    )


def forget_old(
    connection: sqlite3.Connection, policy: OutboxPolicy, state: CaptureState, *, now: float, limit: int
) -> tuple[list[str], int]:
    """Forget finished rows whose days are over; the names of their pictures, and how many rows."""
    days = {
        CaptureState.DELIVERED: policy.delivered_days,
        CaptureState.REFUSED: policy.refused_days,
        CaptureState.DEAD: policy.dead_days,
    }[state]
    if not days:
        return [], 0
    return _forget(
        connection,
        state,
        "SELECT seq FROM capture WHERE state = ?1 AND ended_at <= ?2 ORDER BY ended_at LIMIT ?3",
        (state, now - days * DAY_S, limit),
    )


def forget_bare(connection: sqlite3.Connection, *, limit: int) -> int:
    """Forget the oldest dead rows without a picture beyond ``BARE_KEPT``; how many."""
    of_bare = "FROM capture WHERE picture_kept = 0 AND state = 'dead'"
    (there,) = connection.execute(f"SELECT count(*) {of_bare}").fetchone()
    if there <= BARE_KEPT:
        return 0
    places = (min(there - BARE_KEPT, limit),)
    return _forget(connection, CaptureState.DEAD, f"SELECT seq {of_bare} ORDER BY seq LIMIT ?1", places)[1]


def _until_enough(rows: Iterable[sqlite3.Row], file_bytes: int) -> list[sqlite3.Row]:
    taken: list[sqlite3.Row] = []
    for row in rows:
        if file_bytes <= 0:
            break
        taken.append(row)
        file_bytes -= row["file_bytes"]
    return taken


def _forget(
    connection: sqlite3.Connection, state: CaptureState, chosen: str, places: tuple[object, ...]
) -> tuple[list[str], int]:
    rows = connection.execute(
        f"DELETE FROM capture WHERE seq IN ({chosen}) RETURNING file, picture_kept",  # noqa: S608 - constant text
        places,
    ).fetchall()
    count_forgotten(connection, state, len(rows))
    return [row["file"] for row in rows if row["picture_kept"]], len(rows)
