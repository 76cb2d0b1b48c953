"""The outboxes that the contract suite and the comparison by random operations run on.

To have another adapter tested: write its rig and add it to ``RIGS``.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from secrets import token_hex
from typing import Protocol

import psycopg
from psycopg.rows import TupleRow

from postgres_server import postgres_server
from vigia.application.ports import ManagedOutbox
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId
from vigia.domain.outbox_policy import OutboxPolicy
from vigia.infrastructure.outbox import SqliteOutbox
from vigia.infrastructure.outbox.postgres_outbox import PostgresOutbox
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

AT = datetime(2026, 1, 5, 8, 0, 0, 123456, tzinfo=timezone(timedelta(hours=-3)))

Change = Callable[[bytes], bytes | None]
"""What becomes of a stored picture; None: it is lost."""


def lost(_picture: bytes) -> None:
    """It is not there any more."""


def cut(picture: bytes) -> bytes:
    """Its end is missing."""
    return picture[:-1]


def changed(picture: bytes) -> bytes:
    """The same size, other content."""
    return bytes(byte ^ 0x5A for byte in picture)


class Rig(Protocol):
    """One adapter in one place of its own."""

    def open(self, policy: OutboxPolicy | None = None) -> ManagedOutbox:
        """An outbox; at most one is open at a time."""
        ...

    def spoil(self, outbox: ManagedOutbox, capture_id: CaptureId, change: Change) -> None:
        """Do to a stored picture what a broken disk does."""
        ...

    def close(self) -> None:
        """Close what was opened, and take away what was made for it."""
        ...


class MemoryRig:
    """The fake in memory."""

    def __init__(self, _place: Path, clock: SimClock) -> None:
        self._clock = clock

    def open(self, policy: OutboxPolicy | None = None) -> ManagedOutbox:
        return MemoryOutbox(self._clock, policy=policy)

    def spoil(self, outbox: ManagedOutbox, capture_id: CaptureId, change: Change) -> None:
        assert isinstance(outbox, MemoryOutbox)
        outbox.damage(capture_id, change)

    def close(self) -> None:
        """Nothing is left."""


class SqliteRig:
    """The one on SQLite."""

    def __init__(self, place: Path, clock: SimClock) -> None:
        self.directory = place / "outbox"
        self._clock = clock
        self._opened: list[SqliteOutbox] = []

    def open(self, policy: OutboxPolicy | None = None) -> ManagedOutbox:
        outbox = SqliteOutbox(self.directory, self._clock, policy=policy, free_bytes_min=0)
        self._opened.append(outbox)
        return outbox

    def spoil(self, outbox: ManagedOutbox, capture_id: CaptureId, change: Change) -> None:
        assert isinstance(outbox, SqliteOutbox)
        (picture,) = (self.directory / "pictures").glob(f"{capture_id}.*")
        spoilt = change(picture.read_bytes())
        if spoilt is None:
            picture.unlink()
        else:
            picture.write_bytes(spoilt)

    def close(self) -> None:
        for outbox in self._opened:
            outbox.close()


class PostgresRig:
    """The one on PostgreSQL: a schema of its own on the session's server."""

    def __init__(self, _place: Path, clock: SimClock) -> None:
        self.url = postgres_server().url()
        self.schema = f"outbox_{token_hex(8)}"
        self._clock = clock
        self._opened: list[PostgresOutbox] = []

    def open(self, policy: OutboxPolicy | None = None) -> ManagedOutbox:
        outbox = PostgresOutbox(
            self.url,
            self._clock,
            policy=policy,
            schema=self.schema,
            time_source=lambda: self._clock.utc().timestamp(),
        )
        self._opened.append(outbox)
        return outbox

    def spoil(self, outbox: ManagedOutbox, capture_id: CaptureId, change: Change) -> None:
        assert isinstance(outbox, PostgresOutbox)
        with self.connect() as connection:
            row = connection.execute(
                "SELECT p.seq, p.data FROM picture AS p JOIN capture AS c USING (seq) WHERE c.id = %s", (capture_id,)
            ).fetchone()
            assert row is not None
            spoilt = change(row[1])
            if spoilt is None:
                connection.execute("DELETE FROM picture WHERE seq = %s", (row[0],))
            else:
                connection.execute("UPDATE picture SET data = %s WHERE seq = %s", (spoilt, row[0]))

    def connect(self) -> psycopg.Connection[TupleRow]:
        """A connection that looks at the outbox's tables; leaving it commits and closes it."""
        return psycopg.connect(self.url, options=f"-c search_path={self.schema}")

    def close(self) -> None:
        for outbox in self._opened:
            outbox.close()
        with psycopg.connect(self.url, options="-c client_min_messages=warning") as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE".encode())


RIGS: dict[str, Callable[[Path, SimClock], Rig]] = {
    "sqlite": SqliteRig,
    "memory": MemoryRig,
    "postgres": PostgresRig,
}


def capture_of(number: int, camera: str = "gate", jpeg: bytes | None = None) -> Capture:
    """A capture whose fields all differ; 102 bytes of picture."""
    return Capture(
        id=capture_id_of(number),
        camera_id=CameraId(camera),
        findface_camera_id=7,
        track_id=number,
        at_utc=AT + timedelta(seconds=number),
        box_xyxy=(10.5, 20.25, 30.0, 40.0),
        roi_ltrb=(2, 12, 38, 48),
        size_wh=(64, 48),
        quality=0.75,
        jpeg=jpeg if jpeg is not None else b"\xff\xd8" + bytes([number % 256]) * 100,
        details={"confidence": 0.9, "reason": "silence", "parts": [1, 2.5, None]},
    )


def capture_id_of(number: int) -> CaptureId:
    """32 hexadecimal digits."""
    return CaptureId(f"{number:032x}")


def age_file(path: Path, clock: SimClock, *, age_s: float) -> None:
    """Make a file look as if it was changed so long ago."""
    at = clock.utc().astimezone(UTC).timestamp() - age_s
    os.utime(path, (at, at))
