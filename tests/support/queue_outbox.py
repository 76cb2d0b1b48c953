# ruff: noqa: ARG002 - the port's arguments, not all of which mean something here
"""An outbox for simulations of a long backlog: every step costs the same, however many captures wait.

What ``MemoryOutbox`` does, without its limits, its upkeep and its scans. No lease ever runs out: nobody dies here.
"""

import heapq
from collections import Counter, deque
from collections.abc import Sequence

from vigia.application.errors import LeaseLost
from vigia.application.ports import Clock, OutboxStats
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture


class QueueOutbox:
    """The ``Outbox`` port. Owner: one thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._captures: dict[CaptureId, tuple[int, Capture]] = {}  # what is not finished, with its number
        self._attempts: Counter[CaptureId] = Counter()
        self._doubtful: set[CaptureId] = set()
        self._leases: dict[CaptureId, str] = {}
        self._ready: dict[CameraId, list[tuple[int, CaptureId]]] = {}  # heaps: the oldest first
        self._turns: deque[CameraId] = deque()
        self._later: list[tuple[float, int, CaptureId]] = []  # a heap: the first that is due first
        self._finished: Counter[CaptureState] = Counter()
        self._numbers = 0

    def commit(self, capture: Capture) -> None:
        self._numbers += 1
        self._captures[capture.id] = (self._numbers, capture)
        self._make_ready(capture.id)

    def lease(self, *, limit: int, duration_s: float) -> list[LeasedCapture]:
        self._wake()
        leased: list[LeasedCapture] = []
        empty = 0
        while len(leased) < limit and empty < len(self._turns):
            heap = self._ready[self._turns[0]]
            self._turns.rotate(-1)
            if not heap:
                empty += 1
                continue
            empty = 0
            _, capture_id = heapq.heappop(heap)
            leased.append(self._lease(capture_id))
        return leased

    def mark_delivered(self, capture: LeasedCapture, event_ids: Sequence[str]) -> None:
        self._finish(capture, CaptureState.DELIVERED)

    def mark_refused(self, capture: LeasedCapture, reason: str) -> None:
        self._finish(capture, CaptureState.REFUSED)

    def mark_dead(self, capture: LeasedCapture, reason: str) -> None:
        self._finish(capture, CaptureState.DEAD)

    def retry_later(
        self, capture: LeasedCapture, *, delay_s: float, reason: str, counts: bool = True, maybe_sent: bool = True
    ) -> None:
        self._give_back(capture)
        self._attempts[capture.id] -= int(not counts)
        (self._doubtful.add if maybe_sent else self._doubtful.discard)(capture.id)
        if delay_s > 0.0:
            heapq.heappush(self._later, (self._clock.mono_s() + delay_s, self._captures[capture.id][0], capture.id))
        else:
            self._make_ready(capture.id)

    def next_due_s(self) -> float | None:
        self._wake()
        if any(self._ready.values()):
            return 0.0
        return self._later[0][0] - self._clock.mono_s() if self._later else None

    def stats(self) -> OutboxStats:
        pending = {CaptureState.PENDING: len(self._captures)} if self._captures else {}
        return OutboxStats(counts={**self._finished, **pending}, oldest_pending_age_s=None, bytes_on_disk=0)

    def close(self) -> None:
        """Nothing is open."""

    def _lease(self, capture_id: CaptureId) -> LeasedCapture:
        capture = self._captures[capture_id][1]
        self._attempts[capture_id] += 1
        self._leases[capture_id] = f"{capture_id}-{self._attempts[capture_id]}"
        maybe_sent = capture_id in self._doubtful
        self._doubtful.add(capture_id)
        return LeasedCapture(
            id=capture_id,
            camera_id=capture.camera_id,
            findface_camera_id=capture.findface_camera_id,
            at_utc=capture.at_utc,
            roi_ltrb=capture.roi_ltrb,
            jpeg=capture.jpeg,
            lease=self._leases[capture_id],
            attempts=self._attempts[capture_id],
            maybe_sent=maybe_sent,
        )

    def _wake(self) -> None:
        while self._later and self._later[0][0] <= self._clock.mono_s():
            self._make_ready(heapq.heappop(self._later)[2])

    def _make_ready(self, capture_id: CaptureId) -> None:
        number, capture = self._captures[capture_id]
        if capture.camera_id not in self._ready:
            self._ready[capture.camera_id] = []
            self._turns.append(capture.camera_id)
        heapq.heappush(self._ready[capture.camera_id], (number, capture_id))

    def _give_back(self, capture: LeasedCapture) -> None:
        if self._leases.pop(capture.id, None) != capture.lease:
            raise LeaseLost("capture %(id)s is not leased by this holder any more", id=capture.id)

    def _finish(self, capture: LeasedCapture, state: CaptureState) -> None:
        self._give_back(capture)
        del self._captures[capture.id]
        self._attempts.pop(capture.id, None)
        self._doubtful.discard(capture.id)
        self._finished[state] += 1
