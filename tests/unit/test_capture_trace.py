"""What a trace is called and what its spans may say; and that the page says the same."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.capture_trace import (
    EVERY_SPAN,
    SPANS,
    Instant,
    SpanName,
    TrackTimes,
    is_sampled,
    number_of,
    root_span_id_of,
    trace_id_of,
)
from vigia.application.traced_delivery import RESULTS
from vigia.domain.capture import CaptureId, CaptureState
from vigia.infrastructure.config import settings_keys
from vigia.testing.sim_clock import SimClock

PAGE = (Path(__file__).parents[2] / "docs" / "tracing.md").read_text(encoding="utf-8")
AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
ids = st.uuids(version=4).map(lambda made: CaptureId(made.hex))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(ids)
def test_a_traces_id_is_the_captures(capture_id: CaptureId) -> None:
    assert f"{trace_id_of(capture_id):032x}" == capture_id
    assert 0 < trace_id_of(capture_id) < 1 << 128
    assert 0 < root_span_id_of(capture_id) < 1 << 64


@given(st.text())
def test_any_text_gets_valid_ids_always_the_same(text: str) -> None:
    capture_id = CaptureId(text)
    assert 0 < trace_id_of(capture_id) == trace_id_of(capture_id) < 1 << 128
    assert 0 < root_span_id_of(capture_id) == root_span_id_of(capture_id) < 1 << 64


def test_zero_is_no_trace_id() -> None:
    assert trace_id_of(CaptureId("0" * 32)) != 0


def test_many_captures_share_no_id() -> None:
    captures = [CaptureId(uuid4().hex) for _ in range(20_000)]
    assert len({trace_id_of(capture) for capture in captures}) == len(captures)
    assert len({root_span_id_of(capture) for capture in captures}) == len(captures)


def test_the_ids_do_not_change_with_the_process() -> None:
    """Another version or machine has to come to the same: these figures are a promise."""
    known = CaptureId("0123456789abcdef0123456789abcdef")
    assert f"{trace_id_of(known):x}" == "123456789abcdef0123456789abcdef"
    assert f"{root_span_id_of(known):016x}" == "b74bd248410364e3"


@pytest.mark.parametrize("ratio", [0.01, 0.25, 0.5, 0.9])
def test_a_share_of_captures_is_sampled_though_some_bits_of_their_ids_are_fixed(ratio: float) -> None:
    """The SDK's own sampler looks at 64 bits, two of which are the same in every such id: at 0.5 it takes none."""
    rng = Random(7)
    captures = [CaptureId(UUID(int=rng.getrandbits(128), version=4).hex) for _ in range(20_000)]
    share = sum(is_sampled(capture, ratio) for capture in captures) / len(captures)
    assert share == pytest.approx(ratio, abs=0.012)


@given(ids, st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_who_is_sampled_at_a_share_is_sampled_at_every_larger_one(capture: CaptureId, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert is_sampled(capture, high) or not is_sampled(capture, low)
    assert is_sampled(capture, 1.0)
    assert not is_sampled(capture, 0.0)


def test_the_tracks_times_follow_from_the_details() -> None:
    times = TrackTimes.of(AT, {"duration_s": 4.0, "best_to_last_s": 1.5})
    at_s = AT.timestamp()
    assert times == TrackTimes(first_s=at_s - 2.5, last_s=at_s + 1.5, chosen_s=at_s)


@given(st.dictionaries(st.sampled_from(["duration_s", "best_to_last_s"]), json_values))
def test_whatever_the_details_hold_the_times_are_in_order(details: dict[str, object]) -> None:
    times = TrackTimes.of(AT, details)
    assert times.first_s <= times.chosen_s <= times.last_s
    assert number_of(times.first_s) == times.first_s, "finite"


def test_a_clock_that_is_set_stretches_no_span() -> None:
    clock = SimClock()
    began = Instant.now(clock)
    clock.advance(3.0)
    assert began.wall_at(clock.mono_s()) == pytest.approx((clock.utc() - timedelta(0)).timestamp())
    assert Instant(50.0, 7.0).wall_at(9.0) == 52.0


def test_the_page_has_every_span_with_its_attributes() -> None:
    rows = re.findall(r"(?m)^\| `([a-z ]+)` \| ([A-Z][^|]+) \|([^|]*)\|$", PAGE)
    written = {name: (meaning, tuple(re.findall(r"`([^`]+)`", attributes))) for name, meaning, attributes in rows}
    assert written == {name.value: facts for name, facts in SPANS.items()}
    assert set(SPANS) == set(SpanName)
    assert all(f"`{name}`" in PAGE for name in EVERY_SPAN)


def test_the_page_has_every_value_and_every_setting() -> None:
    ends = {state.value for state in CaptureState} - {"pending", "leased"}
    fates = re.search(r"(?m)^\| `vigia.capture.fate` \| (.*) \|$", PAGE)
    results = re.search(r"(?m)^\| `vigia.result` \| (.*) \|$", PAGE)
    assert fates is not None
    assert results is not None
    assert set(re.findall(r"`(\w+)`", fates[1])) == ends
    assert set(re.findall(r"`(\w+)`", results[1])) - {"deliver"} == set(RESULTS)
    settings = {facts.dotted: facts.default for facts in settings_keys() if facts.path[0] == "tracing"}
    for dotted, default in settings.items():
        if dotted != "tracing":
            shown = "" if default is None else f"`{str(default).lower()}`"
            assert re.search(rf"(?m)^\| `{dotted}` \| {re.escape(shown)} ?\|", PAGE), dotted
