"""What a benchmark is given: how thorough to be, where to write, the clips and the models."""

import logging
from dataclasses import dataclass
from pathlib import Path

from vigia.application.errors import ModelUnavailable
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.demo import DemoClip, DemoSpec, generate_clips
from vigia.infrastructure.detection.registry import MODELS
from vigia.infrastructure.detection.store import ModelStore

logger = logging.getLogger("vigia.bench")

CLIP_S = 10.0
CLIP_PASSAGES = (3, 4)
CLIPS = {720: 8, 1080: 4}
"""Different clips by height; more cameras than that play them again."""
QUICK_CLIPS = {720: 2, 1080: 1}


def clip_spec(height: int, *, count: int) -> DemoSpec:
    """The benchmark's clips: people of all sizes on photographs, 30 fps, ten seconds, 16:9."""
    width = height * 16 // 9
    return DemoSpec(count=count, width=width, height=height, duration_s=CLIP_S, passages=CLIP_PASSAGES)


@dataclass(frozen=True, slots=True)
class BenchContext:
    """What a benchmark is given. Immutable; travels to the benchmark's process.

    Args:
        out: existing folder for whatever the benchmark writes while it runs.
        quick: fewer repeats and shorter runs; the same rows.
        weights: a folder with model files beside the models directory, or None.
        tracks: a folder with sequences for trackers, each a folder with det.txt and gt.txt, or None.
    """

    out: Path
    quick: bool = False
    weights: Path | None = None
    tracks: Path | None = None

    def pick(self, full: float, quick: float) -> float:
        """One of the two, as thorough as asked."""
        return quick if self.quick else full

    def repeats(self) -> int:
        """How often one thing is measured."""
        return 2 if self.quick else 3

    def clips(self, height: int) -> list[DemoClip]:
        """The clips of this height (720 or 1080), drawn when the cache does not have them."""
        count = (QUICK_CLIPS if self.quick else CLIPS)[height]
        return generate_clips(clip_spec(height, count=count), self.settings().models_directory().parent / "demo")

    def settings(self, **overrides: object) -> Settings:
        """Defaults and ``section__key=value`` overrides: no file, no environment."""
        empty = self.out / "empty.yaml"
        if not empty.exists():
            empty.write_text("{}\n", encoding="utf-8")
        texts = {name.replace("__", "."): str(value) for name, value in overrides.items()}
        return load_settings(empty, env_file=None, environ={}, overrides=texts)

    def model(self, name: str) -> str | None:
        """What ``detector.model`` must say for a model of the registry; None when its weights are not here."""
        try:
            ModelStore(self.settings().models_directory()).resolve(name)
        except ModelUnavailable:
            return self._weights_file(name)
        return name

    def models(self) -> dict[str, str]:
        """Every model whose weights are here: its name, and what ``detector.model`` must say."""
        found = {name: self.model(name) for name in MODELS}
        return {name: setting for name, setting in found.items() if setting is not None}

    def _weights_file(self, name: str) -> str | None:
        for path in sorted(self.weights.glob("*.onnx")) if self.weights is not None else ():
            try:
                spec, _ = ModelStore(self.settings().models_directory()).resolve_file(path)
            except ModelUnavailable:
                continue
            if spec.name == name:
                return str(path.absolute())
        return None
