"""A vigia without cameras that shares an outbox on PostgreSQL: real outbox, real senders, the real HTTP client.

This file is also a program: ``shared_lives.py URL SCHEMA FINDFACE NUMBER CAPTURES DIES``. It commits so many captures
of its own, sends whatever the outbox gives it, and ends when its standard input has ended and nothing waits any more,
or by SIGKILL in the moment when it has leased for the DIES-th time. It tells what it does, one line each, after it has
happened.
"""

import contextlib
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

from short_life import MOMENT_S, PASSWORD, SENDERS, TOKEN, USER, WAITING_MAX, Executioner, capture_of, say
from vigia.application.errors import LeaseLost
from vigia.application.retry import Backoff, RetryPolicy
from vigia.application.use_cases.send_to_findface import SendOptions, SendToFindfaceUseCase
from vigia.domain.capture import LeasedCapture
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_recognizer import FindfaceRecognizer
from vigia.infrastructure.clients.http_transport import TlsPolicy
from vigia.infrastructure.clients.look_ups import LookUpRules
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.outbox.postgres_outbox import PostgresOutbox

LEASE_S = 5.0
SEND_MAX_S = 2.0
NUMBERS_EACH = 1000
"""The captures of vigia n are numbered from n times this."""


class TellingOutbox(PostgresOutbox):
    """Tells which doubtful captures it takes over from others. Any thread."""

    def __init__(self, url: str, schema: str, executioner: Executioner) -> None:
        self._own: set[str] = set()  # only added to
        super().__init__(url, SystemClock(), schema=schema, fault_point=executioner)

    def lease(self, *, limit: int, duration_s: float) -> list[LeasedCapture]:
        leased = super().lease(limit=limit, duration_s=duration_s)
        for capture in leased:
            if capture.maybe_sent and capture.id not in self._own:
                say("took", capture.id)
            self._own.add(capture.id)
        return leased


@contextlib.contextmanager
def recognizer_of(url: str) -> Iterator[FindfaceRecognizer]:
    """The client of a vigia that is not the only one; this server finishes before its answer is lost."""
    tls = TlsPolicy(insecure_skip_verify=True)  # there is none; this spares the loading of certificates
    access = FindfaceAccess(url=url, user=USER, password=PASSWORD, uuid="vigia-1", tls=tls)
    client = FindfaceMultiAsync(FindfaceMulti(access, clock=SystemClock()))
    rules = LookUpRules(rate_per_s=1000.0, burst=1000, settle_s=0.0, finish_s=0.0, busy_s=MOMENT_S)
    with contextlib.closing(FindfaceRecognizer(client, look_ups=rules)) as recognizer:
        yield recognizer


def live(outbox: PostgresOutbox, recognizer: FindfaceRecognizer, *, number: int, captures: int) -> None:
    """Commit, and send until nobody else lives and nothing waits."""
    backoff = Backoff(base_s=0.001, cap_s=0.002)
    sender = SendToFindfaceUseCase(
        outbox,
        recognizer,
        clock=SystemClock(),
        camera_token=lambda _camera: TOKEN,
        refresh_cameras=lambda _camera: None,
        options=SendOptions(senders=SENDERS, lease_s=LEASE_S, send_max_s=SEND_MAX_S),
        policy=RetryPolicy(backoff=backoff, pause_min_s=0.0, settle_s=0.0),
        rng=Random(number),
    )
    alone, never = threading.Event(), threading.Event()

    def commit_all() -> None:
        for n in range(captures):
            capture = capture_of(number * NUMBERS_EACH + n)
            outbox.commit(capture)
            say("committed", capture.id)
            while outbox.stats().unsent > WAITING_MAX:
                SystemClock().wait(never, MOMENT_S)
        sys.stdin.read()
        alone.set()

    def send_all() -> None:
        while not alone.is_set() or outbox.stats().unsent:
            with contextlib.suppress(LeaseLost):
                SystemClock().wait(never, min(sender.step() or 0.0, 10 * MOMENT_S))

    with ThreadPoolExecutor(SENDERS + 1) as pool:
        for job in [pool.submit(commit_all), *(pool.submit(send_all) for _ in range(SENDERS))]:
            job.result()


def main() -> None:
    """See the module."""
    url, schema, findface, number, captures, dies = sys.argv[1:]
    executioner = Executioner("lease.after", int(dies))
    with TellingOutbox(url, schema, executioner) as outbox, recognizer_of(findface) as recognizer:
        live(outbox, recognizer, number=int(number), captures=int(captures))


if __name__ == "__main__":
    main()
