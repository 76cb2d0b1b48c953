"""Each benchmark in a process of its own: what comes back, and what is left running when one fails, hangs or is cut."""

import itertools
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from vigia.application.errors import ConfigurationError
from vigia.bench import machine, runner
from vigia.bench.context import BenchContext
from vigia.bench.registry import BENCHES, BenchEntry
from vigia.bench.report import Outcome
from vigia.bench.runner import BenchRunner, chosen_benches
from vigia.testing.sim_clock import SimClock

GOOD = """
from vigia.bench.result import BenchResult, Chart, ChartKind, Series, Table, Verdict

def run(context):
    (context.out / "scratch").write_text("x")
    chart = Chart("c", ChartKind.BARS, "ms", (Series("a", (1.0,)),), categories=("one",))
    verdict = Verdict("lock", "1 us", held=context.quick)
    return BenchResult("good", "a title", (Table("t", ("a", "b"), (("x", "1"),)),), chart, (verdict,))
"""
BAD = """
def run(context):
    print("on the way")
    raise RuntimeError("nothing could be measured")
"""
HANGING = """
import subprocess, sys, threading

def run(context):
    # In a session of its own, as the FindFace stand-in is: no signal to the benchmark's group reaches it.
    waiting = [sys.executable, "-c", "import threading; threading.Event().wait()"]
    child = subprocess.Popen(waiting, start_new_session=True)
    (context.out / "pid.new").write_text(str(child.pid))
    (context.out / "pid.new").rename(context.out / "pid")
    threading.Event().wait()
"""
ODD = """
def run(context):
    return {"not": "a result"}
"""


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], BenchEntry]:
    """Makes a benchmark of a module's text."""
    monkeypatch.setattr(machine, "BUSY_PROBE_S", 0.001)
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def make(source: str) -> BenchEntry:
        (folder / "staged_bench.py").write_text(source, encoding="utf-8")
        return BenchEntry("staged", "staged_bench", "a benchmark for this test")

    return make


def bench_runner(out: Path, clock: SimClock | None = None, *, quick: bool = True) -> BenchRunner:
    out.mkdir(exist_ok=True)
    return BenchRunner(BenchContext(out, quick=quick), clock or SimClock())


@pytest.mark.parametrize("quick", [True, False])
def test_a_result_comes_back_whole(tmp_path: Path, entry: Callable[[str], BenchEntry], quick: bool) -> None:
    out = tmp_path / "out"
    outcome = bench_runner(out, quick=quick).run(entry(GOOD))
    assert (outcome.failure, outcome.quick) == ("", quick)
    assert outcome.result is not None
    assert outcome.result.title == "a title"
    assert [verdict.held for verdict in outcome.result.verdicts] == [quick]
    assert list(out.iterdir()) == []  # what it wrote for itself, and an empty log, are gone


def test_a_failure_is_told_with_its_cause_and_keeps_what_it_wrote(
    tmp_path: Path, entry: Callable[[str], BenchEntry]
) -> None:
    out = tmp_path / "out"
    outcome = bench_runner(out).run(entry(BAD))
    assert outcome.result is None
    assert outcome.failure.startswith("ended with 1; see ")
    assert "RuntimeError: nothing could be measured" in outcome.failure
    assert "on the way" in (out / "staged.log").read_text(encoding="utf-8")
    assert (out / "staged.work").is_dir()


def test_what_is_no_result_is_a_failure(tmp_path: Path, entry: Callable[[str], BenchEntry]) -> None:
    outcome = bench_runner(tmp_path / "out").run(entry(ODD))
    assert (outcome.result, outcome.failure) == (None, "its result is a dict")


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_hanging_benchmark_is_ended_with_all_that_it_started(
    tmp_path: Path, entry: Callable[[str], BenchEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "TELL_EVERY_S", 0.05)
    out, clock = tmp_path / "out", SimClock()
    pid_file = out / "staged.work" / "pid"

    def tell(_elapsed_s: float) -> None:
        if pid_file.exists():
            clock.advance(runner.HANG_LIMIT_QUICK_S)

    outcome = bench_runner(out, clock).run(entry(HANGING), tell)
    assert outcome.failure.startswith("no result within 300 s; see ")
    assert gone(int(pid_file.read_text(encoding="utf-8")))


def test_an_interrupted_benchmark_is_ended_with_all_that_it_started(
    tmp_path: Path, entry: Callable[[str], BenchEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "TELL_EVERY_S", 0.05)
    out = tmp_path / "out"
    pid_file = out / "staged.work" / "pid"

    def tell(_elapsed_s: float) -> None:
        if pid_file.exists():
            raise KeyboardInterrupt

    def interrupted() -> Outcome:
        return bench_runner(out).run(entry(HANGING), tell)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert gone(int(pid_file.read_text(encoding="utf-8")))


def test_all_run_in_order_and_none_twice() -> None:
    assert chosen_benches([], apart=True) == list(BENCHES)
    assert chosen_benches([]) == [entry for entry in BENCHES if entry.name != "live"], "that one only when it is named"
    assert [entry.name for entry in chosen_benches(["live"])] == ["live"]
    first, second = BENCHES[0].name, BENCHES[1].name
    assert [entry.name for entry in chosen_benches([second, first, second])] == [first, second]


@pytest.mark.parametrize(
    ("name", "told"),
    [("troughput", "did you mean throughput?"), ("Lock", "did you mean lock?"), ("zzz", "choose from")],
)
def test_an_unknown_name_is_told_with_the_nearest(name: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as raised:
        chosen_benches(["lock", name])
    assert told in str(raised.value)


def test_names_are_different() -> None:
    assert not [one for one, other in itertools.combinations(BENCHES, 2) if one.name == other.name]
