"""One capture over TLS: what vigia's pool costs beside ``requests.post`` and the other ways to send it.

The receiver is a process of its own, so that the CPU time counted is the client's alone: all that this process used,
building the multipart body included. Four threads send, as many as vigia has senders.
"""

import gc
import os
import ssl
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from random import Random

import httpx
import requests

from vigia.application.service import LoopService
from vigia.bench.context import BenchContext
from vigia.bench.https_receiver import HOST, TOKEN, HttpsReceiver
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Spread, Table, Verdict, percent
from vigia.bench.rivals_logging import quantile
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import MAX_CONNECTIONS, FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_wire import ADD_EVENT_PATH, format_timestamp
from vigia.infrastructure.clients.http_transport import TlsPolicy
from vigia.infrastructure.clock import SystemClock

OURS, BASELINE = "FindfaceMultiAsync", "requests.post"
THREADS = 4
PICTURE_BYTES = 200_000
ROI = (100, 100, 300, 300)
FULL_POSTS, QUICK_POSTS = 200, 60
"""Of each thread."""
TIMEOUT_S = 30.0
HANG_S = 300.0
CPU_SHARE_MAX = 1.0 / 3.0

Post = Callable[[], object]
"""Send one capture and read the answer. Any thread."""


@dataclass(frozen=True, slots=True)
class PostFigures:
    """What one run of one client came to."""

    cpu_s: float
    """Of this process, a request."""
    p50_s: float
    p99_s: float
    requests_a_second: float
    connections: int
    handshakes: int


def run(context: BenchContext) -> BenchResult:
    """Every client a few times, round after round."""
    posts = int(context.pick(FULL_POSTS, QUICK_POSTS))
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = HOST  # requests and httpx would ask a proxy of the environment
    found: dict[str, list[PostFigures]] = {name: [] for name in CLIENTS}
    gc.freeze()
    with HttpsReceiver() as receiver:
        picture = Random(1).randbytes(PICTURE_BYTES)  # noqa: S311 - any bytes will do, the same in every run
        for round_number in range(context.repeats() + 1):
            for name, figures in found.items():
                warming = round_number == 0
                measured = measure(name, receiver, picture, posts=2 if warming else posts)
                if not warming:
                    figures.append(measured)
    return _result(found, posts=posts)


def measure(name: str, receiver: HttpsReceiver, picture: bytes, *, posts: int) -> PostFigures:
    """Four threads with one client, made for this run and closed after it.

    Raises:
        RuntimeError: a request failed, or the receiver did not get every event.
    """
    gc.collect()
    before = receiver.counts()
    with CLIENTS[name](receiver, picture) as post:
        samples = [array("d", bytes(8 * posts)) for _ in range(THREADS)]
        gate = threading.Event()

        def send(mine: "array[float]") -> None:
            gate.wait(TIMEOUT_S)
            for n in range(posts):
                began_s = time.perf_counter()
                post()
                mine[n] = time.perf_counter() - began_s

        clock = SystemClock()
        services = [LoopService(f"post-{n}", partial(send, mine), clock=clock) for n, mine in enumerate(samples)]
        for service in services:
            service.start()
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        gate.set()
        for service in services:
            if not service.join(HANG_S) or service.failure is not None:
                raise RuntimeError(f"{name}: {service.name} did not end well") from service.failure
        elapsed_s, cpu_s = time.perf_counter() - started_s, time.process_time() - started_cpu_s
    after = receiver.counts()
    count = THREADS * posts
    if after["events"] - before["events"] != count:
        raise RuntimeError(f"{name}: {after['events'] - before['events']} of {count} events arrived")
    latencies_s = sorted(sample for mine in samples for sample in mine)
    return PostFigures(
        cpu_s=cpu_s / count,
        p50_s=quantile(latencies_s, 0.5),
        p99_s=quantile(latencies_s, 0.99),
        requests_a_second=count / elapsed_s,
        connections=after["connections"] - before["connections"],
        handshakes=after["handshakes"] - before["handshakes"],
    )


@contextmanager
def _vigia(receiver: HttpsReceiver, picture: bytes) -> Iterator[Post]:
    """The client as a run uses it: session, multipart body, error translation, pool."""
    access = FindfaceAccess(
        url=receiver.url, user="bench", password=TOKEN, uuid="vigia-bench", tls=TlsPolicy(ca_file=receiver.ca_file)
    )
    clock = SystemClock()
    with FindfaceMultiAsync(FindfaceMulti(access, clock=clock)) as client:
        if not client.is_pooled:
            raise RuntimeError("httpx is missing: there is no pool to measure")
        client.login()

        def post() -> object:
            return client.add_face_event(1, TOKEN, fullframe_jpeg=picture, roi=ROI, timestamp=clock.utc())

        yield post


@contextmanager
def _requests_post(receiver: HttpsReceiver, picture: bytes) -> Iterator[Post]:
    """A new connection each time: what most people write."""
    url, verify = f"{receiver.url}{ADD_EVENT_PATH}", str(receiver.ca_file)

    def post() -> object:
        files, data, headers = _files(picture), _fields(), _headers()
        answer = requests.post(url, files=files, data=data, headers=headers, verify=verify, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()

    yield post


@contextmanager
def _requests_session(receiver: HttpsReceiver, picture: bytes) -> Iterator[Post]:
    """A session a thread: requests does not say that one may be shared."""
    url, verify = f"{receiver.url}{ADD_EVENT_PATH}", str(receiver.ca_file)
    local, opened = threading.local(), list[requests.Session]()

    def post() -> object:
        session: requests.Session | None = getattr(local, "session", None)
        if session is None:
            session = local.session = requests.Session()
            opened.append(session)
        files, data, headers = _files(picture), _fields(), _headers()
        answer = session.post(url, files=files, data=data, headers=headers, verify=verify, timeout=TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()

    yield post
    for session in opened:
        session.close()


@contextmanager
def _httpx_client(receiver: HttpsReceiver, picture: bytes) -> Iterator[Post]:
    """One client for all threads."""
    url = f"{receiver.url}{ADD_EVENT_PATH}"
    context = ssl.create_default_context(cafile=str(receiver.ca_file))
    with httpx.Client(verify=context, timeout=TIMEOUT_S) as client:

        def post() -> object:
            answer = client.post(url, files=_files(picture), data=_fields(), headers=_headers())
            answer.raise_for_status()
            return answer.json()

        yield post


CLIENTS = {
    OURS: _vigia,
    BASELINE: _requests_post,
    "requests.Session": _requests_session,
    "httpx.Client": _httpx_client,
}


def _files(picture: bytes) -> dict[str, tuple[str, bytes, str]]:
    return {"fullframe": ("fullframe.jpg", picture, "image/jpeg")}


def _fields() -> dict[str, str | list[str]]:
    """The same form that vigia sends."""
    return {
        "token": TOKEN,
        "camera": "1",
        "mf_selector": "biggest",
        "timestamp": format_timestamp(SystemClock().utc()),
        "roi": [str(side) for side in ROI],
    }


def _headers() -> dict[str, str]:
    return {"Authorization": f"Token {TOKEN}"}


def _result(found: dict[str, list[PostFigures]], *, posts: int) -> BenchResult:
    share = _median(found[OURS], "cpu_s") / _median(found[BASELINE], "cpu_s")
    ours = found[OURS]
    once = all(one.handshakes == one.connections <= MAX_CONNECTIONS for one in ours)
    connections = max(one.connections for one in ours)
    measured = (
        f"{percent(share)}; {max(one.handshakes for one in ours)} handshakes on {connections} connections for "
        f"{THREADS * posts} requests"
    )
    cpus = [Spread.of([one.cpu_s * 1e3 for one in figures]) for figures in found.values()]
    values, low, high = zip(*((one.median, one.low, one.high) for one in cpus), strict=True)
    return BenchResult(
        name="http",
        title=f"a POST of {PICTURE_BYTES // 1000} kB over TLS, {THREADS} threads",
        tables=(_table(found),),
        chart=Chart(
            title=f"Client's CPU time of one POST of {PICTURE_BYTES // 1000} kB over TLS",
            kind=ChartKind.BARS,
            y_label="ms",
            series=(Series("CPU a request", values, low, high),),
            categories=tuple(found),
            marks={"a third of requests.post": _median(found[BASELINE], "cpu_s") * CPU_SHARE_MAX * 1e3},
        ),
        verdicts=(Verdict("http", measured, share <= CPU_SHARE_MAX and once),),
        data={name: _data(figures) for name, figures in found.items()},
        notes=(
            f"{posts} requests of each of {THREADS} threads a run, {len(ours)} runs; each run opens its connections",
            "CPU is this process's, all threads, with the multipart body; the receiver is another process",
            "the receiver works on the same cores: latencies and requests/s hold its work too",
            "the authority's file has one certificate; of the public ones requests.post reads some 140 each time",
            "FindfaceMultiAsync does more than the others: session (one log-in), checks, translation of errors",
        ),
    )


def _median(figures: list[PostFigures], field: str) -> float:
    return Spread.of([getattr(one, field) for one in figures]).median


def _table(found: dict[str, list[PostFigures]]) -> Table:
    base_s = _median(found[BASELINE], "cpu_s")
    rows = []
    for name, figures in found.items():
        cpu = Spread.of([one.cpu_s * 1e3 for one in figures])
        connections = _median(figures, "connections")
        rows.append(
            (
                name,
                f"{cpu.median:.2f}",
                f"{cpu.low:.2f} … {cpu.high:.2f}",
                percent(cpu.median / 1e3 / base_s),
                *(f"{_median(figures, field) * 1e3:.1f}" for field in ("p50_s", "p99_s")),
                f"{_median(figures, 'requests_a_second'):.0f}",
                f"{connections:.0f}",
                f"{_median(figures, 'handshakes') / connections:.2f}",
            )
        )
    columns = ("", "CPU ms", "from … to", f"of {BASELINE}", "p50 ms", "p99 ms", "requests/s", "connections")
    return Table("One request, medians of the runs", (*columns, "handshakes each"), tuple(rows))


def _data(figures: list[PostFigures]) -> dict[str, object]:
    return {field: Spread.of([asdict(one)[field] for one in figures]).as_json() for field in asdict(figures[0])}
