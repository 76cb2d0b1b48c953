"""Posted pictures, as numbers: whatever the camera, the face and the limits are, what must hold does."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vigia.domain.geometry import as_boxes_xyxy
from vigia.domain.posted_picture import (
    FACE_MIN_PX,
    Box,
    PictureMode,
    PicturePlan,
    PictureRules,
    plan_picture,
)

SIDE = st.one_of(st.integers(1, 9000), st.sampled_from([1280, 720, 1920, 1080, 3840, 2160, 7680, 4320, 2159, 4319]))
RULES = st.builds(
    PictureRules,
    mode=st.sampled_from(PictureMode),
    crop_margin=st.floats(0.0, 5.0),
    roi_margin=st.floats(0.0, 2.0),
    max_side_px=st.one_of(st.integers(640, 9000), st.just(6000)),
)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Faces of all sizes and places, beyond the picture too, none more than twice as long as wide."""
    left, top, wide = draw(st.floats(-800.0, 9500.0)), draw(st.floats(-800.0, 9500.0)), draw(st.floats(1.0, 3000.0))
    return left, top, left + wide, top + wide * draw(st.floats(0.5, 2.0))


def visible(box: Box, size_wh: tuple[int, int]) -> Box:
    """The part of a box that is inside; its edges are crossed when there is none."""
    return max(box[0], 0.0), max(box[1], 0.0), min(box[2], size_wh[0]), min(box[3], size_wh[1])


def smaller_side(box: Box) -> float:
    return min(box[2] - box[0], box[3] - box[1])


def longer_side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


@given(box=boxes(), width=SIDE, height=SIDE, rules=RULES)
@example(box=(100.0, 100.0, 155.0, 170.0), width=7680, height=4320, rules=PictureRules())
@example(box=(7620.5, 4280.0, 7700.0, 4400.0), width=7679, height=4319, rules=PictureRules())
def test_the_cut_is_inside_and_the_limit_holds(box: Box, width: int, height: int, rules: PictureRules) -> None:
    plan = plan_picture(box, frame_wh=(width, height), rules=rules)

    left, top, right, bottom = plan.crop_ltrb
    assert all(type(number) is int for number in (*plan.crop_ltrb, *plan.size_wh, *plan.roi_ltrb))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert left % 2 == top % 2 == 0, "the colours of a 4:2:0 picture would move"
    assert max(plan.size_wh) <= rules.max_side_px
    assert min(plan.size_wh) >= 1
    for posted, cut in zip(plan.size_wh, (right - left, bottom - top), strict=True):
        assert posted <= cut, "nothing is enlarged"
    across, down = (right - left) / plan.size_wh[0], (bottom - top) / plan.size_wh[1]
    if min(plan.size_wh) > 20:
        assert across / down == pytest.approx(1.0, rel=0.06), "faces keep their shape"


@given(box=boxes(), width=SIDE, height=SIDE, rules=RULES)
@example(box=(100.0, 100.0, 155.0, 170.0), width=7680, height=4320, rules=PictureRules())
def test_the_region_is_inside_the_posted_picture_and_holds_what_is_seen_of_the_face(
    box: Box, width: int, height: int, rules: PictureRules
) -> None:
    plan = plan_picture(box, frame_wh=(width, height), rules=rules)

    left, top, right, bottom = plan.roi_ltrb
    assert 0 <= left < right <= plan.size_wh[0]
    assert 0 <= top < bottom <= plan.size_wh[1]
    seen = visible(box, (width, height))
    if smaller_side(seen) > 0.0:
        posted = visible(plan.box_xyxy, plan.size_wh)
        assert left <= posted[0]
        assert top <= posted[1]
        assert right >= posted[2]
        assert bottom >= posted[3]
        back = plan.to_camera(posted)
        assert back == pytest.approx(seen, abs=1e-6), "no part of the face is cut off"


@given(box=boxes(), width=SIDE, height=SIDE, rules=RULES)
def test_a_box_in_posted_pixels_is_the_same_place_in_camera_pixels(
    box: Box, width: int, height: int, rules: PictureRules
) -> None:
    plan = plan_picture(box, frame_wh=(width, height), rules=rules)

    assert plan.to_camera(plan.box_xyxy) == pytest.approx(box, abs=1e-6)
    if plan.size_wh == (plan.crop_ltrb[2] - plan.crop_ltrb[0], plan.crop_ltrb[3] - plan.crop_ltrb[1]):
        shifted = (plan.crop_ltrb[0], plan.crop_ltrb[1], plan.crop_ltrb[0], plan.crop_ltrb[1])
        assert plan.box_xyxy == tuple(edge - shift for edge, shift in zip(box, shifted, strict=True)), "only moved"


@given(box=boxes(), width=SIDE, height=SIDE, rules=RULES, limit_px=st.none() | st.integers(64, 640))
@example(box=(100.0, 100.0, 155.0, 170.0), width=7680, height=4320, rules=PictureRules(), limit_px=None)
@example(box=(3000.0, 2000.0, 3051.0, 2060.0), width=7680, height=4320, rules=PictureRules(), limit_px=100)
def test_a_face_that_is_large_enough_stays_so(
    box: Box, width: int, height: int, rules: PictureRules, limit_px: int | None
) -> None:
    seen = visible(box, (width, height))
    # A picture of ``limit`` pixels can show 50 of the smaller side only when the longer one fits in beside its edges.
    limit = min(rules.max_side_px, limit_px or rules.max_side_px)
    possible = longer_side(seen) + 4.0 <= smaller_side(seen) * limit / (FACE_MIN_PX + 1.0)

    plan = plan_picture(box, frame_wh=(width, height), rules=rules, max_side_px=limit_px)

    if smaller_side(seen) >= FACE_MIN_PX + 0.5 and possible:
        assert smaller_side(visible(plan.box_xyxy, plan.size_wh)) >= FACE_MIN_PX


@given(box=boxes(), width=SIDE, height=SIDE, rules=RULES, others=st.lists(boxes(), max_size=4))
def test_other_faces_make_the_region_smaller_and_never_cut_the_face(
    box: Box, width: int, height: int, rules: PictureRules, others: list[Box]
) -> None:
    found = as_boxes_xyxy([box, *others])
    alone = plan_picture(box, frame_wh=(width, height), rules=rules)
    plan = plan_picture(box, frame_wh=(width, height), rules=rules, frame_boxes_xyxy=found)

    assert replace(plan, roi_ltrb=alone.roi_ltrb) == alone, "the picture stays the same"
    left, top, right, bottom = plan.roi_ltrb
    assert all(type(edge) is int for edge in plan.roi_ltrb)
    assert alone.roi_ltrb[0] <= left < right <= alone.roi_ltrb[2]
    assert alone.roi_ltrb[1] <= top < bottom <= alone.roi_ltrb[3]
    if smaller_side(visible(box, (width, height))) > 0.0:
        posted = visible(plan.box_xyxy, plan.size_wh)
        assert left <= posted[0]
        assert top <= posted[1]
        assert right >= posted[2]
        assert bottom >= posted[3]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((130.0, 500.0, 470.2, 800.0), (471, 440, 660, 660)),  # left of it, and larger
        ((640.0, 500.0, 740.0, 600.0), (440, 440, 640, 660)),
        ((610.0, 500.0, 700.0, 600.0), (440, 440, 620, 660)),  # so near that the least margin holds
        ((500.0, 300.0, 600.0, 460.0), (440, 460, 660, 660)),
        ((500.0, 630.0, 600.0, 760.0), (440, 440, 660, 630)),
        ((540.0, 500.0, 640.0, 600.0), (440, 440, 660, 660)),  # the face itself, found once more
        ((800.0, 500.0, 900.0, 600.0), (440, 440, 660, 660)),  # far away
    ],
)
def test_the_region_ends_where_another_face_begins(other: Box, expected: tuple[int, int, int, int]) -> None:
    box = (500.0, 500.0, 600.0, 600.0)
    plan = plan_picture(
        box, frame_wh=(1920, 1080), rules=PictureRules(roi_margin=0.6), frame_boxes_xyxy=as_boxes_xyxy([other, box])
    )
    assert plan.roi_ltrb == expected


def planned(box: Box, frame_wh: tuple[int, int], **rules: Any) -> PicturePlan:
    return plan_picture(box, frame_wh=frame_wh, rules=replace(PictureRules(), **rules))


@pytest.mark.parametrize("frame_wh", [(1280, 720), (1920, 1080), (3840, 2160), (2559, 1439)])
def test_a_whole_picture_within_the_limits_is_posted_as_it_is(frame_wh: tuple[int, int]) -> None:
    box = (100.5, 200.0, 180.5, 300.0)
    plan = planned(box, frame_wh)

    assert plan == PicturePlan((0, 0, *frame_wh), frame_wh, box, (20, 100, 261, 400))


def test_a_picture_of_8k_is_scaled_and_the_face_with_it() -> None:
    plan = planned((3840.0, 2160.0, 4040.0, 2410.0), (7680, 4320))

    assert plan.crop_ltrb == (0, 0, 7680, 4320)
    assert plan.size_wh == (6000, 3375)
    assert plan.box_xyxy == pytest.approx((3000.0, 1687.5, 3156.25, 1882.8125))


def test_where_scaling_would_make_the_face_too_small_the_picture_is_cut_around_it_instead() -> None:
    plan = planned((7000.0, 2000.0, 7055.0, 2070.0), (7680, 4320))  # 43 px if scaled

    assert plan.crop_ltrb == (1680, 0, 7680, 4320)
    assert plan.size_wh == (6000, 4320)
    assert plan.box_xyxy == (5320.0, 2000.0, 5375.0, 2070.0)


def test_a_crop_holds_the_margin_and_is_not_scaled() -> None:
    plan = planned((1000.0, 500.0, 1100.0, 620.0), (3840, 2160), mode=PictureMode.CROP, crop_margin=1.0, roi_margin=0.6)

    assert plan.crop_ltrb == (900, 380, 1200, 740)
    assert plan.size_wh == (300, 360)
    assert plan.box_xyxy == (100.0, 120.0, 200.0, 240.0)
    assert plan.roi_ltrb == (40, 48, 260, 312)


def test_a_crop_is_never_narrower_than_the_region() -> None:
    plan = planned((101.0, 101.0, 201.0, 201.0), (640, 360), mode=PictureMode.CROP, crop_margin=0.1, roi_margin=0.5)

    assert plan.crop_ltrb == (50, 50, 252, 252)
    assert plan.roi_ltrb == (1, 1, 201, 201)


@pytest.mark.parametrize(
    "change",
    [
        {"roi_margin": -0.1},
        {"crop_margin": -0.1},
        {"jpeg_quality": 0},
        {"jpeg_quality": 101},
        {"max_side_px": 1},
        {"max_side_px": 65_501},
        {"max_bytes": 0},
    ],
)
def test_rules_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"margins|JPEG"):
        replace(PictureRules(), **change)
