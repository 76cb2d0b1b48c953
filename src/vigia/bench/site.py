"""A site for benchmarks: the real system in real time, with cameras that are files and a FindFace stand-in.

Nothing is left out: the stand-in is a process of its own, the log is written to a file by its worker, captures go to an
outbox on disk and are delivered, and what was delivered is held against the ground truth. The stand-in looks for a
face in each picture that it receives, on the same cores: its work is in all figures but the CPU time.
"""

import itertools
import json
import logging
import multiprocessing
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

import psutil

from vigia.application.errors import ApplicationError
from vigia.application.orchestrator import RunStatus
from vigia.application.run_report import RunFacts
from vigia.bench.context import BenchContext
from vigia.bench.site_clips import SiteCamera, site_cameras
from vigia.bootstrap import RunOptions, System, running_logger
from vigia.domain.camera import CameraId
from vigia.domain.ledger import FrameFate
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.process.child import ChildProcess

logger = logging.getLogger("vigia.bench")

P = ParamSpec("P")
R = TypeVar("R")

CAMERAS_MAX = 64
"""The stand-in knows so many."""
GROUP_ID = 1
READY_TIMEOUT_S = 60.0
START_UP_S = 3.0
"""Cadences are noted from then on: before, decoders start and the first clips are opened."""
USER = "vigia"


@dataclass(frozen=True, slots=True)
class SiteRun:
    """One run of the system."""

    facts: RunFacts
    data_dir: Path
    """Where its outbox and its log are."""
    k_max: int
    """The largest cadence that any camera had after start-up; the last one when the run was too short to tell."""


@dataclass(frozen=True, slots=True)
class PacedFigures:
    """What a run in real time came to, as numbers."""

    cameras: int
    fps: float
    """Frames processed a second in the steady window: from two seconds after the last camera went live to the stop."""
    window_s: float
    """Its length."""
    skipped: int
    """Packets skipped in the whole run, start and stop included."""
    p50_age_s: float
    """How old frames were when they were done, in the steady window."""
    p99_age_s: float
    k: int
    cpu_cores: float
    cpu_per_frame_s: float
    rss_bytes: int
    """At the end of the run."""
    passages: int
    """That had to be delivered."""
    passages_delivered: int
    balanced: bool

    @classmethod
    def of(cls, run: SiteRun) -> "PacedFigures":
        """The figures of a run."""
        facts, passages = run.facts, run.facts.passages
        elapsed_s, frames = facts.status.elapsed_s, facts.ledger.frames_decoded
        return cls(
            cameras=facts.status.cameras,
            fps=facts.steady.fps,
            window_s=facts.steady.duration_s,
            skipped=facts.ledger.frames[FrameFate.SKIPPED],
            p50_age_s=facts.ages.percentile_s(50),
            p99_age_s=facts.ages.percentile_s(99),
            k=run.k_max,
            cpu_cores=facts.cpu_s / elapsed_s if elapsed_s > 0.0 else 0.0,
            cpu_per_frame_s=facts.cpu_s / frames if frames else 0.0,
            rss_bytes=facts.rss_bytes,
            passages=passages.truth if passages is not None else 0,
            passages_delivered=passages.delivered if passages is not None else 0,
            balanced=facts.balanced,
        )

    @property
    def passages_share(self) -> float:
        """Share of the passages that were delivered, in [0, 1]; 1 when there was none to deliver."""
        return self.passages_delivered / self.passages if self.passages else 1.0

    @property
    def keeps_up(self) -> bool:
        """True when every frame of 30 a second was processed; a window's two edges may cut one frame of each camera."""
        wanted = 30.0 * self.cameras
        edges = max(1.0, self.cameras / self.window_s) if self.window_s > 0.0 else 0.0
        return self.fps >= wanted - edges


@dataclass(frozen=True, slots=True)
class Site:
    """A running stand-in, and what it takes to run systems against it, one after another. Immutable; picklable.

    Each run has a folder of its own, so that it neither finds nor leaves captures.
    """

    context: BenchContext
    folder: Path
    url: str
    password: str = field(repr=False)
    tokens: tuple[str, ...] = field(repr=False)
    """Of the stand-in's cameras; the first has the id 1."""
    stand_in_pid: int

    @property
    def stand_in_data(self) -> Path:
        """Where the stand-in keeps what it received."""
        return self.folder / "findface"

    def family(self) -> "Family":
        """What a run in this process uses: the process and its workers, the stand-in not."""
        return Family(stand_in_pid=self.stand_in_pid)

    def run(
        self,
        cameras: Sequence[SiteCamera],
        *,
        duration_s: float,
        on_status: Callable[[RunStatus], None] | None = None,
        **overrides: object,
    ) -> SiteRun:
        """Run the system in this process; blocks.

        Args:
            cameras: at most ``CAMERAS_MAX``.
            duration_s: how long, start-up included, the stop not.
            on_status: called twice a second from this thread; must be quick.
            overrides: settings, as ``section__key=value``.

        Raises:
            ApplicationError: it could not start.
        """
        settings = self._settings(cameras, overrides)
        options = RunOptions(
            duration_s=duration_s, truths={camera_name(number): camera.truth for number, camera in enumerate(cameras)}
        )
        cadence = _Cadence(on_status)
        clock = SystemClock()
        with running_logger(settings, clock=clock):
            facts = System(settings, options, clock=clock, on_status=cadence.update).run()
        if facts is None:
            raise ApplicationError("the system could not start; see %(log)s", log=settings.log_file)
        if facts.survivors:
            logger.warning("Still running after the stop: %s", ", ".join(facts.survivors))
        return SiteRun(facts, settings.data_dir, cadence.k_max)

    def _settings(self, cameras: Sequence[SiteCamera], overrides: dict[str, object]) -> Settings:
        if len(cameras) > CAMERAS_MAX:
            raise ValueError(f"at most {CAMERAS_MAX} cameras, not {len(cameras)}")
        number = next(n for n in itertools.count(1) if not (self.folder / f"run-{n}").exists())
        data_dir = self.folder / f"run-{number}"
        data_dir.mkdir()
        listed = [
            {
                "id": camera_id(number),
                "name": camera_name(number),
                "url": str(camera.path),
                "findface_id": number + 1,
                "token": self.tokens[number],
                "loop": camera.loop,
            }
            for number, camera in enumerate(cameras)
        ]
        given = {
            "data_dir": data_dir,
            "findface__url": self.url,
            "findface__user": USER,
            "findface__password": self.password,
            "log__console_level": "ERROR",
        }
        texts = {name.replace("__", "."): str(value) for name, value in (given | overrides).items()}
        path = data_dir / "site.yaml"
        _write_private(path, json.dumps({"cameras": listed}))
        return load_settings(path, env_file=None, environ={}, overrides=texts)


class Family:
    """CPU and memory of this process and its workers together, without the stand-in. Owner: one thread.

    Args:
        stand_in_pid: of the process that is not counted.
    """

    def __init__(self, *, stand_in_pid: int) -> None:
        self._own = psutil.Process()
        self._stand_in_pid = stand_in_pid

    def rss_bytes(self) -> int:
        """Resident set sizes added up, bytes; what workers share counts in each."""
        return sum(int(process.memory_info().rss) for process in self._members())

    def cpu_s(self) -> float:
        """CPU time used so far by those that run, user and system, seconds."""
        return sum(float(times.user + times.system) for times in (one.cpu_times() for one in self._members()))

    def _members(self) -> Iterator[psutil.Process]:
        yield self._own
        for child in self._own.children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it ended in between
                if child.pid != self._stand_in_pid:
                    yield child


@dataclass(frozen=True, slots=True)
class SiteSample:
    """The system at one moment."""

    at_s: float
    """Since its start."""
    rss_bytes: int
    cpu_s: float
    frames: int
    """Processed so far."""


@dataclass(frozen=True, slots=True)
class WatchedRun:
    """A run's figures and its samples, two a second. Picklable: made in a child process."""

    figures: PacedFigures
    samples: tuple[SiteSample, ...]
    gc_pause_p99_s: float
    gc_pause_max_s: float

    @property
    def steady(self) -> tuple[SiteSample, ...]:
        """Samples after start-up; all of them when the run was too short for that."""
        return tuple(sample for sample in self.samples if sample.at_s >= START_UP_S) or self.samples


def watched_run(
    site: Site, clips: Sequence[DemoClip], *, cameras: int, duration_s: float, **overrides: object
) -> WatchedRun:
    """Run ``cameras`` cameras and sample its memory and CPU time; for ``in_child``."""
    family = site.family()
    samples: list[SiteSample] = []

    def sample(status: RunStatus) -> None:
        frames = status.ledger.frames_decoded
        samples.append(SiteSample(status.elapsed_s, family.rss_bytes(), family.cpu_s(), frames))

    listed = site_cameras(clips, count=cameras, folder=site.context.out / "clips")
    run = site.run(listed, duration_s=duration_s, on_status=sample, **overrides)
    figures = PacedFigures.of(run)
    return WatchedRun(figures, tuple(samples), run.facts.gc_pause_p99_s, run.facts.gc_pause_max_s)


class _Cadence:
    """Notes how far k was raised while a run was on. Owner: the run's thread."""

    def __init__(self, on_status: Callable[[RunStatus], None] | None) -> None:
        self.k_max = 0
        self._settled = False
        self._on_status = on_status

    def update(self, status: RunStatus) -> None:
        """Take one status."""
        k = max((camera.load.k for camera in status.details), default=0)
        if status.elapsed_s >= START_UP_S and not self._settled:
            self._settled, self.k_max = True, k
        self.k_max = max(self.k_max, k) if self._settled else k
        if self._on_status is not None:
            self._on_status(status)


def camera_id(number: int) -> CameraId:
    """The id of camera ``number``, counted from 0."""
    return CameraId(f"c{number}")


def camera_name(number: int) -> str:
    """The name of camera ``number``, which is also its passages' in the report."""
    return f"Camera {number + 1}"


def run_site(
    context: BenchContext,
    clips: Sequence[DemoClip],
    *,
    cameras: int,
    duration_s: float,
    on_status: Callable[[RunStatus], None] | None = None,
    **overrides: object,
) -> RunFacts:
    """One run of ``cameras`` looped clips at their own pace, with a stand-in of its own.

    Args:
        context: of the benchmark.
        clips: camera i plays clip i modulo their number, from a place of its own.
        cameras: how many.
        duration_s: how long, start-up included.
        on_status: called twice a second; must be quick.
        overrides: settings, as ``section__key=value``.
    """
    with open_site(context) as site:
        listed = site_cameras(clips, count=cameras, folder=context.out / "clips")
        return site.run(listed, duration_s=duration_s, on_status=on_status, **overrides).facts


@contextmanager
def open_site(
    context: BenchContext, *, model: str | None = None, confidence_min: float | None = None
) -> Iterator[Site]:
    """Start the stand-in; it ends with the block.

    Args:
        context: of the benchmark.
        model: what it looks for faces with; ``site_model`` if None.
        confidence_min: least confidence of its faces, in [0, 1]; what suits the model if None.
    """
    number = next(n for n in itertools.count(1) if not (context.out / f"site-{n}").exists())
    folder = (context.out / f"site-{number}").absolute()
    folder.mkdir(parents=True)
    password = secrets.token_urlsafe(12)
    tokens = tuple(secrets.token_hex(16) for _ in range(CAMERAS_MAX))
    seed, config = folder / "seed.json", folder / "stand-in.yaml"
    document = {
        "user": USER,
        "password": password,
        "groups": [{"id": GROUP_ID, "name": "vigia bench"}],
        "cameras": [
            {"id": number + 1, "name": camera_name(number), "group": GROUP_ID, "token": token}
            for number, token in enumerate(tokens)
        ],
    }
    _write_private(seed, json.dumps(document))
    detector = {"model": model or site_model(context), "confidence_min": confidence_min}
    config.write_text(json.dumps({"detector": detector}), encoding="utf-8")
    arguments = [sys.executable, "-m", "vigia", "findface-stub", "--with-parent", "--seed", str(seed), "--port", "0"]
    arguments += ["--data", str(folder / "findface"), "--config", str(config)]
    child = ChildProcess(arguments, log_path=folder / "stand-in.log", clock=SystemClock())
    try:
        url = child.wait_ready(timeout_s=READY_TIMEOUT_S).rsplit(" ", 1)[-1]
        yield Site(context, folder, url, password, tokens, child.pid)
    finally:
        child.stop()


def site_model(context: BenchContext) -> str:
    """The model that the cheapest of the published settings uses: YuNet-s where its weights are, else CenterFace."""
    return context.model("yunet-s") or "centerface"


def in_child(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a module's function in a fresh process and return what it returns: for memory that is nobody else's."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
