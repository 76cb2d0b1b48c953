"""How well a run did, judged by the ground truth: which passages were delivered, and how often.

A *passage* is one person's uninterrupted stay in the picture during one loop of a clip; the next loop holds another
passage of the same person. It is *eligible*, and has to be delivered, when its face was good enough for long enough in
frames that were really processed. Nothing here knows of tracks: only what came out in the end counts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from vigia.domain.camera import CameraId
from vigia.domain.geometry import as_boxes_xyxy, clip_boxes, iou_matrix
from vigia.domain.ground_truth import ClipTruth, TruthFace

IOU_MIN = 0.3
"""A capture belongs to a truth box only when it overlaps it by so much: a detector's box may be looser or tighter than
the truth by half its width, but a neighbour's box must not do. The mere centre would not tell two heads at a crossing
apart, so it is not looked at.
"""
VISIBLE_MIN = 0.5
DURATION_MIN_S = 1.0


@dataclass(frozen=True, slots=True, order=True)
class PassageKey:
    """Names a passage within a run."""

    camera_id: CameraId
    loop: int
    passage_id: int


@dataclass(frozen=True, slots=True)
class ProcessedWindow:
    """The part of one loop of a clip that was really processed: first and last frame number, both included."""

    first_index: int
    last_index: int

    def including(self, media_index: int) -> "ProcessedWindow":
        """The window grown to hold one more frame."""
        return ProcessedWindow(min(self.first_index, media_index), max(self.last_index, media_index))


@dataclass(frozen=True, slots=True)
class DeliveredCapture:
    """One capture that the recogniser took."""

    camera_id: CameraId
    media_index: int
    """Number of its frame within the clip."""
    loop: int
    box_xyxy: tuple[float, float, float, float]
    """The face, clip pixels."""


@dataclass(frozen=True, slots=True)
class PassageReport:
    """Every capture is counted in exactly one of ``captures``, ``small_captures``, ``false_captures``, ``unjudged``."""

    truth: int
    """Eligible passages."""
    delivered: int
    """Eligible passages with at least one capture."""
    captures: int
    """Captures of eligible passages."""
    small_captures: int
    """Captures of passages that need not have been delivered: too small, too much hidden or too short."""
    false_captures: int
    """Captures where the truth knows no face."""
    unjudged: int
    """Captures of cameras without ground truth."""
    missed: tuple[PassageKey, ...]
    """Eligible passages without a capture, in order."""

    @property
    def recall(self) -> float:
        """Share of the eligible passages that were delivered, in [0, 1]; 1 when there was none to deliver."""
        return self.delivered / self.truth if self.truth else 1.0

    @property
    def captures_per_passage(self) -> float:
        """Captures of a delivered eligible passage, on average: at least 1; 0 when none was delivered."""
        return self.captures / self.delivered if self.delivered else 0.0

    def summary(self) -> dict[str, float | int]:
        """The figures, ready for JSON."""
        return {
            "truth": self.truth,
            "delivered": self.delivered,
            "recall": round(self.recall, 4),
            "captures_per_passage": round(self.captures_per_passage, 4),
            "captures": self.captures,
            "small_captures": self.small_captures,
            "false_captures": self.false_captures,
            "unjudged": self.unjudged,
        }


def judge_passages(
    truths: Mapping[CameraId, ClipTruth],
    *,
    windows: Mapping[tuple[CameraId, int], ProcessedWindow],
    captures: Iterable[DeliveredCapture],
    min_face_px: float,
    duration_min_s: float = DURATION_MIN_S,
) -> PassageReport:
    """Compare what was delivered with what was there.

    Args:
        truths: ground truth of each camera's clip.
        windows: what was processed, by camera and loop; cameras without ground truth are passed over.
        captures: what was delivered, in any order. Duplicates count.
        min_face_px: smallest face that has to be delivered: smaller side of its box, pixels.
        duration_min_s: how long a face must have been that large, and half of it or more visible, within the
            processed window; seconds in total, gaps do not matter.

    Returns:
        The report; it does not depend on any order.

    Raises:
        ShapeError: a capture's box is no box.

    Pure; any thread.
    """
    eligible: set[PassageKey] = set()
    for (camera_id, loop), window in windows.items():
        truth = truths.get(camera_id)
        if truth is not None:
            found = eligible_passages(truth, window, min_face_px=min_face_px, duration_min_s=duration_min_s)
            eligible.update(PassageKey(camera_id, loop, passage_id) for passage_id in found)
    counts: Counter[PassageKey] = Counter()
    small = false = unjudged = 0
    for capture in captures:
        truth = truths.get(capture.camera_id)
        if truth is None:
            unjudged += 1
            continue
        face = find_face(truth, capture)
        if face is None:
            false += 1
            continue
        key = PassageKey(capture.camera_id, capture.loop, face.passage_id)
        if key in eligible:
            counts[key] += 1
        else:
            small += 1
    return PassageReport(
        truth=len(eligible),
        delivered=len(counts),
        captures=counts.total(),
        small_captures=small,
        false_captures=false,
        unjudged=unjudged,
        missed=tuple(sorted(eligible - counts.keys())),
    )


def eligible_passages(
    truth: ClipTruth, window: ProcessedWindow, *, min_face_px: float, duration_min_s: float = DURATION_MIN_S
) -> frozenset[int]:
    """Ids of the passages that have to be delivered from one loop of a clip.

    Args:
        truth: what the clip shows.
        window: the frames that were processed; parts outside the clip hold nothing.
        min_face_px: smaller side of the face's box, pixels.
        duration_min_s: seconds in total, counted in frames of the clip.
    """
    frames: Counter[int] = Counter()
    for faces in truth.frames[max(0, window.first_index) : max(0, window.last_index + 1)]:
        frames.update({f.passage_id for f in faces if f.visible >= VISIBLE_MIN and face_size_px(f) >= min_face_px})
    needed = duration_min_s * truth.fps
    return frozenset(passage_id for passage_id, count in frames.items() if count >= needed)


def find_face(truth: ClipTruth, capture: DeliveredCapture) -> TruthFace | None:
    """The face that a capture shows: the best overlap of ``IOU_MIN`` or more among the visible ones, or None.

    Of equal overlaps the one that is seen better wins, then the lower passage id.
    """
    if not 0 <= capture.media_index < len(truth.frames):
        return None
    faces = [f for f in truth.frames[capture.media_index] if f.visible > 0.0]
    if not faces:
        return None
    box = clip_boxes(as_boxes_xyxy(capture.box_xyxy), width=truth.width, height=truth.height)
    overlaps = iou_matrix(box, as_boxes_xyxy(np.array([f.box_xyxy for f in faces])))[0]
    best = max(range(len(faces)), key=lambda i: (float(overlaps[i]), faces[i].visible, -faces[i].passage_id))
    return faces[best] if overlaps[best] >= IOU_MIN else None


def face_size_px(face: TruthFace) -> float:
    """The smaller side of a face's box, pixels."""
    left, top, right, bottom = face.box_xyxy
    return min(right - left, bottom - top)
