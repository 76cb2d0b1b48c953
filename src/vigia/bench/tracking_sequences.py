"""What trackers are measured on: MOTChallenge sequences of a folder, and faces of the generator with made-up errors.

A generator sequence is a plan of the demo cameras (who is where, and how much of each face is seen) and detections
derived from it by a seeded detector that errs as real ones do: boxes jitter, faces are missed singly and in bursts, and
the more the less of them is seen; confidence falls with what is hidden; now and then there is a box where nobody is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vigia.application.errors import ConfigurationError
from vigia.domain.ground_truth import ClipTruth, TruthFace
from vigia.infrastructure.demo import DemoSpec, plan_clip
from vigia.infrastructure.mot import MotBoxes, MotFrames, read_mot

DETECTIONS_FILE, TRUTH_FILE, INFO_FILE = "det.txt", "gt.txt", "seqinfo.ini"
KNOWN: Mapping[str, tuple[float, tuple[int, int]]] = {
    "tud_stadtmitte": (25.0, (640, 480)),
    "head17_09": (30.0, (1920, 1080)),
}
"""Frames a second and size of sequences that come without ``seqinfo.ini``."""
VISIBLE_MIN = 0.2
"""A face of which less is seen is nobody's to find: not in the truth of the generator's sequences."""
GENERATOR_SEED = 61
GENERATOR_CLIPS, GENERATOR_CLIPS_QUICK = 3, 1


@dataclass(frozen=True, slots=True, eq=False)
class TrackSequence:
    """Detections and truth of one sequence."""

    name: str
    fps: float
    size_wh: tuple[int, int]
    frames: int
    detections: MotFrames
    truth: MotFrames
    k: int = 1
    """Only frames 1, 1 + k, 1 + 2 k … have detections, and only they are evaluated."""

    @property
    def numbers(self) -> range:
        """The frames that count, 1-based."""
        return range(1, self.frames + 1, self.k)

    def every(self, k: int) -> "TrackSequence":
        """The same sequence, looked at in every ``k``-th frame only."""
        return TrackSequence(self.name, self.fps, self.size_wh, self.frames, self.detections, self.truth, k)


@dataclass(frozen=True, slots=True)
class DetectorErrors:
    """How the made-up detector errs. Shares are of 1, sizes in sides of the face."""

    jitter: float = 0.04
    """Standard deviation of the centre and, relative, of each side."""
    miss: float = 0.05
    """A face that is seen whole is missed so often; one that is half hidden, five times as often."""
    burst: float = 0.012
    """In so many frames a burst of misses begins, of ``burst_frames``."""
    burst_frames: tuple[int, int] = (3, 9)
    false_a_frame: float = 0.1
    """Boxes where nobody is, on average; half of them stay for a few frames."""
    false_stay_frames: int = 4


def folder_sequences(folder: Path) -> list[TrackSequence]:
    """Every sub-folder with ``det.txt`` and ``gt.txt``, by name.

    Frames a second and size come from ``seqinfo.ini`` where there is one, as MOTChallenge writes it.

    Raises:
        ConfigurationError: there is none, a file is broken, or nothing tells a sequence's frame rate and size.
    """
    found = [_read_sequence(path.parent) for path in sorted(folder.glob(f"*/{DETECTIONS_FILE}"))]
    if not found:
        raise ConfigurationError(
            "%(directory)s holds no sequence: wanted are folders with det.txt and gt.txt", directory=folder
        )
    return found


def _read_sequence(folder: Path) -> TrackSequence:
    detections, truth = read_mot(folder / DETECTIONS_FILE), read_mot(folder / TRUTH_FILE)
    info = _info(folder / INFO_FILE)
    try:
        fps, size_wh = float(info["frameRate"]), (int(info["imWidth"]), int(info["imHeight"]))
    except (KeyError, ValueError):
        if folder.name not in KNOWN:
            raise ConfigurationError(
                "%(path)s must say frameRate, imWidth and imHeight", path=folder / INFO_FILE
            ) from None
        fps, size_wh = KNOWN[folder.name]
    return TrackSequence(folder.name, fps, size_wh, max((0, *detections, *truth)), detections, _counted(truth))


def _info(path: Path) -> dict[str, str]:
    """``key=value`` lines of a seqinfo.ini; nothing where there is no file."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return {key.strip(): value.strip() for key, sign, value in (line.partition("=") for line in lines) if sign}


def _counted(truth: MotFrames) -> MotFrames:
    """MOTChallenge's truth marks with a confidence of 0 what is not to be evaluated."""
    kept = {}
    for frame, boxes in truth.items():
        counts = boxes.confidences > 0.0
        kept[frame] = MotBoxes(boxes.ids[counts], boxes.boxes_xyxy[counts], boxes.confidences[counts])
    return kept


def generator_spec(*, count: int, seed: int = GENERATOR_SEED) -> DemoSpec:
    """Busy clips: ten to thirteen people in twelve seconds, four pairs of whom meet."""
    return DemoSpec(
        count=count, width=1280, height=720, fps=30, duration_s=12.0, seed=seed,
        passages=(10, 13), crossings=4, face_px=(45.0, 180.0),
    )  # fmt: skip


def generator_sequences(
    *, count: int, seed: int = GENERATOR_SEED, errors: DetectorErrors | None = None
) -> list[TrackSequence]:
    """``count`` sequences of faces. The same seed gives the same; nothing is drawn. Pure."""
    spec = generator_spec(count=count, seed=seed)
    chosen = errors if errors is not None else DetectorErrors()
    return [
        sequence_of(plan_clip(spec, number).truth(), name=f"faces_{number + 1}", errors=chosen, seed=(seed, number))
        for number in range(count)
    ]


def sequence_of(truth: ClipTruth, *, name: str, errors: DetectorErrors, seed: tuple[int, ...]) -> TrackSequence:
    """A clip's truth, and what the made-up detector sees of it. Pure."""
    detector = _Detector(errors, truth, seed)
    detections = {number: boxes for number, boxes in enumerate(detector.run(), 1) if len(boxes)}
    known = {number: _truth_boxes(faces) for number, faces in enumerate(truth.frames, 1)}
    return TrackSequence(
        name=name,
        fps=truth.fps,
        size_wh=(truth.width, truth.height),
        frames=len(truth.frames),
        detections=detections,
        truth={number: boxes for number, boxes in known.items() if len(boxes)},
    )


def _truth_boxes(faces: tuple[TruthFace, ...]) -> MotBoxes:
    seen = [face for face in faces if face.visible >= VISIBLE_MIN]
    boxes = np.array([face.box_xyxy for face in seen], dtype=np.float32).reshape(-1, 4)
    return MotBoxes(np.array([face.passage_id for face in seen], dtype=np.int64), boxes, np.ones(len(seen)))


class _Detector:
    """The made-up detector. Owner: sequence_of."""

    def __init__(self, errors: DetectorErrors, truth: ClipTruth, seed: tuple[int, ...]) -> None:
        self._errors = errors
        self._truth = truth
        self._rng = np.random.default_rng(seed)
        self._blind: dict[int, int] = {}  # passage: last frame of the burst of misses
        self._ghosts: list[tuple[int, list[float], float]] = []  # last frame, box, confidence

    def run(self) -> Iterator[MotBoxes]:
        """The detections of every frame, in order."""
        for number, faces in enumerate(self._truth.frames):
            rows = [self._see(face) for face in faces if not self._missed(number, face)]
            rows += self._false(number)
            values = np.array(rows, dtype=np.float64).reshape(-1, 5)
            limits = np.array([self._truth.width, self._truth.height] * 2, dtype=np.float64)
            boxes = np.clip(values[:, :4], 0.0, limits)
            whole = (boxes[:, 2] > boxes[:, 0] + 1.0) & (boxes[:, 3] > boxes[:, 1] + 1.0)
            order = self._rng.permutation(np.flatnonzero(whole))  # a detector sorts by confidence, not by person
            ids = np.full(len(order), -1, dtype=np.int64)
            yield MotBoxes(ids, boxes[order].astype(np.float32), values[order, 4].copy())

    def _missed(self, number: int, face: TruthFace) -> bool:
        errors, rng = self._errors, self._rng
        if face.visible < VISIBLE_MIN:
            return True
        if self._blind.get(face.passage_id, -1) >= number:
            return True
        if rng.random() < errors.burst:
            self._blind[face.passage_id] = number + int(rng.integers(*errors.burst_frames))
            return True
        return bool(rng.random() < min(0.95, errors.miss * (1.0 + 8.0 * (1.0 - face.visible))))

    def _see(self, face: TruthFace) -> list[float]:
        rng = self._rng
        left, top, right, bottom = face.box_xyxy
        wide, high = right - left, bottom - top
        x, y, stretch_x, stretch_y = rng.normal(0.0, self._errors.jitter, 4)
        middle_x, middle_y = (left + right) / 2.0 + x * wide, (top + bottom) / 2.0 + y * high
        wide, high = wide * (1.0 + stretch_x), high * (1.0 + stretch_y)
        confidence = float(np.clip(0.96 - 0.55 * (1.0 - face.visible) - abs(rng.normal(0.0, 0.06)), 0.3, 0.99))
        return [middle_x - wide / 2, middle_y - high / 2, middle_x + wide / 2, middle_y + high / 2, confidence]

    def _false(self, number: int) -> list[list[float]]:
        rng, errors = self._rng, self._errors
        self._ghosts = [ghost for ghost in self._ghosts if ghost[0] >= number]
        for _ in range(int(rng.poisson(errors.false_a_frame))):
            side = float(rng.uniform(40.0, 160.0))
            x, y = float(rng.uniform(0.0, self._truth.width - side)), float(rng.uniform(0.0, self._truth.height - side))
            stays = int(rng.integers(1, errors.false_stay_frames + 1)) if rng.random() < 0.5 else 0
            self._ghosts.append((number + stays, [x, y, x + side, y + 1.25 * side], float(rng.uniform(0.3, 0.75))))
        return [[*(edge + rng.normal(0.0, 1.5) for edge in box), confidence] for _, box, confidence in self._ghosts]
