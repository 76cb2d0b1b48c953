"""An outbox on disk: SQLite rows and one picture file each.

What holds at every moment, also after ``kill -9`` and after a power cut:

1. A row names a picture that was durable before the row was. So a picture without a row was never said to be captured:
   it is removed when the outbox is opened, and counted in the log.
2. A picture is deleted only after the row that no longer needs it is durable (delivered, given up, forgotten). That a
   capture was delivered may be forgotten in a power cut while more of them wait: it comes back as doubtful, with its
   picture, and is looked up. So one wait for the disk does for up to OWED_MAX deliveries.
3. A lease is written down, with ``maybe_sent``, before the sender has the capture. A lease that nobody ended (its time
   ran out, or its process died) brings the capture back as doubtful and takes the attempt back: it told us nothing.
4. Every transition names the lease it expects; the row changes only if that lease still stands, else ``LeaseLost``. A
   lease that ran out stands until somebody else takes the capture: news of a delivery is welcome though late.

5. What is given up for room, or is too old, changes its row and the tally in one transaction, so that both add up.

A row whose picture is missing or has the wrong size is put aside as ``dead`` when the outbox is opened; the hash is
compared whenever a capture is leased.

Time: the file holds wall time, for the next process. Within this process it is reckoned from one reading of the wall
clock plus monotonic seconds, so that setting the computer's clock ends no lease early and delays no retry.
"""

import contextlib
import errno
import json
import shutil
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from vigia.application.errors import ConfigurationError, LeaseLost, OutboxCorrupt, OutboxUnavailable, PermanentError
from vigia.application.ports import Clock
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError
from vigia.domain.outbox_policy import GivenUp, OutboxPolicy
from vigia.infrastructure.logging import get_logger
from vigia.infrastructure.outbox import leases, upkeep
from vigia.infrastructure.outbox.database import OutboxDatabase
from vigia.infrastructure.outbox.desk import SqliteDesk
from vigia.infrastructure.outbox.directory import OutboxDirectory
from vigia.infrastructure.outbox.fault_points import FaultPoint, no_fault
from vigia.infrastructure.outbox.picture_files import PictureCodec, PictureFiles, StoredPicture, picture_hash
from vigia.infrastructure.outbox.recovery import recover
from vigia.infrastructure.outbox.rows import INSERT, add_to_tally, to_leased, to_row

logger = get_logger("vigia.outbox")

SPACE_TRIES = 4
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_END = """
UPDATE capture SET state = ?, lease = NULL, lease_until = NULL, reason = ?, event_ids = ?, code = ?, picture_kept = ?,
       ended_at = ?
"""
_RETRY = """
UPDATE capture SET state = 'pending', lease = NULL, lease_until = NULL, due_at = ?, maybe_sent = ?,
       attempts = max(0, attempts - ?), reason = CASE WHEN ? = '' THEN reason ELSE ? END
"""
_IF_HELD = " WHERE id = ? AND state = 'leased' AND lease = ?"
OWED_MAX = 16
"""So many delivered pictures at most wait for a durable transaction before they go; none while no capture waits."""


class SqliteOutbox(SqliteDesk):
    """The ``ManagedOutbox`` port on SQLite. Any thread.

    Owner: the database's locks (see there); the object itself never changes after it was made. One process at a time;
    others may look and tidy beside it (``beside``).
    Bounds: the policy's, and ``free_bytes_min`` free disk space: see ``domain/outbox_policy.py`` for what is given up.

    Args:
        directory: made when it is not there; private.
        clock: see the module about time.
        policy: limits, order, retention.
        free_bytes_min: space that ``commit`` leaves alone, so that leasing and delivering, which make room, still work.
        settle_s: how long a capture that a dead process had leased waits, so that the receiver has finished with it.
        codec: how pictures lie on the disk; None: as they are.
        fault_point: see ``fault_points.py``.
        beside: open what is there, without the lock and without putting anything right: for a person's questions while
            a vigia runs. Do not commit or lease with it.

    Raises:
        ConfigurationError: the directory or the database cannot be used, or another vigia uses it.
    """

    def __init__(
        self,
        directory: Path | str,
        clock: Clock,
        *,
        policy: OutboxPolicy | None = None,
        free_bytes_min: int = 64 << 20,
        settle_s: float = 5.0,
        codec: PictureCodec | None = None,
        fault_point: FaultPoint = no_fault,
        beside: bool = False,
    ) -> None:
        self._free_bytes_min = free_bytes_min
        self._owed: deque[str] = deque()  # pictures of deliveries that are not durable yet; appends and pops are atomic
        with contextlib.ExitStack() as opened, _opening(directory):
            self._directory = OutboxDirectory(Path(directory), beside=beside)
            opened.callback(self._directory.close)
            database = OutboxDatabase(self._directory.database, fault_point=fault_point, beside=beside)
            opened.callback(database.close)
            pictures = PictureFiles(self._directory.pictures, codec=codec, fault_point=fault_point)
            super().__init__(database, pictures, clock, policy=policy if policy is not None else OutboxPolicy())
            if not beside:
                recover(database, pictures, now=self._now(), settle_s=settle_s)
            opened.pop_all()

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
            PermanentError: its picture alone is larger than all may be.
            ValueError, TypeError: the id is not 32 hexadecimal digits, the time has no zone, details are no JSON.
        """
        values = to_row(capture, sha256=picture_hash(capture.jpeg), now=self._now())
        self._check_space(len(capture.jpeg))
        stored = self._write_picture(capture)
        try:
            freed = self._insert(values | {"file": stored.name, "file_bytes": stored.file_bytes})
        except BaseException:
            self._remove_pictures([stored.name])
            raise
        self._let_go(freed)
        if not freed.files:
            self._alarm.has_room()

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
        """Given up by a sender. See the port."""
        self._end(capture.id, capture.lease, CaptureState.DEAD, reason=reason, code=GivenUp.DELIVERY)

    def retry_later(
        self, capture: LeasedCapture, *, delay_s: float, reason: str, counts: bool = True, maybe_sent: bool = True
    ) -> None:
        """Back to pending. See the port."""
        due_at = self._now() + max(0.0, delay_s)
        places = (due_at, int(maybe_sent), int(not counts), reason, reason)
        with self._database.transaction("retry", durable=False) as connection:  # a lease that returns is looked up
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

    def close(self) -> None:
        """Finish and let another process have the directory. Idempotent; later calls raise OutboxUnavailable."""
        if owed := self._take_owed():
            try:
                self._database.flush()
                self._remove_pictures(owed)
            except OutboxUnavailable as error:  # orphans, removed when the outbox is opened next
                logger.warning("a picture of the outbox cannot be deleted: %s", error)
        self._database.close()
        self._directory.close()

    def _write_picture(self, capture: Capture) -> StoredPicture:
        """Write the picture; when there is no space although it looked so (a quota), make some and try once more."""
        try:
            return self._pictures.write(capture.id, capture.jpeg)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise _not_written(error) from error
        self._make_space(len(capture.jpeg))
        try:
            return self._pictures.write(capture.id, capture.jpeg)
        except OSError as error:
            raise _not_written(error) from error

    def _check_space(self, size_bytes: int) -> None:
        """Leave ``free_bytes_min`` alone: give up what the policy allows when there is less."""
        tries = SPACE_TRIES  # to give something up takes space itself: the database grows a little
        while (short_bytes := self._short_bytes(size_bytes)) > 0:
            if tries == 0:
                raise self._disk_is_full()
            tries -= 1
            self._make_space(short_bytes)

    def _short_bytes(self, size_bytes: int) -> int:
        return self._free_bytes_min + size_bytes - self._free_bytes()

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self._directory.path).free
        except OSError as error:
            raise OutboxUnavailable("the outbox directory is gone: %(cause)s", cause=error.strerror or error) from error

    def _disk_is_full(self) -> OutboxUnavailable:
        return OutboxUnavailable(
            "the outbox's disk is full: %(free_mb)d MB are free, %(min_mb)d MB are left alone",
            free_mb=self._free_bytes() >> 20,
            min_mb=self._free_bytes_min >> 20,
        )

    def _make_space(self, file_bytes: int) -> None:
        """Free so many bytes on the disk, or change nothing. Raises OutboxUnavailable."""
        freed = upkeep.Freed()
        with self._database.transaction("make_room") as connection:
            if not upkeep.give_up_bytes(connection, self._policy, freed, file_bytes=file_bytes, now=self._now()):
                raise self._disk_is_full()
        self._let_go(freed)

    def _insert(self, values: dict[str, object]) -> upkeep.Freed:
        file_bytes = int(str(values["file_bytes"]))
        if 0 < self._policy.bytes_max < file_bytes:
            raise PermanentError(
                "a picture of %(bytes)d bytes is larger than the whole outbox may be", bytes=file_bytes
            )
        with self._database.transaction("commit") as connection:
            if connection.execute("SELECT 1 FROM capture WHERE id = ?", (values["id"],)).fetchone() is not None:
                raise TransitionError("capture %(id)s is in the outbox already", id=values["id"])
            freed = upkeep.make_room(connection, self._policy, file_bytes=file_bytes, now=self._now())
            connection.execute(INSERT, values)
            connection.execute("INSERT OR IGNORE INTO camera (camera_id, turn) VALUES (?, 0)", (values["camera_id"],))
        return freed

    def _let_go(self, freed: upkeep.Freed) -> None:
        self._remove_pictures(freed.files)
        self._alarm.gave_up(captures=freed.captures, pictures=len(freed.files) - freed.captures)

    def _claim(self, limit: int, duration_s: float) -> list[tuple[sqlite3.Row, str]]:
        with self._database.transaction("lease") as connection:
            return leases.claim(connection, self._policy, now=self._now(), limit=limit, duration_s=duration_s)

    def _with_picture(self, row: sqlite3.Row, lease: str) -> LeasedCapture | None:
        """The leased capture with its picture; None when the picture is no good and the row was put aside."""
        capture_id = CaptureId(row["id"])
        try:
            jpeg = self._pictures.read(
                row["file"], capture_id=capture_id, file_bytes=row["file_bytes"], digest=row["sha256"]
            )
        except FileNotFoundError:
            reason, code = "its picture is missing", GivenUp.PICTURE_MISSING
        except OutboxCorrupt as error:
            reason, code = str(error), GivenUp.PICTURE_DAMAGED
        except OSError as error:  # the lease runs out by itself: the disk may recover
            raise OutboxUnavailable(
                "a picture cannot be read from the outbox: %(cause)s", cause=error.strerror or error
            ) from error
        else:
            return to_leased(row, lease=lease, jpeg=jpeg)
        logger.error("capture %s of camera %s is dead: %s", row["id"], row["camera_id"], reason)
        self._end(capture_id, lease, CaptureState.DEAD, reason=reason, code=code)
        return None

    def _end(
        self,
        capture_id: CaptureId,
        lease: str,
        state: CaptureState,
        *,
        reason: str = "",
        event_ids: Sequence[str] = (),
        code: GivenUp | None = None,
    ) -> None:
        """Put a leased capture into a final state; then delete the pictures that nobody needs any more."""
        kept = state is not CaptureState.DELIVERED and code is not GivenUp.PICTURE_MISSING
        places = (state, reason, json.dumps(list(event_ids)), code or "", int(kept), self._now())
        durable = state is not CaptureState.DELIVERED or len(self._owed) >= OWED_MAX - 1 or self._waiting() <= 1
        owed = self._take_owed() if durable else []
        with self._giving_back(owed), self._database.transaction(state.value, durable=durable) as connection:
            cursor = connection.execute(_END + _IF_HELD, (*places, capture_id, lease))
            _require_held(cursor, capture_id)
            if code is not None and code is not GivenUp.DELIVERY:
                add_to_tally(connection, code, 1)
            files: list[str] = []
            if not kept:
                files += [
                    row["file"] for row in connection.execute("SELECT file FROM capture WHERE id = ?", (capture_id,))
                ]
            files += upkeep.forget_excess(connection, self._policy, state)[0]
        if durable:
            self._remove_pictures([*owed, *files])
        else:
            self._owed += files

    def _waiting(self) -> int:
        with self._database.reading() as connection:
            return upkeep.waiting_count(connection)

    def _take_owed(self) -> list[str]:
        """The pictures whose rows are in the log already: whoever writes durably next makes them so."""
        taken: list[str] = []
        with contextlib.suppress(IndexError):  # another sender may take some at the same time
            while True:
                taken.append(self._owed.popleft())
        return taken

    @contextlib.contextmanager
    def _giving_back(self, owed: list[str]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._owed += owed
            raise


@contextlib.contextmanager
def _opening(directory: Path | str) -> Iterator[None]:
    try:
        yield
    except (OutboxUnavailable, OSError) as error:
        raise ConfigurationError(
            "the outbox in %(directory)s cannot be opened: %(cause)s", directory=directory, cause=error
        ) from error


def _not_written(error: OSError) -> OutboxUnavailable:
    return OutboxUnavailable("a picture cannot be written to the outbox: %(cause)s", cause=error.strerror or error)


def _require_held(cursor: sqlite3.Cursor, capture_id: CaptureId) -> None:
    if cursor.rowcount != 1:
        raise LeaseLost("capture %(id)s is not leased by this holder any more", id=capture_id)
