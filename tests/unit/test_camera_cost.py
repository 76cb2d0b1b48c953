"""What a camera costs: expected first, then measured; a quiet scene is believed slowly."""

import pytest

from vigia.application.camera_cost import CameraCost, CostExpectation


def test_expected_by_its_pixels_until_measured() -> None:
    cost = CameraCost(CostExpectation(decode_720p_s=0.002, detect_s=0.004))
    cost.expect(width=1920, height=1080, fps=30.0)
    assert cost.frame_s(k=1) == pytest.approx(0.002 * 2.25 + 0.004)
    cost.decode.add(0.003)
    assert cost.frame_s(k=4) == pytest.approx(0.003 + 0.001), "one measurement replaces what was expected"


def test_a_stream_that_does_not_say_its_rate_has_an_assumed_one() -> None:
    cost = CameraCost()
    cost.expect(width=1280, height=720, fps=0.0)
    assert cost.load(k=1) == pytest.approx(25.0 * cost.frame_s(k=1))


def test_the_mean_follows() -> None:
    cost = CameraCost()
    for _ in range(200):
        cost.decode.add(0.002)
    for _ in range(200):
        cost.decode.add(0.004)
    assert cost.decode.value_s == pytest.approx(0.004, rel=0.01)


def test_a_smaller_input_costs_its_area() -> None:
    cost = CameraCost(CostExpectation(decode_720p_s=0.0, detect_s=0.0))
    cost.record_detect(0.001, scale=0.5)
    assert cost.frame_s(k=1) == pytest.approx(0.004)
    assert cost.frame_s(k=1, scale=0.5) == pytest.approx(0.001)


def test_quiet_is_believed_slowly_and_movement_at_once() -> None:
    cost = CameraCost()
    for _ in range(100):
        cost.record_frame(watched=False)
    assert cost.watched > 0.8
    for _ in range(3000):
        cost.record_frame(watched=False)
    assert cost.watched < 0.01
    for _ in range(60):
        cost.record_frame(watched=True)
    assert cost.watched > 0.9


def test_another_stream_starts_over() -> None:
    cost = CameraCost(CostExpectation(decode_720p_s=0.002, detect_s=0.0))
    cost.decode.add(0.5)
    for _ in range(1000):
        cost.record_frame(watched=False)
    cost.expect(width=1280, height=720, fps=10.0)
    assert cost.load(k=1) == pytest.approx(0.02)


def test_a_camera_that_is_gone_costs_nothing_soon() -> None:
    cost = CameraCost()
    cost.expect(width=1280, height=720, fps=30.0)
    for _ in range(6):
        cost.observe_rate(0.0)
    assert cost.fps < 0.5
    for _ in range(6):
        cost.observe_rate(12.5)
    assert cost.fps == pytest.approx(12.5, rel=0.05), "whatever the stream says of itself"
