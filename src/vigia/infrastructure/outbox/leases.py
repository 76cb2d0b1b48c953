"""Which captures are handed out next: statements of the caller's transaction."""

import sqlite3
from collections.abc import Iterator
from secrets import token_hex

from vigia.domain.outbox_policy import LeaseOrder, OutboxPolicy
from vigia.infrastructure.outbox import upkeep

_OF_CAMERA = "SELECT * FROM capture WHERE camera_id = :camera AND state = 'pending' AND due_at <= :now"
_NEXT = {
    LeaseOrder.OLDEST: " AND seq > :seq ORDER BY seq LIMIT 1",
    LeaseOrder.NEWEST: " AND seq < :seq ORDER BY seq DESC LIMIT 1",
}
_BEFORE_ALL = {LeaseOrder.OLDEST: 0, LeaseOrder.NEWEST: (1 << 63) - 1}
_YOUNG = " AND (committed_at > :old_at OR exempt = 1)"
_OLD = " AND committed_at <= :old_at AND exempt = 0"
_RETURN_EXPIRED = """
UPDATE capture SET state = 'pending', lease = NULL, lease_until = NULL, attempts = max(0, attempts - 1)
WHERE state = 'leased' AND lease_until <= ?
"""


def claim(
    connection: sqlite3.Connection, policy: OutboxPolicy, *, now: float, limit: int, duration_s: float
) -> list[tuple[sqlite3.Row, str]]:
    """Return leases that ran out, put aside what is too old, lease rows.

    Args:
        connection: in a transaction.
        policy: order and age.
        now: wall time, seconds.
        limit: rows at most.
        duration_s: how long the leases last.

    Returns:
        Rows as they were before, each with its lease.
    """
    connection.execute(_RETURN_EXPIRED, (now,))
    upkeep.expire(connection, policy, now=now)
    claimed: list[tuple[sqlite3.Row, str]] = []
    for which in (_YOUNG, _OLD) if policy.defers else (_YOUNG,) if policy.expires else ("",):
        for row in _in_turn(connection, policy, which, now=now, limit=limit - len(claimed)):
            lease = token_hex(16)
            connection.execute(
                "UPDATE capture SET state = 'leased', lease = ?, lease_until = ?, attempts = attempts + 1, "
                "maybe_sent = 1 WHERE seq = ?",
                (lease, now + duration_s, row["seq"]),
            )
            claimed.append((row, lease))
    return claimed


def _in_turn(
    connection: sqlite3.Connection, policy: OutboxPolicy, which: str, *, now: float, limit: int
) -> Iterator[sqlite3.Row]:
    """Due rows, cameras in turn, longest unserved first; within a camera in the policy's order.

    A row that is yielded has had its camera's turn; the caller leases it before it asks for the next.
    """
    order = policy.order
    select = _OF_CAMERA + which + _NEXT[order]
    places: dict[str, object] = {"now": now, "old_at": now - policy.age_max_s}
    turn = connection.execute("SELECT coalesce(max(turn), 0) FROM camera").fetchone()[0]
    # The last one claimed of each camera that may still have more.
    last_seq = {
        row["camera_id"]: _BEFORE_ALL[order]
        for row in connection.execute("SELECT camera_id FROM camera ORDER BY turn, camera_id")
    }
    while last_seq and limit > 0:
        for camera_id in list(last_seq):
            row = connection.execute(select, places | {"camera": camera_id, "seq": last_seq[camera_id]}).fetchone()
            if row is None:
                del last_seq[camera_id]
                continue
            last_seq[camera_id] = row["seq"]
            turn += 1
            connection.execute("UPDATE camera SET turn = ? WHERE camera_id = ?", (turn, camera_id))
            yield row
            limit -= 1
            if limit <= 0:
                return
