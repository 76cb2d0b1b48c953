"""A browser's part of the dashboard, as a process of its own: it logs in, opens the Overview and does what that does.

It keeps the page's socket open, answers its pings, tells how far it has read, and asks for live pictures as ``live.js``
does. It draws nothing: browsers run on other machines.

Standard input: a line of JSON (``Order``), answered when it is taken; then ``watch``, answered once pictures come, and
``leave``, answered when the page is closed, as often as wanted. Each answer is a line of JSON: what was got. It ends
with its standard input.

One that is to stall has also asked for large pictures when it answers, and reads none of them; whoever started it stops
the process then.
"""

import asyncio
import contextlib
import json
import re
import socket
import sys
import time
import uuid
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import socketio  # type: ignore[import-untyped]

from vigia.infrastructure.process.parent import end_with_parent

ANSWER_S = 10.0
READY_S = 30.0
"""Until the server is there, and until pictures come, on a machine that has better things to do."""
CLOSE_S = 2.0
ACK_S = 3.0
"""As the page's own script does it."""
RETRY_S = 0.1
STALL_BUFFER_BYTES = 4096
STALL_WIDTH_PX = 1280
SOCKET_PATH = "_nicegui_ws/socket.io"
_FORM_TOKEN = re.compile(r'name="token" value="([^"]+)"')
_CLIENT_ID = re.compile(r"""["']client_id["']:\s*["']([\w-]+)["']""")
_NEXT_MESSAGE = re.compile(r"""["']next_message_id["']:\s*(\d+)""")


@dataclass(frozen=True, slots=True)
class Order:
    """Where to go, as whom, and what to look at."""

    url: str
    """Without a path, and without a slash at its end."""
    user: str
    password: str = field(repr=False)
    cameras: tuple[str, ...]
    width_px: int
    stall: bool = False

    @classmethod
    def of(cls, line: bytes) -> "Order":
        """From a line of JSON."""
        told = json.loads(line)
        return cls(**{**told, "cameras": tuple(told["cameras"])})

    def line(self) -> bytes:
        """As a line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(slots=True)
class Tally:
    """What was got."""

    answers: int = 0
    pictures: int = 0
    bytes_read: int = 0
    age_ms: float = 0.0
    """Of all pictures together."""
    messages: int = 0
    """Of the page's socket: each changes something on the page."""
    seconds: float = 0.0
    """For so long."""

    def add(self, content: bytes) -> tuple[int, float]:
        """Take an answer apart, as the script does; its number, and the pause that it asks for, seconds."""
        size = int.from_bytes(content[:4], "big")
        head = json.loads(content[4 : 4 + size])
        self.answers += 1
        self.pictures += len(head["cameras"])
        self.bytes_read += len(content)
        self.age_ms += sum(camera["age_ms"] for camera in head["cameras"])
        shown = head["cameras"] or not head.get("unknown")
        return head["seq"], head["interval_ms"] / 1000.0 if shown else RETRY_S


class Guest:
    """Somebody with a browser. Owner: the process's loop.

    Args:
        session: keeps the cookies and the connections.
        order: what to do.
    """

    def __init__(self, session: aiohttp.ClientSession, order: Order) -> None:
        self._session = session
        self._order = order
        self._logged_in = False
        self._page: Page | None = None
        self._stalled: socket.socket | None = None

    async def watch(self) -> Tally:
        """Open the page; what was got until its pictures came."""
        if not self._logged_in:
            await self._log_in()
            self._logged_in = True
        page = self._page = Page(self._session, self._order)
        await page.open()
        if self._order.stall:
            self._stalled = _ask_and_read_nothing(self._order, self._session.cookie_jar)
        return page.told()

    async def leave(self) -> Tally:
        """Close the page; what was got of it."""
        page, self._page = self._page, None
        stalled, self._stalled = self._stalled, None
        if stalled is not None:
            stalled.close()
        if page is None:
            return Tally()
        told = page.told()
        await page.close()
        return told

    async def _log_in(self) -> None:
        url, deadline_s = f"{self._order.url}/login", time.monotonic() + READY_S
        while True:
            try:
                async with self._session.get(url) as answer:
                    form = await answer.text()
                break
            except aiohttp.ClientConnectionError:  # the server is about to begin
                if time.monotonic() > deadline_s:
                    raise
                await asyncio.sleep(RETRY_S)
        fields = {"token": _found(_FORM_TOKEN, form), "user": self._order.user, "password": self._order.password}
        headers = {"Origin": self._order.url}
        async with self._session.post(url, data=fields, headers=headers, allow_redirects=False) as answer:
            if answer.status != HTTPStatus.SEE_OTHER:
                raise RuntimeError(f"the log-in was answered with {answer.status}")


class Page:
    """The Overview, open. Owner: the process's loop.

    Args:
        session: logged in.
        order: what to look at.
    """

    def __init__(self, session: aiohttp.ClientSession, order: Order) -> None:
        self._session = session
        self._order = order
        self._tally = Tally()
        self._client_id = ""
        self._next_message = 0
        self._shown = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._begun_s = time.monotonic()
        self._socket = socketio.AsyncClient(reconnection=False, http_session=session)
        self._socket.on("*", self._message)

    def told(self) -> Tally:
        """What was got so far."""
        self._tally.seconds = time.monotonic() - self._begun_s
        return self._tally

    async def open(self) -> None:
        """Fetch it, open its socket, begin to look; returns when pictures have come."""
        url = self._order.url
        async with self._session.get(f"{url}/", headers={"Accept": "text/html"}) as answer:
            answer.raise_for_status()
            page = await answer.text()
        self._client_id = _found(_CLIENT_ID, page)
        query = {
            "client_id": self._client_id,
            "next_message_id": _found(_NEXT_MESSAGE, page),
            "implicit_handshake": "true",
            "document_id": str(uuid.uuid4()),
            "tab_id": str(uuid.uuid4()),
        }
        self._begun_s = time.monotonic()
        await self._socket.connect(
            f"{url}?{urlencode(query)}",
            headers={"Origin": url},
            transports=["websocket"],
            socketio_path=SOCKET_PATH,
            wait_timeout=ANSWER_S,
        )
        self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._acknowledge())]
        async with asyncio.timeout(READY_S):
            await self._shown.wait()

    async def close(self) -> None:
        """End it, also where the server has ended it before."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_S):
                await self._socket.disconnect()

    def _message(self, _event: str, *content: Any) -> None:
        self._tally.messages += 1
        if content and isinstance(content[0], dict) and "_id" in content[0]:
            self._next_message = content[0]["_id"] + 1

    async def _acknowledge(self) -> None:
        told = -1
        while True:
            await asyncio.sleep(ACK_S)
            if self._next_message > told and self._socket.connected:
                told = self._next_message
                await self._socket.emit("ack", {"client_id": self._client_id, "next_message_id": told})

    async def _look(self) -> None:
        """The script's loop."""
        loop, seq = asyncio.get_running_loop(), 0
        asked = {"cameras": ",".join(self._order.cameras), "width": str(self._order.width_px), "calm": "true"}
        limit = aiohttp.ClientTimeout(total=ANSWER_S)
        while True:
            begun_s, pause_s = loop.time(), RETRY_S
            try:
                query = {**asked, "after": str(seq)}
                async with self._session.get(f"{self._order.url}/api/live", params=query, timeout=limit) as answer:
                    content = await answer.read()
                if answer.status == HTTPStatus.OK:
                    seq, pause_s = self._tally.add(content)
            except (aiohttp.ClientError, TimeoutError):
                pass  # asked again after a while
            if self._tally.pictures:
                self._shown.set()
            await asyncio.sleep(max(0.0, begun_s + pause_s - loop.time()))


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise RuntimeError(f"the page has nothing like {pattern.pattern}")
    return match[1]


def _ask_and_read_nothing(order: Order, cookies: aiohttp.abc.AbstractCookieJar) -> socket.socket:
    """A connection that has asked for large pictures and will read none of them."""
    place = urlsplit(order.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALL_BUFFER_BYTES)
    connection.connect((place.hostname or "127.0.0.1", place.port or 80))
    path = f"/api/live?cameras={','.join(order.cameras)}&width={STALL_WIDTH_PX}&calm=true"
    cookie = "; ".join(f"{one.key}={one.value}" for one in cookies)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {cookie}\r\n\r\n".encode())
    return connection


async def _serve() -> None:
    loop, orders = asyncio.get_running_loop(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    order = Order.of(await orders.readline())
    # The address is a number, and a browser sends cookies there too.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        guest = Guest(session, order)
        _tell(Tally())
        while word := (await orders.readline()).strip():
            _tell(await (guest.watch() if word == b"watch" else guest.leave()))
        await guest.leave()


def _tell(tally: Tally) -> None:
    sys.stdout.write(json.dumps(asdict(tally)) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Do as told until told no more."""
    end_with_parent()
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
