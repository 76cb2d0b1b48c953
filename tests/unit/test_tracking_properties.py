"""What must hold of tracking whatever the scene: nothing depends on where, in which order or how often one looks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from making import START_UTC
from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.camera import CameraId
from vigia.domain.event import EventId, FaceEvent
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.testing.video import landmarks_for

GATE = CameraId("gate")
FRAME_WH = (4000, 3000)
FPS = 30.0
Scene = list[list[NDArray[np.float32]]]
"""Boxes of each frame, left, top, right, bottom."""


@dataclass(frozen=True)
class Walker:
    """Somebody who walks straight on, seen from ``first`` on."""

    first: int
    centre_xy: tuple[float, float]
    velocity_xy: tuple[float, float]
    side_px: float

    def box(self, frame: int) -> NDArray[np.float32]:
        x, y = (c + v * frame / FPS for c, v in zip(self.centre_xy, self.velocity_xy, strict=True))
        half = self.side_px / 2.0
        return np.array([x - half, y - half, x + half, y + half], dtype=np.float32)


def followed(
    scene: Sequence[Sequence[NDArray[np.float32]]], *, every: int = 1, confidences: Sequence[Sequence[float]] = ()
) -> list[list[int | None]]:
    """The track of every box, None for one that was left alone; frames between two looks are empty."""
    tracks = ManageTracksUseCase(TrackMatchingService(), miss_interval_s=1.0, duration_max_s=0.0)
    result: list[list[int | None]] = []
    event_id = 0
    for index in range(0, len(scene), every):
        events = []
        for row, box in enumerate(scene[index]):
            event_id += 1
            events.append(
                FaceEvent(
                    id=EventId(event_id),
                    camera_id=GATE,
                    frame_index=index,
                    at_mono_s=100.0 + index / FPS,
                    at_utc=START_UTC,
                    box_xyxy=box,
                    landmarks=landmarks_for(box[None])[0],
                    confidence=confidences[index][row] if confidences else 0.9,
                    frame_size_wh=FRAME_WH,
                    sure=not confidences or confidences[index][row] >= 0.5,
                )
            )
        found = {a.event.id: int(a.track_id) for a in tracks.execute(GATE, events)} if events else {}
        tracks.expire(GATE, 100.0 + index / FPS)
        result.append([found.get(event.id) for event in events])
    return result


def partition(tracks: Sequence[Sequence[int | None]]) -> list[list[int | None]]:
    """Track numbers in the order of their first appearance: who is with whom, whatever the numbers."""
    names: dict[int, int] = {}
    return [[None if t is None else names.setdefault(t, len(names)) for t in frame] for frame in tracks]


@st.composite
def crowds(draw: st.DrawFn) -> Scene:
    """People who come, go, cross, jitter and are missed now and then; far from the frame's edges."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people = [
        Walker(
            int(rng.integers(0, 20)),
            (float(rng.uniform(1500, 2500)), float(rng.uniform(1200, 1800))),
            (float(rng.uniform(-400, 400)), float(rng.uniform(-200, 200))),
            float(rng.uniform(40, 160)),
        )
        for _ in range(draw(st.integers(1, 8)))
    ]
    return [
        [
            (person.box(frame) + rng.normal(0, 0.03 * person.side_px, 4)).astype(np.float32)
            for person in people
            if frame >= person.first and rng.random() > 0.1
        ]
        for frame in range(40)
    ]


@settings(max_examples=40)
@given(crowds(), st.integers(-900, 900), st.integers(-900, 900))
def test_moving_the_scene_changes_no_track(scene: Scene, dx: int, dy: int) -> None:
    shift = np.array([dx, dy, dx, dy], dtype=np.float32)
    moved = [[box + shift for box in frame] for frame in scene]
    assert partition(followed(moved)) == partition(followed(scene))


@settings(max_examples=40)
@given(crowds())
def test_a_mirrored_scene_has_the_same_tracks(scene: Scene) -> None:
    width = float(FRAME_WH[0])
    mirrored = [[np.array([width - b[2], b[1], width - b[0], b[3]], np.float32) for b in frame] for frame in scene]
    assert partition(followed(mirrored)) == partition(followed(scene))


@settings(max_examples=40)
@given(crowds(), st.integers(0, 2**32 - 1))
def test_the_order_of_detections_says_nothing(scene: Scene, seed: int) -> None:
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(frame)) for frame in scene]
    shuffled = [[frame[i] for i in order] for frame, order in zip(scene, orders, strict=True)]
    back: list[list[int | None]] = []
    for tracks, order in zip(followed(shuffled), orders, strict=True):
        row: list[int | None] = [None] * len(order)
        for place, i in enumerate(order):
            row[int(i)] = tracks[place]
        back.append(row)
    assert partition(back) == partition(followed(scene))


@settings(max_examples=40)
@given(crowds(), st.integers(1, 10))
def test_no_detection_is_in_two_tracks_and_no_number_comes_back(scene: Scene, every: int) -> None:
    tracks = followed(scene, every=every)
    last_seen: dict[int, int] = {}
    newest = 0
    for frame, numbers in enumerate(tracks):
        assert None not in numbers, "confident faces are always somebody's"
        assert len(set(numbers)) == len(numbers), "one frame gives a track one face"
        for number in sorted(n for n in numbers if n is not None):
            if number not in last_seen:
                assert number > newest, "a number was used again"
                newest = number
            last_seen[number] = frame


@settings(max_examples=60)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
    st.integers(1, 10),
    st.floats(0.0, 5.0),
)
def test_everybody_who_is_seen_well_is_one_track_at_any_cadence(
    seed: int, count: int, every: int, sides_s: float
) -> None:
    """Perfect detections, nobody hidden: lanes a face and more apart, up to five faces' widths a second."""
    rng = np.random.default_rng(seed)
    people = []
    for lane in range(count):
        side = float(rng.uniform(40, 180))
        angle = float(rng.choice([0.0, np.pi]))
        x = 600.0 if angle == 0.0 else 3400.0
        speed = sides_s * side
        people.append(Walker(0, (x, 300.0 + 500.0 * lane), (speed * float(np.cos(angle)), 0.0), side))
    scene = [[person.box(frame) for person in people] for frame in range(61)]
    tracks = followed(scene, every=every)
    assert [len(set(column)) for column in zip(*tracks, strict=True)] == [1] * count


@pytest.mark.parametrize("every", range(1, 11))
def test_two_who_cross_keep_their_tracks(every: int) -> None:
    """Their boxes overlap in the middle of the picture; their directions tell them apart."""
    left = Walker(0, (1000.0, 1000.0), (300.0, 0.0), 100.0)
    right = Walker(0, (1900.0, 1040.0), (-300.0, 0.0), 100.0)
    tracks = followed([[left.box(frame), right.box(frame)] for frame in range(90)], every=every)
    assert [len(set(column)) for column in zip(*tracks, strict=True)] == [1, 1]


@pytest.mark.parametrize("every", [1, 3])
def test_a_face_that_was_hidden_for_half_a_second_is_taken_up_again(every: int) -> None:
    person = Walker(0, (1000.0, 1000.0), (250.0, 40.0), 90.0)
    scene = [[] if 30 <= frame < 45 else [person.box(frame)] for frame in range(80)]
    tracks = followed(scene, every=every)
    assert len({number for row in tracks for number in row}) == 1


def test_weak_detections_carry_a_track_and_start_none() -> None:
    person = Walker(0, (1000.0, 1000.0), (200.0, 0.0), 90.0)
    stray = Walker(0, (2500.0, 2000.0), (0.0, 0.0), 90.0)
    scene = [[person.box(frame), stray.box(frame)] for frame in range(30)]
    confidences = [[0.9 if frame < 10 else 0.35, 0.35] for frame in range(30)]
    tracks = followed(scene, confidences=confidences)
    assert len({row[0] for row in tracks}) == 1
    assert {row[1] for row in tracks} == {None}
