"""Failures on order: the next calls get a status of the test's choice, or no answer at all."""

import json as json_codec
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vigia.testing.findface_stub.errors import code_of, error_body
from vigia.testing.findface_stub.middleware import MAX_BODY_BYTES, drain

ADD_EVENT_PATH = "/events/faces/add/"
MAX_FAULTS = 1000
_NEVER_FAIL = ("/_stub/", "/uploads/")
Abort = Callable[[tuple[str, int]], None]
"""Closes the connection from this client address at once, without an answer."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """What shall go wrong, and how often."""

    times: int
    path: str | None = None
    """Exact path with its slashes, without a leading ``/api``; None: any call of the API."""
    status: int | None = None
    """None: the connection is closed without an answer."""
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    after_store: bool = False
    """The call takes effect first, then fails: what an ambiguous failure is made of."""


class FaultQueue:
    """Faults in the order they were asked for.

    The lock guards the list: tests fill it from their thread, the server's thread takes from it.
    Bounds: ``MAX_FAULTS`` entries; one more is refused.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Append a fault; ValueError when there are too many or it would never happen."""
        if fault.times < 1:
            raise ValueError(f"a fault must happen at least once, not {fault.times} times")
        with self._lock:
            if len(self._faults) >= MAX_FAULTS:
                raise ValueError(f"more than {MAX_FAULTS} faults are waiting")
            self._faults.append(fault)

    def take(self, path: str) -> Fault | None:
        """The first fault for this path, used up by one; None when there is none."""
        with self._lock:
            for position, fault in enumerate(self._faults):
                if fault.path is None or fault.path == path:
                    fault.times -= 1
                    if fault.times == 0:
                        del self._faults[position]
                    return fault
        return None

    def clear(self) -> None:
        """Forget all that have not happened."""
        with self._lock:
            self._faults.clear()

    @property
    def waiting(self) -> int:
        """How many calls will still fail."""
        with self._lock:
            return sum(fault.times for fault in self._faults)


def answer_fault(
    status: int,
    *,
    json: object = None,
    text: str | None = None,
    headers: Mapping[str, str] | None = None,
    times: int = 1,
    path: str | None = None,
    after_store: bool = False,
) -> Fault:
    """A fault that answers ``status`` with ``text`` as HTML, ``json``, or FindFace's body for that status."""
    if text is not None:
        body, media_type = text.encode(), "text/html; charset=utf-8"
    else:
        content = error_body(code_of(status), desc="a fault on order") if json is None else json
        body, media_type = json_codec.dumps(content).encode(), "application/json"
    return Fault(
        times=times,
        path=path,
        status=status,
        body=body,
        media_type=media_type,
        headers=dict(headers or {}),
        after_store=after_store,
    )


class FaultMiddleware:
    """Lets the queue decide before each call of the API. Owner: the event loop."""

    def __init__(self, app: ASGIApp, *, faults: FaultQueue, abort: Abort) -> None:
        self._app = app
        self._faults = faults
        self._abort = abort

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or fail it."""
        fault = self._fault_for(scope)
        if fault is None:
            await self._app(scope, receive, send)
            return
        if fault.after_store:
            await self._app(scope, receive, _discard)
        else:
            # The body is read all the same: the sender must not be able to tell that nothing happened.
            await drain(receive, limit_bytes=MAX_BODY_BYTES)
        if fault.status is None:
            self._abort(scope["client"])
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        headers = [(name.lower().encode(), value.encode()) for name, value in fault.headers.items()]
        headers += [
            (b"content-type", fault.media_type.encode()),
            (b"content-length", str(len(fault.body)).encode()),
        ]
        await send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await send({"type": "http.response.body", "body": fault.body})

    def _fault_for(self, scope: Scope) -> Fault | None:
        if scope["type"] != "http":
            return None
        path = str(scope["path"])
        if path == "/" or path.startswith(_NEVER_FAIL):
            return None
        return self._faults.take(path.removeprefix("/api"))


async def _discard(_message: Message) -> None:
    """Nobody hears this answer."""
