"""Live pictures: what it costs the cameras that somebody looks at them, and what a browser that stalled costs.

Eight streams flat out on two saturated cores, so that whatever the pictures take is missing from the frames. In turn:
nobody watches, two browsers watch all eight, nobody, a stalled browser, nobody, and so on; each is held against its two
neighbours in time without anybody. Server, door, encoding and HTTP are the product's own, in the same process.
"""

import gc
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers

from vigia.application.errors import ApplicationError
from vigia.application.live_pictures import LivePictures
from vigia.application.live_tap import LiveShot
from vigia.bench.context import BenchContext
from vigia.bench.flat_out import FlatStream, flat_streams
from vigia.bench.flat_workers import WORKERS, FlatWorkers
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Spread, Table, Verdict, percent
from vigia.bootstrap.hot_path import HotPath
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.detection.registry import AUTO_ORDER
from vigia.infrastructure.video.live_jpeg import SwscaleSmallJpegs
from vigia.infrastructure.web.access import AccessMiddleware, DoorRules
from vigia.infrastructure.web.api_live import LiveApi
from vigia.infrastructure.web.server import WebServer
from vigia.infrastructure.web.sessions import SessionStore
from vigia.infrastructure.web.users import UserFile

HEIGHT = 720
K = 2
FRAMES, FRAMES_QUICK = 300, 60
"""Of each stream and sample: the whole clip, so that all samples see the same."""
ROUNDS, ROUNDS_QUICK = 4, 1
BROWSERS = 2
WIDTH_PX = 480
FALL_MAX = 0.05
STALL_FALL_MAX = 0.01
"""And no more than the samples without anybody differ among themselves, where that is more."""
START_S = 30.0
BROWSER = "vigia.bench.live_browser"


class Watching(StrEnum):
    """Who looks while a sample is taken."""

    NOBODY = "nobody"
    TWO = "two browsers"
    STALLED = "a stalled browser"


@dataclass(slots=True)
class LiveSample:
    """One stretch of all streams."""

    watching: Watching
    fps: float
    wall_s: float
    cpu_ms: float
    """Processor time of vigia's process for each frame, of all its threads."""
    browsers: list[dict[str, float]] = field(default_factory=list)
    made: int = 0
    """Pictures that were made files."""
    kept: int = 0
    """References to decoded pictures that are left when it is over."""

    @property
    def browsers_cpu_s(self) -> float:
        """What browsers took of this machine, which in real life run on others."""
        return sum(told["cpu_s"] for told in self.browsers)

    @property
    def fps_without_browsers(self) -> float:
        """As if the browsers ran elsewhere: by the processor time that was left to vigia."""
        cores = float(WORKERS)
        return self.fps * cores * self.wall_s / max(1e-9, cores * self.wall_s - self.browsers_cpu_s)

    def as_json(self) -> dict[str, object]:
        """The figures."""
        return {
            "watching": self.watching.value,
            "fps": round(self.fps, 1),
            "fps_without_browsers": round(self.fps_without_browsers, 1),
            "wall_s": round(self.wall_s, 3),
            "cpu_ms_a_frame": round(self.cpu_ms, 4),
            "made": self.made,
            "kept": self.kept,
            "browsers": self.browsers,
        }


def falls(samples: Sequence[LiveSample], watching: Watching) -> list[float]:
    """By which share frames fell in each such sample, against the mean of its neighbours without anybody.

    Samples are in turn: every other one is without anybody. Browsers' own time is taken out.
    """
    found = []
    for number in range(1, len(samples) - 1, 2):
        if samples[number].watching is watching:
            beside = (samples[number - 1].fps + samples[number + 1].fps) / 2.0
            found.append(1.0 - samples[number].fps_without_browsers / beside)
    return found


def raw_falls(samples: Sequence[LiveSample], watching: Watching) -> list[float]:
    """The same with the browsers' time not taken out: as if they ran on vigia's machine."""
    found = []
    for number in range(1, len(samples) - 1, 2):
        if samples[number].watching is watching:
            beside = (samples[number - 1].fps + samples[number + 1].fps) / 2.0
            found.append(1.0 - samples[number].fps / beside)
    return found


def noise(samples: Sequence[LiveSample]) -> float:
    """How much neighbours without anybody differ: half the median difference, as a share."""
    alone = [sample.fps for sample in samples if sample.watching is Watching.NOBODY]
    steps = [abs(after - before) / before / 2.0 for before, after in itertools.pairwise(alone)]
    return Spread.of(steps).median if steps else 0.0


def turns(rounds: int) -> list[Watching]:
    """What is measured, in order: nobody between all others and at both ends."""
    order = [Watching.NOBODY]
    for _ in range(rounds):
        order += [Watching.TWO, Watching.NOBODY, Watching.STALLED, Watching.NOBODY]
    return order


def run(context: BenchContext) -> BenchResult:
    """Measure everything and judge what was promised."""
    here = context.models()
    model = "yunet-s" if "yunet-s" in here else next(name for name in AUTO_ORDER if name in here)
    settings = context.settings(detector__model=here[model], detector__cadence_k=K)
    streams = flat_streams(context.clips(HEIGHT), frames=round(context.pick(FRAMES, FRAMES_QUICK)))
    order = turns(round(context.pick(ROUNDS, ROUNDS_QUICK)))
    with open_site(context, settings) as site, FlatWorkers() as workers:
        site.sample(workers, streams, settings, Watching.NOBODY)  # the first one finds everything cold
        samples = [site.sample(workers, streams, settings, watching) for watching in order]
    return BenchResult(
        name="live",
        title="Live pictures: what watching costs the cameras",
        tables=(_table(samples), _browsers_table(samples)),
        chart=_chart(samples),
        verdicts=_verdicts(samples),
        data={"model": model, "k": K, "samples": [sample.as_json() for sample in samples]},
        notes=_notes(model),
    )


class LiveSite:
    """The product's server over the shards of this process. Owner: one thread.

    Args:
        hot_path: makes the shards of every sample.
        pictures: what the server makes.
        server: listening.
        cookie: of a session.
    """

    def __init__(self, hot_path: HotPath, pictures: LivePictures, server: WebServer, cookie: str) -> None:
        self._hot_path = hot_path
        self._pictures = pictures
        self._server = server
        self._cookie = cookie

    def sample(
        self, workers: FlatWorkers, streams: Sequence[FlatStream], settings: Settings, watching: Watching
    ) -> LiveSample:
        """Process all streams once while somebody, or nobody, watches."""
        cameras = ",".join(stream.camera.id for stream in streams)
        count = {Watching.NOBODY: 0, Watching.TWO: BROWSERS, Watching.STALLED: 1}[watching]
        made = self._pictures.made
        browsers = [self._browser(cameras, stall=watching is Watching.STALLED) for _ in range(count)]
        try:
            result = workers.measure(streams, settings, hot_path=self._hot_path, finish=_nothing)
            told = [_end(browser) for browser in browsers]
        finally:
            for browser in browsers:
                browser.kill()
                browser.wait()
        gc.collect()
        kept = sum(1 for thing in gc.get_objects() if type(thing) is LiveShot)
        cpu_ms = result.cpu_s / result.frames * 1e3
        return LiveSample(watching, result.fps, result.wall_s, cpu_ms, told, made=self._pictures.made - made, kept=kept)

    def _browser(self, cameras: str, *, stall: bool) -> "subprocess.Popen[bytes]":
        port = self._server.url.rstrip("/").rsplit(":", 1)[1]
        command = [sys.executable, "-m", BROWSER, "--port", port, "--cookie", self._cookie, "--cameras", cameras]
        command += ["--width", str(WIDTH_PX), *(["--stall"] if stall else [])]
        browser = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - this package
        line = b"" if browser.stdout is None else browser.stdout.readline()
        if line.strip() != b"ready":
            browser.kill()
            raise ApplicationError("a browser's stand-in did not start")
        return browser


def _nothing() -> None:
    """Asked for at the end of a sample, the processor time of the whole process counts and not of the shards alone."""


def _end(browser: "subprocess.Popen[bytes]") -> dict[str, float]:
    """End it; what it got."""
    out, _ = browser.communicate(timeout=START_S)
    told: dict[str, float] = json.loads(out.splitlines()[-1])
    return told


@contextmanager
def open_site(context: BenchContext, settings: Settings) -> Iterator[LiveSite]:
    """The server, listening on this machine, with one session."""
    clock = SystemClock()
    hot_path = HotPath(settings, clock=clock)
    pictures = LivePictures(hot_path.live, SwscaleSmallJpegs(), clock=clock)
    users = UserFile(_fresh(context.out / "live-users.json"))
    users.make_first(now_utc=clock.utc())
    sessions = SessionStore(users, clock=clock, idle_s=3600.0, absolute_s=3600.0)
    token, _ = sessions.open(users.users()[0], address="127.0.0.1")
    rules = DoorRules(names={"localhost"})
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(LiveApi(pictures).routes())
    app.add_middleware(AccessMiddleware, rules=rules, sessions=sessions)
    server = WebServer(app, host="127.0.0.1", port=0, clock=clock)
    server.service.start()
    try:
        if not server.listening.wait(START_S):
            raise ApplicationError("the web server does not listen")
        host = server.url.rstrip("/").rsplit("/", 1)[1]
        yield LiveSite(hot_path, pictures, server, f"{rules.cookie(Headers({'host': host}))}={token}")
    finally:
        server.service.request_stop()
        server.service.join(5.0)


def _fresh(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


def _table(samples: Sequence[LiveSample]) -> Table:
    rows = []
    for watching in Watching:
        own = [sample for sample in samples if sample.watching is watching]
        fps = Spread.of([sample.fps for sample in own])
        cpu_ms = Spread.of([sample.cpu_ms for sample in own])
        row = [watching.value, str(len(own)), f"{fps.median:.0f} ({fps.low:.0f} to {fps.high:.0f})"]
        row.append(f"{cpu_ms.median:.2f} ms")
        if watching is Watching.NOBODY:
            rows.append((*row, "", "", str(max(sample.kept for sample in own))))
            continue
        fall, raw = Spread.of(falls(samples, watching)), Spread.of(raw_falls(samples, watching))
        kept = str(max(sample.kept for sample in own))
        rows.append(
            (*row, f"{percent(fall.median)} ({percent(fall.low)} to {percent(fall.high)})", percent(raw.median), kept)
        )
    title = f"Frames processed, {len(samples)} samples in turn, 8 streams of {HEIGHT}p on {WORKERS} threads, k={K}"
    columns = (
        "watching",
        "samples",
        "fps",
        "CPU a frame",
        "fall",
        "with the browsers' own CPU",
        "pictures kept after it",
    )
    return Table(title, columns, tuple(rows))


def _browsers_table(samples: Sequence[LiveSample]) -> Table:
    rows = []
    for watching in (Watching.TWO, Watching.STALLED):
        own = [sample for sample in samples if sample.watching is watching]
        wall_s = sum(sample.wall_s for sample in own)
        told = [one for sample in own for one in sample.browsers]
        count = len(told) / len(own)
        pictures = sum(one["pictures"] for one in told)
        age_ms = sum(one["age_ms"] for one in told) / pictures if pictures else 0.0
        rows.append(
            (
                watching.value,
                f"{pictures / wall_s / count / 8.0:.1f}",
                f"{sum(sample.made for sample in own) / wall_s:.1f}",
                f"{sum(one['bytes'] for one in told) / wall_s / count / 1e3:.0f}",
                f"{age_ms:.0f} ms",
                f"{sum(sample.browsers_cpu_s for sample in own) / wall_s * 100.0:.1f} %",
            )
        )
    columns = ("watching", "pictures/s of a camera", "made/s", "KB/s each", "mean age", "browsers' CPU of a core")
    return Table("What the browsers got", columns, tuple(rows))


def _chart(samples: Sequence[LiveSample]) -> Chart:
    spreads = [
        Spread.of([100.0 * (1.0 - fall) for fall in falls(samples, watching)])
        for watching in (Watching.TWO, Watching.STALLED)
    ]
    return Chart(
        title="Frames processed while somebody watches 8 cameras",
        kind=ChartKind.BARS,
        y_label="% of the frames with nobody watching",
        series=(Series.of("8 x 720p flat out", spreads),),
        categories=(Watching.TWO.value, Watching.STALLED.value),
        marks={"promised": 100.0 * (1.0 - FALL_MAX)},
    )


def _verdicts(samples: Sequence[LiveSample]) -> tuple[Verdict, ...]:
    watched, stalled = Spread.of(falls(samples, Watching.TWO)), Spread.of(falls(samples, Watching.STALLED))
    pictures = sum(one["pictures"] for sample in samples for one in sample.browsers if sample.watching is Watching.TWO)
    least, own_noise = max(STALL_FALL_MAX, noise(samples)), noise(samples)
    kept = max(sample.kept for sample in samples)
    return (
        Verdict(
            "live-watched",
            f"{percent(watched.median)} ({percent(watched.low)} to {percent(watched.high)})",
            held=watched.median < FALL_MAX and pictures > 0,
        ),
        Verdict(
            "live-stalled",
            f"{percent(stalled.median)} ({percent(stalled.low)} to {percent(stalled.high)}; "
            f"noise {percent(own_noise)}), {kept} pictures kept",
            held=stalled.median <= least and kept == 0,
        ),
    )


def _notes(model: str) -> tuple[str, ...]:
    return (
        f"{model}, k={K}; packets lie in memory; {os.cpu_count()} cores, both saturated by the shards",
        f"a browser is a process that asks as the page's script does, {WIDTH_PX} px wide, and draws nothing",
        (
            "fall: against the mean of the two neighbouring samples with nobody; browsers run on other machines: the "
            "processor time that they took here is taken out; the next column leaves it in"
        ),
        "a stalled browser has asked for eight pictures of 1280 px and reads nothing; what it got before is counted",
    )
