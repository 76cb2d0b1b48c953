"""The motion gate: opens for movement, also slow one; holds a moment; stays shut for noise."""

import numpy as np

from vigia.domain.frame import Luma
from vigia.domain.motion_gate import HOLD_S, MotionGate

RNG = np.random.default_rng(7)
SCENE: Luma = RNG.integers(30, 200, (360, 640), dtype=np.uint8)


def noisy(scene: Luma) -> Luma:
    noise = RNG.normal(0, 3, scene.shape)
    return np.clip(scene + noise, 0, 255).astype(np.uint8)


def with_block(left: int) -> Luma:
    picture = SCENE.copy()
    picture[100:200, left : left + 80] = 240
    return picture


def test_the_first_picture_opens_it_and_noise_lets_it_close() -> None:
    gate = MotionGate(threshold=0.002)
    assert gate.is_open(noisy(SCENE), at_s=0.0)
    assert gate.is_open(noisy(SCENE), at_s=HOLD_S), "it holds for a moment"
    assert not gate.is_open(noisy(SCENE), at_s=HOLD_S + 0.1)


def test_movement_opens_it_again() -> None:
    gate = MotionGate(threshold=0.002)
    gate.is_open(SCENE, at_s=0.0)
    assert not gate.is_open(SCENE, at_s=5.0)
    assert gate.is_open(with_block(100), at_s=5.1)


def test_slow_movement_adds_up() -> None:
    gate = MotionGate(threshold=0.002)
    gate.is_open(with_block(100), at_s=0.0)
    opened = [gate.is_open(with_block(100 + step), at_s=10.0 + step * 0.04) for step in range(40)]
    assert not opened[0]
    assert any(opened), "one pixel a frame must be seen in the end"


def test_zero_is_always_open_and_a_new_size_opens() -> None:
    assert MotionGate(threshold=0.0).is_open(SCENE, at_s=9.0)
    gate = MotionGate(threshold=0.002)
    gate.is_open(SCENE, at_s=0.0)
    assert gate.is_open(SCENE[:200], at_s=9.0)


def test_reset_forgets_the_reference() -> None:
    gate = MotionGate(threshold=0.002)
    gate.is_open(SCENE, at_s=0.0)
    gate.reset()
    assert gate.is_open(SCENE, at_s=9.0)


def moved(gate: MotionGate) -> tuple[int, int, int, int] | None:
    """Top, bottom, left and right of what it says has moved, pixels."""
    if gate.changed is None:
        return None
    rows, columns = np.nonzero(gate.changed)
    return int(rows.min()) * 8, int(rows.max()) * 8, int(columns.min()) * 8, int(columns.max()) * 8


def test_it_tells_where_something_moved() -> None:
    gate = MotionGate(threshold=0.002)
    gate.is_open(SCENE, at_s=0.0)
    assert moved(gate) is None, "there was nothing to compare with"
    gate.is_open(with_block(320), at_s=0.1)
    assert moved(gate) == (104, 192, 320, 392)
    gate.reset()
    assert moved(gate) is None
