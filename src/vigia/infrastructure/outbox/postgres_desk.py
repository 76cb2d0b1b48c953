"""What a person, the report and the upkeep ask of the outbox on PostgreSQL: the half without senders."""

from collections.abc import Mapping
from typing import Any

from vigia.application.errors import OutboxCorrupt, PictureGone
from vigia.application.ports import (
    Clock,
    Damage,
    Finding,
    OutboxEntry,
    OutboxStats,
    OutboxTally,
    SweepReport,
    VerifyReport,
)
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, CaptureState
from vigia.domain.outbox_policy import GivenUp, OutboxPolicy
from vigia.infrastructure.outbox import postgres_upkeep as upkeep
from vigia.infrastructure.outbox.desk import FINISHED, require_state
from vigia.infrastructure.outbox.full_alarm import FullAlarm
from vigia.infrastructure.outbox.picture_files import PictureCut
from vigia.infrastructure.outbox.postgres_connections import PostgresConnections, PostgresSession, Row
from vigia.infrastructure.outbox.postgres_pictures import PictureMissing, StoredPictures
from vigia.infrastructure.outbox.rows import to_entry
from vigia.infrastructure.outbox.upkeep import DROPPED, PICTURES, PUT_BACK, SWEEP_MAX

VERIFY_ROWS = 16
"""Pictures read at once."""
_COLUMNS = (
    "seq, id, camera_id, findface_camera_id, track_id, at_utc, box_xyxy, roi_ltrb, width, height, quality, details, "
    "size_bytes, picture_kept, state, attempts, maybe_sent, exempt, due_at, lease_until, reason, code, event_ids, "
    "committed_at, ended_at"
)
_ENTRIES = (
    f"SELECT {_COLUMNS} FROM capture WHERE seq > %(after)s "  # noqa: S608 - constant text
    "AND (%(state)s::text IS NULL OR state = %(state)s) AND (%(camera)s::text IS NULL OR camera_id = %(camera)s) "
    "AND (%(older)s::float8 IS NULL OR committed_at <= %(older)s) "
    "AND (%(younger)s::float8 IS NULL OR committed_at > %(younger)s) ORDER BY seq LIMIT %(limit)s"
)
# Of a finished state ``ended_at`` is set: said, so that the index of the finished ones can be used.
_NEWEST = (
    f"SELECT {_COLUMNS} FROM capture WHERE seq IN (SELECT seq FROM capture "  # noqa: S608 - constant text
    "WHERE (%(before)s::bigint IS NULL OR seq < %(before)s) "
    "AND (%(state)s::text IS NULL OR state = %(state)s) AND (NOT %(finished)s::bool OR ended_at IS NOT NULL) "
    "AND (%(camera)s::text IS NULL OR camera_id = %(camera)s) "
    "AND (%(quality)s::float8 IS NULL OR quality >= %(quality)s) ORDER BY seq DESC LIMIT %(limit)s) ORDER BY seq DESC"
)
_COUNTS = "SELECT camera_id, state, count(*) AS captures FROM capture GROUP BY camera_id, state"
_ENTRY = f"SELECT {_COLUMNS} FROM capture WHERE id = %(id)s"  # noqa: S608 - constant text
_PICTURE = (
    "SELECT c.id, c.file_bytes, c.sha256, p.data FROM capture AS c LEFT JOIN picture AS p USING (seq) "
    "WHERE c.id = %(id)s AND c.picture_kept"
)
_PAGE = (
    "SELECT c.seq, c.id, c.file_bytes, c.sha256, c.state, p.data FROM capture AS c LEFT JOIN picture AS p USING (seq) "
    "WHERE c.picture_kept AND c.code <> ALL (%(known)s) AND c.seq > %(seq)s ORDER BY c.seq LIMIT %(limit)s"
)
_SURPLUS = "SELECT p.seq, c.id FROM picture AS p JOIN capture AS c USING (seq) WHERE NOT c.picture_kept ORDER BY p.seq"
_REASONS = {
    Damage.MISSING: (GivenUp.PICTURE_MISSING, "its picture is missing"),
    Damage.TRUNCATED: (GivenUp.PICTURE_DAMAGED, "its picture is damaged: cut off"),
    Damage.WRONG_HASH: (GivenUp.PICTURE_DAMAGED, "its picture is damaged: its content changed"),
}
_KNOWN_BAD = [str(GivenUp.PICTURE_MISSING), str(GivenUp.PICTURE_DAMAGED)]


class PostgresDesk:
    """The ``OutboxDesk`` port on PostgreSQL. Any thread; never changes after it was made.

    Args:
        connections: to the server.
        pictures: how they are stored.
        clock: of this machine, for the log only: the server's counts.
        policy: what is kept.
    """

    def __init__(
        self, connections: PostgresConnections, pictures: StoredPictures, clock: Clock, *, policy: OutboxPolicy
    ) -> None:
        self._connections = connections
        self._pictures = pictures
        self._policy = policy
        self._alarm = FullAlarm(clock)

    def stats(self) -> OutboxStats:
        """Counts by state. See the port."""
        with self._connections.reading() as session:
            there = upkeep.sums(session)
            oldest_at = session.one(
                "SELECT least((SELECT min(committed_at) FROM capture WHERE state = 'pending'), "
                "(SELECT min(committed_at) FROM capture WHERE state = 'leased')) AS at"
            )["at"]
        kept = {state: rows for state in CaptureState if (rows := there.captures.get(upkeep.KEPT + state, 0)) > 0}
        counts = {
            state: rows
            for state in CaptureState
            if (rows := kept.get(state, 0) + there.captures.get(upkeep.FORGOTTEN + state, 0)) > 0
        }
        return OutboxStats(
            counts=counts,
            oldest_pending_age_s=None if oldest_at is None else max(0.0, session.now - oldest_at),
            bytes_on_disk=there.file_bytes,
            kept=kept,
        )

    def entries(
        self,
        *,
        state: CaptureState | None = None,
        camera_id: CameraId | None = None,
        older_than_s: float | None = None,
        younger_than_s: float | None = None,
        limit: int | None = None,
        after: int = 0,
    ) -> list[OutboxEntry]:
        """The books, oldest first. See the port."""
        with self._connections.reading() as session:
            places: dict[str, Any] = {
                "after": after,
                "state": None if state is None else str(state),
                "camera": camera_id,
                "older": None if older_than_s is None else session.now - older_than_s,
                "younger": None if younger_than_s is None else session.now - younger_than_s,
                "limit": limit,
            }
            rows = session.execute(_ENTRIES, places).fetchall()
        return [to_entry(row, now=session.now, location="") for row in rows]

    def newest(
        self,
        *,
        state: CaptureState | None = None,
        camera_id: CameraId | None = None,
        quality_min: float | None = None,
        limit: int,
        before: int | None = None,
    ) -> list[OutboxEntry]:
        """The books, newest first. See the port."""
        places: dict[str, Any] = {
            "before": before,
            "state": None if state is None else str(state),
            "finished": state in FINISHED,
            "camera": camera_id,
            "quality": quality_min,
            "limit": limit,
        }
        with self._connections.reading() as session:
            rows = session.execute(_NEWEST, places).fetchall()
        return [to_entry(row, now=session.now, location="") for row in rows]

    def counts_by_camera(self) -> Mapping[CameraId, Mapping[CaptureState, int]]:
        """Rows of each camera in each state. See the port."""
        with self._connections.reading() as session:
            rows = session.execute(_COUNTS).fetchall()
        counts: dict[CameraId, dict[CaptureState, int]] = {}
        for row in rows:
            counts.setdefault(CameraId(row["camera_id"]), {})[CaptureState(row["state"])] = row["captures"]
        return counts

    def entry(self, capture_id: CaptureId) -> OutboxEntry | None:
        """One capture. See the port."""
        with self._connections.reading() as session:
            row = session.execute(_ENTRY, {"id": capture_id}).fetchone()
        return None if row is None else to_entry(row, now=session.now, location="")

    def picture(self, capture_id: CaptureId) -> bytes | None:
        """The JPEG file's bytes, compared with what was committed. See the port."""
        with self._connections.reading() as session:
            row = session.execute(_PICTURE, {"id": capture_id}).fetchone()
        if row is None:
            return None
        try:
            return self._pictures.opened(row)
        except PictureMissing as error:
            raise OutboxCorrupt("capture %(id)s: its picture is missing", id=capture_id) from error

    def put_back(self, capture_id: CaptureId, *, expected: CaptureState) -> None:
        """Make a refused or dead capture pending again. See the port."""
        if expected not in {CaptureState.REFUSED, CaptureState.DEAD}:
            raise ValueError(f"a capture that is {expected.value} cannot be put back")
        with self._connections.transaction("put_back") as session:
            if not _locked(session, capture_id, expected)["picture_kept"]:
                raise PictureGone("capture %(id)s has no picture any more: there is nothing to send", id=capture_id)
            session.execute(
                "UPDATE capture SET state = 'pending', attempts = 0, due_at = %(now)s, exempt = true, code = '', "
                "reason = '', ended_at = NULL, ended_lease = NULL WHERE id = %(id)s",
                {"now": session.now, "id": capture_id},
            )
            upkeep.add(session, upkeep.TALLY + PUT_BACK, 1)

    def drop(self, capture_id: CaptureId, *, expected: CaptureState) -> None:
        """Remove a capture and its picture for good. See the port."""
        if expected is CaptureState.LEASED:
            raise ValueError("a leased capture cannot be dropped")
        with self._connections.transaction("drop") as session:
            _locked(session, capture_id, expected)
            session.execute("DELETE FROM capture WHERE id = %(id)s", {"id": capture_id})
            pending = expected is CaptureState.PENDING
            upkeep.add(session, upkeep.TALLY + DROPPED if pending else upkeep.FORGOTTEN + expected, 1)

    def tally(self) -> OutboxTally:
        """What happened to captures without a sender. See the port."""
        with self._connections.reading() as session:
            counted = upkeep.sums(session).captures
        return OutboxTally(
            given_up={code: captures for code in GivenUp if (captures := counted.get(upkeep.TALLY + code, 0))},
            put_back=counted.get(upkeep.TALLY + PUT_BACK, 0),
            dropped=counted.get(upkeep.TALLY + DROPPED, 0),
            pictures_given_up=counted.get(upkeep.TALLY + PICTURES, 0),
        )

    def sweep(self) -> SweepReport:
        """Do a bounded part of the upkeep. See the port."""
        policy, budget = self._policy, SWEEP_MAX
        freed, forgotten = upkeep.Freed(), dict.fromkeys(FINISHED, 0)
        with self._connections.transaction("sweep") as session:
            expired = upkeep.expire(session, policy, limit=budget)
            budget -= expired
            for state in FINISHED:
                rows = upkeep.forget_old(session, policy, state, limit=budget)
                rows += upkeep.forget_excess(session, policy, state, limit=budget - rows)
                forgotten[state] += rows
                budget -= rows
            bare = upkeep.forget_bare(session, limit=budget)
            forgotten[CaptureState.DEAD] += bare
            budget -= bare
            upkeep.lower_to_limits(session, policy, freed, captures_max=budget)
            budget -= freed.captures + freed.pictures
            upkeep.merge_movements(session)
        self._alarm.gave_up(captures=freed.captures, pictures=freed.pictures)
        return SweepReport(
            expired=expired,
            forgotten={state: rows for state, rows in forgotten.items() if rows},
            more=budget <= 0,
        )

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Read every picture and compare it with its row. See the port. A finding is named by its capture."""
        findings: list[Finding] = []
        checked = seq = 0
        while rows := self._page(seq):
            seq = rows[-1]["seq"]
            for row in rows:
                checked += 1
                damage = self._damage(row)
                if damage is not None:
                    repaired = repair and self._repair(row, damage)
                    findings.append(Finding(damage, row["id"], CaptureId(row["id"]), repaired))
        with self._connections.reading() as session:
            surplus = session.execute(_SURPLUS).fetchall()
        for row in surplus:
            if repair:
                with self._connections.transaction("repair") as session:
                    session.execute("DELETE FROM picture WHERE seq = %(seq)s", row)
            findings.append(Finding(Damage.ORPHAN, row["id"], repaired=repair))
        return VerifyReport(checked, findings)

    def _page(self, seq: int) -> list[Row]:
        with self._connections.reading() as session:
            return session.execute(_PAGE, {"known": _KNOWN_BAD, "seq": seq, "limit": VERIFY_ROWS}).fetchall()

    def _damage(self, row: Row) -> Damage | None:
        try:
            self._pictures.opened(row)
        except PictureMissing:
            return Damage.MISSING
        except PictureCut:
            return Damage.TRUNCATED
        except OutboxCorrupt:
            return Damage.WRONG_HASH
        return None

    def _repair(self, row: Row, damage: Damage) -> bool:
        """Put a pending one to dead, note in a finished one what is known; nothing if its state changed meanwhile."""
        state = CaptureState(row["state"])
        if state is CaptureState.LEASED:
            return False
        code, reason = _REASONS[damage]
        places = {"code": str(code), "kept": damage is not Damage.MISSING, "seq": row["seq"], "state": str(state)}
        with self._connections.transaction("repair") as session:
            if state is CaptureState.PENDING:
                changed = session.execute(
                    "UPDATE capture SET state = 'dead', code = %(code)s, reason = %(reason)s, ended_at = %(now)s, "
                    "picture_kept = %(kept)s WHERE seq = %(seq)s AND state = 'pending'",
                    places | {"reason": reason, "now": session.now},
                ).rowcount
                upkeep.add(session, upkeep.TALLY + code, changed)
            else:
                changed = session.execute(
                    "UPDATE capture SET code = %(code)s, picture_kept = %(kept)s WHERE seq = %(seq)s "
                    "AND state = %(state)s",
                    places,
                ).rowcount
        return changed == 1


def _locked(session: PostgresSession, capture_id: CaptureId, expected: CaptureState) -> Row:
    """The row, locked, in the expected state. Raises CaptureUnknown, TransitionError."""
    row = session.execute(
        "SELECT state, picture_kept FROM capture WHERE id = %(id)s FOR UPDATE", {"id": capture_id}
    ).fetchone()
    require_state(capture_id, None if row is None else row["state"], expected)
    if row is None:
        raise AssertionError("an unknown capture was told")
    return row
