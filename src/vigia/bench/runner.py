"""Runs benchmarks, each in a process of its own: a result comes back through a file, everything else stays behind.

The child's output goes to ``NAME.log``; what it writes while it runs to ``NAME.work``, on the results' disk because
captures are fsynced, and kept only when it failed. A child that hangs is ended with all that it started; a child whose
parent ends is ended by the kernel.
"""

import argparse
import contextlib
import logging
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import FrameType

import psutil

from vigia.application.errors import ConfigurationError
from vigia.application.ports import Clock
from vigia.bench.context import BenchContext
from vigia.bench.machine import machine_facts
from vigia.bench.registry import BENCHES, BenchEntry
from vigia.bench.report import Outcome
from vigia.bench.result import BenchResult
from vigia.infrastructure.process.parent import end_with_parent

WITHOUT_CLIPS = frozenset({"logger", "lock", "http"})
"""Benchmarks that look at no video."""
HANG_LIMIT_S, HANG_LIMIT_QUICK_S = 1200.0, 300.0
"""Of one benchmark; the longest, ten minutes of soak, with room for a slow machine."""
TELL_EVERY_S = 30.0
STOP_TIMEOUT_S = 5.0
LOG_TAIL_LINES = 15
EXIT_ASKED = 143
"""128 + SIGTERM."""


def chosen_benches(names: Sequence[str], *, apart: bool = False) -> list[BenchEntry]:
    """The benchmarks named, each once, in the registry's order; when none is named all.

    ``apart``: of all, those too that run only when they are named.

    Raises:
        ConfigurationError: there is no such benchmark; the nearest name is told.
    """
    known = [entry.name for entry in BENCHES]
    for name in names:
        if name not in known:
            near = get_close_matches(name.lower(), known, n=1, cutoff=0.5)
            if near:
                raise ConfigurationError(
                    "there is no benchmark %(name)s; did you mean %(near)s?", name=name, near=near[0]
                )
            raise ConfigurationError(
                "there is no benchmark %(name)s; choose from %(names)s", name=name, names=", ".join(known)
            )
    return [entry for entry in BENCHES if (entry.name in names if names else apart or not entry.apart)]


@dataclass(frozen=True, slots=True)
class BenchRunner:
    """Runs one benchmark after the other. Owner: one thread.

    Args:
        context: what every benchmark is given.
        clock: for the time it takes.
        hang_limit_s: longer than this and it is ended as failed; None for the usual limit.
    """

    context: BenchContext
    clock: Clock
    hang_limit_s: float | None = None

    def run(self, entry: BenchEntry, tell: Callable[[float], None] = lambda _: None) -> Outcome:
        """Run one benchmark and wait; a failure is an outcome, not an error.

        Args:
            entry: which one.
            tell: called about every ``TELL_EVERY_S`` with the seconds since the start.

        Raises:
            KeyboardInterrupt: after the child and all that it started have ended.
        """
        machine = machine_facts()
        started_utc, started_s = self.clock.utc(), self.clock.mono_s()
        result: BenchResult | None = None
        with tempfile.TemporaryDirectory(prefix="vigia-bench-") as folder:
            answer = Path(folder) / "result.pickle"
            failure = self._child(entry, answer, started_s=started_s, tell=tell)
            if not failure:
                result, failure = _read(answer)
        warning = machine.warning()
        return Outcome(
            entry=entry,
            machine=machine,
            started_utc=started_utc,
            quick=self.context.quick,
            elapsed_s=self.clock.mono_s() - started_s,
            result=result,
            failure=failure,
            notes=(warning,) if warning is not None else (),
        )

    def _child(self, entry: BenchEntry, answer: Path, *, started_s: float, tell: Callable[[float], None]) -> str:
        """Run the child to its end; return why it failed, or nothing."""
        context = self.context
        usual_s = HANG_LIMIT_QUICK_S if context.quick else HANG_LIMIT_S
        limit_s = self.hang_limit_s if self.hang_limit_s is not None else usual_s
        log_path, work = context.out / f"{entry.name}.log", context.out / f"{entry.name}.work"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        arguments = [sys.executable, "-m", "vigia.bench.runner", entry.name, entry.module]
        arguments += ["--out", str(work.absolute()), "--answer", str(answer)]
        arguments += ["--quick"] if context.quick else []
        arguments += ["--weights", str(context.weights.absolute())] if context.weights is not None else []
        arguments += ["--tracks", str(context.tracks.absolute())] if context.tracks is not None else []
        with log_path.open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - this module
                arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            code = self._wait(process, started_s=started_s, limit_s=limit_s, tell=tell)
        finally:
            _end_tree(process)
        if code is None:
            return f"no result within {limit_s:.0f} s; see {log_path}"
        if code != 0:
            return f"ended with {code}; see {log_path}\n{_tail(log_path)}".rstrip()
        shutil.rmtree(work, ignore_errors=True)
        if not log_path.stat().st_size:
            log_path.unlink()
        return ""

    def _wait(
        self, process: subprocess.Popen[bytes], *, started_s: float, limit_s: float, tell: Callable[[float], None]
    ) -> int | None:
        """The child's exit code, or None when it took too long."""
        while True:
            elapsed_s = self.clock.mono_s() - started_s
            if elapsed_s >= limit_s:
                return None
            try:
                return process.wait(min(TELL_EVERY_S, limit_s - elapsed_s))
            except subprocess.TimeoutExpired:
                tell(self.clock.mono_s() - started_s)


def _end_tree(process: subprocess.Popen[bytes]) -> None:
    """End the child, if it still runs, and whatever it has left running, also in sessions of their own."""
    if process.poll() is not None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        started = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        process.kill()
        for one in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()  # psutil checks that the id still is that process's
        psutil.wait_procs(started, STOP_TIMEOUT_S)
    process.wait(STOP_TIMEOUT_S)


def _read(answer: Path) -> tuple[BenchResult | None, str]:
    try:
        result = pickle.loads(answer.read_bytes())  # noqa: S301 - written by the child, in a folder of our own
    except (OSError, EOFError, pickle.UnpicklingError, AttributeError, ImportError) as error:
        return None, f"its result cannot be read: {error}"
    if not isinstance(result, BenchResult):
        return None, f"its result is a {type(result).__name__}"
    return result, ""


def _tail(log_path: Path) -> str:
    try:
        lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-LOG_TAIL_LINES:])


def main() -> None:
    """The child: run one benchmark, leave its result, end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("module")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--answer", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--tracks", type=Path)
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    end_with_parent()
    signal.signal(signal.SIGTERM, _leave)
    # Only the benchmarks' own words: a library that tells each request would be measured telling it.
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", level=logging.WARNING)
    logging.getLogger("vigia.bench").setLevel(logging.INFO)
    context = BenchContext(chosen.out, quick=chosen.quick, weights=chosen.weights, tracks=chosen.tracks)
    result = BenchEntry(chosen.name, chosen.module, "").load()(context)
    chosen.answer.write_bytes(pickle.dumps(result))


def _leave(_number: int, _frame: FrameType | None) -> None:
    """Asked to end: as an exception, so that whatever was started is stopped on the way out."""
    sys.exit(EXIT_ASKED)


if __name__ == "__main__":
    main()
