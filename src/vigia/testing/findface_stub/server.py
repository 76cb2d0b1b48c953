"""Running the stand-in: ``run_stub`` in a process of its own, ``StubServer`` in a thread beside a test."""

import json as json_codec
import logging
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.middleware import Middleware

from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.infrastructure.clock import SystemClock
from vigia.testing.findface_stub.app import create_app
from vigia.testing.findface_stub.context import FindFaces
from vigia.testing.findface_stub.database import StubDatabase
from vigia.testing.findface_stub.event_store import Ltrb
from vigia.testing.findface_stub.fault_deck import FaultDeck
from vigia.testing.findface_stub.fault_middleware import FaultDesk, FaultMiddleware
from vigia.testing.findface_stub.fault_scenario import FaultScenario
from vigia.testing.findface_stub.faults import ADD_EVENT_PATH, Fault, FaultQueue, answer_fault
from vigia.testing.findface_stub.pictures import inspect_picture
from vigia.testing.findface_stub.serving import HttpServer, is_loopback, listen
from vigia.testing.findface_stub.settings import StubSettings

logger = logging.getLogger("vigia.findface_stub")
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
    faults: FaultScenario | None = None,
    ready: Callable[[int], None] | None = None,
    clock: Clock | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; a second SIGINT ends at once.

    Args:
        settings: see :class:`StubSettings`.
        host: address to listen on. The page and ``/_stub/`` ask for no password: keep it to this machine.
        port: 0 takes a free one.
        find_faces: see ``context.FindFaces``.
        faults: what shall go wrong; its time begins when calls are answered.
        ready: called with the real port once calls are answered.
        clock: where time comes from.

    Raises:
        ConfigurationError: the directory cannot be used, or the port is taken.
    """
    if not is_loopback(host):
        logger.warning(
            "the FindFace stand-in listens on %s: its page and pictures are open to whoever reaches it", host
        )
    wall = clock if clock is not None else SystemClock()
    database = StubDatabase(settings.data_dir)
    desk = FaultDesk(FaultQueue(), None if faults is None else FaultDeck(faults, clock=wall))
    try:
        with listen(host, port) as listener:
            real_port = int(listener.getsockname()[1])

            def started() -> None:
                desk.start()
                if ready is not None:
                    ready(real_port)

            server = HttpServer(started=started)
            app = _app(settings, server, desk, database=database, find_faces=find_faces, clock=wall)
            logger.info("the FindFace stand-in listens at http://%s:%d/", host, real_port)
            server.run_app(app, listener)
    finally:
        database.close()
    logger.info("the FindFace stand-in has stopped")


class StubServer:
    """The stand-in in a background thread, on a free port of this machine; a context manager.

    Faults are programmed from the test's thread and happen to the next calls; a stop and a start keep the port, the
    data, the faults that have not happened yet and the place in the scenario.

    Owner: the thread that made it; the served application belongs to the background thread.
    """

    def __init__(
        self,
        settings: StubSettings,
        *,
        find_faces: FindFaces = roi_as_face,
        clock: Clock | None = None,
        middleware: Sequence[Middleware] = (),
        faults: FaultScenario | None = None,
    ) -> None:
        self.settings = settings
        self._find_faces = find_faces
        self._clock = clock if clock is not None else SystemClock()
        self._middleware = tuple(middleware)
        self._faults = FaultQueue()
        self._desk = FaultDesk(self._faults, None if faults is None else FaultDeck(faults, clock=self._clock))
        self._port = 0
        self._server: HttpServer | None = None
        self._app: Starlette | None = None
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
            self._listener = listen("127.0.0.1", self._port)
            self._port = int(self._listener.getsockname()[1])
            server = self._server = HttpServer(started=answering.set)
            self._app = _app(
                self.settings,
                server,
                self._desk,
                database=self._database,
                find_faces=self._find_faces,
                clock=self._clock,
                middleware=self._middleware,
            )
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
        self._desk.start()

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

    def fault_counts(self) -> dict[str, int]:
        """How often each rule of the scenario happened, by its name; no server is needed."""
        return self._desk.counts()

    def fault_report(self) -> dict[str, Any]:
        """The scenario's books and the orders': ``/_stub/faults``."""
        return self._ask("GET", "/_stub/faults")

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
            self._server.run_app(self._app, self._listener)

    def _release(self) -> None:
        if self._listener is not None:
            self._listener.close()
        if self._database is not None:
            self._database.close()
        self._listener = self._database = self._service = self._server = self._app = None


def _app(
    settings: StubSettings,
    server: HttpServer,
    desk: FaultDesk,
    *,
    database: StubDatabase,
    find_faces: FindFaces,
    clock: Clock,
    middleware: Sequence[Middleware] = (),
) -> Starlette:
    faults = Middleware(FaultMiddleware, desk=desk, abort=server.abort, pause=server.pause)
    return create_app(
        settings,
        database=database,
        find_faces=find_faces,
        clock=clock,
        middleware=[*middleware, faults],
        fault_report=desk.report,
    )
