"""Placement: which camera goes to which shard. Pure; the same answer for the same costs."""

from collections.abc import Sequence


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
