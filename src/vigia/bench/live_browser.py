"""A browser's part of the live pictures, as a process of its own: asks as ``live.js`` does, again and again.

It does not draw: browsers run on other machines. Started with a port, a cookie and the cameras; ends when its standard
input ends, and then writes one line of JSON: what it got, and the processor time that it took.

With ``--stall`` it asks for large pictures once they come, and reads nothing of them until it ends.
"""

import argparse
import http.client
import json
import select
import socket
import sys
import time
from dataclasses import dataclass

from vigia.infrastructure.process.parent import end_with_parent

ANSWER_S = 10.0
RETRY_S = 0.1
"""Also until the cameras are there: the script would look again after a second."""
STALL_BUFFER_BYTES = 4096
STALL_WIDTH_PX = 1280


@dataclass(slots=True)
class Tally:
    """What was got."""

    answers: int = 0
    pictures: int = 0
    bytes_read: int = 0
    age_ms: float = 0.0
    """Of all pictures together."""

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


def main() -> None:
    """Ask until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cookie", required=True)
    parser.add_argument("--cameras", required=True)
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--stall", action="store_true")
    chosen = parser.parse_args()
    end_with_parent()
    _tell("ready")
    headers = {"Cookie": chosen.cookie}
    connection = http.client.HTTPConnection("127.0.0.1", chosen.port, timeout=ANSWER_S)
    tally, seq, stalled = Tally(), 0, []
    cpu_s = time.process_time()
    while True:
        begun_s = time.monotonic()
        try:
            connection.request(
                "GET", f"/api/live?cameras={chosen.cameras}&width={chosen.width}&after={seq}&calm=true", headers=headers
            )
            answer = connection.getresponse()
            content = answer.read()
            seq, pause_s = tally.add(content) if answer.status == http.client.OK else (seq, RETRY_S)
        except (OSError, http.client.HTTPException):
            connection.close()
            pause_s = RETRY_S
        if chosen.stall and tally.pictures:
            stalled.append(_stalled(chosen.port, chosen.cookie, chosen.cameras))
            select.select([sys.stdin], [], [])
            break
        if select.select([sys.stdin], [], [], max(0.0, begun_s + pause_s - time.monotonic()))[0]:
            break
    got = {"answers": tally.answers, "pictures": tally.pictures, "bytes": tally.bytes_read, "age_ms": tally.age_ms}
    _tell(json.dumps({**got, "cpu_s": time.process_time() - cpu_s}))
    for one in stalled:
        one.close()


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _stalled(port: int, cookie: str, cameras: str) -> socket.socket:
    """A connection that has asked for large pictures and will read none of them."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALL_BUFFER_BYTES)
    connection.connect(("127.0.0.1", port))
    path = f"/api/live?cameras={cameras}&width={STALL_WIDTH_PX}&calm=true"
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode())
    return connection


if __name__ == "__main__":
    main()
