"""One hot loop that makes garbage, under one way to collect it: what the collector's pauses are then.

The heap is that of a process that has started everything: every module of vigia and of its libraries. The loop makes,
at the pace of eight cameras, what frames leave behind: events, tracks that live a second, and reference cycles. Each
way runs in a process of its own.
"""

import argparse
import contextlib
import gc
import json
import pkgutil
import sys
import threading
import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module

import vigia
from vigia.application.service import LoopService
from vigia.bench.rivals_logging import quantile
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.memory import MemoryManager
from vigia.infrastructure.memory.gc_pauses import OLDEST_GENERATION
from vigia.infrastructure.process.parent import end_with_parent

FRAMES_HZ = 240.0
EVENTS_A_FRAME = 30
CYCLES_A_FRAME = 30
"""More than vigia makes, about what dictionaries and callbacks make elsewhere: else nothing is due for minutes."""
LIVE_FRAMES = 240
"""Frames whose events are still referred to: a second's worth."""
COLLECT_EVERY_FRAMES = 30
INTERVAL_S = 1.0
"""Between two collections of those that collect by time. Shorter than in a run (5 s), so that a short run sees some."""
WARM_S = 1.0
PAUSES_MAX = 100_000
NOT_IMPORTED = ("vigia.__main__", "vigia.bench", "vigia.cli", "vigia.testing")
"""Programs, and what no run imports."""


class PauseLog:
    """Every pause of the collector, by ``gc.callbacks``.

    Owner: the collector. Bounds: ``PAUSES_MAX``, made beforehand.
    """

    def __init__(self) -> None:
        self._pauses_s = array("d", bytes(8 * PAUSES_MAX))
        self._count = 0
        self._began_s = 0.0
        self.full = 0
        """Collections of the oldest generation among them."""

    def install(self) -> None:
        """Begin to measure."""
        gc.callbacks.append(self._on_collection)

    def remove(self) -> None:
        """Stop measuring. Idempotent."""
        if self._on_collection in gc.callbacks:
            gc.callbacks.remove(self._on_collection)

    @property
    def pauses_s(self) -> list[float]:
        """Each pause, seconds, shortest first."""
        return sorted(self._pauses_s[: self._count])

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        now_s = time.perf_counter()
        if phase == "start":
            self._began_s = now_s
        elif self._began_s and self._count < PAUSES_MAX:  # else it was installed within a collection
            self._pauses_s[self._count] = now_s - self._began_s
            self._count += 1
            self.full += info["generation"] == OLDEST_GENERATION


@dataclass(frozen=True, slots=True)
class PauseFigures:
    """What one run of one way came to."""

    pauses: int
    full: int
    """Collections of the oldest generation among them."""
    p50_s: float
    p99_s: float
    max_s: float
    share: float
    """Of the time, in pauses."""
    frame_p99_s: float
    """How long the loop took for a frame, pauses included."""
    frame_max_s: float
    frames: int
    objects: int
    """That the collector knows when the load begins, frozen ones included."""


class _Item:
    """What an event or a track is to the collector: an object that refers to others."""

    __slots__ = ("box", "facts", "other")

    def __init__(self, number: int) -> None:
        self.box = [number, number + 1, number + 2, number + 3]
        self.facts = {"number": number, "score": 0.5}
        self.other: _Item | None = None


class HotLoop:
    """The load. Owner: one thread, but ``is_idle`` may be read from any."""

    def __init__(self) -> None:
        self._live: deque[list[_Item]] = deque(maxlen=LIVE_FRAMES)
        self._clock = SystemClock()
        self._never = threading.Event()
        self._idle = False

    def is_idle(self) -> bool:
        """True while it waits for the next frame."""
        return self._idle

    def run(self, duration_s: float, *, after_frame: Callable[[int], object]) -> list[float]:
        """Frames at their pace; return how long each took, seconds, shortest first."""
        taken_s = array("d", bytes(8 * (int(duration_s * FRAMES_HZ) + 1)))
        began_s = time.perf_counter()
        count = 0
        for number in range(len(taken_s)):
            delay_s = began_s + number / FRAMES_HZ - time.perf_counter()
            if delay_s > 0.0:
                self._idle = True
                self._clock.wait(self._never, delay_s)
                self._idle = False
            frame_s = time.perf_counter()
            if frame_s - began_s >= duration_s:
                break
            self._frame(number)
            after_frame(number)
            taken_s[number] = time.perf_counter() - frame_s
            count = number + 1
        return sorted(taken_s[:count])

    def _frame(self, number: int) -> None:
        items = [_Item(number + n) for n in range(EVENTS_A_FRAME)]
        for n in range(CYCLES_A_FRAME):
            one, two = _Item(n), _Item(n)
            one.other, two.other = two, one
        self._live.append(items)


AfterFrame = Callable[[int], object]


@contextlib.contextmanager
def _automatic(_loop: HotLoop) -> Iterator[AfterFrame]:
    """Python as it is."""
    yield lambda _number: None


@contextlib.contextmanager
def _in_loop(_loop: HotLoop) -> Iterator[AfterFrame]:
    """What is often advised: collect by hand now and then, where the work is."""
    yield lambda number: gc.collect() if number % COLLECT_EVERY_FRAMES == 0 else 0


@contextlib.contextmanager
def _in_background(_loop: HotLoop) -> Iterator[AfterFrame]:
    """A thread that collects by time: the pause is the same, and everybody's."""

    def step() -> float:
        gc.collect()
        return INTERVAL_S

    service = LoopService("collector", step, clock=SystemClock())
    service.start()
    try:
        yield lambda _number: None
    finally:
        service.request_stop()
        service.join(INTERVAL_S)


@contextlib.contextmanager
def _managed(loop: HotLoop) -> Iterator[AfterFrame]:
    """The way of vigia: start-up frozen, the oldest generation collected while the loop waits."""
    memory = MemoryManager(SystemClock(), is_idle=loop.is_idle, interval_s=INTERVAL_S)
    memory.freeze_startup()
    memory.start()
    try:
        yield lambda _number: None
    finally:
        memory.stop()


WAYS = {
    "MemoryManager": _managed,
    "automatic": _automatic,
    "collect in the loop": _in_loop,
    "background thread": _in_background,
}


def measure(name: str, *, duration_s: float) -> PauseFigures:
    """Run the loop under one way; the process is to end after it."""
    import_everything()
    gc.collect()
    loop = HotLoop()
    pauses = PauseLog()
    with WAYS[name](loop) as after_frame:
        loop.run(WARM_S, after_frame=after_frame)
        objects = len(gc.get_objects()) + gc.get_freeze_count()
        pauses.install()
        began_s = time.perf_counter()
        frames_s = loop.run(duration_s, after_frame=after_frame)
        elapsed_s = time.perf_counter() - began_s
        pauses.remove()
    pauses_s = pauses.pauses_s
    return PauseFigures(
        pauses=len(pauses_s),
        full=pauses.full,
        p50_s=quantile(pauses_s, 0.5),
        p99_s=quantile(pauses_s, 0.99),
        max_s=pauses_s[-1] if pauses_s else 0.0,
        share=sum(pauses_s) / elapsed_s,
        frame_p99_s=quantile(frames_s, 0.99),
        frame_max_s=frames_s[-1],
        frames=len(frames_s),
        objects=objects,
    )


def import_everything() -> None:
    """Every module that a run of vigia imports and the libraries behind them, except what needs a missing extra."""
    for module in pkgutil.walk_packages(vigia.__path__, "vigia.", onerror=lambda _name: None):
        if not module.name.startswith(NOT_IMPORTED):
            with contextlib.suppress(ImportError):
                import_module(module.name)


def main() -> None:
    """The process of one way: its figures as JSON on standard output."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(WAYS))
    parser.add_argument("--seconds", type=float, required=True)
    chosen = parser.parse_args()
    end_with_parent()
    figures = measure(chosen.name, duration_s=chosen.seconds)
    sys.stdout.write(json.dumps(asdict(figures)) + "\n")


if __name__ == "__main__":
    main()
