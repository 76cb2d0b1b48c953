"""In real time: what must never be skipped, and the most cameras with which nothing is."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vigia.bench.context import BenchContext
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Table, Verdict, percent, thousandths
from vigia.bench.site import PacedFigures, Site, open_site
from vigia.bench.site_clips import site_cameras
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip

AGE_LIMIT_S = 0.1
CAMERAS = 8
FIRST_TRY = 12
CAMERAS_MOST = 48
"""The search ends there."""
K_MAX = 5
OVERHEAD_S = 1.5
"""What a run takes beyond its duration: wiring, the stop."""
COLUMNS = ("run", "model", "k", "fps", "skipped", "age p50", "age p99", "cores", "passages delivered")


@dataclass(frozen=True, slots=True)
class _Case:
    """One row with a fixed number of cameras."""

    what: str
    promise: str
    model: str
    height: int
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Search:
    """What looking for the most cameras found."""

    most: int
    """The largest number that held; 0 when none did."""
    finished: bool
    """False when the time was over before the next number was known to fail."""


def search_most(
    holds: Callable[[int], bool], *, start: int, step: int, most: int, more: Callable[[], bool] = lambda: True
) -> Search:
    """The largest number from 1 to ``most`` for which ``holds``: in steps from ``start``, then by halves.

    Args:
        holds: tries one number; true for small numbers and false for large ones.
        start: the first to try.
        step: how far to go up while it holds, down while it does not.
        most: never more than this.
        more: asked before each try; False ends the search.
    """
    held, failed = 0, most + 1
    number = min(start, most)
    while failed - held > 1 and more():
        if holds(number):
            held = number
        else:
            failed = number
        if failed > most and held:
            number = min(held + step, most)
        elif not held:
            number = max(failed - step, 1)
        else:
            number = (held + failed) // 2
    return Search(held, finished=failed - held <= 1)


def fits(figures: PacedFigures) -> bool:
    """Nothing skipped, every frame processed, and 99 % of them young."""
    return figures.skipped == 0 and figures.keeps_up and 0.0 < figures.p99_age_s <= AGE_LIMIT_S


def figures_row(what: str, model: str, figures: PacedFigures) -> tuple[str, ...]:
    """One run as the table shows it."""
    return (
        what,
        model,
        str(figures.k),
        f"{figures.fps:.1f}",
        str(figures.skipped),
        thousandths(figures.p50_age_s),
        thousandths(figures.p99_age_s),
        f"{figures.cpu_cores:.2f}",
        f"{figures.passages_delivered} of {figures.passages} ({percent(figures.passages_share)})",
    )


def run(context: BenchContext) -> BenchResult:
    """Measure what ``paced-…`` promises."""
    clock = SystemClock()
    deadline_s = clock.mono_s() + context.pick(full=80.0, quick=18.0)
    models = context.models()
    clips = {height: context.clips(height) for height in (720, 1080)}
    rows: list[tuple[str, ...]] = []
    verdicts: list[Verdict] = []
    data: dict[str, object] = {}
    notes = [_about()]
    with open_site(context) as site:
        for case in _cases():
            setting = models.get(case.model)
            if setting is None:
                notes.append(f"{case.what}: not measured, the weights of {case.model} are not here.")
                continue
            figures = _measure(site, clips[case.height], cameras=CAMERAS, case=case, setting=setting)
            rows.append(figures_row(case.what, case.model, figures))
            verdicts.append(_verdict(case, figures))
            data[case.promise] = asdict(figures)
        searches = {}
        for model in _searched(context, models):
            most = _Most(site, clips[720], model=model, setting=models[model], deadline_s=deadline_s)
            searches[model] = most
            found = most.search()
            rows += most.rows()
            data[f"most-{model}"] = {"cameras": found.most, "finished": found.finished, "tries": most.as_json()}
            if not found.finished:
                notes.append(f"{model}: the time was over before a number of cameras failed; it may hold more.")
            if model == "yunet-s":
                verdicts.append(most.verdict())
    if "yunet-s" not in models:
        notes.append("The most cameras: no verdict, it is promised for yunet-s.")
    return BenchResult(
        name="paced",
        title="Cameras in real time",
        tables=(Table("Real time, everything running", COLUMNS, tuple(rows)), _most_table(searches)),
        chart=_chart(searches),
        verdicts=tuple(verdicts),
        data=data,
        notes=tuple(notes),
    )


def _about() -> str:
    return (
        "The whole system, delivery and the stand-in's own face detector included, on the same cores. fps are of the"
        " steady window, in which a frame of each camera may be cut at either edge; skipped packets are of the whole"
        " run. All cameras' key frames come at the same moment. k is the largest after start-up."
    )


def _cases() -> list[_Case]:
    auto: dict[str, Any] = {"detector__cadence_k": "auto"}
    return [
        _Case("8 x 720p30, k = 1", "paced-720p", "yunet-s", 720, {"detector__cadence_k": 1}),
        _Case(
            "8 x 1080p30, k ≤ 3, 60 px",
            "paced-1080p",
            "yunet-s",
            1080,
            {**auto, "detector__cadence_k_max": 3, "detector__min_face_px": 60},
        ),
        _Case("8 x 720p30, k ≤ 5", "paced-centerface", "centerface", 720, {**auto, "detector__cadence_k_max": K_MAX}),
    ]


def _measure(site: Site, clips: Sequence[DemoClip], *, cameras: int, case: _Case, setting: str) -> PacedFigures:
    listed = site_cameras(clips, count=cameras, folder=site.context.out / "clips")
    duration_s = site.context.pick(full=16.0, quick=6.0)
    return PacedFigures.of(site.run(listed, duration_s=duration_s, detector__model=setting, **case.settings))


def _verdict(case: _Case, figures: PacedFigures) -> Verdict:
    held = figures.skipped == 0 and figures.keeps_up
    if case.promise == "paced-720p":
        held = fits(figures)
    measured = f"{figures.fps:.1f} fps, {figures.skipped} skipped, p99 {thousandths(figures.p99_age_s)}"
    return Verdict(case.promise, f"{measured}, {percent(figures.passages_share)} of the passages", held)


def _searched(context: BenchContext, models: dict[str, str]) -> list[str]:
    """The models whose most cameras are looked for, the promised one first."""
    present: list[str] = [model for model in ("yunet-s", "centerface") if model in models]
    return present[:1] if context.quick else present


class _Most:
    """The search of one model. Owner: the benchmark's thread."""

    def __init__(self, site: Site, clips: Sequence[DemoClip], *, model: str, setting: str, deadline_s: float) -> None:
        self._site = site
        self._clips = clips
        self._model = model
        self._setting = setting
        self._deadline_s = deadline_s
        self._clock = SystemClock()
        self._try_s = site.context.pick(full=12.0, quick=6.0)
        self._found = Search(0, finished=False)
        self.tries: dict[int, PacedFigures] = {}
        """The better one of each number."""

    def search(self) -> Search:
        """Find it; in full, a number that fails is tried once more, for the machine may have been disturbed."""
        step = int(self._site.context.pick(full=2, quick=4))
        self._found = search_most(self._holds, start=FIRST_TRY, step=step, most=CAMERAS_MOST, more=self._more)
        return self._found

    def rows(self) -> list[tuple[str, ...]]:
        """The largest number that held, as the table shows it."""
        best = self.tries.get(self._found.most)
        return [] if best is None else [figures_row(f"{best.cameras} x 720p30, k ≤ {K_MAX}", self._model, best)]

    def verdict(self) -> Verdict:
        """Of ``paced-most``."""
        best = self.tries.get(self._found.most)
        text = "none" if best is None else f"{best.cameras} cameras, k = {best.k}, p99 {thousandths(best.p99_age_s)}"
        return Verdict("paced-most", text, held=self._found.most >= FIRST_TRY)

    def as_json(self) -> list[dict[str, object]]:
        """Every number that was tried."""
        return [{**asdict(figures), "held": fits(figures)} for _, figures in sorted(self.tries.items())]

    def _more(self) -> bool:
        return self._clock.mono_s() + self._try_s + OVERHEAD_S <= self._deadline_s

    def _holds(self, cameras: int) -> bool:
        figures = self._try(cameras)
        if not fits(figures) and not self._site.context.quick and self._more():
            again = self._try(cameras)
            figures = min(figures, again, key=lambda one: (not fits(one), one.skipped, one.p99_age_s))
        self.tries[cameras] = figures
        return fits(figures)

    def _try(self, cameras: int) -> PacedFigures:
        listed = site_cameras(self._clips, count=cameras, folder=self._site.context.out / "clips")
        run = self._site.run(
            listed,
            duration_s=self._try_s,
            detector__model=self._setting,
            detector__cadence_k="auto",
            detector__cadence_k_max=K_MAX,
        )
        return PacedFigures.of(run)


def _most_table(searches: dict[str, _Most]) -> Table:
    rows = [
        (
            f"{model}, {cameras} cameras",
            str(figures.k),
            f"{figures.fps:.1f}",
            str(figures.skipped),
            thousandths(figures.p99_age_s),
            "yes" if fits(figures) else "no",
        )
        for model, most in searches.items()
        for cameras, figures in sorted(most.tries.items())
    ]
    return Table("The most cameras of 720p30", ("tried", "k", "fps", "skipped", "age p99", "holds"), tuple(rows))


def _chart(searches: dict[str, _Most]) -> Chart:
    """Of the first model: the other one was tried with other numbers of cameras."""
    model, tries = next(((model, most.tries) for model, most in searches.items() if most.tries), ("", {}))
    numbers = sorted(tries)
    return Chart(
        title=f"Frame age and number of cameras, 720p30, {model}",
        kind=ChartKind.LINES,
        y_label="ms from arrival to done",
        x_label="cameras",
        positions=tuple(float(number) for number in numbers),
        series=(
            Series("p99", tuple(tries[number].p99_age_s * 1e3 for number in numbers)),
            Series("median", tuple(tries[number].p50_age_s * 1e3 for number in numbers)),
        ),
        logarithmic=True,
        marks={"promised": AGE_LIMIT_S * 1e3},
    )
