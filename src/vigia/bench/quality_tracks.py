"""Passages of one face whose every fault is known: it comes nearer, turns, blurs, is lit from the side, leaves.

Drawn frame by frame, looked at by a real detector, judged by the score and by the truth. The same seed gives the same
passages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vigia.application.ports import FaceDetector
from vigia.bench.quality_truth import TruthMeter
from vigia.bench.quality_views import Shot, Sitter, View
from vigia.domain.camera import CameraId
from vigia.domain.event import Box, EventId, FaceEvent, Landmarks, Quality
from vigia.domain.geometry import as_boxes_xyxy, iou_matrix
from vigia.domain.quality import assess
from vigia.infrastructure.demo import DemoSpec
from vigia.infrastructure.demo.planes import Plane8
from vigia.infrastructure.demo.portraits import PORTRAITS, Look
from vigia.infrastructure.demo.scenery import background
from vigia.infrastructure.video.picture import AvPicture

WIDTH, HEIGHT, FPS = 960, 540, 15
DURATION_S = (2.0, 6.0)
SHUTTER_S = 0.02
"""How long the shutter is open: what a walking face is blurred by."""
KNOT_S = 0.9
"""How fast a face changes: one new aim about so often."""
SAME_FACE_IOU = 0.25
START_UTC = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
Curve = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrackPlan:
    """One passage: who, before which scene, and how it is seen in every frame."""

    number: int
    look: Look
    scene: int
    views: tuple[View, ...]

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return len(self.views) / FPS


@dataclass(frozen=True, slots=True, eq=False)
class Find:
    """What one detector made of one frame."""

    box_xyxy: Box
    landmarks: Landmarks
    confidence: float
    quality: Quality


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One frame of a passage."""

    index: int
    truth: float
    view: View
    finds: dict[str, Find]
    """By model; those that found the face."""


def plan_tracks(count: int, *, seed: int = 41) -> list[TrackPlan]:
    """Passages of all kinds; the first ones stay the same however many are asked for."""
    return [_plan(number, seed) for number in range(count)]


def _plan(number: int, seed: int) -> TrackPlan:
    rng = np.random.default_rng([seed, number])
    count = round(rng.uniform(*DURATION_S) * FPS)
    look = Look(
        list(PORTRAITS)[number % len(PORTRAITS)], flipped=bool(rng.integers(2)), warmth=float(rng.uniform(-4.0, 4.0))
    )
    x, y, face_px = (_approach, _across, _linger)[number % 3](rng, count)
    varies = rng.random(6) < (0.85, 0.5, 0.6, 0.5, 0.5, 0.5)
    yaw = _curve(rng, count, -46.0, 46.0) if varies[0] else _curve(rng, count, -12.0, 12.0)
    pitch = _curve(rng, count, -25.0, 25.0) if varies[1] else _curve(rng, count, -6.0, 6.0)
    roll = _curve(rng, count, -9.0, 9.0)
    defocus = np.maximum(_curve(rng, count, -0.03, 0.06), 0.0) if varies[2] else np.zeros(count)
    gain = np.exp(_curve(rng, count, -1.3, 0.5)) if varies[3] else np.exp(_curve(rng, count, -0.1, 0.1))
    side = _curve(rng, count, -0.9, 0.9) if varies[4] else _curve(rng, count, -0.15, 0.15)
    speed = np.hypot(np.gradient(x), np.gradient(y)) * FPS
    shake = np.maximum(_curve(rng, count, -0.15, 0.12), 0.0) if varies[5] else np.zeros(count)
    motion = np.minimum(speed * SHUTTER_S / face_px + shake, 0.3)
    motion_deg = np.degrees(np.arctan2(np.gradient(y), np.gradient(x))) + np.where(shake > 0.02, 40.0, 0.0)
    noise = float(rng.uniform(1.0, 3.0))
    values = zip(face_px, x, y, yaw, pitch, roll, defocus, motion, motion_deg, gain, side, strict=True)
    views = tuple(
        View(size, (at_x, at_y), turn, nod, lean, blur, trace, angle, light, 1.0, aside, noise)
        for size, at_x, at_y, turn, nod, lean, blur, trace, angle, light, aside in (map(float, row) for row in values)
    )
    return TrackPlan(number, look, int(rng.integers(4)), views)


def _curve(rng: np.random.Generator, count: int, low: float, high: float) -> Curve:
    """A smooth way between random aims."""
    knots = max(3, round(count / FPS / KNOT_S) + 2)
    places = np.linspace(0.0, count - 1.0, knots)
    aims = rng.uniform(low, high, knots)
    number = np.clip(np.searchsorted(places, np.arange(count), side="right") - 1, 0, knots - 2)
    share = (np.arange(count) - places[number]) / (places[1] - places[0])
    ease = 0.5 - 0.5 * np.cos(np.pi * share)
    way: Curve = aims[number] + (aims[number + 1] - aims[number]) * ease
    return way


def _approach(rng: np.random.Generator, count: int) -> tuple[Curve, Curve, Curve]:
    """Far away to near, at times past the lower edge; every other time away again."""
    share = np.linspace(0.0, 1.0, count)
    face_px = rng.uniform(45.0, 70.0) * (rng.uniform(1.8, 3.0) ** share)
    x = np.linspace(rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.7), count) * WIDTH
    y = rng.uniform(0.25, 0.4) * HEIGHT + rng.uniform(0.0, 0.7) * HEIGHT * share**3
    y += 0.03 * face_px * np.sin(2.0 * np.pi * 1.8 * np.arange(count) / FPS)
    return (x, y, face_px) if rng.random() < 0.6 else (x[::-1], y[::-1], face_px[::-1])


def _across(rng: np.random.Generator, count: int) -> tuple[Curve, Curve, Curve]:
    """From one side to the other, coming in and going out through the edges."""
    share = np.linspace(0.0, 1.0, count)
    face_px = rng.uniform(60.0, 130.0) * (1.0 + 0.35 * np.sin(np.pi * share + rng.uniform(-1.0, 1.0)))
    x = -0.3 * face_px + (WIDTH + 0.6 * face_px) * share
    y = np.full(count, rng.uniform(0.3, 0.5) * HEIGHT) + 0.03 * face_px * np.sin(11.0 * share)
    return (x, y, face_px) if rng.random() < 0.5 else (x[::-1], y, face_px)


def _linger(rng: np.random.Generator, count: int) -> tuple[Curve, Curve, Curve]:
    """About one place, a little nearer and farther; at times at the frame's edge."""
    face_px = rng.uniform(60.0, 140.0) * np.exp(_curve(rng, count, -0.25, 0.25))
    middle = rng.choice([0.04, 0.3, 0.5, 0.7, 0.96])
    x = middle * WIDTH + _curve(rng, count, -0.07, 0.07) * WIDTH
    y = rng.uniform(0.25, 0.6) * HEIGHT + _curve(rng, count, -0.05, 0.05) * HEIGHT
    return x, y, face_px


@cache
def scenes() -> tuple[tuple[Plane8, Plane8, Plane8], ...]:
    """The four backgrounds; not to be changed. 3 MB."""
    spec = DemoSpec(width=WIDTH, height=HEIGHT)
    return tuple(background(spec, index) for index in range(4))


def shots_of(plan: TrackPlan, scenery: Sequence[tuple[Plane8, Plane8, Plane8]]) -> Iterator[tuple[Shot, float]]:
    """Every frame of a passage, and what it is truly worth."""
    sitter = Sitter(plan.look, seed=plan.number)
    meter = TruthMeter(sitter)
    for view in plan.views:
        shot = sitter.shoot(view, scenery[plan.scene])
        yield shot, meter.truth(shot)


def picture_of(shot: Shot) -> AvPicture:
    """The frame as a decoder would hand it over."""
    width, height = shot.size_wh
    planes = np.concatenate([plane.reshape(-1, width) for plane in shot.planes])
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(planes), format="yuv420p")
    assert (frame.width, frame.height) == (width, height)  # noqa: S101 - both sides of a boundary
    return AvPicture(frame)


def event_of(index: int, find: Find, picture: AvPicture) -> FaceEvent:
    """What the pipeline would know of a find in the frame of this number."""
    return FaceEvent(
        id=EventId(index),
        camera_id=CameraId("bench"),
        frame_index=index,
        at_mono_s=index / FPS,
        at_utc=START_UTC + timedelta(seconds=index / FPS),
        box_xyxy=find.box_xyxy,
        landmarks=find.landmarks,
        confidence=find.confidence,
        frame_size_wh=(WIDTH, HEIGHT),
        quality=find.quality,
        picture=picture,
    )


def look_at(shot: Shot, picture: AvPicture, detector: FaceDetector, *, min_face_px: float) -> Find | None:
    """The face of the frame as a detector finds it and the pipeline judges it; None when it is not found."""
    found = detector.detect(
        picture, input_width=detector.input_width_for(frame_width=picture.width, min_face_px=min_face_px)
    )
    if not len(found):
        return None
    width, height = shot.size_wh
    face = np.clip(np.array(shot.face_xyxy, np.float32), 0.0, [width, height, width, height])
    overlaps = iou_matrix(found.boxes_xyxy, as_boxes_xyxy(face))[:, 0]
    best = int(overlaps.argmax())
    if overlaps[best] < SAME_FACE_IOU:
        return None
    box, marks, confidence = found.boxes_xyxy[best], found.landmarks[best], float(found.confidences[best])
    quality = assess(
        luma=picture.luma(), box_xyxy=box, landmarks=marks, confidence=confidence, frame_size_wh=shot.size_wh
    )
    return Find(box, marks, confidence, quality)
