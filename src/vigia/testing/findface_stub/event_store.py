"""What the stand-in received: posts, the events they became, their pictures, and what was refused.

A post is one accepted ``POST /events/faces/add/``; it has one event for each face. A picture is written and fsynced
under the name of its content, then the rows are committed, then the caller gets its answer: nothing that was answered
200 is lost, whatever kills the process.
"""

import hashlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from vigia.application.ports import Clock
from vigia.testing.findface_stub.database import StubDatabase
from vigia.testing.findface_stub.fields import INT64_MAX, datetime_us
from vigia.testing.findface_stub.pictures import PictureFormat, PictureInfo

Ltrb = tuple[int, int, int, int]
UNKNOWN_CAMERA = 0
"""Refusals of posts whose camera could not be read are counted here."""
_ID_BASE = 2**62
_ID_STEPS_PER_MS = 2**20
_JOINED = (
    "SELECT e.*, p.timestamp_us, p.received_us, p.sha256, p.format, p.width, p.height, p.roi, p.mf_selector,"
    " p.temperature, p.duplicate, p.external_detector, p.bytes FROM events e JOIN posts p ON p.id = e.post"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedPost:
    """A post that passed every check, its picture already on disk."""

    camera: int
    camera_group: int
    external_detector: bool
    timestamp_us: int | None
    """Microseconds since 1970 in UTC, as sent; None when it was not sent."""
    sha256: str
    picture: PictureInfo
    picture_bytes: int
    roi_ltrb: Ltrb | None
    mf_selector: Literal["biggest", "all"]
    temperature: float | None
    boxes_ltrb: Sequence[Ltrb]
    """One event each; pixels of the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """One event and the post it came in."""

    id: str
    """64-bit decimal number."""
    post: int
    camera: int
    camera_group: int
    external_detector: bool
    created_us: int
    """The post's timestamp, or when it was received."""
    timestamp_us: int | None
    received_us: int
    box_ltrb: Ltrb
    roi_ltrb: Ltrb | None
    sha256: str
    picture: PictureInfo
    picture_bytes: int
    mf_selector: str
    temperature: float | None
    duplicate: bool
    """An earlier accepted post had the same camera and timestamp."""


@dataclass(slots=True, kw_only=True)
class EventQuery:
    """Which events to list. None means: any."""

    cameras: list[int] | None = None
    camera_groups: list[int] | None = None
    ids: list[int] | None = None
    id_gte: Decimal | None = None
    id_lte: Decimal | None = None
    created_gte_us: int | None = None
    created_lte_us: int | None = None
    external_detector: bool | None = None
    newest_first: bool = True
    after_id: int | None = None
    """The last one of the page before."""
    limit: int | None = None


@dataclass(slots=True)
class CameraTotals:
    """What one camera sent since the data directory was made."""

    posts: int = 0
    events: int = 0
    duplicates: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Count by reason: ``no_face``, ``camera_token``, or the field at fault."""


class StubEventStore:
    """Posts and events on disk.

    Owner: as its database; ``keep_picture`` and ``picture_path`` may be called from any thread.
    Bounds: none; it keeps what it receives until the directory is deleted.
    """

    def __init__(self, database: StubDatabase, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._pictures = database.data_dir / "pictures"
        self._pictures.mkdir(exist_ok=True)
        for unfinished in self._pictures.glob("*.part"):
            unfinished.unlink()
        _sync_folder(database.data_dir)
        self._last_id = int(database.connection.execute("SELECT COALESCE(MAX(id), 0) FROM events").fetchone()[0])

    def keep_picture(self, data: bytes, kind: PictureFormat) -> str:
        """Write a picture so that a crash cannot lose it; return its SHA-256 in hexadecimal. Any thread."""
        sha256 = hashlib.sha256(data).hexdigest()
        part = self._pictures / f"{uuid4().hex}.part"
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.picture_path(sha256, kind))
        _sync_folder(self._pictures)
        return sha256

    def picture_path(self, sha256: str, kind: PictureFormat) -> Path:
        """Where a kept picture lies. Any thread."""
        return self._pictures / f"{sha256}.{kind}"

    def add(self, post: AcceptedPost) -> list[str]:
        """Commit a post and its events; return the events' ids.

        A second post for the same moment is marked, not refused. A real FindFace has no idempotency key either: it is
        the sender who must not send twice.
        """
        received_us = datetime_us(self._clock.utc())
        created_us = received_us if post.timestamp_us is None else post.timestamp_us
        with self._database.transaction() as connection:
            roi = None if post.roi_ltrb is None else json.dumps(post.roi_ltrb)
            # Two people in one frame are two posts that differ in their region only.
            duplicate = post.timestamp_us is not None and bool(
                connection.execute(
                    "SELECT 1 FROM posts WHERE camera = ? AND timestamp_us = ? AND roi IS ?",
                    (post.camera, post.timestamp_us, roi),
                ).fetchone()
            )
            picture = post.picture
            post_id = connection.execute(
                "INSERT INTO posts (camera, camera_group, timestamp_us, received_us, sha256, format, width, height,"
                " bytes, roi, mf_selector, temperature, duplicate, external_detector)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(post.camera, post.camera_group, post.timestamp_us, received_us, post.sha256),
                    *(picture.format, picture.width, picture.height, post.picture_bytes, roi, post.mf_selector),
                    *(post.temperature, duplicate, post.external_detector),
                ),
            ).lastrowid
            ids = self._next_ids(len(post.boxes_ltrb), received_us)
            connection.executemany(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (event_id, post_id, post.camera, post.camera_group, created_us, *box)
                    for event_id, box in zip(ids, post.boxes_ltrb, strict=True)
                ],
            )
            connection.execute(
                "INSERT INTO totals VALUES (?, 1, ?, ?) ON CONFLICT (camera) DO UPDATE SET posts = posts + 1,"
                " events = events + excluded.events, duplicates = duplicates + excluded.duplicates",
                (post.camera, len(ids), int(duplicate)),
            )
        return [str(event_id) for event_id in ids]

    def count_refusal(self, camera: int, reason: str) -> None:
        """Add one to a camera's refusals."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO refusals VALUES (?, ?, 1) ON CONFLICT (camera, reason) DO UPDATE SET count = count + 1",
                (camera, reason),
            )

    def select(self, query: EventQuery) -> list[StoredEvent]:
        """Events that match, by id."""
        conditions, values = _conditions(query)
        where = " WHERE " + " AND ".join(conditions) if conditions else ""
        order = "DESC" if query.newest_first else "ASC"
        limit = -1 if query.limit is None else query.limit
        rows = self._database.connection.execute(
            f"{_JOINED}{where} ORDER BY e.id {order} LIMIT ?",
            (*values, limit),
        )
        return [_event(row) for row in rows]

    def get(self, event_id: int) -> StoredEvent | None:
        """One by id; None when there is none."""
        found = self.select(EventQuery(ids=[event_id] if 0 <= event_id <= INT64_MAX else []))
        return found[0] if found else None

    def totals(self) -> dict[int, CameraTotals]:
        """What was received and refused, by camera id."""
        totals: dict[int, CameraTotals] = {}
        for row in self._database.connection.execute("SELECT * FROM totals"):
            totals[row["camera"]] = CameraTotals(row["posts"], row["events"], row["duplicates"])
        for row in self._database.connection.execute("SELECT * FROM refusals"):
            totals.setdefault(row["camera"], CameraTotals()).refused[row["reason"]] = row["count"]
        return totals

    def _next_ids(self, count: int, now_us: int) -> list[int]:
        # Like FindFace's: 19 digits, too large for a float or a 32-bit integer, and growing with time.
        first = max(self._last_id + 1, _ID_BASE + now_us // 1000 * _ID_STEPS_PER_MS)
        self._last_id = first + count - 1
        return list(range(first, first + count))


def refused_in_all(totals: dict[int, CameraTotals]) -> dict[str, int]:
    """Refusals of every camera, by reason."""
    counter: Counter[str] = Counter()
    for entry in totals.values():
        counter.update(entry.refused)
    return dict(sorted(counter.items()))


def _conditions(query: EventQuery) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    values: list[Any] = []
    for column, wanted in (("e.camera", query.cameras), ("e.camera_group", query.camera_groups), ("e.id", query.ids)):
        if wanted is not None:
            # One bound value however long the list is: SQLite limits how many there may be.
            conditions.append(column + " IN (SELECT value FROM json_each(?))")  # noqa: S608 - a literal column
            values.append(json.dumps(wanted))
    bounds = (
        ("e.id >=", None if query.id_gte is None else _clamp(query.id_gte.to_integral_value("ROUND_CEILING"))),
        ("e.id <=", None if query.id_lte is None else _clamp(query.id_lte.to_integral_value("ROUND_FLOOR"))),
        ("e.created_us >=", query.created_gte_us),
        ("e.created_us <=", query.created_lte_us),
        ("p.external_detector =", query.external_detector),
        ("e.id <" if query.newest_first else "e.id >", query.after_id),
    )
    for comparison, bound in bounds:
        if bound is not None:
            conditions.append(f"{comparison} ?")
            values.append(bound)
    return conditions, values


def _clamp(number: Decimal) -> int:
    return int(max(Decimal(-INT64_MAX), min(Decimal(INT64_MAX), number)))


def _event(row: sqlite3.Row) -> StoredEvent:
    return StoredEvent(
        id=str(row["id"]),
        post=row["post"],
        camera=row["camera"],
        camera_group=row["camera_group"],
        external_detector=bool(row["external_detector"]),
        created_us=row["created_us"],
        timestamp_us=row["timestamp_us"],
        received_us=row["received_us"],
        box_ltrb=(row["box_left"], row["box_top"], row["box_right"], row["box_bottom"]),
        roi_ltrb=None if row["roi"] is None else _ltrb(json.loads(row["roi"])),
        sha256=row["sha256"],
        picture=PictureInfo(row["format"], row["width"], row["height"]),
        picture_bytes=row["bytes"],
        mf_selector=row["mf_selector"],
        temperature=row["temperature"],
        duplicate=bool(row["duplicate"]),
    )


def _ltrb(values: Sequence[int]) -> Ltrb:
    left, top, right, bottom = values
    return left, top, right, bottom


def _sync_folder(folder: Path) -> None:
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder_fd)
    finally:
        os.close(folder_fd)
