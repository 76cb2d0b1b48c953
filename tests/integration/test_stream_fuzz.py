"""Clips spoilt in 2 000 ways: nothing crashes, nothing hangs, every packet is booked.

``VIGIA_FUZZ=20000`` plays more of them.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from stream_fuzz import CLIPS, make_clips, play

COUNT = int(os.environ.get("VIGIA_FUZZ", "2000"))
BATCH = 250
PROGRAM = Path(__file__).resolve().parent.parent / "support" / "stream_fuzz.py"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one mutation came to."""

    clip: str
    way: str
    ended: str
    received: int
    decoded: int


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("clips")
    make_clips(directory)
    return directory


@pytest.mark.parametrize("name", CLIPS)
def test_a_whole_clip_is_decoded_to_the_last_picture(clips: Path, name: str) -> None:
    ended, received, decoded = play(str(clips / name))
    assert (ended, received, decoded) == ("SourceEnded", 24, 24)


def batch(clips: Path, first: int) -> list[Outcome]:
    """Play one batch in a process of its own."""
    count = min(BATCH, COUNT - first)
    limit_s = 60.0 + count  # each mutation has its own, much shorter limit inside
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(clips), str(first), str(count)],
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    lines = done.stdout.splitlines()
    begun = [line for line in lines if line.startswith("begin")]
    assert done.returncode == 0, f"after {begun[-1:]}: exit {done.returncode}\n{done.stderr[-4000:]}"
    return list(_outcomes(lines))


def _outcomes(lines: list[str]) -> Iterator[Outcome]:
    for line in lines:
        if line.startswith("end"):
            _, _, clip, way, ended, received, decoded = line.split()
            yield Outcome(clip, way, ended, int(received), int(decoded))


@pytest.mark.timeout(900)
def test_spoilt_clips_crash_nothing_hang_nowhere_and_are_booked(clips: Path) -> None:
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        outcomes = [
            outcome for found in pool.map(lambda n: batch(clips, n), range(0, COUNT, BATCH)) for outcome in found
        ]
    assert len(outcomes) == COUNT
    ends = Counter(outcome.ended for outcome in outcomes)
    assert set(ends) <= {"SourceEnded", "SourceUnreachable", "SourceStalled"}
    # The damage is neither so slight that all is decoded nor so heavy that nothing is: both would test little.
    partly = [outcome for outcome in outcomes if 0 < outcome.decoded < outcome.received]
    assert len(partly) > COUNT / 10
    assert {outcome.way for outcome in partly} == {"live", "file"}
    assert {outcome.clip for outcome in partly} == set(CLIPS)
    assert ends["SourceUnreachable"] > COUNT / 50
