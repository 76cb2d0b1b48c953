"""Placement: which camera goes to which shard. Pure; the same answer for the same costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Camera = TypeVar("Camera")


@dataclass(frozen=True, slots=True)
class Move(Generic[Camera]):
    """One camera goes from one shard to another; shards by index."""

    camera: Camera
    source: int
    target: int


def place(costs: Sequence[float], shards: int) -> list[int]:
    """Spread cameras over shards so that the busiest has as little as possible to do.

    Longest processing time first (Graham, "Bounds on multiprocessing timing anomalies", 1969): the dearest camera goes
    to the shard with the least to do so far; never more than 4/3 of the best possible. Equal costs are dealt in turn.

    Args:
        costs: what each camera takes, any unit, 0 or more.
        shards: how many there are, 1 or more.

    Returns:
        The shard's index of each camera, in the order of ``costs``.
    """
    if shards < 1:
        raise ValueError(f"cameras need 1 shard or more, not {shards}")
    loads = [0.0] * shards
    counts = [0] * shards
    chosen = [0] * len(costs)
    for camera in sorted(range(len(costs)), key=lambda index: -costs[index]):  # stable: equal costs keep their order
        shard = min(range(shards), key=lambda index: (loads[index], counts[index], index))
        chosen[camera] = shard
        loads[shard] += costs[camera]
        counts[shard] += 1
    return chosen


def better_move(loads: Sequence[Mapping[Camera, float]], *, gap_min: float) -> Move[Camera] | None:
    """The one camera whose move evens the busiest and the idlest shard out most, if that is worth it.

    Args:
        loads: of each shard, what its cameras take, as a share of its time.
        gap_min: the gap between busiest and idlest below which nothing moves; a move must also close half as much.

    Returns:
        Camera and both shards' indices, or None. Pure.
    """
    if len(loads) < 2:
        return None
    totals = [sum(shard.values()) for shard in loads]
    busiest, idlest = totals.index(max(totals)), totals.index(min(totals))
    gap = totals[busiest] - totals[idlest]
    if gap < gap_min:
        return None
    camera, cost = min(loads[busiest].items(), key=lambda item: abs(gap - 2.0 * item[1]))
    if gap - abs(gap - 2.0 * cost) < gap_min / 2.0:
        return None
    return Move(camera, busiest, idlest)
