"""What the web server tells of a run, as plain values: secrets, paths and tokens never get as far as this."""

from typing import Any

from vigia.application.camera_status import CameraReason
from vigia.application.orchestrator import RunStatus
from vigia.application.ports import OutboxEntry
from vigia.application.use_cases.send_to_findface import DeliveryStats
from vigia.domain.ledger import LedgerPage


def status_page(status: RunStatus, *, lost: int) -> dict[str, Any]:
    """The run as a whole."""
    return {
        "elapsed_s": round(status.elapsed_s, 1),
        "cameras": status.cameras,
        "cameras_live": status.cameras_live,
        "fps": round(status.fps, 1),
        "worker_restarts": status.restarts,
        "committed": status.committed,
        "lost": lost,
        "commit_waiting": status.commit_waiting,
        "unsent": status.unsent,
        "ledger": ledger_page(status.ledger),
        "delivery": delivery_page(status.delivery),
        "outbox": {
            "given_up": {code.value: count for code, count in status.tally.given_up.items()},
            "put_back": status.tally.put_back,
            "dropped": status.tally.dropped,
        },
        "shards": [
            {
                "name": shard.name,
                "cameras": shard.cameras,
                "k": shard.k,
                "waiting": shard.waiting,
                "scale": round(shard.scale, 3),
                "load": round(shard.load, 3),
            }
            for shard in status.shards
        ],
    }


def reason_page(reason: CameraReason | None) -> dict[str, Any] | None:
    """A reason, so that any reader can tell it in its own language."""
    return None if reason is None else {"template": reason.template, "facts": dict(reason.facts)}


def ledger_page(page: LedgerPage) -> dict[str, Any]:
    """The books of one camera or of all."""
    return {
        "received": page.received,
        "frames": {fate.value: count for fate, count in page.frames.items()},
        "skip_reasons": dict(page.skip_reasons),
        "faces": page.faces,
        "tracks_started": page.tracks_started,
        "tracks": {fate.value: count for fate, count in page.tracks.items()},
        "filter_reasons": dict(page.filter_reasons),
        "captures": page.captures,
    }


def delivery_page(stats: DeliveryStats) -> dict[str, Any]:
    """What the senders did."""
    return {
        "state": stats.state,
        "down_since_utc": None if stats.down_since_utc is None else stats.down_since_utc.isoformat(),
        "cause": stats.cause,
        "reason": reason_page(stats.reason),
        "delivered": stats.delivered,
        "looked_up": stats.looked_up,
        "refused": stats.refused,
        "dead": stats.dead,
        "attempts": stats.attempts,
        "failures": stats.failures,
        "in_flight": stats.in_flight,
        "senders_allowed": stats.senders_allowed,
        "senders_max": stats.senders_max,
    }


def capture_page(entry: OutboxEntry) -> dict[str, Any]:
    """One capture, without its picture and without where that lies."""
    return {
        "id": entry.id,
        "seq": entry.seq,
        "camera": entry.camera_id,
        "track": entry.track_id,
        "at_utc": entry.at_utc.isoformat(),
        "committed_at_utc": entry.committed_at_utc.isoformat(),
        "ended_at_utc": None if entry.ended_at_utc is None else entry.ended_at_utc.isoformat(),
        "state": entry.state.value,
        "code": None if entry.code is None else entry.code.value,
        "reason": entry.reason,
        "attempts": entry.attempts,
        "quality": round(entry.quality, 4),
        "box": [round(edge, 1) for edge in entry.box_xyxy],
        "event_ids": list(entry.event_ids),
        "maybe_sent": entry.maybe_sent,
        "due_in_s": entry.due_in_s,
        "picture_kept": entry.picture_kept,
        "size_bytes": entry.size_bytes,
        "details": entry.details,
    }
