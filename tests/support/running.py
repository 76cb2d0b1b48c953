"""The real program as processes: vigia and the FindFace stand-in, on small generated clips."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from vigia.infrastructure.demo import DemoClip

COMMITTED = re.compile(r"\b([0-9a-f]{32})\b.*\((?:quality|qualidade) \d")
"""A line that tells of a commit; the group is the capture's id."""
WEB_ADDRESS = re.compile(r"(?:Web page|Página web): (http://\S+)/")
SECRET = "pl4nted-s3cret"
USER = "vigia"


def wait_for(condition: Callable[[], object], *, timeout_s: float, what: str) -> Any:
    """Poll until ``condition`` gives something true; return it."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        if value := condition():
            return value
        time.sleep(0.05)  # noqa: TID251 - a poll of another process: there is no event to wait on
    raise AssertionError(f"not within {timeout_s} s: {what}")


def environment(**extra: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FINDFACE_", "VIGIA_"))}
    return {**kept, "NO_COLOR": "1", "COLUMNS": "200", "VIGIA_WEB__PORT": "0", **extra}


@dataclass
class Program:
    """One running vigia."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path

    def stderr(self) -> str:
        return self.err.read_text(encoding="utf-8", errors="replace")

    def stdout(self) -> str:
        return self.out.read_text(encoding="utf-8", errors="replace")

    def wait_committed(self, count: int = 1, *, timeout_s: float = 40.0) -> None:
        """Until the log has told of ``count`` commits in this run, in whatever language."""
        wait_for(
            lambda: len(COMMITTED.findall(self.stderr())) >= count or self.process.poll() is not None,
            timeout_s=timeout_s,
            what=f"{count} commits",
        )
        assert len(COMMITTED.findall(self.stderr())) >= count, f"ended too soon:\n{self.stderr()}"

    def web_address(self) -> str:
        """Where its pages are, once they are there; without the last slash."""
        found = wait_for(
            lambda: WEB_ADDRESS.search(self.stderr()) or self.process.poll() is not None,
            timeout_s=40.0,
            what="a web page",
        )
        assert isinstance(found, re.Match), f"ended without a web page:\n{self.stderr()}"
        return str(found[1])

    def end(self, timeout_s: float = 60.0) -> int:
        return self.process.wait(timeout_s)

    def wait_line(self, text: str, *, count: int = 1, timeout_s: float = 40.0) -> None:
        wait_for(
            lambda: self.stderr().count(text) >= count or self.process.poll() is not None,
            timeout_s=timeout_s,
            what=f"{text!r} in the log",
        )
        assert self.stderr().count(text) >= count, f"ended before {text!r}:\n{self.stderr()}"


@dataclass
class StandIn:
    """The FindFace stand-in as a process that can be stopped and started again on the same port."""

    directory: Path
    cameras: list[dict[str, Any]]
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    faults: dict[str, Any] | None = None
    """A scenario of the next start: see docs/faults.md."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.directory.mkdir(exist_ok=True)
        seed = self.directory / "seed.json"
        document = {
            "user": USER, "password": SECRET, "groups": [{"id": 1, "name": "site"}], "cameras": self.cameras,
        }  # fmt: skip
        seed.write_text(json.dumps(document))
        command = [sys.executable, "-m", "vigia", "findface-stub", "--with-parent", "--seed", str(seed)]
        command += ["--data", str(self.directory / "data"), "--port", str(self.port)]
        if self.faults is not None:
            scenario = self.directory / "faults.yaml"
            scenario.write_text(yaml.safe_dump(self.faults))
            command += ["--faults", str(scenario)]
        log = (self.directory / "stub.log").open("ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment())
        log.close()
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert "http://" in line, (self.directory / "stub.log").read_text()
        self.port = int(line.strip().rstrip("/").rsplit(":", 1)[1])

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
            assert process.stdout is not None
            process.stdout.close()

    def events(self) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/_stub/events", timeout=20).json()
        found: list[dict[str, Any]] = answer["events"] if isinstance(answer, dict) else answer
        return found


@dataclass
class Site:
    """A directory with a configuration, a stand-in, and the programs run in it."""

    root: Path
    stand_in: StandIn
    programs: list[Program] = field(default_factory=list)

    @property
    def outbox(self) -> Path:
        return self.root / "data" / "outbox"

    def configure(self, **settings: Any) -> None:
        (self.root / "config.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")

    def start(self, *arguments: str, stdin: str = "", **env: str) -> Program:
        number = len(self.programs)
        out, err = self.root / f"out-{number}.txt", self.root / f"err-{number}.txt"
        account = {
            "FINDFACE_URL": self.stand_in.url,
            "FINDFACE_USER": USER,
            "FINDFACE_PASSWORD": SECRET,
            "FINDFACE_UUID": "e2e",
        }
        typed = self.root / f"in-{number}.txt"
        typed.write_text(stdin, encoding="utf-8")
        with out.open("wb") as out_file, err.open("wb") as err_file, typed.open("rb") as in_file:
            process = subprocess.Popen(
                [sys.executable, "-m", "vigia", *arguments],
                cwd=self.root,
                stdin=in_file,
                stdout=out_file,
                stderr=err_file,
                env=environment(**{**account, **env}),
            )
        program = Program(process, out, err)
        self.programs.append(program)
        return program

    def run(self, *arguments: str, timeout_s: float = 60.0, stdin: str = "", **env: str) -> tuple[int, str, str]:
        program = self.start(*arguments, stdin=stdin, **env)
        code = program.end(timeout_s)
        return code, program.stdout(), program.stderr()


def base_settings(clips: list[DemoClip], *, loop: bool = True) -> dict[str, Any]:
    return {
        "detector": {"min_face_px": 60, "cadence_k": 2},
        "tracks": {"filter_min_size": 50, "track_miss_interval_s": 0.5},
        "cameras": [
            {
                "id": f"cam{n + 1}",
                "name": clip.camera_name,
                "url": str(clip.path),
                "findface_id": n + 1,
                "token": f"{n + 1:032x}",
                "loop": loop,
            }
            for n, clip in enumerate(clips)
        ],
    }
