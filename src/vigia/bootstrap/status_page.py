"""What a running vigia tells of itself, for the status file: plain values, no secrets."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from vigia.application.camera_health import CameraHealth, HealthBoard, HealthEvent
from vigia.application.camera_status import CameraStatus
from vigia.application.ports import Clock
from vigia.application.use_cases.stream_camera import CameraState
from vigia.bootstrap.web_pages import ledger_page, reason_page
from vigia.domain.camera import Camera
from vigia.domain.ledger import FrameFate
from vigia.infrastructure.metrics.status_file import StatusFile

logger = logging.getLogger("vigia.health")

STEP_S = 1.0
HISTORY_SHOWN = 20


def event_page(event: HealthEvent) -> dict[str, Any]:
    """One event of a camera's history."""
    return {
        "at_utc": event.at_utc.isoformat(),
        "before": None if event.before is None else event.before.value,
        "state": event.state.value,
        "alarm": None if event.alarm is None else event.alarm.value,
        "raised": event.raised,
        "reason": reason_page(event.reason),
    }


def camera_page(camera: Camera, status: CameraStatus | None, health: CameraHealth | None) -> dict[str, Any]:
    """One camera: what it is, what it does, and what it did."""
    page: dict[str, Any] = {
        "id": camera.id,
        "name": camera.name,
        "group": camera.group,
        "findface_id": camera.findface_id,
        "url": camera.url_redacted,
        "state": CameraState.DISABLED.value if not camera.active else CameraState.CONNECTING.value,
        "since_utc": None if health is None else health.since_utc.isoformat(),
        "alarms": [] if health is None else sorted(alarm.value for alarm in health.alarms),
        "history": [] if health is None else [event_page(event) for event in health.history[-HISTORY_SHOWN:]],
    }
    if status is None:
        return page
    stream, load, books = status.stream, status.load, status.page
    return page | {
        "state": status.source.value,
        "reason": reason_page(status.reason),
        "shard": status.shard,
        "codec": stream.codec,
        "width": stream.width,
        "height": stream.height,
        "fps": round(stream.fps, 2),
        "bit_rate_bps": round(stream.bit_rate_bps),
        "last_packet_age_s": None if stream.last_packet_age_s is None else round(stream.last_packet_age_s, 2),
        "reconnects": stream.reconnects,
        "abandoned": stream.abandoned,
        "clock_off_s": None if stream.clock_off_s is None else round(stream.clock_off_s, 2),
        "load": load.state.value,
        "load_reason": load.reason.value,
        "k": load.k,
        "input_width": load.input_width,
        "cost_share": round(load.cost_share, 4),
        "received": books.received,
        "skipped": books.frames[FrameFate.SKIPPED],
        "corrupt": books.frames[FrameFate.CORRUPT],
        "faces": books.faces,
        "tracks": books.tracks_started,
        "captures": books.captures,
        "ledger": ledger_page(books),
    }


class StatusWriter:
    """Writes the status file once a second; a disk that is full is told once and spoils nothing.

    Owner: the thread that calls ``step``.
    """

    def __init__(
        self,
        file: StatusFile,
        *,
        cameras: Callable[[], Sequence[Camera]],
        statuses: Callable[[], Sequence[CameraStatus]],
        board: HealthBoard,
        clock: Clock,
    ) -> None:
        self._file = file
        self._cameras = cameras
        self._statuses = statuses
        self._board = board
        self._started_utc = clock.utc()
        self._failed = False

    def step(self) -> float:
        """Write it; return seconds until the next time."""
        statuses = {status.id: status for status in self._statuses()}
        page = {
            "started_utc": self._started_utc.isoformat(),
            "cameras": [
                camera_page(camera, statuses.get(camera.id), self._board.health(camera.id))
                for camera in self._cameras()
            ],
        }
        try:
            self._file.write(page)
        except OSError as error:
            if not self._failed:
                logger.warning("The status file cannot be written: %s", error.strerror or type(error).__name__)
            self._failed = True
        else:
            self._failed = False
        return STEP_S
