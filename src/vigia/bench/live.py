"""Live pictures: what it costs the cameras that somebody looks at them, and what a browser that stalled costs.

Eight streams flat out on two saturated cores, so that whatever the pages take is missing from the frames. The whole
system runs, with its dashboard (``live_site.py``). In turn: nobody watches, two browsers have the Overview open, nobody
does, a browser has stalled, and so on; each is held against its two neighbours in time without anybody.
"""

import itertools
import os
from collections.abc import Sequence

from vigia.bench.context import BenchContext
from vigia.bench.flat_out import STREAMS
from vigia.bench.flat_workers import WORKERS
from vigia.bench.live_site import WIDTH_PX, LiveSample, Watching, measure
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Spread, Table, Verdict, percent
from vigia.infrastructure.detection.registry import AUTO_ORDER

HEIGHT = 720
K = 2
FRAMES, FRAMES_QUICK = 300, 24
"""Of each stream and sample: the whole clip, so that all samples see the same."""
ROUNDS, ROUNDS_QUICK = 3, 1
FALL_MAX = 0.05
STALL_FALL_MAX = 0.01
"""And no more than the samples without anybody differ among themselves, where that is more."""
NOISE_MAX = 0.02
"""Where they differ by more, nobody can say whether a stalled browser costs anything: there is no verdict then."""


def falls(samples: Sequence[LiveSample], watching: Watching) -> list[float]:
    """By which share frames fell in each such sample, against the mean of its neighbours without anybody.

    Samples are in turn: every other one is without anybody. Browsers' own time is taken out.
    """
    found = []
    for number in range(1, len(samples) - 1, 2):
        if samples[number].watching is watching:
            beside = (samples[number - 1].fps + samples[number + 1].fps) / 2.0
            found.append(1.0 - samples[number].fps_without_browsers / beside)
    return found


def raw_falls(samples: Sequence[LiveSample], watching: Watching) -> list[float]:
    """The same with the browsers' time not taken out: as if they ran on vigia's machine."""
    found = []
    for number in range(1, len(samples) - 1, 2):
        if samples[number].watching is watching:
            beside = (samples[number - 1].fps + samples[number + 1].fps) / 2.0
            found.append(1.0 - samples[number].fps / beside)
    return found


def noise(samples: Sequence[LiveSample]) -> float:
    """How much neighbours without anybody differ: half the median difference, as a share."""
    alone = [sample.fps for sample in samples if sample.watching is Watching.NOBODY]
    steps = [abs(after - before) / before / 2.0 for before, after in itertools.pairwise(alone)]
    return Spread.of(steps).median if steps else 0.0


def run(context: BenchContext) -> BenchResult:
    """Measure everything and judge what was promised."""
    here = context.models()
    model = "yunet-s" if "yunet-s" in here else next(name for name in AUTO_ORDER if name in here)
    samples = measure(
        context,
        context.clips(HEIGHT),
        frames=round(context.pick(FRAMES, FRAMES_QUICK)),
        rounds=round(context.pick(ROUNDS, ROUNDS_QUICK)),
        detector__model=here[model],
        detector__cadence_k=K,
    )
    return result_of(samples, model=model)


def result_of(samples: Sequence[LiveSample], *, model: str) -> BenchResult:
    """What the samples say."""
    return BenchResult(
        name="live",
        title="Live pictures: what watching costs the cameras",
        tables=(_table(samples), _browsers_table(samples)),
        chart=_chart(samples),
        verdicts=verdicts(samples),
        data={"model": model, "k": K, "noise": noise(samples), "samples": [sample.as_json() for sample in samples]},
        notes=_notes(samples, model),
    )


def _table(samples: Sequence[LiveSample]) -> Table:
    rows = []
    for watching in Watching:
        own = [sample for sample in samples if sample.watching is watching]
        fps = Spread.of([sample.fps for sample in own])
        cpu_ms = Spread.of([sample.cpu_ms for sample in own])
        row = [watching.value, str(len(own)), f"{fps.median:.0f} ({fps.low:.0f} to {fps.high:.0f})"]
        row.append(f"{cpu_ms.median:.2f} ms")
        kept = "" if watching is Watching.TWO else str(max(sample.kept for sample in own))
        if watching is Watching.NOBODY:
            rows.append((*row, "", "", kept))
            continue
        fall, raw = Spread.of(falls(samples, watching)), Spread.of(raw_falls(samples, watching))
        rows.append(
            (*row, f"{percent(fall.median)} ({percent(fall.low)} to {percent(fall.high)})", percent(raw.median), kept)
        )
    title = f"Frames processed, {len(samples)} samples in turn, {STREAMS} cameras of {HEIGHT}p flat out, k={K}"
    columns = (
        "watching",
        "samples",
        "fps",
        "CPU a frame",
        "fall",
        "with the browsers' own CPU",
        "pictures kept after it",
    )
    return Table(title, columns, tuple(rows))


def _browsers_table(samples: Sequence[LiveSample]) -> Table:
    rows = []
    for watching in (Watching.TWO, Watching.STALLED):
        own = [sample for sample in samples if sample.watching is watching]
        wall_s = sum(sample.wall_s for sample in own)
        told = [one for sample in own for one in sample.browsers]
        seconds = max(1e-9, sum(one["seconds"] for one in told))
        pictures = sum(one["pictures"] for one in told)
        age_ms = sum(one["age_ms"] for one in told) / pictures if pictures else 0.0
        rows.append(
            (
                watching.value,
                f"{pictures / seconds / STREAMS:.1f}",
                f"{sum(one['messages'] for one in told) / seconds:.1f}",
                f"{sum(one['bytes_read'] for one in told) / seconds / 1e3:.0f}",
                f"{age_ms:.0f} ms",
                f"{sum(sample.browsers_cpu_s for sample in own) / wall_s * 100.0:.1f} %",
            )
        )
    columns = (
        "watching",
        "pictures/s of a camera",
        "page messages/s",
        "KB/s of pictures",
        "mean age",
        "browsers' CPU of a core",
    )
    return Table("What each browser got, until it closed its page or stalled", columns, tuple(rows))


def _chart(samples: Sequence[LiveSample]) -> Chart:
    spreads = [
        Spread.of([100.0 * (1.0 - fall) for fall in falls(samples, watching)])
        for watching in (Watching.TWO, Watching.STALLED)
    ]
    return Chart(
        title=f"Frames processed while somebody watches {STREAMS} cameras",
        kind=ChartKind.BARS,
        y_label="% of the frames with nobody watching",
        series=(Series.of(f"{STREAMS} x {HEIGHT}p flat out", spreads),),
        categories=(Watching.TWO.value, Watching.STALLED.value),
        marks={"promised": 100.0 * (1.0 - FALL_MAX)},
    )


def verdicts(samples: Sequence[LiveSample]) -> tuple[Verdict, ...]:
    """What became of the promises. Of the stalled browser there is none where the machine was too restless to tell."""
    watched, stalled = Spread.of(falls(samples, Watching.TWO)), Spread.of(falls(samples, Watching.STALLED))
    told = [one for sample in samples if sample.watching is Watching.TWO for one in sample.browsers]
    shown = bool(told) and all(one["pictures"] > 0 and one["messages"] > 0 for one in told)
    own_noise, kept = noise(samples), max(sample.kept for sample in samples)
    found = [
        Verdict(
            "live-watched",
            f"{percent(watched.median)} ({percent(watched.low)} to {percent(watched.high)})",
            held=watched.median < FALL_MAX and shown,
        )
    ]
    if own_noise <= NOISE_MAX or kept:
        found.append(
            Verdict(
                "live-stalled",
                f"{percent(stalled.median)} ({percent(stalled.low)} to {percent(stalled.high)}; "
                f"noise {percent(own_noise)}), {kept} pictures kept",
                held=stalled.median <= max(STALL_FALL_MAX, own_noise) and kept == 0,
            )
        )
    return tuple(found)


def _notes(samples: Sequence[LiveSample], model: str) -> tuple[str, ...]:
    notes = [
        (
            f"{model}, k={K}; the whole system: files as fast as they are taken, outbox, delivery to a receiver that "
            f"looks at nothing, gallery, log, dashboard; {os.cpu_count()} cores, {WORKERS} shards; "
            "pictures are as old as the files' packets, which wait in full queues"
        ),
        (
            f"a browser is a process that has logged in, holds the Overview's socket open as the page's script does, "
            f"and asks for live pictures {WIDTH_PX} px wide as that asks; it draws nothing: browsers run elsewhere"
        ),
        (
            "fall: against the mean of the two neighbouring samples with nobody; the processor time that browsers took "
            "here is taken out; the next column leaves it in"
        ),
        "a stalled browser has the page open, has asked for eight pictures of 1280 px, and is stopped (SIGSTOP)",
    ]
    own_noise = noise(samples)
    if own_noise > NOISE_MAX:
        notes.append(
            f"samples with nobody differ by {percent(own_noise)}, more than {percent(NOISE_MAX)}: "
            "what a stalled browser costs was not measured"
        )
    return tuple(notes)
