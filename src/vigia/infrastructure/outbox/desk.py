"""What a person, the report and the upkeep ask of the outbox on SQLite: the half without senders."""

from collections.abc import Collection, Mapping, Sequence

from vigia.application.errors import CaptureUnknown, OutboxCorrupt, OutboxUnavailable, PictureGone
from vigia.application.ports import Clock, OutboxEntry, OutboxStats, OutboxTally, SweepReport, VerifyReport
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, CaptureState
from vigia.domain.errors import TransitionError
from vigia.domain.outbox_policy import GivenUp, OutboxPolicy
from vigia.infrastructure.logging import get_logger
from vigia.infrastructure.outbox import upkeep
from vigia.infrastructure.outbox.database import OutboxDatabase
from vigia.infrastructure.outbox.full_alarm import FullAlarm
from vigia.infrastructure.outbox.picture_files import PictureFiles
from vigia.infrastructure.outbox.rows import add_to_tally, count_forgotten, to_entry
from vigia.infrastructure.outbox.schema import NEWEST, NEWEST_OF_CAMERA, NEWEST_OF_STATE
from vigia.infrastructure.outbox.verification import verify

logger = get_logger("vigia.outbox")

FINISHED = (CaptureState.DELIVERED, CaptureState.REFUSED, CaptureState.DEAD)
_SELECT = """
SELECT * FROM capture WHERE seq > :after AND (:state IS NULL OR state = :state)
AND (:camera IS NULL OR camera_id = :camera) AND (:older IS NULL OR committed_at <= :older)
AND (:younger IS NULL OR committed_at > :younger) ORDER BY seq LIMIT :limit
"""
_NEWEST = """
SELECT * FROM capture WHERE seq IN (
    SELECT seq FROM capture {index} WHERE seq < :before{filters} ORDER BY seq DESC LIMIT :limit
) ORDER BY seq DESC
"""
_FILTERS = {
    "state": " AND state = :state",
    "camera": " AND camera_id = :camera",
    "quality": " AND quality >= :quality",
}
# In the order of the camera's index: to group by the state too would sort all of it.
_COUNTS = (
    "SELECT camera_id, "  # noqa: S608 - constant text
    + ", ".join(f"count(*) FILTER (WHERE state = '{state}') AS {state}" for state in CaptureState)
    + " FROM capture GROUP BY camera_id"
)
SEQ_MAX = 2**63 - 1


class SqliteDesk:
    """The ``OutboxDesk`` port on a database and its pictures. Any thread; never changes after it was made.

    Args:
        database: open.
        pictures: its pictures.
        clock: read once for wall time, then for monotonic seconds.
        policy: what is kept.
    """

    def __init__(self, database: OutboxDatabase, pictures: PictureFiles, clock: Clock, *, policy: OutboxPolicy) -> None:
        self._database = database
        self._pictures = pictures
        self._clock = clock
        self._policy = policy
        self._alarm = FullAlarm(clock)
        self._base_wall_s = clock.utc().timestamp() - clock.mono_s()

    def stats(self) -> OutboxStats:
        """Counts by state. See the port."""
        with self._database.reading() as connection:
            usage = connection.execute("SELECT state, captures, bytes FROM usage").fetchall()
            pruned = connection.execute("SELECT state, captures FROM pruned").fetchall()
            (oldest_at,) = connection.execute(
                "SELECT min(at) FROM (SELECT min(committed_at) AS at FROM capture WHERE state = 'pending' "
                "UNION ALL SELECT min(committed_at) FROM capture WHERE state = 'leased')"
            ).fetchone()
        kept = {CaptureState(row["state"]): row["captures"] for row in usage if row["captures"]}
        counts = dict(kept)
        for row in pruned:
            state = CaptureState(row["state"])
            counts[state] = counts.get(state, 0) + row["captures"]
        return OutboxStats(
            counts=counts,
            oldest_pending_age_s=None if oldest_at is None else max(0.0, self._now() - oldest_at),
            bytes_on_disk=sum(row["bytes"] for row in usage),
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
        now = self._now()
        places = {
            "after": after,
            "state": state,
            "camera": camera_id,
            "older": None if older_than_s is None else now - older_than_s,
            "younger": None if younger_than_s is None else now - younger_than_s,
            "limit": -1 if limit is None else limit,
        }
        with self._database.reading() as connection:
            rows = connection.execute(_SELECT, places).fetchall()
        return [to_entry(row, now=now, location=str(self._pictures.path(row["file"]))) for row in rows]

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
        places = {
            "before": SEQ_MAX if before is None else before,
            "state": state,
            "camera": camera_id,
            "quality": quality_min,
            "limit": limit,
        }
        asked = [name for name in _FILTERS if places[name] is not None]
        with self._database.reading() as connection:
            rows = connection.execute(newest_text(asked, self._database.indices), places).fetchall()
        now = self._now()
        return [to_entry(row, now=now, location=str(self._pictures.path(row["file"]))) for row in rows]

    def counts_by_camera(self) -> Mapping[CameraId, Mapping[CaptureState, int]]:
        """Rows of each camera in each state. See the port."""
        with self._database.reading() as connection:
            rows = connection.execute(_COUNTS).fetchall()
        return {CameraId(row["camera_id"]): {state: row[state] for state in CaptureState if row[state]} for row in rows}

    def entry(self, capture_id: CaptureId) -> OutboxEntry | None:
        """One capture. See the port."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM capture WHERE id = ?", (capture_id,)).fetchone()
        if row is None:
            return None
        return to_entry(row, now=self._now(), location=str(self._pictures.path(row["file"])))

    def picture(self, capture_id: CaptureId) -> bytes | None:
        """The JPEG file's bytes, compared with what was committed. See the port."""
        select = "SELECT file, file_bytes, sha256 FROM capture WHERE id = ? AND picture_kept = 1"
        with self._database.reading() as connection:
            row = connection.execute(select, (capture_id,)).fetchone()
        if row is None:
            return None
        try:
            return self._pictures.read(
                row["file"], capture_id=capture_id, file_bytes=row["file_bytes"], digest=row["sha256"]
            )
        except FileNotFoundError as error:
            with self._database.reading() as connection:
                if connection.execute(select, (capture_id,)).fetchone() is None:
                    return None  # delivered or dropped meanwhile
            raise OutboxCorrupt("capture %(id)s: its picture is missing", id=capture_id) from error
        except OSError as error:
            raise OutboxUnavailable(
                "a picture cannot be read from the outbox: %(cause)s", cause=error.strerror or error
            ) from error

    def put_back(self, capture_id: CaptureId, *, expected: CaptureState) -> None:
        """Make a refused or dead capture pending again. See the port."""
        if expected not in {CaptureState.REFUSED, CaptureState.DEAD}:
            raise ValueError(f"a capture that is {expected.value} cannot be put back")
        with self._database.transaction("put_back") as connection:
            row = connection.execute("SELECT state, picture_kept FROM capture WHERE id = ?", (capture_id,)).fetchone()
            require_state(capture_id, None if row is None else row["state"], expected)
            if not row["picture_kept"]:
                raise PictureGone("capture %(id)s has no picture any more: there is nothing to send", id=capture_id)
            connection.execute(
                "UPDATE capture SET state = 'pending', attempts = 0, due_at = ?, exempt = 1, code = '', reason = '', "
                "ended_at = NULL WHERE id = ?",
                (self._now(), capture_id),
            )
            add_to_tally(connection, upkeep.PUT_BACK, 1)

    def drop(self, capture_id: CaptureId, *, expected: CaptureState) -> None:
        """Remove a capture and its picture for good. See the port."""
        if expected is CaptureState.LEASED:
            raise ValueError("a leased capture cannot be dropped")
        with self._database.transaction("drop") as connection:
            row = connection.execute("SELECT state, file FROM capture WHERE id = ?", (capture_id,)).fetchone()
            require_state(capture_id, None if row is None else row["state"], expected)
            connection.execute("DELETE FROM capture WHERE id = ?", (capture_id,))
            if expected is CaptureState.PENDING:
                add_to_tally(connection, upkeep.DROPPED, 1)
            else:
                count_forgotten(connection, expected, 1)
        self._remove_pictures([row["file"]])

    def tally(self) -> OutboxTally:
        """What happened to captures without a sender. See the port."""
        with self._database.reading() as connection:
            counted = {row["what"]: row["captures"] for row in connection.execute("SELECT what, captures FROM tally")}
        return OutboxTally(
            given_up={code: counted[code] for code in GivenUp if counted.get(code)},
            put_back=counted.get(upkeep.PUT_BACK, 0),
            dropped=counted.get(upkeep.DROPPED, 0),
            pictures_given_up=counted.get(upkeep.PICTURES, 0),
        )

    def sweep(self) -> SweepReport:
        """Do a bounded part of the upkeep. See the port."""
        policy, budget = self._policy, upkeep.SWEEP_MAX
        freed, forgotten = upkeep.Freed(), dict.fromkeys(FINISHED, 0)
        files: list[str] = []
        with self._database.transaction("sweep") as connection:
            now = self._now()
            expired = upkeep.expire(connection, policy, now=now, limit=budget)
            budget -= expired
            for state in FINISHED:
                old, rows = upkeep.forget_old(connection, policy, state, now=now, limit=budget)
                excess, more_rows = upkeep.forget_excess(connection, policy, state, limit=budget - rows)
                files += old + excess
                forgotten[state] += rows + more_rows
                budget -= rows + more_rows
            bare = upkeep.forget_bare(connection, limit=budget)
            forgotten[CaptureState.DEAD] += bare
            budget -= bare
            upkeep.lower_to_limits(connection, policy, freed, now=now, captures_max=budget)
            budget -= len(freed.files)
        self._remove_pictures([*files, *freed.files])
        self._alarm.gave_up(captures=freed.captures, pictures=len(freed.files) - freed.captures)
        return SweepReport(
            expired=expired,
            forgotten={state: rows for state, rows in forgotten.items() if rows},
            more=budget <= 0,
        )

    def verify(self, *, repair: bool = False) -> VerifyReport:
        """Read every picture and compare it with the rows. See the port."""
        file_now = self._clock.utc().timestamp()
        try:
            return verify(self._database, self._pictures, repair=repair, now=self._now(), file_now=file_now)
        except OSError as error:
            raise OutboxUnavailable(
                "the outbox's pictures cannot be read: %(cause)s", cause=error.strerror or error
            ) from error

    def _now(self) -> float:
        """Wall time in seconds that does not jump while this process lives."""
        return self._base_wall_s + self._clock.mono_s()

    def _remove_pictures(self, files: Sequence[str]) -> None:
        """Delete pictures; what cannot be deleted now is an orphan, removed when the outbox is opened next."""
        for file in files:
            try:
                self._pictures.remove(file)
            except OSError as error:
                logger.warning("a picture of the outbox cannot be deleted: %s", error)


def newest_text(asked: Collection[str], indices: Collection[str]) -> str:
    """The query for the newest captures by these filters.

    It names the index that passes over the fewest rows: those of the camera, those of the state, or an index that holds
    the quality too. SQLite would take the rows themselves, as they lie in the order that is wanted.

    Args:
        asked: ``state``, ``camera``, ``quality``.
        indices: that the database has.
    """
    index = NEWEST_OF_CAMERA if "camera" in asked else NEWEST_OF_STATE if "state" in asked else NEWEST
    named = f"INDEXED BY {index}" if index in indices else ""
    return _NEWEST.format(index=named, filters="".join(_FILTERS[name] for name in asked))


def require_state(capture_id: CaptureId, state: str | None, expected: CaptureState) -> None:
    """Raise CaptureUnknown without a state, TransitionError when it is not the expected one."""
    if state is None:
        raise CaptureUnknown("capture %(id)s is not in the outbox", id=capture_id)
    if state != expected:
        raise TransitionError(
            "capture %(id)s is %(state)s now, not %(expected)s", id=capture_id, state=state, expected=expected.value
        )
