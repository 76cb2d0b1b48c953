"""The queue between the callers of a logger and its worker.

What a caller pays for: one look at the message's arguments and a few pops and appends of ``deque``, which are atomic.
There is no lock, no notification and no formatting on this side; the worker comes by itself.

Invariants:

- An entry is queued only with a slot, and slots are made once: the queue never holds more than ``queue_size``.
- The last tenth of the slots is kept for WARNING and above.
- Whoever finds no slot counts a drop in a cell of its own thread, and returns.
- After ``close_gate`` an entry goes to ``emergency`` in its caller's thread. The gate is looked at after an entry is
  queued, and is closed before the queue is emptied for the last time: one side or the other takes it out.
"""

import logging
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Final, TypeAlias

from vigia.infrastructure.logging.snapshot import NOTHING, PLAIN, Entry, entry_of, held_arguments, held_message

RESERVE_RATIO: Final = 0.1
"""The part of the queue that is kept for WARNING and above."""

_Slots: TypeAlias = "deque[None]"


class AsyncHandler(logging.Handler):
    """Queues messages for a worker; full means drop and count, never wait.

    Owner: none; every attribute is changed by atomic operations only. Any thread may log, also from a signal
    handler or a finaliser. Bounds: ``queue_size`` entries.

    Args:
        queue_size: how many entries wait at most, 1 or more.
        emergency: takes an entry that comes after the gate was closed; may write, must not log.
        wake: called now and then when the queue fills up quicker than the worker comes by.
        on_close: called first by ``close``: the last chance to write what is queued in an orderly way.
    """

    def __init__(
        self,
        *,
        queue_size: int,
        emergency: Callable[[Entry], None],
        wake: Callable[[], None] = lambda: None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__()
        self._queue_size = queue_size
        self._reserve_size = int(queue_size * RESERVE_RATIO)
        self._emergency = emergency
        self._wake = wake
        self._on_close = on_close
        self._wake_at = max(1, queue_size // 4)
        self._gate_closed = False
        self._drops: dict[int, int] = {}
        self._reset()
        _handlers.add(self)

    def __repr__(self) -> str:
        return f"<AsyncHandler {self.queued}/{self._queue_size}>"

    @property
    def queue_size(self) -> int:
        """How many entries wait at most."""
        return self._queue_size

    @property
    def gate_closed(self) -> bool:
        """True when nothing is queued any more."""
        return self._gate_closed

    @property
    def queued(self) -> int:
        """Entries that wait now."""
        return len(self._queue)

    @property
    def dropped(self) -> int:
        """Entries that found no room, ever."""
        return sum(list(self._drops.values()))

    def put(self, name: str, level: int, msg: object, args: tuple[object, ...]) -> None:
        """Queue one message, the short way (``loggers.Route``). Never blocks, never raises."""
        slots = self._slots
        try:
            slots.pop()
        except IndexError:
            if not self._takes_reserve(level):
                return
            slots = self._reserve
        kept: object = args
        for arg in args:
            if type(arg) not in PLAIN:
                kept = held_arguments(msg, args)
                break
        text = msg if type(msg) is str else held_message(msg)
        # The stamp and the thread's name are what a LogRecord would have; a clock of our own would cost a call.
        now_s = time.time()  # noqa: TID251 - see above
        queue = self._queue
        queue.append(((now_s, name, level, text, kept, threading.current_thread().name, None, NOTHING), slots))
        if self._gate_closed or len(queue) == self._wake_at:
            self._look_up()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record, the ordinary way. Never blocks, never raises."""
        slots = self._slots
        try:
            slots.pop()
        except IndexError:
            if not self._takes_reserve(record.levelno):
                return
            slots = self._reserve
        queue = self._queue
        queue.append((entry_of(record), slots))
        if self._gate_closed or len(queue) == self._wake_at:
            self._look_up()

    def forward(self, entry: Entry) -> None:
        """Queue an entry that another process made. Never blocks, never raises."""
        slots = self._slots
        try:
            slots.pop()
        except IndexError:
            if not self._takes_reserve(entry[2]):
                return
            slots = self._reserve
        self._queue.append((entry, slots))
        if self._gate_closed or len(self._queue) == self._wake_at:
            self._look_up()

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record that the filters let pass."""
        if self.filters:
            passed: object = self.filter(record)
            if not passed:
                return False
            if isinstance(passed, logging.LogRecord):  # from Python 3.12 on a filter may return another one
                record = passed
        self.emit(record)
        return True

    def createLock(self) -> None:  # noqa: N802 - the standard library's name
        """No lock: callers must not wait for each other."""
        self.lock = None

    def take(self, limit: int) -> list[Entry]:
        """Take up to ``limit`` entries out, oldest first. Any thread, the worker as a rule."""
        taken: list[Entry] = []
        while len(taken) < limit:
            try:
                entry, slots = self._queue.popleft()
            except IndexError:
                break
            slots.append(None)
            taken.append(entry)
        return taken

    def close_gate(self) -> list[Entry]:
        """Let nothing more into the queue; return what is in it. Idempotent."""
        self._gate_closed = True
        return self.take(2 * self._queue_size)

    def close(self) -> None:
        """Close the gate; what nobody took goes to ``emergency``. The standard library calls it at exit."""
        self._on_close()
        for entry in self.close_gate():
            self._emergency(entry)
        super().close()

    def _takes_reserve(self, level: int) -> bool:
        """Take one of the slots that are kept for what matters; else count a drop."""
        if level >= logging.WARNING:
            try:
                self._reserve.pop()
            except IndexError:
                pass
            else:
                return True
        thread = threading.get_ident()
        self._drops[thread] = self._drops.get(thread, 0) + 1
        return False

    def _look_up(self) -> None:
        """Something is not as usual: the gate is closed, or the queue fills up."""
        if self._gate_closed:
            for entry in self.take(self._queue_size):
                self._emergency(entry)
        else:
            self._wake()

    def _reset(self) -> None:
        self._queue: deque[tuple[Entry, _Slots]] = deque()
        self._slots: _Slots = deque([None] * (self._queue_size - self._reserve_size))
        self._reserve: _Slots = deque([None] * self._reserve_size)

    def _after_fork(self) -> None:
        """The worker stayed with the parent, which also writes what was queued: nothing may wait here."""
        self._reset()
        self._gate_closed = True


_handlers: "weakref.WeakSet[AsyncHandler]" = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for handler in list(_handlers):
        handler._after_fork()  # noqa: SLF001 - this module's own


os.register_at_fork(after_in_child=_after_fork_in_child)
