"""A child process: ready by its first line, stopped politely or not, and gone with its parent."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vigia.application.errors import ApplicationError
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.process import child as child_module
from vigia.infrastructure.process.child import READY_BYTES_MAX, ChildProcess

FOREVER = "import signal; signal.pause()"
READY = "import signal; print('ready 8080', flush=True); "
Start = Callable[[str], ChildProcess]


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "child.log"


@pytest.fixture
def start(log_path: Path) -> Iterator[Start]:
    children: list[ChildProcess] = []

    def begin(code: str) -> ChildProcess:
        children.append(ChildProcess([sys.executable, "-c", code], log_path=log_path, clock=SystemClock()))
        return children[-1]

    yield begin
    for child in children:
        child.stop()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_its_first_line_says_that_it_is_ready(start: Start) -> None:
    assert start(READY + FOREVER).wait_ready(timeout_s=30.0) == "ready 8080"


def test_a_line_that_comes_in_pieces_is_put_together(start: Start) -> None:
    write = "os.write(1, piece); select.select([], [], [], 0.05)"
    code = f"import os, select\nfor piece in (b'rea', b'dy', b'\\n'): {write}\n"
    assert start(code + FOREVER).wait_ready(timeout_s=30.0) == "ready"


def test_a_line_without_end_is_not_waited_for_for_ever(start: Start) -> None:
    child = start(f"import os; os.write(1, b'x' * {2 * READY_BYTES_MAX}); " + FOREVER)
    line = child.wait_ready(timeout_s=30.0)
    assert READY_BYTES_MAX <= len(line) <= 2 * READY_BYTES_MAX


def test_one_that_ends_first_is_told_with_the_log_that_says_why(start: Start, log_path: Path) -> None:
    child = start("raise SystemExit('the port is taken')")
    with pytest.raises(ApplicationError, match="ended before it was ready") as caught:
        child.wait_ready(timeout_s=30.0)
    assert str(log_path) in str(caught.value)
    child.stop()
    assert "the port is taken" in log_path.read_text()


def test_one_that_says_nothing_in_time_is_told(start: Start) -> None:
    with pytest.raises(ApplicationError, match="did not get ready within"):
        start(FOREVER).wait_ready(timeout_s=0.05)


def test_a_program_that_is_not_there_is_told_with_its_cause(log_path: Path) -> None:
    with pytest.raises(ApplicationError, match="/no/such/program cannot be started: No such file") as caught:
        ChildProcess(["/no/such/program"], log_path=log_path, clock=SystemClock())
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_stop_lets_it_end_by_itself_and_may_be_called_twice(start: Start, log_path: Path) -> None:
    code = (
        "import signal, sys\n"
        "def end(*_):\n    print('tidied up', file=sys.stderr, flush=True)\n    raise SystemExit(0)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\nsignal.pause()\n"
    )
    child = start(code)
    child.wait_ready(timeout_s=30.0)
    child.stop()
    child.stop()
    assert is_gone(child.pid)
    assert "tidied up" in log_path.read_text()


def test_one_that_will_not_end_is_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "STOP_TIMEOUT_S", 0.2)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    child = start("import signal; " + deaf + "print('ready', flush=True); " + FOREVER)
    child.wait_ready(timeout_s=30.0)
    child.stop()
    assert is_gone(child.pid)


def test_ctrl_c_in_the_terminal_does_not_reach_it(start: Start) -> None:
    child = start(READY + FOREVER)
    child.wait_ready(timeout_s=30.0)
    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_the_log_is_continued_not_begun_anew(start: Start, log_path: Path) -> None:
    for text in ("first", "second"):
        child = start(f"import sys; print({text!r}, file=sys.stderr, flush=True); print('ready', flush=True)")
        child.wait_ready(timeout_s=30.0)
        child.stop()
    assert log_path.read_text().split() == ["first", "second"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_a_child_ends_with_its_parent_even_when_that_is_killed() -> None:
    # Its own output pipe tells when the child is gone: the kernel closes the last writing end.
    heir = (
        "from vigia.infrastructure.process.parent import end_with_parent\n"
        "import signal\nend_with_parent()\nprint('ready', flush=True)\nsignal.pause()\n"
    )
    parent_code = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {heir!r}]).wait()\n"
    parent = subprocess.Popen([sys.executable, "-c", parent_code], stdout=subprocess.PIPE)
    output = parent.stdout
    assert output is not None
    try:
        assert select.select([output], [], [], 30.0)[0]
        assert output.readline() == b"ready\n"
        parent.send_signal(signal.SIGKILL)
        parent.wait(30.0)
        assert select.select([output], [], [], 30.0)[0], "the child outlives its parent"
        assert output.read() == b""
    finally:
        parent.kill()
        parent.wait(30.0)
        output.close()
