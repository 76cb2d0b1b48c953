"""Captures a second through the disk to the receiver: vigia's outbox beside persist-queue and a directory of files.

One thread, then four, commit 200 KB pictures while four deliver them to an HTTPS receiver on loopback, in a process of
its own. A bound on what may wait keeps the run in its steady state: what is measured is what can go on for ever, not
how fast a backlog grows. Everything that was committed is delivered before the time is stopped.
"""

import gc
import os
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random

import psutil

from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.bench.context import BenchContext
from vigia.bench.https_receiver import HOST, HttpsReceiver
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Spread, Table, Verdict
from vigia.bench.rivals_logging import quantile
from vigia.bench.rivals_queues import SENDERS, QueueAtWork, directory, join_all, outbox, persist_queue
from vigia.infrastructure.clock import SystemClock

OURS = "vigia's outbox"
WAYS: dict[str, Callable[[Path, str, Path, Clock], AbstractContextManager[QueueAtWork]]] = {
    OURS: outbox,
    "persist-queue": persist_queue,
    "directory": directory,
}
PICTURE_BYTES = 200_000
COMMITTERS = (1, 4)
"""A run with threads has one thread that commits; one with worker processes has one for each of them."""
JUDGED = COMMITTERS[0]
WAITING_MAX = 64
"""Beyond this the committing threads wait, and their wait is not counted as a commit's."""
HANG_S = 60.0
FULL_S, QUICK_S = 1.4, 0.3
WARM_UP_S = 0.3
POLL_S = 0.001
RATE_MIN = 300.0
P99_MAX_S = 0.020
MILLI = 1e3


Case = tuple[str, int]
"""Of ``WAYS``, and how many threads commit."""


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """What one run came to."""

    captures: int
    rate: float
    """Captures a second, from the first commit to the last delivery."""
    p50_s: float
    p99_s: float
    max_s: float
    cpu_s: float
    """Of this process, a capture: committing and sending, not the receiver."""


def run(context: BenchContext) -> BenchResult:
    """Every way a few times, round after round."""
    duration_s = context.pick(FULL_S, QUICK_S)
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = HOST
    cases = [(name, committers) for committers in COMMITTERS for name in WAYS]
    found: dict[Case, list[QueueFigures]] = {case: [] for case in cases}
    picture = Random(1).randbytes(PICTURE_BYTES)  # noqa: S311 - any bytes will do, the same in every run
    gc.freeze()
    with HttpsReceiver() as receiver:
        for name in WAYS:
            measure((name, 1), receiver, picture, duration_s=WARM_UP_S, out=context.out)
        for _ in range(context.repeats()):
            for case, figures in found.items():
                figures.append(measure(case, receiver, picture, duration_s=duration_s, out=context.out))
    return _result(found, duration_s=duration_s, disk=_file_system(context.out))


def measure(case: Case, receiver: HttpsReceiver, picture: bytes, *, duration_s: float, out: Path) -> QueueFigures:
    """Commit for so long, deliver everything.

    Args:
        case: what, and with how many committing threads.
        receiver: running.
        picture: each capture's.
        duration_s: how long captures are committed.
        out: a folder on the disk that is measured.

    Raises:
        RuntimeError: the receiver did not get as many events as were committed.
    """
    name, committing = case
    clock, never = SystemClock(), threading.Event()
    gc.collect()
    before = receiver.counts()["events"]
    numbers = count()
    samples_s: list[float] = []
    with (
        tempfile.TemporaryDirectory(prefix="vigia-bench-", dir=out) as folder,
        WAYS[name](Path(folder) / "queue", receiver.url, receiver.ca_file, clock) as at_work,
    ):

        def commit() -> None:
            while time.perf_counter() - started_s < duration_s:
                if len(samples_s) - at_work.delivered() >= WAITING_MAX:
                    clock.wait(never, POLL_S)
                    continue
                began_s = time.perf_counter()
                at_work.put(next(numbers), picture)
                samples_s.append(time.perf_counter() - began_s)

        committers = [LoopService(f"bench-committer-{n}", commit, clock=clock) for n in range(committing)]
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        for committer in committers:
            committer.start()
        join_all(committers, timeout_s=HANG_S)
        while at_work.delivered() < len(samples_s) and time.perf_counter() - started_s < HANG_S:
            clock.wait(never, POLL_S)
        elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    arrived = receiver.counts()["events"] - before
    if arrived != len(samples_s):
        raise RuntimeError(f"{name}: {arrived} events arrived of {len(samples_s)} captures")
    samples_s.sort()
    return QueueFigures(
        captures=arrived,
        rate=arrived / elapsed_s,
        p50_s=quantile(samples_s, 0.5),
        p99_s=quantile(samples_s, 0.99),
        max_s=samples_s[-1],
        cpu_s=cpu_s / arrived,
    )


def _result(found: dict[Case, list[QueueFigures]], *, duration_s: float, disk: str) -> BenchResult:
    ours = found[OURS, JUDGED]
    rate, p99_s = (Spread.of([getattr(one, field) for one in ours]) for field in ("rate", "p99_s"))
    p50_s = Spread.of([one.p50_s for one in ours])
    most = Spread.of([one.rate for one in found[OURS, COMMITTERS[-1]]])
    measured = (
        f"{rate.median:.0f}/s ({rate.low:.0f} … {rate.high:.0f}); {COMMITTERS[-1]} committing {most.median:.0f}/s"
    )
    return BenchResult(
        name="delivery",
        title=f"captures of {PICTURE_BYTES // 1000} KB through the disk to the receiver",
        tables=(_table(found),),
        chart=_chart(found),
        verdicts=(
            Verdict("delivery-rate", measured, rate.median >= RATE_MIN),
            Verdict(
                "delivery-enqueue",
                f"p50 {p50_s.median * MILLI:.1f} ms, p99 {p99_s.median * MILLI:.1f} ms",
                p99_s.median <= P99_MAX_S,
            ),
        ),
        data={
            f"{name}, {committing}": {
                field: Spread.of([getattr(one, field) for one in figures]).as_json()
                for field in ("captures", "rate", "p50_s", "p99_s", "max_s", "cpu_s")
            }
            for (name, committing), figures in found.items()
        },
        notes=(
            f"load: commits for {duration_s:g} s, {SENDERS} threads deliver over TLS, at most {WAITING_MAX} wait",
            "every capture is counted at the receiver, which takes CPU of the same machine",
            f"every commit is durable when it returns; the disk is {disk} (on tmpfs that costs nothing)",
            "persist-queue keeps pictures in its database, acknowledged ones too; the directory keeps only files",
            "neither of them knows cameras, attempts, doubt, limits or refusals",
        ),
    )


def _table(found: dict[Case, list[QueueFigures]]) -> Table:
    rows = []
    for (name, committing), figures in found.items():
        rate = Spread.of([one.rate for one in figures])
        times = (
            Spread.of([getattr(one, field) for one in figures]).median * MILLI
            for field in ("p50_s", "p99_s", "max_s", "cpu_s")
        )
        rows.append(
            (
                name,
                str(committing),
                f"{rate.median:.0f}",
                f"{rate.low:.0f} … {rate.high:.0f}",
                *(f"{value_ms:.2f}" for value_ms in times),
                str(sum(one.captures for one in figures)),
            )
        )
    columns = (
        "queue",
        "committing",
        "captures/s",
        "from … to",
        "commit p50 ms",
        "p99 ms",
        "max ms",
        "CPU ms each",
        "captures",
    )
    return Table("Committed and delivered, medians of the runs", columns, tuple(rows))


def _chart(found: dict[Case, list[QueueFigures]]) -> Chart:
    series = []
    for committing in COMMITTERS:
        spreads = [Spread.of([one.rate for one in found[name, committing]]) for name in WAYS]
        series.append(Series.of(f"{committing} committing", spreads))
    return Chart(
        title=f"Committed and delivered, {PICTURE_BYTES // 1000} KB each, loopback",
        kind=ChartKind.BARS,
        y_label="captures/s",
        series=tuple(series),
        categories=tuple(WAYS),
        marks={"promised": RATE_MIN},
    )


def _file_system(folder: Path) -> str:
    """What kind of file system a folder is on."""
    real = folder.resolve()
    mounts = [part for part in psutil.disk_partitions(all=True) if real.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else "unknown"
