"""``shards.mode: processes`` from the command line: the same captures, the same promises."""

import json
import os
import signal
from collections import Counter
from typing import Any

import psutil
import pytest

from running import COMMITTED, SECRET, Program, Site, base_settings, wait_for
from vigia.domain.capture import CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.outbox import SqliteOutbox

PROCESSES = ("--set", "shards.mode=processes", "--set", "shards.count=2")


def entries(site: Site) -> list[Any]:
    outbox = SqliteOutbox(site.outbox, SystemClock())
    try:
        return list(outbox.entries())
    finally:
        outbox.close()


def shots(site: Site) -> Counter[tuple[Any, ...]]:
    return Counter(
        (entry.camera_id, entry.details["media_index"], *(round(edge, 2) for edge in entry.box_xyxy))
        for entry in entries(site)
    )


def workers(program: Program) -> list[psutil.Process]:
    """Its worker processes, once both are there."""
    children: list[psutil.Process] = wait_for(
        lambda: found if len(found := psutil.Process(program.process.pid).children()) == 2 else None,
        timeout_s=40,
        what="two workers",
    )
    return children


def test_processes_find_what_threads_find(site: Site, clips: list[DemoClip]) -> None:
    site.configure(**base_settings(clips, loop=False))
    code, out, err = site.run("run", "--json")
    assert code == 0, err
    threads, found = json.loads(out.splitlines()[-1]), shots(site)
    code, out, err = site.run("run", "--json", *PROCESSES)
    assert code == 0, err
    report = json.loads(out.splitlines()[-1])
    assert report["balanced"] is True
    assert report["frames"] == threads["frames"]
    assert report["tracks"] == threads["tracks"]
    assert report["captures"] == threads["captures"]
    assert report["worker_restarts"] == 0
    both = shots(site)
    assert set(both.values()) == {2}, "each shot once with threads, once with processes"
    assert set(both) == set(found)
    assert SECRET not in out + err
    assert "Traceback" not in err


def test_ctrl_c_stops_workers_cleanly(site: Site) -> None:
    program = site.start("run", "--json", *PROCESSES)
    program.wait_committed(2)
    children = workers(program)
    program.process.send_signal(signal.SIGINT)
    assert program.end(20) == 0, program.stderr()
    report = json.loads(program.stdout().splitlines()[-1])
    assert report["balanced"] is True
    assert report["survivors"] == []
    assert "✓ AsyncLogger parado" in program.stderr().strip().splitlines()[-1]
    assert not any(child.is_running() for child in children)


def test_a_worker_that_is_killed_ends_no_run(site: Site) -> None:
    program = site.start("run", "--json", *PROCESSES)
    program.wait_committed(2)
    workers(program)[0].kill()
    program.wait_line("reiniciando o processo de trabalho")
    before = len(COMMITTED.findall(program.stderr()))
    program.wait_committed(before + 3)
    program.process.send_signal(signal.SIGINT)
    assert program.end(20) == 0, program.stderr()
    report = json.loads(program.stdout().splitlines()[-1])
    assert report["balanced"] is True
    assert report["worker_restarts"] == 1
    assert report["captures"]["delivered"] == report["captures"]["committed"]


@pytest.mark.timeout(180)
def test_a_killed_parent_leaves_no_worker_and_nothing_is_lost_or_doubled(site: Site) -> None:
    committed: set[str] = set()
    for more in (1, 3):
        program = site.start("run", *PROCESSES)
        program.wait_committed(more)
        children = workers(program)
        program.process.kill()
        assert program.end(10) == -signal.SIGKILL
        wait_for(lambda: not any(_lives(child) for child in children), timeout_s=10, what="the workers' end")  # noqa: B023 - waited for here
        committed |= set(COMMITTED.findall(program.stderr()))
    last = site.start("run", *PROCESSES)
    last.wait_committed(2)
    last.process.send_signal(signal.SIGINT)
    assert last.end(20) == 0, last.stderr()
    committed |= set(COMMITTED.findall(last.stderr()))
    rows = {entry.id: entry for entry in entries(site)}
    assert committed <= set(rows), "told as committed, but gone"
    assert {entry.state for entry in rows.values()} <= {CaptureState.DELIVERED, CaptureState.PENDING}
    seen = Counter((event["camera"], event["timestamp"], str(event["roi"])) for event in site.stand_in.events())
    assert not [shot for shot, count in seen.items() if count > 1], "sent twice"
    assert sum(entry.state is CaptureState.DELIVERED for entry in rows.values()) <= len(site.stand_in.events())


def _lives(process: psutil.Process) -> bool:
    """Not gone, and not only waiting for somebody to read its exit code."""
    try:
        os.kill(process.pid, 0)
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
