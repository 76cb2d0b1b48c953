"""Eight RTSP cameras, one of them in every kind of trouble: its state, its way back, and that the others lose nothing.

The program is the real one; what it says of its cameras is read from its status file, as ``vigia cameras list`` does.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from rtsp import Codec, Mount, RtspSite, make_feed, needs_rtsp_server, pictures_of
from running import SECRET, Program, Site, StandIn, wait_for
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.metrics.status_file import read_status

pytestmark = [needs_rtsp_server, pytest.mark.timeout(300)]

STEADY = 7
READ_S = 2.0
STATE_S = READ_S + 4.0
"""The longest that a state may take: the time-out, a look a quarter second later, and a busy machine."""
BACK_S = 5.0
"""The promise: live again so soon after the server is."""


@dataclass
class Watched:
    """A running vigia and its two sites: ``calm`` with seven cameras, ``rough`` with the eighth."""

    site: Site
    program: Program
    calm: RtspSite
    rough: RtspSite
    directory: Path
    recoveries_s: list[float] = field(default_factory=list)

    def page(self) -> dict[str, Any]:
        page = read_status(self.site.root / "data" / "status.json", clock=SystemClock())
        return page if page is not None else {"cameras": []}

    def cameras(self) -> dict[str, dict[str, Any]]:
        return {camera["id"]: camera for camera in self.page()["cameras"]}

    def state(self) -> str:
        return str(self.cameras().get("rough", {}).get("state", ""))

    def becomes(self, *states: str, within_s: float) -> str:
        """Wait for one of these states; return the reason as it was told."""
        wait_for(lambda: self.state() in states, timeout_s=within_s, what=f"{states}, not {self.state()}")
        reason = self.cameras()["rough"].get("reason")
        return "" if reason is None else str(reason["template"] % reason["facts"])

    def is_back(self, *, codec: str = "h264", size_wh: tuple[int, int] = (320, 180)) -> None:
        """Live again within the promise, with this stream, and packets come."""
        expected = ("live", codec, *size_wh)
        began_s = time.monotonic()
        wait_for(
            lambda: self.stream() == expected and (self.cameras()["rough"]["last_packet_age_s"] or 0.0) < 1.5,
            timeout_s=BACK_S + 1.5,  # the file is written once a second
            what=f"{expected}, not {self.stream()}",
        )
        self.recoveries_s.append(time.monotonic() - began_s)

    def stream(self) -> tuple[str, str, int, int]:
        """State, codec, width and height as last told."""
        camera = self.cameras().get("rough", {})
        return str(camera.get("state")), str(camera.get("codec")), camera.get("width", 0), camera.get("height", 0)

    def point_rough_at(self, url: str) -> None:
        """Change the camera's address in the file that vigia reads."""
        file = self.site.root / "config.yaml"
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
        settings["cameras"][-1]["url"] = url
        fresh = file.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
        fresh.replace(file)


@pytest.fixture(scope="module")
def feed(clips: list[DemoClip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_feed(tmp_path_factory.mktemp("feeds") / "gate.feed", pictures=pictures_of(clips[0].path), fps=15)


@pytest.fixture
def watched(feed: Path, tmp_path: Path) -> Iterator[Watched]:
    directories = [tmp_path / name for name in ("calm", "rough", "site")]
    for directory in directories:
        directory.mkdir()
    calm = RtspSite([Mount(f"cam{n}", feed) for n in range(STEADY)], directories[0])
    rough = RtspSite([Mount("live", feed)], directories[1], account=("admin", SECRET))
    listed = [{"id": n + 1, "name": f"cam{n}", "group": 1, "token": f"{n + 1:032x}"} for n in range(STEADY + 1)]
    stand_in = StandIn(tmp_path / "findface", listed)
    site = Site(directories[2], stand_in)
    with calm, rough:
        stand_in.start()
        urls = [(f"cam{n}", calm.url(f"cam{n}")) for n in range(STEADY)] + [("rough", rough.url("live"))]
        site.configure(
            language="en",
            detector={"min_face_px": 60, "input_width": 160, "cadence_k": 5},
            source={"read_timeout_s": READ_S, "open_timeout_s": 5.0},
            cameras=[
                {"id": name, "url": url, "findface_id": n + 1, "token": f"{n + 1:032x}"}
                for n, (name, url) in enumerate(urls)
            ],
        )
        program = site.start("run", "--duration", "280")
        watched = Watched(site, program, calm, rough, directories[1])
        yield watched
        watched.rough.kill()
        for running in site.programs:
            running.process.kill()
            running.process.wait(10)
        stand_in.stop()


def other(watched: Watched, feed: Path, **changes: Any) -> RtspSite:
    """Another rough site on the same port."""
    port = watched.rough.port
    watched.rough.kill()
    watched.rough = RtspSite([Mount("live", feed)], watched.directory, **({"account": ("admin", SECRET)} | changes))
    watched.rough.port = port
    return watched.rough


def test_one_camera_in_every_trouble_recovers_and_costs_the_other_seven_nothing(watched: Watched, feed: Path) -> None:
    wait_for(
        lambda: all(camera["state"] == "live" for camera in watched.cameras().values()) and watched.cameras(),
        timeout_s=40,
        what="eight live cameras",
    )
    began, before = time.monotonic(), watched.cameras()

    watched.rough.kill()
    assert "127.0.0.1" in watched.becomes("unreachable", within_s=STATE_S)
    watched.rough.start()
    watched.is_back()

    watched.rough.freeze()
    watched.becomes("stalled", "unreachable", within_s=STATE_S)
    watched.rough.thaw()
    watched.is_back()

    watched.rough.restart(account=("admin", "another one"))
    watched.becomes("auth_failed", within_s=STATE_S)
    watched.point_rough_at(watched.rough.url("live"))
    watched.is_back()
    watched.point_rough_at(watched.rough.url("nowhere"))
    assert "404" in watched.becomes("unreachable", within_s=STATE_S)
    watched.point_rough_at(watched.rough.url("live"))
    watched.is_back()

    streams: list[tuple[Codec, tuple[int, int], bool]] = [
        ("h265", (320, 180), True),
        ("mjpeg", (320, 192), False),
        ("h264", (640, 360), True),
    ]
    for codec, size_wh, digest in streams:
        changed = make_feed(watched.directory / f"{codec}-{size_wh[0]}.feed", codec=codec, size_wh=size_wh)
        other(watched, changed, digest=digest, account=("admin", SECRET)).start()
        watched.point_rough_at(watched.rough.url("live"))
        watched.is_back(codec={"h265": "hevc"}.get(codec, codec), size_wh=size_wh)

    passed_s, after = time.monotonic() - began, watched.cameras()
    for number in range(STEADY):
        name = f"cam{number}"
        lost = {key: after[name][key] - before[name][key] for key in ("reconnects", "skipped", "corrupt", "abandoned")}
        assert lost == {"reconnects": 0, "skipped": 0, "corrupt": 0, "abandoned": 0}, name
        frames = after[name]["received"] - before[name]["received"]
        assert frames >= 15 * (passed_s - 3.0), f"{name}: {frames} frames in {passed_s:.0f} s"
        assert after[name]["state"] == "live"
    assert len(after["rough"]["history"]) >= 12

    code, table, _ = watched.site.run("cameras", "list")
    assert code == 0
    assert "live" in table
    watched.program.process.terminate()
    assert watched.program.end() == 0, watched.program.stderr()
    everything = watched.program.stderr() + watched.program.stdout() + table
    everything += (watched.site.root / "data" / "logs" / "vigia.jsonl").read_text(encoding="utf-8")
    assert SECRET not in everything
    assert "another one" not in everything
    assert "another%20one" not in everything
