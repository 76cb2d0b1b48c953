"""Which face continues which track: overlap first, distance as the fall-back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.domain import track_matching_service
from vigia.domain.geometry import as_boxes_xyxy
from vigia.domain.track_matching_service import MatchKind, TrackMatchingService

FRAME = (1280, 720)
SERVICE = TrackMatchingService()


def test_match_gives_overlap_and_distance() -> None:
    iou, distance = SERVICE.match([100, 100, 200, 200], [150, 100, 250, 200], FRAME)
    assert iou == pytest.approx(1 / 3)
    assert distance == pytest.approx(50.0)


def test_too_far_is_no_match_at_all() -> None:
    iou, distance = SERVICE.match([0, 0, 80, 80], [600, 0, 680, 80], FRAME)
    assert (iou, distance) == (0.0, float("inf"))


def test_limits_follow_the_frame() -> None:
    small, large = SERVICE.limits((640, 360)), SERVICE.limits((1920, 1080))
    assert large.distance_max_px == pytest.approx(3 * small.distance_max_px)
    assert small.iou_min == large.iou_min


def test_the_reach_follows_the_face() -> None:
    near, far = [100, 100, 120, 120], [160, 100, 180, 120]
    assert SERVICE.match(near, far, FRAME)[1] == float("inf"), "60 px are three sides of a small face"
    assert np.isfinite(SERVICE.match([100, 100, 200, 200], [160, 100, 260, 200], FRAME)[1])


def test_very_different_sizes_do_not_match_by_distance() -> None:
    assert SERVICE.match([100, 100, 140, 140], [90, 90, 190, 190], FRAME)[1] == float("inf")


def test_overlap_decides_before_distance() -> None:
    tracks = as_boxes_xyxy([[100, 100, 200, 200], [260, 100, 360, 200]])
    events = as_boxes_xyxy([[160, 100, 260, 200], [110, 100, 210, 200]])
    matches = {m.event: m for m in SERVICE.assign(events, tracks, FRAME)}
    assert (matches[1].track, matches[1].kind) == (0, MatchKind.IOU)
    assert (matches[0].track, matches[0].kind) == (1, MatchKind.DISTANCE)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[list[float]], list[list[float]]]:
    def row() -> list[float]:
        left, top = draw(st.integers(0, 1200)), draw(st.integers(0, 650))
        side = draw(st.integers(10, 200))
        return [left, top, left + side, top + side]

    return [row() for _ in range(draw(st.integers(0, 6)))], [row() for _ in range(draw(st.integers(0, 6)))]


@given(scenes())
def test_every_event_and_track_is_used_at_most_once(scene: tuple[list[list[float]], list[list[float]]]) -> None:
    events, tracks = as_boxes_xyxy(scene[0]), as_boxes_xyxy(scene[1])
    matches = SERVICE.assign(events, tracks, FRAME)
    assert len({m.event for m in matches}) == len({m.track for m in matches}) == len(matches)
    for match in matches:
        if match.kind is MatchKind.IOU:
            assert match.iou >= 0.25
        else:
            assert np.isfinite(match.distance_px)


@given(scenes(), st.integers(-300, 300), st.integers(-300, 300))
def test_moving_the_scene_changes_no_match(
    scene: tuple[list[list[float]], list[list[float]]], dx: int, dy: int
) -> None:
    events, tracks = as_boxes_xyxy(scene[0]), as_boxes_xyxy(scene[1])
    shift = np.array([dx, dy, dx, dy], dtype=np.float32)
    before = {(m.event, m.track, m.kind) for m in SERVICE.assign(events, tracks, FRAME)}
    after = {(m.event, m.track, m.kind) for m in SERVICE.assign(events + shift, tracks + shift, FRAME)}
    assert before == after


@given(scenes())
def test_a_handful_and_a_crowd_are_matched_alike(scene: tuple[list[list[float]], list[list[float]]]) -> None:
    """Few faces are matched in plain numbers, many in arrays: the same pairs, kinds and figures."""
    events, tracks = as_boxes_xyxy(scene[0]), as_boxes_xyxy(scene[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(track_matching_service, "PAIRS_FEW", 1000)
        few = {(m.event, m.track): m for m in SERVICE.assign(events, tracks, FRAME)}
        patch.setattr(track_matching_service, "PAIRS_FEW", -1)
        many = {(m.event, m.track): m for m in SERVICE.assign(events, tracks, FRAME)}
    if len({m.distance_px for m in many.values()} | {m.iou for m in many.values()}) == 2 * len(many):  # no ties
        assert few.keys() == many.keys()
    for pair in few.keys() & many.keys():
        assert few[pair].kind is many[pair].kind
        assert few[pair].iou == pytest.approx(many[pair].iou, abs=1e-5)
        assert few[pair].distance_px == pytest.approx(many[pair].distance_px, rel=1e-4)


@given(scenes())
def test_match_and_match_all_agree(scene: tuple[list[list[float]], list[list[float]]]) -> None:
    events, tracks = as_boxes_xyxy(scene[0]), as_boxes_xyxy(scene[1])
    ious, distances = SERVICE.match_all(events, tracks, FRAME)
    for row, event in enumerate(scene[0]):
        for column, track in enumerate(scene[1]):
            iou, distance = SERVICE.match(event, track, FRAME)
            assert iou == pytest.approx(float(ious[row, column]), abs=1e-5)
            if np.isfinite(distance) and np.isfinite(distances[row, column]):
                assert distance == pytest.approx(float(distances[row, column]), rel=1e-4)
