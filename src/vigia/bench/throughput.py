"""Flat out: 720p and 1080p, k = 1, 2, 3, 5, every model that is here; beside decode-only and the naive design."""

from collections.abc import Sequence

from vigia.bench.context import BenchContext
from vigia.bench.flat_workers import WORKERS, FlatWorkers, WorkersKind
from vigia.bench.naive_comparison import NaiveComparison, compare_with_naive
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Spread, Table, Verdict, percent
from vigia.bench.throughput_cases import (
    CADENCES,
    HEIGHTS,
    SMALL_FACE_PX,
    CaseSamples,
    FlatCase,
    cases_table,
    measure_cases,
)
from vigia.infrastructure.detection.registry import AUTO_ORDER

PROMISED_MODEL = "yunet-s"
SHARES_MIN = {(720, 1): 0.50, (720, 2): 0.68, (720, 3): 0.78, (1080, 2): 0.70, (1080, 3): 0.80}
"""What ``promises.py`` says, by height and k."""
PROMISED_REPEATS, PROMISED_REPEATS_QUICK = 3, 1
OTHER_REPEATS = 2
WORKERS_CADENCES = (1, 3)
NAIVE_FRAMES, NAIVE_FRAMES_QUICK = 108, 18
OTHER_NAIVE_FRAMES, OTHER_NAIVE_FRAMES_QUICK = 34, 8
"""Where the promised model is missing: on full frames the others take several times as long."""


def run(context: BenchContext) -> BenchResult:
    """Measure everything and judge what was promised."""
    compared = ("yunet-s", "centerface") if context.quick else ("yunet-s", "yunet-n", "centerface")
    here = context.models()
    models = [name for name in compared if name in here] or list(here)
    default_px = context.settings().detector.min_face_px
    # More repeats of shorter stretches would tell less: a quick run measures once.
    repeats = 1 if context.quick else context.repeats()
    with FlatWorkers() as workers:
        cases = _cases(models, default_px, quick=context.quick)
        promised = [case for case in cases if _is_promised(case, default_px)]
        others = [case for case in cases if not _is_promised(case, default_px)]
        often = PROMISED_REPEATS_QUICK if context.quick else PROMISED_REPEATS
        measured = measure_cases(workers, context, promised, repeats=often, promised=True)
        measured += measure_cases(workers, context, others, repeats=1 if context.quick else OTHER_REPEATS)
        samples = sorted(measured, key=lambda one: cases.index(one.case))
    kinds = _threads_and_processes(context, models, default_px, repeats=repeats)
    naive = _naive(context, models)
    tables = [cases_table(f"Flat out, 8 streams on {WORKERS} threads", samples), _kinds_table(kinds), naive.table()]
    return BenchResult(
        name="throughput",
        title="Flat out, beside decode-only and the naive design",
        tables=tuple(tables),
        chart=_chart(samples, default_px),
        verdicts=_verdicts(samples, naive, default_px),
        data={
            "cases": [one.as_json() for one in samples],
            "workers": {kind.value: [one.as_json() for one in found] for kind, found in kinds.items()},
            "naive": naive.as_json(),
        },
        notes=_notes(naive, models),
    )


def _is_promised(case: FlatCase, default_px: float) -> bool:
    """Whether a row of the last table is about it."""
    at_default = case.min_face_px == default_px and not case.sharp
    return case.model == PROMISED_MODEL and at_default and (case.height, case.k) in SHARES_MIN


def _cases(models: Sequence[str], default_px: float, *, quick: bool) -> list[FlatCase]:
    """All models; the promised one, or the best that is here, also for smaller faces and, in full, with sharp looks."""
    small = PROMISED_MODEL if PROMISED_MODEL in models else models[0]
    cases = [
        FlatCase(height, model, k, px)
        for height in HEIGHTS
        for model, px in [*((model, default_px) for model in models), (small, SMALL_FACE_PX)]
        for k in CADENCES
    ]
    return cases if quick else cases + [FlatCase(height, small, k, default_px, sharp=True) for height, k in SHARES_MIN]


def _threads_and_processes(
    context: BenchContext, models: Sequence[str], default_px: float, *, repeats: int
) -> dict[WorkersKind, list[CaseSamples]]:
    """The same work by threads and by processes, each beside decode-only of its own kind."""
    cadences = WORKERS_CADENCES[-1:] if context.quick else WORKERS_CADENCES
    cases = [FlatCase(HEIGHTS[0], models[0], k, default_px) for k in cadences]
    found: dict[WorkersKind, list[CaseSamples]] = {}
    for kind in WorkersKind:
        with FlatWorkers(kind=kind) as workers:
            found[kind] = measure_cases(workers, context, cases, repeats=repeats)
    return found


def _naive(context: BenchContext, models: Sequence[str]) -> NaiveComparison:
    model = PROMISED_MODEL if PROMISED_MODEL in models else next(name for name in AUTO_ORDER if name in models)
    if model == PROMISED_MODEL:
        frames = context.pick(NAIVE_FRAMES, NAIVE_FRAMES_QUICK)
    else:
        frames = context.pick(OTHER_NAIVE_FRAMES, OTHER_NAIVE_FRAMES_QUICK)
    return compare_with_naive(context, model=model, model_setting=context.models()[model], frames=round(frames))


def _kinds_table(kinds: dict[WorkersKind, list[CaseSamples]]) -> Table:
    rows = []
    for kind, samples in kinds.items():
        for one in samples:
            fps = Spread.of(one.fps)
            decode = Spread.of(one.decode_fps)
            share = percent(one.share.median)
            rows.append((kind.value, str(one.case.k), f"{decode.median:.0f}", f"{fps.median:.0f}", share))
    case = kinds[WorkersKind.THREADS][0].case
    title = f"Workers as threads and as processes, {case.height}p, {case.model}"
    return Table(title, ("workers", "k", "decode fps", "vigia fps", "share"), tuple(rows))


def _chart(samples: Sequence[CaseSamples], default_px: float) -> Chart:
    groups: dict[tuple[int, str], list[CaseSamples]] = {}
    for one in samples:
        if one.case.min_face_px == default_px and not one.case.sharp:
            groups.setdefault((one.case.height, one.case.model), []).append(one)
    series = tuple(
        Series(
            f"{height}p {model}",
            tuple(one.share.median * 100.0 for one in group),
            tuple(one.share.low * 100.0 for one in group),
            tuple(one.share.high * 100.0 for one in group),
        )
        for (height, model), group in groups.items()
    )
    return Chart(
        title="Flat out, 8 streams: share of decode-only",
        kind=ChartKind.BARS,
        y_label="% of decode-only fps",
        series=series,
        categories=tuple(f"k={k}" for k in CADENCES),
        x_label="detection on every k-th frame",
        marks={"decode only": 100.0},
    )


def _verdicts(samples: Sequence[CaseSamples], naive: NaiveComparison, default_px: float) -> tuple[Verdict, ...]:
    """Only where the promised model was measured."""
    verdicts = []
    for one in samples:
        case = one.case
        if not _is_promised(case, default_px):
            continue
        wanted = SHARES_MIN[case.height, case.k]
        share = one.share
        measured = f"{percent(share.median)} ({percent(share.low)} to {percent(share.high)})"
        verdicts.append(Verdict(f"flat-{case.height}p-k{case.k}", measured, held=share.median >= wanted))
    if naive.model == PROMISED_MODEL:
        verdicts.append(Verdict("naive", naive.verdict_text(), held=naive.held))
    return tuple(verdicts)


def _notes(naive: NaiveComparison, models: Sequence[str]) -> tuple[str, ...]:
    probes = ", ".join(f"{name} {fps:.1f} fps" for name, fps in naive.probes.items())
    notes = [
        "packets lie in memory; the motion gate is open; captures are noted and let go; face = detector.min_face_px",
        "without sharp looks, which give way first where there is no time, and flat out there is none; and with them",
        "a share is of decode-only just before and after, on the same threads in the same turn; the median of repeats",
        "found: passages of 60 px and more in the stretch that gave a capture, of those in the clips' truth (-: none)",
        f"naive: the quicker of the usual ways to run the model on full frames, by a short run ({probes})",
        "both designs post to the same HTTPS receiver; vigia's time ends when its last capture is delivered",
    ]
    if PROMISED_MODEL not in models:
        notes.append(f"{PROMISED_MODEL} is not here: nothing is said of the promises, which are about it")
    return tuple(notes)
