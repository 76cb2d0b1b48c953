"""Before the run: probes and a page while FindFace or the outbox is waited for, on the port that the run takes over."""

import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import httpx
import pytest

from running import wait_for
from vigia.application.errors import ConfigurationError, CredentialsRejected, RecognizerUnavailable
from vigia.application.ports import Recognizer
from vigia.application.use_cases.sync_cameras import SyncCamerasUseCase
from vigia.bootstrap.waiting_room import FINDFACE_DOWN, OUTBOX_AWAY, WaitingRoom, log_in_first
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.testing.sim_clock import SimClock


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path, "language": "en", "web": {"port": free_port()}})


def address(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.web.port}"


def is_served(settings: Settings) -> bool:
    try:
        socket.create_connection(("127.0.0.1", settings.web.port), 1.0).close()
    except ConnectionRefusedError:
        return False
    return True


def test_probes_and_a_page_are_there_while_somebody_is_waited_for(settings: Settings) -> None:
    with WaitingRoom(settings, wanted=True, clock=SystemClock()) as room:
        assert not is_served(settings)  # nobody was waited for yet
        room.tell(FINDFACE_DOWN)
        wait_for(lambda: is_served(settings), timeout_s=10.0, what="the waiting room")
        with httpx.Client(base_url=address(settings), timeout=10.0, trust_env=False) as client:
            assert client.get("/healthz").json() == {"status": "ok"}
            found = client.get("/readyz")
            assert found.status_code == 503
            assert [reason["code"] for reason in found.json()["reasons"]] == ["findface_down", "cameras_unknown"]
            assert found.json()["reasons"][0]["seconds"] >= 0
            room.tell(OUTBOX_AWAY)
            assert [reason["code"] for reason in client.get("/readyz").json()["reasons"]] == [
                "outbox_unavailable",
                "cameras_unknown",
            ]
            for path in ("/", "/login", "/api/status", "/metrics"):
                page = client.get(path, headers={"Accept-Language": "en"})
                assert (page.status_code, page.headers["retry-after"]) == (503, "5")
                assert "waits for FindFace" in page.text
                assert page.headers["cache-control"] == "no-store"
                assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
            assert client.post("/login", data={"user": "operator", "password": "x"}).status_code == 405
            assert client.get("/login.css").status_code == 200
    assert not is_served(settings)
    with WaitingRoom(settings, wanted=True, clock=SystemClock()) as again:  # the port is free at once
        again.tell(FINDFACE_DOWN)
        wait_for(lambda: is_served(settings), timeout_s=10.0, what="the next server")


def test_nothing_is_served_where_nothing_is_wanted(settings: Settings) -> None:
    off = settings.model_copy(update={"web": settings.web.model_copy(update={"enabled": False})})
    for room in (
        WaitingRoom(settings, wanted=False, clock=SystemClock()),
        WaitingRoom(off, wanted=True, clock=SystemClock()),
    ):
        with room:
            room.tell(FINDFACE_DOWN)
            assert not is_served(settings)


def test_a_closed_room_opens_no_more(settings: Settings) -> None:
    room = WaitingRoom(settings, wanted=True, clock=SystemClock())
    room.close()
    room.tell(FINDFACE_DOWN)
    assert not is_served(settings)
    assert room.alive()


class Door:
    """A recognizer whose log-in does what it is told, one after the other."""

    def __init__(self, *answers: Callable[[], None]) -> None:
        self.answers = [*answers]

    def log_in(self) -> None:
        self.answers.pop(0)()


def away() -> None:
    raise RecognizerUnavailable("no answer")


def refused() -> None:
    raise CredentialsRejected("wrong password")


class ToldRoom(WaitingRoom):
    """Serves nothing, and remembers what it was told."""

    def __init__(self, settings: Settings, clock: SimClock) -> None:
        super().__init__(settings, wanted=False, clock=clock)
        self.told: list[str] = []

    def tell(self, code: str) -> None:
        self.told.append(code)


def logged_in(settings: Settings, door: Door, clock: SimClock, stop: threading.Event) -> tuple[bool, list[str]]:
    room = ToldRoom(settings, clock)
    nobody = cast("SyncCamerasUseCase", type("NoList", (), {"recall": lambda _self: False})())
    done = log_in_first(cast("Recognizer", door), nobody, settings=settings, room=room, stop=stop, clock=clock)
    return done, room.told


def test_each_wait_for_a_first_log_in_is_told(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "vigia.bootstrap")
    clock, stop = SimClock(), threading.Event()
    began_s = clock.mono_s()
    assert logged_in(settings, Door(away, away, lambda: None), clock, stop) == (True, [FINDFACE_DOWN] * 2)
    assert clock.mono_s() - began_s == pytest.approx(3.0)
    assert caplog.text.count("FindFace cannot be reached") == 2
    assert logged_in(settings, Door(lambda: None), clock, stop) == (True, [])
    with pytest.raises(ConfigurationError, match="wrong password"):
        logged_in(settings, Door(away, refused), clock, stop)
    stop.set()
    assert logged_in(settings, Door(), clock, stop) == (False, [])
