"""An outbox on a PostgreSQL server, which several vigias share.

What holds at every moment, also when a vigia, its machine or the server dies:

1. Row and picture are committed in one transaction; the server has them on its disk when ``commit`` returns.
2. A lease is written down, with ``maybe_sent``, before the sender has the capture. Leases are given with ``FOR UPDATE
   SKIP LOCKED``: no two vigias get the same capture, and neither waits for the other.
3. A lease ends by its sender or by its time, in the server's clock, and by nothing else: opening the outbox touches no
   lease, it may be another vigia's. It brings the capture back as doubtful and takes the attempt back.
4. Every transition names the lease it expects; the row changes only if that lease still stands, else ``LeaseLost``. A
   lease that ran out stands until somebody else takes the capture.
5. What is given up for room, or is too old, is written down in the transaction that does it.

A capture whose picture is sealed with a key that this vigia does not have is left to those that have it.
"""

import contextlib
import json
from collections.abc import Callable, Sequence
from itertools import count
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

import psycopg

from vigia.application.errors import LeaseLost, OutboxCorrupt, OutboxUnavailable, PermanentError
from vigia.application.ports import Clock
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.domain.errors import TransitionError
from vigia.domain.outbox_policy import GivenUp, LeaseOrder, OutboxPolicy
from vigia.infrastructure.logging import get_logger
from vigia.infrastructure.outbox import postgres_upkeep as upkeep
from vigia.infrastructure.outbox.fault_points import FaultPoint, no_fault
from vigia.infrastructure.outbox.picture_files import PictureCodec, picture_hash
from vigia.infrastructure.outbox.postgres_address import PostgresAddress
from vigia.infrastructure.outbox.postgres_connections import (
    ConnectionLost,
    PostgresConnections,
    PostgresSession,
    Row,
)
from vigia.infrastructure.outbox.postgres_desk import PostgresDesk
from vigia.infrastructure.outbox.postgres_pictures import PictureMissing, StoredPictures, require_keys
from vigia.infrastructure.outbox.postgres_schema import SCHEMA, migrate, require_newest
from vigia.infrastructure.outbox.rows import to_leased, to_row

logger = get_logger("vigia.outbox")

SPARE = 64
"""How far a vigia looks past captures that others are just leasing."""
MERGE_EVERY = 64
"""After so many commits the movements are merged: adding them up stays cheap."""
_TURN_STEP = 1 << 20
_INSERT = """
INSERT INTO capture (id, camera_id, findface_camera_id, track_id, at_utc, box_xyxy, roi_ltrb, width, height, quality,
                     details, key_id, file_bytes, size_bytes, sha256, due_at, committed_at)
VALUES (%(id)s, %(camera_id)s, %(findface_camera_id)s, %(track_id)s, %(at_utc)s, %(box_xyxy)s, %(roi_ltrb)s, %(width)s,
        %(height)s, %(quality)s, %(details)s, %(key_id)s, %(file_bytes)s, %(size_bytes)s, %(sha256)s, %(now)s, %(now)s)
RETURNING seq
"""
_CLAIM = """
WITH candidate AS (
    SELECT q.seq, row_number() OVER (ORDER BY q.place, k.turn, k.camera_id) AS place
    FROM camera AS k CROSS JOIN LATERAL (
        SELECT nearest.seq, row_number() OVER (ORDER BY nearest.seq {order}) AS place FROM (
            SELECT seq FROM capture
            WHERE camera_id = k.camera_id AND state = 'pending' AND due_at <= %(now)s AND key_id = ANY (%(keys)s)
                  {which}
            ORDER BY seq {order} LIMIT %(depth)s
        ) AS nearest
    ) AS q
    ORDER BY place LIMIT %(depth)s
), chosen AS (
    SELECT c.seq, c.maybe_sent, c.attempts, candidate.place
    FROM candidate JOIN capture AS c USING (seq) WHERE c.state = 'pending' AND c.due_at <= %(now)s
    ORDER BY candidate.place LIMIT %(limit)s FOR UPDATE OF c SKIP LOCKED
)
UPDATE capture AS c
SET state = 'leased', lease = %(lease)s, lease_until = %(until)s, attempts = c.attempts + 1, maybe_sent = true
FROM chosen LEFT JOIN picture AS p USING (seq) WHERE c.seq = chosen.seq
RETURNING chosen.place, chosen.maybe_sent, chosen.attempts, c.id, c.camera_id, c.findface_camera_id, c.at_utc,
          c.roi_ltrb, c.quality, c.details, c.file_bytes, c.sha256, c.committed_at, c.reason, c.exempt, p.data
"""
_TURNS = """
UPDATE camera SET turn = served.turn
FROM (SELECT unnest(%(cameras)s::text[]) AS camera_id, unnest(%(turns)s::bigint[]) AS turn) AS served
WHERE camera.camera_id = served.camera_id AND camera.camera_id = ANY (ARRAY(
    SELECT camera_id FROM camera WHERE camera_id = ANY (%(cameras)s) FOR UPDATE SKIP LOCKED))
"""
_ORDERS = {LeaseOrder.OLDEST: "ASC", LeaseOrder.NEWEST: "DESC"}
_YOUNG = "AND (committed_at > %(old_at)s OR exempt)"
_OLD = "AND committed_at <= %(old_at)s AND NOT exempt"
_END = """
UPDATE capture SET state = %(state)s, lease = NULL, lease_until = NULL, ended_lease = lease, reason = %(reason)s,
       event_ids = %(event_ids)s, code = %(code)s, picture_kept = %(kept)s, ended_at = %(now)s
WHERE id = %(id)s AND state = 'leased' AND lease = %(lease)s
"""
_RETRY = """
UPDATE capture SET state = 'pending', lease = NULL, lease_until = NULL, due_at = %(due_at)s,
       maybe_sent = %(maybe_sent)s, attempts = greatest(0, attempts - %(taken_back)s),
       reason = CASE WHEN %(reason)s::text = '' THEN reason ELSE %(reason)s END
WHERE id = %(id)s AND state = 'leased' AND lease = %(lease)s
"""


class PostgresOutbox(PostgresDesk):
    """The ``ManagedOutbox`` port on PostgreSQL. Any thread, any number of processes and machines.

    Owner: the server's row locks; the object itself never changes after it was made, but for its connections.
    Bounds: the policy's, held in common. Vigias that share an outbox should have the same policy: each applies its own.

    Args:
        url: ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``, as libpq knows it.
        clock: of this machine, for the log and for pauses; what is written down is the server's time.
        policy: limits, order, retention.
        codec: how pictures are stored; None: as they are.
        fault_point: see ``fault_points.py``.
        beside: open what is there without bringing it up to date: for a person's questions.
        schema: of the tables; made when it is not there.
        time_source: replaces the server's clock in a simulation.

    Raises:
        ConfigurationError: the server refuses, or the database cannot be used; the text holds no password.
        OutboxUnavailable: the server cannot be reached, or is just starting.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        policy: OutboxPolicy | None = None,
        codec: PictureCodec | None = None,
        fault_point: FaultPoint = no_fault,
        beside: bool = False,
        schema: str = SCHEMA,
        time_source: Callable[[], float] | None = None,
    ) -> None:
        address = PostgresAddress(url)
        connections = PostgresConnections(
            address, schema=schema, clock=clock, time_source=time_source, fault_point=fault_point
        )
        pictures = StoredPictures(codec)
        super().__init__(connections, pictures, clock, policy=policy if policy is not None else OutboxPolicy())
        self._commits = count(1)
        with contextlib.ExitStack() as opened:
            opened.callback(connections.close)
            with contextlib.closing(connections.open()) as connection:
                if beside:
                    require_newest(connection, address, schema)
                else:
                    migrate(connection, address, schema)
            if not beside:
                self.require_keys()
                self._recover()
            opened.pop_all()

    def __repr__(self) -> str:
        return f"<PostgresOutbox {self._connections.address}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def commit(self, capture: Capture) -> None:
        """Store a capture for good. See the port.

        Raises:
            OutboxUnavailable: the server cannot be reached or has no room, or too many captures wait; nothing was
                stored, unless the connection broke in the moment of the commit: then the next try raises
                TransitionError.
            TransitionError: this id is in the outbox already.
            PermanentError: its picture alone is larger than all may be.
            ValueError, TypeError: the id is not 32 hexadecimal digits, the time has no zone, details are no JSON.
        """
        values = to_row(capture, sha256=picture_hash(capture.jpeg), now=0.0)
        sealed = self._pictures.seal(capture.id, capture.jpeg)
        file_bytes = len(sealed.data)
        if 0 < self._policy.bytes_max < file_bytes:
            raise PermanentError(
                "a picture of %(bytes)d bytes is larger than the whole outbox may be", bytes=file_bytes
            )
        values |= {"key_id": sealed.key_id, "file_bytes": file_bytes}
        try:
            freed = self._insert(values, sealed.data)
        except psycopg.errors.UniqueViolation as error:  # somebody else committed it in this very moment
            raise TransitionError("capture %(id)s is in the outbox already", id=capture.id) from error
        self._alarm.gave_up(captures=freed.captures, pictures=freed.pictures)
        if not freed.captures and not freed.pictures:
            self._alarm.has_room()

    def lease(self, *, limit: int, duration_s: float) -> list[LeasedCapture]:
        """Hand out due captures. See the port. Looking when nothing is due writes nothing."""
        due_s = self.next_due_s()
        if due_s is None or due_s > 0.0:
            return []
        leased: list[LeasedCapture] = []
        # Ends: each turn leases what it is given, or puts damaged rows aside for good.
        while len(leased) < limit:
            claimed, lease = self._claim(limit - len(leased), duration_s)
            if not claimed:
                break
            leased += [capture for row in claimed if (capture := self._with_picture(row, lease)) is not None]
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
        places = {
            "maybe_sent": maybe_sent,
            "taken_back": int(not counts),
            "reason": _storable(reason),
            "id": capture.id,
            "lease": capture.lease,
        }
        with self._connections.transaction("retry") as session:
            changed = session.execute(_RETRY, places | {"due_at": session.now + max(0.0, delay_s)}).rowcount
            _require_held(changed, capture.id)

    def next_due_s(self) -> float | None:
        """Seconds until the next capture can be leased. See the port."""
        with self._connections.reading() as session:
            due_at = session.one(
                "SELECT least((SELECT min(due_at) FROM capture WHERE state = 'pending' AND key_id = ANY (%(keys)s)), "
                "(SELECT min(lease_until) FROM capture WHERE state = 'leased')) AS at",
                {"keys": self._pictures.key_ids},
            )["at"]
        return None if due_at is None else max(0.0, due_at - session.now)

    def require_keys(self) -> None:
        """See that every picture can be opened. Raises ConfigurationError, OutboxUnavailable."""
        require_keys(self._connections, self._pictures)

    def close(self) -> None:
        """Let go of the server. Idempotent; later calls raise OutboxUnavailable."""
        self._connections.close()

    def _recover(self) -> None:
        """Return leases that ran out; those that stand may be another vigia's."""
        with self._connections.transaction("recover") as session:
            returned = upkeep.return_expired(session)
            waiting = upkeep.sums(session).waiting
        if waiting:
            logger.info("outbox opened: %d captures wait, the leases of %d of them had run out", waiting, returned)

    def _insert(self, values: dict[str, Any], data: bytes) -> upkeep.Freed:
        with self._connections.transaction("commit") as session:
            known = session.execute("SELECT 1 FROM capture WHERE id = %(id)s", values).fetchone()
            if known is not None:
                raise TransitionError("capture %(id)s is in the outbox already", id=values["id"])
            freed = upkeep.make_room(session, self._policy, file_bytes=values["file_bytes"])
            seq = session.one(_INSERT, values | {"now": session.now})["seq"]
            session.execute("INSERT INTO picture (seq, data) VALUES (%(seq)s, %(data)b)", {"seq": seq, "data": data})
            session.execute("INSERT INTO camera (camera_id) VALUES (%(camera_id)s) ON CONFLICT DO NOTHING", values)
            if next(self._commits) % MERGE_EVERY == 0:
                upkeep.merge_movements(session)
        return freed

    def _claim(self, limit: int, duration_s: float) -> tuple[list[Row], str]:
        """Return leases that ran out, put aside what is too old, lease rows; these in their order, and the lease."""
        policy, lease = self._policy, token_hex(16)
        claimed: list[Row] = []
        with self._connections.transaction("lease") as session:
            upkeep.return_expired(session)
            upkeep.expire(session, policy)
            for which in (_YOUNG, _OLD) if policy.defers else (_YOUNG,) if policy.expires else ("",):
                for spare in (0, SPARE):
                    places = {"lease": lease, "until": session.now + duration_s, "limit": limit - len(claimed)}
                    claimed += self._claim_rows(session, which, places, spare=spare)
        return claimed, lease

    def _claim_rows(self, session: PostgresSession, which: str, places: dict[str, Any], *, spare: int) -> list[Row]:
        """Lease due rows, cameras in turn, longest unserved first; within a camera in the policy's order."""
        if places["limit"] <= 0:
            return []
        places |= {
            "now": session.now,
            "keys": self._pictures.key_ids,
            "old_at": session.now - self._policy.age_max_s,
            "depth": places["limit"] + spare,
        }
        statement = _CLAIM.format(order=_ORDERS[self._policy.order], which=which)
        rows = session.execute(statement, places).fetchall()
        if not rows:
            return []
        rows.sort(key=lambda row: int(row["place"]))
        base = session.one("SELECT nextval('camera_turn') AS turn")["turn"] * _TURN_STEP
        turns = {row["camera_id"]: base + place for place, row in enumerate(rows)}
        session.execute(_TURNS, {"cameras": list(turns), "turns": list(turns.values())})
        return rows

    def _with_picture(self, row: Row, lease: str) -> LeasedCapture | None:
        """The leased capture with its picture; None when the picture is no good and the row was put aside."""
        try:
            jpeg = self._pictures.opened(row)
        except OutboxCorrupt as error:
            missing = isinstance(error, PictureMissing)
            code = GivenUp.PICTURE_MISSING if missing else GivenUp.PICTURE_DAMAGED
            logger.error("capture %s of camera %s is dead: %s", row["id"], row["camera_id"], error)
            self._end(CaptureId(row["id"]), lease, CaptureState.DEAD, reason=str(error), code=code)
            return None
        return to_leased(row, lease=lease, jpeg=jpeg)

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
        """Put a leased capture into a final state; when the connection breaks meanwhile, see what became of it."""
        places = {
            "id": capture_id,
            "lease": lease,
            "state": str(state),
            "reason": _storable(reason),
            "event_ids": json.dumps(list(event_ids)),
            "code": "" if code is None else str(code),
            "kept": state is not CaptureState.DELIVERED and code is not GivenUp.PICTURE_MISSING,
        }
        try:
            self._end_once(places, state, code)
        except ConnectionLost as error:
            try:
                if not self._has_ended(places):
                    self._end_once(places, state, code)
            except OutboxUnavailable:  # the lease runs out by itself, and the capture is looked up
                raise error from None

    def _end_once(self, places: dict[str, Any], state: CaptureState, code: GivenUp | None) -> None:
        with self._connections.transaction(state.value) as session:
            changed = session.execute(_END, places | {"now": session.now}).rowcount
            _require_held(changed, places["id"])
            if not places["kept"]:
                session.execute("DELETE FROM picture WHERE seq = (SELECT seq FROM capture WHERE id = %(id)s)", places)
            if code is not None and code is not GivenUp.DELIVERY:
                upkeep.add(session, upkeep.TALLY + code, 1)
            upkeep.forget_excess(session, self._policy, state)

    def _has_ended(self, places: dict[str, Any]) -> bool:
        """Whether the transaction that was cut off holds after all."""
        with self._connections.reading() as session:
            ended = "SELECT 1 FROM capture WHERE id = %(id)s AND state = %(state)s AND ended_lease = %(lease)s"
            return session.execute(ended, places).fetchone() is not None


def _storable(text: str) -> str:
    """``text`` without what PostgreSQL stores in no text: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _require_held(changed: int, capture_id: CaptureId) -> None:
    if changed != 1:
        raise LeaseLost("capture %(id)s is not leased by this holder any more", id=capture_id)
