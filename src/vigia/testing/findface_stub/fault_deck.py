"""Draws, for each call, what a scenario has in store for it, and counts what happened.

What the n-th call of a path meets depends on the seed, the path and n, and on nothing else that is drawn: so a run
repeats although its calls come over several connections. Rules by ``every`` and ``times`` count calls in the order of
their arrival, rules by ``from_s`` and ``to_s`` go by the clock.

Shares are exact and exclusive: one number in [0, 1) is drawn for a call, and each failing rule with a share that covers
the call owns a stretch of it as long as its share. 0.2 and 0.1 make 30 % failures, never 28 %.
"""

import math
import threading
from dataclasses import dataclass, field
from random import Random
from typing import Any

from vigia.application.ports import Clock
from vigia.testing.findface_stub.fault_scenario import FaultRule, FaultScenario
from vigia.testing.findface_stub.faults import Fault, path_pattern

LATENCY_MAX_S = 60.0
"""Where a log-normal latency is cut off unless the rule says."""
STREAMS_MAX = 200
"""Different paths with random numbers of their own; the rest share one."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What one call meets."""

    fault: Fault | None = None
    delay_s: float = 0.0
    read_bytes_per_s: float = math.inf
    slowed_by: tuple[str, ...] = ()


@dataclass(slots=True)
class _Book:
    """What one rule saw and did. Owner: the deck, under its lock."""

    rule: FaultRule
    name: str
    covered: int = 0
    happened: int = 0
    streams: dict[str, Random] = field(default_factory=dict)

    @property
    def is_spent(self) -> bool:
        return self.rule.times is not None and self.happened >= self.rule.times


class FaultDeck:
    """A scenario in play.

    The lock guards the books: the server's thread draws, tests read from theirs.
    Bounds: one book a rule, ``STREAMS_MAX`` streams of random numbers each.
    """

    def __init__(self, scenario: FaultScenario, *, clock: Clock) -> None:
        """``from_s`` and ``to_s`` count from the first ``start``."""
        self._seed = scenario.seed
        self._clock = clock
        self._start_mono_s: float | None = None
        self._lock = threading.Lock()
        self._books = [_Book(rule, name) for rule, name in zip(scenario.faults, scenario.names, strict=True)]
        self._streams: dict[str, Random] = {}
        self._calls = 0

    def start(self) -> None:
        """The time of the scenario begins; nothing when it has begun."""
        if self._start_mono_s is None:
            self._start_mono_s = self._clock.mono_s()

    def draw(self, path: str, *, only_slow: bool = False) -> Draw:
        """What the next call of this path meets.

        Args:
            path: without ``/api``.
            only_slow: another fault has this call already; what would have happened is not counted.
        """
        pattern = path_pattern(path)
        self.start()
        since_start_s = self._clock.mono_s() - (self._start_mono_s or 0.0)
        with self._lock:
            self._calls += 1
            chance = self._stream(self._streams, pattern, "").random()
            slowing: list[_Book] = []
            failing: _Book | None = None
            delay_s, bytes_per_s, stretch_from = 0.0, math.inf, 0.0
            for index, book in enumerate(self._books):
                rule = book.rule
                if not rule.covers(pattern, since_start_s):
                    continue
                book.covered += 1
                if rule.slows:
                    stream = self._stream(book.streams, pattern, str(index))
                    own_chance, drawn_s = stream.random(), _latency_s(rule, stream)
                    if _is_due(book, own_chance, 0.0):
                        slowing.append(book)
                        delay_s += drawn_s
                        bytes_per_s = min(bytes_per_s, rule.bytes_per_s or math.inf)
                    continue
                if failing is None and _is_due(book, chance, stretch_from):
                    failing = book
                stretch_from += rule.share or 0.0
            for book in [*slowing, *([failing] if failing is not None and not only_slow else [])]:
                book.happened += 1
        fault = None if failing is None or only_slow else failing.rule.fault(failing.name)
        return Draw(fault, delay_s, bytes_per_s, tuple(book.name for book in slowing))

    def counts(self) -> dict[str, int]:
        """How often each rule happened, by its name."""
        with self._lock:
            return {book.name: book.happened for book in self._books}

    def report(self) -> dict[str, Any]:
        """Seed, calls and rules, as JSON can hold them."""
        with self._lock:
            return {
                "seed": self._seed,
                "calls": self._calls,
                "rules": [
                    {
                        "name": book.name,
                        "kind": book.rule.kind,
                        "path": book.rule.path,
                        "covered": book.covered,
                        "happened": book.happened,
                    }
                    for book in self._books
                ],
            }

    def _stream(self, streams: dict[str, Random], pattern: str, rule: str) -> Random:
        key = pattern if pattern in streams or len(streams) < STREAMS_MAX else "other"
        if key not in streams:
            streams[key] = Random(f"{self._seed}/{rule}/{key}")  # noqa: S311 - it shall repeat
        return streams[key]


def _is_due(book: _Book, chance: float, stretch_from: float) -> bool:
    rule = book.rule
    if book.is_spent:
        return False
    if rule.every is not None:
        return book.covered % rule.every == 0
    return rule.share is None or stretch_from <= chance < stretch_from + rule.share


def _latency_s(rule: FaultRule, stream: Random) -> float:
    if rule.kind != "latency":
        return 0.0
    match rule.distribution:
        case "fixed":
            return rule.delay_s or 0.0
        case "uniform":
            return stream.uniform(rule.delay_min_s or 0.0, rule.delay_max_s or 0.0)
        case "log-normal":
            longest_s = LATENCY_MAX_S if rule.delay_max_s is None else rule.delay_max_s
            return min((rule.delay_median_s or 0.0) * stream.lognormvariate(0.0, rule.delay_sigma or 0.0), longest_s)
