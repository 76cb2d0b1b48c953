"""What is given up for room, what is too old, and what is kept no longer: statements of the caller's transaction.

The rules are in ``domain/outbox_policy.py``. Rows that another vigia is at work on are passed over: nobody waits, and
no two transactions can block each other. Two that commit at the same moment do not see each other: a limit may be
exceeded by as many captures, until the next.
"""

from dataclasses import dataclass, field

from vigia.application.errors import OutboxUnavailable
from vigia.domain.capture import CaptureState
from vigia.domain.outbox_policy import DAY_S, GivenUp, OutboxPolicy, WhenFull
from vigia.infrastructure.outbox.postgres_connections import PostgresSession, Row
from vigia.infrastructure.outbox.upkeep import (
    BARE_KEPT,
    EXPIRED_REASON,
    FULL_REASON,
    GIVE_UP_MAX,
    MAYBE_SENT,
    PICTURES,
    SWEEP_MAX,
)

MERGE_MAX = 5_000
"""One call merges at most so many movements."""
KEPT = "kept:"
FORGOTTEN = "forgotten:"
TALLY = "tally:"
"""What ``movement.what`` begins with."""


@dataclass(slots=True)
class Freed:
    """What was given up for room. Owner: the transaction that fills it."""

    captures: int = 0
    """Pending captures."""
    pictures: int = 0
    """Of finished captures."""
    file_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Sums:
    """What the movements add up to."""

    captures: dict[str, int] = field(default_factory=dict)
    """By what, in the words of ``movement``; nothing that is 0."""
    file_bytes: int = 0
    """Of all pictures kept."""

    @property
    def waiting(self) -> int:
        """Pending and leased."""
        return self.captures.get("kept:pending", 0) + self.captures.get("kept:leased", 0)


def sums(session: PostgresSession) -> Sums:
    """Add up all movements."""
    rows = session.execute(
        "SELECT what, sum(captures)::bigint AS captures, sum(bytes)::bigint AS bytes FROM movement GROUP BY what"
    ).fetchall()
    return Sums(
        {row["what"]: row["captures"] for row in rows if row["captures"]},
        sum(row["bytes"] for row in rows),
    )


def merge_movements(session: PostgresSession) -> None:
    """Replace movements by their sums."""
    session.execute(
        "WITH gone AS (DELETE FROM movement WHERE ctid = ANY (ARRAY("
        "SELECT ctid FROM movement LIMIT %(max)s FOR UPDATE SKIP LOCKED)) RETURNING what, captures, bytes) "
        "INSERT INTO movement (what, captures, bytes) SELECT what, sum(captures), sum(bytes) FROM gone GROUP BY what",
        {"max": MERGE_MAX},
    )


def add(session: PostgresSession, what: str, captures: int) -> None:
    """Write a movement down, if there is one."""
    if captures:
        session.execute(
            "INSERT INTO movement (what, captures) VALUES (%(what)s, %(captures)s)",
            {"what": what, "captures": captures},
        )


def make_room(session: PostgresSession, policy: OutboxPolicy, *, file_bytes: int) -> Freed:
    """Make room for one capture more, as the policy says.

    Raises:
        OutboxUnavailable: there is none to be had; roll the transaction back.
    """
    freed = Freed()
    if not policy.captures_max and not policy.bytes_max:
        return freed
    there = sums(session)
    if policy.captures_max and (excess := there.waiting + 1 - policy.captures_max) > 0:
        give_up_pending(session, policy, freed, captures=excess)
        if freed.captures < excess:
            raise OutboxUnavailable("the outbox is full: %(waiting)d captures wait", waiting=policy.captures_max)
    if policy.bytes_max:
        excess_bytes = there.file_bytes - freed.file_bytes + file_bytes - policy.bytes_max
        if not give_up_bytes(session, policy, freed, file_bytes=excess_bytes):
            raise OutboxUnavailable(
                "the outbox is full: its pictures may have %(max_mb)d MB", max_mb=policy.bytes_max // 1_000_000
            )
    return freed


def give_up_bytes(
    session: PostgresSession,
    policy: OutboxPolicy,
    freed: Freed,
    *,
    file_bytes: int,
    captures_max: int = GIVE_UP_MAX,
) -> bool:
    """Free so many bytes of pictures more: refused, dead, then by the policy pending ones; False: not so many.

    What was found goes in any case; roll back when that shall not be.
    """
    target_bytes = freed.file_bytes + file_bytes
    for state in (CaptureState.REFUSED, CaptureState.DEAD):
        needed_bytes = target_bytes - freed.file_bytes
        if needed_bytes <= 0:
            return True
        rows = _until_enough(
            session,
            f"state = '{state}' AND picture_kept AND ended_at IS NOT NULL",
            captures=captures_max,
            file_bytes=needed_bytes,
        )
        session.execute("UPDATE capture SET picture_kept = false WHERE seq = ANY (%(seqs)s)", {"seqs": _seqs(rows)})
        _remove_pictures(session, rows)
        add(session, TALLY + PICTURES, len(rows))
        freed.pictures += len(rows)
        freed.file_bytes += sum(row["file_bytes"] for row in rows)
    needed_bytes = target_bytes - freed.file_bytes
    if needed_bytes > 0:
        give_up_pending(session, policy, freed, captures=captures_max, file_bytes=needed_bytes)
    return freed.file_bytes >= target_bytes


def give_up_pending(
    session: PostgresSession, policy: OutboxPolicy, freed: Freed, *, captures: int, file_bytes: int | None = None
) -> None:
    """Give up the oldest pending ones, if the policy allows: so many, or until ``file_bytes`` bytes are free.

    Those that a person put back come last.
    """
    if policy.when_full is not WhenFull.OLDEST:
        return
    rows: list[Row] = []
    for exempt in ("NOT exempt", "exempt"):
        left = min(captures, GIVE_UP_MAX) - len(rows)
        needed_bytes = None if file_bytes is None else file_bytes - sum(row["file_bytes"] for row in rows)
        if left <= 0 or (needed_bytes is not None and needed_bytes <= 0):
            break  # to look for exempt ones takes a scan
        rows += _until_enough(session, f"state = 'pending' AND {exempt}", captures=left, file_bytes=needed_bytes)
    if not rows:
        return
    session.execute(
        "UPDATE capture SET state = 'dead', code = %(code)s, ended_at = %(now)s, picture_kept = false, "
        "reason = %(reason)s || CASE WHEN maybe_sent THEN %(doubt)s ELSE '' END WHERE seq = ANY (%(seqs)s)",
        {
            "code": str(GivenUp.OUTBOX_FULL),
            "now": session.now,
            "reason": FULL_REASON,
            "doubt": MAYBE_SENT,
            "seqs": _seqs(rows),
        },
    )
    _remove_pictures(session, rows)
    add(session, TALLY + GivenUp.OUTBOX_FULL, len(rows))
    freed.captures += len(rows)
    freed.file_bytes += sum(row["file_bytes"] for row in rows)


def lower_to_limits(session: PostgresSession, policy: OutboxPolicy, freed: Freed, *, captures_max: int) -> None:
    """Give up what is beyond limits that were lowered since, ``captures_max`` captures at most."""
    there = sums(session)
    if policy.captures_max and (excess := there.waiting - policy.captures_max) > 0:
        give_up_pending(session, policy, freed, captures=min(excess, captures_max))
    if policy.bytes_max and (excess_bytes := there.file_bytes - freed.file_bytes - policy.bytes_max) > 0:
        give_up_bytes(session, policy, freed, file_bytes=excess_bytes, captures_max=captures_max - freed.captures)


def return_expired(session: PostgresSession) -> int:
    """Make captures pending whose lease ran out, whoever held it; ``maybe_sent`` stays. How many."""
    return session.execute(
        "UPDATE capture SET state = 'pending', lease = NULL, lease_until = NULL, attempts = greatest(0, attempts - 1) "
        "WHERE seq = ANY (ARRAY(SELECT seq FROM capture WHERE state = 'leased' AND lease_until <= %(now)s "
        "FOR UPDATE SKIP LOCKED))",
        {"now": session.now},
    ).rowcount


def expire(session: PostgresSession, policy: OutboxPolicy, *, limit: int = SWEEP_MAX) -> int:
    """Put pending captures that are too old to ``dead``, pictures kept; how many."""
    if not policy.expires or limit <= 0:
        return 0
    expired = session.execute(
        "UPDATE capture SET state = 'dead', code = %(code)s, ended_at = %(now)s, "
        "reason = %(reason)s || CASE WHEN maybe_sent THEN %(doubt)s ELSE '' END WHERE seq = ANY (ARRAY("
        "SELECT seq FROM capture WHERE state = 'pending' AND committed_at <= %(old_at)s AND NOT exempt "
        "ORDER BY committed_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED))",
        {
            "code": str(GivenUp.EXPIRED),
            "now": session.now,
            "reason": EXPIRED_REASON,
            "doubt": MAYBE_SENT,
            "old_at": session.now - policy.age_max_s,
            "limit": limit,
        },
    ).rowcount
    add(session, TALLY + GivenUp.EXPIRED, expired)
    return expired


def forget_excess(
    session: PostgresSession, policy: OutboxPolicy, state: CaptureState, *, limit: int = SWEEP_MAX
) -> int:
    """Forget the oldest finished rows beyond the number kept; how many."""
    kept = {CaptureState.DELIVERED: policy.delivered_kept, CaptureState.REFUSED: policy.refused_kept}.get(state)
    if kept is None:
        return 0
    excess = sums(session).captures.get(KEPT + state, 0) - kept
    return _forget(session, state, f"state = '{state}' AND ended_at IS NOT NULL ORDER BY seq", min(excess, limit))


def forget_old(session: PostgresSession, policy: OutboxPolicy, state: CaptureState, *, limit: int) -> int:
    """Forget finished rows whose days are over; how many."""
    days = {
        CaptureState.DELIVERED: policy.delivered_days,
        CaptureState.REFUSED: policy.refused_days,
        CaptureState.DEAD: policy.dead_days,
    }[state]
    if not days:
        return 0
    old_at = session.now - days * DAY_S
    return _forget(session, state, f"state = '{state}' AND ended_at <= %(old_at)s ORDER BY ended_at", limit, old_at)


def forget_bare(session: PostgresSession, *, limit: int) -> int:
    """Forget the oldest dead rows without a picture beyond ``BARE_KEPT``; how many."""
    bare = "state = 'dead' AND NOT picture_kept"
    there: int = session.one(f"SELECT count(*) AS there FROM capture WHERE {bare}")["there"]  # noqa: S608 - constant text
    return _forget(session, CaptureState.DEAD, f"{bare} ORDER BY seq", min(there - BARE_KEPT, limit))


def _forget(session: PostgresSession, state: CaptureState, which: str, limit: int, old_at: float = 0.0) -> int:
    if limit <= 0:
        return 0
    rows = session.execute(
        "DELETE FROM capture WHERE seq = ANY (ARRAY("  # noqa: S608 - constant text
        f"SELECT seq FROM capture WHERE {which} LIMIT %(limit)s FOR UPDATE SKIP LOCKED))",
        {"limit": limit, "old_at": old_at},
    ).rowcount
    add(session, FORGOTTEN + state, rows)
    return rows


def _until_enough(session: PostgresSession, which: str, *, captures: int, file_bytes: int | None) -> list[Row]:
    """Lock the oldest rows, as many as it takes for so many bytes, at most ``captures``."""
    if file_bytes is None:
        return session.execute(
            f"SELECT seq, file_bytes FROM capture WHERE {which} "  # noqa: S608 - constant text
            "ORDER BY seq LIMIT %(captures)s FOR UPDATE SKIP LOCKED",
            {"captures": captures},
        ).fetchall()
    return session.execute(
        "SELECT c.seq, c.file_bytes FROM capture AS c JOIN ("  # noqa: S608 - constant text
        "SELECT seq, sum(file_bytes) OVER (ORDER BY seq) - file_bytes AS before FROM ("
        f"SELECT seq, file_bytes FROM capture WHERE {which} ORDER BY seq LIMIT %(captures)s) AS oldest"
        ") AS running USING (seq) "
        f"WHERE running.before < %(file_bytes)s AND {which} ORDER BY c.seq FOR UPDATE OF c SKIP LOCKED",
        {"captures": captures, "file_bytes": file_bytes},
    ).fetchall()


def _seqs(rows: list[Row]) -> list[int]:
    return [row["seq"] for row in rows]


def _remove_pictures(session: PostgresSession, rows: list[Row]) -> None:
    session.execute("DELETE FROM picture WHERE seq = ANY (%(seqs)s)", {"seqs": _seqs(rows)})
