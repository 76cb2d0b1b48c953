"""Ground truth on disk: compact JSON beside each clip.

``{"version": 1, "width", "height", "fps", "frames": [[[passage, identity, left, top, right, bottom, visible], …], …]}``
"""

from json import dumps, loads
from pathlib import Path
from typing import Any

from vigia.application.errors import ConfigurationError
from vigia.domain.ground_truth import ClipTruth, TruthFace

FORMAT_VERSION = 1


def truth_to_text(truth: ClipTruth) -> str:
    """The file's text; one line."""
    frames = [[[f.passage_id, f.identity, *f.box_xyxy, f.visible] for f in faces] for faces in truth.frames]
    document = {
        "version": FORMAT_VERSION,
        "width": truth.width,
        "height": truth.height,
        "fps": truth.fps,
        "frames": frames,
    }
    return dumps(document, separators=(",", ":"))


def load_truth(path: Path) -> ClipTruth:
    """Read the ground truth that lies beside a clip.

    Raises:
        ConfigurationError: missing, damaged, or of another version.
    """
    try:
        document: dict[str, Any] = loads(path.read_text(encoding="utf-8"))
        if document["version"] != FORMAT_VERSION:
            raise ConfigurationError("%(path)s is ground truth of another version", path=str(path))
        return ClipTruth(
            int(document["width"]),
            int(document["height"]),
            float(document["fps"]),
            tuple(tuple(_face(face) for face in faces) for faces in document["frames"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError("%(path)s is not readable as ground truth", path=str(path)) from error


def _face(values: list[float]) -> TruthFace:
    passage_id, identity, left, top, right, bottom, visible = values
    return TruthFace(
        int(passage_id), int(identity), (float(left), float(top), float(right), float(bottom)), float(visible)
    )
