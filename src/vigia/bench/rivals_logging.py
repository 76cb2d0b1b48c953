"""Loggers under one load and over one slow sink: vigia's and those that it is measured against.

Each is set up as its documentation shows it, and each runs in a process of its own that ends without tidying up: a
listener that writes 20 records a second would take minutes to empty its queue. The collector is off while calls are
timed and the samples' arrays are there beforehand, so that what is timed is the call.
"""

import argparse
import gc
import json
import logging
import logging.handlers
import os
import queue
import sys
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vigia.application.service import LoopService
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.logging import AsyncLogger, get_logger
from vigia.infrastructure.logging.lines import Line
from vigia.infrastructure.process.parent import end_with_parent

THREADS = 4
STALL_S = 0.05
"""Of the sink, a write: a disk that is busy, a console that scrolls."""
WARM_CALLS = 50
MESSAGE = "Event %d associated with track %d by IoU (%.3f)"
FORMAT = "%(asctime)s %(levelname)s %(name)s %(threadName)s %(message)s"
JOIN_SLACK_S = 30.0

LogCall = Callable[..., object]
"""``info(MESSAGE, n, m, x)``."""


@dataclass(frozen=True, slots=True)
class LoggerFigures:
    """What one run of one logger came to. Durations of the call alone, seconds."""

    calls: int
    rate: float
    """Calls a second that came about; fewer than asked for when calls block."""
    p50_s: float
    p99_s: float
    p999_s: float
    max_s: float
    written: int
    """Lines with the sink when the load ended."""
    dropped: int


class StallingFile:
    """A text file whose every write takes ``STALL_S`` longer. Owner: whoever writes, one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._clock = SystemClock()
        self._never = threading.Event()
        self.lines = 0

    def write(self, text: str) -> int:
        """Write, late. The wait lets other threads run, as a slow disk does."""
        self._clock.wait(self._never, STALL_S)
        self._file.write(text)
        self.lines += text.count("\n")
        return len(text)

    def flush(self) -> None:
        """On to the system."""
        self._file.flush()


class StallingSink:
    """The same file as a sink of vigia's logger."""

    name = "stalling"
    level_min = logging.INFO

    def __init__(self, file: StallingFile) -> None:
        self._file = file

    def write(self, lines: Sequence[Line]) -> None:
        """One write for a batch, as vigia's own sinks do it."""
        self._file.write("".join(f"{line.created_s} {line.level} {line.thread} {line.message}\n" for line in lines))
        self._file.flush()

    def close(self) -> None:
        """The file goes with the process."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A logger, ready."""

    info: LogCall
    dropped: Callable[[], int] = lambda: 0


def _vigia(file: StallingFile) -> Rival:
    asynchronous = AsyncLogger([StallingSink(file)], clock=SystemClock())
    asynchronous.start()
    return Rival(get_logger("bench").info, lambda: asynchronous.stats.dropped)


def _stdlib_logger(handler: logging.Handler) -> logging.Logger:
    logger = logging.getLogger("rival")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return logger


def _stdlib_handler(file: StallingFile) -> logging.Handler:
    handler: logging.Handler = logging.StreamHandler(file)  # what FileHandler is, over a file that is open already
    handler.setFormatter(logging.Formatter(FORMAT))
    return handler


def _stdlib_file(file: StallingFile) -> Rival:
    return Rival(_stdlib_logger(_stdlib_handler(file)).info)


def _stdlib_queue(file: StallingFile) -> Rival:
    waiting: queue.Queue[Any] = queue.Queue(-1)
    listener = logging.handlers.QueueListener(waiting, _stdlib_handler(file))
    listener.start()
    return Rival(_stdlib_logger(logging.handlers.QueueHandler(waiting)).info)


def _loguru(file: StallingFile) -> Rival:
    from loguru import logger as loguru  # noqa: PLC0415 - of an optional extra, and only for this one

    loguru.remove()
    template = "{time} {level} {name} {thread.name} {message}"

    def sink(message: object) -> None:
        file.write(str(message))
        file.flush()

    loguru.add(sink, enqueue=True, format=template, level="INFO")

    def info(_message: str, event: int, track: int, iou: float) -> None:
        loguru.info("Event {} associated with track {} by IoU ({:.3f})", event, track, iou)

    return Rival(info)


def _picologging(file: StallingFile) -> Rival:
    import picologging  # noqa: PLC0415 - see _loguru
    import picologging.handlers  # noqa: PLC0415 - see _loguru

    handler = picologging.StreamHandler(file)
    handler.setFormatter(picologging.Formatter(FORMAT))
    waiting: queue.Queue[Any] = queue.Queue(-1)
    listener = picologging.handlers.QueueListener(waiting, handler)
    listener.start()
    logger = picologging.Logger("rival", picologging.INFO)
    logger.addHandler(picologging.handlers.QueueHandler(waiting))
    return Rival(logger.info)


def _structlog(file: StallingFile) -> Rival:
    import structlog  # noqa: PLC0415 - see _loguru

    _stdlib_queue(file)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.stdlib.render_to_log_kwargs,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    info: LogCall = structlog.get_logger("rival").info
    return Rival(info)


RIVALS: dict[str, Callable[[StallingFile], Rival]] = {
    "AsyncLogger": _vigia,
    "logging, file": _stdlib_file,
    "logging, queue": _stdlib_queue,
    "loguru, enqueue": _loguru,
    "picologging, queue": _picologging,
    "structlog, queue": _structlog,
}


def measure(name: str, folder: Path, *, duration_s: float, rate_hz: float) -> LoggerFigures:
    """Put one logger under the load; the process is to end after it.

    Args:
        name: one of ``RIVALS``.
        folder: for the log file.
        duration_s: of the load.
        rate_hz: calls a second of each thread.
    """
    file = StallingFile(folder / "rival.log")
    rival = RIVALS[name](file)
    size = int(duration_s * rate_hz)
    callers = [_Caller(rival.info, size=size, rate_hz=rate_hz, phase=n / THREADS) for n in range(THREADS)]
    clock = SystemClock()
    services = [LoopService(f"caller-{n}", caller.run, clock=clock) for n, caller in enumerate(callers)]
    if name != "logging, file":
        for n in range(WARM_CALLS):
            rival.info(MESSAGE, n, n, 0.5)
    gc.collect()
    gc.freeze()
    gc.disable()
    started_s = time.perf_counter() + 0.1
    for caller in callers:
        caller.started_s, caller.ends_s = started_s, started_s + duration_s
    for service in services:
        service.start()
    for service in services:
        if not service.join(duration_s + JOIN_SLACK_S) or service.failure is not None:
            raise RuntimeError(f"{service.name} of {name} did not end well: {service.failure!r}")
    elapsed_s = time.perf_counter() - started_s
    written, dropped = file.lines, rival.dropped()
    samples = sorted(sample for caller in callers for sample in caller.samples[: caller.calls])
    return LoggerFigures(
        calls=len(samples),
        rate=len(samples) / elapsed_s,
        p50_s=quantile(samples, 0.5),
        p99_s=quantile(samples, 0.99),
        p999_s=quantile(samples, 0.999),
        max_s=samples[-1],
        written=written,
        dropped=dropped,
    )


class _Caller:
    """One thread's load. Owner: that thread; read when it has ended."""

    def __init__(self, info: LogCall, *, size: int, rate_hz: float, phase: float) -> None:
        self._info = info
        self._interval_s = 1.0 / rate_hz
        self._phase = phase
        self.samples = array("d", bytes(8 * size))
        self.calls = 0
        self.started_s = self.ends_s = 0.0

    def run(self) -> None:
        """Call at fixed times until the end; a call that came late is followed at once by the next."""
        info, samples, now = self._info, self.samples, time.perf_counter
        wait, never = SystemClock().wait, threading.Event()
        first_s = self.started_s + self._phase * self._interval_s
        for n in range(len(samples)):
            delay_s = first_s + n * self._interval_s - now()
            if delay_s > 0.0:
                wait(never, delay_s)
            before_s = now()
            if before_s >= self.ends_s:
                break
            info(MESSAGE, n, n % 50, 0.85)
            samples[n] = now() - before_s
            self.calls = n + 1


def quantile(ascending: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of them do not pass; 0 without any."""
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))] if ascending else 0.0


def main() -> None:
    """The process of one logger: its figures as JSON on standard output, and out at once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(RIVALS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--rate", type=float, required=True)
    chosen = parser.parse_args()
    end_with_parent()
    figures = measure(chosen.name, chosen.folder, duration_s=chosen.seconds, rate_hz=chosen.rate)
    sys.stdout.write(json.dumps(asdict(figures)) + "\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
