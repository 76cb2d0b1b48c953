"""The component benchmarks measure what they say: their loads, locks and logs, not their speed."""

import gc
import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import requests

from vigia.bench import gc_pauses, http, lock, logger
from vigia.bench.gc_load import WAYS, PauseLog
from vigia.bench.https_receiver import HttpsReceiver
from vigia.bench.rivals_logging import RIVALS
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.http_transport import TlsPolicy
from vigia.infrastructure.clock import SystemClock

SHORT_S = 0.05


@pytest.mark.parametrize("name", RIVALS)
def test_every_logger_takes_the_load_and_writes(name: str) -> None:
    figures = logger._measured(name, duration_s=2 * SHORT_S)
    assert 1 <= figures.calls <= 4 * 100
    assert figures.dropped == 0
    assert 0.0 < figures.p50_s <= figures.p99_s <= figures.p999_s <= figures.max_s
    assert figures.written <= figures.calls + 50 + 1  # those that warm up, and AsyncLogger's own first line


@pytest.mark.parametrize(("coarse", "one_camera"), [*itertools.product((False, True), repeat=2)])
def test_every_hold_of_the_lock_is_noted(coarse: bool, one_camera: bool) -> None:
    figures = lock.measure(lock.Case(coarse, one_camera, events=5), duration_s=SHORT_S)
    assert figures.holds > 0
    assert figures.events_a_second > 0.0
    assert 0.0 < figures.p50_s <= figures.p99_s <= figures.max_s
    assert coarse is False or figures.conflicts == 0


def test_a_timing_lock_is_a_lock_and_counts() -> None:
    timing = lock.TimingLock()
    for _ in range(3):
        with timing:
            assert not timing._lock.acquire(blocking=False)
    assert len(timing.held_s) == len(timing.cpu_s) == len(timing.shut_s) == 3
    timing.reset()
    assert len(timing.held_s) == 0


def test_every_pause_is_logged_and_full_ones_are_counted() -> None:
    log = PauseLog()
    log.install()
    gc.collect(0)
    gc.collect()
    log.remove()
    log.remove()
    gc.collect()
    assert log.full == 1
    assert len(log.pauses_s) >= 2


@pytest.mark.parametrize("name", WAYS)
def test_every_way_to_collect_takes_the_load(name: str) -> None:
    figures = gc_pauses._measured(name, duration_s=0.25)
    assert 0 < figures.frames <= 60
    assert figures.pauses >= figures.full >= (1 if name == "collect in the loop" else 0)
    assert figures.objects > 50_000  # else nothing was imported: another heap


@pytest.fixture
def receiver() -> HttpsReceiver:
    return HttpsReceiver()


def test_the_receiver_answers_as_findface_does_and_counts(receiver: HttpsReceiver) -> None:
    with receiver:
        access = FindfaceAccess(receiver.url, "u", "p", "test", tls=TlsPolicy(ca_file=receiver.ca_file))
        with FindfaceMultiAsync(FindfaceMulti(access, clock=SystemClock())) as client:
            client.login()
            at = datetime(2026, 1, 1, tzinfo=UTC)
            ids = [
                client.add_face_event(1, "t", fullframe_jpeg=b"x" * 200_000, roi=(1, 2, 3, 4), timestamp=at)
                for _ in range(2)
            ]
            assert client.cameras() == []
        assert ids == [("1",), ("2",)]
        assert receiver.counts() == {"connections": 1, "handshakes": 1, "requests": 4, "events": 2}
        with requests.Session() as stranger:
            stranger.trust_env = False
            with pytest.raises(requests.exceptions.SSLError):
                stranger.get(receiver.url, timeout=5)
        assert receiver.counts()["handshakes"] == 1
    assert not receiver.ca_file.exists()
    with pytest.raises(RuntimeError, match="not running"):
        receiver.counts()


def test_every_client_delivers_and_only_the_plain_one_shakes_hands_each_time() -> None:
    with HttpsReceiver(latency_s=0.001) as receiver:
        for name in http.CLIENTS:
            figures = http.measure(name, receiver, b"x" * 1000, posts=3)
            assert figures.handshakes == figures.connections
            assert (figures.connections == 12) == (name == http.BASELINE)
            assert figures.cpu_s > 0.0


def test_a_verdict_of_the_lock_needs_every_row() -> None:
    good = lock.HoldFigures(1e-6, 10e-6, 1e-3, 9e-6, 1e-5, 100, 1000.0, 0)
    found = {case: [good] for case in lock.CASES}
    assert "p99 10.0 µs" in lock.verdict(found).measured
    assert lock.verdict(found).held
    worst = next(case for case in lock.CASES if not case.coarse and case.events == 50)
    assert not lock.verdict({**found, worst: [replace(good, p99_s=51e-6)]}).held
