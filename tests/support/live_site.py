"""A crew of this process on looping clips, with the web server over it: for tests of live pictures over real HTTP."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from running import wait_for
from vigia.application.crew import CaptureCounts, Crew, ThreadCrew
from vigia.application.live_pictures import LivePictures
from vigia.bootstrap.crews import CaptureHooks, thread_crew
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.parts import WEAK_SHARE, detector_factory
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository
from vigia.infrastructure.config.delivery_sections import CameraSettings
from vigia.infrastructure.config.vision_sections import DetectorSettings, TracksSettings
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.video.live_jpeg import SwscaleSmallJpegs
from vigia.testing.memory_outbox import MemoryOutbox
from web_site import WebSite, log_in

CLOCK = SystemClock()
LONG_S = 60.0


def live_settings(clips: list[DemoClip]) -> Settings:
    """Two cameras that go on for ever."""
    return Settings(
        detector=DetectorSettings(model="centerface", min_face_px=60, cadence_k=2),
        tracks=TracksSettings(filter_min_size=50, track_miss_interval_s=0.5),
        cameras=tuple(
            CameraSettings(id=f"cam{n + 1}", name=clip.camera_name, url=str(clip.path), loop=True)
            for n, clip in enumerate(clips)
        ),
    )


def crew_of_threads(settings: Settings) -> ThreadCrew:
    """One shard with all cameras, not started."""
    nothing = CaptureHooks(committed=lambda *_: None, failed=lambda *_: None, counts=CaptureCounts())
    return thread_crew(
        settings,
        [("shard-0", CombinedCameraRepository(settings).list())],
        hot_path=HotPath(settings, clock=CLOCK),
        make_detector=detector_factory(settings, weak_share=WEAK_SHARE),
        store=MemoryOutbox(CLOCK),
        hooks=nothing,
        clock=CLOCK,
    )


@contextmanager
def running(crew: Crew) -> Iterator[None]:
    """Until all its cameras deliver; stopped at the end."""
    crew.start_shards()
    crew.start_cameras()
    try:
        wait_for(lambda: crew.view().cameras_live == len(crew.cameras), timeout_s=LONG_S, what="all cameras live")
        yield
    finally:
        now_s = CLOCK.mono_s()
        crew.stop(begun_s=now_s, deadline_s=now_s + 10.0)
        for service in crew.main_services:
            service.join(10.0)


@dataclass(frozen=True, slots=True)
class LiveAnswer:
    """What a browser's script takes out of an answer."""

    head: Mapping[str, Any]
    pictures: Mapping[str, bytes]

    @classmethod
    def of(cls, content: bytes) -> "LiveAnswer":
        size = int.from_bytes(content[:4], "big")
        head = json.loads(content[4 : 4 + size])
        place, pictures = 4 + size, {}
        for camera in head["cameras"]:
            pictures[camera["id"]] = content[place : place + camera["bytes"]]
            assert len(pictures[camera["id"]]) == camera["bytes"], "cut short"
            place += camera["bytes"]
        assert place == len(content)
        return cls(head, pictures)


def ask(client: httpx.Client, cameras: str = "cam1,cam2", **query: object) -> LiveAnswer:
    """As the page's script asks."""
    answer = client.get("/api/live", params={"cameras": cameras, **{key: str(value) for key, value in query.items()}})
    assert answer.status_code == 200, answer.text
    return LiveAnswer.of(answer.content)


@contextmanager
def site_over(crew: Crew, directory: Path) -> Iterator[tuple[WebSite, LivePictures]]:
    """The server over a crew, and what it makes."""
    pictures = LivePictures(crew.live, SwscaleSmallJpegs(), clock=CLOCK)
    site = WebSite(directory, live=pictures)
    site.start()
    try:
        yield site, pictures
    finally:
        site.stop()


@contextmanager
def browser(site: WebSite) -> Iterator[httpx.Client]:
    """Somebody who has logged in."""
    with site.client() as client:
        log_in(client, "vera")
        yield client
