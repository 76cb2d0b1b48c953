"""Remembers the passages that were captured a moment ago, so that one whose track broke is not captured twice.

A track breaks when a face is not found for longer than ``track_miss_interval``: turned away, hidden by a pillar, the
stream cut. What follows is a new track of the same person. It is taken for the same passage when

- it begins after the first was seen last, no more than ``interval_s`` later: two faces that were seen at one time are
  two people;
- it begins where the first was seen last, or on the way on which it was going, at about the same size;
- neither the end of the first nor the beginning of the second lies at the picture's edge, where people leave and enter;
- the colours of dress and head agree, and there are colours to compare.

When in doubt it is another passage: a second picture of somebody costs less than none. The first capture stands,
even if the second would have been a better one: it has been sent.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import hypot

from vigia.domain.appearance import Appearance, difference
from vigia.domain.event import Box

PASSAGES_MAX = 32
"""Remembered at most, for each camera; the oldest is forgotten."""
REACH_FACES = 1.0
"""A face that is found again is at most so far from the expected way, in sides of the face."""
GROWTH_MAX = 1.6
"""At most so much larger or smaller than it was."""
HEADING_S_MAX = 1.5
"""A face is expected to go on as it went for no longer."""
OVERSHOOT = 1.25
"""The expected way is this much longer than the velocity says."""
EDGE_FACES = 0.25
"""A box within so many of its sides of the picture's edge is entering or leaving."""
DIFFERENCE_MAX = 0.15
"""Greatest ``appearance.difference`` of one person's shots; see decision 0019 for how it was measured."""


@dataclass(frozen=True, slots=True, eq=False)
class PassageTrace:
    """When and where a passage was seen, and what the person looked like."""

    began_at_s: float
    """When the captured passage began, seconds; earlier than ``first_at_s`` once it was extended."""
    first_at_s: float
    last_at_s: float
    first_box_xyxy: Box
    last_box_xyxy: Box
    velocity_px_s: tuple[float, float]
    """Of the centre at the end, pixels a second."""
    frame_size_wh: tuple[int, int]
    loop: int
    """Of a file that starts over: every loop shows other passages."""
    appearance: Appearance | None


@dataclass(frozen=True, slots=True)
class PassageRules:
    """When one passage continues another, as far as time goes."""

    interval_s: float = 3.0
    """How long after a passage was seen last another may still be its continuation, seconds."""
    passage_max_s: float = 60.0
    """A passage is not continued beyond this age (``track_max_duration``): somebody who stays is sent again, as without
    any break; 0 = no limit."""


class PassageMemory:
    """The latest captured passages of one camera.

    Owner: the camera's shard. Bounds: ``PASSAGES_MAX`` traces of some 3 kB.

    Args:
        interval_s: see ``PassageRules``.
        passage_max_s: see ``PassageRules``.
    """

    def __init__(self, *, interval_s: float = 3.0, passage_max_s: float = 60.0) -> None:
        self._rules = PassageRules(interval_s, passage_max_s)
        self._traces: deque[PassageTrace] = deque(maxlen=PASSAGES_MAX)

    def __len__(self) -> int:
        return len(self._traces)

    def follow(self, rules: PassageRules) -> None:
        """Judge by other rules from now on; what is remembered stays."""
        self._rules = rules

    def remember(self, trace: PassageTrace) -> None:
        """A passage was captured and is over, as far as its track goes."""
        self._traces.append(trace)

    def match(self, trace: PassageTrace, *, others: Iterable[PassageTrace] = ()) -> PassageTrace | None:
        """The captured passage that ``trace`` continues, or None; the latest one where there are several.

        Args:
            trace: of a track nothing of which was sent.
            others: more captured passages, of tracks that have not ended yet.
        """
        found = [known for known in (*self._traces, *others) if self._continues(known, trace)]
        return max(found, key=lambda known: known.last_at_s, default=None)

    def extend(self, known: PassageTrace, trace: PassageTrace) -> None:
        """``trace`` was the continuation of ``known``: what follows is held against its end."""
        longer = replace(
            known,
            last_at_s=trace.last_at_s,
            last_box_xyxy=trace.last_box_xyxy,
            velocity_px_s=trace.velocity_px_s,
        )
        if known in self._traces:
            self._traces.remove(known)
        self._traces.append(longer)

    def _continues(self, known: PassageTrace, trace: PassageTrace) -> bool:
        rules = self._rules
        gap_s = trace.first_at_s - known.last_at_s
        same_scene = known.loop == trace.loop and known.frame_size_wh == trace.frame_size_wh
        if not (0.0 < gap_s <= rules.interval_s and same_scene):
            return False
        if rules.passage_max_s and trace.first_at_s - known.began_at_s > rules.passage_max_s:
            return False
        if _at_edge(known.last_box_xyxy, known.frame_size_wh) or _at_edge(trace.first_box_xyxy, trace.frame_size_wh):
            return False
        return _on_the_way(known, trace, gap_s) and _look_alike(known.appearance, trace.appearance)


def _on_the_way(known: PassageTrace, trace: PassageTrace, gap_s: float) -> bool:
    """Whether the second begins near the way from where the first was last, at a similar size."""
    (x, y, side), (new_x, new_y, new_side) = _place(known.last_box_xyxy), _place(trace.first_box_xyxy)
    if side <= 0.0 or new_side <= 0.0 or not 1.0 / GROWTH_MAX <= new_side / side <= GROWTH_MAX:
        return False
    ahead_s = OVERSHOOT * min(gap_s, HEADING_S_MAX)
    way_x, way_y = known.velocity_px_s[0] * ahead_s, known.velocity_px_s[1] * ahead_s
    square = way_x * way_x + way_y * way_y
    along = 0.0 if square <= 0.0 else ((new_x - x) * way_x + (new_y - y) * way_y) / square
    along = min(1.0, max(0.0, along))
    return hypot(new_x - x - along * way_x, new_y - y - along * way_y) <= REACH_FACES * max(side, new_side)


def _look_alike(before: Appearance | None, now: Appearance | None) -> bool:
    if before is None or now is None or not (before.has_colour and now.has_colour):
        return False
    return difference(before, now) <= DIFFERENCE_MAX


def _place(box_xyxy: Box) -> tuple[float, float, float]:
    left, top, right, bottom = box_xyxy.tolist()
    return (left + right) / 2.0, (top + bottom) / 2.0, min(right - left, bottom - top)


def _at_edge(box_xyxy: Box, frame_size_wh: tuple[int, int]) -> bool:
    left, top, right, bottom = box_xyxy.tolist()
    near = EDGE_FACES * min(right - left, bottom - top)
    width, height = frame_size_wh
    return bool(left <= near or top <= near or right >= width - near or bottom >= height - near)
