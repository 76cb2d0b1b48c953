"""Tracking: vigia's association beside the open trackers', on the same detections, in the same run.

Three parts: how well tracks are kept, by TrackEval, on sequences of a folder and of the generator, with detections of
every frame and of every third; what association costs; and the generator's people through the whole pipeline.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vigia.bench import tracking_passages
from vigia.bench.context import BenchContext
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Table, Verdict
from vigia.bench.rivals_tracking import GRIDS, OURS, our_setting, rival_settings
from vigia.bench.tracking_cost import OBJECTS, TrackingCost, measure_costs
from vigia.bench.tracking_metrics import TrackScores
from vigia.bench.tracking_runs import Comparison, Run, run_all
from vigia.bench.tracking_sequences import (
    GENERATOR_CLIPS,
    GENERATOR_CLIPS_QUICK,
    TrackSequence,
    folder_sequences,
    generator_sequences,
)

CADENCES = (1, 3)
MEAN_MARGIN_POINTS = 2.0
"""Above the best rival, on the mean."""
COST_SHARE_MAX = 1.0 / 3.0
QUICK_GRID = 1
"""So many settings of each rival's grid in a quick run, the first ones."""
MICRO = 1e6
FIGURES: Mapping[str, Callable[[TrackScores], float]] = {
    "HOTA": lambda scores: scores.hota,
    "IDF1": lambda scores: scores.idf1,
}
"""What is promised of every sequence."""


@dataclass(frozen=True, slots=True)
class _Measured:
    comparison: Comparison
    costs: list[TrackingCost]
    complete: bool
    """Whether the sequences of the folder were there."""


def run(context: BenchContext) -> BenchResult:
    """All three parts."""
    sequences = sequences_of(context)
    settings = context.settings()
    rivals = rival_settings(grid_max=QUICK_GRID if context.quick else None)
    ours = our_setting(settings)
    comparison = run_all([ours, *rivals], sequences, CADENCES)
    timed = [ours, *(rival for rival in rivals if rival.is_default)]
    costs = measure_costs(timed, repeats=context.repeats(), quick=context.quick)
    measured = _Measured(comparison, costs, context.tracks is not None)
    passages = tracking_passages.run_part(context)
    return BenchResult(
        name="tracking",
        title="tracks kept and what that costs, beside the open trackers",
        tables=(*_place_tables(comparison), _mean_table(comparison), _cost_table(costs), *passages.tables),
        chart=_chart(comparison),
        verdicts=(*_verdicts(measured), *passages.verdicts),
        data={
            "runs": [run.as_json() for run in comparison.runs],
            "cpu": [
                {"tracker": one.setting.tracker, "objects": one.objects, "frame_s": one.frame_s.as_json()}
                for one in costs
            ],
            **passages.data,
        },
        notes=(*_notes(context, sequences), *passages.notes),
    )


def sequences_of(context: BenchContext) -> list[TrackSequence]:
    """Those of the folder, if there is one, then the generator's."""
    given = folder_sequences(context.tracks) if context.tracks is not None else []
    count = GENERATOR_CLIPS_QUICK if context.quick else GENERATOR_CLIPS
    return [*given, *generator_sequences(count=count)]


def _place_tables(comparison: Comparison) -> list[Table]:
    """One table a sequence and cadence: vigia, then each rival at its defaults and at its best setting there."""
    columns = ("tracker", "setting", "HOTA", "AssA", "IDF1", "MOTA", "switches")
    return [
        Table(f"{place[0]}, k={place[1]}", columns, tuple(_score_row(run) for run in _shown(comparison, place)))
        for place in comparison.places
    ]


def _shown(comparison: Comparison, place: tuple[str, int]) -> list[Run]:
    """vigia; of each rival the defaults, and the setting with the best HOTA there unless that is the defaults."""
    shown = [comparison.ours(place)]
    for rival in comparison.rivals:
        runs = [run for run in comparison.theirs(place) if run.setting.tracker == rival]
        best = max(runs, key=lambda run: run.scores.hota)
        shown += [run for run in runs if run.setting.is_default or run is best]
    return shown


def _score_row(run: Run) -> tuple[str, ...]:
    scores = run.scores
    figures = (f"{value:.1f}" for value in (scores.hota, scores.ass_a, scores.idf1, scores.mota))
    return (run.setting.tracker, run.setting.label, *figures, str(scores.switches))


def _mean_table(comparison: Comparison) -> Table:
    """Over all sequences and cadences: vigia, and each rival at its defaults and at its one best setting."""
    means = {name: comparison.means(figure) for name, figure in FIGURES.items()}
    ass_a = comparison.means(lambda scores: scores.ass_a)
    mota = comparison.means(lambda scores: scores.mota)
    switches = comparison.means(lambda scores: float(scores.switches))
    names = [name for name in means["HOTA"] if name[0] == OURS]
    for rival in comparison.rivals:
        defaults = (rival, "defaults")
        best, _ = comparison.best_mean(FIGURES["HOTA"], rival=rival)
        names += [defaults] if best == defaults else [defaults, best]
    rows = [
        (
            *name,
            *(f"{means[figure][name]:.1f}" for figure in FIGURES),
            f"{ass_a[name]:.1f}",
            f"{mota[name]:.1f}",
            f"{switches[name]:.1f}",
        )
        for name in names
    ]
    title = f"Mean over {len(comparison.places)} sequences and cadences"
    return Table(title, ("tracker", "setting", *FIGURES, "AssA", "MOTA", "switches"), tuple(rows))


def _cost_table(costs: Sequence[TrackingCost]) -> Table:
    rows = [
        (
            one.setting.tracker,
            str(one.objects),
            f"{one.frame_s.median * MICRO:.0f}",
            f"{one.frame_s.low * MICRO:.0f}",
            f"{one.frame_s.high * MICRO:.0f}",
            f"{one.frame_s.median / _ours_of(costs, one.objects).frame_s.median:.1f}",
        )
        for one in costs
    ]
    columns = ("tracker", "objects", "µs a frame", "from", "to", "of vigia")
    return Table("CPU of association at the defaults, all objects found in every frame", columns, tuple(rows))


def _ours_of(costs: Sequence[TrackingCost], objects: int) -> TrackingCost:
    return next(one for one in costs if one.objects == objects and one.setting.tracker == OURS)


def _cheapest(costs: Sequence[TrackingCost], objects: int) -> TrackingCost:
    theirs = [one for one in costs if one.objects == objects and one.setting.tracker != OURS]
    return min(theirs, key=lambda one: one.frame_s.median)


def _verdicts(measured: _Measured) -> list[Verdict]:
    verdicts = [_cost_verdict(measured.costs, objects) for objects in OBJECTS]
    if measured.complete:
        comparison = measured.comparison
        verdicts = [
            *(_place_verdict(comparison, name) for name in FIGURES),
            *(_mean_verdict(comparison, name) for name in FIGURES),
            _switches_verdict(comparison),
            *verdicts,
        ]
    return verdicts


def _place_verdict(comparison: Comparison, name: str) -> Verdict:
    """On the sequence and cadence where vigia stands worst."""
    figure = FIGURES[name]
    margins = comparison.margins(figure)
    worst = min(margins, key=lambda place: margins[place])
    best = comparison.best(worst, figure)
    kept = sum(margin >= 0.0 for margin in margins.values())
    measured = (
        f"at or above on {kept} of {len(margins)}; worst {margins[worst]:+.1f} on {worst[0]}, k={worst[1]}: "
        f"{figure(comparison.ours(worst).scores):.1f}, {best.setting.tracker} {figure(best.scores):.1f}"
    )
    return Verdict(f"track-{name.lower()}", measured, kept == len(margins))


def _mean_verdict(comparison: Comparison, name: str) -> Verdict:
    figure = FIGURES[name]
    ours = next(mean for tracker, mean in comparison.means(figure).items() if tracker[0] == OURS)
    (tracker, label), theirs = comparison.best_mean(figure)
    measured = f"{ours:.1f}; {tracker} ({label}) {theirs:.1f}: {ours - theirs:+.1f}"
    return Verdict(f"track-mean-{name.lower()}", measured, ours - theirs >= MEAN_MARGIN_POINTS)


def _switches_verdict(comparison: Comparison) -> Verdict:
    pairs = [(place, comparison.ours(place).scores, comparison.fewest_switches(place)) for place in comparison.places]
    kept = sum(ours.switches <= theirs.scores.switches for _, ours, theirs in pairs)
    place, ours, theirs = max(pairs, key=lambda pair: pair[1].switches - pair[2].scores.switches)
    measured = (
        f"no more on {kept} of {len(pairs)}; worst on {place[0]}, k={place[1]}: {ours.switches} at IDF1 "
        f"{ours.idf1:.1f}, {theirs.setting.tracker} {theirs.scores.switches} at {theirs.scores.idf1:.1f}"
    )
    return Verdict("track-switches", measured, kept == len(pairs))


def _cost_verdict(costs: Sequence[TrackingCost], objects: int) -> Verdict:
    ours, theirs = _ours_of(costs, objects), _cheapest(costs, objects)
    share = ours.frame_s.median / theirs.frame_s.median
    measured = (
        f"{ours.frame_s.median * MICRO:.0f} µs; {theirs.setting.tracker} {theirs.frame_s.median * MICRO:.0f} µs: "
        f"{share:.2f}"
    )
    return Verdict(f"track-cpu-{objects}", measured, share <= COST_SHARE_MAX)


def _chart(comparison: Comparison) -> Chart:
    """HOTA of vigia and of each rival's best setting there."""
    figure = FIGURES["HOTA"]
    series = [Series(OURS, tuple(figure(comparison.ours(place).scores) for place in comparison.places))]
    for rival in comparison.rivals:
        values = [
            max(figure(run.scores) for run in comparison.theirs(place) if run.setting.tracker == rival)
            for place in comparison.places
        ]
        series.append(Series(rival, tuple(values)))
    return Chart(
        title="HOTA: vigia, and each rival at its best setting there",
        kind=ChartKind.BARS,
        y_label="HOTA, points",
        series=tuple(series),
        categories=tuple(f"{name} k={k}" for name, k in comparison.places),
    )


def _notes(context: BenchContext, sequences: Sequence[TrackSequence]) -> tuple[str, ...]:
    count = QUICK_GRID if context.quick else max(len(grid) for grid in GRIDS.values())
    notes = [
        "the same boxes for all; a tracker only says whose each is; tracks of a single box are left out for everybody",
        "k=3: only frames 1, 4, 7 … have detections, and only they are evaluated; frame rates are told as fps / k",
        "in a sequence's table: the defaults, and the setting with the best HOTA there; vigia has one setting for all",
        "a sequence is judged against the best rival and setting there, figure by figure",
        "the mean is judged against the one rival and setting with the best mean",
        "equal IDF1: rivals within a point of vigia's or above; where there is none, the one with the highest",
        f"of each rival: the defaults, and {count} settings of the grid in rivals_tracking.py",
        "faces_*: truth of the demo generator, detections by a seeded detector that misses, jitters and errs",
        "CPU: process time of the association call alone; inputs are made before, median of the repeats",
    ]
    if context.tracks is None:
        names = ", ".join(sequence.name for sequence in sequences)
        notes.append(f"without --tracks only {names}: what is promised of real sequences is left open")
    return tuple(notes)
