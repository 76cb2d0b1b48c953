"""How well boxes were tracked, by TrackEval's own metric classes: HOTA, CLEAR and Identity.

TrackEval's readers want a tree of folders in its benchmarks' layout; its metrics want ids and overlaps frame by frame.
The latter are given here, the former are left out: nothing is computed but the overlaps that the metrics ask for.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trackeval.metrics import CLEAR, HOTA, Identity

from vigia.bench.tracking_sequences import TrackSequence
from vigia.domain.geometry import iou_matrix
from vigia.infrastructure.mot import MotFrames
from vigia.infrastructure.mot.text import NO_BOXES

IOU_MIN = 0.5
"""From this overlap on a box counts as found, for CLEAR and Identity; HOTA takes the mean over 0.05 to 0.95."""


@dataclass(frozen=True, slots=True)
class TrackScores:
    """One tracker on one sequence: points, 0 to 100, and counts."""

    hota: float
    """Higher order tracking accuracy (Luiten et al., IJCV 2021): of detection and association alike."""
    ass_a: float
    """Its half for association."""
    idf1: float
    """F1 of identities (Ristani et al., 2016)."""
    mota: float
    """Multi-object tracking accuracy (CLEAR MOT, Bernardin and Stiefelhagen, 2008); may be negative."""
    switches: int
    """Identity switches of CLEAR MOT."""

    def as_json(self) -> dict[str, float]:
        """The figures."""
        return {name: round(float(value), 3) for name, value in asdict(self).items()}


def score(sequence: TrackSequence, result: MotFrames) -> TrackScores:
    """Compare what a tracker told with the truth, in the frames that count.

    Args:
        sequence: with the truth.
        result: boxes and ids by frame (1-based); other frames are not looked at.
    """
    data = evaluation_data(sequence, result)
    hota = HOTA().eval_sequence(data)
    quiet = {"PRINT_CONFIG": False, "THRESHOLD": IOU_MIN}
    clear, identity = CLEAR(quiet).eval_sequence(data), Identity(quiet).eval_sequence(data)
    return TrackScores(
        hota=100.0 * float(np.mean(hota["HOTA"])),
        ass_a=100.0 * float(np.mean(hota["AssA"])),
        idf1=100.0 * float(identity["IDF1"]),
        mota=100.0 * float(clear["MOTA"]),
        switches=int(clear["IDSW"]),
    )


def evaluation_data(sequence: TrackSequence, result: MotFrames) -> dict[str, Any]:
    """What TrackEval's metrics read: ids from 0 on without gaps, and an IoU matrix, frame by frame."""
    pairs = [(sequence.truth.get(n, NO_BOXES), result.get(n, NO_BOXES)) for n in sequence.numbers]
    truth_places = _places(boxes.ids for boxes, _ in pairs)
    result_places = _places(boxes.ids for _, boxes in pairs)
    return {
        "num_timesteps": len(pairs),
        "num_gt_ids": len(truth_places),
        "num_tracker_ids": len(result_places),
        "num_gt_dets": sum(len(boxes) for boxes, _ in pairs),
        "num_tracker_dets": sum(len(boxes) for _, boxes in pairs),
        "gt_ids": [_numbered(boxes.ids, truth_places) for boxes, _ in pairs],
        "tracker_ids": [_numbered(boxes.ids, result_places) for _, boxes in pairs],
        "similarity_scores": [
            iou_matrix(truth.boxes_xyxy, found.boxes_xyxy).astype(np.float64) for truth, found in pairs
        ],
    }


def _places(frames: Any) -> dict[int, int]:
    named = sorted({owner for ids in frames for owner in ids.tolist()})
    return {owner: place for place, owner in enumerate(named)}


def _numbered(ids: NDArray[np.int64], places: Mapping[int, int]) -> NDArray[np.int64]:
    return np.array([places[owner] for owner in ids.tolist()], dtype=np.int64)
