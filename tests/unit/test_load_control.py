"""Load control: less often when frames grow old, a smaller input next, skipping last; back when there is room."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.camera_cost import CameraCost, CostExpectation
from vigia.application.camera_status import LoadReason
from vigia.application.load_control import (
    DECISIONS_MAX,
    SKIP_TOLD_S,
    DecisionKind,
    LoadControl,
    LoadLimits,
    Rung,
    predicted_load,
)


def control(k: int = 1, **limits: object) -> LoadControl:
    return LoadControl(LoadLimits(**{"k_max": 5, **limits}), k=k)  # type: ignore[arg-type] # limits of several types


def cameras(*, decode_s: float, detect_s: float, fps: float = 120.0) -> list[CameraCost]:
    return [CameraCost(CostExpectation(decode_720p_s=decode_s, detect_s=detect_s), fps=fps)]


CHEAP = cameras(decode_s=0.002, detect_s=0.002)
DEAR = cameras(decode_s=0.003, detect_s=0.02)


def test_the_plan_is_the_smallest_k_that_leaves_room() -> None:
    assert control().plan(cameras(decode_s=0.0025, detect_s=0.0015)) == 1
    assert control().plan(cameras(decode_s=0.0025, detect_s=0.012)) == 3
    load = control(scales=(0.8, 0.6))
    assert load.plan(cameras(decode_s=0.0025, detect_s=0.1)) == 5, "never beyond k_max"
    assert load.rung.scale == 1.0, "nor a smaller input: that is for what happens, not for what is feared"
    assert load.reason is LoadReason.PREDICTED


def test_old_frames_go_up_the_ladder_and_then_skip() -> None:
    load = control(k_max=3, scales=(0.8, 0.6))
    rungs, skips = [], []
    for n in range(6):
        skips.append(load.decide(n * 0.5, oldest_age_s=2.5, costs=CHEAP))
        rungs.append(load.rung)
    assert rungs == [Rung(2), Rung(3), Rung(3, 0.8), Rung(3, 0.6), Rung(3, 0.6), Rung(3, 0.6)]
    assert skips == [False] * 4 + [True, True]
    assert load.reason is LoadReason.FRAMES_WAIT
    assert load.waited_s == 2.5


def test_when_the_prediction_says_so_it_goes_to_the_fitting_rung_at_once() -> None:
    load = control()
    load.decide(0.0, oldest_age_s=0.2, costs=cameras(decode_s=0.0025, detect_s=0.014))
    assert load.k == 4, "0.3 + 1.68 / 4 is the first below 0.8"


def test_more_work_than_time_is_acted_on_before_frames_are_old() -> None:
    load = control()
    load.decide(0.0, oldest_age_s=0.06, costs=DEAR)
    assert load.k == 5
    assert load.reason is LoadReason.PREDICTED


def test_slightly_old_frames_never_skip() -> None:
    load = control()
    assert not any(load.decide(n, oldest_age_s=0.5, costs=CHEAP) for n in range(20))
    assert load.k == 5


def test_decisions_are_spaced() -> None:
    load = control()
    load.decide(10.0, oldest_age_s=1.0, costs=CHEAP)
    load.decide(10.1, oldest_age_s=1.0, costs=CHEAP)
    assert load.k == 2


def test_with_room_it_comes_down_at_once_but_only_after_patience() -> None:
    load = control(k=4)
    history = []
    for n in range(10):
        load.decide(n * 0.5, oldest_age_s=0.0, costs=CHEAP)
        history.append(load.k)
    assert history == [4] * 6 + [1] * 4
    assert load.reason is LoadReason.NONE


def test_k_stays_when_the_prediction_leaves_no_room() -> None:
    load = control(k=5)
    for n in range(60):
        load.decide(n * 0.5, oldest_age_s=0.0, costs=DEAR)
    assert load.k == 5


def test_a_burst_starts_the_patience_anew() -> None:
    load = control(k=2, k_max=2)
    for n in range(6):
        load.decide(n * 0.5, oldest_age_s=0.0, costs=CHEAP)
    load.decide(3.0, oldest_age_s=0.3, costs=CHEAP)
    for n in range(7, 12):
        load.decide(n * 0.5, oldest_age_s=0.0, costs=CHEAP)
    assert load.k == 2


def test_a_step_down_that_is_taken_back_makes_the_next_wait_longer() -> None:
    load = control(k=2, k_max=2)
    now_s, lowered_at_s = 0.0, []
    for _ in range(400):  # frames grow old whenever it looks at every frame, whatever the prediction says
        before = load.k
        load.decide(now_s, oldest_age_s=0.3 if load.k == 1 else 0.0, costs=CHEAP)
        if load.k < before:
            lowered_at_s.append(now_s)
        now_s += 0.5
    waits_s = [later - sooner for sooner, later in itertools.pairwise(lowered_at_s)]
    assert waits_s == sorted(waits_s)
    assert waits_s[0] < 8.0
    assert waits_s[-1] >= 24.0


def test_equal_limits_fix_the_cadence() -> None:
    load = LoadControl(LoadLimits(k_min=3, k_max=3), k=1)
    assert load.k == 3
    assert load.decide(1.0, oldest_age_s=5.0, costs=CHEAP) is True
    assert load.k == 3


def test_the_prediction() -> None:
    costs = cameras(decode_s=0.002, detect_s=0.01, fps=50.0) * 2
    assert predicted_load(costs, Rung(2)) == pytest.approx(0.7)
    assert predicted_load(costs, Rung(2, 0.5)) == pytest.approx(0.325)
    assert predicted_load([], Rung(1)) == 0.0


@given(
    ages=st.lists(st.floats(0.0, 10.0), max_size=60),
    detect_s=st.floats(0.0001, 0.1),
    scales=st.sampled_from([(), (0.84,), (0.84, 0.7)]),
)
def test_whatever_happens_the_rung_is_on_the_ladder_and_only_the_last_skips(
    ages: list[float], detect_s: float, scales: tuple[float, ...]
) -> None:
    load = control(scales=scales)
    ladder = load.limits.ladder()
    costs = cameras(decode_s=0.002, detect_s=detect_s)
    for n, age_s in enumerate(ages):
        skip = load.decide(n * 0.5, oldest_age_s=age_s, costs=costs)
        assert load.rung in ladder
        if skip:
            assert load.rung == ladder[-1]
            assert age_s > load.limits.age_skip_s


def test_every_decision_is_kept_with_its_reason() -> None:
    load = control(k_max=3)
    load.plan(CHEAP, now_s=1.0)
    load.decide(2.0, oldest_age_s=0.5, costs=CHEAP)
    for n in range(20):
        load.decide(3.0 + n, oldest_age_s=0.0, costs=CHEAP)
    planned, reduced, restored = load.decisions()
    assert (planned.kind, planned.at_mono_s, planned.rung) == (DecisionKind.PLANNED, 1.0, Rung(1))
    assert (reduced.kind, reduced.before, reduced.rung) == (DecisionKind.REDUCED, Rung(1), Rung(2))
    assert (reduced.reason, reduced.waited_s) == (LoadReason.FRAMES_WAIT, 0.5)
    assert (restored.kind, restored.before, restored.rung) == (DecisionKind.RESTORED, Rung(2), Rung(1))
    assert restored.reason is LoadReason.NONE
    assert reduced.load < reduced.load_before
    assert restored.load == pytest.approx(predicted_load(CHEAP, Rung(1)))


def test_skipping_that_goes_on_is_told_once_a_minute_and_decisions_are_bounded() -> None:
    load = control(k_max=1)
    for n in range(2 * int(SKIP_TOLD_S) + 1):
        load.decide(float(n), oldest_age_s=5.0, costs=DEAR)
    assert [(one.kind, one.at_mono_s) for one in load.decisions()] == [
        (DecisionKind.SKIPPING, n * SKIP_TOLD_S) for n in range(3)
    ]
    for n in range(2 * DECISIONS_MAX):
        load.plan(CHEAP, now_s=float(n))
    assert len(load.decisions()) == DECISIONS_MAX
