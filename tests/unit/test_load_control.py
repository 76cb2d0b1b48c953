"""Load control: less often when frames grow old, back when there is room, skipping last."""

import pytest

from vigia.application.load_control import LoadControl, LoadLimits


def control(**limits: float) -> LoadControl:
    return LoadControl(limits=LoadLimits(**{"k_max": 5, **limits}))  # type: ignore[arg-type] # k_min and k_max are whole numbers


def test_the_plan_is_the_smallest_k_that_leaves_room() -> None:
    assert control().plan(frames_per_s=120, decode_s=0.0025, detect_s=0.0015) == 1
    assert control().plan(frames_per_s=120, decode_s=0.0025, detect_s=0.012) == 3
    assert control().plan(frames_per_s=120, decode_s=0.0025, detect_s=0.1) == 5, "never beyond k_max"


def test_old_frames_raise_k_step_by_step_and_then_skip() -> None:
    load = control()
    now_s, skips = 0.0, []
    for _ in range(6):
        now_s += 0.5
        skips.append(load.decide(now_s, oldest_age_s=2.5, frames_per_s=120))
    assert load.k == 5
    assert skips == [False] * 4 + [True, True]


def test_slightly_old_frames_never_skip() -> None:
    load = control()
    assert not any(load.decide(n, oldest_age_s=0.5, frames_per_s=120) for n in range(20))
    assert load.k == 5


def test_decisions_are_spaced() -> None:
    load = control()
    load.decide(10.0, oldest_age_s=1.0, frames_per_s=120)
    load.decide(10.1, oldest_age_s=1.0, frames_per_s=120)
    assert load.k == 2


def test_k_comes_down_after_patience_when_the_prediction_leaves_room() -> None:
    load = control()
    load.record_decode(0.002)
    load.record_detect(0.004)
    load.k = 3
    history = []
    for n in range(30):
        load.decide(n * 0.5, oldest_age_s=0.0, frames_per_s=120)
        history.append(load.k)
    assert history[0] == 3
    assert history[9] == 3, "not before five seconds"
    assert history[-1] == 1


def test_k_stays_when_the_prediction_leaves_no_room() -> None:
    load = control()
    load.record_decode(0.003)
    load.record_detect(0.02)
    load.k = 4
    for n in range(60):
        load.decide(n * 0.5, oldest_age_s=0.0, frames_per_s=120)
    assert load.k == 4


def test_a_burst_starts_the_patience_anew() -> None:
    load = control(k_max=2)
    load.k = 2
    for n in range(9):
        load.decide(n * 0.5, oldest_age_s=0.0, frames_per_s=10)
    load.decide(4.5, oldest_age_s=0.3, frames_per_s=10)
    for n in range(10, 19):
        load.decide(n * 0.5, oldest_age_s=0.0, frames_per_s=10)
    assert load.k == 2


def test_equal_limits_fix_the_cadence() -> None:
    load = LoadControl(limits=LoadLimits(k_min=3, k_max=3), k=1)
    assert load.k == 3
    assert load.decide(1.0, oldest_age_s=5.0, frames_per_s=1) is True
    assert load.k == 3


def test_the_prediction() -> None:
    load = control()
    load.record_decode(0.002)
    load.record_detect(0.01)
    assert load.predicted_load(frames_per_s=100, k=2) == pytest.approx(0.7)
