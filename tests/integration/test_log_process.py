"""The logger in whole programs: the ends that a program can come to, a fork, and the operator's contract."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

PROLOGUE = """
import gc, logging, os, sys
from pathlib import Path
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.i18n import set_language
from vigia.infrastructure.logging import AsyncLogger, ConsoleSink, JsonFileSink, get_logger
from vigia.infrastructure.memory import MemoryManager
clock = SystemClock()
set_language("pt_BR")
file = JsonFileSink(Path(sys.argv[1]))
log = AsyncLogger([ConsoleSink(), file], clock=clock)
logger = get_logger("program")
"""


def _run(tmp_path: Path, body: str, exit_code: int = 0) -> tuple[list[dict[str, Any]], list[str]]:
    """Run a program; return the file's lines, and what stood on standard error without time and level."""
    path = tmp_path / "vigia.jsonl"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROLOGUE + textwrap.dedent(body), str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    assert done.returncode == exit_code, done.stderr
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()], done.stderr.splitlines()


def test_the_operators_contract_from_start_to_end(tmp_path: Path) -> None:
    lines, console = _run(
        tmp_path,
        """
        memory = MemoryManager(clock, is_idle=lambda: True)
        log.start()
        gc.collect()
        gc.disable()
        for _ in range(245):
            knot = []
            knot.append(knot)
        del knot
        memory.freeze_startup()
        memory.start()
        get_logger("tracks").info("Event %d associated with track %d by IoU (%.3f)", 1, 1, 0.85)
        memory.stop()
        assert log.stop()
        """,
    )
    messages = [line["message"] for line in lines]
    assert messages == [
        "✓ AsyncLogger iniciado (queue size: 10000)",
        "GC #1: 245 objetos coletados",
        "✓ MemoryManager iniciado (intervalo: 5.0s)",
        "Evento 1 associado ao track 1 por IoU (0.850)",
        "✓ MemoryManager parado",
        "✓ AsyncLogger parado",
    ]
    assert [line.split("INFO     ", 1)[1] for line in console] == messages
    assert lines[3]["msgid"] == "Event %d associated with track %d by IoU (%.3f)"


def test_a_program_that_ends_without_a_stop_still_writes_everything(tmp_path: Path) -> None:
    lines, _ = _run(tmp_path, "log.start()\nfor n in range(3000): logger.info('line %d', n)")
    messages = [line["message"] for line in lines]
    assert messages[1:-1] == [f"line {n}" for n in range(3000)]
    assert messages[-1] == "✓ AsyncLogger parado"


def test_a_program_that_fails_before_the_start_shows_what_it_logged(tmp_path: Path) -> None:
    lines, console = _run(tmp_path, "logger.warning('before token=%s', 's3cr3t')\nraise SystemExit(2)", exit_code=2)
    assert lines == []
    assert console == ["vigia: AVISO before token=***"]


def test_a_forked_child_writes_straight_and_nothing_twice(tmp_path: Path) -> None:
    lines, console = _run(
        tmp_path,
        """
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: that is what is tried here
        log.start()
        logger.info("parent before")
        child = os.fork()
        if child == 0:
            logger.info("child")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        logger.info("parent after")
        log.stop()
        """,
    )
    assert [line["message"] for line in lines] == [
        "✓ AsyncLogger iniciado (queue size: 10000)",
        "parent before",
        "parent after",
        "✓ AsyncLogger parado",
    ]
    assert [line for line in console if "child" in line] == ["vigia: INFO child"]


def test_a_reader_that_stopped_reading_does_not_keep_the_program(tmp_path: Path) -> None:
    """Standard error is a pipe that nobody empties: the file gets its lines, or the loss is counted; it ends."""
    body = """
    import fcntl
    fcntl.fcntl(2, fcntl.F_SETPIPE_SZ, 4096)
    log.start()
    for n in range(2000):
        logger.info("line %d %s", n, "x" * 100)
    assert not log.stop(timeout_s=0.3)
    os._exit(7)
    """
    program = subprocess.Popen(
        [sys.executable, "-c", PROLOGUE + textwrap.dedent(body), str(tmp_path / "vigia.jsonl")],
        stderr=subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )
    with program:
        assert program.wait(timeout=60) == 7
