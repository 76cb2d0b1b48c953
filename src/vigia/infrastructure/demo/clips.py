"""Generates the demo cameras' clips: planned, drawn and coded once, by one process per core, and kept in a cache.

A clip is complete when its video is there under its own name: the truth is put in place first and the video last, each
by renaming a finished file. A run that is interrupted leaves temporary files only; the next run removes those of
processes that have ended.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING

import av
import psutil

from vigia.application.errors import ApplicationError, ConfigurationError
from vigia.application.ports import ProgressSink, ProgressTask
from vigia.infrastructure.demo.photographs import require_photographs
from vigia.infrastructure.demo.plan import plan_clip
from vigia.infrastructure.demo.rendering import ClipRenderer
from vigia.infrastructure.demo.spec import DemoSpec, camera_name
from vigia.infrastructure.demo.truth_file import truth_to_text

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

SMALL_JOB_PIXELS = 100_000_000
"""Less than this is drawn in this process: starting others would take longer."""
REPORT_FRAMES = 10
"""A worker reports its progress, and looks whether it should go on, every so many frames."""
POLL_S = 0.2
PARENT_CHECK_S = 1.0
WORKERS_MAX = 16


@dataclass(frozen=True, slots=True)
class DemoClip:
    """One demo camera's video and ground truth."""

    path: Path
    truth_path: Path
    camera_name: str


class _Abandoned(Exception):
    """Nobody waits for this clip any more."""


def generate_clips(
    spec: DemoSpec, directory: Path, progress: ProgressSink | None = None, *, workers: int | None = None
) -> list[DemoClip]:
    """Return the clips of ``spec``, generating those that the cache does not hold.

    Args:
        spec: what to generate.
        directory: the cache; the clips lie in a folder in it that is named for the spec and the generator's version.
        progress: shown while there is something to generate; counts frames.
        workers: processes to use; ``None`` is one per core.

    Returns:
        ``spec.count`` clips, ``clip-0.mp4`` first.

    Raises:
        ConfigurationError: the photographs are not installed, or the directory cannot be written.
        ApplicationError: a worker process was killed.

    Blocks until done; call it from one thread. Several processes may call it on the same directory at once.
    """
    folder = directory / spec.key
    clips = [
        DemoClip(folder / f"clip-{i}.mp4", folder / f"clip-{i}.truth.json", camera_name(i)) for i in range(spec.count)
    ]
    missing = [i for i, clip in enumerate(clips) if not (clip.path.is_file() and clip.truth_path.is_file())]
    if not missing:
        return clips
    require_photographs()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
    except OSError as error:
        raise ConfigurationError(
            "the demo cameras cannot be stored in %(directory)s: %(reason)s",
            directory=str(directory),
            reason=error.strerror or str(error),
        ) from error
    frames = spec.frame_count * len(missing)
    count = min(len(missing), workers or _core_count(), WORKERS_MAX)
    with ExitStack() as stack:
        task = stack.enter_context(progress.task("demo cameras", frames)) if progress is not None else None
        if count == 1 or (workers is None and frames * spec.width * spec.height < SMALL_JOB_PIXELS):
            for index in missing:
                _generate(spec, index, folder, _advance(task))
        else:
            _generate_in_processes(spec, missing, folder, task=task, workers=count)
    return clips


def _advance(task: ProgressTask | None) -> Callable[[int], None]:
    return task.advance if task is not None else lambda _: None


def _core_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _remove_leftovers(folder: Path) -> None:
    """Delete temporary files of processes that have ended."""
    for path in folder.glob(".clip-*.part.*"):
        owner = path.name.split(".")[2]
        if owner.isdigit() and (int(owner) == os.getpid() or not psutil.pid_exists(int(owner))):
            path.unlink(missing_ok=True)


def _generate(spec: DemoSpec, index: int, folder: Path, report: Callable[[int], None]) -> None:
    """Generate one clip; ``report`` is told of every few frames and may raise to stop."""
    plan = plan_clip(spec, index)
    pid = os.getpid()
    video, truth = folder / f".clip-{index}.{pid}.part.mp4", folder / f".clip-{index}.{pid}.part.json"
    try:
        truth.write_text(truth_to_text(plan.truth()), encoding="utf-8")
        _encode(spec, ClipRenderer(plan), video, report)
        truth.replace(folder / f"clip-{index}.truth.json")
        video.replace(folder / f"clip-{index}.mp4")
    except (OSError, av.FFmpegError) as error:
        raise ConfigurationError(
            "demo clip %(index)s cannot be written to %(directory)s: %(reason)s",
            index=index,
            directory=str(folder),
            reason=getattr(error, "strerror", None) or str(error),
        ) from error
    finally:
        video.unlink(missing_ok=True)
        truth.unlink(missing_ok=True)


def _encode(spec: DemoSpec, renderer: ClipRenderer, path: Path, report: Callable[[int], None]) -> None:
    """Code the frames like a camera: H.264 main profile, no B-frames, a key frame every ``gop_s``, even bit rate."""
    options = {
        "preset": "veryfast",
        "profile": "main",
        "bf": "0",
        "sc_threshold": "0",
        "maxrate": str(spec.rate_bps),
        "bufsize": str(2 * spec.rate_bps),
    }
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=spec.fps, options=options)
        stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, "yuv420p"
        stream.bit_rate = spec.rate_bps
        stream.gop_size = spec.gop_frames
        # One thread: the processes share the cores already, and the bytes do not depend on timing.
        stream.codec_context.thread_count = 1
        stream.codec_context.max_b_frames = 0
        done = 0
        for done, pixels in enumerate(renderer.frames(), start=1):
            frame = av.VideoFrame.from_ndarray(pixels, format="yuv420p")
            frame.pts = done - 1
            frame.time_base = Fraction(1, spec.fps)
            container.mux(stream.encode(frame))
            if done % REPORT_FRAMES == 0:
                report(REPORT_FRAMES)
        container.mux(stream.encode(None))
        if done % REPORT_FRAMES:
            report(done % REPORT_FRAMES)


@dataclass(frozen=True, slots=True)
class _Shared:
    """What a worker process shares with its parent."""

    frames: "Synchronized[int]"
    stop: Event


_shared: list[_Shared] = []
"""Set once in each worker process, by its initializer: these objects cannot travel with a job."""


def _start_worker(frames: "Synchronized[int]", stop: Event) -> None:
    # Ctrl+C reaches the whole group; the parent decides, and tells the workers through ``stop``.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared.append(_Shared(frames, stop))
    if hasattr(signal, "setitimer"):
        # A worker that waits for its next job is not told that its parent was killed: it would wait for ever. The
        # alarm interrupts that wait; nothing else in a worker minds it.
        signal.signal(signal.SIGALRM, _end_with_parent)
        signal.setitimer(signal.ITIMER_REAL, PARENT_CHECK_S, PARENT_CHECK_S)


def _end_with_parent(_signal: int, _frame: object) -> None:
    """End this worker at once when its parent is gone; the next run removes what it leaves."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os._exit(1)


def _work(spec: DemoSpec, index: int, folder: Path) -> None:
    """Generate one clip in a worker process."""
    shared = _shared[0]

    def report(count: int) -> None:
        if shared.stop.is_set():
            raise _Abandoned
        with shared.frames.get_lock():
            shared.frames.value += count

    _generate(spec, index, folder, report)


def _generate_in_processes(
    spec: DemoSpec, missing: list[int], folder: Path, *, task: ProgressTask | None, workers: int
) -> None:
    # Spawned, not forked: the caller may have threads.
    context = multiprocessing.get_context("spawn")
    frames, stop = context.Value("q", 0), context.Event()
    executor = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(frames, stop))
    try:
        pending: set[Future[None]] = {executor.submit(_work, spec, index, folder) for index in missing}
        shown = 0
        while pending:
            done, pending = wait(pending, timeout=POLL_S)
            for future in done:
                future.result()
            drawn = frames.value
            if task is not None and drawn > shown:
                task.advance(drawn - shown)
                shown = drawn
    except BrokenProcessPool as error:
        raise ApplicationError("a process that draws the demo cameras was killed; is there enough memory?") from error
    finally:
        stop.set()
        executor.shutdown(wait=True, cancel_futures=True)
