"""The score of a shot beside the rendered truth: is the chosen frame one that is truly good, and what does it cost?

Passages whose every fault is known are drawn, looked at by every model that is here, and judged as the pipeline judges.
The frame with the highest score is held against the truth of all frames of its passage, beside rules that need no
score. Refusals by the stand-in and small faces are parts of their own.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from time import perf_counter

import numpy as np

from vigia.bench.context import BenchContext
from vigia.bench.part import BenchPart
from vigia.bench.quality_choice import BEST_SHARE, Observation, Rule, cadences_of, observe
from vigia.bench.quality_views import Sitter, View
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Spread, Table, Verdict, percent
from vigia.domain.quality import assess
from vigia.infrastructure.demo.portraits import Look

TRACKS, TRACKS_QUICK = 24, 5
SEED = 2024
"""Not the one that the weights were fitted on."""
MIN_FACE_PX = 45.0
"""The smallest face of the passages: what the detectors' input is sized for."""
GOOD_MIN = 0.95
NEAR_LOSS = 0.05
"""A chosen frame that is worth this little less than the best one, as a share, cannot be told from it."""
COST_FACES_PX = (60.0, 80.0, 127.0, 160.0, 200.0, 255.0, 300.0)
COST_CALLS = 200
COST_MAX_S = 0.15e-3
PARTS = (("vigia.bench.refusals", "refusal_part"), ("vigia.bench.small_faces", "small_face_part"))


def run(context: BenchContext) -> BenchResult:
    """All of it."""
    observations = observe(context, count=int(context.pick(TRACKS, TRACKS_QUICK)), seed=SEED, min_face_px=MIN_FACE_PX)
    models = list(context.models())
    cost = _cost()
    others = list(_other_parts(context))
    table, data, worst = _choices(observations, models)
    correlation = {model: _correlation(observations, model) for model in models}
    measured = f"{percent(worst[0])} of tracks ({worst[1]}, k={worst[2]}, the least)"
    return BenchResult(
        name="quality",
        title="the chosen shot beside the rendered truth",
        tables=(table, _models_table(observations, models, correlation), _cost_table(cost), *_tables(others)),
        chart=_chart(observations, models),
        verdicts=(
            Verdict("best_shot", measured, held=worst[0] >= GOOD_MIN),
            *(verdict for part in others for verdict in part.verdicts),
        ),
        data={
            "choices": data,
            "correlation": correlation,
            "cost_s": {f"{face_px:.0f}": spread.as_json() for face_px, spread in cost.items()},
            **{key: value for part in others for key, value in part.data.items()},
        },
        notes=(*_notes(observations), *(note for part in others for note in part.notes)),
    )


def _other_parts(context: BenchContext) -> list[BenchPart]:
    """What modules of their own measure, as far as they are there."""
    parts = []
    for module, function in PARTS:
        if find_spec(module) is None:
            continue
        part = getattr(import_module(module), function)(context)
        if not isinstance(part, BenchPart):
            raise TypeError(f"{module}.{function} gave a {type(part).__name__}, not a BenchPart")
        parts.append(part)
    return parts


def _tables(parts: Sequence[BenchPart]) -> list[Table]:
    return [table for part in parts for table in part.tables]


def shares(observations: Sequence[Observation], model: str, k: int, rule: Rule) -> tuple[int, float, float, float]:
    """How well a rule chooses.

    Returns:
        Tracks with enough events to choose from; the share of them whose chosen frame is among the best tenth; the
        share whose frame is worth at most ``NEAR_LOSS`` less than the best; and the mean loss.
    """
    pairs = [(one, chosen) for one in observations if (chosen := one.chosen(model, k, rule)) is not None]
    if not pairs:
        return 0, 0.0, 0.0, 1.0
    losses = [one.loss(chosen) for one, chosen in pairs]
    good = sum(one.good(chosen) for one, chosen in pairs) / len(pairs)
    near = sum(loss <= NEAR_LOSS for loss in losses) / len(pairs)
    return len(pairs), good, near, sum(losses) / len(losses)


def _choices(
    observations: Sequence[Observation], models: Sequence[str]
) -> tuple[Table, list[dict[str, object]], tuple[float, str, int]]:
    rows: list[tuple[str, ...]] = []
    data: list[dict[str, object]] = []
    worst = (1.0, "no model", 0)
    for model in models:
        for k in cadences_of(model):
            found = {rule: shares(observations, model, k, rule) for rule in Rule}
            data += [
                {"model": model, "k": k, "rule": rule.value, "tracks": one[0], "best_tenth": one[1], "near": one[2],
                 "loss": one[3]}
                for rule, one in found.items()
            ]  # fmt: skip
            ours = found[Rule.VIGIA]
            worst = min(worst, (ours[1], model, k))
            rows.append((f"{model}, k={k}", str(ours[0]), *(percent(one[1]) for one in found.values())))
    title = f"Tracks whose chosen frame is truly among the best {BEST_SHARE * 100:.0f} % of its frames"
    return Table(title, ("", "tracks", *(rule.value for rule in Rule)), tuple(rows)), data, worst


def _models_table(observations: Sequence[Observation], models: Sequence[str], correlation: dict[str, float]) -> Table:
    rows = []
    for model in models:
        for k in cadences_of(model):
            _, _, near, loss = shares(observations, model, k, Rule.VIGIA)
            _, _, _, loss_largest = shares(observations, model, k, Rule.LARGEST)
            rows.append(
                (f"{model}, k={k}", percent(near), percent(loss), percent(loss_largest), f"{correlation[model]:.2f}")
            )
    columns = ("", f"within {NEAR_LOSS * 100:.0f} % of the best", "mean loss", "loss, largest box", "rank correlation")
    return Table("What the frame that vigia chooses is worth, beside the best one", columns, tuple(rows))


def _correlation(observations: Sequence[Observation], model: str) -> float:
    """Spearman's, of score and truth over all finds."""
    pairs = [
        (candidate.finds[model].quality.score, candidate.truth)
        for observation in observations
        for candidate in observation.candidates
        if model in candidate.finds
    ]
    if len(pairs) < 3:
        return 0.0
    ranks = np.argsort(np.argsort(np.array(pairs), axis=0, kind="stable"), axis=0)
    return float(np.asarray(np.corrcoef(ranks.T))[0, 1])


def _cost() -> dict[float, Spread]:
    """Wall time of one call, by the face's width; the median of many calls is what counts."""
    sitter = Sitter(Look("grace_hopper"))
    grey, chroma = np.full((720, 1280), 110, np.uint8), np.full((360, 640), 128, np.uint8)
    found = {}
    for face_px in COST_FACES_PX:
        shot = sitter.shoot(View(face_px, (640.0, 340.0)), (grey, chroma, chroma))
        box = np.array(shot.face_xyxy, np.float32)
        samples = []
        for _ in range(COST_CALLS):
            started_s = perf_counter()
            assess(
                luma=shot.planes[0], box_xyxy=box, landmarks=shot.landmarks, confidence=0.9, frame_size_wh=(1280, 720)
            )
            samples.append(perf_counter() - started_s)
        found[face_px] = Spread.of(samples)
    return found


def _cost_table(cost: dict[float, Spread]) -> Table:
    rows = [
        (f"{face_px:.0f} px", f"{spread.median * 1e3:.3f}", f"{spread.low * 1e3:.3f}")
        for face_px, spread in cost.items()
    ]
    return Table(
        f"Cost of judging one face, ms (wanted: ≤ {COST_MAX_S * 1e3:g})", ("face", "median", "least"), tuple(rows)
    )


def _chart(observations: Sequence[Observation], models: Sequence[str]) -> Chart:
    places = [(model, k) for model in models for k in cadences_of(model)]
    return Chart(
        title="Tracks whose chosen frame is truly among the best 10 %",
        kind=ChartKind.BARS,
        y_label="% of tracks",
        series=tuple(
            Series(rule.value, tuple(100.0 * shares(observations, model, k, rule)[1] for model, k in places))
            for rule in Rule
        ),
        categories=tuple(f"{model}, k={k}" for model, k in places),
        marks={"promised": 100.0 * GOOD_MIN},
    )


def _notes(observations: Sequence[Observation]) -> tuple[str, ...]:
    frames = sum(len(one.candidates) for one in observations)
    drawn = (
        f"{len(observations)} passages of 2 to 6 s, {frames} frames, two portraits; size, angle, blur, motion, light "
        f"and the frame's edge change over time; detectors' input sized for faces of {MIN_FACE_PX:.0f} px"
    )
    truth = (
        "truth: squared similarity with the clean portrait, times cos² of the angles that were drawn; 'best 10 %' is "
        "of all frames of the passage, whether the model found the face in them or not"
    )
    vigia = "vigia: by the score, and by a closer look at the two best; a slow model looks at every third frame only"
    fitted = "the weights were fitted on other passages of the same two people (docs/quality.md)"
    return drawn, truth, vigia, fitted
