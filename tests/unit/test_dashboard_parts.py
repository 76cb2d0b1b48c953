"""What pages of the dashboard reckon: formats, what an address asks for, what is wrong, and why a shot was chosen."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.camera_health import Alarm
from vigia.application.site_view import Readiness
from vigia.application.use_cases.operate import ActResult
from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.capture import CaptureState
from vigia.domain.ledger import FilterReason, FrameFate, TrackFate
from vigia.domain.outbox_policy import GivenUp
from vigia.domain.quality import WEIGHTS
from vigia.infrastructure.web.dashboard import captures, overview, why
from vigia.infrastructure.web.dashboard.acts import RESULTS
from vigia.infrastructure.web.dashboard.best_shot import (
    BEST,
    LOOKED_CLOSER,
    NOT_KEPT,
    ONLY_ONE,
    chart_places,
    why_chosen,
)
from vigia.infrastructure.web.dashboard.camera_card import ALARMS, age_told, stream_told
from vigia.infrastructure.web.dashboard.capture import box_style
from vigia.infrastructure.web.dashboard.capture_card import CODES, parts_of
from vigia.infrastructure.web.dashboard.formats import DASH, number, percent, seconds, share_asked, size
from vigia.infrastructure.web.dashboard.history import passed
from vigia.infrastructure.web.dashboard.ledger_table import counts_of, why_address
from vigia.infrastructure.web.dashboard.quality_parts import PARTS, in_order
from vigia.infrastructure.web.dashboard.states import LOOKS
from vigia.infrastructure.web.dashboard.troubles import in_trouble, troubles
from vigia.infrastructure.web.dashboard.unsent_card import present_value, setting_value
from vigia.infrastructure.web.dashboard.why_words import FRAMES, REASONS, TRACKS

ASKED = st.dictionaries(
    st.sampled_from(["camera", "state", "quality", "only", "name", "page", "reason", "x"]),
    st.one_of(
        st.text(max_size=80),
        st.sampled_from(["trouble", "cam1\0", "dead", "0.5", "0,5", "nan", "inf", "-1", "2", "²", "skipped"]),
    ),
)
NBSP = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "digits", "en", "pt"),
    [
        (1234567, 0, "1,234,567", "1.234.567"),
        (1234.56, 1, "1,234.6", "1.234,6"),
        (0.5, 2, "0.50", "0,50"),
        (None, 0, DASH, DASH),
        (float("nan"), 1, DASH, DASH),
        (float("inf"), 1, DASH, DASH),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(value: float | None, digits: int, en: str, pt: str) -> None:
    assert number(value, "en", digits=digits) == en
    assert number(value, "pt_BR", digits=digits) == pt


@pytest.mark.parametrize(
    ("value_s", "told"),
    [
        (None, DASH),
        (0.042, "0.04 s"),
        (9.94, "9.9 s"),
        (42.4, "42 s"),
        (119.4, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h 0 min"),
        (172800, "2 d 0 h"),
        (float("inf"), DASH),
    ],
)
def test_lengths_of_time_are_as_coarse_as_they_are_long(value_s: float | None, told: str) -> None:
    assert seconds(value_s, "en").replace(NBSP, " ") == told


def test_sizes_and_shares() -> None:
    assert size(999, "en") == f"999{NBSP}B"
    assert size(1500, "pt_BR") == f"1,5{NBSP}kB"
    assert size(123_456_789, "en") == f"123{NBSP}MB"
    assert size(9.9e15, "en") == f"9,900{NBSP}TB"
    assert size(None, "en") == DASH
    assert percent(0.123, "pt_BR", digits=1) == f"12,3{NBSP}%"
    assert percent(None, "en") == DASH


@given(st.one_of(st.none(), st.text(max_size=40)))
def test_a_share_out_of_an_address_is_one_or_none(text: str | None) -> None:
    value = share_asked(text)
    assert value is None or 0.0 <= value <= 1.0


@given(ASKED)
def test_whatever_an_address_asks_for_makes_a_page(asked: Mapping[str, str]) -> None:
    wall, feed, unsent = overview.Wish.of(asked), captures.Wish.of(asked), why.Wish.of(asked)
    assert 1 <= wall.page <= overview.PAGE_MAX
    assert len(wall.name) <= 64
    assert feed.quality is None or 0.0 <= feed.quality <= 1.0
    assert feed.query(limit=7).limit == 7
    assert unsent.query().limit == why.PER_PAGE + 1
    assert all("\0" not in name and len(name) <= 64 for name in (feed.camera, unsent.camera))
    again = overview.Wish.of(dict(parse_qsl(urlsplit(wall.address()).query)))
    assert again == wall  # a link leads to what it was made from


def test_what_an_address_asks_for() -> None:
    asked = {"only": "trouble", "name": " Gate ", "page": "3", "camera": "cam1", "state": "dead", "quality": "0,5"}
    assert overview.Wish.of(asked) == overview.Wish(only_trouble=True, name="Gate", page=3)
    assert captures.Wish.of(asked) == captures.Wish("cam1", CaptureState.DEAD, 0.5)
    assert why.Wish.of({"camera": "cam1", "reason": "too_small"}) == why.Wish("cam1", "too_small")
    assert why.Wish.of({"reason": "no_such"}) == why.Wish()
    assert captures.captures_address(camera="a b", state="dead") == "/captures?camera=a+b&state=dead"
    assert why_address(reason="lost") == "/why?reason=lost#examples"
    assert overview.Wish(only_trouble=True, page=2).address(page=1) == "/?only=trouble"


def camera(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": name, "state": "live", "alarms": []} | more


def test_cameras_with_trouble_come_first_and_the_others_keep_their_order() -> None:
    listed = [
        camera("a"),
        camera("b", state="unreachable"),
        camera("c", load="skipping"),
        camera("d", state="disabled"),
        camera("e", alarms=["no_face"]),
        camera("f", state="degraded"),
        camera("g", load="reduced"),
    ]
    assert [one["id"] for one in overview.chosen(listed, overview.Wish())] == list("bcefadg")
    assert [one["id"] for one in overview.chosen(listed, overview.Wish(only_trouble=True))] == list("bcef")
    assert [one["id"] for one in overview.chosen(listed, overview.Wish(name="G"))] == ["g"]
    assert not in_trouble(listed[3])


def status(**more: Any) -> dict[str, Any]:
    delivery = {"state": "ok", "down_since_utc": None, "cause": ""}
    return {"delivery": delivery, "unsent": 4, "lost": 0} | more


def test_nothing_is_wrong_when_nothing_is_wrong() -> None:
    assert troubles(status(), [camera("a")], Readiness(alive=True)) == []


def test_what_is_wrong_is_told_the_worst_first() -> None:
    down = {"state": "down", "down_since_utc": "2026-01-05T08:00:00+00:00", "cause": "refused"}
    codes = ["findface_down", "disk_full", "cameras_unknown", "outbox_unavailable"]
    found = troubles(
        status(delivery=down, lost=2),
        [camera("a", state="stalled"), camera("b")],
        Readiness(alive=False, reasons=[{"code": code} for code in codes]),
    )
    assert [one.code for one in found] == [
        "stopped",
        "outbox_unavailable",
        "disk_full",
        "cameras_unknown",
        "findface_down",
        "cameras_down",
        "lost",
    ]
    for one in found:  # every text fits its facts
        assert one.title % dict(one.facts) if one.facts else one.title
        assert one.meaning % dict(one.facts) if one.facts else one.meaning
    assert found[4].since_utc == "2026-01-05T08:00:00+00:00"


def look(
    number: int, quality: float, *, chosen: bool = False, behind: str | None = None, sent: bool = False
) -> dict[str, Any]:
    return {
        "number": number,
        "at_s": float(number),
        "quality": quality,
        "chosen": chosen,
        "behind": behind,
        "sent": sent,
    }


def test_why_a_shot_was_chosen() -> None:
    assert why_chosen([]).text == NOT_KEPT
    assert why_chosen([look(0, 0.5, chosen=True)]).text == ONLY_ONE
    best = why_chosen(
        [look(0, 0.4, behind="yaw"), look(1, 0.7, chosen=True), look(2, 0.5, behind="yaw", sent=True), look(3, 0.3)]
    )
    assert (best.text, best.count, best.best, best.next, best.parts, best.sent_too) == (BEST, 4, 0.7, 0.5, ("yaw",), 1)
    assert why_chosen([look(0, 0.71), look(1, 0.7, chosen=True)]).text == LOOKED_CLOSER


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(-1, 2)), max_size=30))
def test_every_look_has_a_place_in_the_chart(looks: list[tuple[float, float]]) -> None:
    places = chart_places([{"at_s": at_s, "quality": quality} for at_s, quality in looks])
    assert len(places) == len(looks)
    assert all(0.0 <= x <= 100.0 and 0.0 <= y <= 100.0 for x, y in places)


def test_a_better_look_stands_higher_and_a_later_one_further_right() -> None:
    (first, low), (last, high) = chart_places([look(0, 0.2), look(8, 0.9)])
    assert first == 0.0
    assert last == 100.0
    assert high < low


def test_a_box_is_cut_off_at_the_pictures_edges() -> None:
    assert box_style((0.1, 0.2, 0.3, 0.6)) == "left:10.00%;top:20.00%;width:20.00%;height:40.00%"
    assert box_style((-0.5, 0.0, 1.5, 1.0)) == "left:0.00%;top:0.00%;width:100.00%;height:100.00%"
    assert box_style((0.9, 0.9, 0.1, 0.1)).endswith("width:0.00%;height:0.00%")


def test_counts_of_one_cameras_books() -> None:
    books = {
        "frames": {"detected": 5, "skipped": 2},
        "tracks": {"captured": 3, "filtered": 4, "lost": 1},
        "filter_reasons": {"too_small": 4},
    }
    counts = counts_of(camera("a", ledger=books, delivered=2))
    assert counts["frames.detected"] == 5
    assert counts["frames.skipped"] == 2
    assert counts["frames.corrupt"] == 0
    assert counts["tracks.captured"] == 3
    assert counts["tracks.too_small"] == 4
    assert counts["tracks.lost"] == 1
    assert counts["captures.delivered"] == 2
    assert counts_of(camera("b")) == {}


def test_settings_are_told_as_they_are_written() -> None:
    assert [setting_value(value) for value in (False, 0.25, 3, "", "640x480+0+0")] == [
        "false",
        "0.25",
        "3",
        "''",
        "640x480+0+0",
    ]
    assert present_value({"tracks.events_min": "2", "events_min": "5"}, "tracks.events_min") == "2"
    assert present_value({"events_min": "5"}, "tracks.events_min") == "5"
    assert present_value({}, "tracks.events_min") is None


def test_times_between_moments() -> None:
    assert passed("2026-01-05T08:00:00+00:00", "2026-01-05T05:00:01.5-03:00") == 1.5
    assert passed("2026-01-05T08:00:00+00:00", "2026-01-05T07:59:59+00:00") is None
    assert passed(None, "2026-01-05T08:00:00+00:00") is None


def test_parts_of_a_capture() -> None:
    assert parts_of({"details": {"quality_parts": {"yaw": 0.5, "size": None}}}) == {"yaw": 0.5}
    assert parts_of({"details": {"quality_parts": "x"}}) == {}
    assert parts_of({}) == {}
    assert [key for key, _ in in_order({"strange": 1.0, "yaw": 0.5, "size": 0.2})] == ["size", "yaw", "strange"]


def test_a_fresh_picture_does_not_flicker() -> None:
    assert age_told(0.02, "en") == age_told(0.98, "pt_BR") == f"< 1{NBSP}s"
    assert age_told(1.5, "pt_BR") == f"1,5{NBSP}s"
    assert age_told(None, "en") == DASH


def test_a_stream_in_words() -> None:
    assert stream_told(camera("a", width=1920, height=1080, codec="h264")) == "1920 \N{MULTIPLICATION SIGN} 1080, H264"
    assert stream_told(camera("a")) == DASH


def test_every_state_reason_and_part_that_the_code_knows_has_its_words() -> None:
    assert {state.value for state in CameraState} | {state.value for state in CaptureState} <= LOOKS.keys()
    assert {alarm.value for alarm in Alarm} == ALARMS.keys()
    assert {code.value for code in GivenUp} == CODES.keys()
    assert {*ActResult} - {ActResult.OK} == RESULTS.keys()
    assert {column.key for column in FRAMES} == {*FrameFate}
    assert {column.key for column in REASONS} == {*FilterReason, TrackFate.LOST}
    assert {column.key for column in TRACKS} == {*FilterReason, TrackFate.CAPTURED, TrackFate.LOST}


def test_every_part_of_the_score_has_its_words() -> None:
    assert PARTS.keys() == WEIGHTS.keys()
