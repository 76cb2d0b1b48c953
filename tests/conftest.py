"""Fixtures that several suites share; what they are made of is in ``support/``."""

import logging
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from making import MakeEvent, event_maker
from outbox_rigs import RIGS, Rig
from running import SECRET, Site, StandIn, base_settings
from vigia.application.ports import ManagedOutbox
from vigia.infrastructure.demo import DemoClip, DemoSpec, generate_clips
from vigia.infrastructure.logging.loggers import VigiaLogger
from vigia.testing.sim_clock import SimClock

TOLD = ("err-*.txt", "*.log", "*.jsonl", "status.json")
"""What programs that tests start write for people and for other programs."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Nothing that the suite prints or logs holds the secret that its accounts and URLs hold."""
    report = yield
    if report.passed and "prints_secret" not in item.keywords:
        leaks = [title for title, text in report.sections if SECRET in text]
        if leaks:
            report.outcome, report.longrepr = "failed", f"the planted secret is in: {', '.join(leaks)}"
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Neither do the logs and status files of the programs that it has run."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if factory is None or factory._basetemp is None:
        return
    told = [path for pattern in TOLD for path in factory._basetemp.rglob(pattern) if path.is_file()]
    leaks = [str(path) for path in told if SECRET.encode() in path.read_bytes()]
    if leaks:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.get_terminal_writer().line(f"\nthe planted secret is in {', '.join(leaks)}", red=True)


@pytest.fixture(autouse=True)
def vigias_logger_as_it_was() -> Iterator[None]:
    """A program's logger stays with its process; a test that runs a command in this one must leave no trace of it."""
    logger = logging.getLogger("vigia")
    handlers, level, propagate, route = list(logger.handlers), logger.level, logger.propagate, VigiaLogger.route
    yield
    logger.handlers[:], logger.propagate, VigiaLogger.route = handlers, propagate, route
    logger.setLevel(level)


@pytest.fixture
def make_event() -> MakeEvent:
    return event_maker()


@pytest.fixture
def clock() -> SimClock:
    return SimClock()


@pytest.fixture(params=RIGS)
def rig(request: pytest.FixtureRequest, tmp_path: Path, clock: SimClock) -> Iterator[Rig]:
    """Every adapter of the outbox, for the suites of both sides of its port."""
    rig = RIGS[request.param](tmp_path, clock)
    yield rig
    rig.close()


@pytest.fixture
def outbox(rig: Rig) -> ManagedOutbox:
    return rig.open()


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[DemoClip]:
    return generate_clips(DemoSpec.tiny(count=2), tmp_path_factory.mktemp("clips"))


@pytest.fixture
def site(tmp_path: Path, clips: list[DemoClip]) -> Iterator[Site]:
    """Two looping file cameras, the stand-in started."""
    cameras = [
        {"id": n + 1, "name": clip.camera_name, "group": 1, "token": f"{n + 1:032x}", "url": clip.path.as_uri()}
        for n, clip in enumerate(clips)
    ]
    stand_in = StandIn(tmp_path / "findface", cameras)
    stand_in.start()
    site = Site(tmp_path, stand_in)
    site.configure(**base_settings(clips))
    yield site
    for program in site.programs:
        if program.process.poll() is None:
            program.process.kill()
            program.process.wait(10)
    stand_in.stop()
