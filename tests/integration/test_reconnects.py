"""A camera that comes and goes all day: what it took is given back, every time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rtsp import Mount, RtspSite, make_feed, needs_rtsp_server

LIFE = Path(__file__).resolve().parent.parent / "support" / "reconnect_life.py"
COUNT = int(os.environ.get("VIGIA_RECONNECTS", "60"))
"""VIGIA_RECONNECTS=1000 for all."""
WARM_UP = 20 + COUNT // 10
FRAMES = 4

pytestmark = [needs_rtsp_server, pytest.mark.timeout(120 + 2 * COUNT)]


def test_threads_files_and_memory_return_to_the_start(tmp_path: Path) -> None:
    feed = make_feed(tmp_path / "short.feed", fps=25, seconds=FRAMES / 25, gop=FRAMES)
    with RtspSite([Mount("live", feed, loop=False)], tmp_path) as site:
        done = subprocess.run(
            [sys.executable, str(LIFE), site.url("live"), str(COUNT), str(WARM_UP)],
            capture_output=True,
            timeout=100 + 2 * COUNT,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
    facts = json.loads(done.stdout)
    before, after = facts["before"], facts["after"]
    assert facts["opened"] == COUNT + WARM_UP
    assert facts["frames"] >= COUNT, facts
    assert facts["reconnects"] == COUNT + WARM_UP, facts
    assert after["threads"] == before["threads"]
    assert after["fds"] == before["fds"]
    assert after["rss"] <= 1.02 * before["rss"], facts
