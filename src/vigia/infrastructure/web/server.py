"""Uvicorn in a service's thread: started, stopped and watched like every other thread of a run."""

import asyncio
import contextlib
import errno
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.infrastructure.web.protocol import BoundedProtocol
from vigia.infrastructure.web.sockets import Gate, GatedListener
from vigia.infrastructure.web.tls import check_tls

logger = logging.getLogger("vigia.web")

BACKLOG = 128
PORT_TRIES = 5
"""A port that is free at one address of a name may be taken at the next."""
NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""An address of the name that this machine lacks, such as IPv6 where that is switched off."""
KEEP_ALIVE_S = 30
STOP_S = 1
GRACE_S = 0.3
"""How long an answer may take once the run stops: the stop's deadline is for captures, not for pages."""


class _Server(uvicorn.Server):
    """Uvicorn that says when it listens and ends within GRACE_S. Owner: its loop; ``should_exit`` is for any thread."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._tell_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(GRACE_S, setattr, self, "force_exit", True)
        await super().shutdown(sockets=sockets)


class WebServer:
    """One listening server. A port that is taken is told and costs the pages, not the run.

    Owner: the thread of ``service``; ``url`` and ``listening`` are for any.

    Args:
        app: what it serves.
        host: address to listen on.
        port: 0 takes a free one.
        tls: certificate chain and key (PEM), or None for HTTP.
        clock: for the service.
        gate: bounds what is connected.
        announce: tell where the page is.

    Raises:
        ConfigurationError: the certificate cannot be used.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        port: int,
        clock: Clock,
        tls: tuple[Path, Path] | None = None,
        gate: Gate | None = None,
        announce: bool = True,
    ) -> None:
        self._announce = announce
        self._host, self._port, self._tls = host, port, tls
        self.gate = gate if gate is not None else Gate()
        """What is connected now; its length is for the loop's own thread."""
        self.listening = threading.Event()
        """Set once connections are taken."""
        self.url = ""
        """Where, as a browser needs it; empty before it listens."""
        if tls is not None:
            check_tls(tls)
        config = uvicorn.Config(
            app,
            loop="vigia.infrastructure.web.sockets:ServingLoop",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # anybody could claim any address
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=STOP_S,  # Python 3.12 and later wait for open connections without it
            http=BoundedProtocol,  # h11: the one whose headers are bounded
            h11_max_incomplete_event_size=32_768,
            ssl_certfile=None if tls is None else str(tls[0]),
            ssl_keyfile=None if tls is None else str(tls[1]),
        )
        self._server = _Server(config, self._started)
        self.service = LoopService("web", self._step, clock=clock, on_request_stop=self._request_stop)

    def _step(self) -> None:
        """Serve until the stop; ``None`` ends the service, also where it cannot listen."""
        try:
            listeners = _listen(self._host, self._port, self.gate)
        except OSError as error:
            logger.error(
                "The web server cannot listen on %s, port %d: %s; everything else goes on. web.port chooses another",
                self._host,
                self._port,
                error.strerror or type(error).__name__,
            )
            return
        with contextlib.ExitStack() as opened:
            for listener in listeners:
                opened.enter_context(listener)
            self._port = listeners[0].getsockname()[1]
            self._server.run(sockets=listeners)

    def _started(self) -> None:
        shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - compared, not bound
        shown = f"[{shown}]" if ":" in shown else shown
        self.url = f"{'http' if self._tls is None else 'https'}://{shown}:{self._port}/"
        if self._announce:
            logger.info("Web page: %s", self.url)
        self.listening.set()

    def _request_stop(self) -> None:
        self._server.should_exit = True


def _listen(host: str, port: int, gate: Gate) -> list[socket.socket]:
    """A listener for every address of ``host``, all on one port: ``localhost`` is an IPv4 and an IPv6 address."""
    tries = 1 if port else PORT_TRIES
    while True:
        tries -= 1
        try:
            return _listen_once(host, port, gate)
        except OSError as error:
            if not tries or error.errno != errno.EADDRINUSE:
                raise


def _listen_once(host: str, port: int, gate: Gate) -> list[socket.socket]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    absent: OSError | None = None
    with contextlib.ExitStack() as opened:
        listeners: list[socket.socket] = []
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                listener = GatedListener(family, kind, protocol)
                opened.callback(listener.close)
                listener.gate = gate
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((address[0], port, *address[2:]))
            except OSError as error:
                if error.errno not in NOT_HERE:
                    raise  # in use: who comes by the other address would reach another program
                absent = error
                continue
            listener.listen(BACKLOG)
            port = listener.getsockname()[1]
            listeners.append(listener)
        if not listeners:
            raise absent if absent is not None else OSError(errno.EADDRNOTAVAIL, "no address")
        opened.pop_all()
    return listeners
