"""A passage whose track broke is known again; anybody else never is: one thing that differs is enough."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from vigia.domain.appearance import Appearance, describe, difference
from vigia.domain.passage_memory import PASSAGES_MAX, PassageMemory, PassageTrace
from vigia.testing.video import ScriptedPicture

FRAME = (1280, 720)


def box_at(x: float, y: float = 300.0, side: float = 80.0) -> np.ndarray:
    return np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2], dtype=np.float32)


def look_of(*tint: int) -> Appearance:
    seen = describe(ScriptedPicture(tint=(tint[0], tint[1]), width=1280, height=720), box_at(640))
    assert seen is not None
    return seen


RED, BLUE, GREY = look_of(100, 170), look_of(160, 110), look_of(128, 128)


def trace(first_x: float, last_x: float, *, at_s: float, for_s: float = 2.0, **other: Any) -> PassageTrace:
    known = PassageTrace(
        began_at_s=at_s,
        first_at_s=at_s,
        last_at_s=at_s + for_s,
        first_box_xyxy=box_at(first_x),
        last_box_xyxy=box_at(last_x),
        velocity_px_s=((last_x - first_x) / for_s, 0.0),
        frame_size_wh=FRAME,
        loop=0,
        appearance=RED,
    )
    return replace(known, **other)


KNOWN = trace(300, 500, at_s=10.0)
"""Walks 100 px a second to the right and is seen last at 12 s, at x = 500."""
AGAIN = trace(640, 800, at_s=13.4)
"""The same person 1.4 s later, where that leads."""


def remembers() -> PassageMemory:
    memory = PassageMemory(interval_s=3.0, passage_max_s=60.0)
    memory.remember(KNOWN)
    return memory


def test_the_same_person_a_moment_later_further_on_is_known() -> None:
    assert remembers().match(AGAIN) is KNOWN
    assert remembers().match(replace(AGAIN, first_box_xyxy=box_at(500))) is KNOWN, "who stopped is where they were"


@pytest.mark.parametrize(
    ("why", "other"),
    [
        ("somebody in other clothes", {"appearance": BLUE}),
        ("nothing is known of the looks", {"appearance": None}),
        ("there is no colour to compare", {"appearance": GREY}),
        ("too late", {"first_at_s": 15.1}),
        ("both were seen at one time", {"first_at_s": 12.0, "first_box_xyxy": box_at(500)}),
        ("where only an unbroken walk would lead", {"first_at_s": 14.9, "first_box_xyxy": box_at(800)}),
        ("far from the way", {"first_box_xyxy": box_at(640, 500)}),
        ("behind the first", {"first_box_xyxy": box_at(380)}),
        ("another size", {"first_box_xyxy": box_at(640, side=140)}),
        ("entering at the edge", {"first_box_xyxy": box_at(640, 45)}),
        ("another loop of a file", {"loop": 1}),
        ("another picture size", {"frame_size_wh": (1920, 1080)}),
    ],
)
def test_whoever_differs_in_one_thing_is_somebody_else(why: str, other: dict[str, Any]) -> None:
    assert remembers().match(replace(AGAIN, **other)) is None, why


def test_who_left_over_the_edge_has_left() -> None:
    memory = PassageMemory()
    memory.remember(trace(1000, 1235, at_s=10.0))
    assert memory.match(trace(1200, 900, at_s=13.0)) is None


def test_without_colour_on_both_sides_nobody_is_known() -> None:
    memory = PassageMemory()
    memory.remember(replace(KNOWN, appearance=GREY))
    assert memory.match(replace(AGAIN, appearance=GREY)) is None


def test_a_passage_that_breaks_again_and_again_is_one_until_it_is_too_old() -> None:
    memory = remembers()
    for number in range(1, 100):
        again = trace(500, 500, at_s=12.0 + 3.5 * number - 1.0, for_s=2.0)
        known = memory.match(again)
        if known is None:
            break
        memory.extend(known, again)
    assert len(memory) == 1
    assert 50.0 < again.first_at_s - KNOWN.began_at_s <= 66.0


def test_the_latest_of_several_is_continued() -> None:
    memory = remembers()
    later = trace(560, 600, at_s=12.1, for_s=0.9)
    memory.remember(later)
    assert memory.match(AGAIN) is later
    assert PassageMemory().match(AGAIN, others=[KNOWN, later]) is later


def test_so_many_are_remembered() -> None:
    memory = PassageMemory()
    for number in range(3 * PASSAGES_MAX):
        memory.remember(trace(500, 500, at_s=float(number)))
    assert len(memory) == PASSAGES_MAX


def test_difference_is_a_distance() -> None:
    assert difference(RED, RED) == pytest.approx(0.0, abs=1e-3)
    both_ways = difference(RED, BLUE), difference(BLUE, RED)
    assert both_ways == pytest.approx((0.8, 0.8), abs=0.01), "only the grey levels are the same"
    assert 0.0 < difference(RED, look_of(101, 169)) < difference(RED, look_of(105, 165)) < difference(RED, BLUE)
