"""A server that answers every connection with one function: for cameras that no real server imitates."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from vigia.application.service import LoopService
from vigia.infrastructure.clock import SystemClock

Answer = Callable[[socket.socket, threading.Event], None]


@dataclass
class TinyServer:
    """Where it listens; ``release`` is set when the test is over."""

    port: int
    release: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(answer: Answer) -> Iterator[TinyServer]:
    """Answer connections, one after the other, while the block lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        server = TinyServer(listener.getsockname()[1])

        def step() -> float:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                return 0.0
            with connection:
                connection.settimeout(5.0)
                connection.recv(4096)
                answer(connection, server.release)
            return 0.0

        service = LoopService("tiny-server", step, clock=SystemClock())
        service.start()
        try:
            yield server
        finally:
            server.release.set()
            service.request_stop()
            assert service.join(20.0)


def hold(connection: socket.socket, release: threading.Event) -> None:
    """Say nothing."""
    release.wait(30.0)
