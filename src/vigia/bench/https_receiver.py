"""An HTTPS server in a process of its own that takes captures as FindFace does and looks at nothing.

It answers every log-in and every event at once (or after a stated latency) and counts what reached it: what a client
costs is measured without the server's share. One event loop, connections kept alive for as long as the client likes.
"""

import argparse
import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from vigia.infrastructure.process.parent import end_with_parent

HOST = "127.0.0.1"
BODY_BYTES_MAX = 32 * 1024 * 1024
BUFFER_BYTES = 1024 * 1024
STOP_TIMEOUT_S = 5.0
LOGIN_PATH = "/auth/login/"
TOKEN = "bench"  # noqa: S105 - of a server that lets everybody in


class HttpsReceiver:
    """Starts the server, and ends it with the block (or with this process, however that ends).

    Its certificate is made for the occasion: believe ``ca_file``.

    Owner: the thread that enters it; ``counts`` may be called from any.

    Args:
        latency_s: waited before each event is answered; other requests are not delayed.

    Raises:
        RuntimeError: it does not start, or has ended by itself.
    """

    def __init__(self, *, latency_s: float = 0.0) -> None:
        self._latency_s = latency_s
        self._folder = tempfile.TemporaryDirectory(prefix="vigia-bench-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # guards the talk over the two pipes: a line there, a line back
        self._port = 0

    def __enter__(self) -> Self:
        _make_certificates(Path(self._folder.name))
        arguments = [sys.executable, "-m", "vigia.bench.https_receiver", "--folder", self._folder.name]
        self._process = subprocess.Popen(  # noqa: S603 - this module
            [*arguments, "--latency", str(self._latency_s)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            self._port = int(self._line())
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    @property
    def url(self) -> str:
        """Scheme, address and port; no path."""
        return f"https://{HOST}:{self._port}"

    @property
    def ca_file(self) -> Path:
        """PEM file of the authority that vouches for it."""
        return Path(self._folder.name) / "ca.pem"

    def counts(self) -> dict[str, int]:
        """``connections`` opened, TLS ``handshakes`` completed, ``requests`` read in full, ``events`` among them."""
        process = self._process
        if process is None or process.stdin is None:
            raise RuntimeError("the HTTPS receiver is not running")
        with self._lock:
            process.stdin.write(b"counts\n")
            process.stdin.flush()
            answer: dict[str, int] = json.loads(self._line())
        return answer

    def _line(self) -> bytes:
        line = b"" if self._process is None or self._process.stdout is None else self._process.stdout.readline()
        if not line:
            raise RuntimeError("the HTTPS receiver has ended")
        return line

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()  # the server ends with its input
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(STOP_TIMEOUT_S)
        self._folder.cleanup()


def _make_certificates(folder: Path) -> None:
    import trustme  # noqa: PLC0415 - of an optional extra; the server itself does without

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))


class _Server:
    """The other side. Owner: its event loop."""

    def __init__(self, context: ssl.SSLContext, *, latency_s: float) -> None:
        self._context = context
        self._latency_s = latency_s
        self._connections = self._requests = self._events = 0

    def counts(self) -> dict[str, int]:
        """See HttpsReceiver.counts. Handshakes are OpenSSL's own count, not inferred from connections."""
        return {
            "connections": self._connections,
            "handshakes": self._context.session_stats()["accept_good"],
            "requests": self._requests,
            "events": self._events,
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until the client has had enough."""
        self._connections += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # the client went, or talks no HTTP: nothing to answer
        except asyncio.CancelledError:
            pass  # the server ends; Python 3.11 would tell the cancelled task's end as an error
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether there may be another."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _version = head[0].split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= BODY_BYTES_MAX:
            return False
        await reader.readexactly(length)
        self._requests += 1
        status, answer = await self._answer(method, target.partition("?")[0])
        body = json.dumps(answer).encode()
        keep = headers.get("connection", "").lower() != "close"
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        return keep

    async def _answer(self, method: str, path: str) -> tuple[str, dict[str, object]]:
        if path == LOGIN_PATH:
            return "200 OK", {"token": TOKEN}
        if method == "POST":
            self._events += 1
            number = self._events
            if self._latency_s > 0.0:
                await asyncio.sleep(self._latency_s)
            return "200 OK", {"events": [str(number)]}
        return "200 OK", {"results": [], "next_page": None}


async def _run(folder: Path, *, latency_s: float) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    receiver = _Server(context, latency_s=latency_s)
    server = await asyncio.start_server(receiver.serve, HOST, 0, ssl=context, limit=BUFFER_BYTES, backlog=256)
    _say(str(server.sockets[0].getsockname()[1]))
    asked = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
    while await asked.readline():
        _say(json.dumps(receiver.counts()))
    server.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """The server's process: its port on standard output, then its counts for every line of input, until that ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    chosen = parser.parse_args()
    end_with_parent()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(chosen.folder, latency_s=chosen.latency))


if __name__ == "__main__":
    main()
