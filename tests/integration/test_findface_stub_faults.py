"""The faulty stand-in and the real client over real sockets: what each fault is to a sender, and what it leaves."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from test_findface_stub_events import JPEG, settings_in

from vigia.application.errors import (
    ApplicationError,
    CameraTokenRejected,
    CaptureRefused,
    DeliveryAmbiguous,
    LicenseRejected,
    RecognizerUnavailable,
    RetryableError,
)
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.http_transport import HttpTimeouts
from vigia.infrastructure.clock import SystemClock
from vigia.testing.findface_stub import ADD_EVENT_PATH, FaultScenario, StubServer
from vigia.testing.sim_clock import SimClock

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LONG_S, SHORT_S = 20.0, 0.3
ATTEMPTS_MAX = 50


def send(client: FindfaceMultiAsync, number: int = 0) -> tuple[str, ...]:
    at = AT + timedelta(seconds=number)
    return client.add_face_event(1, "a" * 32, fullframe_jpeg=JPEG, roi=(20, 30, 220, 200), timestamp=at)


def arrived(client: FindfaceMultiAsync, number: int = 0) -> bool:
    at = AT + timedelta(seconds=number)
    return bool(client.find_events(1, from_utc=at, to_utc=at))


def scenario(*rules: dict[str, Any], seed: int = 0) -> FaultScenario:
    return FaultScenario.model_validate({"seed": seed, "faults": [{"path": ADD_EVENT_PATH, **rule} for rule in rules]})


@contextmanager
def client_of(url: str, *, read_s: float = LONG_S) -> Iterator[FindfaceMultiAsync]:
    access = FindfaceAccess(
        url=url,
        user="operator",
        password="pw",
        uuid="vigia-1",
        timeouts=HttpTimeouts(connect_s=LONG_S, read_s=read_s, write_s=LONG_S, pool_s=LONG_S),
    )
    with FindfaceMultiAsync(FindfaceMulti(access, clock=SystemClock())) as client:
        yield client


def outcome(client: FindfaceMultiAsync, number: int = 0) -> ApplicationError | None:
    try:
        assert send(client, number)
    except (RetryableError, CaptureRefused) as error:
        return error
    return None


@pytest.mark.parametrize(
    ("rule", "error", "events"),
    [
        ({"kind": "server-error"}, RecognizerUnavailable, 0),
        ({"kind": "bad-gateway"}, DeliveryAmbiguous, 0),
        ({"kind": "bad-gateway", "takes_effect": True}, DeliveryAmbiguous, 1),
        ({"kind": "status", "status": 504, "html": True, "takes_effect": True}, DeliveryAmbiguous, 1),
        ({"kind": "status", "status": 503}, RecognizerUnavailable, 0),
        ({"kind": "license-error"}, LicenseRejected, 0),
        ({"kind": "forbidden"}, CameraTokenRejected, 0),
        ({"kind": "too-large"}, CaptureRefused, 0),
        ({"kind": "too-many-requests"}, RecognizerUnavailable, 0),
        # Whether the sender knows that it did not arrive depends on how much of it has left: both are right.
        ({"kind": "reset-before"}, RetryableError, 0),
        ({"kind": "reset-during"}, RetryableError, 0),
        ({"kind": "reset-after"}, DeliveryAmbiguous, 1),
        ({"kind": "answer-lost", "hold_s": 0}, DeliveryAmbiguous, 1),
        ({"kind": "answer-lost", "hold_s": 0, "takes_effect": False}, DeliveryAmbiguous, 0),
        ({"kind": "invalid-json"}, DeliveryAmbiguous, 1),
        ({"kind": "truncated"}, DeliveryAmbiguous, 1),
        ({"kind": "truncated", "takes_effect": False}, DeliveryAmbiguous, 0),
        ({"kind": "latency", "delay_s": 0}, None, 1),
        ({"kind": "slow-read", "bytes_per_s": 10**9}, None, 1),
    ],
)
def test_what_a_fault_is_to_the_client_and_whether_it_took_effect(
    tmp_path: Path, rule: dict[str, Any], error: type[ApplicationError] | None, events: int
) -> None:
    with (
        StubServer(settings_in(tmp_path), faults=scenario({**rule, "times": 1})) as stub,
        client_of(stub.url) as client,
    ):
        found = outcome(client)
        assert isinstance(found, error) if error is not None else found is None, repr(found)
        assert len(stub.events()) == events
        assert arrived(client) == bool(events)
        assert outcome(client, 1) is None, "it happens once"
        assert stub.fault_counts() == {rule["kind"]: 1}
        report = stub.fault_report()
        assert [entry["happened"] for entry in report["rules"]] == [1]
        assert report["on_order"] == {"happened": 0, "waiting": 0}


@pytest.mark.parametrize(
    ("rule", "events"),
    [
        ({"kind": "latency", "delay_s": 600}, 0),
        ({"kind": "slow-read", "bytes_per_s": 1}, 0),
        ({"kind": "answer-lost", "hold_s": 600}, 1),
    ],
)
def test_what_takes_too_long_is_ambiguous_and_ends_with_the_server(
    tmp_path: Path, rule: dict[str, Any], events: int
) -> None:
    stub = StubServer(settings_in(tmp_path), faults=scenario({**rule, "times": 1}))
    with stub, client_of(stub.url, read_s=SHORT_S) as client:
        assert isinstance(outcome(client), DeliveryAmbiguous)
        assert len(stub.events()) == events
        assert stub.fault_counts() == {rule["kind"]: 1}


def test_a_server_that_stops_keeps_nobody_waiting(tmp_path: Path) -> None:
    stub = StubServer(settings_in(tmp_path), faults=scenario({"kind": "latency", "delay_s": 600}))
    with stub, client_of(stub.url) as client, ThreadPoolExecutor(1) as thread:
        under_way = thread.submit(outcome, client)
        tries = iter(range(10_000))
        while not stub.fault_counts()["latency"]:
            assert next(tries) < 9_999
            stub.stats()
        stub.stop()
        assert under_way.result(LONG_S) is None, "the pause is cut short and the call answered"


def test_a_reset_is_a_reset(tmp_path: Path) -> None:
    with (
        StubServer(settings_in(tmp_path), faults=scenario({"kind": "reset-after"})) as stub,
        client_of(stub.url) as client,
        pytest.raises(DeliveryAmbiguous, match=r"(?i)reset"),
    ):
        send(client)


def test_retry_after_reaches_the_sender(tmp_path: Path) -> None:
    with (
        StubServer(settings_in(tmp_path), faults=scenario({"kind": "too-many-requests", "retry_after_s": 7})) as stub,
        client_of(stub.url) as client,
        pytest.raises(RecognizerUnavailable) as caught,
    ):
        send(client)
    assert caught.value.retry_after_s == 7.0


def test_an_expired_session_costs_one_log_in(tmp_path: Path) -> None:
    rule = {"kind": "session-expired", "every": 3, "times": 1}
    with StubServer(settings_in(tmp_path), faults=scenario(rule)) as stub, client_of(stub.url) as client:
        assert [outcome(client, number) for number in range(5)] == [None] * 5
        assert stub.fault_counts() == {"session-expired": 1}
        assert stub.stats()["calls"]["POST /auth/login/ 200"] == 2
        assert stub.stats()["calls"][f"POST {ADD_EVENT_PATH} 401"] == 1
        assert len(stub.events()) == 5


def test_an_order_comes_before_the_scenario_and_is_counted_apart(tmp_path: Path) -> None:
    with (
        StubServer(settings_in(tmp_path), faults=scenario({"kind": "forbidden"})) as stub,
        client_of(stub.url) as client,
    ):
        stub.fail_next(503, path=ADD_EVENT_PATH)
        assert isinstance(outcome(client), RecognizerUnavailable)
        assert isinstance(outcome(client), CameraTokenRejected)
        assert stub.fault_counts() == {"forbidden": 1}
        assert stub.fault_report()["on_order"] == {"happened": 1, "waiting": 0}


def test_time_begins_at_the_first_start_and_a_restart_keeps_the_place(tmp_path: Path) -> None:
    clock = SimClock()
    rule = {"kind": "forbidden", "from_s": 60, "to_s": 120}
    with (
        StubServer(settings_in(tmp_path), clock=clock, faults=scenario(rule)) as stub,
        client_of(stub.url) as client,
    ):
        found = [outcome(client, 0)]
        clock.advance(60.0)
        found.append(outcome(client, 1))
        stub.restart()
        clock.advance(59.0)
        found.append(outcome(client, 2))
        clock.advance(1.0)
        found.append(outcome(client, 3))
        assert [type(error) for error in found] == [type(None), CameraTokenRejected, CameraTokenRejected, type(None)]


MIXED = (
    {"kind": "server-error", "share": 0.1},
    {"kind": "too-many-requests", "share": 0.05},
    {"kind": "license-error", "share": 0.05},
    {"kind": "bad-gateway", "share": 0.05, "takes_effect": True},
    {"kind": "reset-after", "share": 0.05},
    {"kind": "truncated", "share": 0.05},
    {"kind": "invalid-json", "share": 0.05},
    {"kind": "reset-during", "share": 0.05},
    {"kind": "latency", "share": 0.2, "distribution": "log-normal", "delay_median_s": 0.001, "delay_sigma": 1},
)


def test_a_run_repeats_from_its_seed(tmp_path: Path) -> None:
    runs = []
    for attempt, seed in enumerate((5, 5, 6)):
        with (
            StubServer(settings_in(tmp_path / str(attempt)), faults=scenario(*MIXED, seed=seed)) as stub,
            client_of(stub.url) as client,
        ):
            outcomes = [str(outcome(client, number)) for number in range(60)]
            runs.append((outcomes, stub.fault_counts(), [event["timestamp"] for event in stub.events()]))
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[2][0]


def test_a_sender_that_looks_up_first_delivers_each_exactly_once(tmp_path: Path) -> None:
    """The stand-in's faults leave what they say they leave: a careful sender loses nothing and doubles nothing."""

    def deliver(client: FindfaceMultiAsync, number: int) -> None:
        maybe_sent = False
        for _ in range(ATTEMPTS_MAX):
            if maybe_sent and arrived(client, number):
                return
            error = outcome(client, number)
            if error is None:
                return
            maybe_sent = maybe_sent or isinstance(error, DeliveryAmbiguous)
        raise AssertionError(f"capture {number} was not delivered in {ATTEMPTS_MAX} attempts")

    with (
        StubServer(settings_in(tmp_path), faults=scenario(*MIXED, seed=1)) as stub,
        client_of(stub.url) as client,
        ThreadPoolExecutor(4) as threads,
    ):
        for future in [threads.submit(deliver, client, number) for number in range(100)]:
            future.result(LONG_S)
        times = [event["timestamp"] for event in stub.events()]
        assert len(times) == len(set(times)) == 100
        assert all(count > 0 for count in stub.fault_counts().values())


def run_cli(tmp_path: Path, faults: str, *arguments: str) -> subprocess.Popen[str]:
    seed = {
        "user": "operator",
        "password": "pw",
        "groups": [{"id": 1, "name": "vigia"}],
        "cameras": [{"id": 1, "name": "gate", "group": 1, "token": "a" * 32}],
        "data_dir": str(tmp_path / "stub"),
    }
    (tmp_path / "seed.yaml").write_text(yaml.safe_dump(seed))
    (tmp_path / "faults.yaml").write_text(faults)
    command = [sys.executable, "-m", "vigia", "findface-stub", "--seed", str(tmp_path / "seed.yaml"), "--port", "0"]
    return subprocess.Popen(
        [*command, "--faults", str(tmp_path / "faults.yaml"), *arguments],
        cwd=tmp_path,
        env={**os.environ, "VIGIA_LANGUAGE": "en"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_wrong_scenario_ends_the_program_with_2(tmp_path: Path) -> None:
    with run_cli(tmp_path, "faults:\n  - kind: forbidden\n    share: 3\n") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.strip() == (
        f'Error: {tmp_path / "faults.yaml"}, line 3: faults[0].share must be a number from 0.0001 to 1, not "3"'
    )


def test_the_program_fails_as_its_scenario_says(tmp_path: Path) -> None:
    with run_cli(tmp_path, "faults:\n  - {kind: license-error, path: /auth/login/, times: 1}\n") as process:
        killer = threading.Timer(60.0, process.kill)
        killer.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            url = line.strip().rpartition(" ")[2].rstrip("/")
            with client_of(url) as client, pytest.raises(LicenseRejected):
                client.login()
            assert httpx.get(f"{url}/_stub/faults").json()["rules"][0]["happened"] == 1
        finally:
            killer.cancel()
            process.terminate()
            assert process.wait(30) == 0
