"""The real web server on a port of its own, over an outbox in memory: for tests that speak HTTP to it."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI
from starlette.types import Message, Scope

from outbox_rigs import capture_of
from vigia.application.audit_port import AuditEntry
from vigia.application.gallery_store import GalleryStore
from vigia.application.live_pictures import LivePictures
from vigia.application.live_tap import LiveTap
from vigia.application.ports import Clock, ManagedOutbox
from vigia.application.site_view import CaptureQuery, Readiness
from vigia.application.use_cases.operate import OperateUseCase
from vigia.bootstrap.gallery_pages import GalleryPages
from vigia.bootstrap.web_pages import capture_page
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import CaptureId, CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.video.live_jpeg import SwscaleSmallJpegs
from vigia.infrastructure.video.picture import picture_from_image
from vigia.infrastructure.video.small_jpeg import SmallJpegEncoder
from vigia.infrastructure.web.access import DoorRules
from vigia.infrastructure.web.app import SiteParts, make_app
from vigia.infrastructure.web.devices import DeviceStore
from vigia.infrastructure.web.lockout import LockOut
from vigia.infrastructure.web.login import Entrance
from vigia.infrastructure.web.server import WebServer
from vigia.infrastructure.web.sessions import SessionStore
from vigia.infrastructure.web.sockets import Gate
from vigia.infrastructure.web.users import Role, UserFile
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct-horse"
TOKEN = "scraper-token-of-24-chars"
START_TIMEOUT_S = 10.0


@dataclass
class AuditList:
    entries: list[AuditEntry] = field(default_factory=list)

    def record(self, entry: AuditEntry) -> None:
        self.entries.append(entry)

    def told(self) -> list[tuple[str, str, str]]:
        return [(entry.who.name, entry.action.value, entry.result) for entry in self.entries]


@dataclass
class MemoryView:
    """What a run would tell, over the outbox in memory."""

    outbox: ManagedOutbox
    ready: Readiness = field(default_factory=lambda: Readiness(alive=True))
    hang: Callable[[], Readiness] | None = None

    def status(self) -> dict[str, Any]:
        return {"cameras": 2, "fps": 25.0}

    def cameras(self) -> list[dict[str, Any]]:
        return [{"id": "cam1", "name": "Entrada"}]

    def others(self) -> dict[str, Any]:
        return {"ledger": None, "delivered": 0}

    def captures_by_camera(self) -> Mapping[CameraId, Mapping[CaptureState, int]]:
        return self.outbox.counts_by_camera()

    def captures(self, query: CaptureQuery) -> Sequence[dict[str, Any]]:
        entries = self.outbox.entries(
            state=query.state,
            camera_id=query.camera_id,
            older_than_s=query.older_than_s,
            younger_than_s=query.younger_than_s,
            limit=query.limit,
            after=query.after,
        )
        return [capture_page(entry) for entry in entries]

    def picture(self, capture_id: CaptureId) -> bytes | None:
        return self.outbox.picture(capture_id)

    def alive(self) -> bool:
        return self.ready.alive

    def readiness(self) -> Readiness:
        return self.ready if self.hang is None else self.hang()


class CannedSystem:
    """What a run would tell of its health: a camera, a decision, a minute of history."""

    def history(self, *, span_s: float, points_max: int = 720) -> dict[str, list[float | None]]:
        count = min(points_max, 12, int(span_s / 5.0))
        return {"at_unix_s": [5.0 * n for n in range(count)], "fps": [None] * count}

    def decisions(self) -> list[dict[str, Any]]:
        return [{"at_utc": "2026-01-05T08:00:00+00:00", "shard": "shard-0", "kind": "planned", "k": 2}]

    def settings_of(self, camera_id: CameraId) -> list[dict[str, Any]] | None:
        return [{"name": "track_miss_interval", "value": 1.0}] if camera_id == "cam1" else None

    def latency(self) -> dict[str, float | int | None]:
        return {"posts": 0}

    def outbox(self) -> dict[str, Any] | None:
        return {"kept": {}}

    def facts(self) -> dict[str, Any]:
        return {"version": "0", "mode": "threads"}


class WebSite:
    """Owner: the test. ``clock`` moves sessions and lock-outs."""

    def __init__(
        self,
        directory: Path,
        *,
        rules: DoorRules | None = None,
        tls: tuple[Path, Path] | None = None,
        language: str = "en",
        outbox: Callable[[Clock], ManagedOutbox] = MemoryOutbox,
        gate: Gate | None = None,
        host: str = "127.0.0.1",
        live: LivePictures | None = None,
    ) -> None:
        self.clock, self.audit = SimClock(), AuditList()
        self.outbox = outbox(self.clock)
        self.view = MemoryView(self.outbox)
        self.gallery = GalleryStore(1 << 20)
        self.users = UserFile(directory / "web-users.json", hasher=QUICK, clock=self.clock)
        for name, role in (("olga", Role.OPERATOR), ("vera", Role.VIEWER)):
            self.users.set_password(name, PASSWORD, role=role, now_utc=self.clock.utc())
        self.sessions = SessionStore(self.users, clock=self.clock, idle_s=600.0, absolute_s=3600.0)
        self.lockout = LockOut(clock=self.clock)
        self.devices = DeviceStore(directory / "devices.json", exists=lambda name: self.users.find(name) is not None)
        self.reloads = 0
        self.rules = rules if rules is not None else DoorRules(names={"localhost"}, metrics_token=TOKEN)
        self.app: FastAPI = make_app(
            SiteParts(
                entrance=Entrance(
                    self.users,
                    self.sessions,
                    self.lockout,
                    self.audit,
                    self.rules,
                    self.clock,
                    lambda: language,
                    self.devices,
                ),
                view=self.view,
                operate=OperateUseCase(
                    self.outbox, self.audit, reload=self._reload, clock=self.clock, on_dropped=self.gallery.forget
                ),
                system=CannedSystem(),
                live=live or LivePictures(LiveTap(self.clock, fps=3.0), SwscaleSmallJpegs(), clock=self.clock),
                gallery=GalleryPages(
                    self.outbox,
                    self.gallery,
                    cameras=lambda: [Camera(CameraId("gate"), "Portão", "rtsp://gate")],
                    decode=picture_from_image,
                    encoder=SmallJpegEncoder(),
                ),
                exposition=lambda _accept: (b"vigia_cameras 2.0\n", "text/plain"),
            )
        )
        self.server = WebServer(self.app, host=host, port=0, tls=tls, clock=SystemClock(), gate=gate)

    def _reload(self) -> None:
        self.reloads += 1

    def start(self) -> None:
        self.server.service.start()
        assert self.server.listening.wait(START_TIMEOUT_S), self.server.service.failure

    def stop(self) -> None:
        self.server.service.request_stop()
        assert self.server.service.join(5.0)
        assert self.server.service.failure is None

    @property
    def url(self) -> str:
        return self.server.url.rstrip("/")

    @property
    def cookie(self) -> str:
        """The session cookie's name for whoever asks by ``url``."""
        return f"vigia-{self.url.rpartition(':')[2]}"

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=10.0, trust_env=False, **options)

    def dead_capture(self, number: int) -> CaptureId:
        """A capture that was given up."""
        capture = capture_of(number)
        self.outbox.commit(capture)
        (leased,) = self.outbox.lease(limit=1, duration_s=60.0)
        self.outbox.mark_dead(leased, "tried too often")
        return capture.id


def form_token(client: httpx.Client) -> str:
    found = re.search(r'name="token" value="([^"]+)"', client.get("/login").text)
    assert found is not None
    return found[1]


def log_in(client: httpx.Client, user: str = "olga", password: str = PASSWORD, **fields: str) -> httpx.Response:
    return client.post("/login", data={"token": form_token(client), "user": user, "password": password, **fields})


def csrf_of(client: httpx.Client) -> dict[str, str]:
    return {"X-CSRF-Token": client.get("/api/session").json()["csrf"]}


def connect_socket(app: FastAPI, path: str, headers: dict[str, str]) -> list[Message]:
    """What the application answers to a WebSocket that connects: the server beneath it has no part in that."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "websocket",
        "asgi": {"version": "3.0"},
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "state": {},
    }
    asyncio.run(app(scope, receive, send))
    return sent
