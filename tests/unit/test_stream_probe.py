"""A stream judged by its packets."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.stream_probe import StreamFigures, StreamProbe
from vigia.domain.camera import CameraId
from vigia.domain.frame import Packet, StreamInfo

STREAM = StreamInfo("h264", 640, 360, 25.0)


def packet(index: int, *, arrived_s: float, pts_s: float | None, key: bool = False, size: int = 1000) -> Packet:
    return Packet(
        CameraId("a"),
        index,
        pts_s,
        key,
        arrived_s,
        arrived_s,
        datetime(2026, 1, 5, tzinfo=UTC),
        size,
        None,
        stream=STREAM,
    )


def figures(packets: Iterable[Packet]) -> StreamFigures:
    probe = StreamProbe()
    for one in packets:
        probe.add(one)
    return probe.figures()


def steady(count: int = 100, *, fps: float = 25.0, gop: int = 20, order: tuple[int, ...] = (0,)) -> list[Packet]:
    shown = [base + step for base in range(0, count, len(order)) for step in order]
    return [packet(n, arrived_s=50.0 + n / fps, pts_s=1000.0 + shown[n] / fps, key=n % gop == 0) for n in range(count)]


def test_a_steady_stream() -> None:
    found = figures(steady())
    assert found.fps == pytest.approx(25.0)
    assert found.fps_arrived == pytest.approx(25.0)
    assert found.bit_rate_bps == pytest.approx(8 * 1000 * 25)
    assert (found.gop_frames, found.key_frames) == (20, 5)
    assert found.gop_s == pytest.approx(0.8)
    assert not found.b_frames
    assert found.stamps_sane


def test_a_burst_at_the_start_does_not_change_the_rate_where_stamps_are_good() -> None:
    burst = [packet(n, arrived_s=50.0 + max(0.0, (n - 50) / 25.0), pts_s=n / 25.0) for n in range(100)]
    found = figures(burst)
    assert found.fps == pytest.approx(25.0)
    assert found.fps_arrived is not None
    assert found.fps_arrived > 40.0


def test_reordered_pictures_are_b_frames() -> None:
    found = figures(steady(order=(2, 0, 1)))
    assert found.b_frames
    assert found.stamps_sane
    assert found.fps == pytest.approx(25.0, rel=0.05)


def test_without_stamps_the_arrival_counts() -> None:
    found = figures(packet(n, arrived_s=n / 10.0, pts_s=None, key=n % 30 == 0) for n in range(100))
    assert not found.stamps_sane
    assert found.fps == pytest.approx(10.0)
    assert found.gop_s == pytest.approx(3.0)


def test_one_key_frame_tells_no_distance_and_few_packets_no_rate() -> None:
    few = figures(steady(5))
    assert (few.gop_frames, few.gop_s, few.fps, few.bit_rate_bps) == (None, None, None, None)
    assert figures([]).packets == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.none() | st.floats(allow_nan=True, allow_infinity=True), st.booleans())))
def test_any_stamps_are_survived(steps: list[tuple[float, float | None, bool]]) -> None:
    arrived_s, packets = 0.0, []
    for index, (step_s, pts_s, key) in enumerate(steps):
        arrived_s += step_s
        packets.append(packet(index, arrived_s=arrived_s, pts_s=pts_s, key=key))
    found = figures(packets)
    assert sum(found.stamps.values()) == found.packets == len(packets)
    for rate in (found.fps, found.fps_arrived, found.bit_rate_bps, found.gop_s):
        assert rate is None or rate >= 0.0
