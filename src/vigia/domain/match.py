"""What a match of a face and a track is, and what is still one."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

GROW_SPREADS = 1.2
"""Boxes are grown by so many standard deviations of the expected place on each side, as a share of their own size …"""
GROW_MAX = 0.5
"""… and by no more than this: twice as wide and high."""
REACH_SIDES = 0.5
REACH_SPREADS = 3.0
"""A face may be this far from where it was expected: a jitter, and three standard deviations of what is unknown."""
WEAK_IOU_MIN = 0.5
"""A weak detection must lie where its track is expected: it is a false one more often than a sure one is."""
SILENCE_HALVES = 2.0
"""After t seconds of silence a track's overlap counts 1 / (1 + 2 t) where faces compete: whoever was just seen is
first."""


class MatchKind(StrEnum):
    """By what an event was associated with a track."""

    IOU = "iou"
    DISTANCE = "distance"


@dataclass(frozen=True, slots=True)
class MatchLimits:
    """What is still a match in one frame."""

    iou_min: float
    """At least this much overlap, in [0, 1]."""
    distance_max_px: float
    """At most this far between centres, pixels, whatever the face's size."""
    distance_max_sides: float
    """And at most this far in mean sides of the two boxes."""
    side_ratio_max: float
    """The fall-back by distance asks that the sizes differ by no more than this factor."""

    def reach_sides(self, spread: float) -> float:
        """How far a face may be from where its track expects it, in mean sides.

        ``spread``: standard deviation of the expected place, in sides.
        """
        return min(self.distance_max_sides, REACH_SIDES + REACH_SPREADS * spread)


class Match(NamedTuple):
    """One event goes to one track."""

    event: int
    """Row of the event's box."""
    track: int
    """Row of the track's box."""
    kind: MatchKind
    iou: float
    """Overlap of both boxes, each grown by what is unknown of the face's motion, in [0, 1]."""
    distance_px: float
    """Between the face's centre and where it was expected."""
