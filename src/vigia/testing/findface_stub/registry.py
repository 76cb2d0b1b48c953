"""What the stand-in knows before an event comes: sessions, camera groups, cameras.

Groups and cameras are few, so each is one JSON document in a row and callers filter the whole list. A deleted one
leaves its row behind: a restart must not bring back what was deleted, yet a seed that changed since must win.
"""

import hashlib
import json
import secrets
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

from vigia.application.ports import Clock
from vigia.testing.findface_stub.database import StubDatabase
from vigia.testing.findface_stub.fields import INT64_MAX, datetime_us
from vigia.testing.findface_stub.settings import StubCamera, StubGroup, StubSettings

Kind = Literal["groups", "cameras"]
MAX_SESSIONS = 10_000
"""Older sessions end when there are more: a log-in loop must not fill the disk."""


@dataclass(frozen=True, slots=True)
class Record:
    """A group or a camera as stored."""

    id: int
    fields: dict[str, Any]
    created_us: int
    modified_us: int


class StubRegistry:
    """Sessions, groups and cameras on disk.

    Owner: as its database. Bounds: ``MAX_SESSIONS`` sessions.
    """

    def __init__(self, database: StubDatabase, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def seed(self, settings: StubSettings) -> None:
        """Write the groups and cameras of the settings whose seed is new or has changed since the last time."""
        with self._database.transaction() as connection:
            for group in settings.groups:
                self._seed_one(connection, "groups", group)
            for camera in settings.cameras:
                self._seed_one(connection, "cameras", camera)

    def open_session(self, *, uuid: str, length_s: float) -> tuple[str, int]:
        """Make a session; return its token (64 hexadecimal digits) and its end in microseconds since 1970."""
        token = secrets.token_hex(32)
        now = self._clock.utc()
        expires_us = datetime_us(now + timedelta(seconds=length_s))
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?)", (_digest(token), uuid, datetime_us(now), expires_us)
            )
            connection.execute(
                "DELETE FROM sessions WHERE rowid NOT IN (SELECT rowid FROM sessions ORDER BY rowid DESC LIMIT ?)",
                (MAX_SESSIONS,),
            )
        return token, expires_us

    def session_is_open(self, token: str) -> bool:
        """True while the token may be used."""
        row = self._database.connection.execute(
            "SELECT 1 FROM sessions WHERE token_sha256 = ? AND expires_us > ?",
            (_digest(token), datetime_us(self._clock.utc())),
        ).fetchone()
        return row is not None

    def close_session(self, token: str) -> None:
        """End one session."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM sessions WHERE token_sha256 = ?", (_digest(token),))

    def close_all_sessions(self) -> int:
        """End every session; return how many there were."""
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM sessions").rowcount

    def session_count(self) -> int:
        """Sessions kept, ended by age or not."""
        return int(self._database.connection.execute("SELECT COUNT(*) FROM sessions").fetchone()[0])

    def list(self, kind: Kind) -> list[Record]:
        """All that are not deleted, by id."""
        rows = self._database.connection.execute(
            f"SELECT * FROM {kind} WHERE deleted = 0 ORDER BY id"  # noqa: S608 - one of two literals
        )
        return [_record(row) for row in rows]

    def get(self, kind: Kind, record_id: int) -> Record | None:
        """One by id; None when there is none."""
        if abs(record_id) > INT64_MAX:
            return None
        row = self._database.connection.execute(
            f"SELECT * FROM {kind} WHERE deleted = 0 AND id = ?",  # noqa: S608 - one of two literals
            (record_id,),
        ).fetchone()
        return None if row is None else _record(row)

    def add(self, kind: Kind, fields: Mapping[str, Any]) -> Record:
        """Store a new one under the next free id; a camera gets its token here."""
        now_us = datetime_us(self._clock.utc())
        content = dict(fields)
        if kind == "cameras":
            content.setdefault("external_detector_token", secrets.token_hex(16))
        with self._database.transaction() as connection:
            cursor = connection.execute(
                f"INSERT INTO {kind} (doc, created_us, modified_us) VALUES (?, ?, ?)",  # noqa: S608 - a literal
                (json.dumps(content), now_us, now_us),
            )
        return Record(int(cursor.lastrowid or 0), content, now_us, now_us)

    def change(self, kind: Kind, record: Record, fields: Mapping[str, Any]) -> Record:
        """Set some fields of one."""
        now_us = datetime_us(self._clock.utc())
        content = {**record.fields, **fields}
        with self._database.transaction() as connection:
            connection.execute(
                f"UPDATE {kind} SET doc = ?, modified_us = ? WHERE id = ?",  # noqa: S608 - one of two literals
                (json.dumps(content), now_us, record.id),
            )
        return Record(record.id, content, record.created_us, now_us)

    def delete(self, kind: Kind, record_id: int) -> None:
        """Delete one; its id is not used again."""
        with self._database.transaction() as connection:
            connection.execute(f"UPDATE {kind} SET deleted = 1 WHERE id = ?", (record_id,))  # noqa: S608 - a literal

    def _seed_one(self, connection: sqlite3.Connection, kind: Kind, seed: StubGroup | StubCamera) -> None:
        fields = asdict(seed)
        del fields["id"]
        mark = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
        row = connection.execute(
            f"SELECT seed, doc FROM {kind} WHERE id = ?",  # noqa: S608 - one of two literals
            (seed.id,),
        ).fetchone()
        if row is not None and row["seed"] == mark:
            return
        content = {} if row is None else json.loads(row["doc"])
        if isinstance(seed, StubCamera):
            fields["comment"] = fields.pop("url")
            kept = str(content.get("external_detector_token") or secrets.token_hex(16))
            fields["external_detector_token"] = fields.pop("token") or kept
        now_us = datetime_us(self._clock.utc())
        connection.execute(
            f"INSERT INTO {kind} (id, seed, doc, created_us, modified_us) VALUES (?, ?, ?, ?, ?)"  # noqa: S608 - a literal
            " ON CONFLICT (id) DO UPDATE SET deleted = 0, seed = excluded.seed, doc = excluded.doc,"
            " modified_us = excluded.modified_us",
            (seed.id, mark, json.dumps({**content, **fields}), now_us, now_us),
        )


def _record(row: sqlite3.Row) -> Record:
    return Record(int(row["id"]), json.loads(row["doc"]), int(row["created_us"]), int(row["modified_us"]))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
