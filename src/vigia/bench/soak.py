"""Ten minutes of 8 x 1080p30: whether memory stays where it was, and how long collections stop everything."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from vigia.bench.context import BenchContext
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Table, Verdict, percent, thousandths
from vigia.bench.site import SiteSample, WatchedRun, in_child, open_site, site_model, watched_run

CAMERAS = 8
FULL_S = 600.0
QUICK_S = 7.0
SETTLED_S = 120.0
"""Growth is counted from then on."""
WINDOW_S = 60.0
RSS_LIMIT_BYTES = 700_000_000
GROWTH_LIMIT = 0.01
CHART_STEP_S = 1.0
ABOUT = (
    "Memory is vigia's own, the stand-in's not included; the ground truth of the clips, for the report, is in it."
    f" Growth compares the mean of the minute after the second with that of the last ({WINDOW_S:.0f} s each)."
)


@dataclass(frozen=True, slots=True)
class RssGrowth:
    """How memory went on after a moment."""

    before_bytes: float
    """Mean of the window that begins there."""
    after_bytes: float
    """Mean of the last window."""

    @property
    def share(self) -> float:
        """0.01: one per cent more at the end; negative where it shrank."""
        return self.after_bytes / self.before_bytes - 1.0


def rss_growth(samples: Sequence[SiteSample], *, settled_s: float, window_s: float) -> RssGrowth | None:
    """Compare the means of two windows, because single samples go up and down with the faces in the picture.

    Args:
        samples: by time.
        settled_s: where the first window begins, seconds.
        window_s: length of both windows.

    Returns:
        None when the samples do not hold two windows apart from each other.
    """
    if not samples or samples[-1].at_s < settled_s + 2.0 * window_s:
        return None
    end_s = samples[-1].at_s
    first = [one.rss_bytes for one in samples if settled_s <= one.at_s < settled_s + window_s]
    last = [one.rss_bytes for one in samples if one.at_s > end_s - window_s]
    return RssGrowth(statistics.fmean(first), statistics.fmean(last)) if first else None


def thinned(samples: Sequence[SiteSample], *, step_s: float) -> list[SiteSample]:
    """At most one sample in each ``step_s`` seconds, the first."""
    kept: list[SiteSample] = []
    for sample in samples:
        if not kept or sample.at_s // step_s > kept[-1].at_s // step_s:
            kept.append(sample)
    return kept


def run(context: BenchContext) -> BenchResult:
    """Run, in a fresh process, and look at memory twice a second."""
    clips, model = context.clips(1080), site_model(context)
    with open_site(context) as site:
        watched = in_child(
            watched_run,
            site,
            clips,
            cameras=CAMERAS,
            duration_s=context.pick(FULL_S, QUICK_S),
            detector__model=model,
            detector__cadence_k="auto",
            detector__cadence_k_max=3,
            detector__min_face_px=60,
        )
    growth = rss_growth(watched.samples, settled_s=SETTLED_S, window_s=WINDOW_S)
    highest_bytes = max(sample.rss_bytes for sample in watched.samples)
    notes = [ABOUT]
    verdicts: tuple[Verdict, ...] = ()
    if growth is None:
        notes.append("Only the full run, of ten minutes, says whether memory grows.")
    elif context.model("yunet-s") is None:
        notes.append("No verdict: it is promised for yunet-s, whose weights are not here.")
    else:
        held = highest_bytes <= RSS_LIMIT_BYTES and growth.share <= GROWTH_LIMIT
        text = f"at most {highest_bytes / 1e6:.0f} MB, {growth.share * 100.0:+.2f} % after minute 2"
        verdicts = (Verdict("rss", text, held),)
    shown = thinned(watched.samples, step_s=CHART_STEP_S)
    return BenchResult(
        name="soak",
        title=f"8 x 1080p30 for {watched.samples[-1].at_s / 60.0:.1f} minutes",
        tables=(_table(watched, growth, highest_bytes),),
        chart=Chart(
            title="Resident memory, 8 x 1080p30",
            kind=ChartKind.LINES,
            y_label="MB",
            x_label="seconds",
            positions=tuple(sample.at_s for sample in shown),
            series=(Series("RSS", tuple(sample.rss_bytes / 1e6 for sample in shown)),),
            marks={"promised": RSS_LIMIT_BYTES / 1e6},
        ),
        verdicts=verdicts,
        data={
            "figures": asdict(watched.figures),
            "rss_max_bytes": highest_bytes,
            "growth_share": None if growth is None else growth.share,
            "gc_pause_p99_s": watched.gc_pause_p99_s,
            "gc_pause_max_s": watched.gc_pause_max_s,
            "rss": [[round(sample.at_s, 2), sample.rss_bytes] for sample in shown],
        },
        notes=tuple(notes),
    )


def _table(watched: WatchedRun, growth: RssGrowth | None, highest_bytes: int) -> Table:
    figures = watched.figures
    rows = [
        ("RSS, highest", f"{highest_bytes / 1e6:.0f} MB"),
        ("RSS, median after start-up", f"{statistics.median(one.rss_bytes for one in watched.steady) / 1e6:.0f} MB"),
    ]
    if growth is not None:
        rows += [
            ("RSS, minute after the second", f"{growth.before_bytes / 1e6:.0f} MB"),
            ("RSS, last minute", f"{growth.after_bytes / 1e6:.0f} MB"),
            ("growth after the second minute", f"{growth.share * 100.0:+.2f} %"),
        ]
    rows += [
        ("collection pauses, p99", thousandths(watched.gc_pause_p99_s)),
        ("collection pauses, longest", thousandths(watched.gc_pause_max_s)),
        ("fps", f"{figures.fps:.1f}"),
        ("k, at most", str(figures.k)),
        ("skipped", str(figures.skipped)),
        ("frame age, p99", thousandths(figures.p99_age_s)),
        ("passages delivered", percent(figures.passages_share)),
        ("ledger", "balanced" if figures.balanced else "NOT balanced"),
    ]
    return Table("The whole run", ("", "value"), tuple(rows))
