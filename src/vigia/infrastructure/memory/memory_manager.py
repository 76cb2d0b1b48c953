"""Memory, kept in order from one thread: when to collect garbage, and when to ask for memory back.

Collecting the oldest generation holds the interpreter for as long as it takes, in whatever thread it runs, so the
question is only *when*. What start-up made is frozen (never looked at again); automatic collection of the oldest
generation is put off for good; this thread collects it when the shards are idle, or when it is overdue. Frames die by
reference count and do not wait for any of this.

Components give memory back themselves (``Sheddable``); nobody else's objects are freed here.
"""

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import psutil

from vigia.application.errors import ConfigurationError
from vigia.application.ports import Clock, Sheddable
from vigia.application.service import LoopService
from vigia.infrastructure.logging import RepeatGate, get_logger
from vigia.infrastructure.memory.allocator import trim_heap
from vigia.infrastructure.memory.gc_pauses import OLDEST_GENERATION, GcPauses, PauseStats

logger = get_logger("memory")

INTERVAL_S: Final = 5.0
OVERDUE_S: Final = 30.0
PROBE_S: Final = 0.1
"""How often it is asked whether the shards are idle, once a collection is due."""
RELEASE_RATIO: Final = 0.9
"""Pressure ends below this part of the limit that set it off, so that it does not begin anew at once."""
HARD_INTERVAL_S: Final = 60.0
"""The hard limit is told once in this time."""
STOP_TIMEOUT_S: Final = 5.0
NEVER: Final = 2**31 - 1
"""A third threshold that no count of collections reaches."""
MEBIBYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MemoryStats:
    """What the memory manager saw and did."""

    rss_bytes: int
    """Resident set at the last look; 0 before the first."""
    collections: int
    """Collections of the oldest generation made here."""
    objects_collected: int
    frozen_objects: int
    """In the permanent generation."""
    pauses: PauseStats
    sheds: int
    """Times that a component was asked to give back."""
    shed_bytes: int
    """What the components said they gave, in all."""
    trims: int
    """Times that pages went back to the system."""
    under_pressure: bool


class MemoryManager:
    """Schedules garbage collection and answers memory pressure. A service: ``step`` runs without a thread too.

    Owner: its thread. ``stats`` may be read from any. Stops when: asked; the collector's settings are restored then.

    Args:
        clock: for intervals.
        is_idle: whether the shards have nothing to do at the moment. Called from this thread; must be quick.
        sheddables: asked to give back in this order, the cheapest loss first.
        interval_s: between two collections, and between two looks at the resident set.
        overdue_s: so long after the last collection there is one even if the shards are busy.
        soft_limit_bytes: resident set above which components are asked; None for no limit.
        hard_limit_bytes: resident set above which it is told as an error; None for no limit.
        read_rss_bytes: the process's resident set.
        trim: gives freed pages back to the system; True when any went.

    Raises:
        ConfigurationError: an interval or limit makes no sense.
    """

    def __init__(  # noqa: PLR0913 - settings by keyword, and the two calls that a test replaces
        self,
        clock: Clock,
        *,
        is_idle: Callable[[], bool],
        sheddables: Sequence[Sheddable] = (),
        interval_s: float = INTERVAL_S,
        overdue_s: float = OVERDUE_S,
        soft_limit_bytes: int | None = None,
        hard_limit_bytes: int | None = None,
        read_rss_bytes: Callable[[], int] | None = None,
        trim: Callable[[], bool] = trim_heap,
    ) -> None:
        _check(interval_s, overdue_s, soft_limit_bytes, hard_limit_bytes)
        self._clock = clock
        self._is_idle = is_idle
        self._sheddables = tuple(sheddables)
        self._interval_s = interval_s
        self._overdue_s = overdue_s
        self._hard_limit_bytes = hard_limit_bytes
        self._limit_bytes = soft_limit_bytes if soft_limit_bytes is not None else hard_limit_bytes
        self._read_rss_bytes = read_rss_bytes if read_rss_bytes is not None else _process_rss_bytes
        self._trim = trim
        self._gate = RepeatGate(interval_s=HARD_INTERVAL_S)
        self._pauses = GcPauses()
        self._thresholds: tuple[int, int, int] | None = None
        self._froze = False
        self._collected_at_s = clock.mono_s()
        self._looked_at_s = float("-inf")
        self._rss_bytes = 0
        self._collections = self._objects_collected = 0
        self._sheds = self._shed_bytes = self._trims = 0
        self._under_pressure = False
        self._service = LoopService("memory", self.step, clock=clock, on_exit=self._worker_ended)

    def __repr__(self) -> str:
        return f"<MemoryManager every {self._interval_s:.1f} s, {self._collections} collections>"

    @property
    def name(self) -> str:
        """Names the thread."""
        return self._service.name

    @property
    def failure(self) -> BaseException | None:
        """What ended it unexpectedly, if anything did."""
        return self._service.failure

    @property
    def is_alive(self) -> bool:
        """True while its thread runs."""
        return self._service.is_alive

    @property
    def stats(self) -> MemoryStats:
        """What it saw and did so far. Any thread."""
        return MemoryStats(
            rss_bytes=self._rss_bytes,
            collections=self._collections,
            objects_collected=self._objects_collected,
            frozen_objects=gc.get_freeze_count(),
            pauses=self._pauses.stats,
            sheds=self._sheds,
            shed_bytes=self._shed_bytes,
            trims=self._trims,
            under_pressure=self._under_pressure,
        )

    def longest_pause(self, *, since: int) -> tuple[int, float]:
        """How many collections there were, and how long the longest after the first ``since`` was, seconds."""
        return self._pauses.longest_since(since)

    def start(self) -> None:
        """Take automatic collection of the oldest generation off the hot path, and start the thread."""
        if self._service.stopping:
            return
        self._take_over()
        logger.info("✓ MemoryManager started (interval: %.1fs)", self._interval_s)
        self._service.start()

    def request_stop(self) -> None:
        """Ask the thread to end. Idempotent, never blocks."""
        self._service.request_stop()

    def join(self, timeout_s: float) -> bool:
        """Wait up to ``timeout_s``; True when the thread has ended or never ran."""
        return self._service.join(timeout_s)

    def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Ask, wait, and undo ``freeze_startup`` also when the thread never ran. True when it has ended in time."""
        self.request_stop()
        ended = self.join(timeout_s)
        if ended:
            self._restore()
        return ended

    def freeze_startup(self) -> None:
        """Collect what start-up left, then keep all that lives now out of every later collection.

        To be called once, when models, cameras and threads are in place and before the thread is started, or from
        any thread while it does not collect.
        """
        self._collect()
        gc.freeze()
        self._froze = True
        self._pauses.install()  # only now: the collection above is the longest by far, and stops nobody
        logger.debug("start-up frozen: %d objects are left out of garbage collection", gc.get_freeze_count())

    def step(self) -> float:
        """Do what is due; return the seconds until the next look."""
        now_s = self._clock.mono_s()
        if now_s - self._looked_at_s >= self._interval_s:
            self._looked_at_s = now_s
            self._watch_limits(now_s)
        since_s = now_s - self._collected_at_s
        if since_s >= self._interval_s:
            if not self._is_idle() and since_s < self._overdue_s:
                return min(PROBE_S, self._interval_s)
            if self._collect():
                self._give_pages_back()
        next_s = min(self._looked_at_s, self._collected_at_s) + self._interval_s
        return max(0.001, next_s - self._clock.mono_s())

    def _take_over(self) -> None:
        self._pauses.install()
        if self._thresholds is None:
            self._thresholds = gc.get_threshold()
            # Up to Python 3.13 the third number is when the oldest generation is due. From 3.14 on it means nothing:
            # the collector is incremental, its pauses are short, and collections here only come on top.
            gc.set_threshold(self._thresholds[0], self._thresholds[1], NEVER)

    def _worker_ended(self, _service: LoopService) -> None:
        """However the thread ended: without it nobody would collect the oldest generation any more."""
        self._restore()
        logger.info("✓ MemoryManager stopped")

    def _restore(self) -> None:
        if self._thresholds is not None:
            gc.set_threshold(*self._thresholds)
            self._thresholds = None
        if self._froze:
            gc.unfreeze()
            self._froze = False
        self._pauses.remove()

    def _collect(self) -> int:
        collected = gc.collect(OLDEST_GENERATION)
        self._collected_at_s = self._clock.mono_s()
        self._collections += 1
        self._objects_collected += collected
        level = logging.INFO if collected or self._collections == 1 else logging.DEBUG  # the first one says: it works
        logger.log(level, "GC #%d: %d objects collected", self._collections, collected)
        return collected

    def _watch_limits(self, now_s: float) -> None:
        rss_bytes = self._look()
        limit_bytes = self._limit_bytes
        if limit_bytes is None:
            return
        if rss_bytes > limit_bytes and not self._under_pressure:
            self._under_pressure = True
            logger.warning(
                "memory: %.0f MB resident is above the limit of %.0f MB; components are asked to give back",
                rss_bytes / MEBIBYTE,
                limit_bytes / MEBIBYTE,
            )
        if self._under_pressure:
            release_bytes = limit_bytes * RELEASE_RATIO
            self._shed_until(release_bytes)
            if self._rss_bytes <= release_bytes:
                self._under_pressure = False
                logger.info("memory: %.0f MB resident, the pressure is over", self._rss_bytes / MEBIBYTE)
        self._watch_hard_limit(now_s)

    def _shed_until(self, release_bytes: float) -> None:
        for component in self._sheddables:
            before_bytes = self._rss_bytes
            if before_bytes <= release_bytes:
                return
            try:
                freed_bytes = component.shed()
            except Exception:
                if self._gate.admit(component.shed_name, self._clock.mono_s()) is not None:
                    logger.exception("memory: %s could not give back", component.shed_name)
                continue
            self._sheds += 1
            self._shed_bytes += freed_bytes
            self._give_pages_back()
            after_bytes = self._look()
            logger.log(
                logging.INFO if freed_bytes else logging.DEBUG,
                "memory: %s gave back about %.1f MB (resident %.1f → %.1f MB)",
                component.shed_name,
                freed_bytes / MEBIBYTE,
                before_bytes / MEBIBYTE,
                after_bytes / MEBIBYTE,
            )

    def _watch_hard_limit(self, now_s: float) -> None:
        limit_bytes = self._hard_limit_bytes
        if limit_bytes is None or self._rss_bytes <= limit_bytes or self._gate.admit("hard limit", now_s) is None:
            return
        logger.error(
            "memory: %.0f MB resident is above the hard limit of %.0f MB, and nothing more can be given back",
            self._rss_bytes / MEBIBYTE,
            limit_bytes / MEBIBYTE,
        )

    def _give_pages_back(self) -> None:
        if self._trim():
            self._trims += 1

    def _look(self) -> int:
        self._rss_bytes = self._read_rss_bytes()
        return self._rss_bytes


def _process_rss_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def _check(interval_s: float, overdue_s: float, soft_limit_bytes: int | None, hard_limit_bytes: int | None) -> None:
    if interval_s <= 0.0 or overdue_s < interval_s:
        raise ConfigurationError(
            "the memory interval must be above 0 s and not longer than what counts as overdue: "
            "%(interval_s)s s and %(overdue_s)s s were given",
            interval_s=interval_s,
            overdue_s=overdue_s,
        )
    limits = [limit for limit in (soft_limit_bytes, hard_limit_bytes) if limit is not None]
    if any(limit <= 0 for limit in limits) or limits != sorted(limits):
        raise ConfigurationError(
            "memory limits must be above 0, the soft one not above the hard one: "
            "%(soft)s and %(hard)s bytes were given",
            soft=soft_limit_bytes,
            hard=hard_limit_bytes,
        )
