"""When the pictures of a live stream were taken, reckoned from their stamps and from when they arrived.

A camera stamps its pictures evenly, on a clock of its own whose zero nobody knows; the network delivers them unevenly.
What arrived soonest after it was stamped tells how far the two clocks are apart, and so when all the others were taken.

Cameras also lie. Stamps are missing, stand still, run backwards, leap, wrap around, or count 25 pictures a second while
15 are taken. Whatever comes, the moment told is finite, not later than the arrival, and at most LAG_MAX_S earlier; for
a stamp that cannot be believed it is the arrival itself.
"""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum

LAG_MAX_S = 10.0
"""A picture is taken to be at most so old when it arrives: what was held up for longer is a stream that stalled."""
REORDER_MAX = 16
"""Pictures that may come between one and another that is shown before it: the most that H.264 and H.265 allow."""
REORDER_S = 2.0
"""Farther back than this is no B-frame."""
STEP_PLAIN_S = 1.0
"""A step forward of at most this needs no second look."""
JUMP_S = 2.0
"""Stamps may come out so much later than the arrival before they are said to have leapt."""
WRAPS_S = (2**33 / 90_000, 2**32 / 90_000)
"""MPEG-TS stamps begin again at zero after 26.5 hours, RTP's after 13.3."""
WRAP_SLACK_S = 10.0
"""A wrap is told from other leaps by what is left of the step, which is at most this."""
WINDOW_S = 5.0
"""How far the clocks are apart is the least seen within one to two windows."""
WINDOW_STAMPS_MIN = 8
"""Fewer do not make a window."""
SLEW = 0.05
"""When the quickest way gets slower, the reckoning follows by so much a second; a stamp clock that is slower than this
compared with ours is none.
"""
CATCH_UP_S = 0.5
"""Unless it is off by more than this: then at once."""
STAMP_MAX_S = 1e11
"""Beyond this a stamp is garbage, and too large to be told to a hundredth of a millisecond."""


class StampVerdict(StrEnum):
    """What a stamp is worth."""

    OK = "ok"
    MISSING = "missing"
    """None, or no number."""
    REPEATED = "repeated"
    """The same as the one before."""
    BACKWARD = "backward"
    """Earlier than reordering can explain: reckoning begins anew with it."""
    JUMP = "jump"
    """Far later than the time that has passed: reckoning begins anew with it."""
    DRIFT = "drift"
    """Stamps that go on evenly, at another pace than time."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a picture was taken, and whether its own stamp says so."""

    at_s: float
    """Monotonic seconds."""
    verdict: StampVerdict


class StreamClock:
    """Tells the moment of capture from stamp and arrival. One for each opening of a stream.

    Owner: one thread. Bounds: REORDER_MAX pictures remembered. Raises: nothing, whatever the stamps are.

    Invariant: of two pictures whose stamps are believed, the later stamp never gives the earlier moment, in whatever
    order they come, unless LAG_MAX_S forbids it.
    """

    def __init__(self) -> None:
        self._newest_s: float | None = None  # the latest stamp, unwrapped
        self._previous_s = 0.0  # the one before, in whatever order
        self._latest_at_s = float("-inf")  # the latest moment told
        self._anchor_at_s = float("-inf")  # the latest moment told before reckoning began: all others are later
        self._offset_s = 0.0  # moment minus stamp
        self._base_s = 0.0  # what wraps have added
        self._arrived_s = 0.0
        self._since_newest = 0  # stamps since the latest one went forward
        self._recent: deque[tuple[float, float]] = deque(maxlen=REORDER_MAX)  # stamp and moment
        self._begin_windows(0.0)

    def stamp(self, pts_s: float | None, arrived_s: float) -> Stamp:
        """The moment of one picture.

        Args:
            pts_s: its presentation time on the stream's clock, seconds; in the order of decoding.
            arrived_s: when it came, monotonic seconds; never less than before.
        """
        if pts_s is None or not -STAMP_MAX_S <= pts_s <= STAMP_MAX_S:  # NaN is not between them either
            return self._by_arrival(StampVerdict.MISSING, arrived_s)
        newest_s = self._newest_s
        if newest_s is None:
            return self._begin_anew(StampVerdict.OK, pts_s, arrived_s)
        stamp_s = pts_s + self._base_s
        if stamp_s == self._previous_s:
            self._reckon(arrived_s - stamp_s, arrived_s)  # a clock that stands still is found out by it
            return self._by_arrival(StampVerdict.REPEATED, arrived_s)
        step_s = stamp_s - newest_s
        if not -REORDER_S <= step_s <= STEP_PLAIN_S:
            verdict, stamp_s = self._second_look(stamp_s, newest_s, arrived_s)
            if verdict is not StampVerdict.OK:
                return self._begin_anew(verdict, stamp_s, arrived_s)
            step_s = stamp_s - newest_s
        if step_s > 0.0:
            self._newest_s, self._since_newest = stamp_s, 0
        else:
            self._since_newest += 1
            if self._since_newest > REORDER_MAX:
                return self._begin_anew(StampVerdict.BACKWARD, stamp_s, arrived_s)
        self._previous_s = stamp_s
        self._reckon(arrived_s - stamp_s, arrived_s)
        return self._by_stamp(stamp_s, arrived_s, in_order=step_s > 0.0)

    def _by_stamp(self, stamp_s: float, arrived_s: float, *, in_order: bool) -> Stamp:
        if self._drifts:
            return self._by_arrival(StampVerdict.DRIFT, arrived_s)
        at_s = stamp_s + self._offset_s
        if in_order:
            at_s = max(at_s, self._latest_at_s)
            self._latest_at_s = min(max(at_s, arrived_s - LAG_MAX_S), arrived_s)
        else:
            at_s = max(at_s, self._anchor_at_s)
            for other_s, other_at_s in self._recent:
                if other_s < stamp_s:
                    at_s = max(at_s, other_at_s)
            for other_s, other_at_s in self._recent:
                if other_s > stamp_s:
                    at_s = min(at_s, other_at_s)
        at_s = min(max(at_s, arrived_s - LAG_MAX_S), arrived_s)
        self._recent.append((stamp_s, at_s))
        self._arrived_s = arrived_s
        return Stamp(at_s, StampVerdict.OK)

    def _by_arrival(self, verdict: StampVerdict, arrived_s: float) -> Stamp:
        self._arrived_s = self._latest_at_s = arrived_s
        return Stamp(arrived_s, verdict)

    def _second_look(self, stamp_s: float, newest_s: float, arrived_s: float) -> tuple[StampVerdict, float]:
        """Whether a large step is a gap, a wrap or a leap; and the stamp, unwrapped."""
        step_s = stamp_s - newest_s
        for wrap_s in WRAPS_S:
            if abs(step_s + wrap_s - (arrived_s - self._arrived_s)) <= WRAP_SLACK_S:
                self._base_s += wrap_s
                return StampVerdict.OK, stamp_s + wrap_s
            if -REORDER_S <= step_s - wrap_s < 0.0:  # a B-frame from before the wrap
                return StampVerdict.OK, stamp_s - wrap_s
        if step_s < 0.0:
            return StampVerdict.BACKWARD, stamp_s
        if stamp_s + self._offset_s - arrived_s > JUMP_S:
            return StampVerdict.JUMP, stamp_s
        return StampVerdict.OK, stamp_s

    def _begin_anew(self, verdict: StampVerdict, stamp_s: float, arrived_s: float) -> Stamp:
        """This picture was taken when it arrived, and those that follow are reckoned from it."""
        self._anchor_at_s = self._latest_at_s
        self._newest_s, self._previous_s, self._since_newest = stamp_s, stamp_s, 0
        self._offset_s = arrived_s - stamp_s
        self._recent.clear()
        self._recent.append((stamp_s, arrived_s))
        self._begin_windows(arrived_s)
        self._floor_s = self._offset_s
        return self._by_arrival(verdict, arrived_s)

    def _begin_windows(self, arrived_s: float) -> None:
        self._window_from_s = arrived_s
        self._window_stamps = 0
        self._floor_s = self._floor_before_s = float("inf")  # least excess of this window, and of the one before
        self._rises = 0  # windows in a row in which the stamps fell behind
        self._drifts = False

    def _reckon(self, excess_s: float, arrived_s: float) -> None:
        """Learn from one stamp how far the clocks are apart."""
        if excess_s < self._floor_s:
            self._floor_s = excess_s
            self._offset_s = min(self._offset_s, excess_s)
        self._window_stamps += 1
        if arrived_s - self._window_from_s >= WINDOW_S and self._window_stamps >= WINDOW_STAMPS_MIN:
            self._turn_window(arrived_s)
        floor_s = min(self._floor_s, self._floor_before_s)
        if floor_s > self._offset_s:
            self._offset_s = min(floor_s, self._offset_s + SLEW * max(0.0, arrived_s - self._arrived_s))

    def _turn_window(self, arrived_s: float) -> None:
        floor_s = min(self._floor_s, self._floor_before_s)
        rise_s = self._floor_s - self._floor_before_s  # -inf after an anchor
        self._rises = self._rises + 1 if rise_s > SLEW * (arrived_s - self._window_from_s) else 0
        self._drifts = self._rises >= 2
        if floor_s - self._offset_s > CATCH_UP_S:
            self._offset_s = floor_s
        self._floor_before_s, self._floor_s = self._floor_s, float("inf")
        self._window_from_s, self._window_stamps = arrived_s, 0


__all__ = ["LAG_MAX_S", "Stamp", "StampVerdict", "StreamClock"]
