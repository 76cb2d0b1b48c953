"""Uvicorn as the stand-in runs it, and the socket it listens on."""

import asyncio
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any

import uvicorn

from vigia.application.errors import ConfigurationError

KEEP_ALIVE_S = 75
"""As the nginx in front of a FindFace: a pool of connections must be able to rest longer than a quiet moment lasts."""
BACKLOG = 512
GRACE_S = 5
"""How long answers under way may take once it is told to stop."""
_LINGER_NOT = struct.pack("ii", 1, 0)


class HttpServer(uvicorn.Server):
    """Uvicorn, told when it answers, and leaving the process alone when a signal ends it.

    It is made before its application, so that faults in the application can get hold of it. Owner: the event loop,
    but ``request_exit`` may come from any thread.
    """

    def __init__(self, *, started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                "",
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._tell_started = started
        self._ending = asyncio.Event()

    def run_app(self, app: Any, listener: socket.socket) -> None:
        """Serve ``app`` until it is told to end."""
        self.config.app = app
        self.run(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets=sockets)
        if self.started:
            self._tell_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and nobody pauses any longer."""
        self._ending.set()
        await super().shutdown(sockets=sockets)

    def request_exit(self) -> None:
        """End soon. Any thread."""
        self.should_exit = True

    def abort(self, client: tuple[str, int], *, reset: bool) -> None:
        """Close the connection from this address at once; with ``reset`` by RST, and what is under way is lost."""
        for connection in tuple(self.server_state.connections):
            if getattr(connection, "client", None) == tuple(client):
                if reset:
                    connection.transport.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT
                    )
                connection.transport.abort()

    async def pause(self, delay_s: float) -> None:
        """Wait so long, or until the end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), delay_s)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but without raising the signal again: a stop on request is a success."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket. Raises ConfigurationError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # Opened again by its number, it knows that it speaks TCP. Only then does asyncio set TCP_NODELAY on its
        # connections, without which every answer waits 40 ms for the other side's delayed acknowledgement.
        return socket.socket(fileno=made.detach())
    except OSError as error:
        raise ConfigurationError(
            "the FindFace stand-in cannot listen on %(host)s:%(port)s", host=host, port=port
        ) from error


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
