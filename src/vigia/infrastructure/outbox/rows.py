"""Captures as rows and back."""

import json
import sqlite3
from datetime import datetime
from typing import Any

from vigia.application.ports import OutboxEntry
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture

INSERT = """
INSERT INTO capture (id, camera_id, findface_camera_id, track_id, at_utc, box_xyxy, roi_ltrb, width, height, quality,
                     details, file, size_bytes, sha256, state, due_at, committed_at)
VALUES (:id, :camera_id, :findface_camera_id, :track_id, :at_utc, :box_xyxy, :roi_ltrb, :width, :height, :quality,
        :details, :file, :size_bytes, :sha256, 'pending', :now, :now)
"""


def to_row(capture: Capture, *, file: str, sha256: str, now: float) -> dict[str, Any]:
    """The places of INSERT. Raises TypeError or ValueError when ``details`` is no JSON."""
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
        "file": file,
        "size_bytes": len(capture.jpeg),
        "sha256": sha256,
        "now": now,
    }


def to_leased(row: sqlite3.Row, *, lease: str, jpeg: bytes) -> LeasedCapture:
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
    )


def to_entry(row: sqlite3.Row) -> OutboxEntry:
    """What the books show."""
    left, top, right, bottom = json.loads(row["box_xyxy"])
    return OutboxEntry(
        id=CaptureId(row["id"]),
        camera_id=CameraId(row["camera_id"]),
        track_id=row["track_id"],
        at_utc=datetime.fromisoformat(row["at_utc"]),
        state=CaptureState(row["state"]),
        attempts=row["attempts"],
        quality=row["quality"],
        box_xyxy=(left, top, right, bottom),
        details=json.loads(row["details"]),
        event_ids=tuple(json.loads(row["event_ids"])),
        reason=row["reason"],
    )
