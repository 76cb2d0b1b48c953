"""Which captures ``vigia outbox`` takes: ages and moments, pages, beginnings of ids."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbox_rigs import capture_id_of, capture_of
from vigia.application.errors import ConfigurationError
from vigia.cli.outbox_filters import PAGE, Filters, age_s, find, in_states, matching
from vigia.cli.outbox_view import short_age
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, CaptureState
from vigia.domain.outbox_policy import OutboxPolicy
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90.0),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("7d", 604_800.0),
        ("1w", 604_800.0),
        ("1h30m", 5400.0),
        (" 0.5H ", 1800.0),
        ("0s", 0.0),
        ("2026-03-01T11:00:00Z", 3600.0),
        ("2026-03-01T09:00:00-03:00", 0.0),
        ("2026-03-01T12:00:10+00:00", -10.0),
    ],
)
def test_ages_and_moments(text: str, seconds: float) -> None:
    assert age_s(text, option="--older-than", now_utc=NOW) == seconds


def test_a_moment_without_a_zone_is_the_computers() -> None:
    local = NOW.astimezone() - timedelta(hours=5)
    text = local.replace(tzinfo=None).isoformat()
    assert age_s(text, option="--older-than", now_utc=NOW) == pytest.approx(5 * 3600.0, abs=3600.0)
    assert age_s(text, option="--older-than", now_utc=NOW) == (NOW - datetime.fromisoformat(text).astimezone()).seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2x", "2h!", "-2h", "yesterday", "2026-13-01", "h2", "2 h", "nan"])
def test_anything_else_is_told_with_its_option(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        age_s(text, option="--newer-than", now_utc=NOW)
    assert str(caught.value).startswith(f"--newer-than {text}: ")


@given(st.lists(st.tuples(st.integers(0, 99), st.sampled_from("smhdw")), min_size=1, max_size=4))
def test_parts_of_an_age_add_up(parts: list[tuple[int, str]]) -> None:
    together = "".join(f"{number}{unit}" for number, unit in parts)
    apart = sum(age_s(f"{number}{unit}", option="", now_utc=NOW) for number, unit in parts)
    assert age_s(together, option="", now_utc=NOW) == apart


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3.0, "0 s"), (0.0, "0 s"), (59.9, "59 s"), (60.0, "1 min"), (7199.0, "1 h"), (86_400.0 * 2.5, "2 d")],
)
def test_one_number_tells_an_age(seconds: float, text: str) -> None:
    assert short_age(seconds) == text


def outbox_of(count: int) -> MemoryOutbox:
    outbox = MemoryOutbox(SimClock(), policy=OutboxPolicy())
    for number in range(count):
        outbox.commit(capture_of(number, "gate" if number % 2 else "dock", jpeg=b"\xff\xd8"))
    return outbox


@pytest.mark.parametrize("limit", [None, 1, PAGE, PAGE + 1, 3 * PAGE])
def test_pages_are_put_together_in_order(limit: int | None) -> None:
    count = PAGE * 2 + 3
    found = [entry.id for entry in matching(outbox_of(count), Filters(limit=limit))]
    assert found == [capture_id_of(number) for number in range(min(count, limit or count))]


def test_every_filter_holds_and_the_limit_is_for_all_states_together() -> None:
    outbox = outbox_of(8)
    for position, capture in enumerate(outbox.lease(limit=6, duration_s=60.0)):
        (outbox.mark_refused if position % 2 else outbox.mark_dead)(capture, "by hand")
    both = (CaptureState.REFUSED, CaptureState.DEAD)
    states = [entry.state for entry in in_states(outbox, Filters(), both)]
    assert states == [CaptureState.REFUSED] * 3 + [CaptureState.DEAD] * 3
    assert [entry.state for entry in in_states(outbox, Filters(limit=4), both)] == states[:4]
    only = Filters(state=CaptureState.DEAD, camera_id=CameraId("gate"))
    found = list(in_states(outbox, only, both))
    assert {(entry.state, entry.camera_id) for entry in found} <= {(CaptureState.DEAD, CameraId("gate"))}
    assert not list(matching(outbox, replace(only, camera_id=CameraId("nowhere"))))


def test_a_beginning_is_enough_when_it_is_one_captures() -> None:
    outbox = MemoryOutbox(SimClock())
    ids = ["abcd" + "0" * 28, "abce" + "0" * 28, "abcd1" + "0" * 27]
    for number, capture_id in enumerate(ids):
        outbox.commit(replace(capture_of(number), id=CaptureId(capture_id)))
    assert [entry.id for entry in find(outbox, ["ABCE", ids[0], "abcd1", ids[1][:20]])] == [ids[1], ids[0], ids[2]]
    for wrong, told in (
        ("abcd", f"begins 2 captures, such as {ids[0]} and {ids[2]}"),
        ("abc", "no capture"),
        ("xyzw", "no capture"),
        ("a" * 33, "no capture"),
        ("", "no capture"),
        ("ffff", "there is no capture ffff"),
        ("f" * 32, "there is no capture"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            find(outbox, [ids[0], wrong])
