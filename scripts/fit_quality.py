"""Fit the score's weights on rendered truth and print them as they stand in ``src/vigia/domain/quality.py``.

Takes a few minutes. Run it where all models are: ``VIGIA_MODELS_DIR``, or ``--weights FOLDER``.
"""

import argparse
import tempfile
from pathlib import Path

from vigia.bench.context import BenchContext
from vigia.bench.quality import MIN_FACE_PX
from vigia.bench.quality_choice import observe
from vigia.bench.quality_fit import FIT_SEED, FIT_TRACKS, candidates_of, fit, held_out


def main() -> None:
    """Observe, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, help="folder with model files")
    parser.add_argument("--tracks", type=int, default=FIT_TRACKS)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vigia-fit-") as folder:
        context = BenchContext(Path(folder), weights=chosen.weights)
        observations = observe(context, count=chosen.tracks, seed=FIT_SEED, min_face_px=MIN_FACE_PX)
        candidates = candidates_of(observations, list(context.models()))
    for name, weight in fit(candidates).items():
        print(f'    "{name}": {weight:.2f},')
    for portrait, (good, loss) in held_out(candidates).items():
        print(f"# fitted on the other, tried on {portrait}: {good:.0%} among the best tenth, mean loss {loss:.1%}")


if __name__ == "__main__":
    main()
