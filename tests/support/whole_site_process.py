"""The site with its pages (``whole_site.py``) as a process of a test."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from running import environment

PROGRAM = Path(__file__).with_name("whole_site.py")


@dataclass(frozen=True, slots=True)
class WholeSite:
    """Owner: the test."""

    url: str
    process: "subprocess.Popen[str]"

    def order(self, line: str) -> str:
        """Have something done; what the program says to it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def whole_site(directory: Path) -> Iterator[WholeSite]:
    """Started, and stopped at the end; nothing failed in it meanwhile."""
    log = directory / "err-site.txt"
    with (
        log.open("wb") as err,
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(directory)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err, text=True, env=environment(), cwd=directory,
        ) as process,
    ):  # fmt: skip
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http"), log.read_text(encoding="utf-8")
            yield WholeSite(url, process)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(20) == 0, log.read_text(encoding="utf-8")
        finally:
            process.kill()
    assert "Traceback" not in log.read_text(encoding="utf-8")
