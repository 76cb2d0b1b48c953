"""What is read of the outbox in memory: its rows by filters, one row, a picture."""

import threading
from collections import Counter
from collections.abc import Mapping
from itertools import islice

from vigia.application.errors import OutboxCorrupt, OutboxUnavailable
from vigia.application.ports import Clock, Damage, OutboxEntry
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, CaptureState
from vigia.testing.memory_rows import MemoryRow, entry_of


class MemoryBooks:
    """The reading half of ``MemoryOutbox``. Owner: its lock."""

    def __init__(self, clock: Clock) -> None:
        self.fault: OutboxUnavailable | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[CaptureId, MemoryRow] = {}  # in the order of commitment
        self._closed = False

    def entries(
        self,
        *,
        state: CaptureState | None = None,
        camera_id: CameraId | None = None,
        older_than_s: float | None = None,
        younger_than_s: float | None = None,
        limit: int | None = None,
        after: int = 0,
    ) -> list[OutboxEntry]:
        """The books, oldest first."""
        with self._lock:
            self._check()
            now_s = self._clock.mono_s()
            return [
                entry_of(row, now_s)
                for row in self._rows.values()
                if row.seq > after
                and state in {None, row.state}
                and camera_id in {None, row.capture.camera_id}
                and (older_than_s is None or row.committed_mono_s <= now_s - older_than_s)
                and (younger_than_s is None or row.committed_mono_s > now_s - younger_than_s)
            ][:limit]

    def newest(
        self,
        *,
        state: CaptureState | None = None,
        camera_id: CameraId | None = None,
        quality_min: float | None = None,
        limit: int,
        before: int | None = None,
    ) -> list[OutboxEntry]:
        """The books, newest first."""
        with self._lock:
            self._check()
            now_s = self._clock.mono_s()
            found = (
                row
                for row in reversed(self._rows.values())
                if (before is None or row.seq < before)
                and state in {None, row.state}
                and camera_id in {None, row.capture.camera_id}
                and (quality_min is None or row.capture.quality >= quality_min)
            )
            return [entry_of(row, now_s) for row in islice(found, limit)]

    def counts_by_camera(self) -> Mapping[CameraId, Mapping[CaptureState, int]]:
        """Rows of each camera in each state."""
        counts: dict[CameraId, Counter[CaptureState]] = {}
        with self._lock:
            self._check()
            for row in self._rows.values():
                counts.setdefault(row.capture.camera_id, Counter())[row.state] += 1
        return counts

    def entry(self, capture_id: CaptureId) -> OutboxEntry | None:
        """One capture; None when it is not kept."""
        with self._lock:
            self._check()
            row = self._rows.get(capture_id)
            return None if row is None else entry_of(row, self._clock.mono_s())

    def picture(self, capture_id: CaptureId) -> bytes | None:
        """The JPEG file's bytes; None when it is not kept. Raises OutboxCorrupt."""
        with self._lock:
            self._check()
            row = self._rows.get(capture_id)
            if row is None or not row.picture_kept:
                return None
            if row.damage is Damage.MISSING:
                raise OutboxCorrupt("capture %(id)s: its picture is missing", id=capture_id)
            if row.damage is not None:
                raise OutboxCorrupt("capture %(id)s: its picture is damaged", id=capture_id)
            return row.jpeg

    def _check(self, *, writing: bool = False) -> None:
        if self._closed:
            raise OutboxUnavailable("the outbox is closed")
        if writing and self.fault is not None:
            raise self.fault
