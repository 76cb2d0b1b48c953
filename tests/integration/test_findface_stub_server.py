"""The FindFace stand-in as a server: faults on order, stops and starts, kill -9, many senders at once, its process."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from test_findface_stub_events import JPEG, NO_TLS, ScriptedFinder, Sender, picture, refusal, sending, settings_in

from vigia.application.errors import ConfigurationError
from vigia.testing.findface_stub import ADD_EVENT_PATH, StubServer, run_stub
from vigia.testing.findface_stub.event_store import Ltrb
from vigia.testing.findface_stub.faults import MAX_FAULTS, Fault, FaultQueue

WAIT_S = 20.0
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_findface_stub_events import settings_in
from vigia.testing.findface_stub import roi_as_face, run_stub
run_stub(settings_in(Path({data!r})), find_faces=roi_as_face, ready=lambda port: print(port, flush=True))
print("ended", flush=True)
"""


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Sender]:
    with sending(tmp_path / "stub", ScriptedFinder()) as sender:
        yield sender


@contextmanager
def stub_process(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The stand-in in a process of its own, and its URL."""
    program = PROGRAM.format(tests=str(Path(__file__).parent), data=str(data_dir))
    command = [sys.executable, "-W", "error", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def post(http: httpx.Client, url: str, *, second: int, data: bytes = JPEG) -> httpx.Response:
    form = {
        "token": "a" * 32,
        "camera": "1",
        "mf_selector": "biggest",
        "roi": ["20", "30", "220", "200"],
        "timestamp": f"2026-03-01T12:{second // 60:02}:{second % 60:02}Z",
    }
    return http.post(f"{url}{ADD_EVENT_PATH}", data=form, files={"fullframe": ("shot.jpg", data, "image/jpeg")})


def test_the_next_calls_fail_as_ordered_and_then_no_more(sender: Sender) -> None:
    license_error = {"code": "LICENSE_ERROR", "desc": "licence", "original_error": "expired", "traceback": ""}
    sender.stub.fail_next(503, times=2, headers={"Retry-After": "7"})
    sender.stub.fail_next(401, json=license_error, path=ADD_EVENT_PATH)
    sender.stub.fail_next(502, text="<html>Bad Gateway</html>", path="/cameras/")
    assert sender.stub.faults_waiting == 4
    busy = sender.add()
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "7")
    assert refusal(sender.http.get("/events/faces/")) == (503, "SERVICE_UNAVAILABLE", None)
    assert sender.http.get("/events/faces/").status_code == 200, "the other two are for other paths"
    answer = sender.add()
    assert (answer.status_code, answer.json()) == (401, license_error)
    gateway = sender.http.get("/api/cameras/")
    assert (gateway.status_code, gateway.text) == (502, "<html>Bad Gateway</html>")
    assert gateway.headers["content-type"].startswith("text/html")
    assert sender.stub.faults_waiting == 0
    assert sender.stub.events() == []
    sender.add_one()


def test_a_failed_call_may_have_taken_effect(sender: Sender) -> None:
    sender.stub.fail_next(504, after_store=True)
    assert sender.add().status_code == 504
    assert len(sender.stub.events()) == 1


@pytest.mark.parametrize(("after_store", "stored"), [(True, 2), (False, 0)])
def test_a_dropped_call_has_no_answer_but_perhaps_an_effect(sender: Sender, *, after_store: bool, stored: int) -> None:
    sender.stub.drop_next(2, after_store=after_store)
    for second in range(2):
        with pytest.raises(httpx.RemoteProtocolError, match="disconnected without sending"):
            sender.add(timestamp=f"2026-03-01T12:00:0{second}Z")
    assert len(sender.stub.events()) == stored
    assert sender.http.get("/cameras/").status_code == 200
    sender.add_one()
    assert sender.stub.stats()["calls"][f"POST {ADD_EVENT_PATH} no answer"] == 2


def test_any_call_can_be_dropped(sender: Sender) -> None:
    sender.stub.drop_next(after_store=False, path=None)
    with pytest.raises(httpx.RemoteProtocolError):
        sender.http.get("/cameras/")


def test_the_page_and_its_facts_never_fail_and_faults_can_be_taken_back(sender: Sender) -> None:
    sender.stub.fail_next(500, times=5)
    assert sender.http.get("/").status_code == 200
    assert sender.stub.stats()["events"] == 0
    sender.stub.clear_faults()
    assert sender.http.get("/cameras/").status_code == 200


def test_faults_are_bounded_and_must_happen() -> None:
    faults = FaultQueue()
    with pytest.raises(ValueError, match="at least once"):
        faults.add(Fault(times=0))
    for _ in range(MAX_FAULTS):
        faults.add(Fault(times=1))
    with pytest.raises(ValueError, match="waiting"):
        faults.add(Fault(times=1))


def test_a_middleware_may_be_put_around_the_api(tmp_path: Path) -> None:
    class Marked:
        def __init__(self, app: ASGIApp, *, mark: bytes) -> None:
            self.app = app
            self.mark = mark

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def marked(message: Message) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"x-mark", self.mark)]
                await send(message)

            await self.app(scope, receive, marked)

    with StubServer(settings_in(tmp_path), middleware=[Middleware(Marked, mark=b"seen")]) as stub:
        assert httpx.get(f"{stub.url}/cameras/").headers["x-mark"] == "seen"


def test_a_stop_refuses_connections_and_a_start_keeps_port_and_events(sender: Sender) -> None:
    event_id = sender.add_one()
    url = sender.stub.url
    sender.stub.stop()
    sender.stub.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/")
    sender.stub.start()
    sender.stub.start()
    assert sender.stub.url == url
    assert [event["id"] for event in sender.stub.events()] == [event_id]
    later = sender.add_one(timestamp="2026-03-01T12:00:09Z")
    assert int(later) > int(event_id)


def test_two_stand_ins_do_not_share_a_directory(sender: Sender) -> None:
    with pytest.raises(ConfigurationError, match="another stand-in"):
        StubServer(sender.stub.settings).start()


def test_a_directory_that_cannot_be_made_and_a_taken_port_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigurationError, match="cannot write the stand-in's directory"):
        StubServer(settings_in(tmp_path / "file" / "below")).start()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}"):
            run_stub(settings_in(tmp_path / "stub"), port=port, find_faces=ScriptedFinder())
    StubServer(settings_in(tmp_path / "stub")).stop()
    with StubServer(settings_in(tmp_path / "stub")) as stub:  # the failed start let go of the directory
        assert stub.events() == []


def test_a_damaged_database_is_told_and_the_directory_let_go(tmp_path: Path) -> None:
    (tmp_path / "stub.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(ConfigurationError, match="cannot open the stand-in's database"):
        StubServer(settings_in(tmp_path)).start()
    (tmp_path / "stub.sqlite3").unlink()
    with StubServer(settings_in(tmp_path)) as stub:
        assert stub.events() == []


def test_by_default_the_region_is_the_face(tmp_path: Path) -> None:
    with StubServer(settings_in(tmp_path)) as stub, httpx.Client(verify=NO_TLS) as http:
        assert post(http, stub.url, second=1).status_code == 200
        form = {"token": "a" * 32, "camera": "1", "mf_selector": "all"}
        files = {"fullframe": ("shot.jpg", JPEG, "image/jpeg")}
        assert http.post(f"{stub.url}{ADD_EVENT_PATH}", data=form, files=files).status_code == 200
        assert [event["box"] for event in stub.events()] == [[20, 30, 220, 200], [0, 0, 320, 240]]


def test_its_connections_do_not_wait_for_acknowledgements(sender: Sender) -> None:
    listener = sender.stub._listener
    assert listener is not None
    assert listener.proto == socket.IPPROTO_TCP, "asyncio sets TCP_NODELAY only for a socket that says so"


def test_many_senders_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    inside = threading.Lock()

    def alone(_data: bytes, roi: Ltrb | None) -> Sequence[Sequence[float]]:
        assert inside.acquire(blocking=False), "the finder is entered by one thread at a time"
        try:
            return [roi or (0, 0, 320, 240)]
        finally:
            inside.release()

    pictures = [picture(seed=seed) for seed in range(4)]
    with (
        StubServer(settings_in(tmp_path), find_faces=alone) as stub,
        httpx.Client(verify=NO_TLS) as http,
        ThreadPoolExecutor(8) as threads,
    ):
        answers = list(
            threads.map(lambda second: post(http, stub.url, second=second, data=pictures[second % 4]), range(48))
        )
        ids = [event_id for answer in answers for event_id in answer.raise_for_status().json()["events"]]
        events = stub.events()
        assert sorted(ids, key=int) == [event["id"] for event in events]
        assert len(set(ids)) == 48
        assert {event["sha256"] for event in events} == {path.stem for path in (tmp_path / "pictures").iterdir()}
        assert stub.stats()["duplicates"] == 0


def test_a_busy_finder_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def busy(_data: bytes, _roi: Ltrb | None) -> Sequence[Sequence[float]]:
        entered.set()
        assert go_on.wait(WAIT_S)
        return [(0, 0, 100, 100)]

    with (
        StubServer(settings_in(tmp_path), find_faces=busy) as stub,
        httpx.Client(timeout=WAIT_S, verify=NO_TLS) as http,
        ThreadPoolExecutor(1) as thread,
    ):
        answer = thread.submit(post, http, stub.url, second=1)
        assert entered.wait(WAIT_S)
        try:
            assert stub.stats()["events"] == 0
        finally:
            go_on.set()
        assert answer.result(WAIT_S).status_code == 200


def test_a_fault_of_the_finder_is_a_500_without_a_traceback(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(_data: bytes, _roi: Ltrb | None) -> Sequence[Sequence[float]]:
        raise KeyError("detector")

    with sending(tmp_path, broken) as sender:
        answer = sender.add()
        assert refusal(answer) == (500, "INTERNAL_SERVER_ERROR", None)
        assert "KeyError" not in answer.text
        assert sender.stub.events() == []
    assert "KeyError" in caplog.text


def test_a_kill_loses_no_event_that_was_answered(tmp_path: Path) -> None:
    answered: list[str] = []
    second = 0
    for kill_after in (2, 7):
        with stub_process(tmp_path) as (process, url), httpx.Client(timeout=WAIT_S, verify=NO_TLS) as http:
            killer: threading.Event = threading.Event()

            def kill(process: subprocess.Popen[str] = process, killer: threading.Event = killer) -> None:
                assert killer.wait(WAIT_S)
                process.send_signal(signal.SIGKILL)

            with ThreadPoolExecutor(1) as thread:
                killed = thread.submit(kill)
                for number in range(200):  # until the kill, which comes while one of these is under way
                    if number == kill_after:
                        killer.set()
                    second += 1
                    try:
                        answered += post(http, url, second=second).raise_for_status().json()["events"]
                    except httpx.TransportError:
                        break
                killed.result(WAIT_S)
            assert process.wait(WAIT_S) == -signal.SIGKILL
    (tmp_path / "pictures" / "unfinished.part").write_bytes(b"half")
    with StubServer(settings_in(tmp_path)) as stub:
        events = stub.events()
        kept = [event["id"] for event in events]
        assert set(answered) <= set(kept)
        assert len(set(kept)) == len(kept)
        assert len(answered) >= 9, "each process took some before it was killed"
        assert stub.stats()["events"] == len(kept)
        assert httpx.get(f"{stub.url}/uploads/events/{kept[-1]}/fullframe.jpeg").content == JPEG
        assert not list((tmp_path / "pictures").glob("*.part"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_well_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with stub_process(tmp_path) as (process, url), httpx.Client(timeout=WAIT_S, verify=NO_TLS) as http:
        assert post(http, url, second=1).status_code == 200  # and its connection stays open
        process.send_signal(number)
        assert process.wait(WAIT_S) == 0
        assert process.stdout is not None
        assert process.stdout.read().strip() == "ended"


def test_listening_beyond_this_machine_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def end(_port: int) -> None:
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    run_stub(settings_in(tmp_path), host="0.0.0.0", find_faces=ScriptedFinder(), ready=end)  # noqa: S104 - the case
    assert "open to whoever reaches it" in caplog.text
    assert signal.getsignal(signal.SIGINT) is before


def test_importing_the_fakes_does_not_need_the_servers_packages() -> None:
    program = (
        "import sys\n"
        "for name in ('starlette', 'uvicorn', 'jinja2', 'python_multipart'): sys.modules[name] = None\n"
        "import vigia.testing, vigia.testing.sim_clock\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, timeout=60, capture_output=True, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
