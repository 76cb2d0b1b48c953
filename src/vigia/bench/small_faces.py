"""Small faces: what sharp looks find, and what they cost, beside looking at everything coarsely or sharply.

Clips of the generator with faces of one size are played once through the product's pipelines, one for each way of
looking. A passage counts as *found* when its face was found so often, and with so little time between two finds, that
a track of it is long enough to be sent: ``events_min`` times, never more than ``track_miss_interval`` apart. That is
the detector's part, and the promise; *captured* is what came of it in the end, tracker and filters included.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from vigia.bench.context import BenchContext
from vigia.bench.part import BenchPart
from vigia.bench.result import Table, Verdict, percent
from vigia.bench.small_faces_run import Tally, Way, look_in_full, run_beside, whole_clip
from vigia.bootstrap.parts import detector_factory
from vigia.infrastructure.demo import DemoSpec, generate_clips

RECALL_MIN = 0.95
WORKERS = 2
"""Two cores: the figures of CPU time are those of a machine with both at work, as in production."""
FULL_LOOKS = 3
"""In full resolution a look takes up to a second: some are enough to see what it costs and finds."""
SLOW_MODEL = "centerface"
"""Takes thirty times as long as the others: looks at fewer frames in the ways that are not promised."""

COARSE, DEFAULT, SHARP_ALL, FULL = "ordinary only", "with sharp looks", "all sharp", "full resolution"

NOTES = (
    "passages: with a face of the judged size, half visible or better, for a second in all",
    "found: by the truth of each frame, events_min times or more, with at most track_miss_interval between two finds",
    "captured: by the whole product, tracker and filters at their defaults",
    "found a look: share of those faces in the frames that were looked at; false: boxes without a face, of 1000 looks",
    "CPU: the detector with its input, for a frame of video and not for a look, while both cores are at work",
    "every look is made once, and charged to each way of looking that wants it",
)


@dataclass(frozen=True, slots=True)
class Scene:
    """Clips with faces of one size, and the ways of looking at them."""

    name: str
    spec: DemoSpec
    face_px: float
    sharp_face_px: float
    """Smallest face that the sharp looks, and those that are all sharp, shall find."""
    cadences: tuple[int, ...] = (1, 3)
    judged: bool = False
    """Whether it is the one that was promised."""


def scenes(context: BenchContext) -> tuple[Scene, ...]:
    """What is drawn: the promised one always, larger pictures and smaller faces in a full run."""
    small = DemoSpec(
        count=1 if context.quick else 3, width=1920, height=1080, duration_s=6.0, seed=60, passages=(6, 6), crossings=0,
        face_px=(60.0, 75.0),
    )  # fmt: skip
    promised = Scene("1080p, 60 px", small, 60.0, 60.0, (3,) if context.quick else (1, 3), judged=True)
    if context.quick:
        return (promised,)
    large = DemoSpec(
        count=1, width=3840, height=2160, fps=15, duration_s=5.0, seed=61, passages=(6, 6), crossings=0,
        face_px=(60.0, 75.0),
    )  # fmt: skip
    tiny = DemoSpec(
        count=1, width=1920, height=1080, duration_s=6.0, seed=62, passages=(6, 6), crossings=0, face_px=(30.0, 38.0)
    )
    return promised, Scene("4K, 60 px", large, 60.0, 60.0, (2,)), Scene("1080p, 30 px", tiny, 30.0, 30.0, (3,))


def small_face_part(context: BenchContext) -> BenchPart:
    """Recall against cost, for every model that is here."""
    models = context.models()
    tallies: dict[tuple[str, str, str], Tally] = {}
    tables = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for scene in scenes(context):
            for rows in pool.map(lambda job: _measure(context, *job), _jobs(context, scene, models)):
                for key, tally in rows.items():
                    tallies.setdefault(key, Tally()).add(tally)
            tables.append(_table(scene, models, tallies))
    promised = {key: tally for key, tally in tallies.items() if key[0] == scenes(context)[0].name}
    data: dict[str, object] = {" / ".join(key): tally.as_json() for key, tally in tallies.items()}
    return BenchPart(tuple(tables), _verdicts(promised), NOTES, data)


def _jobs(context: BenchContext, scene: Scene, models: dict[str, str]) -> list[tuple[Scene, str, str, int]]:
    """Model, its setting and the number of a clip: the slow model first, so that both cores end together."""
    generate_clips(scene.spec, _cache(context))
    order = sorted(models, key=lambda name: name != SLOW_MODEL)
    if not scene.judged:
        order = [name for name in order if name != SLOW_MODEL]  # minutes, for what nobody runs it on
    return [(scene, name, models[name], clip) for name in order for clip in range(scene.spec.count)]


def _cache(context: BenchContext) -> Path:
    return context.settings().models_directory().parent / "demo"


def _measure(
    context: BenchContext, scene: Scene, model: str, setting: str, number: int
) -> dict[tuple[str, str, str], Tally]:
    """One model on one clip, every way."""
    clip = generate_clips(scene.spec, _cache(context))[number]
    # A number of its own for every model: packets are kept by stream, and two threads must not share them.
    camera = 100 * sorted(context.models()).index(model) + number
    stream = whole_clip(clip.path, clip.truth_path, number=camera, frames=scene.spec.frame_count)
    ways = [way for k in scene.cadences for way in _ways(context, scene, setting, k=k, model=model)]
    detector = detector_factory(ways[0].settings)()
    found = run_beside(stream, ways, face_px=scene.face_px, detector=detector)
    if number == 0 and scene.judged and not context.quick:
        found[FULL] = look_in_full(stream, detector, face_px=scene.face_px, looks=FULL_LOOKS)
    return {(scene.name, model, name): tally for name, tally in found.items()}


def _ways(context: BenchContext, scene: Scene, setting: str, *, k: int, model: str) -> list[Way]:
    """Every way of looking at a scene on every k-th frame."""
    shared = {"detector__model": setting, "detector__cadence_k": k}
    own: dict[str, object] = {} if scene.judged else {"detector__sharp_face_px": scene.sharp_face_px}
    ways: dict[str, dict[str, object]] = {COARSE: {"detector__sharp_look": "off"}, DEFAULT: own}
    if model != SLOW_MODEL or (scene.judged and k == max(scene.cadences) and not context.quick):
        ways[SHARP_ALL] = {"detector__min_face_px": scene.sharp_face_px}
    return [Way(f"{name}, k={k}", context.settings(**shared, **more)) for name, more in ways.items()]


def _table(scene: Scene, models: Iterable[str], tallies: dict[tuple[str, str, str], Tally]) -> Table:
    rows = []
    for model in models:
        rows += [
            _row(model, way, tally) for (name, of, way), tally in tallies.items() if (name, of) == (scene.name, model)
        ]
    return Table(
        f"faces of {scene.name}: recall against cost",
        ("model", "looks", "found", "captured", "found a look", "false", "CPU ms a frame"),
        tuple(rows),
    )


def _row(model: str, way: str, tally: Tally) -> tuple[str, ...]:
    whole = tally.passages > 0
    return (
        model,
        way,
        f"{tally.found}/{tally.passages}" if whole else "-",
        f"{tally.captured}/{tally.passages}" if whole else "-",
        percent(tally.faces_found / tally.faces) if tally.faces else "-",
        f"{1000.0 * tally.false_boxes / max(1, tally.looks):.1f}",
        f"{1000.0 * tally.cpu_s / max(1, tally.frames):.2f}",
    )


def _verdicts(promised: dict[tuple[str, str, str], Tally]) -> tuple[Verdict, ...]:
    """The default way of every model: each must reach it, at every cadence."""
    judged = {(model, way): tally for (_, model, way), tally in promised.items() if way.startswith(DEFAULT)}
    if not judged:
        return ()
    texts = [
        f"{model} k={way.rpartition('=')[2]} {percent(tally.recall)}" for (model, way), tally in sorted(judged.items())
    ]
    held = all(tally.recall >= RECALL_MIN for tally in judged.values())
    return (Verdict("small_faces", ", ".join(texts), held),)
