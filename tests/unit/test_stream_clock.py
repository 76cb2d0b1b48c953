"""StreamClock: when a picture was taken, whatever the stamps are like."""

import itertools
import math
from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.domain.stream_clock import LAG_MAX_S, REORDER_S, WRAPS_S, Stamp, StampVerdict, StreamClock

FPS = 15.0
DELAY_S = 0.2
"""What the network takes at least."""
OK = StampVerdict.OK

Arrival = tuple[float | None, float]
"""A stamp, and when it came."""


def play(arrivals: Sequence[Arrival]) -> list[Stamp]:
    clock = StreamClock()
    return [clock.stamp(pts_s, arrived_s) for pts_s, arrived_s in arrivals]


def delivered(taken_s: Sequence[float], jitters_s: Sequence[float], *, zero_s: float = 5000.0) -> list[Arrival]:
    """Pictures taken at these times on a clock that began at ``zero_s``, each held up for a while, none overtaking."""
    arrivals: list[Arrival] = []
    latest_s = -math.inf
    for at_s, jitter_s in zip(taken_s, jitters_s, strict=True):
        latest_s = max(latest_s, at_s + DELAY_S + jitter_s)
        arrivals.append((zero_s + at_s, latest_s))
    return arrivals


def errors_s(taken_s: Sequence[float], stamps: Sequence[Stamp]) -> list[float]:
    """How much later each picture was said to be taken than it was, the network's least delay apart."""
    return [stamp.at_s - DELAY_S - at_s for at_s, stamp in zip(taken_s, stamps, strict=True)]


def steady(count: int, *, fps: float = FPS) -> list[float]:
    return [1000.0 + number / fps for number in range(count)]


jitters = st.lists(st.floats(0.0, 0.5), min_size=2, max_size=300)


@given(jitters, st.floats(1.0, 60.0), st.floats(-1e6, 2e9))
def test_an_even_stream_is_told_to_within_the_networks_jitter(
    jitters_s: list[float], fps: float, zero_s: float
) -> None:
    taken_s = steady(len(jitters_s), fps=fps)
    arrivals = delivered(taken_s, jitters_s, zero_s=zero_s)
    stamps = play(arrivals)
    worst_s = max(arrived_s - DELAY_S - at_s for (_, arrived_s), at_s in zip(arrivals, taken_s, strict=True))
    assert {stamp.verdict for stamp in stamps} == {OK}
    assert all(-1e-5 <= error_s <= worst_s + 1e-5 for error_s in errors_s(taken_s, stamps))


@given(st.lists(st.floats(0.001, 5.0), min_size=2, max_size=200), st.randoms(use_true_random=False))
def test_a_variable_frame_rate_is_as_good_as_any(steps_s: list[float], random: Random) -> None:
    taken_s = list(itertools.accumulate(steps_s, initial=1000.0))
    stamps = play(delivered(taken_s, [random.uniform(0.0, 0.1) for _ in taken_s]))
    assert {stamp.verdict for stamp in stamps} == {OK}
    assert all(-1e-6 <= error_s <= 0.1 + 1e-6 for error_s in errors_s(taken_s, stamps))


garbage = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-10.0, 10.0),
    st.sampled_from([0.0, -0.0, *WRAPS_S, 1e11, -1e11, 1e-300]),
)


@given(st.lists(st.tuples(garbage, st.floats(0.0, 100.0)), max_size=200))
def test_whatever_comes_the_moment_is_finite_not_after_the_arrival_and_not_long_before(
    steps: list[tuple[float | None, float]],
) -> None:
    clock, arrived_s = StreamClock(), 10.0
    for pts_s, later_s in steps:
        arrived_s += later_s
        stamp = clock.stamp(pts_s, arrived_s)
        assert math.isfinite(stamp.at_s)
        assert arrived_s - LAG_MAX_S <= stamp.at_s <= arrived_s


@given(
    st.lists(st.tuples(garbage, st.floats(0.0, 3.0)), max_size=60),
    st.lists(st.floats(0.0, 0.3), min_size=40, max_size=120),
)
def test_after_any_garbage_a_good_stream_is_told_well_again(
    spoilt: list[tuple[float | None, float]], jitters_s: list[float]
) -> None:
    clock, arrived_s = StreamClock(), 0.0
    for pts_s, later_s in spoilt:
        arrived_s += later_s
        clock.stamp(pts_s, arrived_s)
    taken_s = [arrived_s + 60.0 + number * 0.5 for number in range(len(jitters_s))]
    arrivals = delivered(taken_s, jitters_s, zero_s=1e6)
    late = [clock.stamp(pts_s, arrived_s) for pts_s, arrived_s in arrivals][-1:]
    (error_s,) = errors_s(taken_s[-1:], late)
    assert late[0].verdict is OK
    assert -1e-5 <= error_s <= 0.3 + 1e-5


@given(st.lists(st.floats(0.0, 0.2), min_size=60, max_size=200), st.integers(0, 3), st.floats(0.0, 1.0))
def test_a_later_stamp_never_gives_an_earlier_moment_also_in_decoding_order(
    jitters_s: list[float], b_frames: int, burst: float
) -> None:
    order: list[int] = []
    group = b_frames + 1
    for first in range(0, len(jitters_s), group):  # P B B, P B B: what is shown last comes first
        order += [first + b_frames, *range(first, first + b_frames)]
    taken_s = [1000.0 + number / FPS for number in order]
    pause_s = 20.0 * burst / FPS  # the first so many come in one burst
    arrivals: list[Arrival] = []
    latest_s = 0.0
    for place, at_s in enumerate(taken_s):
        jitter_s = jitters_s[place % len(jitters_s)]
        sent_s = 1000.0 + (place + group) / FPS + DELAY_S + jitter_s
        latest_s = max(latest_s, sent_s, 1000.0 + pause_s)
        arrivals.append((at_s, latest_s))
    told = sorted(zip([pts_s or 0.0 for pts_s, _ in arrivals], play(arrivals), strict=True), key=lambda pair: pair[0])
    assert {stamp.verdict for _, stamp in told} == {OK}
    assert all(before.at_s <= after.at_s for (_, before), (_, after) in itertools.pairwise(told))


def test_a_burst_after_a_stall_is_spread_out_as_it_was_taken() -> None:
    taken_s = steady(300)
    held_up = [7.0 - (number - 150) / FPS if 150 <= number < 150 + 7 * FPS else 0.0 for number in range(300)]
    stamps = play(delivered(taken_s, held_up))
    assert all(abs(error_s) < 1e-6 for error_s in errors_s(taken_s, stamps))


def test_a_stream_that_begins_with_what_the_probe_had_read_is_right_from_the_last_of_it_on() -> None:
    taken_s = steady(100)
    held_up = [2.0 - number / FPS if number < 2 * FPS else 0.0 for number in range(100)]
    errors = errors_s(taken_s, play(delivered(taken_s, held_up)))
    assert max(errors) <= 2.0
    assert all(abs(error_s) < 1e-6 for error_s in errors[30:])


@pytest.mark.parametrize("drift", [-300e-6, 300e-6])
def test_a_clock_that_is_fast_or_slow_is_followed(drift: float) -> None:
    random = Random(4)
    taken_s = steady(20_000)
    arrivals = delivered(taken_s, [random.uniform(0.0, 0.05) for _ in taken_s])
    drifting = [((pts_s or 0.0) * (1.0 + drift), arrived_s) for pts_s, arrived_s in arrivals]
    stamps = play(drifting)
    assert {stamp.verdict for stamp in stamps} == {OK}
    assert all(-0.005 <= error_s <= 0.055 for error_s in errors_s(taken_s, stamps)[200:])


def test_a_way_that_gets_longer_is_followed_within_two_windows() -> None:
    taken_s = steady(900)
    stamps = play(delivered(taken_s, [0.0 if number < 300 else 1.0 for number in range(900)]))
    errors = errors_s(taken_s, stamps)
    assert all(abs(error_s) < 1e-6 for error_s in errors[:300])
    assert all(error_s == pytest.approx(1.0) for error_s in errors[300 + 11 * 15 :])


@pytest.mark.parametrize("leap_s", [5.0, 3600.0, 1e9])
def test_a_leap_forward_is_told_once_and_the_stream_goes_on(leap_s: float) -> None:
    arrivals = delivered(steady(200), [0.0] * 200)
    leapt = [
        ((pts_s or 0.0) + (leap_s if n >= 100 else 0.0), arrived_s) for n, (pts_s, arrived_s) in enumerate(arrivals)
    ]
    stamps = play(leapt)
    assert [n for n, stamp in enumerate(stamps) if stamp.verdict is not OK] == [100]
    assert stamps[100].verdict is StampVerdict.JUMP
    assert all(abs(error_s) < 1e-5 for error_s in errors_s(steady(200), stamps))


@pytest.mark.parametrize("back_s", [REORDER_S + 0.1, 3600.0, 1e9])
def test_a_leap_back_is_told_once_and_the_stream_goes_on(back_s: float) -> None:
    arrivals = delivered(steady(200), [0.0] * 200)
    leapt = [
        ((pts_s or 0.0) - (back_s if n >= 100 else 0.0), arrived_s) for n, (pts_s, arrived_s) in enumerate(arrivals)
    ]
    stamps = play(leapt)
    assert [n for n, stamp in enumerate(stamps) if stamp.verdict is not OK] == [100]
    assert stamps[100].verdict is StampVerdict.BACKWARD
    assert all(abs(error_s) < 1e-5 for error_s in errors_s(steady(200), stamps))


def test_a_clock_set_back_by_a_little_is_found_out_after_the_longest_reordering() -> None:
    arrivals = delivered(steady(200), [0.0] * 200)
    leapt = [((pts_s or 0.0) - (1.5 if n >= 100 else 0.0), arrived_s) for n, (pts_s, arrived_s) in enumerate(arrivals)]
    stamps = play(leapt)
    assert [n for n, stamp in enumerate(stamps) if stamp.verdict is StampVerdict.BACKWARD] == [116]
    assert all(abs(error_s) < 1e-5 for error_s in errors_s(steady(200), stamps)[116:])


def test_a_picture_without_a_stamp_was_taken_when_it_came() -> None:
    arrivals: list[Arrival] = [(None, 5.0), (math.nan, 6.0), (math.inf, 7.0), (1e12, 8.0), (0.0, 9.0), (None, 9.5)]
    stamps = play(arrivals)
    assert [stamp.at_s for stamp in stamps] == [5.0, 6.0, 7.0, 8.0, 9.0, 9.5]
    assert [stamp.verdict for stamp in stamps] == [*[StampVerdict.MISSING] * 4, OK, StampVerdict.MISSING]


def test_pictures_that_lack_stamps_at_the_beginning_were_taken_before_all_others() -> None:
    # A probe reads the first pictures in one burst; FFmpeg does not know the first one's time. I, then P B B.
    arrivals: list[Arrival] = [(None, 10.0), (0.3, 10.0), (0.1, 10.0), (0.2, 10.0), (0.6, 10.5), (0.4, 10.6)]
    moments = [stamp.at_s for stamp in play(arrivals)]
    assert moments[0] <= moments[2] <= moments[3] <= moments[1] <= moments[5] <= moments[4]


def test_stamps_that_stand_still_are_told_and_arrival_counts() -> None:
    stamps = play([(3.0, 10.0 + number / FPS) for number in range(50)])
    assert stamps[0].verdict is OK
    assert {stamp.verdict for stamp in stamps[1:]} == {StampVerdict.REPEATED}
    assert [stamp.at_s for stamp in stamps] == [10.0 + number / FPS for number in range(50)]


def test_stamps_that_stand_still_after_a_step_back_are_no_b_frames() -> None:
    stuck = [(3.5, 11.0 + number / FPS) for number in range(30)]
    stamps = play([(3.0 + number / FPS, 10.0 + number / FPS) for number in range(15)] + stuck + [(5.0, 13.0)])
    assert [stamp.verdict for stamp in stamps[16:45]] == [StampVerdict.REPEATED] * 29
    assert [stamp.at_s for stamp in stamps[16:45]] == [arrived_s for _, arrived_s in stuck[1:]]
    assert stamps[-1].verdict is OK


def test_stamps_that_count_more_pictures_than_are_taken_are_not_believed_for_long() -> None:
    # Stamped as if there were 25 a second while there are 10: a camera that slows down at night.
    stamps = play([(number / 25.0, 100.0 + number / 10.0) for number in range(600)])
    assert {stamp.verdict for stamp in stamps[:50]} == {OK}
    late = stamps[200:]
    assert {stamp.verdict for stamp in late} == {StampVerdict.DRIFT}
    assert [stamp.at_s for stamp in late] == [100.0 + number / 10.0 for number in range(200, 600)]


def test_stamps_that_go_at_the_pace_of_time_again_are_believed_again() -> None:
    slow = [(number / 25.0, 100.0 + number / 10.0) for number in range(300)]
    good = [(slow[-1][0] + 0.1 * (number + 1), slow[-1][1] + 0.1 * (number + 1)) for number in range(200)]
    stamps = play([*slow, *good])
    assert stamps[299].verdict is StampVerdict.DRIFT
    assert {stamp.verdict for stamp in stamps[-80:]} == {OK}
    assert [stamp.at_s for stamp in stamps[-80:]] == pytest.approx([arrived_s for _, arrived_s in good[-80:]], abs=1e-6)


@pytest.mark.parametrize("wrap_s", WRAPS_S)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_stamps_that_begin_again_at_their_end_go_on(wrap_s: float, b_frames: int) -> None:
    order: list[int] = []
    for first in range(0, 300, b_frames + 1):
        order += [first + b_frames, *range(first, first + b_frames)]
    begin_s = wrap_s - 10.0
    arrivals = [((begin_s + n / FPS) % wrap_s, 50.0 + place / FPS) for place, n in enumerate(order)]
    stamps = play(arrivals)
    assert {stamp.verdict for stamp in stamps} == {OK}
    expected = [50.0 + (n - b_frames) / FPS for n in order]
    assert all(stamp.at_s == pytest.approx(at_s, abs=1e-4) for stamp, at_s in zip(stamps, expected, strict=True))


def test_a_wrap_during_a_gap_is_one() -> None:
    wrap_s = WRAPS_S[0]
    stamps = play([(wrap_s - 1.0, 100.0), (wrap_s - 0.5, 100.5), (29.5, 130.5), (30.0, 131.0)])
    assert [(stamp.at_s, stamp.verdict) for stamp in stamps] == [(100.0, OK), (100.5, OK), (130.5, OK), (131.0, OK)]
