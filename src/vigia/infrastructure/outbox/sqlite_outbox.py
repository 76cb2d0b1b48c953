"""An outbox on disk: SQLite rows and one picture file each.

What holds at every moment, also after ``kill -9`` and after a power cut:

1. A row names a picture that was durable before the row was. So a picture without a row was never said to be captured:
   it is removed when the outbox is opened, and counted in the log.
2. A picture is deleted only after the row that no longer needs it was committed (delivered, or pruned).
3. A lease is written down, with ``maybe_sent``, before the sender has the capture. A lease that nobody ended (its time
   ran out, or its process died) brings the capture back as doubtful and takes the attempt back: it told us nothing.
4. Every transition names the lease it expects; the row changes only if that lease still stands, else ``LeaseLost``. A
   lease that ran out stands until somebody else takes the capture: news of a delivery is welcome though late.

A row whose picture is missing or has the wrong size is put aside as ``dead`` when the outbox is opened; the hash is
compared whenever a capture is leased.

Time: the file holds wall time, for the next process. Within this process it is reckoned from one reading of the wall
clock plus monotonic seconds, so that setting the computer's clock ends no lease early and delays no retry.
"""

import json
import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from re import compile as re_compile
from secrets import token_hex
from types import TracebackType
from typing import Self

from vigia.application.errors import ConfigurationError, LeaseLost, OutboxUnavailable
from vigia.application.ports import Clock, OutboxEntry, OutboxStats
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError
from vigia.infrastructure.logging import get_logger
from vigia.infrastructure.outbox.database import OutboxDatabase
from vigia.infrastructure.outbox.directory import OutboxDirectory
from vigia.infrastructure.outbox.picture_files import PictureFiles, picture_hash
from vigia.infrastructure.outbox.recovery import recover
from vigia.infrastructure.outbox.rows import INSERT, to_entry, to_leased, to_row

logger = get_logger("vigia.outbox")

_CAPTURE_ID = re_compile(r"[0-9a-f]{32}")
_NEXT_OF_CAMERA = """
SELECT * FROM capture WHERE camera_id = ? AND state = 'pending' AND due_at <= ? AND seq > ? ORDER BY seq LIMIT 1
"""
_END = "UPDATE capture SET state = ?, lease = NULL, lease_until = NULL, reason = ?, event_ids = ?"
_RETRY = """
UPDATE capture SET state = 'pending', lease = NULL, lease_until = NULL, due_at = ?, maybe_sent = ?,
       attempts = max(0, attempts - ?), reason = CASE WHEN ? = '' THEN reason ELSE ? END
"""
_IF_HELD = " WHERE id = ? AND state = 'leased' AND lease = ?"
_RETURN_EXPIRED = """
UPDATE capture SET state = 'pending', lease = NULL, lease_until = NULL, attempts = max(0, attempts - 1)
WHERE state = 'leased' AND lease_until <= ?
"""


class SqliteOutbox:
    """The ``Outbox`` port on SQLite. Any thread.

    Owner: the database's locks (see there); the object itself never changes after it was made. One process at a time.
    Bounds: ``captures_max`` waiting captures and ``free_bytes_min`` free disk space, beyond which ``commit`` refuses;
    ``delivered_kept`` and ``refused_kept`` finished rows. Dead captures stay until a person removes them.

    Args:
        directory: made when it is not there; private.
        clock: see the module about time.
        captures_max: captures that may wait (pending and leased); 0 = no limit.
        delivered_kept: delivered captures whose numbers are kept; their pictures never are.
        refused_kept: refused captures that are kept, with their pictures.
        free_bytes_min: space that ``commit`` leaves alone, so that leasing and delivering, which make room, still work.
        settle_s: how long a capture that a dead process had leased waits, so that the receiver has finished with it.

    Raises:
        ConfigurationError: the directory or the database cannot be used, or another vigia uses it.
    """

    def __init__(
        self,
        directory: Path | str,
        clock: Clock,
        *,
        captures_max: int = 100_000,
        delivered_kept: int = 10_000,
        refused_kept: int = 1_000,
        free_bytes_min: int = 64 << 20,
        settle_s: float = 5.0,
    ) -> None:
        self._clock = clock
        self._base_wall_s = clock.utc().timestamp() - clock.mono_s()
        self._captures_max = captures_max
        self._kept = {CaptureState.DELIVERED: delivered_kept, CaptureState.REFUSED: refused_kept}
        self._free_bytes_min = free_bytes_min
        self._directory = OutboxDirectory(Path(directory))
        try:
            self._database = OutboxDatabase(self._directory.database)
            try:
                self._pictures = PictureFiles(self._directory.pictures)
                recover(self._database, self._pictures, now=self._now(), settle_s=settle_s)
            except BaseException:
                self._database.close()
                raise
        except (OutboxUnavailable, OSError) as error:
            self._directory.close()
            raise ConfigurationError(
                "the outbox in %(directory)s cannot be opened: %(cause)s", directory=directory, cause=error
            ) from error
        except BaseException:
            self._directory.close()
            raise

    def __repr__(self) -> str:
        return f"<SqliteOutbox {self._directory.path}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def commit(self, capture: Capture) -> None:
        """Store a capture for good. See the port.

        Raises:
            OutboxUnavailable: disk full or locked, or too many captures wait; nothing was stored.
            TransitionError: this id is in the outbox already.
            ValueError, TypeError: the id is not 32 hexadecimal digits, the time has no zone, details are no JSON.
        """
        if not _CAPTURE_ID.fullmatch(capture.id):
            raise ValueError(f"a capture id is 32 hexadecimal digits, not {capture.id!r}")
        if capture.at_utc.tzinfo is None:
            raise ValueError("the time of a capture needs a zone")
        values = to_row(capture, file="", sha256=picture_hash(capture.jpeg), now=self._now())
        self._check_space(len(capture.jpeg))
        try:
            file = self._pictures.write(capture.id, capture.jpeg)
        except OSError as error:
            raise OutboxUnavailable(
                "a picture cannot be written to the outbox: %(cause)s", cause=error.strerror or error
            ) from error
        try:
            self._insert(values | {"file": file})
        except BaseException:
            self._remove_pictures([file])
            raise

    def lease(self, *, limit: int, duration_s: float) -> list[LeasedCapture]:
        """Hand out due captures. See the port. Looking when nothing is due writes nothing."""
        due_s = self.next_due_s()
        if due_s is None or due_s > 0.0:
            return []
        leased: list[LeasedCapture] = []
        # Ends: each turn leases what it is given, or puts damaged rows aside for good.
        while len(leased) < limit:
            claimed = self._claim(limit - len(leased), duration_s)
            if not claimed:
                break
            leased += [capture for row, lease in claimed if (capture := self._with_picture(row, lease)) is not None]
        return leased

    def mark_delivered(self, capture: LeasedCapture, event_ids: Sequence[str]) -> None:
        """FindFace took it: the picture is deleted, the numbers stay. See the port."""
        self._end(capture.id, capture.lease, CaptureState.DELIVERED, event_ids=event_ids)

    def mark_refused(self, capture: LeasedCapture, reason: str) -> None:
        """FindFace will never take it. See the port."""
        self._end(capture.id, capture.lease, CaptureState.REFUSED, reason=reason)

    def mark_dead(self, capture: LeasedCapture, reason: str) -> None:
        """Given up. See the port."""
        self._end(capture.id, capture.lease, CaptureState.DEAD, reason=reason)

    def retry_later(
        self, capture: LeasedCapture, *, delay_s: float, reason: str, counts: bool = True, maybe_sent: bool = True
    ) -> None:
        """Back to pending. See the port."""
        due_at = self._now() + max(0.0, delay_s)
        places = (due_at, int(maybe_sent), int(not counts), reason, reason)
        with self._database.transaction() as connection:
            cursor = connection.execute(_RETRY + _IF_HELD, (*places, capture.id, capture.lease))
            _require_held(cursor, capture.id)

    def next_due_s(self) -> float | None:
        """Seconds until the next capture can be leased. See the port."""
        with self._database.reading() as connection:
            (due_at,) = connection.execute(
                "SELECT min(at) FROM (SELECT min(due_at) AS at FROM capture WHERE state = 'pending' "
                "UNION ALL SELECT min(lease_until) FROM capture WHERE state = 'leased')"
            ).fetchone()
        return None if due_at is None else max(0.0, due_at - self._now())

    def stats(self) -> OutboxStats:
        """Counts by state, captures that are no longer kept included. See the port."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT state, sum(n) FROM (SELECT state, count(*) AS n FROM capture GROUP BY state "
                "UNION ALL SELECT state, captures FROM pruned) GROUP BY state"
            ).fetchall()
            (oldest_at,) = connection.execute(
                "SELECT min(committed_at) FROM capture WHERE state IN ('pending', 'leased')"
            ).fetchone()
            (size_bytes,) = connection.execute(
                "SELECT coalesce(sum(size_bytes), 0) FROM capture WHERE state <> 'delivered'"
            ).fetchone()
        return OutboxStats(
            counts={CaptureState(state): count for state, count in rows},
            oldest_pending_age_s=None if oldest_at is None else max(0.0, self._now() - oldest_at),
            bytes_on_disk=size_bytes,
        )

    def entries(self, *, state: CaptureState | None = None, limit: int | None = None) -> list[OutboxEntry]:
        """The books, oldest first. See the port."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT * FROM capture WHERE ?1 IS NULL OR state = ?1 ORDER BY seq LIMIT ?2",
                (state, -1 if limit is None else limit),
            ).fetchall()
        return [to_entry(row) for row in rows]

    def close(self) -> None:
        """Finish and let another process have the directory. Idempotent; later calls raise OutboxUnavailable."""
        self._database.close()
        self._directory.close()

    def _now(self) -> float:
        """Wall time in seconds that does not jump while this process lives."""
        return self._base_wall_s + self._clock.mono_s()

    def _check_space(self, size_bytes: int) -> None:
        try:
            free_bytes = shutil.disk_usage(self._directory.path).free
        except OSError as error:
            raise OutboxUnavailable("the outbox directory is gone: %(cause)s", cause=error.strerror or error) from error
        if free_bytes < self._free_bytes_min + size_bytes:
            raise OutboxUnavailable(
                "the outbox's disk is full: %(free_mb)d MB are free, %(min_mb)d MB are left alone",
                free_mb=free_bytes >> 20,
                min_mb=self._free_bytes_min >> 20,
            )

    def _insert(self, values: dict[str, object]) -> None:
        with self._database.transaction() as connection:
            if self._captures_max:
                (waiting,) = connection.execute(
                    "SELECT count(*) FROM capture WHERE state IN ('pending', 'leased')"
                ).fetchone()
                if waiting >= self._captures_max:
                    raise OutboxUnavailable("the outbox is full: %(waiting)d captures wait", waiting=waiting)
            if connection.execute("SELECT 1 FROM capture WHERE id = ?", (values["id"],)).fetchone() is not None:
                raise TransitionError("capture %(id)s is in the outbox already", id=values["id"])
            connection.execute(INSERT, values)
            connection.execute("INSERT OR IGNORE INTO camera (camera_id, turn) VALUES (?, 0)", (values["camera_id"],))

    def _claim(self, limit: int, duration_s: float) -> list[tuple[sqlite3.Row, str]]:
        """Lease rows: cameras in turn, longest unserved first; within a camera in the order they were committed."""
        claimed: list[tuple[sqlite3.Row, str]] = []
        with self._database.transaction() as connection:
            now = self._now()
            connection.execute(_RETURN_EXPIRED, (now,))
            turn = connection.execute("SELECT coalesce(max(turn), 0) FROM camera").fetchone()[0]
            # The last one claimed of each camera that may still have more.
            last_seq = {
                row["camera_id"]: 0
                for row in connection.execute("SELECT camera_id FROM camera ORDER BY turn, camera_id")
            }
            while last_seq and len(claimed) < limit:
                for camera_id in list(last_seq):
                    row = connection.execute(_NEXT_OF_CAMERA, (camera_id, now, last_seq[camera_id])).fetchone()
                    if row is None:
                        del last_seq[camera_id]
                        continue
                    last_seq[camera_id] = row["seq"]
                    lease = token_hex(16)
                    connection.execute(
                        "UPDATE capture SET state = 'leased', lease = ?, lease_until = ?, attempts = attempts + 1, "
                        "maybe_sent = 1 WHERE seq = ?",
                        (lease, now + duration_s, row["seq"]),
                    )
                    turn += 1
                    connection.execute("UPDATE camera SET turn = ? WHERE camera_id = ?", (turn, camera_id))
                    claimed.append((row, lease))
                    if len(claimed) >= limit:
                        break
        return claimed

    def _with_picture(self, row: sqlite3.Row, lease: str) -> LeasedCapture | None:
        """The leased capture with its picture; None when the picture is no good and the row was put aside."""
        try:
            jpeg = self._pictures.read(row["file"])
        except FileNotFoundError:
            reason = "its picture is missing"
        except OSError as error:  # the lease runs out by itself: the disk may recover
            raise OutboxUnavailable(
                "a picture cannot be read from the outbox: %(cause)s", cause=error.strerror or error
            ) from error
        else:
            if len(jpeg) == row["size_bytes"] and picture_hash(jpeg) == row["sha256"]:
                return to_leased(row, lease=lease, jpeg=jpeg)
            reason = f"its picture is damaged: {len(jpeg)} bytes read, {row['size_bytes']} written"
        logger.error("capture %s of camera %s is dead: %s", row["id"], row["camera_id"], reason)
        self._end(CaptureId(row["id"]), lease, CaptureState.DEAD, reason=reason)
        return None

    def _end(
        self, capture_id: CaptureId, lease: str, state: CaptureState, *, reason: str = "", event_ids: Sequence[str] = ()
    ) -> None:
        """Put a leased capture into a final state; then delete the pictures that nobody needs any more."""
        with self._database.transaction() as connection:
            cursor = connection.execute(
                _END + _IF_HELD, (state, reason, json.dumps(list(event_ids)), capture_id, lease)
            )
            _require_held(cursor, capture_id)
            files = self._prune(connection, state)
            if state is CaptureState.DELIVERED:
                files += [
                    row["file"] for row in connection.execute("SELECT file FROM capture WHERE id = ?", (capture_id,))
                ]
        self._remove_pictures(files)

    def _prune(self, connection: sqlite3.Connection, state: CaptureState) -> list[str]:
        """Forget the oldest finished rows beyond the number kept; the names of their pictures."""
        kept = self._kept.get(state)
        if kept is None:
            return []
        last_kept = "(SELECT seq FROM capture WHERE state = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)"
        files = [
            row["file"]
            for row in connection.execute(
                f"DELETE FROM capture WHERE state = ?1 AND seq <= {last_kept} RETURNING file",  # noqa: S608 - constant text
                (state, kept),
            )
        ]
        if files:
            connection.execute(
                "INSERT INTO pruned (state, captures) VALUES (?1, ?2) "
                "ON CONFLICT (state) DO UPDATE SET captures = captures + ?2",
                (state, len(files)),
            )
        return files

    def _remove_pictures(self, files: Sequence[str]) -> None:
        """Delete pictures; what cannot be deleted now is an orphan, removed when the outbox is opened next."""
        for file in files:
            try:
                self._pictures.remove(file)
            except OSError as error:
                logger.warning("a picture of the outbox cannot be deleted: %s", error)


def _require_held(cursor: sqlite3.Cursor, capture_id: CaptureId) -> None:
    if cursor.rowcount != 1:
        raise LeaseLost("capture %(id)s is not leased by this holder any more", id=capture_id)
