"""Delivery, system and cameras: what the pages make of what they are told, in both languages."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.camera_status import LoadReason
from vigia.application.load_control import DecisionKind, LoadDecision, Rung
from vigia.application.run_history import SERIES
from vigia.bootstrap.status_page import camera_page
from vigia.bootstrap.system_view import decision_page
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.web.dashboard.camera import FACTS, facts_of, seconds_signed
from vigia.infrastructure.web.dashboard.camera_health import lengths_of
from vigia.infrastructure.web.dashboard.cameras import COLUMNS, age_told, camera_address, row_of
from vigia.infrastructure.web.dashboard.context import DashboardParts, PageContext
from vigia.infrastructure.web.dashboard.delivery_table import TABS, Wish
from vigia.infrastructure.web.dashboard.formats import DASH
from vigia.infrastructure.web.dashboard.system import CHARTS
from vigia.infrastructure.web.dashboard.system_words import decision_told
from vigia.infrastructure.web.sessions import Session
from vigia.infrastructure.web.users import Role

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
LANGUAGES = ["en", "pt_BR"]
LIVE: Mapping[str, Any] = {
    "id": "gate", "name": "Portão", "group": "Prédio A", "findface_id": 7, "url": "rtsp://10.0.0.9/live",
    "state": "live", "alarms": ["clock_off"], "history": [], "reason": None, "shard": "shard-0", "codec": "h264",
    "width": 1920, "height": 1080, "fps": 24.96, "bit_rate_bps": 3_120_000, "last_packet_age_s": 0.04,
    "reconnects": 1200, "clock_off_s": -2.5, "load": "reduced", "k": 3, "cost_share": 0.42, "faces": 5, "captures": 2,
}  # fmt: skip


def page(language: str = "en", role: Role = Role.VIEWER) -> PageContext:
    session = Session("vera", role, "127.0.0.1", "token", 0.0)
    return PageContext(cast("DashboardParts", None), session, language)


def decided(kind: DecisionKind, *, k: int = 3, scale: float = 1.0, reason: LoadReason = LoadReason.NONE) -> str:
    decision = LoadDecision(1.0, "shard-0", kind, Rung(1), Rung(k, scale), reason, 0.25, 1.4, 0.7)
    return decision_told(page(), decision_page(decision))


def test_a_decision_is_a_sentence() -> None:
    assert decided(DecisionKind.PLANNED, k=1) == "Planned at the start: detection in every frame"
    waited = decided(DecisionKind.REDUCED, reason=LoadReason.FRAMES_WAIT)
    assert waited == "Frames waited for 0.25\N{NO-BREAK SPACE}s: detection in one frame of 3 from now on"
    assert "More work than time" in decided(DecisionKind.REDUCED, reason=LoadReason.PREDICTED)
    assert "84\N{NO-BREAK SPACE}% of its width" in decided(DecisionKind.REDUCED, scale=0.84)
    assert decided(DecisionKind.RESTORED).startswith("Room again")
    assert "next key frame" in decided(DecisionKind.SKIPPING)


@pytest.mark.parametrize("kind", list(DecisionKind))
def test_decisions_are_told_in_portuguese_too(kind: DecisionKind) -> None:
    one = decision_page(LoadDecision(1.0, "s", kind, Rung(1), Rung(2), LoadReason.FRAMES_WAIT, 0.2, 1.0, 0.5))
    assert decision_told(page("pt_BR"), one) != decision_told(page("en"), one)


def test_every_series_that_is_kept_has_its_chart() -> None:
    drawn = [name for chart in CHARTS for name in chart["series"]]
    assert sorted(drawn) == sorted(SERIES)
    assert len({chart["key"] for chart in CHARTS}) == len(CHARTS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_camera_fills_every_column_and_sorts_by_it(language: str) -> None:
    row = row_of(page(language), LIVE)
    for key, _, numeric, _ in COLUMNS:
        assert key in row["sort"]
        assert row["sort"][key] is None or isinstance(row["sort"][key], (int, float) if numeric else str), key
        assert key in {"name", "state", "alarms"} or row["cells"][key]
    assert row["trouble"] == 1  # its clock is off
    assert row["href"] == "/cameras/gate"
    assert row["cells"]["reconnects"] == ("1.200" if language == "pt_BR" else "1,200")


def test_a_camera_that_was_not_looked_at_yet_has_dashes() -> None:
    bare = camera_page(Camera(CameraId("new"), "New", "rtsp://u:secret@h/x", active=False), None, None)
    row = row_of(page(), bare)
    assert row["badge"]["word"] == "disabled"
    assert {row["cells"][key] for key in ("fps", "age", "size", "codec", "rate", "look", "load", "faces")} == {DASH}
    facts = facts_of(page(), bare)
    assert set(facts) == set(FACTS)
    assert facts["fps"] == DASH
    assert "secret" not in str(row) + str(facts)


def test_a_cameras_facts_are_as_the_reader_writes_them() -> None:
    facts = facts_of(page("pt_BR"), LIVE)
    assert facts["rate"] == "3,12 Mbit/s"
    assert facts["clock"] == "\N{MINUS SIGN}2,5\N{NO-BREAK SPACE}s"
    assert facts["look"] == "detecção em um de cada 3 quadros"
    assert seconds_signed(None, "en") == DASH
    assert age_told(0.04, "en") == "0.0\N{NO-BREAK SPACE}s"
    assert age_told(125.0, "en") == "2\N{NO-BREAK SPACE}min"


@given(st.text(max_size=64))
def test_a_cameras_address_is_one_step_of_a_path(camera_id: str) -> None:
    address = camera_address(camera_id)
    assert address.count("/") == 2
    assert not set(address) & set("?#% ") - {"%"}


def event(minutes: float, *, state: str = "live", alarm: str | None = None) -> dict[str, Any]:
    at = (NOW + timedelta(minutes=minutes)).isoformat()
    return {"at_utc": at, "before": None, "state": state, "alarm": alarm, "raised": True, "reason": None}


def test_a_state_lasts_until_the_next_one_and_an_alarm_ends_none() -> None:
    history = [event(0.0), event(1.0, alarm="clock_off"), event(5.0, state="stalled"), event(6.0)]
    now = (NOW + timedelta(minutes=16)).isoformat()
    assert lengths_of(history, now) == [(300.0, False), (None, False), (60.0, False), (600.0, True)]
    assert lengths_of([], now) == []


@given(st.lists(st.tuples(st.floats(0.0, 1e4), st.booleans()), max_size=20))
def test_lengths_add_up_to_the_whole_time(steps: list[tuple[float, bool]]) -> None:
    steps.sort()
    history = [event(minutes, alarm="no_face" if is_alarm else None) for minutes, is_alarm in steps]
    found = lengths_of(history, (NOW + timedelta(minutes=2e4)).isoformat())
    assert len(found) == len(history)
    states = [minutes for minutes, is_alarm in steps if not is_alarm]
    lasted = [length for length, _ in found if length is not None]
    assert len(lasted) == len(states)
    if states:
        assert sum(lasted) == pytest.approx(60.0 * (2e4 - states[0]), abs=1e-3)
        assert [still for _, still in found].count(True) == 1
    assert all(a >= 0.0 for a in lasted)
    assert all(x <= y for x, y in pairwise(states))


@given(st.dictionaries(st.sampled_from(["state", "before", "x"]), st.text(max_size=30), max_size=3))
def test_whatever_the_address_asks_makes_sense(asked: dict[str, str]) -> None:
    wish = Wish.of(asked)
    assert wish.state.value in TABS
    assert wish.before is None or 0 <= wish.before <= 2**62
    assert Wish.of({"state": "dead", "before": "17"}).before == 17
    assert wish.address(state="dead") == "/delivery?state=dead#not-delivered"
