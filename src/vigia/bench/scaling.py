"""From one camera to 32: what each costs in CPU time and memory, and what gives way where the machine ends."""

import statistics
from dataclasses import asdict

from vigia.bench.context import BenchContext
from vigia.bench.interpreter import SHARDS, Held, measure_held
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Table, percent, thousandths
from vigia.bench.site import WatchedRun, in_child, open_site, site_model, watched_run
from vigia.bench.throughput_cases import case_settings, sample_streams

COUNTS = (1, 4, 8, 16, 32)
COUNTS_QUICK = (1, 8)
COLUMNS = ("cameras", "fps", "k", "cores", "CPU a frame", "RSS", "RSS a camera", "age p99", "skipped")

ABOUT = (
    "CPU time is that of vigia's process after start-up, the stand-in's not included. RSS is the median after start-up;"
    " RSS a camera is what the cameras beyond the first add, divided by their number. Default settings: the cadence"
    " follows the load, so that a frame costs less where there are many."
)

SIMULATED = (
    "The second table: what a frame takes of a shard, measured in one thread, and what a common interpreter leaves of"
    " so many shards on as many cores, by mean value analysis. It is why more than four shards are processes."
)


def run(context: BenchContext) -> BenchResult:
    """Run each number of cameras in a fresh process."""
    clips, model = context.clips(720), site_model(context)
    counts, duration_s = COUNTS_QUICK if context.quick else COUNTS, context.pick(7.0, 5.0)
    with open_site(context) as site:
        runs = [
            in_child(watched_run, site, clips, cameras=count, duration_s=duration_s, detector__model=model)
            for count in counts
        ]
    bytes_alone = rss_bytes(runs[0])
    held = _held(context)
    return BenchResult(
        name="scaling",
        title="1 to 32 cameras of 720p30",
        tables=(
            Table("Each in a process of its own", COLUMNS, tuple(_row(one, bytes_alone) for one in runs)),
            _threads_table(held),
        ),
        chart=Chart(
            title="CPU and memory by number of cameras, 720p30",
            kind=ChartKind.LINES,
            y_label="cores; hundreds of MB",
            x_label="cameras",
            positions=tuple(float(count) for count in counts),
            series=(
                Series("cores busy", tuple(cpu_cores(one) for one in runs)),
                Series("RSS, 100 MB", tuple(rss_bytes(one) / 1e8 for one in runs)),
            ),
        ),
        data={
            "runs": [
                {
                    **asdict(one.figures),
                    "steady_cores": cpu_cores(one),
                    "steady_cpu_per_frame_s": cpu_per_frame_s(one),
                    "steady_rss_bytes": rss_bytes(one),
                }
                for one in runs
            ],
            "interpreter": {f"k={k}": asdict(one) for k, one in held.items()},
        },
        notes=(ABOUT, SIMULATED),
    )


def _held(context: BenchContext) -> dict[int, Held]:
    """How long a shard holds the interpreter a frame, by cadence."""
    model = site_model(context)
    streams = sample_streams(context, 720)[:4]
    return {
        k: measure_held(streams, case_settings(context, model_setting=model, k=k, min_face_px=80.0))
        for k in (1, 3)
        for _ in range(2)  # the first run reads the clips and warms up
    }


def _threads_table(held: dict[int, Held]) -> Table:
    rows = tuple(
        (
            f"k={k}",
            thousandths(one.native_s),
            thousandths(one.interpreter_s),
            *(percent(one.threads_share(count)) for count in SHARDS),
        )
        for k, one in held.items()
    )
    columns = ("720p", "native", "interpreter", *(f"{count} shards" for count in SHARDS))
    return Table("Threads on more cores, of what processes would do (simulated)", columns, rows)


def rss_bytes(run: WatchedRun) -> float:
    """The median after start-up; 0 without a sample."""
    return statistics.median(sample.rss_bytes for sample in run.steady) if run.steady else 0.0


def cpu_cores(run: WatchedRun) -> float:
    """CPU time a second between the first and the last sample after start-up; 0 where these are one."""
    if len(run.steady) < 2:
        return 0.0
    first, last = run.steady[0], run.steady[-1]
    return (last.cpu_s - first.cpu_s) / (last.at_s - first.at_s)


def cpu_per_frame_s(run: WatchedRun) -> float:
    """CPU time a frame between the same samples, seconds; 0 where no frame was processed."""
    if not run.steady or run.steady[-1].frames == run.steady[0].frames:
        return 0.0
    first, last = run.steady[0], run.steady[-1]
    return (last.cpu_s - first.cpu_s) / (last.frames - first.frames)


def _row(run: WatchedRun, bytes_alone: float) -> tuple[str, ...]:
    figures = run.figures
    more = figures.cameras - 1
    each = f"{(rss_bytes(run) - bytes_alone) / more / 1e6:.1f} MB" if more else "-"
    return (
        str(figures.cameras),
        f"{figures.fps:.1f}",
        str(figures.k),
        f"{cpu_cores(run):.2f}",
        thousandths(cpu_per_frame_s(run)),
        f"{rss_bytes(run) / 1e6:.0f} MB",
        each,
        thousandths(figures.p99_age_s),
        str(figures.skipped),
    )
