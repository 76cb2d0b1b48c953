"""Matching some faces and tracks in plain numbers: a third of the time of arrays, and the same result."""

from collections.abc import Sequence
from math import hypot, inf
from typing import TypeAlias

from vigia.domain.geometry import EPSILON
from vigia.domain.match import GROW_MAX, GROW_SPREADS, Match, MatchKind, MatchLimits
from vigia.domain.motion import Corners, Place

Pair: TypeAlias = tuple[int, int]
"""Event, track."""


def overlap(box: Corners, track_box: Corners | Place, grown: float) -> float:
    """IoU of two boxes, each ``grown`` times as wide and high."""
    left, top, right, bottom = box
    t_left, t_top, t_right, t_bottom = track_box[:4]
    wide, high, t_wide, t_high = right - left, bottom - top, t_right - t_left, t_bottom - t_top
    gap_x, gap_y = abs(left + right - t_left - t_right) * 0.5, abs(top + bottom - t_top - t_bottom) * 0.5
    shared_wide = min(grown * 0.5 * (wide + t_wide) - gap_x, grown * min(wide, t_wide))
    shared_high = min(grown * 0.5 * (high + t_high) - gap_y, grown * min(high, t_high))
    if shared_wide <= 0.0 or shared_high <= 0.0:
        return 0.0
    shared = shared_wide * shared_high
    return shared / max(grown * grown * (wide * high + t_wide * t_high) - shared, EPSILON)


def _between(box: Corners, track_box: Corners | Place) -> float:
    """Between the centres, pixels."""
    return 0.5 * hypot(box[0] + box[2] - track_box[0] - track_box[2], box[1] + box[3] - track_box[1] - track_box[3])


def distance_within(box: Corners, track_box: Corners | Place, limits: MatchLimits, reach_sides: float) -> float:
    """Between the centres, pixels; infinite where it is no match at all."""
    left, top, right, bottom = box
    t_left, t_top, t_right, t_bottom = track_box[:4]
    distance = _between(box, track_box)
    side, t_side = (right - left + bottom - top) * 0.5, (t_right - t_left + t_bottom - t_top) * 0.5
    reach = min(limits.distance_max_px, reach_sides * (side + t_side) * 0.5)
    if distance > reach or max(side, t_side) > limits.side_ratio_max * min(side, t_side):
        return inf
    return distance


def cut_to_frame(places: Sequence[Place], frame_size: tuple[int, int]) -> list[Place]:
    """Places cut off at the frame's edge, as ``clip_boxes`` does."""
    width, height = float(frame_size[0]), float(frame_size[1])
    return [
        (
            min(max(left, 0.0), width), min(max(top, 0.0), height),
            min(max(right, 0.0), width), min(max(bottom, 0.0), height), spread, silent_s,
        )
        for left, top, right, bottom, spread, silent_s in places
    ]  # fmt: skip


def assign_few(
    boxes: Sequence[Corners], places: Sequence[Place], limits: MatchLimits, rooms: Sequence[Corners] | None
) -> list[Match] | None:
    """``assign`` for some faces in plain numbers, a third of the time; None where faces compete for tracks."""
    grown = [1.0 + 2.0 * min(GROW_SPREADS * place[4], GROW_MAX) for place in places]
    found = [
        Match(event, track, MatchKind.IOU, iou, _between(boxes[event], places[track]))
        for event, track in _touching(boxes, places, max(grown))
        if (iou := overlap(boxes[event], places[track], grown[track])) >= limits.iou_min
        and (rooms is None or _within(boxes[event], rooms[track]))
    ]
    if not _is_one_to_one(found):
        return None
    if len(found) == min(len(boxes), len(places)):
        return found
    taken_events, taken_tracks = {match.event for match in found}, {match.track for match in found}
    near = [
        Match(event, track, MatchKind.DISTANCE, overlap(box, place, grown[track]), _between(box, place))
        for event, box in enumerate(boxes)
        if event not in taken_events
        for track, place in enumerate(places)
        if track not in taken_tracks
        and distance_within(box, place, limits, limits.reach_sides(place[4])) != inf
        and (rooms is None or _within(box, rooms[track]))
    ]
    return found + near if _is_one_to_one(near) else None


def _within(box: Corners, room: Corners) -> bool:
    return box[0] >= room[0] and box[1] >= room[1] and box[2] <= room[2] and box[3] <= room[3]


def _touching(boxes: Sequence[Corners], places: Sequence[Place], grown: float) -> list[Pair]:
    """The pairs whose boxes meet when all are ``grown`` times as wide and high: for the others nothing is reckoned."""
    more = 0.5 * (grown - 1.0)
    spans = []
    for track, (left, top, right, bottom, _, _) in enumerate(places):
        wide, high = more * (right - left), more * (bottom - top)
        spans.append((track, left - wide, top - high, right + wide, bottom + high))
    pairs = []
    for event, (left, top, right, bottom) in enumerate(boxes):
        wide, high = more * (right - left), more * (bottom - top)
        low_x, low_y, high_x, high_y = left - wide, top - high, right + wide, bottom + high
        for track, t_left, t_top, t_right, t_bottom in spans:
            if low_x < t_right and high_x > t_left and low_y < t_bottom and high_y > t_top:
                pairs.append((event, track))
    return pairs


def _is_one_to_one(matches: Sequence[Match]) -> bool:
    """Whether no event and no track is in two of them."""
    count = len(matches)
    return len({match.event for match in matches}) == count == len({match.track for match in matches})
