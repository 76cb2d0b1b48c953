"""Refusals: which faces are hard, how answers are counted, and real answers of a real stand-in."""

from dataclasses import replace
from pathlib import Path

import pytest

from vigia.bench.context import BenchContext
from vigia.bench.flat_out import flat_streams
from vigia.bench.refusal_counts import Cell, Finder, Findings, Post, Tally
from vigia.bench.refusal_shots import Shot, ShotKind, collect_shots, hard_spots
from vigia.bench.refusals import MARGINS, ask, encode_rows
from vigia.domain.geometry import as_boxes_xyxy
from vigia.domain.ground_truth import ClipTruth, TruthFace
from vigia.domain.posted_picture import Box, PictureMode, PictureRules, plan_picture
from vigia.infrastructure.demo import DemoClip
from vigia.testing.video import ScriptedPicture

LARGE = TruthFace(1, 1, (300.0, 100.0, 400.0, 200.0))
BESIDE = TruthFace(2, 2, (420.0, 110.0, 520.0, 210.0))
FAR = TruthFace(2, 2, (900.0, 110.0, 1000.0, 210.0))
CUT = TruthFace(4, 4, (0.0, 300.0, 80.0, 420.0), visible=0.7)
DEFAULT = Cell(PictureMode.FULL, 0.4, "biggest")
OTHER = Cell(PictureMode.FULL, 0.2, "all")
FACE: Box = (300.0, 100.0, 400.0, 200.0)
FINDER = Finder("yunet-n", "yunet-n")
SHOT = Shot(ShotKind.CHOSEN, "centerface", ScriptedPicture(width=1280, height=720), FACE, as_boxes_xyxy(FACE))


def truth(*frames: tuple[TruthFace, ...]) -> ClipTruth:
    return ClipTruth(1280, 720, 10.0, frames)


def kinds(*faces: TruthFace) -> list[ShotKind]:
    return [spot.kind for spots in hard_spots(truth(faces), 1).values() for spot in spots]


def test_hard_faces_are_cut_off_or_beside_another() -> None:
    assert kinds(LARGE) == []
    assert kinds(LARGE, FAR) == []
    assert kinds(CUT) == [ShotKind.EDGE]
    assert kinds(LARGE, BESIDE) == [ShotKind.PAIR]
    assert kinds(replace(CUT, box_xyxy=(0.0, 300.0, 50.0, 420.0))) == [], "too small to be sent"


def test_the_same_face_is_not_taken_over_and_over() -> None:
    assert list(hard_spots(truth((LARGE,), *[(CUT,)] * 35), 35)) == [1]
    assert hard_spots(truth((LARGE,), (CUT,)), 1) == {}, "beyond what is looked at"


def posted(event_ids: tuple[str, ...], cell: Cell = DEFAULT) -> Post:
    plan = plan_picture(FACE, frame_wh=(1280, 720), rules=PictureRules())
    return Post(cell, FINDER, SHOT, plan, event_ids)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], Tally(posts=1, refused=1)),
        ([(305.0, 100.0, 395.0, 205.0)], Tally(posts=1)),
        ([(305.0, 100.0, 395.0, 205.0), (420.0, 100.0, 480.0, 160.0)], Tally(posts=1, neighbours=1)),
        ([(305.0, 100.0, 395.0, 205.0), (400.0, 50.0, 560.0, 210.0)], Tally(posts=1, wrong=1, neighbours=1)),
        ([(420.0, 100.0, 480.0, 160.0)], Tally(posts=1, wrong=1, neighbours=1)),
    ],
)
def test_an_answer_is_a_refusal_a_face_or_another_one(boxes: list[Box], expected: Tally) -> None:
    tally = Tally()
    known = {str(number): box for number, box in enumerate(boxes)}
    tally.add(posted(tuple(known)), known)
    assert tally == expected


def test_boxes_are_held_against_the_face_in_the_cameras_pixels() -> None:
    plan = plan_picture(FACE, frame_wh=(1280, 720), rules=PictureRules(PictureMode.CROP))
    tally = Tally()
    tally.add(replace(posted(("1",)), plan=plan), {"1": plan.box_xyxy})
    assert tally == Tally(posts=1)


def test_the_default_settings_are_counted_apart_from_the_grid() -> None:
    findings = Findings(DEFAULT)
    findings.add(posted(()), {})
    findings.add(posted((), OTHER), {})
    assert findings.default == Tally(posts=1, refused=1)
    assert findings.grid == {OTHER: Tally(posts=1, refused=1)}
    findings.add(replace(posted((), OTHER), finder=replace(FINDER, confidence_min=0.8)), {})
    findings.add(replace(posted(()), finder=replace(FINDER, confidence_min=0.8)), {})
    assert findings.strict == {OTHER: Tally(posts=1, refused=1), DEFAULT: Tally(posts=1, refused=1)}
    assert findings.default == Tally(posts=1, refused=1)
    assert findings.by_models == {("centerface", "yunet-n"): Tally(posts=1, refused=1)}


def test_a_real_stand_in_finds_the_faces_that_it_is_sent(tmp_path: Path, clips: list[DemoClip]) -> None:
    context = BenchContext(tmp_path, quick=True)
    shots = collect_shots(context, {"centerface": "centerface"}, flat_streams(clips, frames=60, count=2))
    assert len({shot.box_xyxy for shot in shots}) >= 3
    small = [shot for shot in shots if shot.kind is ShotKind.SMALL]
    assert small
    for shot in small:
        left, top, right, bottom = shot.box_xyxy
        assert 60.0 <= min(right - left, bottom - top) <= 75.0

    finders = [Finder("centerface", "centerface"), Finder("centerface", "centerface", confidence_min=0.99)]
    findings = ask(context, finders, shots, margins=(0.4, max(MARGINS)))

    assert {(cell.mode, cell.margin) for cell in findings.grid} == {
        (PictureMode.FULL, 0.4), (PictureMode.FULL, 1.0), (PictureMode.FULL, None),
        (PictureMode.CROP, 0.4), (PictureMode.CROP, 1.0),
    }  # fmt: skip
    tallies = [findings.default, *findings.grid.values()]
    assert [tally.posts for tally in tallies] == [len(shots)] * len(tallies)
    assert {(cell.mode, cell.margin) for cell in findings.strict} == {(PictureMode.CROP, 0.4), (PictureMode.CROP, 1.0)}
    assert all(tally.refused == tally.posts for tally in findings.strict.values()), "nothing is as sure as that"
    assert findings.default.refused == 0
    assert findings.default.wrong == 0
    assert [row[:2] for row in encode_rows(shots)] == [
        ("360p", "full"), ("360p", "crop"), ("2160p", "full"), ("2160p", "crop"),
    ]  # fmt: skip
