"""The one contract for every thread: start, request_stop, join, failure. Threads start nowhere else.

A service wraps a ``step`` that can be called without any thread; that is what makes simulation possible. The stop
event exists from construction on, so a stop requested before the start is not lost.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from vigia.application.ports import Clock

DAEMON_THREADS = True
"""A thread stuck in a native call must not keep the process alive after its name was reported as a survivor."""


class Service(Protocol):
    """What the orchestrator starts, watches and stops."""

    @property
    def name(self) -> str:
        """Names the thread: role and camera."""
        ...

    @property
    def failure(self) -> BaseException | None:
        """What ended it unexpectedly, if anything did."""
        ...

    @property
    def is_alive(self) -> bool:
        """True while its thread runs."""
        ...

    def start(self) -> None:
        """Start the thread. After ``request_stop`` it does nothing."""
        ...

    def request_stop(self) -> None:
        """Ask it to end. Idempotent, valid before ``start``, never blocks."""
        ...

    def join(self, timeout_s: float) -> bool:
        """Wait; True when it has ended."""
        ...


class LoopService:
    """Runs ``step`` in a thread of its own until it is asked to stop.

    ``step`` returns how long to wait before the next call: 0 to be called at once, ``None`` to end. The wait is cut
    short by ``wake`` and by ``request_stop``. On stop, ``on_stop`` runs once, in the same thread.

    Owner: the thread owns everything that ``step`` touches. Stops when: asked, when ``step`` returns None or raises.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], float | None],
        *,
        clock: Clock,
        wake: threading.Event | None = None,
        on_stop: Callable[[], None] | None = None,
        on_request_stop: Callable[[], None] | None = None,
        on_exit: Callable[["LoopService"], None] | None = None,
    ) -> None:
        self._name = name
        self._step = step
        self._clock = clock
        self._wake = wake if wake is not None else threading.Event()
        self._on_stop = on_stop
        self._on_request_stop = on_request_stop
        self._on_exit = on_exit
        self._stop = threading.Event()
        self._waiting = False
        self._failure: BaseException | None = None
        self._thread: threading.Thread | None = None  # noqa: TID251 - see start()

    def __repr__(self) -> str:
        state = "running" if self.is_alive else "stopped"
        return f"<LoopService {self._name} {state}>"

    @property
    def name(self) -> str:
        """Names the thread: role and camera."""
        return self._name

    @property
    def failure(self) -> BaseException | None:
        """What ended it unexpectedly, if anything did."""
        return self._failure

    @property
    def is_alive(self) -> bool:
        """True while its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def stopping(self) -> bool:
        """True once a stop was requested."""
        return self._stop.is_set()

    @property
    def waiting(self) -> bool:
        """True between two steps, when there was nothing to do. Its thread alone writes it; others may be told late."""
        return self._waiting

    @property
    def woken(self) -> bool:
        """True after ``wake``, until its thread has noticed."""
        return self._wake.is_set()

    def wake(self) -> None:
        """Cut the current wait short, or the next one. Any thread."""
        self._wake.set()

    def start(self) -> None:
        """Start the thread; nothing after ``request_stop``.

        Raises:
            RuntimeError: it was started before, or the system gives no thread; then it may be tried again.
        """
        if self._stop.is_set():
            return
        if self._thread is not None:
            raise RuntimeError(f"service {self._name} was started twice")
        self._thread = threading.Thread(  # noqa: TID251 - the one place where threads are made
            target=self._run, name=self._name, daemon=DAEMON_THREADS
        )
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            raise

    def request_stop(self) -> None:
        """Ask the loop to end. Idempotent, valid before ``start``, never blocks."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake.set()
        if self._on_request_stop is not None:
            self._on_request_stop()

    def join(self, timeout_s: float) -> bool:
        """Wait up to ``timeout_s``; True when the thread has ended or never ran."""
        thread = self._thread
        if thread is None:
            return True
        thread.join(max(0.0, timeout_s))
        return not thread.is_alive()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                delay_s = self._step()
                if delay_s is None:
                    break
                if delay_s > 0.0 and not self._stop.is_set():
                    self._waiting = True
                    self._clock.wait(self._wake, delay_s)
                    self._waiting = False
                    self._wake.clear()
            if self._on_stop is not None:
                self._on_stop()
        except BaseException as error:  # noqa: BLE001 - kept for whoever watches; nothing is swallowed
            self._failure = error
        finally:
            if self._on_exit is not None:
                self._on_exit(self)


def join_all(services: Sequence[Service], *, deadline_mono_s: float, clock: Clock) -> list[str]:
    """Join every service within one common deadline; return the names of those still running."""
    return [s.name for s in services if not s.join(max(0.0, deadline_mono_s - clock.mono_s()))]


def request_stop_all(services: Iterable[Service]) -> None:
    """Ask every service to stop, before waiting for any."""
    for service in services:
        service.request_stop()


def wake_one(services: Sequence[LoopService]) -> None:
    """Wake one of several that do the same: one that waits and was not woken yet, or else the first.

    To wake all for one piece of work costs as many looks for it. Nothing is missed when all are busy: who is woken then
    looks once more before it waits. Any thread.
    """
    for service in services:
        if service.waiting and not service.woken:
            service.wake()
            return
    if services:
        services[0].wake()
