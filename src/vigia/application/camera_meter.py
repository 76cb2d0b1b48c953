"""What one camera delivers, as measured: rates over the last seconds, and what is wrong with it.

Looked at about once a second by the thread that keeps the cameras; nothing here touches the hot path.
"""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from vigia.application.camera_status import CameraReason
from vigia.domain.ledger import FrameFate, LedgerPage

WINDOW_S = 10.0
"""Rates and shares are of the last ten seconds: a second's worth of damage is no state of a camera."""
SPACING_S = 0.9
DAMAGED_SHARE_MAX = 0.05
"""A twentieth of all pictures damaged: a person sees it, and tracks break."""
SLOW_SHARE = 0.5
"""Less than half the frames that the stream says it has."""
KEY_WAIT_MAX_S = 10.0
"""Many cameras send a key frame every 2 to 4 s; one that has none for ten is worth a word."""
UNDECODABLE_MAX_S = 5.0
BAD_STAMPS_SHARE_MAX = 0.10
PACKETS_MIN = 50
"""Shares of fewer packets say nothing: a stream's first ones may be damaged, or without a stamp."""


class _Sample(NamedTuple):
    at_s: float
    received: int
    bytes_received: int
    corrupt: int
    bad_stamps: int


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """What is known of a camera's stream at one moment, beside its books."""

    fps_told: float = 0.0
    """As the stream declares it; 0 when it does not."""
    bytes_received: int = 0
    bad_stamps: int = 0
    """Time stamps that were missing, went back or jumped, since the start."""
    waits_for_key_s: float = 0.0
    undecodable_s: float = 0.0
    """How long packets have come without a picture."""


class CameraMeter:
    """Rates of one camera. Owner: the thread that keeps the cameras; the figures may be read by any.

    Bounds: samples of WINDOW_S.
    """

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()
        self.fps = 0.0
        """Packets a second."""
        self.bit_rate_bps = 0.0
        self.trouble: CameraReason | None = None
        """What is wrong with what it delivers; None when nothing is."""

    def is_due(self, now_s: float) -> bool:
        """Whether a look would take a sample. ``now_s``: monotonic seconds."""
        return not self._samples or now_s - self._samples[-1].at_s >= SPACING_S

    def look(self, page: LedgerPage, facts: StreamFacts, *, now_s: float) -> None:
        """Take a sample, at most one every SPACING_S. ``now_s``: monotonic seconds."""
        if not self.is_due(now_s):
            return
        samples = self._samples
        samples.append(
            _Sample(now_s, page.received, facts.bytes_received, page.frames[FrameFate.CORRUPT], facts.bad_stamps)
        )
        while len(samples) > 2 and now_s - samples[1].at_s >= WINDOW_S:
            samples.popleft()
        first, last = samples[0], samples[-1]
        passed_s = last.at_s - first.at_s
        if passed_s <= 0.0:
            return
        received = last.received - first.received
        self.fps = received / passed_s
        self.bit_rate_bps = 8.0 * (last.bytes_received - first.bytes_received) / passed_s
        self.trouble = self._trouble(first, last, received, facts, full=passed_s >= 0.9 * WINDOW_S)

    def forget(self) -> None:
        """The stream begins anew: rates of the old one say nothing about it. Any thread."""
        self._samples = deque()
        self.fps = self.bit_rate_bps = 0.0
        self.trouble = None

    @staticmethod
    def _trouble(
        first: _Sample, last: _Sample, received: int, facts: StreamFacts, *, full: bool
    ) -> CameraReason | None:
        if facts.undecodable_s > UNDECODABLE_MAX_S:
            return CameraReason.mark("nothing can be decoded of it for %(seconds).0f s", seconds=facts.undecodable_s)
        if facts.waits_for_key_s > KEY_WAIT_MAX_S:
            return CameraReason.mark("no key frame for %(seconds).0f s", seconds=facts.waits_for_key_s)
        return None if received < PACKETS_MIN else _poor_share(first, last, facts, full=full)


def _poor_share(first: _Sample, last: _Sample, facts: StreamFacts, *, full: bool) -> CameraReason | None:
    received = last.received - first.received
    damaged = (last.corrupt - first.corrupt) / received
    if damaged > DAMAGED_SHARE_MAX:
        return CameraReason.mark("%(percent).0f %% of its pictures are damaged", percent=100.0 * damaged)
    strange = (last.bad_stamps - first.bad_stamps) / received
    if strange > BAD_STAMPS_SHARE_MAX:
        return CameraReason.mark("%(percent).0f %% of its time stamps are no use", percent=100.0 * strange)
    fps = received / (last.at_s - first.at_s)
    if full and fps < SLOW_SHARE * facts.fps_told:
        return CameraReason.mark("%(fps).1f of %(told).1f frames a second arrive", fps=fps, told=facts.fps_told)
    return None
