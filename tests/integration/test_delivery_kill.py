"""kill -9 at every step that writes, and at random moments, while FindFace fails: nothing is lost, nothing doubled.

VIGIA_KILLS=500 is the acceptance run; VIGIA_SEED replays one.
"""

import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random

import pytest

from faulty_site import FaultySite, arrival_of, faulty_site
from short_life import SCRAP, Life, Nursery, capture_of, picture_of
from vigia.application.errors import OutboxCorrupt
from vigia.application.ports import OutboxEntry
from vigia.domain.capture import CaptureId, CaptureState
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.outbox import SqliteOutbox
from vigia.infrastructure.outbox.fault_points import FAULT_POINTS

KILLS = int(os.environ.get("VIGIA_KILLS", "30"))
SEED = int(os.environ.get("VIGIA_SEED", "20260301"))
KILLED = -9
LINES_MAX = 24
"""A life is killed after a random number of lines up to this: commits, that is, and its birth."""
LAST_LIFE = 9_999
FULL_CHECK_EVERY = 10
"""Kills between two looks at everything: it takes the longer the more has arrived."""


class Books:
    """What was told to be committed, held against the outbox and the stand-in."""

    def __init__(self, directory: Path, site: FaultySite) -> None:
        self._directory = directory
        self._site = site
        self.committed: set[str] = set()
        self._dropped: set[str] = set()

    def note(self, told: list[list[str]]) -> None:
        self.committed |= {about for word, about in told if word == "committed"}
        self._dropped |= {about for word, about in told if word == "dropping"}

    def check_doubles(self, when: str) -> None:
        """After a kill, at once: nothing came twice."""
        self._site.settle()
        assert self._site.stub.stats()["duplicates"] == 0, f"doubled {when}"

    def check_now(self, when: str) -> None:
        """After a kill: every capture is in the outbox with its picture, or at the stand-in; none is there twice."""
        self._site.settle()
        arrivals = self._site.arrivals()
        assert not [shot for shot, times in arrivals.items() if times > 1], f"doubled {when}"
        with SqliteOutbox(self._directory, SystemClock(), beside=True) as outbox:
            entries = {entry.id: entry for entry in outbox.entries()}
            assert self.committed - self._dropped <= set(entries), f"lost {when}"
            for entry in entries.values():
                if entry.state is CaptureState.DELIVERED:
                    assert arrivals[arrival_of(capture_of(_number(entry.id), scrap=entry.camera_id == SCRAP))] == 1
                elif entry.camera_id != SCRAP:
                    assert _picture(outbox, entry.id) == picture_of(_number(entry.id)), f"picture lost {when}"

    def check_all_arrived(self) -> tuple[int, int, int]:
        """After the last life: how many are on the books, are lost, are doubled."""
        self._site.settle()
        with SqliteOutbox(self._directory, SystemClock(), beside=True) as outbox:
            entries = {entry.id: entry for entry in outbox.entries()}
        wanted = {
            capture_id
            for capture_id in self.committed | set(entries)
            if capture_id not in self._dropped and not _is_scrap(capture_id, entries)
        }
        assert {entries[CaptureId(capture_id)].state for capture_id in wanted} == {CaptureState.DELIVERED}
        arrivals = self._site.arrivals()
        shots = Counter({arrival_of(capture_of(int(capture_id, 16))): 1 for capture_id in wanted})
        assert len(shots) == len(wanted)
        lost = sum((shots - arrivals).values())
        doubled = sum(times - 1 for times in arrivals.values())
        return len(wanted), lost, doubled


def _number(capture_id: str) -> int:
    return int(capture_id, 16)


def _picture(outbox: SqliteOutbox, capture_id: CaptureId) -> bytes | None:
    try:
        return outbox.picture(capture_id)
    except OutboxCorrupt:
        return None


def _is_scrap(capture_id: str, entries: Mapping[CaptureId, OutboxEntry]) -> bool:
    return entries[CaptureId(capture_id)].camera_id == SCRAP


def _chance(rng: Random) -> Callable[[str], bool]:
    """Kill after some line, not always in the moment after it was written."""
    lines = rng.randint(1, LINES_MAX)
    spins = rng.randrange(20_000)

    def now(_line: str) -> bool:
        nonlocal lines
        lines -= 1
        if lines == 0:
            for _ in range(spins):
                pass
        return lines == 0

    return now


def tell(text: str, site: FaultySite) -> None:
    requests, spoilt, ambiguous = site.faults()
    print(f"{text}; {requests} deliveries tried, {spoilt} spoilt, {ambiguous} of them ambiguous")  # noqa: T201 - asked for


def test_a_kill_at_every_step_that_writes_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with faulty_site(tmp_path / "findface", seed=SEED) as site, Nursery(tmp_path / "lives.log") as nursery:
        books = Books(tmp_path / "outbox", site)
        rng = Random(SEED)
        first = Life("acts", str(tmp_path / "outbox"), site.stub.url, 1)
        told, code = nursery.live(first)
        assert code == 0, nursery.errors()
        books.note(told)
        came = {name: int(times) for word, about in told if word == "came" for name, times in [about.split(":")]}
        assert set(came) == set(FAULT_POINTS), "a life comes by every step"
        for number, point in enumerate(FAULT_POINTS, start=2):
            # Lives differ a little in how often they come by; half as often as the first one all of them do.
            nth = rng.randint(1, max(1, came[point] // 2))
            life = Life("acts", first.directory, first.url, number, point, nth)
            told, code = nursery.live(life)
            assert code == KILLED, f"{life}: {nursery.errors()}"
            books.note(told)
            books.check_now(f"at {point}")
        _, code = nursery.live(Life("last", first.directory, first.url, LAST_LIFE))
        assert code == 0, nursery.errors()
        captures, lost, doubled = books.check_all_arrived()
        tell(
            f"seed {SEED}: {len(FAULT_POINTS)} kills, one at each step, {captures} captures, {lost} lost,"
            f" {doubled} doubled",
            site,
        )
        assert (lost, doubled) == (0, 0)


@pytest.mark.timeout(120 + 2 * KILLS)
def test_kills_at_random_moments_lose_and_double_nothing(tmp_path: Path) -> None:
    with faulty_site(tmp_path / "findface", seed=SEED) as site, Nursery(tmp_path / "lives.log") as nursery:
        books = Books(tmp_path / "outbox", site)
        rng = Random(SEED)
        directory = str(tmp_path / "outbox")
        for number in range(KILLS):
            told, code = nursery.live(Life("random", directory, site.stub.url, number), kill_after=_chance(rng))
            assert code == KILLED, nursery.errors()
            books.note(told)
            books.check_doubles(f"by kill {number}")
            if number % FULL_CHECK_EVERY == 0:
                books.check_now(f"by kill {number}")
        _, code = nursery.live(Life("last", directory, site.stub.url, LAST_LIFE))
        assert code == 0, nursery.errors()
        captures, lost, doubled = books.check_all_arrived()
        tell(f"seed {SEED}: {KILLS} kills, {captures} captures, {lost} lost, {doubled} doubled", site)
        assert (lost, doubled) == (0, 0)
