"""The real program with its outbox on a real PostgreSQL server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from outbox_rigs import PostgresRig
from postgres_server import PASSWORD, URL_PASSWORD
from running import Site
from vigia.domain.capture import CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.outbox.postgres_outbox import PostgresOutbox
from vigia.infrastructure.outbox.postgres_schema import SCHEMA
from vigia.testing.sim_clock import SimClock


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[PostgresRig]:
    rig = PostgresRig(tmp_path, SimClock())
    rig.schema = SCHEMA  # where the program looks
    yield rig
    rig.close()


def test_a_run_delivers_by_way_of_the_server_and_says_so(site: Site, rig: PostgresRig) -> None:
    program = site.start("run", "--json", VIGIA_OUTBOX__URL=rig.url)
    program.wait_committed(2)
    program.process.send_signal(2)
    assert program.end() == 0, program.stderr()

    report = json.loads(program.stdout())
    assert report["shared_outbox"] is True
    assert report["balanced"] is True
    assert report["captures"]["committed"] >= 2
    with PostgresOutbox(rig.url, SystemClock(), beside=True) as outbox:
        delivered = outbox.entries(state=CaptureState.DELIVERED)
    assert len(delivered) == report["captures"]["delivered"] == len(site.stand_in.events()) > 0
    assert not site.outbox.exists()

    code, out, err = site.run("check", "--json", "--no-capacity", timeout_s=90.0, VIGIA_OUTBOX__URL=rig.url)
    assert code == 0, out + err
    (told,) = [finding["text"] for finding in json.loads(out)["findings"] if finding["id"] == "outbox.ready"]
    assert "postgresql:///postgres" in told
    for text in (program.stdout(), program.stderr(), out, err):
        assert PASSWORD not in text
        assert URL_PASSWORD not in text


def test_a_wrong_password_ends_with_one_line_and_2(site: Site, rig: PostgresRig) -> None:
    code, out, err = site.run("run", VIGIA_OUTBOX__URL=rig.url.replace(URL_PASSWORD, "wr0ng-0ne"))
    assert code == 2, out + err
    assert err.count("outbox.url") == 1
    assert "wr0ng" not in out + err
    assert "Traceback" not in err
