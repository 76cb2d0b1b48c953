"""Several vigias, real processes, on one PostgreSQL outbox: some are killed, nothing is lost, nothing comes twice."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.middleware import Middleware

import shared_lives
from faulty_site import CountUnderWay, FaultySite, UnderWay, arrival_of
from outbox_rigs import PostgresRig
from short_life import CAMERAS, PASSWORD, TOKEN, USER, capture_of
from vigia.domain.capture import CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.outbox.postgres_outbox import PostgresOutbox
from vigia.testing.findface_stub import StubCamera, StubGroup, StubServer, StubSettings
from vigia.testing.sim_clock import SimClock

CAPTURES = 40
"""Of the vigia that lives."""
CAPTURES_MAX = 900
"""Of each that is killed long before."""
DIES_AT = (3, 6, 10)
"""Each vigia that is killed has leased so often."""
KILLED = -9


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[PostgresRig]:
    rig = PostgresRig(tmp_path, SimClock())
    yield rig
    rig.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FaultySite]:
    """A stand-in without faults: what is doubtful here, a killed process has left so."""
    cameras = tuple(StubCamera(id=n, name=f"camera-{n}", group=1, token=TOKEN) for n in range(1, CAMERAS + 1))
    settings = StubSettings(
        data_dir=tmp_path / "findface",
        user=USER,
        password=PASSWORD,
        groups=(StubGroup(id=1, name="site"),),
        cameras=cameras,
    )
    under_way = UnderWay()
    with StubServer(settings, middleware=[Middleware(CountUnderWay, under_way=under_way)]) as stub:
        yield FaultySite(stub, under_way)


def vigia(rig: PostgresRig, site: FaultySite, number: int, *, dies_at: int = 0) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [
            sys.executable,
            shared_lives.__file__,
            rig.url,
            rig.schema,
            site.stub.url,
            str(number),
            str(CAPTURES_MAX if dies_at else CAPTURES),
            str(dies_at),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told_by(process: "subprocess.Popen[str]", *, code: int) -> dict[str, set[str]]:
    """What it told until its end, which may come once it knows that the others are dead."""
    out, errors = process.communicate(timeout=90)
    assert process.returncode == code, errors
    told: dict[str, set[str]] = {"committed": set(), "took": set()}
    for line in out.splitlines(keepends=True):
        if line.endswith("\n"):
            word, capture_id = line.split()
            told[word].add(capture_id)
    return told


def test_what_killed_vigias_had_leased_is_delivered_once_by_another(rig: PostgresRig, site: FaultySite) -> None:
    survivor = vigia(rig, site, 1)
    dying = [vigia(rig, site, number, dies_at=dies) for number, dies in enumerate(DIES_AT, start=2)]
    committed, taken = set(), set()
    for process in dying:
        told = told_by(process, code=KILLED)
        committed |= told["committed"]
        taken |= told["took"]
    told = told_by(survivor, code=0)
    committed |= told["committed"]
    taken |= told["took"]
    site.settle()

    with PostgresOutbox(rig.url, SystemClock(), schema=rig.schema, beside=True) as outbox:
        entries = {entry.id: entry for entry in outbox.entries()}
        stats = outbox.stats()
    assert committed <= set(entries)
    wanted = Counter({arrival_of(capture_of(entry.track_id)): 1 for entry in entries.values()})
    arrivals = site.arrivals()
    lost, doubled = sum((wanted - arrivals).values()), sum((arrivals - wanted).values())
    print(  # noqa: T201 - asked for
        f"{len(DIES_AT)} of {len(DIES_AT) + 1} vigias killed, {len(entries)} captures, {len(taken)} taken over, "
        f"{lost} lost, {doubled} doubled"
    )
    assert {entry.state for entry in entries.values()} == {CaptureState.DELIVERED}
    assert stats.counts == {CaptureState.DELIVERED: len(entries)}
    assert taken, "nothing was leased when they were killed"
    assert (lost, doubled) == (0, 0)
