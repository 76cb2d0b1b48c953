"""Around every answer: counting, and the limit on bodies that stands for the proxy in front of a FindFace."""

from collections import Counter

from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vigia.testing.findface_stub.faults import path_pattern

MAX_BODY_BYTES = 16 * 1024 * 1024
DRAIN_BYTES = 4 * MAX_BODY_BYTES
"""How much of a body that is too large is still read, so that its sender gets to see the answer."""
MAX_COUNTED_CALLS = 200
_TOO_LARGE_HTML = (
    "<html>\n<head><title>413 Request Entity Too Large</title></head>\n"
    "<body>\n<center><h1>413 Request Entity Too Large</h1></center>\n</body>\n</html>\n"
)


class CallCountMiddleware:
    """Counts answers by method, path and status; ids in paths become ``{id}``.

    Owner: the event loop. Bounds: ``MAX_COUNTED_CALLS`` different calls; the rest are counted as ``other``.
    """

    def __init__(self, app: ASGIApp, *, calls: Counter[str]) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status: int | str = "no answer"

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                self._count(scope, status)
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            if isinstance(status, str):
                self._count(scope, status)

    def _count(self, scope: Scope, status: int | str) -> None:
        call = f"{scope['method']} {path_pattern(scope['path'])} {status}"
        if call not in self._calls and len(self._calls) >= MAX_COUNTED_CALLS:
            call = "other"
        self._calls[call] += 1


class _BodyTooLarge(Exception):
    """More came than was allowed."""


class BodyLimitMiddleware:
    """Answers 413 with an HTML page, as nginx does, to a body beyond ``limit_bytes``."""

    def __init__(self, app: ASGIApp, *, limit_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received_bytes = 0

        async def counted() -> Message:
            nonlocal received_bytes
            message = await receive()
            received_bytes += len(message.get("body", b""))
            if received_bytes > self._limit_bytes:
                raise _BodyTooLarge
            return message

        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._limit_bytes:
            await _refuse(scope, receive, send)
            return
        try:
            await self._app(scope, counted, send)
        except _BodyTooLarge:
            await _refuse(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await drain(receive, limit_bytes=DRAIN_BYTES)
    answer = HTMLResponse(_TOO_LARGE_HTML, status_code=413, headers={"Connection": "close"})
    await answer(scope, receive, send)


async def drain(receive: Receive, *, limit_bytes: int) -> None:
    """Read a request to its end, its sender's leaving, or the limit."""
    received_bytes = 0
    while received_bytes <= limit_bytes:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
        received_bytes += len(message.get("body", b""))
