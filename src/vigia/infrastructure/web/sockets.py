"""Listening sockets that bound what is connected: in all, and from one address. Before TLS, HTTP and any of our code.

Whoever is too many is cut off at once (RST) and costs nothing further. What never gets as far as HTTP counts as well, a
TLS handshake that is not finished among it.
"""

import asyncio
import contextlib
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any

from vigia.infrastructure.web.addresses import is_loopback, network_of

CONNECTIONS_MAX = 200
CONNECTIONS_OF_ONE_MAX = 50
"""From one address: several browsers behind one router. This machine's own addresses, a reverse proxy's among them, are
held to CONNECTIONS_MAX only."""
HANDSHAKE_S = 10.0
_CUT_OFF = struct.pack("ii", 1, 0)
"""SO_LINGER: close at once, without waiting for the other side."""


class Gate:
    """Counts what is connected. Owner: the server's loop. Bounds: ``most`` in all, ``most_of_one`` from one address.

    Args:
        most: connections in all.
        most_of_one: of one address (IPv6: of one /64 network).
        is_free: addresses that ``most_of_one`` does not bind.
    """

    def __init__(
        self,
        *,
        most: int = CONNECTIONS_MAX,
        most_of_one: int = CONNECTIONS_OF_ONE_MAX,
        is_free: Callable[[str], bool] = is_loopback,
    ) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._is_free = is_free
        self._open: Counter[str] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def enter(self, address: str) -> Callable[[], None] | None:
        """Count a connection in; what counts it out again (once), or None when there are too many."""
        key = network_of(address)
        if self._count >= self._most or (self._open[key] >= self._most_of_one and not self._is_free(address)):
            return None
        self._count += 1
        self._open[key] += 1
        left = False

        def leave() -> None:
            nonlocal left
            if left:
                return
            left = True
            self._count -= 1
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]

        return leave


class GatedListener(socket.socket):
    """A listening socket whose ``accept`` asks the gate. Owner: the server's loop."""

    gate: Gate

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection.

        Raises:
            ConnectionAbortedError: there are too many; the loop asks again.
        """
        connection, address = super().accept()
        leave = self.gate.enter(str(address[0]))
        if leave is None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CUT_OFF)
            connection.close()
            raise ConnectionAbortedError
        counted = _Counted(connection.family, connection.type, connection.proto, fileno=connection.detach())
        counted.leave = leave
        return counted, address


class _Counted(socket.socket):
    """A connection that is counted out when it is closed. Owner: its transport."""

    leave: Callable[[], None]

    def close(self) -> None:
        super().close()
        self.leave()


class ServingLoop(asyncio.SelectorEventLoop):
    """A loop that gives a TLS handshake HANDSHAKE_S, not a minute. Owner: the thread that runs it."""

    async def create_server(self, *args: Any, **options: Any) -> asyncio.Server:
        """As asyncio's."""
        if options.get("ssl") is not None:
            options.setdefault("ssl_handshake_timeout", HANDSHAKE_S)
        return await super().create_server(*args, **options)
