"""A real PostgreSQL server of the suite's own: one for a session, in a directory of its own, on a unix socket.

Run by the user ``postgres`` or ``nobody`` when the suite runs as root, which the server refuses. Nothing is fsynced: it
is as quick as it can be, and no test cuts its power.
"""

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

PROGRAMS = ("initdb", "pg_ctl")
USER = "vigia"
PASSWORD = "s3cr%t pa/ss@word"
URL_PASSWORD = "s3cr%25t%20pa%2Fss%40word"
_CONFIGURATION = """
listen_addresses = ''
fsync = off
full_page_writes = off
max_connections = 100
shared_buffers = 32MB
autovacuum = off
"""


def programs() -> Path | None:
    """Where ``initdb`` and ``pg_ctl`` are: the newest that Debian has installed, or on the path."""
    installed = sorted(
        (folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "initdb").exists()),
        key=lambda folder: float(folder.parent.name),
    )
    if installed:
        return installed[-1]
    found = shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


class PostgresServer:
    """A server that runs. Owner: the test session."""

    def __init__(self, folder: Path, *, user: str | None) -> None:
        self._folder = folder
        self._user = user
        self._data = folder / "data"
        password = folder / "password"
        password.write_text(PASSWORD)
        bin_folder = programs()
        assert bin_folder is not None
        self._bin = bin_folder
        if user is not None:
            shutil.chown(folder, user)
            shutil.chown(password, user)
        self._run(
            "initdb", "-D", self._data, "-U", USER, "-A", "scram-sha-256", "--pwfile", password,
            "-E", "UTF8", "--locale", "C", "--no-sync", "--no-instructions",
        )  # fmt: skip
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(_CONFIGURATION + f"unix_socket_directories = '{folder}'\n")
        self.start()

    def url(self, *, user: str = USER, password: str = URL_PASSWORD, database: str = "postgres") -> str:
        """The outbox's address on this server."""
        return f"postgresql://{user}:{password}@/{database}?host={self._folder}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", "-l", self._folder / "log", "start")

    def stop(self) -> None:
        """Stop at once, as a crash does: sessions are cut off, and the next start recovers."""
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: Path | str) -> None:
        as_user = [] if self._user is None else ["runuser", "-u", self._user, "--"]
        done = subprocess.run(
            [*as_user, str(self._bin / program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,  # the server would keep the pipe
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            timeout=90,
            check=False,
        )
        if done.returncode != 0:
            log = self._folder / "log"
            said = done.stdout or (log.read_bytes() if log.exists() else b"")
            raise AssertionError(f"{program}: {said.decode(errors='replace')}")


@cache
def postgres_server() -> PostgresServer:
    """The session's server, started when it is first asked for; skips where PostgreSQL is not installed."""
    if programs() is None and not os.environ.get("CI"):
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="vigia-postgres-"))
    server = PostgresServer(folder, user=_server_user() if os.geteuid() == 0 else None)

    def remove() -> None:
        server.stop()
        shutil.rmtree(folder)

    atexit.register(remove)
    return server


def _server_user() -> str:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("there is no user that could run PostgreSQL")
