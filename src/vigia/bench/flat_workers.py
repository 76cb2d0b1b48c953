"""What runs the flat-out work: threads of this process, or spawned processes."""

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, wait
from dataclasses import replace
from enum import StrEnum
from threading import BrokenBarrierError
from types import TracebackType
from typing import TYPE_CHECKING, Self

from vigia.application.errors import ApplicationError
from vigia.application.service import LoopService
from vigia.application.track_poster import CaptureSink
from vigia.bench.flat_out import (
    FlatResult,
    FlatStream,
    FlatTask,
    WorkerReport,
    collect_garbage,
    result_of,
    share_out,
    work,
)
from vigia.bootstrap.hot_path import HotPath
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.process.parent import end_with_parent

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

WORKERS = 2
"""The promises are about two cores."""
READY_TIMEOUT_S = 120.0
"""Starting Python, loading a model and reading clips, on a busy machine."""
WORK_TIMEOUT_S = 600.0


class WorkersKind(StrEnum):
    """What a worker is."""

    THREADS = "threads"
    PROCESSES = "processes"


class FlatWorkers:
    """``count`` workers that measure one thing after the other.

    Owner: one thread. Stops when: left; worker processes end then, or with this process.

    Args:
        count: workers; never more than there are streams.
        kind: threads, or processes that are started with the block and kept.
    """

    def __init__(self, count: int = WORKERS, *, kind: WorkersKind = WorkersKind.THREADS) -> None:
        self._count = count
        self._kind = kind
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._kind is WorkersKind.PROCESSES:
            # Spawned, not forked: this process may have threads.
            context = multiprocessing.get_context("spawn")
            barrier = context.Barrier(self._count)
            self._pool = ProcessPoolExecutor(self._count, context, initializer=_begin, initargs=(barrier,))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def measure(
        self,
        streams: Sequence[FlatStream],
        settings: Settings | None,
        *,
        taker: CaptureSink | None = None,
        finish: Callable[[], object] | None = None,
        hot_path: HotPath | None = None,
    ) -> FlatResult:
        """Process all streams once.

        Args:
            streams: shared out in turn; at least as many as workers.
            settings: of the product; None measures decoding alone.
            taker: gets the captures; threads only.
            finish: called when the shards are done; the time it takes counts too. Threads only.
            hot_path: makes the shards; one is made of the settings when not given. Threads only.

        Raises:
            ApplicationError: fewer streams than workers, or processes were given what they cannot use.
        """
        if len(streams) < self._count:
            raise ApplicationError("%(count)d workers need a stream each", count=self._count)
        tasks = share_out(streams, settings, workers=self._count)
        collect_garbage()
        if self._kind is WorkersKind.THREADS:
            return _in_threads(tasks, streams, taker=taker, finish=finish, hot_path=hot_path)
        if taker is not None or finish is not None or hot_path is not None or self._pool is None:
            raise ApplicationError("worker processes are used within their block, and keep their captures")
        futures = [self._pool.submit(_work_in_process, task) for task in tasks]
        wait(futures, timeout=WORK_TIMEOUT_S)
        _raise_first([error for future in futures if future.done() and (error := future.exception()) is not None])
        reports = [future.result(timeout=0.0) for future in futures]
        return result_of(reports, streams, judged=settings is not None)


def _in_threads(
    tasks: Sequence[FlatTask],
    streams: Sequence[FlatStream],
    *,
    taker: CaptureSink | None,
    finish: Callable[[], object] | None,
    hot_path: HotPath | None = None,
) -> FlatResult:
    clock = SystemClock()
    settings = tasks[0].settings
    if hot_path is None and settings is not None:
        hot_path = HotPath(settings, clock=clock)
    cpu_before_s: list[float] = []
    barrier = threading.Barrier(len(tasks), action=lambda: cpu_before_s.append(time.process_time()))
    reports: list[WorkerReport] = []

    def step(task: FlatTask) -> None:
        try:
            ready = lambda: barrier.wait(READY_TIMEOUT_S)  # noqa: E731 - a name for what is passed on
            reports.append(work(task, ready, hot_path=hot_path, taker=taker))
        except BaseException:
            barrier.abort()  # nobody shall wait for this one
            raise

    run_to_end([LoopService(task.name, lambda task=task: step(task), clock=clock) for task in tasks])  # type: ignore[misc]
    result = result_of(reports, streams, judged=settings is not None)
    if finish is None:
        return result
    started_s = min(report.started_s for report in reports)
    finish()
    ended_s, cpu_s = time.perf_counter(), time.process_time() - cpu_before_s[0]  # of all threads, the takers' too
    return replace(result, wall_s=ended_s - started_s, cpu_s=cpu_s)


def run_to_end(services: Sequence[LoopService]) -> None:
    """Start them and wait until each has ended by itself.

    Raises:
        ApplicationError: one does not end.
        BaseException: what one failed with.
    """
    for service in services:
        service.start()
    stuck = [service.name for service in services if not service.join(WORK_TIMEOUT_S)]
    _raise_first([service.failure for service in services if service.failure is not None])
    if stuck:
        raise ApplicationError("%(names)s did not end", names=", ".join(stuck))


def _raise_first(failures: Sequence[BaseException]) -> None:
    """Raise one, if there is any: rather the cause than a neighbour's broken wait for it."""
    for failure in sorted(failures, key=lambda failure: isinstance(failure, BrokenBarrierError)):
        raise failure


_barriers: "list[Barrier]" = []
"""Set once in each worker process, by its initializer: it cannot travel with a job."""


def _begin(barrier: "Barrier") -> None:
    end_with_parent()
    _barriers.append(barrier)


def _work_in_process(task: FlatTask) -> WorkerReport:
    """One worker's share, in its process. Each process takes one: it waits for the other at the barrier."""
    barrier = _barriers[0]
    try:
        collect_garbage()
        return work(task, lambda: barrier.wait(READY_TIMEOUT_S))
    except BaseException:
        barrier.abort()
        raise
