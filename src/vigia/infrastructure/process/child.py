"""A child process that says on its standard output when it is ready."""

import select
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vigia.application.errors import ApplicationError
from vigia.application.ports import Clock

STOP_TIMEOUT_S = 5.0
READY_BYTES_MAX = 4096


class ChildProcess:
    """Started in a session of its own, so that Ctrl+C reaches only its parent, who decides the order of stopping.

    Owner: the thread that makes it.

    Args:
        arguments: program and arguments; no secrets, others can read them.
        log_path: its standard error is appended there.
        clock: for the wait until it is ready.

    Raises:
        ApplicationError: it cannot be started.
    """

    def __init__(self, arguments: Sequence[str], *, log_path: Path, clock: Clock) -> None:
        self._clock = clock
        self._log_path = log_path
        log_path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with log_path.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603 - the caller's own program
                    list(arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise ApplicationError(
                "%(program)s cannot be started: %(why)s", program=arguments[0], why=error.strerror or "?"
            ) from error

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_ready(self, *, timeout_s: float) -> str:
        """Wait for its first line of output and return it.

        Raises:
            ApplicationError: it ended first, or said nothing in time.
        """
        output = self._process.stdout
        deadline_s = self._clock.mono_s() + timeout_s
        line = b""
        while output is not None and not line.endswith(b"\n") and len(line) < READY_BYTES_MAX:
            left_s = deadline_s - self._clock.mono_s()
            readable = select.select([output], [], [], max(left_s, 0.0))[0]
            if not readable:
                raise ApplicationError(
                    "the child process did not get ready within %(limit).0f s; see %(log)s",
                    limit=timeout_s,
                    log=self._log_path,
                )
            piece = output.read1(READY_BYTES_MAX) if hasattr(output, "read1") else output.read(1)
            if not piece:
                raise ApplicationError("the child process ended before it was ready; see %(log)s", log=self._log_path)
            line += piece
        return line.decode("utf-8", "replace").strip()

    def stop(self) -> None:
        """Ask it to end, then make it. Idempotent."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(STOP_TIMEOUT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
