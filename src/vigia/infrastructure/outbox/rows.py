"""Captures as rows and back."""

import json
import sqlite3
from datetime import UTC, datetime
from re import compile as re_compile
from typing import Any, Protocol

from vigia.application.ports import OutboxEntry
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.domain.outbox_policy import GivenUp

_CAPTURE_ID = re_compile(r"[0-9a-f]{32}")


class Row(Protocol):
    """A row by the names of its columns, of whatever database."""

    def __getitem__(self, key: str, /) -> Any:
        """A column."""
        ...


INSERT = """
INSERT INTO capture (id, camera_id, findface_camera_id, track_id, at_utc, box_xyxy, roi_ltrb, width, height, quality,
                     details, file, file_bytes, size_bytes, sha256, state, due_at, committed_at)
VALUES (:id, :camera_id, :findface_camera_id, :track_id, :at_utc, :box_xyxy, :roi_ltrb, :width, :height, :quality,
        :details, :file, :file_bytes, :size_bytes, :sha256, 'pending', :now, :now)
"""


def to_row(capture: Capture, *, sha256: str, now: float) -> dict[str, Any]:
    """The places of INSERT but the file's.

    Raises:
        ValueError, TypeError: the id is not 32 hexadecimal digits, the time has no zone, details are no JSON.
    """
    if not _CAPTURE_ID.fullmatch(capture.id):
        raise ValueError(f"a capture id is 32 hexadecimal digits, not {capture.id!r}")
    if capture.at_utc.tzinfo is None:
        raise ValueError("the time of a capture needs a zone")
    width, height = capture.size_wh
    return {
        "id": capture.id,
        "camera_id": capture.camera_id,
        "findface_camera_id": capture.findface_camera_id,
        "track_id": capture.track_id,
        "at_utc": capture.at_utc.isoformat(),
        "box_xyxy": json.dumps(capture.box_xyxy),
        "roi_ltrb": json.dumps(capture.roi_ltrb),
        "width": width,
        "height": height,
        "quality": capture.quality,
        "details": json.dumps(capture.details, allow_nan=False),
        "size_bytes": len(capture.jpeg),
        "sha256": sha256,
        "now": now,
    }


def to_leased(row: Row, *, lease: str, jpeg: bytes) -> LeasedCapture:
    """What a sender gets; ``row`` is as it was before the lease."""
    left, top, right, bottom = json.loads(row["roi_ltrb"])
    return LeasedCapture(
        id=CaptureId(row["id"]),
        camera_id=CameraId(row["camera_id"]),
        findface_camera_id=row["findface_camera_id"],
        at_utc=datetime.fromisoformat(row["at_utc"]),
        roi_ltrb=(left, top, right, bottom),
        jpeg=jpeg,
        lease=lease,
        attempts=row["attempts"] + 1,
        quality=row["quality"],
        details=json.loads(row["details"]),
        maybe_sent=bool(row["maybe_sent"]),
        committed_at_utc=datetime.fromtimestamp(row["committed_at"], UTC),
        is_fresh=not (row["attempts"] or row["maybe_sent"] or row["reason"]),
        put_back=bool(row["exempt"]),
    )


def to_entry(row: Row, *, now: float, location: str) -> OutboxEntry:
    """What the books show; ``now`` is wall time in seconds, ``location`` where the picture is if it is kept."""
    left, top, right, bottom = json.loads(row["box_xyxy"])
    roi = json.loads(row["roi_ltrb"])
    state = CaptureState(row["state"])
    due_at = {CaptureState.PENDING: row["due_at"], CaptureState.LEASED: row["lease_until"]}.get(state)
    return OutboxEntry(
        id=CaptureId(row["id"]),
        camera_id=CameraId(row["camera_id"]),
        track_id=row["track_id"],
        at_utc=datetime.fromisoformat(row["at_utc"]),
        state=state,
        attempts=row["attempts"],
        quality=row["quality"],
        box_xyxy=(left, top, right, bottom),
        seq=row["seq"],
        committed_at_utc=datetime.fromtimestamp(row["committed_at"], UTC),
        size_bytes=row["size_bytes"],
        findface_camera_id=row["findface_camera_id"],
        details=json.loads(row["details"]),
        event_ids=tuple(json.loads(row["event_ids"])),
        reason=row["reason"],
        code=GivenUp(row["code"]) if row["code"] else None,
        maybe_sent=bool(row["maybe_sent"]),
        due_in_s=None if due_at is None else max(0.0, due_at - now),
        ended_at_utc=None if row["ended_at"] is None else datetime.fromtimestamp(row["ended_at"], UTC),
        picture_kept=bool(row["picture_kept"]),
        exempt=bool(row["exempt"]),
        location=location if row["picture_kept"] else "",
        roi_ltrb=(roi[0], roi[1], roi[2], roi[3]),
        size_wh=(row["width"], row["height"]),
    )


def add_to_tally(connection: sqlite3.Connection, what: str, captures: int) -> None:
    """Count what happens to captures without a sender; part of the caller's transaction."""
    if captures:
        connection.execute(
            "INSERT INTO tally (what, captures) VALUES (?1, ?2) "
            "ON CONFLICT (what) DO UPDATE SET captures = captures + ?2",
            (what, captures),
        )


def count_forgotten(connection: sqlite3.Connection, state: CaptureState, captures: int) -> None:
    """Keep the counts true of rows that are not kept; part of the caller's transaction."""
    if captures:
        connection.execute(
            "INSERT INTO pruned (state, captures) VALUES (?1, ?2) "
            "ON CONFLICT (state) DO UPDATE SET captures = captures + ?2",
            (state, captures),
        )
