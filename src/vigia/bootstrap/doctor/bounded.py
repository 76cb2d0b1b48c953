"""Calls that may hang, made in threads of their own and left behind at their limit."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from vigia.application.ports import Clock
from vigia.application.service import LoopService

_T = TypeVar("_T")
LEFT_BEHIND_MAX = 32
"""Threads that hang at the same time; what is still to be done then is given up."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[_T]):
    """What became of one call."""

    result: _T | None = None
    failure: BaseException | None = None
    """What it raised."""

    @property
    def hung(self) -> bool:
        """It did not end within its limit, or was not begun because too many others hang."""
        return self.result is None and self.failure is None


class _Call(Generic[_T]):
    """One call under way. Owner: its service's thread; ``result`` is read after the service has ended."""

    def __init__(self, name: str, act: Callable[[], _T], ended: threading.Event, clock: Clock) -> None:
        self.result: _T | None = None
        self._act = act
        self.began_s = clock.mono_s()
        self.service = LoopService(name, self._step, clock=clock, on_exit=lambda _service: ended.set())

    def _step(self) -> None:
        self.result = self._act()

    @property
    def outcome(self) -> Outcome[_T]:
        return Outcome(self.result, self.service.failure)


def call_all(
    calls: Sequence[tuple[str, Callable[[], _T]]], *, at_once: int, limit_s: float, clock: Clock
) -> list[Outcome[_T]]:
    """Make calls side by side.

    Args:
        calls: names for the threads, and what to call; it must not return None.
        at_once: so many run at the same time, beside those that hang.
        limit_s: of each.
        clock: times them.

    Returns:
        An outcome for each, in their order, however they end.
    """
    outcomes: list[Outcome[_T]] = [Outcome() for _ in calls]
    waiting, ended = deque(enumerate(calls)), threading.Event()
    running: dict[int, _Call[_T]] = {}
    left_behind: list[_Call[_T]] = []
    while waiting or running:
        while waiting and len(running) < at_once and _alive(left_behind) < LEFT_BEHIND_MAX:
            number, (name, act) = waiting.popleft()
            running[number] = _Call(name, act, ended, clock)
            running[number].service.start()
        if not running:
            break  # too many hang
        first_end_s = min(call.began_s for call in running.values()) + limit_s
        clock.wait(ended, max(0.0, first_end_s - clock.mono_s()))
        ended.clear()
        for number, call in list(running.items()):
            # The event comes a moment before the thread is gone.
            if call.result is not None or call.service.failure is not None or not call.service.is_alive:
                outcomes[number] = running.pop(number).outcome
            elif clock.mono_s() - call.began_s >= limit_s:
                left_behind.append(running.pop(number))
    return outcomes


def call(name: str, act: Callable[[], _T], *, limit_s: float, clock: Clock) -> Outcome[_T]:
    """Make one call; see ``call_all``."""
    return call_all([(name, act)], at_once=1, limit_s=limit_s, clock=clock)[0]


def _alive(calls: Sequence[_Call[_T]]) -> int:
    return sum(call.service.is_alive for call in calls)
