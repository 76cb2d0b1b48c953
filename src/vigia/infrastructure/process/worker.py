"""A worker process as its parent sees it: a fresh interpreter with two channels, killed with its parent.

It is started, not forked: a fork would copy threads' locks as they happen to be. What it shall do is the first message
on its control channel, so that nothing of it stands on the command line, which others can read.
"""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import vigia
from vigia.application.errors import ApplicationError
from vigia.application.messages import ChannelClosed, ChannelFull
from vigia.application.ports import Clock
from vigia.infrastructure.process.channel import SocketChannel, channel_pair

TASK_TIMEOUT_S = 5.0
SECRET_PREFIXES = ("FINDFACE_", "VIGIA_FINDFACE", "VIGIA_OUTBOX")
"""Of the variables that hold the account, and the keys of the outbox."""


class SpawnedWorker:
    """One life of a worker process. See ``worker_supervisor.WorkerProcess``.

    It runs in a session of its own, so that Ctrl+C reaches only its parent, who decides the order of stopping. The
    kernel ends it with the thread that made this object: a thread that lives as long as the worker shall.

    Owner: that thread.

    Args:
        module: what it runs; gets the two channels' file numbers and the parent's process id as arguments.
        task: the first message.
        clock: for the channels' time-outs.

    Raises:
        ApplicationError: it cannot be started.
    """

    def __init__(self, module: str, task: object, *, clock: Clock) -> None:
        self.control, control_end = channel_pair(clock=clock)
        self.captures, captures_end = channel_pair(clock=clock)
        inherited = (control_end.fileno(), captures_end.fileno())
        numbers = [str(number) for number in (*inherited, os.getpid())]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this very program
                [sys.executable, "-P", "-m", module, *numbers],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=inherited,
                start_new_session=True,
                env=_environment(),
            )
        except OSError as error:
            self.close()
            raise ApplicationError(
                "%(program)s cannot be started: %(why)s", program=sys.executable, why=error.strerror or "?"
            ) from error
        finally:
            control_end.close()
            captures_end.close()
        with suppress(ChannelClosed, ChannelFull):  # a worker that ended at once is found out by who listens to it
            self.control.send(task, timeout_s=TASK_TIMEOUT_S)

    control: SocketChannel
    captures: SocketChannel

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code, negative for a signal; None when it has not ended in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it at once. Idempotent."""
        self._process.kill()

    def close(self) -> None:
        """Let go of its channels. Idempotent."""
        self.control.close()
        self.captures.close()


def _environment() -> dict[str, str]:
    """No account and no key: a worker decodes what strangers send. And the way to this very vigia, wherever that is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(SECRET_PREFIXES)}
    here = str(Path(vigia.__file__).parent.parent)
    return kept | {"PYTHONPATH": os.pathsep.join(part for part in (kept.get("PYTHONPATH", ""), here) if part)}
