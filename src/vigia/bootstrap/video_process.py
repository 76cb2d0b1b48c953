"""Several videos at once, a worker a core: which are done already, which go on, and what came of each."""

import fcntl
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from vigia.application.errors import ApplicationError, ConfigurationError
from vigia.application.ports import CaptureStore, Clock
from vigia.application.service import LoopService, join_all, request_stop_all
from vigia.bootstrap.parts import WEAK_SHARE, detector_factory, resolved_model
from vigia.bootstrap.video_files import report_places, shown
from vigia.bootstrap.video_job import Interrupted, Machinery, ProcessOptions, VideoJob
from vigia.domain.errors import VigiaError
from vigia.infrastructure.config import Settings
from vigia.infrastructure.memory import steady_heap
from vigia.infrastructure.report.directory import ReportDirectory

logger = logging.getLogger("vigia.bootstrap")

LOCK_NAME = ".vigia-process.lock"
LOOK_S = 0.2
STOP_S = 10.0
"""How long a worker that was asked to stop is waited for: one packet, or one page being written."""


class VideoFate(StrEnum):
    """What came of a video."""

    DONE = "done"
    KNOWN = "known"
    """Its report was there already."""
    FAILED = "failed"
    STOPPED = "stopped"
    """Not begun, or begun and taken back."""


@dataclass(frozen=True, slots=True)
class VideoOutcome:
    """One video."""

    path: Path
    report: Path
    """Its directory."""
    fate: VideoFate
    summary: dict[str, Any] | None = None
    error: VigiaError | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where captures go, beside the report."""

    outbox: CaptureStore
    wake_senders: Callable[[], None]


class VideoProcess:
    """Works through videos. Owner: the thread that makes and runs it; ``request_stop`` may come from any.

    Args:
        settings: checked.
        options: what is asked for beyond them.
        videos: files, each once.
        out: where reports go, one folder a video.
        clock: the system's.
        stop: ends the run; what is under way is taken back.

    Raises:
        ConfigurationError: there is no model, or no folder for the reports.
    """

    def __init__(
        self,
        settings: Settings,
        options: ProcessOptions,
        videos: Sequence[Path],
        out: Path,
        *,
        clock: Clock,
        stop: threading.Event,
        delivery: Delivery | None = None,
    ) -> None:
        spec, model_path = resolved_model(settings)
        self._machinery = Machinery(
            settings=settings,
            options=options,
            make_detector=detector_factory(settings, (spec, model_path), weak_share=WEAK_SHARE),
            model=spec.name,
            model_digest=spec.sha256,
            clock=clock,
            stop=stop,
            outbox=None if delivery is None else delivery.outbox,
            wake_senders=(lambda: None) if delivery is None else delivery.wake_senders,
        )
        self._out = out
        self._places = report_places(videos, out)
        self._waiting: deque[VideoJob] = deque()
        self._running: dict[str, VideoJob] = {}  # by worker; each worker writes its own entry
        self._finished: deque[VideoOutcome] = deque()
        self._lengths_s: dict[Path, float] = {}
        self._threads = 1

    @property
    def length_s(self) -> float:
        """Of all videos that are to be processed, seconds, as far as they say."""
        return sum(self._lengths_s.values())

    def run(
        self,
        on_outcome: Callable[[VideoOutcome], None],
        on_begin: Callable[[float], None] = lambda _length_s: None,
        on_progress: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """Process everything; return when all is done or a stop was asked for.

        Args:
            on_outcome: told of each video, once, in this thread.
            on_begin: told how many seconds of video there are to do.
            on_progress: told how many of them are done, now and then.
        """
        with _locked(self._out):
            steady_heap()
            for outcome in self._plan():
                on_outcome(outcome)
            on_begin(self.length_s)
            self._work(on_outcome, on_progress)
        for job in self._waiting:
            on_outcome(VideoOutcome(job.path, job.directory.place, VideoFate.STOPPED))

    def _plan(self) -> Iterator[VideoOutcome]:
        """Queue what is to be done; yield what needs nothing done, or cannot be."""
        for path, place in self._places.items():
            directory = ReportDirectory(place)
            try:
                job = VideoJob(path, directory, self._machinery)
                if not self._machinery.options.force and job.is_done():
                    yield VideoOutcome(path, place, VideoFate.KNOWN, summary=directory.summary())
                    continue
                self._lengths_s[path] = job.facts.duration_s
            except VigiaError as error:
                yield VideoOutcome(path, place, VideoFate.FAILED, error=error)
            else:
                self._waiting.append(job)

    def _work(self, on_outcome: Callable[[VideoOutcome], None], on_progress: Callable[[float], None]) -> None:
        cores = len(os.sched_getaffinity(0))
        count = min(cores, len(self._waiting))
        self._threads = max(1, cores // count) if count else 1
        clock, stop = self._machinery.clock, self._machinery.stop
        workers = [LoopService(f"video-{n}", self._step_of(f"video-{n}"), clock=clock) for n in range(count)]
        for worker in workers:
            worker.start()
        done_s = 0.0
        while any(worker.is_alive for worker in workers) and not stop.is_set():
            clock.wait(stop, LOOK_S)
            done_s += self._tell(on_outcome)
            on_progress(done_s + sum(job.position_s for job in list(self._running.values())))
        request_stop_all(workers)
        hung = join_all(workers, deadline_mono_s=clock.mono_s() + STOP_S, clock=clock)
        for worker in workers:
            if worker.failure is not None:
                raise worker.failure
        on_progress(done_s + self._tell(on_outcome))
        for name in hung:  # its thread is left behind, and ends with the process
            if (job := self._running.get(name)) is not None:
                error = ApplicationError("it did not stop within %(seconds).0f s and was left behind", seconds=STOP_S)
                on_outcome(VideoOutcome(job.path, job.directory.place, VideoFate.FAILED, error=error))

    def _tell(self, on_outcome: Callable[[VideoOutcome], None]) -> float:
        """Tell what is finished; return how many seconds of video that was, by their own word."""
        told_s = 0.0
        while self._finished:
            outcome = self._finished.popleft()
            told_s += self._lengths_s.get(outcome.path, 0.0)
            on_outcome(outcome)
        return told_s

    def _step_of(self, name: str) -> Callable[[], float | None]:
        def step() -> float | None:
            try:
                job = self._waiting.popleft()
            except IndexError:
                return None
            self._running[name] = job
            outcome = self._outcome_of(job)
            self._finished.append(outcome)
            del self._running[name]
            return 0.0

        return step

    def _outcome_of(self, job: VideoJob) -> VideoOutcome:
        place = job.directory.place
        try:
            summary = job.run(threads=self._threads)
        except Interrupted:
            return VideoOutcome(job.path, place, VideoFate.STOPPED)
        except VigiaError as error:
            return VideoOutcome(job.path, place, VideoFate.FAILED, error=error)
        except Exception as error:  # what a stranger's file may do to us must not end the others
            logger.exception("%s: an unexpected error", shown(job.path))
            told = ApplicationError("an unexpected error: %(why)s", why=type(error).__name__)
            return VideoOutcome(job.path, place, VideoFate.FAILED, error=told)
        return VideoOutcome(job.path, place, VideoFate.DONE, summary=summary)


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold the folder of the reports: two processes would take each other's half-done ones away."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = os.open(out / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            "%(directory)s cannot be written: %(why)s",
            directory=shown(out),
            why=error.strerror or type(error).__name__,
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(
                "another vigia process is writing to %(directory)s; wait for it, or choose another --out",
                directory=shown(out),
            ) from error
        yield
    finally:
        os.close(handle)
