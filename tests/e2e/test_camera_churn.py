"""Twenty cameras come, change and go through FindFace's camera API while vigia runs: the right ones are watched soon,
the others are never touched, and no capture is lost.
"""

import json
import os
import random
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from rtsp import Mount, RtspSite, make_feed, needs_rtsp_server, pictures_of
from running import SECRET, USER, Program, Site, StandIn, wait_for
from vigia.domain.capture import CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.metrics.status_file import read_status
from vigia.infrastructure.outbox import SqliteOutbox

CHURN_S = float(os.environ.get("VIGIA_CHURN_S", "18"))
"""Five minutes with VIGIA_CHURN_S=300."""
SYNC_S = 2.0
CAMERAS_MAX = 20
SEED = 20261127

pytestmark = [needs_rtsp_server, pytest.mark.timeout(CHURN_S + 180)]


@dataclass
class Wanted:
    """A camera as FindFace has it."""

    id: int
    name: str
    url: str
    active: bool = True


@dataclass
class Registry:
    """The stand-in's camera API, and what there should be in it."""

    client: httpx.Client
    site: RtspSite
    rng: random.Random
    cameras: dict[int, Wanted] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)
    """Since the last look."""
    made: int = 0

    def change_something(self) -> None:
        """One random call."""
        roll = self.rng.random()
        if not self.cameras or (roll < 0.4 and len(self.cameras) < CAMERAS_MAX):
            self._add()
            return
        camera = self.rng.choice(list(self.cameras.values()))
        self.touched.add(camera.id)
        if roll < 0.6:
            self.client.delete(f"/cameras/{camera.id}/").raise_for_status()
            del self.cameras[camera.id]
        elif roll < 0.75:
            camera.url = self.site.url(f"cam{self.rng.randrange(CAMERAS_MAX)}")
            self._patch(camera, comment=f"{camera.url} moved")
        elif roll < 0.9:
            camera.active = not camera.active
            self._patch(camera, active=camera.active)
        else:
            camera.name = f"renamed {self.rng.randrange(1000)}"
            self._patch(camera, name=camera.name)

    def _add(self) -> None:
        self.made += 1
        name, url = f"camera {self.made}", self.site.url(f"cam{self.rng.randrange(CAMERAS_MAX)}")
        body = {"group": 1, "name": name, "comment": url, "external_detector": True, "active": True}
        answer = self.client.post("/cameras/", json=body)
        answer.raise_for_status()
        number = int(answer.json()["id"])
        self.cameras[number] = Wanted(number, name, url)
        self.touched.add(number)

    def _patch(self, camera: Wanted, **fields: Any) -> None:
        self.client.patch(f"/cameras/{camera.id}/", json=fields).raise_for_status()


@dataclass
class Running:
    """vigia, the stand-in and the RTSP server at work."""

    site: Site
    program: Program
    registry: Registry

    def seen(self) -> dict[int, dict[str, Any]]:
        page = read_status(self.site.root / "data" / "status.json", clock=SystemClock())
        return {} if page is None else {int(camera["id"]): camera for camera in page["cameras"]}

    def is_right(self) -> bool:
        """Exactly the wanted cameras are there, each with its name, and what is wanted of it."""
        seen = self.seen()
        if set(seen) != set(self.registry.cameras):
            return False
        for number, camera in self.registry.cameras.items():
            here = seen[number]
            if here["name"] != camera.name or (here["state"] == "disabled") is camera.active:
                return False
            if camera.active and not (here.get("url") == camera.url and here["state"] in {"connecting", "live"}):
                return False
        return True


@pytest.fixture(params=["threads", "processes"])
def running(request: pytest.FixtureRequest, clips: list[DemoClip], tmp_path: Path) -> Iterator[Running]:
    feed = make_feed(tmp_path / "cam.feed", pictures=pictures_of(clips[0].path), fps=15, size_wh=(320, 180))
    stand_in = StandIn(tmp_path / "findface", [])
    directory = tmp_path / "site"
    directory.mkdir()
    site = Site(directory, stand_in)
    with RtspSite([Mount(f"cam{n}", feed) for n in range(CAMERAS_MAX)], tmp_path) as streams:
        stand_in.start()
        with httpx.Client(base_url=stand_in.url, timeout=20.0) as client:
            token = client.post("/auth/login/", json={"uuid": "churn"}, auth=(USER, SECRET)).json()["token"]
            client.headers["Authorization"] = f"Token {token}"
            registry = Registry(client, streams, random.Random(SEED))
            for _ in range(6):
                registry._add()
            site.configure(
                language="en",
                findface={"sync_interval_s": SYNC_S},
                shards={"mode": request.param, "count": 2},
                detector={"min_face_px": 60, "input_width": 160, "cadence_k": 5},
                tracks={"filter_min_size": 20, "filter_min_quality": 0.0, "movement_min_percent": 0.0},
            )
            program = site.start("run", "--duration", str(CHURN_S + 150), "--json")
            yield Running(site, program, registry)
        for started in site.programs:
            started.process.kill()
            started.process.wait(10)
        stand_in.stop()


def test_the_right_cameras_run_soon_and_the_others_are_never_touched(running: Running) -> None:
    registry, clock = running.registry, SystemClock()
    wait_for(running.is_right, timeout_s=40, what="the first cameras")
    registry.touched.clear()
    before, rounds = running.seen(), 0
    end_s = clock.mono_s() + CHURN_S
    while clock.mono_s() < end_s:
        for _ in range(registry.rng.randint(1, 4)):
            registry.change_something()
        wait_for(running.is_right, timeout_s=2.0 * SYNC_S + 2.0, what=f"round {rounds}: {registry.cameras}")
        after = running.seen()
        for number in set(before) & set(after) - registry.touched:
            if before[number]["state"] == after[number]["state"] == "live":
                assert after[number]["reconnects"] == before[number]["reconnects"], f"camera {number} was restarted"
                assert after[number]["received"] >= before[number]["received"], f"camera {number} began anew"
        before, rounds = after, rounds + 1
        registry.touched.clear()
    assert rounds >= CHURN_S / (2.0 * SYNC_S + 2.0) - 1

    running.program.process.send_signal(signal.SIGTERM)
    assert running.program.end() == 0, running.program.stderr()
    report = json.loads(running.program.stdout().splitlines()[-1])
    assert report["balanced"] is True
    captures = report["captures"]
    assert captures["lost"] == 0
    assert captures["delivered"] > 0
    outbox = SqliteOutbox(running.site.outbox, clock)
    try:
        kept = [*outbox.entries(state=CaptureState.PENDING), *outbox.entries(state=CaptureState.DEAD)]
    finally:
        outbox.close()
    ended = captures["delivered"] + captures["refused"]  # small faces are the stand-in's to refuse
    assert len(kept) == captures["pending"] + captures["dead"] == captures["committed"] - ended
    deleted = {entry.findface_camera_id for entry in kept}
    assert deleted.isdisjoint(registry.cameras), "only of cameras that FindFace knows no more, and kept all the same"
    assert report["frames"]["corrupt"] == 0
    assert SECRET not in running.program.stderr()
