"""Placement and moves: nobody forgotten, nothing overloaded needlessly, and no camera sent to and fro."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.placement import better_move, place

COSTS = st.lists(st.floats(0.0, 10.0), max_size=40)


def loads_of(costs: list[float], shards: list[int], count: int) -> list[float]:
    return [sum(cost for cost, shard in zip(costs, shards, strict=True) if shard == n) for n in range(count)]


@given(costs=COSTS, count=st.integers(1, 9))
def test_every_camera_has_a_shard_and_none_is_needlessly_full(costs: list[float], count: int) -> None:
    shards = place(costs, count)
    assert len(shards) == len(costs)
    assert all(0 <= shard < count for shard in shards)
    loads = loads_of(costs, shards, count)
    least_possible = max(sum(costs) / count, max(costs, default=0.0))
    assert max(loads) <= 4.0 / 3.0 * least_possible + max(costs, default=0.0) / 3.0 + 1e-9


def test_equal_cameras_are_dealt_in_turn() -> None:
    assert place([1.0] * 5, 2) == [0, 1, 0, 1, 0]
    assert place([0.0] * 4, 2) == [0, 1, 0, 1], "cameras that cost nothing are spread too"


def test_one_dear_camera_has_a_shard_of_its_own() -> None:
    assert place([1.0, 1.0, 1.0, 3.0], 2) == [1, 1, 1, 0]


def test_there_must_be_a_shard() -> None:
    with pytest.raises(ValueError, match="1 shard or more"):
        place([1.0], 0)


def test_the_move_that_evens_out_most() -> None:
    move = better_move([{"a": 0.5, "b": 0.2, "c": 0.3}, {"d": 0.4}], gap_min=0.2)
    assert move is not None
    assert (move.camera, move.source, move.target) == ("c", 0, 1)


def test_an_even_pair_a_lone_shard_and_one_indivisible_camera_stay() -> None:
    assert better_move([{"a": 0.5}, {"b": 0.4}], gap_min=0.2) is None
    assert better_move([{"a": 0.9, "b": 0.9}], gap_min=0.2) is None
    assert better_move([{"a": 0.9}, {}], gap_min=0.2) is None, "the other shard would only be as full"


@given(
    loads=st.lists(st.dictionaries(st.integers(0, 99), st.floats(0.0, 1.0), max_size=8), min_size=2, max_size=6),
    gap_min=st.floats(0.01, 1.0),
)
def test_moves_come_to_an_end(loads: list[dict[int, float]], gap_min: float) -> None:
    for _ in range(200):
        move = better_move(loads, gap_min=gap_min)
        if move is None:
            return
        before = max(sum(shard.values()) for shard in loads)
        loads[move.target][(move.camera, len(loads[move.target]))] = loads[move.source].pop(move.camera)  # type: ignore[index]
        assert max(sum(shard.values()) for shard in loads) <= before + 1e-9
    pytest.fail("cameras move to and fro")
