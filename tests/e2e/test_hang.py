"""A FindFace that takes connections and never answers: the stop does not wait for it, nothing is lost or doubled."""

import signal

import yaml

from running import COMMITTED, Site
from vigia.domain.capture import CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.outbox import SqliteOutbox


def test_a_findface_that_hangs_does_not_hold_up_the_stop(site: Site) -> None:
    settings = yaml.safe_load((site.root / "config.yaml").read_text(encoding="utf-8"))
    # The stand-in has finished with a request long before it is asked whether it arrived.
    settings["findface"] = {**settings.get("findface", {}), "processing_max_s": 1.0}
    site.configure(**settings, delivery={"drain_timeout_s": 3.0})
    program = site.start("run")
    program.wait_committed()
    assert site.stand_in.process is not None
    site.stand_in.process.send_signal(signal.SIGSTOP)
    try:
        program.wait_committed(4)
        program.process.send_signal(signal.SIGINT)
        code = program.end(12)
    finally:
        site.stand_in.process.send_signal(signal.SIGCONT)
    error = program.stderr()
    assert code == 1, "a sender that would not end is named, and the exit code says so"
    assert "sender-" in error
    assert "Traceback" not in error
    with SqliteOutbox(site.outbox, SystemClock()) as outbox:
        entries = {entry.id: entry for entry in outbox.entries()}
    assert set(COMMITTED.findall(error)) <= set(entries)
    assert any(entry.state is CaptureState.PENDING for entry in entries.values())
    code, _, error = site.run("run", "--duration", "8")  # those that may have arrived are looked up first
    assert code == 0, error
    shots = [(event["camera"], event["timestamp"]) for event in site.stand_in.events()]
    with SqliteOutbox(site.outbox, SystemClock()) as outbox:
        states = [entry.state for entry in outbox.entries()]
    assert set(states) == {CaptureState.DELIVERED}
    assert len(set(shots)) == len(shots) == len(states)
