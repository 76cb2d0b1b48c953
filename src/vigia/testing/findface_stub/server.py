"""Running the stand-in: ``run_stub`` in a process of its own, ``StubServer`` in a thread beside a test."""

import json as json_codec
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.middleware import Middleware

from vigia.application.errors import ConfigurationError
from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.infrastructure.clock import SystemClock
from vigia.testing.findface_stub.app import create_app
from vigia.testing.findface_stub.context import FindFaces
from vigia.testing.findface_stub.database import StubDatabase
from vigia.testing.findface_stub.event_store import Ltrb
from vigia.testing.findface_stub.faults import ADD_EVENT_PATH, Fault, FaultMiddleware, FaultQueue, answer_fault
from vigia.testing.findface_stub.pictures import inspect_picture
from vigia.testing.findface_stub.settings import StubSettings

logger = logging.getLogger("vigia.findface_stub")
KEEP_ALIVE_S = 75
"""As the nginx in front of a FindFace: a pool of connections must be able to rest longer than a quiet moment lasts."""
BACKLOG = 512
GRACE_S = 5
"""How long answers under way may take once it is told to stop."""
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 15.0
_ASK_TIMEOUT_S = 10.0


def roi_as_face(picture: bytes, roi_ltrb: Ltrb | None) -> Sequence[Sequence[float]]:
    """A face finder that believes the sender: the region is the face, and without one the whole picture is."""
    if roi_ltrb is not None:
        return [roi_ltrb]
    info = inspect_picture(picture)
    return [(0, 0, info.width, info.height)]


def run_stub(
    settings: StubSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    find_faces: FindFaces,
    ready: Callable[[int], None] | None = None,
    clock: Clock | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; a second SIGINT ends at once.

    Args:
        settings: see :class:`StubSettings`.
        host: address to listen on. The page and ``/_stub/`` ask for no password: keep it to this machine.
        port: 0 takes a free one.
        find_faces: see ``context.FindFaces``.
        ready: called with the real port once calls are answered.
        clock: where time comes from.

    Raises:
        ConfigurationError: the directory cannot be used, or the port is taken.
    """
    if host != "localhost" and not _is_loopback(host):
        logger.warning(
            "the FindFace stand-in listens on %s: its page and pictures are open to whoever reaches it", host
        )
    wall = clock if clock is not None else SystemClock()
    database = StubDatabase(settings.data_dir)
    try:
        with _listen(host, port) as listener:
            app = create_app(settings, database=database, find_faces=find_faces, clock=wall)
            real_port = int(listener.getsockname()[1])
            logger.info("the FindFace stand-in listens at http://%s:%d/", host, real_port)
            _Server(app, started=lambda: None if ready is None else ready(real_port)).run(sockets=[listener])
    finally:
        database.close()
    logger.info("the FindFace stand-in has stopped")


class StubServer:
    """The stand-in in a background thread, on a free port of this machine; a context manager.

    Faults are programmed from the test's thread and happen to the next calls; a stop and a start keep the port, the
    data and the faults that have not happened yet.

    Owner: the thread that made it; the served application belongs to the background thread.
    """

    def __init__(
        self,
        settings: StubSettings,
        *,
        find_faces: FindFaces = roi_as_face,
        clock: Clock | None = None,
        middleware: Sequence[Middleware] = (),
    ) -> None:
        self.settings = settings
        self._find_faces = find_faces
        self._clock = clock if clock is not None else SystemClock()
        self._middleware = tuple(middleware)
        self._faults = FaultQueue()
        self._port = 0
        self._server: _Server | None = None
        self._service: LoopService | None = None
        self._listener: socket.socket | None = None
        self._database: StubDatabase | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """Where it listens, or listened before it was stopped."""
        return self._port

    @property
    def url(self) -> str:
        """The base URL, without a slash at its end."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start serving; returns once calls are answered. Nothing when it runs already."""
        if self._service is not None:
            return
        answering = threading.Event()
        self._database = StubDatabase(self.settings.data_dir)
        try:
            self._listener = _listen("127.0.0.1", self._port)
            self._port = int(self._listener.getsockname()[1])
            faults = Middleware(FaultMiddleware, faults=self._faults, abort=self._abort)
            app = create_app(
                self.settings,
                database=self._database,
                find_faces=self._find_faces,
                clock=self._clock,
                middleware=[*self._middleware, faults],
            )
            server = self._server = _Server(app, started=answering.set)
            self._service = LoopService(
                "findface-stub",
                self._serve,
                clock=SystemClock(),
                on_request_stop=server.request_exit,
                on_exit=lambda _service: answering.set(),
            )
            self._service.start()
        except BaseException:
            self._release()
            raise
        if not answering.wait(START_TIMEOUT_S) or not self._service.is_alive:
            failure = self._service.failure
            self.stop()
            raise RuntimeError("the FindFace stand-in did not start") from failure

    def stop(self) -> None:
        """Stop serving: answers under way are finished, then connections are closed. Nothing when it is stopped."""
        service = self._service
        if service is None:
            return
        service.request_stop()
        if not service.join(STOP_TIMEOUT_S):
            raise RuntimeError("the FindFace stand-in did not stop")
        self._release()
        if service.failure is not None:
            raise RuntimeError("the FindFace stand-in failed") from service.failure

    def restart(self) -> None:
        """Stop, then start on the same port with the same data."""
        self.stop()
        self.start()

    def fail_next(
        self,
        status: int,
        *,
        json: object = None,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
        times: int = 1,
        path: str | None = None,
        after_store: bool = False,
    ) -> None:
        """Answer the next calls with ``status``.

        Args:
            status: HTTP status.
            json: the body; by default FindFace's error body with the usual code of that status.
            text: an HTML body instead, as proxies send.
            headers: sent too, such as ``Retry-After``.
            times: how many calls fail.
            path: only calls of exactly this path, such as ``/events/faces/add/``; by default any call of the API.
            after_store: let the call take effect first.
        """
        self._faults.add(
            answer_fault(status, json=json, text=text, headers=headers, times=times, path=path, after_store=after_store)
        )

    def drop_next(self, times: int = 1, *, after_store: bool, path: str | None = ADD_EVENT_PATH) -> None:
        """Read the next calls to their end, then close the connection without an answer.

        Args:
            times: how many calls.
            after_store: True: the call takes effect first; False: it leaves no trace.
            path: only calls of exactly this path; None: any call of the API.
        """
        self._faults.add(Fault(times=times, path=path, after_store=after_store))

    def clear_faults(self) -> None:
        """Forget the faults that have not happened."""
        self._faults.clear()

    @property
    def faults_waiting(self) -> int:
        """How many calls will still fail."""
        return self._faults.waiting

    def events(self) -> list[dict[str, Any]]:
        """All events received, oldest first: ``/_stub/events``."""
        return list(self._ask("GET", "/_stub/events")["events"])

    def stats(self) -> dict[str, Any]:
        """Totals, refusals and counted calls: ``/_stub/stats``."""
        return self._ask("GET", "/_stub/stats")

    def expire_sessions(self) -> int:
        """End every session; return how many there were. The next call with an old token gets a 401."""
        return int(self._ask("DELETE", "/_stub/sessions")["ended"])

    def _ask(self, method: str, path: str) -> dict[str, Any]:
        # http.client and not httpx: without TLS there is no reason to load certificates for each question.
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=_ASK_TIMEOUT_S)) as connection:
            connection.request(method, path)
            answer = connection.getresponse()
            content = answer.read()
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"the FindFace stand-in answered {answer.status} to {method} {path}")
        return dict(json_codec.loads(content))

    def _serve(self) -> None:
        if self._server is not None and self._listener is not None:
            self._server.run(sockets=[self._listener])

    def _abort(self, client: tuple[str, int]) -> None:
        if self._server is not None:
            self._server.abort(client)

    def _release(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._database is not None:
            self._database.close()
        self._listener = self._database = self._service = self._server = None


class _Server(uvicorn.Server):
    """Uvicorn, told when it answers, and leaving the process alone when a signal ends it."""

    def __init__(self, app: Any, *, started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets=sockets)
        if self.started:
            self._tell_started()

    def request_exit(self) -> None:
        """End soon. Any thread."""
        self.should_exit = True

    def abort(self, client: tuple[str, int]) -> None:
        """Close the connection from this address at once."""
        for connection in tuple(self.server_state.connections):
            if getattr(connection, "client", None) == tuple(client):
                connection.transport.abort()

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


def _listen(host: str, port: int) -> socket.socket:
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


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
