"""An operator's way with what FindFace would not take: it is dead, he looks at it, puts it back, and it arrives."""

import json
import signal
from typing import Any

import yaml

from running import COMMITTED, Site, wait_for
from vigia.domain.capture import CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.outbox import SqliteOutbox

WHILE_IT_REFUSES = {"faults": [{"kind": "forbidden", "path": "/events/faces/add/"}]}
"""As for a camera's stale token: an answer about this capture, so that its failures count."""


def listed(site: Site, *filters: str) -> list[dict[str, Any]]:
    code, out, err = site.run("outbox", "list", "--json", *filters)
    assert code == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_what_was_given_up_is_put_back_and_arrives_with_the_next_run(site: Site) -> None:
    settings = yaml.safe_load((site.root / "config.yaml").read_text(encoding="utf-8"))
    site.configure(**settings, delivery={"attempts_max": 1}, findface={"processing_max_s": 1.0}, language="en")
    site.stand_in.stop()
    site.stand_in.faults = WHILE_IT_REFUSES
    site.stand_in.start()

    program = site.start("run")
    program.wait_line("is kept for a person", count=2)
    # Beside the run that holds the outbox.
    dead = listed(site, "--state", "dead", "--older-than", "0s")
    assert len(dead) >= 2
    assert all((entry["code"], entry["attempts"]) == ("delivery", 1) for entry in dead)
    code, out, err = site.run("outbox", "show", dead[0]["id"][:12])
    assert code == 0, err
    assert dead[0]["picture"] in out
    assert "given up after 1 failures" in out
    code, _, err = site.run("outbox", "reseal", VIGIA_OUTBOX_KEYS="00112233445566778899aabbccddeeff" * 2)
    assert code == 2
    assert f"process {program.process.pid}" in err
    program.process.send_signal(signal.SIGINT)
    assert program.end(30) == 0, program.stderr()
    assert site.stand_in.events() == []

    site.stand_in.stop()
    site.stand_in.faults = None
    site.stand_in.start()
    code, out, err = site.run("outbox", "retry", "--state", "dead", "--json")
    assert code == 0, err
    put_back = json.loads(out)["put_back"]
    assert put_back >= len(dead)

    last = site.start("run")
    wanted = {entry["id"] for entry in dead}
    with SqliteOutbox(site.outbox, SystemClock(), beside=True) as outbox:
        wait_for(
            lambda: wanted <= {entry.id for entry in outbox.entries(state=CaptureState.DELIVERED)},
            timeout_s=60,
            what="what was put back is delivered",
        )
    last.process.send_signal(signal.SIGINT)
    assert last.end(30) == 0, last.stderr()
    assert "captures put back by a person" not in last.stdout(), "that was before this run"
    entries = listed(site)
    delivered = [entry for entry in entries if entry["state"] == "delivered"]
    events = [event["id"] for event in site.stand_in.events()]
    assert sorted(events) == sorted(event_id for entry in delivered for event_id in entry["event_ids"])
    assert len(events) == len(set(events))
    told = {found for run in (program, last) for found in COMMITTED.findall(run.stderr())}
    assert told <= {entry["id"] for entry in entries}
