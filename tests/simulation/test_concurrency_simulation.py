"""Additive increase, multiplicative decrease against a receiver that serves a few requests at once and queues the rest.

A discrete-event simulation: senders that always have something to send ask the limit for a place, send, and come back
when they are answered. What must hold: the receiver is kept busy, its queue stays short, and the limit follows when
what it can do changes.
"""

import heapq
from dataclasses import dataclass, field
from random import Random

import pytest

from vigia.application.concurrency import ConcurrencyLimit, ConcurrencyRules

SENDERS = 32


@dataclass
class Receiver:
    """Serves ``slots`` requests at once, each for about ``service_s``; beyond ``queue_max`` waiting it says 503."""

    rng: Random
    slots: int
    service_s: float
    queue_max: int = 10_000
    busy_until_s: list[float] = field(default_factory=list)

    def answer(self, now_s: float) -> tuple[float, bool]:
        """When the answer to a request that comes now is there, and whether it is a good one."""
        self.busy_until_s = sorted(end_s for end_s in self.busy_until_s if end_s > now_s)
        if len(self.busy_until_s) - self.slots >= self.queue_max:
            return now_s + 0.005, False
        waits_for = len(self.busy_until_s) - self.slots
        start_s = now_s if waits_for < 0 else self.busy_until_s[waits_for]
        end_s = start_s + self.service_s * self.rng.uniform(0.7, 1.3)
        self.busy_until_s.append(end_s)
        return end_s, True


@dataclass
class Run:
    """What came of a while."""

    answered: int = 0
    refused: int = 0
    latency_sum_s: float = 0.0
    limits: list[int] = field(default_factory=list)

    @property
    def latency_s(self) -> float:
        return self.latency_sum_s / self.answered


class Simulation:
    def __init__(self, receiver: Receiver, rules: ConcurrencyRules) -> None:
        self.receiver = receiver
        self.limit = ConcurrencyLimit(rules)
        self.now_s = 0.0
        self._order = 0
        self._events: list[tuple[float, int, float | None, bool]] = []
        for sender in range(SENDERS):
            self._at(sender * 0.001, None, ok=True)

    def run(self, seconds: float) -> Run:
        run, end_s = Run(), self.now_s + seconds
        while self._events[0][0] < end_s:
            self.now_s, _, began_s, ok = heapq.heappop(self._events)
            if began_s is not None:
                self.limit.leave()
                tell = self.limit.good if ok else self.limit.bad
                tell(began_mono_s=began_s, now_mono_s=self.now_s)
                run.answered += ok
                run.refused += not ok
                run.latency_sum_s += (self.now_s - began_s) * ok
                run.limits.append(self.limit.limit)
            if self.limit.enter():
                answer_s, good = self.receiver.answer(self.now_s)
                self._at(answer_s, self.now_s, ok=good)
            else:
                self._at(self.now_s + 0.05, None, ok=True)
        self.now_s = end_s
        return run

    def _at(self, at_s: float, began_s: float | None, *, ok: bool) -> None:
        self._order += 1
        heapq.heappush(self._events, (at_s, self._order, began_s, ok))


def rules(limit_max: int = SENDERS) -> ConcurrencyRules:
    return ConcurrencyRules(limit_max=limit_max, slow_factor=3.0, slow_min_s=0.2)


@pytest.mark.parametrize("slots", [1, 4, 10])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_receiver_with_a_queue_is_kept_busy_and_its_queue_short(slots: int, seed: int) -> None:
    receiver = Receiver(Random(seed), slots=slots, service_s=0.1)
    simulation = Simulation(receiver, rules())
    simulation.run(30.0)
    run = simulation.run(120.0)

    capacity = slots / 0.1 * 120.0
    assert run.answered > 0.85 * capacity
    assert run.latency_s < 0.5  # with all 32 senders at once it would be 3.2 s, 0.8 s and 0.32 s
    assert max(run.limits) < 8 * slots


def test_a_receiver_that_refuses_what_it_cannot_queue_is_rarely_asked_for_more() -> None:
    simulation = Simulation(Receiver(Random(3), slots=4, service_s=0.1, queue_max=4), rules())
    simulation.run(30.0)
    run = simulation.run(120.0)

    assert run.answered > 0.8 * 4 / 0.1 * 120.0
    assert run.refused < 0.05 * run.answered  # one at the top of each saw tooth


def test_the_limit_follows_when_the_receiver_gets_slower_and_when_it_recovers() -> None:
    receiver = Receiver(Random(4), slots=16, service_s=0.1)
    simulation = Simulation(receiver, rules(limit_max=16))
    simulation.run(30.0)
    assert simulation.limit.limit >= 8
    receiver.slots = 2
    simulation.run(20.0)
    slow = simulation.run(60.0)
    assert slow.latency_s < 0.5
    assert max(slow.limits) <= 12
    receiver.slots = 16
    simulation.run(30.0)
    assert simulation.limit.limit >= 12


def test_a_receiver_with_room_for_all_is_given_all() -> None:
    simulation = Simulation(Receiver(Random(5), slots=64, service_s=0.1), rules(limit_max=8))
    run = simulation.run(60.0)

    assert set(run.limits) == {8}
    assert run.refused == 0
