"""Ground truth of a clip, and the passages it holds.

A *passage* is one person's uninterrupted stay in the picture. Written by the demo generator beside each clip, read by
the run's report, tests and benchmarks.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TruthFace:
    """One face in one frame of a clip, exactly as it was drawn."""

    passage_id: int
    """Unique within the clip: a person who leaves and comes back makes a new passage."""
    identity: int
    """Who: unique within the clip; several passages may share it."""
    box_xyxy: tuple[float, float, float, float]
    """The visible face (forehead to chin, ear to ear), clip pixels, clipped to the frame."""
    visible: float = 1.0
    """Share of the face's unclipped box that is inside the frame and not covered by another, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class ClipTruth:
    """All faces of a clip."""

    width: int
    height: int
    fps: float
    frames: tuple[tuple[TruthFace, ...], ...]
    """frames[i] holds the faces of frame i (0-based)."""
