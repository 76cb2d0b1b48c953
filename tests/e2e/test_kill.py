"""kill -9 at random moments: what was committed is at FindFace exactly once, or still in the outbox."""

import os
import signal
import sqlite3
from collections import Counter
from random import Random

import pytest

from running import COMMITTED, Site, wait_for
from vigia.domain.capture import CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.outbox import SqliteOutbox

KILLS = int(os.environ.get("VIGIA_KILLS", "5"))
SEED = int(os.environ.get("VIGIA_SEED", "20261123"))


@pytest.mark.timeout(90 + 15 * KILLS)
def test_no_kill_loses_or_doubles_a_capture(site: Site) -> None:
    rng = Random(SEED)
    print(f"seed {SEED}, {KILLS} kills")  # noqa: T201 - replays a failure
    committed: set[str] = set()
    for number in range(KILLS):
        program = site.start("run")
        program.wait_committed(1)
        # Anywhere from the first commit to some seconds on: in the middle of commits, deliveries and their answers.
        more = rng.randint(0, 4)
        wait_for(
            lambda program=program, more=more: len(COMMITTED.findall(program.stderr())) > more,  # type: ignore[misc] # bound now
            timeout_s=30,
            what=f"more commits before kill {number}",
        )
        program.process.kill()
        assert program.end(10) == -signal.SIGKILL
        committed |= set(COMMITTED.findall(program.stderr()))
    # The last run delivers what the killed ones left, those looked up first included.
    last = site.start("run")
    wait_for(lambda: not _unsent(site), timeout_s=60, what="everything delivered")
    last.process.send_signal(signal.SIGINT)
    assert last.end(20) == 0, last.stderr()
    committed |= set(COMMITTED.findall(last.stderr()))

    outbox = SqliteOutbox(site.outbox, SystemClock())
    entries = {entry.id: entry for entry in outbox.entries()}
    outbox.close()
    at_findface = Counter(event["id"] for event in site.stand_in.events())
    shots = Counter((event["camera"], event["timestamp"], str(event["roi"])) for event in site.stand_in.events())
    assert committed <= set(entries), f"told as committed, but gone: {committed - set(entries)}"
    assert not [shot for shot, count in shots.items() if count > 1], "sent twice"
    for entry in entries.values():
        if entry.state is CaptureState.DELIVERED:
            assert [at_findface[event_id] for event_id in entry.event_ids] == [1]
        else:
            assert entry.state is CaptureState.PENDING, f"{entry.state}: {entry.reason}"
    delivered = {event_id for entry in entries.values() for event_id in entry.event_ids}
    assert set(at_findface) == delivered, "the stand-in has an event that the outbox does not know of"
    print(f"{len(committed)} committed, {len(at_findface)} at FindFace, 0 lost, 0 doubled")  # noqa: T201 - the count is asked for


def _unsent(site: Site) -> bool:
    """Whether captures of killed runs still wait: read beside the running program."""
    log = site.programs[-1].stderr()
    told = set(COMMITTED.findall("".join(program.stderr() for program in site.programs[:-1])))
    connection = sqlite3.connect(f"file:{site.outbox / 'outbox.sqlite3'}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT id FROM capture WHERE state IN ('pending', 'leased')").fetchall()
    finally:
        connection.close()
    return bool(told & {row[0] for row in rows}) or not COMMITTED.findall(log)
