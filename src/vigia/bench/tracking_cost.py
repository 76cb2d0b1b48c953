"""CPU of association alone: boxes that move, all of them found, in each tracker's own types before the clock runs."""

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vigia.bench.result import Spread
from vigia.bench.rivals_tracking import NOBODY, TrackerSetting
from vigia.bench.tracking_sequences import TrackSequence
from vigia.infrastructure.mot import MotBoxes

OBJECTS = (7, 50)
FRAMES, FRAMES_QUICK = {7: 120, 50: 40}, {7: 40, 50: 12}
WARM_FRAMES = 10
"""Until every tracker has confirmed its tracks."""
FPS = 30.0
SIZE_WH = (1920, 1080)
COLUMNS = 10
CELL_WH = (185.0, 200.0)
SIDES_WH = (64.0, 80.0)
REACH_PX = 50.0
"""Boxes go round in their cells: none meets another, all move, none at the same speed."""
JITTER_PX = 1.0


@dataclass(frozen=True, slots=True)
class TrackingCost:
    """What one tracker at one setting took."""

    setting: TrackerSetting
    objects: int
    frame_s: Spread
    """CPU seconds a frame."""


def moving_boxes(objects: int, *, frames: int, seed: int = 5) -> TrackSequence:
    """``objects`` boxes in each of ``frames`` frames, on circles, with a pixel of jitter. Pure."""
    rng = np.random.default_rng(seed)
    at = np.arange(objects)
    middle = np.stack([(at % COLUMNS + 0.5) * CELL_WH[0], (at // COLUMNS + 0.5) * CELL_WH[1]], axis=1)
    turns_s, phase = rng.uniform(0.15, 0.35, objects), rng.uniform(0.0, 2.0 * np.pi, objects)
    truth: dict[int, MotBoxes] = {}
    found: dict[int, MotBoxes] = {}
    for number in range(1, frames + 1):
        angle = 2.0 * np.pi * turns_s * (number - 1) / FPS + phase
        where = middle + REACH_PX * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        half = np.array(SIDES_WH) / 2.0
        boxes = np.hstack([where - half, where + half])
        truth[number] = MotBoxes(at.astype(np.int64), boxes.astype(np.float32), np.ones(objects))
        seen = (boxes + rng.normal(0.0, JITTER_PX, boxes.shape)).astype(np.float32)
        found[number] = MotBoxes(np.full(objects, -1, dtype=np.int64), seen, rng.uniform(0.8, 0.99, objects))
    return TrackSequence(f"{objects} boxes", FPS, SIZE_WH, frames, found, truth)


def measure_costs(
    settings: Sequence[TrackerSetting], *, repeats: int, quick: bool, objects: Sequence[int] = OBJECTS
) -> list[TrackingCost]:
    """Each setting at each number of objects, ``repeats`` times, round after round.

    Raises:
        RuntimeError: a tracker lost boxes: it was not the stated load.
    """
    counts = FRAMES_QUICK if quick else FRAMES
    costs = []
    for count in objects:
        sequence = moving_boxes(count, frames=WARM_FRAMES + counts[count])
        samples: list[list[float]] = [[] for _ in settings]
        for _ in range(repeats):
            for setting, taken in zip(settings, samples, strict=True):
                gc.collect()
                taken.append(cpu_a_frame_s(setting, sequence))
        costs += [
            TrackingCost(setting, count, Spread.of(taken)) for setting, taken in zip(settings, samples, strict=True)
        ]
    return costs


def cpu_a_frame_s(setting: TrackerSetting, sequence: TrackSequence) -> float:
    """CPU seconds of one ``step``, on average after WARM_FRAMES.

    Raises:
        RuntimeError: at the end a box has no track, or boxes share one.
    """
    tracker = setting.make(sequence)
    prepared = [tracker.prepare(number, sequence.detections[number]) for number in sequence.numbers]
    for one in prepared[:WARM_FRAMES]:
        tracker.step(one)
    answer = None
    started_s = time.process_time()
    for one in prepared[WARM_FRAMES:]:
        answer = tracker.step(one)
    taken_s = time.process_time() - started_s
    owners = tracker.owners(prepared[-1], answer)
    if NOBODY in owners or len(set(owners)) != len(owners):
        raise RuntimeError(f"{setting.tracker} ({setting.label}) follows {len(set(owners))} of {len(owners)} boxes")
    return taken_s / (len(prepared) - WARM_FRAMES)
