"""What a time line says of an overload."""

from dataclasses import replace

import pytest

from vigia.application.camera_status import LoadReason, LoadState
from vigia.bench.overload import (
    AGE_LIMIT_S,
    CALM_SAMPLES,
    CameraSample,
    OverloadSample,
    fairness,
    judge_overload,
    recovery_s,
)
from vigia.domain.camera import CameraId

STAYS, LEAVES = CameraId("stays"), CameraId("leaves")
CALM = CameraSample(frames=0, skipped=0, in_flight=0, state=LoadState.FULL, reason=LoadReason.NONE, k=1, ended=False)
SKIPS = replace(CALM, in_flight=60, state=LoadState.SKIPPING, reason=LoadReason.FRAMES_WAIT)


def _sample(at_s: float, stays: CameraSample, leaves: CameraSample, *, rss_bytes: int = 100) -> OverloadSample:
    return OverloadSample(at_s, rss_bytes, {STAYS: stays, LEAVES: leaves})


def _line(*, recovers: bool = True, told: bool = True) -> list[OverloadSample]:
    """Ten seconds of overload, the leaver's end, two seconds more of it, then calm."""
    worst = SKIPS if told else replace(SKIPS, state=LoadState.FULL, reason=LoadReason.NONE)
    line = []
    for second in range(20):
        overload = second < 12 or not recovers
        own = replace(worst if overload else CALM, frames=20 * second, skipped=10 * min(second, 12))
        other = replace(worst, frames=30 * min(second, 10), skipped=5 * min(second, 10))
        if second >= 10:
            other = replace(other, in_flight=0, ended=True)
        line.append(_sample(float(second), own, other, rss_bytes=100 + second))
    return line


def test_an_overload_is_told_shared_and_over() -> None:
    found = judge_overload(_line(), leavers=1)
    assert found.overloaded
    assert (found.skipped, found.cameras_skipped, found.cameras_reduced) == (75, 2, 0)
    assert found.unseen == ()
    assert found.fairness == pytest.approx(0.8)
    assert found.age_max_s == pytest.approx(2.0)
    assert (found.left_at_s, found.recovery_s) == (10.0, 2.0)
    assert 0.0 < found.memory_growth < 0.05


def test_a_camera_that_skips_in_silence_is_named() -> None:
    assert judge_overload(_line(told=False), leavers=1).unseen == (LEAVES, STAYS)


def test_who_never_recovers_has_no_recovery() -> None:
    assert judge_overload(_line(recovers=False), leavers=1).recovery_s is None


def test_nobody_left_means_no_recovery() -> None:
    found = judge_overload(_line()[:10], leavers=1)
    assert (found.left_at_s, found.recovery_s) == (None, None)


def test_a_time_line_without_overload_is_refused() -> None:
    with pytest.raises(ValueError, match="no overload"):
        judge_overload(_line()[:4], leavers=1)


def test_a_reduced_camera_is_an_overload_that_skipped_nothing() -> None:
    reduced = replace(CALM, state=LoadState.REDUCED, reason=LoadReason.PREDICTED, k=8)
    found = judge_overload([_sample(4.0, reduced, CALM), _sample(5.0, reduced, CALM)], leavers=1)
    assert (found.overloaded, found.cameras_reduced, found.skipped) == (True, 1, 0)


def test_calm_must_last() -> None:
    restless = replace(CALM, in_flight=round(AGE_LIMIT_S * 30) + 1)
    states = [CALM, restless, CALM, CALM, CALM, restless, *[CALM] * CALM_SAMPLES]
    line = [_sample(float(at_s), state, replace(CALM, ended=True)) for at_s, state in enumerate(states)]
    assert recovery_s(line, left_at_s=0.0) == 6.0
    assert recovery_s(line[:-1], left_at_s=0.0) is None


def test_a_skip_after_the_calm_is_no_recovery() -> None:
    line = [_sample(float(at_s), CALM, CALM) for at_s in range(CALM_SAMPLES + 1)]
    line[-1] = _sample(line[-1].at_s, replace(CALM, skipped=1), CALM)
    assert recovery_s(line, left_at_s=0.0) is None


def test_a_camera_that_left_need_not_be_calm() -> None:
    gone = replace(SKIPS, in_flight=0, ended=True)
    assert _sample(1.0, CALM, gone).calm


@pytest.mark.parametrize(
    ("frames", "share"), [([], 1.0), ([0, 0], 1.0), ([10, 10], 1.0), ([5, 15], 0.5), ([0, 9], 0.0)]
)
def test_fairness_is_the_least_to_the_mean(frames: list[int], share: float) -> None:
    assert fairness(frames) == pytest.approx(share)
