"""Cards and tables as they are described to the browser, in both languages. In Chromium: tests/e2e."""

import json
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vigia.infrastructure.web.dashboard.candidates import drawn_candidates
from vigia.infrastructure.web.dashboard.capture_card import drawn_event, drawn_face, why_told
from vigia.infrastructure.web.dashboard.context import DashboardParts, PageContext
from vigia.infrastructure.web.dashboard.drawing import Drawing, draw, drawn_badge, drawn_time
from vigia.infrastructure.web.dashboard.quality_parts import PARTS, drawn_parts
from vigia.infrastructure.web.dashboard.states import LOOKS
from vigia.infrastructure.web.dashboard.unsent_card import drawn_unsent
from vigia.infrastructure.web.dashboard.why import drawn_skips
from vigia.infrastructure.web.sessions import Session
from vigia.infrastructure.web.users import Role

NAME = "<b>Portão</b>"
ID = "0" * 31 + "1"


@pytest.fixture(params=["en", "pt_BR"])
def ctx(request: pytest.FixtureRequest) -> PageContext:
    session = Session("vera", Role.VIEWER, "127.0.0.1", "token", 0.0)
    parts = SimpleNamespace(told_reason=lambda text, _say: text)
    return PageContext(cast("DashboardParts", parts), session, request.param)


def parts_of(drawing: Drawing) -> Iterator[tuple[Any, ...]]:
    """Every element of a drawing."""
    if isinstance(drawing, tuple):
        yield drawing
        for inner in drawing[2:]:
            yield from parts_of(inner)


def texts_of(drawing: Drawing) -> list[str]:
    """Everything that is said in a drawing."""
    return [inner for part in parts_of(drawing) for inner in part[2:] if isinstance(inner, str)]


def named(drawing: Drawing, testid: str) -> list[tuple[Any, ...]]:
    return [part for part in parts_of(drawing) if part[1].get("data-testid") == testid]


def test_an_element_is_described() -> None:
    told = draw("a", "to", None, draw("i"), classes="x", testid="y", href="/", aria_label="z", title=None, for_="w")
    attributes = {"href": "/", "aria-label": "z", "for": "w", "class": "x", "data-testid": "y"}
    assert told == ("a", attributes, "to", ("i", {}))
    assert drawn_time(None) == ("vg-time", {"at": "", "form": "clock"})


def test_every_state_is_shown_with_a_sign_and_a_word(ctx: PageContext) -> None:
    for state in (*LOOKS, "strange"):
        badge = drawn_badge(ctx, state, reason={"template": "no face for %(minutes).0f min", "facts": {"minutes": 5.0}})
        sign, word, why = texts_of(badge)
        assert sign
        assert word
        assert "5 min" in why


def test_a_face_that_is_gone_says_so(ctx: PageContext) -> None:
    (kept, *_), (gone, *_) = (list(parts_of(drawn_face(ctx, address, NAME))) for address in ("/face", None))
    assert kept[0] == "img"
    assert NAME in kept[1]["alt"]  # as text: the browser reads no HTML in it
    assert gone[1]["aria-label"]


def test_a_number_of_findface_can_be_copied(ctx: PageContext) -> None:
    told = drawn_event(ctx, "4737770269510631760")
    (button,) = named(told, "event-id")
    assert button[1]["data-copy"] == "4737770269510631760"
    assert "4737770269510631760" in texts_of(told)


def test_why_a_capture_is_where_it_is(ctx: PageContext) -> None:
    assert why_told(ctx, {"code": None, "reason": "no face"}) == "no face"
    assert why_told(ctx, {"code": "expired", "reason": ""}) not in {"", "expired"}
    assert why_told(ctx, {"code": "delivery", "reason": "timed out"}).endswith(": timed out")


def test_parts_have_their_meanings(ctx: PageContext) -> None:
    told = drawn_parts(ctx, {"strange": 0.5, **dict.fromkeys(PARTS, 0.25)})
    assert len([part for part in parts_of(told) if part[0] == "dt"]) == len(PARTS) + 1
    assert ("0,25" if ctx.language == "pt_BR" else "0.25") in texts_of(told)


def unsent(**more: Any) -> Mapping[str, Any]:
    return {
        "number": 7, "camera": "gate", "camera_name": NAME, "track": 3, "at_utc": "2026-01-05T08:00:00+00:00",
        "duration_s": 1.5, "events": 1, "fate": "filtered", "reason": "too_small", "quality": 0.6,
        "parts": {"yaw": 0.5}, "confidence": 0.9, "size_px": 42.0, "moved_px": 12.0, "face_kept": True,
        "obstacles": [{"setting": "tracks.filter_min_size", "reason": "too_small", "value": 42}],
    } | more  # fmt: skip


def test_what_would_have_let_it_through(ctx: PageContext) -> None:
    told = drawn_unsent(ctx, unsent(), {"filter_min_size": "60"})
    (obstacles,) = named(told, "obstacles")
    assert "tracks.filter_min_size: 42" in texts_of(obstacles)
    assert any("60" in text for text in texts_of(obstacles))
    assert json.loads(json.dumps(told))[1]["data-testid"] == "unsent-7"


def test_a_lost_one_has_no_setting_to_blame(ctx: PageContext) -> None:
    told = drawn_unsent(ctx, unsent(reason=None, fate="lost", obstacles=[], face_kept=False), {})
    assert named(told, "obstacles") == []
    assert not [part for part in parts_of(told) if part[0] == "img"]


def look(number: int, quality: float, **more: Any) -> dict[str, Any]:
    return {
        "number": number, "at_s": 0.3 * number, "quality": quality, "parts": {"yaw": quality, "size": 0.5},
        "confidence": 0.9, "size_px": 80.0, "chosen": False, "sent": False, "face_kept": False, "behind": "yaw",
    } | more  # fmt: skip


def test_all_looks_are_in_the_chart_and_in_the_table(ctx: PageContext) -> None:
    looks = [look(0, 0.4), look(1, 0.8, chosen=True, sent=True, behind=None, face_kept=True), look(2, 0.6, sent=True)]
    told = drawn_candidates(ctx, {"id": ID, "camera_name": NAME, "candidates": looks})
    dots = [part for part in parts_of(told) if str(part[1].get("class", "")).startswith("vg-dot")]
    assert [dot[1]["href"] for dot in dots] == ["#look-0", "#look-1", "#look-2"]
    rows = [part for part in parts_of(told) if str(part[1].get("id", "")).startswith("look-")]
    assert [row[1]["id"] for row in rows] == ["look-0", "look-1", "look-2"]
    assert rows[1][1]["class"] == "vg-look--chosen"
    pictures = [part[1]["src"] for part in parts_of(told) if part[0] == "img"]
    assert pictures == [f"/api/captures/{ID}/candidates/1"]
    assert "%(" not in " ".join(texts_of(told))


def test_without_other_looks_it_says_that_they_are_not_kept(ctx: PageContext) -> None:
    told = drawn_candidates(ctx, {"id": ID, "camera_name": NAME, "candidates": []})
    assert texts_of(named(told, "why-chosen")[0])
    assert named(told, "chart") == []


def test_why_frames_were_skipped_of_one_camera_and_of_all(ctx: PageContext) -> None:
    listed: list[dict[str, Any]] = [
        {"id": "a", "ledger": {"skip_reasons": {"overload": 1000, "strange": 2}}},
        {"id": "b", "ledger": {"skip_reasons": {"overload": 234}}},
        {"id": "c"},
    ]
    others = {"ledger": {"skip_reasons": {"overload": 4000}}}
    every = texts_of(drawn_skips(ctx, listed, others, ""))
    assert any(text.startswith(("5.234", "5,234")) for text in every)
    assert any("strange" in text for text in every)
    one = texts_of(drawn_skips(ctx, listed, others, "b"))
    assert any(text.startswith("234 ") for text in one)
    assert not [part for part in parts_of(drawn_skips(ctx, listed, others, "c")) if part[0] == "dl"]
