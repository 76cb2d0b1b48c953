"""The timeline of a page: passages as bars, in as many lines of time as are easy to read."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Any

SPANS_S = (60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14_400.0, 43_200.0, 86_400.0)
"""How long a line of time may be."""
LINES_MAX = 12
LANES_MAX = 8
"""Passages side by side in a line; more are drawn over one another in the last."""
BARS_MAX = 5000
BAR_MIN_PERCENT = 0.4


@dataclass(frozen=True, slots=True)
class Bar:
    """One passage, or the part of it that lies in one line."""

    track: int
    captured: bool
    left_percent: float
    width_percent: float
    lane: int
    from_s: float
    to_s: float


@dataclass(slots=True)
class TimeLine:
    """One line of time. Owner: whoever lays it out."""

    from_s: float
    to_s: float
    bars: list[Bar] = field(default_factory=list)
    busy_until_s: list[float] = field(default_factory=list)
    """Of each lane."""

    @property
    def lanes(self) -> int:
        """Lanes in use, 1 at least."""
        return max(1, len(self.busy_until_s))

    def ticks(self) -> list[tuple[float, float]]:
        """Marks along the line: percent from the left, seconds."""
        span_s = self.to_s - self.from_s
        return [(25.0 * n, self.from_s + span_s * n / 4.0) for n in range(5)]


def lay_out(tracks: Iterable[dict[str, Any]], *, duration_s: float) -> list[TimeLine]:
    """Lines of time with their bars.

    Args:
        tracks: as in ``tracks.jsonl``; those beyond BARS_MAX are left out.
        duration_s: of the video.

    Returns:
        At most LINES_MAX lines. Pure.
    """
    length_s = max(duration_s, 1.0)
    span_s = next((span for span in SPANS_S if ceil(length_s / span) <= LINES_MAX), length_s / LINES_MAX)
    span_s = min(span_s, length_s)
    lines = [TimeLine(n * span_s, (n + 1) * span_s) for n in range(min(ceil(length_s / span_s), LINES_MAX))]
    shown = sorted(
        (track for track, _ in zip(tracks, range(BARS_MAX), strict=False)), key=lambda track: track["from_s"]
    )
    for track in shown:
        for line, from_s, to_s in _parts(lines, track["from_s"], track["to_s"], span_s):
            line.bars.append(_bar(line, track, from_s, to_s))
    return lines


def _parts(lines: list[TimeLine], from_s: float, to_s: float, span_s: float) -> Iterator[tuple[TimeLine, float, float]]:
    first = min(int(from_s // span_s), len(lines) - 1)
    last = min(int(to_s // span_s), len(lines) - 1)
    for line in lines[first : last + 1]:
        yield line, max(from_s, line.from_s), min(to_s, line.to_s)


def _bar(line: TimeLine, track: dict[str, Any], from_s: float, to_s: float) -> Bar:
    span_s = line.to_s - line.from_s
    width_percent = max(100.0 * (to_s - from_s) / span_s, BAR_MIN_PERCENT)
    left_percent = min(max(100.0 * (from_s - line.from_s) / span_s, 0.0), 100.0 - BAR_MIN_PERCENT)
    width_percent = min(width_percent, 100.0 - left_percent)
    free = (n for n, until_s in enumerate(line.busy_until_s) if until_s <= from_s)
    lane = next(free, len(line.busy_until_s))
    if lane >= LANES_MAX:
        lane = LANES_MAX - 1
    if lane == len(line.busy_until_s):
        line.busy_until_s.append(0.0)
    line.busy_until_s[lane] = line.from_s + span_s * (left_percent + width_percent) / 100.0
    return Bar(track["track"], track["fate"] == "captured", left_percent, width_percent, lane, from_s, to_s)
