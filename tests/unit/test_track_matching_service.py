"""Which face continues which track: overlap first, distance as the fall-back."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.domain import track_matching_service
from vigia.domain.geometry import Boxes, as_boxes_xyxy, iou_matrix
from vigia.domain.motion import Expected
from vigia.domain.track_matching_service import MatchKind, TrackMatchingService, best_total

FRAME = (1280, 720)
SERVICE = TrackMatchingService()


def expected(boxes: Boxes, *, spread: float = 0.3) -> Expected:
    """Tracks that are expected there, all as sure of their motion."""
    return Expected(
        [(left, top, right, bottom, spread, 1 / 30) for left, top, right, bottom in boxes.tolist()], at_edge=False
    )


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
    tracks = as_boxes_xyxy([[100, 100, 160, 160], [330, 100, 390, 160]])
    events = as_boxes_xyxy([[210, 100, 270, 160], [110, 100, 170, 160]])
    matches = {m.event: m for m in SERVICE.assign(events, expected(tracks, spread=0.5), FRAME)}
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
    matches = SERVICE.assign(events, expected(tracks), FRAME)
    assert len({m.event for m in matches}) == len({m.track for m in matches}) == len(matches)
    for match in matches:
        if match.kind is MatchKind.IOU:
            assert match.iou >= 0.12
        else:
            assert np.isfinite(match.distance_px)


@given(scenes(), st.integers(-300, 300), st.integers(-300, 300))
def test_moving_the_scene_changes_no_match(
    scene: tuple[list[list[float]], list[list[float]]], dx: int, dy: int
) -> None:
    events, tracks = as_boxes_xyxy(scene[0]) + np.float32(500), as_boxes_xyxy(scene[1]) + np.float32(500)
    shift = np.array([dx, dy, dx, dy], dtype=np.float32)
    before = {(m.event, m.track, m.kind) for m in SERVICE.assign(events, expected(tracks), (4000, 4000))}
    after = {(m.event, m.track, m.kind) for m in SERVICE.assign(events + shift, expected(tracks + shift), (4000, 4000))}
    assert before == after


@given(scenes())
def test_a_handful_and_a_crowd_are_matched_alike(scene: tuple[list[list[float]], list[list[float]]]) -> None:
    """Few faces are matched in plain numbers, many in arrays: the same pairs, kinds and figures."""
    events, tracks = as_boxes_xyxy(scene[0]), as_boxes_xyxy(scene[1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(track_matching_service, "PAIRS_FEW", 1000)
        few = {(m.event, m.track): m for m in SERVICE.assign(events, expected(tracks), FRAME)}
        patch.setattr(track_matching_service, "PAIRS_FEW", -1)
        many = {(m.event, m.track): m for m in SERVICE.assign(events, expected(tracks), FRAME)}
    if len({m.distance_px for m in many.values()} | {m.iou for m in many.values()}) == 2 * len(many):  # no ties
        assert few.keys() == many.keys()
    for pair in few.keys() & many.keys():
        assert few[pair].kind is many[pair].kind
        assert few[pair].iou == pytest.approx(many[pair].iou, abs=1e-5)
        assert few[pair].distance_px == pytest.approx(many[pair].distance_px, rel=1e-4)


@given(scenes())
def test_overlap_of_sure_tracks_is_plain_iou(scene: tuple[list[list[float]], list[list[float]]]) -> None:
    events, tracks = as_boxes_xyxy(scene[0]), as_boxes_xyxy(scene[1])
    ious = iou_matrix(events, tracks)
    for match in SERVICE.assign(events, expected(tracks, spread=0.0), (4000, 4000)):
        assert match.iou == pytest.approx(float(ious[match.event, match.track]), abs=1e-4)
        iou, distance = SERVICE.match(scene[0][match.event], scene[1][match.track], (4000, 4000))
        assert iou == pytest.approx(match.iou, abs=1e-4)
        if np.isfinite(distance):
            assert distance == pytest.approx(match.distance_px, rel=1e-4, abs=1e-3)


def test_the_less_is_known_the_farther_a_face_may_be() -> None:
    tracks, events = as_boxes_xyxy([[100, 100, 200, 200]]), as_boxes_xyxy([[240, 100, 340, 200]])
    assert not SERVICE.assign(events, expected(tracks, spread=0.1), FRAME)
    assert SERVICE.assign(events, expected(tracks, spread=0.6), FRAME)


def test_competing_faces_are_matched_for_the_best_total() -> None:
    """Best pair first would take 0.75, leave 0.05 and lose a face."""
    tracks = as_boxes_xyxy([[100, 100, 200, 200], [150, 100, 250, 200]])
    events = as_boxes_xyxy([[140, 100, 240, 200], [185, 100, 285, 200]])
    matches = {m.event: m.track for m in SERVICE.assign(events, expected(tracks, spread=0.0), FRAME)}
    assert matches == {0: 0, 1: 1}


def test_a_weak_face_takes_no_track_from_a_sure_one_and_none_by_distance() -> None:
    tracks = as_boxes_xyxy([[100, 100, 200, 200], [400, 100, 500, 200]])
    events = as_boxes_xyxy([[102, 100, 202, 200], [120, 100, 220, 200], [405, 100, 505, 200], [470, 260, 570, 360]])
    weak = np.array([True, False, True, True])
    matches = {m.event: m.track for m in SERVICE.assign(events, expected(tracks), FRAME, weak=weak)}
    assert matches == {1: 0, 2: 1}


def test_a_weak_face_must_lie_where_its_track_is_expected() -> None:
    tracks, beside = as_boxes_xyxy([[100, 100, 200, 200]]), as_boxes_xyxy([[150, 100, 250, 200]])
    assert SERVICE.match(beside[0], tracks[0], FRAME)[0] == pytest.approx(1 / 3)
    assert SERVICE.assign(beside, expected(tracks, spread=0.0), FRAME, weak=np.array([False]))
    assert not SERVICE.assign(beside, expected(tracks, spread=0.0), FRAME, weak=np.array([True]))


def test_who_was_just_seen_is_before_who_was_silent() -> None:
    silent, seen = (100.0, 100.0, 200.0, 200.0, 0.0, 0.9), (125.0, 100.0, 225.0, 200.0, 0.0, 0.1)
    between = as_boxes_xyxy([[110, 100, 210, 200]])
    (match,) = SERVICE.assign(between, Expected([silent, seen], at_edge=False), FRAME)
    assert match.track == 1
    (match,) = SERVICE.assign(between, Expected([(*silent[:5], 0.1), seen], at_edge=False), FRAME)
    assert match.track == 0, "of two that were just seen, the one that overlaps more"


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_best_total_is_the_best_of_all(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    gains = (rng.random((rows, columns)) * (rng.random((rows, columns)) > 0.4)).astype(np.float32)
    found = list(zip(*(places.tolist() for places in best_total(gains)), strict=True))
    assert len({row for row, _ in found}) == len({column for _, column in found}) == len(found)
    short, long = (gains, range(columns)) if rows <= columns else (gains.T, range(rows))
    best = max(
        sum(float(short[row, column]) for row, column in enumerate(order))
        for order in itertools.permutations(long, len(short))
    )
    assert sum(float(gains[pair]) for pair in found) == pytest.approx(best, abs=1e-5)
    assert all(gains[pair] > 0.0 for pair in found)
