"""The real system with its web pages, flat out, while browsers come and go: what ``vigia bench live`` measures.

One run: eight files as fast as they are taken, outbox, delivery, gallery, log, dashboard. A receiver that looks at
nothing stands for FindFace. Each sample is as long as one more showing of all clips takes, so that all samples see the
same pictures.
"""

import gc
import itertools
import json
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import psutil

from vigia.application.errors import ApplicationError
from vigia.application.live_tap import WATCH_S, LiveShot
from vigia.application.orchestrator import RunStatus
from vigia.bench.context import BenchContext
from vigia.bench.flat_out import STREAMS
from vigia.bench.flat_workers import WORKERS
from vigia.bench.https_receiver import HOST, HttpsReceiver
from vigia.bench.live_browser import Order
from vigia.bench.site import camera_id, camera_name
from vigia.bootstrap import RunOptions, System, running_logger
from vigia.bootstrap.web_entry import first_password
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.private_file import write_private
from vigia.infrastructure.web.users import FIRST_USER

BROWSERS = 2
WIDTH_PX = 480
BROWSER = "vigia.bench.live_browser"
READY_S = 40.0
SAMPLE_S_MAX = 60.0
SETTLE_S = 0.5
"""From the first pictures on a page, or from the stall, to the sample."""
BREAK_S = WATCH_S + 0.3
"""From a page that closed to the sample without anybody: until then its pictures are still left for it."""
GONE_S = 1.5 * WATCH_S + 0.3
"""From a page that closed, or stalled, until no picture may be kept for it any more."""


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
    """What each got, from its page's opening to its end, or to the stall."""
    browsers_cpu_s: float = 0.0
    """What browsers took of this machine in the sample, which in real life run on others."""
    kept: int = 0
    """References to decoded pictures that are left a while after everybody has gone, or stalled."""

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
            "browsers_cpu_s": round(self.browsers_cpu_s, 3),
            "kept": self.kept,
            "browsers": self.browsers,
        }


def turns(rounds: int) -> list[Watching]:
    """What is measured, in order: nobody between all others and at both ends."""
    order = [Watching.NOBODY]
    for _ in range(rounds):
        order += [Watching.TWO, Watching.NOBODY, Watching.STALLED, Watching.NOBODY]
    return order


def measure(
    context: BenchContext, clips: Sequence[DemoClip], *, frames: int, rounds: int, **overrides: object
) -> list[LiveSample]:
    """Run the system once, with everybody who comes in turn. Once in a process: there is one dashboard in each.

    Args:
        context: of the benchmark.
        clips: camera i plays clip i modulo their number, over and over.
        frames: of each camera and sample.
        rounds: see ``turns``.
        overrides: settings, as ``section__key=value``.
    """
    clock = SystemClock()
    with ExitStack() as held:
        receiver = held.enter_context(HttpsReceiver())
        settings = _settings(context.out, clips, receiver, overrides)
        password = first_password(settings, clock=clock, has_screen=True)
        if password is None:
            raise ApplicationError("the run's folder is not a new one: %(directory)s", directory=settings.data_dir)
        url = f"http://127.0.0.1:{settings.web.port}"
        cameras = tuple(str(camera_id(number)) for number in range(STREAMS))
        guests = {
            watching: [
                held.enter_context(_browser(Order(url, FIRST_USER, password.password, cameras, WIDTH_PX, stall=stall)))
                for _ in range(count)
            ]
            for watching, count, stall in ((Watching.TWO, BROWSERS, False), (Watching.STALLED, 1, True))
        }
        director = Director(guests, turns(rounds), frames=frames * STREAMS)
        held.enter_context(running_logger(settings, clock=clock))
        system: System

        def look(status: RunStatus) -> None:
            moment = Moment(status.elapsed_s, status.ledger.frames_decoded, time.process_time())
            if not director.see(moment):
                system.request_stop()

        system = System(settings, RunOptions(web=True), clock=clock, on_status=look)
        if system.run() is None:
            raise ApplicationError("the system could not start; see %(log)s", log=settings.log_file)
    return director.samples


def _settings(
    out: Path, clips: Sequence[DemoClip], receiver: HttpsReceiver, overrides: Mapping[str, object]
) -> Settings:
    folder = next(path for n in itertools.count(1) if not (path := (out / f"live-{n}").absolute()).exists())
    folder.mkdir(parents=True)
    listed = [
        {
            "id": camera_id(number),
            "name": camera_name(number),
            "url": str(clip.path.absolute()),
            "findface_id": number + 1,
            "token": secrets.token_hex(16),
            "loop": True,
            "pace": "none",
        }
        for number, clip in enumerate(itertools.islice(itertools.cycle(clips), STREAMS))
    ]
    given = {
        "data_dir": folder,
        "findface__url": receiver.url,
        "findface__ca_file": receiver.ca_file,
        "findface__user": "vigia",
        "findface__password": secrets.token_urlsafe(12),
        "log__console_level": "ERROR",
        "shards__count": WORKERS,
        "web__port": _free_port(),
    }
    path = folder / "live.yaml"
    write_private(path, json.dumps({"cameras": listed}).encode())
    texts = {name.replace("__", "."): str(value) for name, value in (given | dict(overrides)).items()}
    return load_settings(path, env_file=None, environ={}, overrides=texts)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Moment:
    """The system at one moment."""

    at_s: float
    frames: int
    """Processed so far."""
    cpu_s: float
    """Used so far by vigia's process."""


class Browser:
    """One stand-in's process. Owner: the run's thread; ``end`` is idempotent.

    Args:
        order: what it is to do.
    """

    def __init__(self, order: Order) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - this package
            [sys.executable, "-m", BROWSER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._facts = psutil.Process(self._process.pid)
        self._write(order.line())

    def ask(self, word: str) -> None:
        """Have it do something; ``answer`` tells when it has."""
        self._write(word.encode() + b"\n")

    def answer(self) -> dict[str, float] | None:
        """What it has answered, each answer once; None while there is none.

        Raises:
            ApplicationError: it has ended.
        """
        output = self._process.stdout
        if output is None or not select.select([output], [], [], 0.0)[0]:
            return None
        line = output.readline()
        if not line:
            raise ApplicationError("a browser's stand-in has ended")
        told: dict[str, float] = json.loads(line)
        return told

    def cpu_s(self) -> float:
        """Processor time that it has used, seconds."""
        times = self._facts.cpu_times()
        return float(times.user + times.system)

    def stall(self) -> None:
        """From now on it neither reads nor answers anything."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """The end of ``stall``."""
        self._process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _write(self, line: bytes) -> None:
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except OSError as error:
                raise ApplicationError("a browser's stand-in has ended") from error


@contextmanager
def _browser(order: Order) -> Iterator[Browser]:
    browser = Browser(order)
    try:
        yield browser
    finally:
        browser.end()


Script = Generator[None, None, None]
"""What happens, one step a moment."""


class Director:
    """Has browsers come and go, and takes the samples. Owner: the run's thread; never waits.

    Args:
        guests: the browsers of each kind of watching; nobody has none.
        order: what to measure; one more sample without anybody goes before, which finds everything cold.
        frames: of all cameras together, a sample.
    """

    def __init__(self, guests: Mapping[Watching, Sequence[Browser]], order: Sequence[Watching], *, frames: int) -> None:
        self._guests = guests
        self._order = order
        self._frames = frames
        self._now = Moment(0.0, 0, 0.0)
        self._left_s = float("-inf")
        """When the last one closed its page, or stalled."""
        self.samples: list[LiveSample] = []
        self._script = self._play()

    def see(self, moment: Moment) -> bool:
        """Take one look at the system; False when everything is measured.

        Raises:
            ApplicationError: something did not happen in time.
        """
        self._now = moment
        return next(self._script, False) is None

    def _play(self) -> Script:
        for browsers in self._guests.values():
            for browser in browsers:
                yield from self._answer(browser, [])  # it has begun
        yield from self._frames_more(self._frames)
        yield from self._turn(Watching.NOBODY)
        self.samples.clear()
        for watching in self._order:
            yield from self._turn(watching)

    def _turn(self, watching: Watching) -> Script:
        browsers, told = self._guests.get(watching, ()), list[dict[str, float]]()
        stalls = watching is Watching.STALLED
        for browser in browsers:
            browser.ask("watch")
        for browser in browsers:
            yield from self._answer(browser, told)
        if stalls:
            for browser in browsers:
                browser.stall()
            self._left_s = self._now.at_s
        yield from self._until(self._now.at_s + SETTLE_S if browsers else self._left_s + BREAK_S)
        yield from self._sample(watching, browsers)
        sample = self.samples[-1]
        if not browsers or stalls:
            yield from self._until(self._left_s + GONE_S)
            sample.kept = kept_pictures()
        sample.browsers = told if stalls else []
        for browser in browsers:
            if stalls:
                browser.go_on()
            browser.ask("leave")
        for browser in browsers:
            yield from self._answer(browser, [] if stalls else sample.browsers)
            self._left_s = self._now.at_s

    def _sample(self, watching: Watching, browsers: Sequence[Browser]) -> Script:
        begin, used_s = self._now, [browser.cpu_s() for browser in browsers]
        before, now = yield from self._frames_more(self._frames)
        took_s = sum(browser.cpu_s() for browser in browsers) - sum(used_s)
        share = (begin.frames + self._frames - before.frames) / (now.frames - before.frames)
        wall_s = before.at_s + share * (now.at_s - before.at_s) - begin.at_s
        cpu_s = before.cpu_s + share * (now.cpu_s - before.cpu_s) - begin.cpu_s
        self.samples.append(
            LiveSample(
                watching,
                fps=self._frames / wall_s,
                wall_s=wall_s,
                cpu_ms=cpu_s / self._frames * 1e3,
                browsers_cpu_s=took_s * wall_s / (now.at_s - begin.at_s),
            )
        )

    def _frames_more(self, frames: int) -> Generator[None, None, tuple[Moment, Moment]]:
        """Wait for so many; the moments before and after the last of them."""
        begin = before = self._now
        while True:
            yield
            if self._now.frames - begin.frames >= frames:
                return before, self._now
            if self._now.at_s - begin.at_s > SAMPLE_S_MAX:
                raise ApplicationError("%(frames)d frames took too long", frames=frames)
            before = self._now

    def _until(self, at_s: float) -> Script:
        while self._now.at_s < at_s:
            yield

    def _answer(self, browser: Browser, told: list[dict[str, float]]) -> Script:
        deadline_s = self._now.at_s + READY_S
        while (answer := browser.answer()) is None:
            if self._now.at_s > deadline_s:
                raise ApplicationError("a browser's stand-in does not answer")
            yield
        told.append(answer)


def kept_pictures() -> int:
    """References to decoded pictures of the live view that there are in this process."""
    gc.collect()
    return sum(1 for thing in gc.get_objects() if type(thing) is LiveShot)
