"""How long ``ManageTracksUseCase`` holds a camera's lock, beside one coarse lock around the whole of matching.

The lock is exchanged for one that times itself. Eight threads call ``execute`` as fast as they can, all on one camera
or each on a camera of its own; every camera has 50 tracks that stay open.
"""

import gc
import itertools
import threading
import time
from array import array
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import cast

import numpy as np

from vigia.application.service import LoopService
from vigia.application.use_cases.manage_tracks_use_case import Association, ManageTracksUseCase
from vigia.bench.context import BenchContext
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Spread, Table, Verdict
from vigia.domain.camera import CameraId
from vigia.domain.event import EventId, FaceEvent
from vigia.domain.track_matching_service import TrackMatchingService
from vigia.infrastructure.clock import SystemClock

THREADS = 8
TRACKS = 50
EVENTS = (1, 5, 50)
"""Faces of a frame: one; a few; every track's at once."""
FRAME_SIZE_WH = (1920, 1080)
SIDE_PX = 80.0
COLUMNS = 10
FRAME_INTERVAL_S = 1.0 / 240.0
"""The cameras' time runs ahead by this each frame."""
MISS_INTERVAL_S = 1e9
"""Tracks stay open, so that there always are ``TRACKS``."""
FULL_S, QUICK_S = 0.55, 0.3
HOLDS_MAX = 400_000
JOIN_SLACK_S = 30.0
HOLD_P99_MAX_S = 50e-6
MICRO = 1e6


class TimingLock:
    """A lock that notes how long it was held.

    Owner: its holder; the samples are read when all threads have ended. Bounds: ``HOLDS_MAX`` samples, made beforehand;
    later holds are not noted.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held_s = array("d", bytes(8 * HOLDS_MAX))
        self._cpu_s = array("d", bytes(8 * HOLDS_MAX))
        self._shut_s = array("d", bytes(8 * HOLDS_MAX))
        self._count = 0
        self._began_s = self._began_cpu_s = self._shut_at_s = self._released_s = 0.0

    def __enter__(self) -> None:
        waited = not self._lock.acquire(blocking=False)
        if waited:
            self._lock.acquire()
        self._began_cpu_s = time.thread_time()
        self._began_s = time.perf_counter()
        self._shut_at_s = self._released_s if waited else self._began_s

    def __exit__(self, *_: object) -> None:
        now_s = time.perf_counter()
        cpu_s = time.thread_time() - self._began_cpu_s
        count = self._count
        if count < HOLDS_MAX:
            self._held_s[count], self._cpu_s[count] = now_s - self._began_s, cpu_s
            self._shut_s[count] = now_s - self._shut_at_s
            self._count = count + 1
        self._released_s = time.perf_counter()
        self._lock.release()

    def reset(self) -> None:
        """Forget the samples."""
        self._count = 0

    @property
    def held_s(self) -> Sequence[float]:
        """Wall time of each hold, from when its holder goes on to when it lets go, seconds."""
        return self._held_s[: self._count]

    @property
    def shut_s(self) -> Sequence[float]:
        """The same from the release before, for a holder that had to wait, seconds.

        The system hands a lock over at once, but the new holder goes on only when it has the interpreter: so long the
        lock is shut without anybody working under it. An upper bound.
        """
        return self._shut_s[: self._count]

    @property
    def cpu_s(self) -> Sequence[float]:
        """CPU time of the holder during each hold, seconds: without the time in which it could not run."""
        return self._cpu_s[: self._count]


@dataclass(frozen=True, slots=True)
class HoldFigures:
    """What one run came to."""

    p50_s: float
    p99_s: float
    max_s: float
    cpu_p99_s: float
    """Of the CPU time within a hold."""
    shut_p99_s: float
    """Of the holds with the waking of holders that had to wait."""
    holds: int
    events_a_second: float
    conflicts: int
    """Commits that had to be matched again."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table."""

    coarse: bool
    one_camera: bool
    events: int

    @property
    def design(self) -> str:
        """What holds the lock."""
        return "coarse lock" if self.coarse else "ManageTracks"

    @property
    def cameras(self) -> str:
        """Where the threads meet."""
        return "one camera" if self.one_camera else f"{THREADS} cameras"


CASES = tuple(
    Case(coarse, one_camera, events)
    for one_camera, events, coarse in itertools.product((True, False), EVENTS, (False, True))
)


class _Cameras:
    """Cameras with ``TRACKS`` open tracks each, and the frames that keep them so. Any thread."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._use_case = ManageTracksUseCase(
            TrackMatchingService(), miss_interval_s=MISS_INTERVAL_S, duration_max_s=0.0
        )
        self._frames = itertools.count()  # next() on it is atomic
        self._ids = itertools.count(1)
        at = np.arange(TRACKS)
        corner = np.stack([40.0 + (at % COLUMNS) * 185.0, 40.0 + (at // COLUMNS) * 200.0], axis=1)
        self._boxes = np.hstack([corner, corner + SIDE_PX]).astype(np.float32)
        self._landmarks = np.zeros((5, 2), dtype=np.float32)
        self._utc = SystemClock().utc()
        count = 1 if case.one_camera else THREADS
        self._ids_of_cameras = [CameraId(f"camera-{n}") for n in range(count)]
        self._coarse = TimingLock()
        self.locks = [self._coarse] if case.coarse else []
        for camera in self._ids_of_cameras:
            state = self._use_case._state(camera)  # noqa: SLF001 - a lock that times itself in the place of its own
            if not case.coarse:
                lock = TimingLock()
                state.lock = cast("threading.Lock", lock)
                self.locks.append(lock)
            self._use_case.execute(camera, self._frame(camera, range(TRACKS)))

    @property
    def conflicts(self) -> int:
        """See ManageTracksUseCase."""
        return self._use_case.conflicts

    def all_open(self) -> bool:
        """Whether every camera still has its tracks and no more: else something else was measured."""
        return all(self._use_case.active_count(camera) == TRACKS for camera in self._ids_of_cameras)

    def step(self, thread: int, number: int) -> int:
        """One frame of the thread's camera: associate its faces; return how many there were."""
        camera = self._ids_of_cameras[thread % len(self._ids_of_cameras)]
        first = number * self._case.events + thread * (TRACKS // THREADS)
        events = self._frame(camera, [(first + n) % TRACKS for n in range(self._case.events)])
        return len(self._execute(camera, events))

    def _execute(self, camera: CameraId, events: Sequence[FaceEvent]) -> list[Association]:
        if not self._case.coarse:
            return self._use_case.execute(camera, events)
        with self._coarse:
            return self._use_case.execute(camera, events)

    def _frame(self, camera: CameraId, tracks: Sequence[int]) -> list[FaceEvent]:
        frame = next(self._frames)
        return [
            FaceEvent(
                id=EventId(next(self._ids)),
                camera_id=camera,
                frame_index=frame,
                at_mono_s=frame * FRAME_INTERVAL_S,
                at_utc=self._utc,
                box_xyxy=self._boxes[track],
                landmarks=self._landmarks,
                confidence=0.9,
                frame_size_wh=FRAME_SIZE_WH,
            )
            for track in tracks
        ]


def measure(case: Case, *, duration_s: float) -> HoldFigures:
    """Eight threads without a pause on one design.

    Raises:
        RuntimeError: a thread failed, or tracks were opened or lost: it was not the stated load.
    """
    cameras = _Cameras(case)
    events = [0] * THREADS
    clock = SystemClock()
    ends_s = time.perf_counter() + duration_s

    def loop(thread: int) -> None:
        number = 0
        while time.perf_counter() < ends_s:
            events[thread] += cameras.step(thread, number)
            number += 1

    for lock in cameras.locks:
        lock.reset()
    services = [LoopService(f"tracks-{n}", partial(loop, n), clock=clock) for n in range(THREADS)]
    started_s = time.perf_counter()
    for service in services:
        service.start()
    for service in services:
        if not service.join(duration_s + JOIN_SLACK_S) or service.failure is not None:
            raise RuntimeError(f"{service.name} did not end well") from service.failure
    elapsed_s = time.perf_counter() - started_s
    if not cameras.all_open():
        raise RuntimeError(f"{case.design}: not {TRACKS} tracks a camera any more")
    held_s, cpu_s, shut_s = (
        np.concatenate([np.asarray(getattr(lock, samples)) for lock in cameras.locks])
        for samples in ("held_s", "cpu_s", "shut_s")
    )
    return HoldFigures(
        p50_s=float(np.percentile(held_s, 50)),
        p99_s=float(np.percentile(held_s, 99)),
        max_s=float(held_s.max()),
        cpu_p99_s=float(np.percentile(cpu_s, 99)),
        shut_p99_s=float(np.percentile(shut_s, 99)),
        holds=len(held_s),
        events_a_second=sum(events) / elapsed_s,
        conflicts=cameras.conflicts,
    )


def run(context: BenchContext) -> BenchResult:
    """Every case a few times, round after round."""
    duration_s = context.pick(FULL_S, QUICK_S)
    found: dict[Case, list[HoldFigures]] = {case: [] for case in CASES}
    gc.freeze()
    for _ in range(context.repeats()):
        for case, figures in found.items():
            gc.collect()
            figures.append(measure(case, duration_s=duration_s))
    return BenchResult(
        name="lock",
        title=f"how long the lock of tracking is held, {THREADS} threads, {TRACKS} tracks a camera",
        tables=(_table(found),),
        chart=_chart(found),
        verdicts=(verdict(found),),
        data={f"{case.design}, {case.cameras}, {case.events} events": _data(f) for case, f in found.items()},
        notes=NOTES,
    )


def verdict(found: dict[Case, list[HoldFigures]]) -> Verdict:
    """On the longest p99 of all cases."""
    worst = max((case for case in CASES if not case.coarse), key=lambda case: _median(found[case], "p99_s"))
    p99_s = _median(found[worst], "p99_s")
    coarse_s = _median(found[replace(worst, coarse=True)], "p99_s")
    measured = f"p99 {p99_s * MICRO:.1f} µs at worst; coarse lock there {coarse_s * MICRO:.0f} µs"
    return Verdict("lock", measured, p99_s <= HOLD_P99_MAX_S)


NOTES = (
    "the threads call without a pause, which no camera does: as much contention as there can be",
    "a hold counts in wall time: a holder that loses the interpreter to others (5 ms a time) makes a long one",
    "'CPU p99': what the holder did meanwhile; the hold as it would be with an interpreter of its own",
    "'shut p99': with the time that a holder, given the lock while it slept, waited for the interpreter",
    "the verdict takes ManageTracks' worst row, that with 50 new faces in every call included",
    "eight threads with all faces of one camera meet each other's commits, hence the conflicts; a shard never does",
)


def _median(figures: Sequence[HoldFigures], field: str) -> float:
    return Spread.of([getattr(one, field) for one in figures]).median


def _table(found: dict[Case, list[HoldFigures]]) -> Table:
    rows = []
    for case, figures in found.items():
        tail = Spread.of([one.p99_s * MICRO for one in figures])
        times = (_median(figures, field) * MICRO for field in ("p50_s", "p99_s", "max_s", "cpu_p99_s", "shut_p99_s"))
        counts = (_median(figures, field) for field in ("events_a_second", "holds", "conflicts"))
        rows.append(
            (
                f"{case.design}, {case.cameras}",
                str(case.events),
                *(f"{value:.1f}" for value in times),
                f"{tail.low:.1f} … {tail.high:.1f}",
                *(f"{value:.0f}" for value in counts),
            )
        )
    times_columns = ("p50", "p99", "max", "CPU p99", "shut p99", "p99 from … to")
    columns = ("µs a hold", "events a call", *times_columns, "events/s", "holds", "conflicts")
    return Table("One hold of the lock, medians of the runs", columns, tuple(rows))


def _chart(found: dict[Case, list[HoldFigures]]) -> Chart:
    series = []
    for coarse, one_camera in itertools.product((False, True), (True, False)):
        cases = [Case(coarse, one_camera, events) for events in EVENTS]
        spreads = [Spread.of([one.p99_s * MICRO for one in found[case]]) for case in cases]
        values, low, high = zip(*((one.median, one.low, one.high) for one in spreads), strict=True)
        series.append(Series(f"{cases[0].design}, {cases[0].cameras}", values, low, high))
    return Chart(
        title=f"p99 of one hold, {THREADS} threads, {TRACKS} tracks a camera",
        kind=ChartKind.BARS,
        y_label="µs",
        series=tuple(series),
        categories=tuple(f"{events} event{'s' if events > 1 else ''} a call" for events in EVENTS),
        logarithmic=True,
        marks={"promised": HOLD_P99_MAX_S * MICRO},
    )


def _data(figures: Sequence[HoldFigures]) -> dict[str, object]:
    return {field: Spread.of([asdict(one)[field] for one in figures]).as_json() for field in asdict(figures[0])}
