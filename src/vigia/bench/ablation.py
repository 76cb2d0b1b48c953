"""The users' table: a naive design, then one optimisation after the other, each alone and added up; then vigia whole.

Their figures are of their machine, cameras and model, ours of a stated load: what can be compared is which step gains
how much. A step that gains nothing, or costs, is shown as it is.
"""

import contextlib
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from vigia.bench.ablation_load import CAMERAS, EVENT_EVERY_FRAMES, FACES, LoopParts, LoopWorkload
from vigia.bench.ablation_vigia import WholeVigia
from vigia.bench.context import BenchContext
from vigia.bench.flat_delivery import delivery
from vigia.bench.flat_out import FlatStream, collect_garbage, flat_streams, packets_of
from vigia.bench.https_receiver import HttpsReceiver
from vigia.bench.naive_parts import (
    COLLECT_EVERY_FRAMES,
    OneLockTracker,
    OptimisticTracker,
    PooledPoster,
    Poster,
    RequestsPoster,
    Stall,
    async_log,
    background_collection,
    collect_in_loop,
    file_log,
    leave_alone,
    pooled_client,
)
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Spread, Table
from vigia.infrastructure.clock import SystemClock

LATENCY_S = 0.05
"""Of the receiver, for each event."""
STALL_S = (0.02, 0.05)
"""Each write to the log takes so long, evenly distributed."""
CLIP_FRAMES = 120
WARM_UP_S = 0.3
"""Connections are opened, first lines are written; not counted."""
WARM_UP_WHOLE_S = 2.0
"""Until passages end as often as they begin."""
MEASURE_S, MEASURE_QUICK_S = 0.9, 0.35
THEIRS_FPS = (12.0, 90.0, 117.0, 165.0, 182.0)
"""Naive, then background GC, AsyncLogger, lock and HTTP pool added one after the other: as they report it."""


@dataclass(frozen=True, slots=True)
class Design:
    """Which parts are vigia's; the others are naive."""

    name: str
    gc: bool = False
    log: bool = False
    lock: bool = False
    http: bool = False
    whole: bool = False
    theirs_fps: float | None = None
    """What the users report of this step."""


DESIGNS: tuple[Design, ...] = (
    Design("naive", theirs_fps=THEIRS_FPS[0]),
    Design("+ background GC", gc=True, theirs_fps=THEIRS_FPS[1]),
    Design("+ AsyncLogger", gc=True, log=True, theirs_fps=THEIRS_FPS[2]),
    Design("+ lock outside matching", gc=True, log=True, lock=True, theirs_fps=THEIRS_FPS[3]),
    Design("+ HTTP pool", gc=True, log=True, lock=True, http=True, theirs_fps=THEIRS_FPS[4]),
    Design("AsyncLogger alone", log=True),
    Design("lock outside matching alone", lock=True),
    Design("HTTP pool alone", http=True),
    Design("all but background GC", log=True, lock=True, http=True),
    Design("all but AsyncLogger", gc=True, lock=True, http=True),
    Design("all but lock", gc=True, log=True, http=True),
    Design("vigia whole", gc=True, log=True, lock=True, http=True, whole=True),
)
"""In the order of the table. Background GC alone is the second row, all but the HTTP pool the fourth."""


@dataclass(slots=True)
class DesignSamples:
    """What one design did, once for each repeat."""

    design: Design
    fps: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)
    events_per_s: list[float] = field(default_factory=list)
    posts_per_s: list[float] = field(default_factory=list)
    writes_per_s: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """Every sample."""
        return {
            "design": self.design.name,
            "theirs_fps": self.design.theirs_fps,
            "fps": Spread.of(self.fps).as_json(),
            "cores": Spread.of(self.cores).as_json(),
            "events_per_s": Spread.of(self.events_per_s).as_json(),
            "posts_per_s": Spread.of(self.posts_per_s).as_json(),
            "log_writes_per_s": Spread.of(self.writes_per_s).as_json(),
        }


@dataclass(frozen=True, slots=True)
class _Counters:
    """All that is counted, at one moment."""

    at_s: float
    cpu_s: float
    frames: int
    events: int
    posts: int
    writes: int


class Workload(Protocol):
    """A design at work. ``frames`` and ``events`` may be read by any thread."""

    @property
    def frames(self) -> int:
        """Dealt with so far, all cameras together."""
        ...

    @property
    def events(self) -> int:
        """Faces followed so far."""
        ...

    def running(self) -> AbstractContextManager[None]:
        """It works within the block; raises what a thread of it failed with."""
        ...


def run(context: BenchContext) -> BenchResult:
    """Every design in turn, and that as often as there are repeats: a bad moment of the machine hits them alike."""
    repeats = 1 if context.quick else context.repeats()
    streams = flat_streams(context.clips(720), frames=CLIP_FRAMES)
    for stream in streams:
        packets_of(stream)
    samples = [DesignSamples(design) for design in DESIGNS]
    seconds = context.pick(MEASURE_S, MEASURE_QUICK_S)
    with HttpsReceiver(latency_s=LATENCY_S) as receiver:
        for _ in range(repeats):
            for one in samples:
                _measure(one, context, streams, receiver, seconds=seconds)
    naive = Spread.of(samples[0].fps).median
    return BenchResult(
        name="ablation",
        title="The four optimisations, each alone and added up",
        tables=(_table(samples, naive),),
        chart=_chart(samples),
        data={"designs": [one.as_json() for one in samples], "load": _load()},
        notes=_notes(),
    )


def _measure(
    samples: DesignSamples,
    context: BenchContext,
    streams: Sequence[FlatStream],
    receiver: HttpsReceiver,
    *,
    seconds: float,
) -> None:
    """Run one design for a while and add what it did."""
    clock, never, stall = SystemClock(), threading.Event(), Stall(*STALL_S)
    collect_garbage()
    with TemporaryDirectory(prefix="ablation-", dir=context.out) as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        make = _whole_vigia if samples.design.whole else _loops
        workload = make(samples.design, context, streams, receiver=receiver, stall=stall, folder=folder, stack=stack)

        def read() -> _Counters:
            posts = receiver.counts()["events"]
            at_s, cpu_s = time.perf_counter(), time.process_time()
            return _Counters(at_s, cpu_s, workload.frames, workload.events, posts, stall.writes)

        with workload.running():
            clock.wait(never, WARM_UP_WHOLE_S if samples.design.whole else WARM_UP_S)
            before = read()
            clock.wait(never, seconds)
            after = read()
    elapsed_s = after.at_s - before.at_s
    samples.fps.append((after.frames - before.frames) / elapsed_s)
    samples.cores.append((after.cpu_s - before.cpu_s) / elapsed_s)
    samples.events_per_s.append((after.events - before.events) / elapsed_s)
    samples.posts_per_s.append((after.posts - before.posts) / elapsed_s)
    samples.writes_per_s.append((after.writes - before.writes) / elapsed_s)


def _loops(
    design: Design,
    _context: BenchContext,
    streams: Sequence[FlatStream],
    *,
    receiver: HttpsReceiver,
    stall: Stall,
    folder: Path,
    stack: contextlib.ExitStack,
) -> Workload:
    """Camera loops around the parts that the design names."""
    clock, path = SystemClock(), folder / "log.txt"
    info = stack.enter_context(async_log(path, stall, clock) if design.log else file_log(path, stall))
    post: Poster = RequestsPoster(receiver.url, receiver.ca_file)
    if design.http:
        client = stack.enter_context(contextlib.closing(pooled_client(receiver.url, receiver.ca_file, clock)))
        post = PooledPoster(client, clock)
    parts = LoopParts(
        tracker=OptimisticTracker(info) if design.lock else OneLockTracker(info),
        info=info,
        post=post,
        make_tidy=leave_alone if design.gc else collect_in_loop,
    )
    workload = LoopWorkload(streams, parts, clock)
    if design.gc:
        stack.enter_context(background_collection(clock))
    return workload


def _whole_vigia(
    _design: Design,
    context: BenchContext,
    streams: Sequence[FlatStream],
    *,
    receiver: HttpsReceiver,
    stall: Stall,
    folder: Path,
    stack: contextlib.ExitStack,
) -> Workload:
    """The product, as it runs."""
    clock = SystemClock()
    stack.enter_context(async_log(folder / "log.txt", stall, clock))
    way = stack.enter_context(delivery(folder / "outbox", url=receiver.url, ca_file=receiver.ca_file, clock=clock))
    # The scheduled boxes lie on scenery: how good a shot that is says nothing.
    settings = context.settings(detector__cadence_k=1, detector__motion_gate="false", tracks__filter_min_quality=0)
    workload = WholeVigia(streams, settings, captures=way, clock=clock)
    stack.enter_context(background_collection(clock))
    return workload


def _table(samples: Sequence[DesignSamples], naive_fps: float) -> Table:
    columns = (
        "design",
        "their fps",
        "theirs",
        "fps",
        "from",
        "to",
        "ours",
        "cores",
        "events/s",
        "posts/s",
        "log writes/s",
    )
    rows = tuple(_row(one, naive_fps) for one in samples)
    return Table("The users' optimisations, added up; each alone; each left out; vigia", columns, rows)


def _row(one: DesignSamples, naive_fps: float) -> tuple[str, ...]:
    fps, theirs = Spread.of(one.fps), one.design.theirs_fps
    return (
        one.design.name,
        "" if theirs is None else f"{theirs:.0f}",
        "" if theirs is None else f"{theirs / THEIRS_FPS[0]:.1f} times",
        f"{fps.median:.0f}",
        f"{fps.low:.0f}",
        f"{fps.high:.0f}",
        f"{fps.median / naive_fps:.1f} times",
        f"{Spread.of(one.cores).median:.2f}",
        f"{Spread.of(one.events_per_s).median:.0f}",
        f"{Spread.of(one.posts_per_s).median:.0f}",
        f"{Spread.of(one.writes_per_s).median:.0f}",
    )


def _chart(samples: Sequence[DesignSamples]) -> Chart:
    """The steps that the users report; vigia whole, which they have no figure of, as a line."""
    steps = [one for one in samples if one.design.theirs_fps is not None]
    spreads = [Spread.of(one.fps) for one in steps]
    whole = {one.design.name: Spread.of(one.fps).median for one in samples if one.design.whole}
    return Chart(
        title="The users' optimisations, added up: their figures and ours",
        kind=ChartKind.BARS,
        y_label="frames a second, 8 cameras",
        series=(
            Series("theirs, as they report it", THEIRS_FPS),
            Series.of("ours, stated load", spreads),
        ),
        categories=tuple(one.design.name for one in steps),
        marks=whole,
    )


def _load() -> dict[str, object]:
    return {
        "cameras": CAMERAS,
        "faces": FACES,
        "event_every_frames": EVENT_EVERY_FRAMES,
        "latency_s": LATENCY_S,
        "stall_s": list(STALL_S),
        "collect_every_frames": COLLECT_EVERY_FRAMES,
    }


def _notes() -> tuple[str, ...]:
    low_ms, high_ms = (1e3 * stall_s for stall_s in STALL_S)
    return (
        f"load: {CAMERAS} cameras of 720p flat out, {FACES} faces in view, an event every {EVENT_EVERY_FRAMES} frames",
        "that is 60 events a second at 30 fps, and more when the frames go quicker; two log lines and a post an event",
        f"log: a write stalls {low_ms:.0f} to {high_ms:.0f} ms; HTTPS receiver answers after {1e3 * LATENCY_S:.0f} ms",
        f"naive collection: every {COLLECT_EVERY_FRAMES} frames of each camera, in its thread",
        "every design decodes with PyAV and makes a 320x180 input of each frame; faces are scheduled, not detected",
        "all but the last: a thread a camera that deals with each event at once, JPEG and answer included",
        "alone: the naive design with this part exchanged; background GC alone is the second row",
        "all but: the fifth row with this part naive; all but the HTTP pool is the fourth row",
        "vigia whole posts a capture a passage, not an event, and logs a line a second and camera: its design's doing",
        "vigia whole: its quality filter is off, because the scheduled boxes show no faces",
        "theirs: another machine, other cameras, a real detector: compare the steps, not the figures",
    )
