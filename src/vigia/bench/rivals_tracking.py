"""The trackers that vigia is measured beside, as their packages offer them, and vigia itself behind the same face.

Each gets the same boxes and confidences, frame by frame, and says which track each box belongs to: boxes are never
moved, so that only the association differs. Each is measured at its defaults and at every setting of a small grid.
Whoever counts in frames is told the frame rate of what it really gets: fps / k.
"""

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import motpy
import numpy as np
import supervision
import trackers
from motpy.tracker import IOUAndFeatureMatchingFunction
from norfair.tracker import Detection as NorfairDetection
from norfair.tracker import Tracker as NorfairTracker

from vigia.bench.tracking_sequences import TrackSequence
from vigia.bootstrap.track_boxes import BoxTracker
from vigia.infrastructure.config import Settings
from vigia.infrastructure.mot import MotBoxes

OURS = "vigia"
NOBODY = -1


class BenchTracker(Protocol):
    """One tracker on one sequence. ``step`` alone is timed."""

    def prepare(self, frame: int, boxes: MotBoxes) -> Any:
        """The boxes of a frame (1-based) in the tracker's own types."""
        ...

    def step(self, prepared: Any) -> Any:
        """Associate them; what it answers is the tracker's own."""
        ...

    def owners(self, prepared: Any, answer: Any) -> list[int]:
        """The track of every box, in their order; NOBODY where it has none (yet)."""
        ...


@dataclass(frozen=True, slots=True)
class TrackerSetting:
    """One tracker at one setting. Travels to a worker process: ``make`` is a function of a module, with arguments."""

    tracker: str
    make: Callable[[TrackSequence], BenchTracker]
    options: Mapping[str, object] = field(default_factory=dict)
    """What differs from the defaults."""

    @property
    def is_default(self) -> bool:
        """As it comes."""
        return not self.options

    @property
    def label(self) -> str:
        """``name=value`` of all that differs from the defaults."""
        return ", ".join(f"{name}={value}" for name, value in self.options.items()) or "defaults"


class VigiaTracker:
    """vigia's own."""

    def __init__(self, settings: Settings, sequence: TrackSequence) -> None:
        self._tracker = BoxTracker(settings, fps=sequence.fps, size_wh=sequence.size_wh)

    def prepare(self, frame: int, boxes: MotBoxes) -> Any:
        """Face events."""
        return frame, self._tracker.events(frame, boxes)

    def step(self, prepared: Any) -> Any:
        """Associate and expire."""
        return self._tracker.step(*prepared)

    def owners(self, prepared: Any, answer: Any) -> list[int]:
        """By the events' numbers."""
        found = {association.event.id: int(association.track_id) for association in answer}
        return [found.get(event.id, NOBODY) for event in prepared[1]]


class _SupervisionTracker:
    """Whoever takes and gives ``supervision.Detections``; a box's class carries its row, which trackers pass on."""

    def __init__(self, update: Callable[[Any], Any]) -> None:
        self._update = update

    def prepare(self, frame: int, boxes: MotBoxes) -> Any:
        """Detections."""
        del frame
        return supervision.Detections(
            xyxy=boxes.boxes_xyxy.astype(np.float64).reshape(-1, 4),
            confidence=boxes.confidences.copy(),
            class_id=np.arange(len(boxes)),
        )

    def step(self, prepared: Any) -> Any:
        """Detections with ``tracker_id``."""
        return self._update(prepared)

    def owners(self, prepared: Any, answer: Any) -> list[int]:
        """By the rows that the answer still has."""
        found = [NOBODY] * len(prepared)
        if answer.tracker_id is not None and answer.class_id is not None:
            for row, owner in zip(answer.class_id.tolist(), answer.tracker_id.tolist(), strict=True):
                found[row] = int(owner)
        return found


class _NorfairTracker:
    """Norfair: two points a box."""

    def __init__(self, tracker: Any) -> None:
        self._tracker = tracker

    def prepare(self, frame: int, boxes: MotBoxes) -> Any:
        """Its detections, each with its row."""
        del frame
        return [
            NorfairDetection(points=box.reshape(2, 2), scores=np.full(2, confidence), data=row)
            for row, (box, confidence) in enumerate(
                zip(boxes.boxes_xyxy.astype(np.float64), boxes.confidences.tolist(), strict=True)
            )
        ]

    def step(self, prepared: Any) -> Any:
        """Its active objects."""
        return self._tracker.update(detections=prepared)

    def owners(self, prepared: Any, answer: Any) -> list[int]:
        """An object is where its last detection is, if that is of this frame."""
        found = [NOBODY] * len(prepared)
        rows = {id(detection): row for row, detection in enumerate(prepared)}
        for one in answer:
            row = rows.get(id(one.last_detection))
            if row is not None:
                found[row] = int(one.id)
        return found


class _Pairs(IOUAndFeatureMatchingFunction):  # type: ignore[misc]  # the package has no types
    """motpy's own matching, and a note of what it matched: the tracks that it shows do not say which box is theirs."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.known: list[Any] = []
        self.pairs: list[tuple[int, int]] = []

    def __call__(self, trackers: Sequence[Any], detections: Sequence[Any]) -> Any:
        found = super().__call__(trackers, detections)
        self.known = list(trackers)
        self.pairs = [(int(track), int(row)) for track, row in found]
        return found


class _MotpyTracker:
    """motpy."""

    def __init__(self, tracker: Any, matching: "_Pairs") -> None:
        self._tracker = tracker
        self._matching = matching
        self._names: dict[str, int] = {}

    def prepare(self, frame: int, boxes: MotBoxes) -> Any:
        """Its detections."""
        del frame
        return [
            motpy.Detection(box=box, score=confidence)
            for box, confidence in zip(boxes.boxes_xyxy.astype(np.float64), boxes.confidences.tolist(), strict=True)
        ]

    def step(self, prepared: Any) -> Any:
        """Its active tracks."""
        return self._tracker.step(detections=prepared)

    def owners(self, prepared: Any, answer: Any) -> list[int]:
        """By what was matched; a new track begins where an unmatched box is."""
        shown = {track.id for track in answer}
        found = [NOBODY] * len(prepared)
        known = {id(tracker) for tracker in self._matching.known}
        owners = {row: self._matching.known[track].id for track, row in self._matching.pairs}
        fresh = [tracker for tracker in self._tracker.trackers if id(tracker) not in known]
        for row, detection in enumerate(prepared):
            owner = owners.get(row) or next(
                (t.id for t in fresh if np.allclose(t.box(), detection.box, atol=1e-3)), None
            )
            if owner is not None and owner in shown:
                found[row] = self._names.setdefault(owner, len(self._names))
        return found


def _roboflow(name: str, method: str, options: Mapping[str, Any], sequence: TrackSequence) -> BenchTracker:
    """A tracker of roboflow's; it is told ``frame_rate``."""
    kind = supervision.ByteTrack if name == "ByteTrack" else getattr(trackers, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # supervision's is deprecated in favour of trackers'
        tracker = kind(frame_rate=sequence.fps / sequence.k, **options)
    return _SupervisionTracker(getattr(tracker, method))


def _norfair(options: Mapping[str, Any], sequence: TrackSequence) -> BenchTracker:
    """Norfair; it has no default for the distance: the one of its examples for boxes."""
    chosen: dict[str, Any] = {"distance_function": "iou", "distance_threshold": 0.7, **options}
    if "lost_s" in chosen:
        chosen["hit_counter_max"] = _frames(chosen.pop("lost_s"), sequence)
    return _NorfairTracker(NorfairTracker(**chosen))


def _motpy(options: Mapping[str, Any], sequence: TrackSequence) -> BenchTracker:
    """Of motpy."""
    chosen = dict(options)
    matching = _Pairs(**{name: chosen.pop(name) for name in ("min_iou",) if name in chosen})
    kept = {"max_staleness": _frames(chosen.pop("lost_s"), sequence)} if "lost_s" in chosen else {}
    tracker = motpy.MultiObjectTracker(
        dt=sequence.k / sequence.fps, matching_fn=matching, tracker_kwargs=kept, **chosen
    )
    return _MotpyTracker(tracker, matching)


def _frames(seconds: float, sequence: TrackSequence) -> int:
    """Frames that are looked at in so many seconds, 2 at least: for those who count in frames and know no rate."""
    return max(2, round(seconds * sequence.fps / sequence.k))


def _grid(**axes: Sequence[object]) -> list[dict[str, object]]:
    """Every combination; the last axis changes first."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], TrackSequence], BenchTracker]] = {
    "trackers SORT": partial(_roboflow, "SORTTracker", "update"),
    "trackers ByteTrack": partial(_roboflow, "ByteTrackTracker", "update"),
    "trackers OC-SORT": partial(_roboflow, "OCSORTTracker", "update"),
    "trackers C-BIoU": partial(_roboflow, "CBIoUTracker", "update"),
    "supervision ByteTrack": partial(_roboflow, "ByteTrack", "update_with_detections"),
    "norfair": _norfair,
    "motpy": _motpy,
}
GRIDS: Mapping[str, list[dict[str, object]]] = {
    "trackers SORT": _grid(minimum_iou_threshold=(0.1, 0.3), minimum_consecutive_frames=(2, 1)),
    "trackers ByteTrack": _grid(
        track_activation_threshold=(0.4,), high_conf_det_threshold=(0.4, 0.6), minimum_consecutive_frames=(2, 1)
    ),
    "trackers OC-SORT": _grid(
        minimum_consecutive_frames=(1,), high_conf_det_threshold=(0.3, 0.6), minimum_iou_threshold=(0.1, 0.3)
    ),
    "trackers C-BIoU": _grid(
        minimum_consecutive_frames=(1,), track_activation_threshold=(0.4, 0.7), high_conf_det_threshold=(0.4, 0.6)
    ),
    "supervision ByteTrack": _grid(track_activation_threshold=(0.5, 0.25), minimum_matching_threshold=(0.95, 0.8)),
    "norfair": _grid(distance_threshold=(0.9,), initialization_delay=(0, 1), lost_s=(1.0, 0.5)),
    "motpy": _grid(min_iou=(0.01, 0.1), lost_s=(1.0, 0.5)),
}
"""The stated grid of each rival, beside its defaults. ``lost_s``: how long a track may be lost, in its own frames."""


def rival_settings(*, grid_max: int | None = None) -> list[TrackerSetting]:
    """Every rival at its defaults, then at each setting of its grid, or at the first ``grid_max`` of them."""
    return [
        TrackerSetting(name, partial(make, options), options)
        for name, make in _MAKERS.items()
        for options in ({}, *GRIDS[name][:grid_max])
    ]


def our_setting(settings: Settings) -> TrackerSetting:
    """vigia, at these settings."""
    return TrackerSetting(OURS, partial(VigiaTracker, settings))
