"""Makes calls slow and makes them fail, as the queue of orders and the scenario say."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vigia.testing.findface_stub.fault_deck import Draw, FaultDeck
from vigia.testing.findface_stub.faults import Fault, FaultQueue, Way, api_path
from vigia.testing.findface_stub.middleware import MAX_BODY_BYTES, drain

Pause = Callable[[float], Awaitable[None]]
"""Waits so many seconds, or less when the server is told to stop."""
MADE_UP_ANSWER = json.dumps({"events": ["1"], "errors": []}).encode()
"""Of a call that took no effect, where half of an answer is wanted."""


class Abort(Protocol):
    """Closes the connection from a client's address at once, without an answer."""

    def __call__(self, client: tuple[str, int], *, reset: bool) -> None:
        """``reset``: by RST, and what has not been sent yet is lost; else by FIN."""
        ...


class FaultDesk:
    """Orders and scenario together; an order comes first. Any thread: each guards its own."""

    def __init__(self, orders: FaultQueue, deck: FaultDeck | None = None) -> None:
        self._orders = orders
        self._deck = deck

    def start(self) -> None:
        """The scenario's time begins; nothing when it has begun."""
        if self._deck is not None:
            self._deck.start()

    def draw(self, path: str) -> Draw:
        """What the next call of this path meets."""
        ordered = self._orders.take(path)
        draw = Draw() if self._deck is None else self._deck.draw(path, only_slow=ordered is not None)
        return draw if ordered is None else replace(draw, fault=ordered)

    def counts(self) -> dict[str, int]:
        """How often each rule of the scenario happened, by its name."""
        return {} if self._deck is None else self._deck.counts()

    def report(self) -> dict[str, Any]:
        """Orders and scenario, as JSON can hold them."""
        scenario = {"seed": None, "calls": 0, "rules": []} if self._deck is None else self._deck.report()
        return {**scenario, "on_order": {"happened": self._orders.taken, "waiting": self._orders.waiting}}


class FaultMiddleware:
    """Lets the desk decide before each call of the API. Owner: the event loop."""

    def __init__(self, app: ASGIApp, *, desk: FaultDesk, abort: Abort, pause: Pause) -> None:
        self._app = app
        self._desk = desk
        self._abort = abort
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or fail it."""
        path = api_path(str(scope["path"])) if scope["type"] == "http" else None
        if path is None:
            await self._app(scope, receive, send)
            return
        draw = self._desk.draw(path)
        if draw.slowed_by:
            await self._pause(draw.delay_s)
            receive = _slowly(receive, draw.read_bytes_per_s, self._pause)
        if draw.fault is None:
            await self._app(scope, receive, send)
        else:
            await self._fail(draw.fault, scope, receive, send)

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.way:
            case Way.END_SESSIONS:
                context = scope["app"].state.stub
                await context.in_store(context.registry.close_all_sessions)
                await self._app(scope, receive, send)
                return
            case Way.RESET_AT_HEAD:
                await self._leave(scope, receive, reset=True)
                return
            case Way.RESET_IN_BODY:
                await _read_share(scope, receive, fault.read_share)
                await self._leave(scope, receive, reset=True)
                return
        answer = _Answer()
        if fault.after_store:
            await self._app(scope, receive, answer.take)
        else:
            # The body is read all the same: the sender must not be able to tell that nothing happened.
            await drain(receive, limit_bytes=MAX_BODY_BYTES)
        match fault.way:
            case Way.ANSWER:
                await _send(send, fault.status, fault.body, media_type=fault.media_type, headers=dict(fault.headers))
            case Way.SPOIL:
                await _send(send, answer.status, answer.half or b"{", media_type="application/json")
            case Way.CUT:
                await _send(send, answer.status, answer.body, media_type="application/json", sent=answer.half)
                await self._leave(scope, receive, reset=False)
            case Way.SILENCE:
                await self._hold(receive, fault.hold_s)
                await self._leave(scope, receive, reset=False)
            case _:
                await self._leave(scope, receive, reset=fault.way is Way.RESET)

    async def _leave(self, scope: Scope, receive: Receive, *, reset: bool) -> None:
        self._abort(scope["client"], reset=reset)
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _hold(self, receive: Receive, hold_s: float) -> None:
        """Wait until the caller has left, or for so long."""
        async with anyio.create_task_group() as group:

            async def until_left() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                group.cancel_scope.cancel()

            group.start_soon(until_left)
            await self._pause(hold_s)
            group.cancel_scope.cancel()


class _Answer:
    """The answer that a call would have got. Owner: its call."""

    def __init__(self) -> None:
        self.status = 200
        self._parts: list[bytes] = []

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
        else:
            self._parts.append(bytes(message.get("body", b"")))

    @property
    def body(self) -> bytes:
        return b"".join(self._parts) or MADE_UP_ANSWER

    @property
    def half(self) -> bytes:
        return self.body[: len(self.body) // 2]


async def _send(
    send: Send,
    status: int,
    body: bytes,
    *,
    media_type: str,
    headers: dict[str, Any] | None = None,
    sent: bytes | None = None,
) -> None:
    """Answer; with ``sent``, promise ``body`` and send only that."""
    if status == 204:
        status = 200  # one without a body cannot be half of anything
    fields = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    fields += [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body if sent is None else sent, "more_body": sent is not None})


async def _read_share(scope: Scope, receive: Receive, share: float) -> None:
    declared = dict(scope["headers"]).get(b"content-length", b"0")
    wanted_bytes = share * int(declared) if declared.isdigit() else 0
    read_bytes = 0
    while read_bytes < wanted_bytes:
        message = await receive()
        read_bytes += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _slowly(receive: Receive, bytes_per_s: float, pause: Pause) -> Receive:
    async def slow() -> Message:
        message = await receive()
        if size_bytes := len(message.get("body", b"")):
            await pause(size_bytes / bytes_per_s)
        return message

    return slow
