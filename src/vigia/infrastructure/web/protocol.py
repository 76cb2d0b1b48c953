"""HTTP/1.1 in bounded time: whoever sends a request slowly, or does not take the answer, is cut off.

What a request takes here is not bounded: a long answer goes on as long as somebody takes it, and a WebSocket has left
this protocol, with pings and time-outs of its own. Between two requests uvicorn's keep-alive holds.
"""

import asyncio
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_S: Final = 10.0
"""From connecting, or from a further request's first byte, to the end of the request's head."""
BODY_S: Final = 15.0
"""From the end of the head to the end of the body; bodies are 64 KB at most."""
STALL_S: Final = 120.0
"""An answer of which nothing is taken for so long is given up."""


class BoundedProtocol(H11Protocol):
    """One connection. Owner: the server's loop."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._phase: tuple[object, object] | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connected; their first request is awaited."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """An answer is written, or what is left of it lies in the buffer."""
        super().on_response_complete()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more was asked."""
        super().timeout_keep_alive_handler()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """From here on the connection is another protocol's."""
        self._forget()
        self._phase = (h11.SWITCHED_PROTOCOL, None)
        super().handle_websocket_upgrade(event)

    def pause_writing(self) -> None:
        """The buffer is full: the answer is not taken as fast as it is made."""
        super().pause_writing()
        self._expect_taking()

    def resume_writing(self) -> None:
        """There is room again."""
        if self._writing is not None and not self.transport.is_closing():
            self._writing.cancel()
            self._writing = None
        super().resume_writing()

    @property
    def _asked(self) -> bool:
        """Whether there was a whole head already."""
        return self.scope is not None

    def _watch(self) -> None:
        """Have the clock run for what is awaited now."""
        if self._phase is not None and self._phase[0] is h11.SWITCHED_PROTOCOL:
            return
        if self.transport.is_closing():
            self._arm(None, 0.0)
            self._expect_taking()
        elif self.conn.their_state is h11.IDLE and (not self._asked or self.conn.trailing_data[0]):
            self._arm((h11.IDLE, self.cycle), HEAD_S)
        elif self.conn.their_state is h11.SEND_BODY:
            self._arm((h11.SEND_BODY, self.cycle), BODY_S)
        else:
            self._arm(None, 0.0)

    def _arm(self, phase: tuple[object, object] | None, limit_s: float) -> None:
        if phase == self._phase:
            return
        self._phase = phase
        if self._reading is not None:
            self._reading.cancel()
        self._reading = None if phase is None else self.loop.call_later(limit_s, self._too_slow)

    def _too_slow(self) -> None:
        if self.flow.read_paused and self._asked and not self.cycle.response_complete:
            self._reading = self.loop.call_later(BODY_S, self._too_slow)  # it is we who do not read
        else:
            self.transport.abort()

    def _expect_taking(self) -> None:
        if self._writing is None:
            left_bytes = self.transport.get_write_buffer_size()
            self._writing = self.loop.call_later(STALL_S, self._not_taken, left_bytes)

    def _not_taken(self, before_bytes: int) -> None:
        self._writing = None
        if self.transport.get_write_buffer_size() >= before_bytes:
            self.transport.abort()
        else:
            self._expect_taking()

    def _forget(self) -> None:
        for timer in (self._reading, self._writing):
            if timer is not None:
                timer.cancel()
        self._reading = self._writing = None
