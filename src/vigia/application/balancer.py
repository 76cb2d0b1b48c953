"""The balancer: moves a camera from the busiest shard to the idlest when what was measured says that it helps.

Cameras are pinned: a move costs a cold cache and, for a moment, a place in two queues of orders. So it looks seldom,
moves one camera at a time, and then waits until its cost has been measured in the new place.
"""

import logging
from collections.abc import Sequence

from vigia.application.camera_shard import CameraShard
from vigia.application.placement import better_move
from vigia.application.ports import Clock

logger = logging.getLogger("vigia.load")

INTERVAL_S = 10.0
GAP_MIN = 0.20
"""Shards whose loads differ by less than a fifth of a shard's time are left alone."""


class Balancer:
    """Evens shards out. Owner: the thread that calls ``step``; the shards themselves carry the moves out.

    Args:
        shards: of one process; a camera keeps its tracks and what waits.
        clock: for the intervals; the first look is one interval after the start.
    """

    def __init__(self, shards: Sequence[CameraShard], *, clock: Clock) -> None:
        self._shards = tuple(shards)
        self._clock = clock
        self._next_s = clock.mono_s() + INTERVAL_S
        self.moves = 0

    def step(self) -> float:
        """Look whether a camera should move, if it is time to; return the seconds until it is."""
        now_s = self._clock.mono_s()
        if now_s < self._next_s:
            return self._next_s - now_s
        self._next_s = now_s + INTERVAL_S
        move = better_move([shard.costs() for shard in self._shards], gap_min=GAP_MIN)
        if move is not None:
            source, target = self._shards[move.source], self._shards[move.target]
            self.moves += 1
            logger.info("Camera %s moves from %s to %s: their loads are uneven", move.camera, source.name, target.name)
            source.hand_over(move.camera, target)
        return INTERVAL_S
