"""What a stream is, judged by its packets: rates, key frames, reordering, and whether its stamps can be believed."""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TypeAlias

from vigia.domain.frame import Packet
from vigia.domain.stream_clock import StampVerdict, StreamClock

PACKETS_MIN = 10
"""Rates of fewer packets say nothing."""
SANE_SHARE_MIN = 0.95
"""So many stamps have to be good for the stream's own clock to be believed."""
STAMPS_FPS_MAX = 1000.0
STAMPS_MAX = 20_000
TAIL = 8
"""Pictures at the end whose neighbours may not have come yet, where pictures come in another order."""


_Key: TypeAlias = tuple[int, float, float | None]


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """What was measured; None where there was too little to measure."""

    packets: int
    seconds: float
    """From the first packet to the last, as they arrived."""
    fps: float | None
    """Pictures a second: by the stream's own clock where that can be believed, else as they arrived."""
    fps_arrived: float | None
    bit_rate_bps: float | None
    key_frames: int
    gop_frames: int | None
    """From one key frame to the next; None when fewer than two came."""
    gop_s: float | None
    b_frames: bool
    """Pictures come in another order than they are shown in."""
    stamps_sane: bool
    """Whether the time stamps can be believed."""
    stamps: Mapping[StampVerdict, int]


class StreamProbe:
    """Collects figures of one stream, packet by packet. Owner: one thread.

    Bounds: two numbers a picture of the last STAMPS_MAX, three a key frame.
    """

    def __init__(self) -> None:
        self._clock = StreamClock()
        self._stamps: Counter[StampVerdict] = Counter()
        self._packets = 0
        self._bytes = 0
        self._first_s = self._last_s = 0.0
        self._shown_s: deque[float] = deque(maxlen=STAMPS_MAX)
        """Good stamps, in the order of arrival."""
        self._newest_s = float("-inf")
        self._reordered = 0
        self._keys: list[_Key] = []
        """Number, arrival and good stamp of each key frame."""

    def add(self, packet: Packet) -> None:
        """Take the next packet, in the order of arrival."""
        arrived_s, pts_s = packet.received_mono_s, packet.pts_s
        if self._packets == 0:
            self._first_s = arrived_s
        self._last_s = arrived_s
        verdict = self._clock.stamp(pts_s, arrived_s).verdict
        self._stamps[verdict] += 1
        good_s = pts_s if verdict is StampVerdict.OK else None
        if packet.is_key:
            self._keys.append((self._packets, arrived_s, good_s))
        if good_s is not None:
            self._reordered += good_s < self._newest_s
            self._newest_s = max(good_s, self._newest_s)
            self._shown_s.append(good_s)
        self._packets += 1
        self._bytes += packet.size_bytes

    def figures(self) -> StreamFigures:
        """What was measured so far."""
        seconds = self._last_s - self._first_s
        enough = self._packets >= PACKETS_MIN
        sane = self._packets > 0 and self._stamps[StampVerdict.OK] >= SANE_SHARE_MIN * self._packets
        fps_arrived = (self._packets - 1) / seconds if enough and seconds > 0.0 else None
        fps = (self._fps_stamped() if sane and enough else None) or fps_arrived
        apart = list(pairwise(self._keys))
        return StreamFigures(
            packets=self._packets,
            seconds=seconds,
            fps=fps,
            fps_arrived=fps_arrived,
            bit_rate_bps=None if fps is None else 8.0 * self._bytes * fps / self._packets,
            key_frames=len(self._keys),
            gop_frames=round(median(b[0] - a[0] for a, b in apart)) if apart else None,
            gop_s=_apart_s(apart, stamped=sane),
            b_frames=self._reordered > 0,
            stamps_sane=sane,
            stamps=dict(self._stamps),
        )

    def _fps_stamped(self) -> float | None:
        """By the stamps in the order they are shown in; of the last ones some that belong between are still to come."""
        shown_s = sorted(self._shown_s)[: -TAIL if self._reordered else None]
        if len(shown_s) < PACKETS_MIN or shown_s[-1] <= shown_s[0]:
            return None
        fps = (len(shown_s) - 1) / (shown_s[-1] - shown_s[0])
        return fps if fps <= STAMPS_FPS_MAX else None


def _apart_s(apart: Sequence[tuple[_Key, _Key]], *, stamped: bool) -> float | None:
    """From one key frame to the next: by their stamps where there are two good ones, else as they arrived."""
    by_stamp = [b[2] - a[2] for a, b in apart if a[2] is not None and b[2] is not None and b[2] > a[2]]
    if stamped and by_stamp:
        return median(by_stamp)
    return median(b[1] - a[1] for a, b in apart) if apart else None
