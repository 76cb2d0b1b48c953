"""The outbox's directory: private, and of one vigia at a time."""

import fcntl
import os
from pathlib import Path

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.logging import get_logger

logger = get_logger("vigia.outbox")

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
LOCK_NAME = "lock"
DATABASE_NAME = "outbox.sqlite3"
PICTURES_NAME = "pictures"


class OutboxInUse(ConfigurationError):
    """Another process has the directory."""


class OutboxDirectory:
    """A directory that this process holds alone, until ``close``.

    The lock is the operating system's (``flock``): it goes with the process, however that ends.

    Owner: the outbox. Any thread; ``close`` is idempotent.

    Args:
        path: made, with its parents, when it is not there. A directory that is new, empty or already an outbox becomes
            private (0700); a strange one that holds other things is left as it is, what is made in it is private.
        beside: the directory is another process's, perhaps: it must be there, and is neither changed nor locked.

    Raises:
        ConfigurationError: not a directory, no permission, no space, or another vigia has it.
    """

    def __init__(self, path: Path, *, beside: bool = False) -> None:
        self.path = path
        self._lock_fd: int | None = None
        if beside:
            if not self.database.is_file():
                raise ConfigurationError("there is no outbox in %(directory)s", directory=path)
            return
        try:
            self._make()
            self._lock_fd = self._take_lock()
        except OSError as error:
            raise ConfigurationError(
                "the outbox directory %(directory)s cannot be used: %(cause)s",
                directory=path,
                cause=error.strerror or error,
            ) from error

    @property
    def database(self) -> Path:
        """The rows."""
        return self.path / DATABASE_NAME

    @property
    def pictures(self) -> Path:
        """The folder of the pictures."""
        return self.path / PICTURES_NAME

    def close(self) -> None:
        """Let another process have it. Idempotent."""
        fd, self._lock_fd = self._lock_fd, None
        if fd is not None:
            os.close(fd)

    def _make(self) -> None:
        self.path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        names = set(os.listdir(self.path))  # noqa: PTH208 - names are wanted, not paths
        if names and DATABASE_NAME not in names and LOCK_NAME not in names:
            logger.warning("outbox directory %s holds other files too: its permissions are left as they are", self.path)
        else:
            self._make_private()
        self.pictures.mkdir(mode=DIRECTORY_MODE, exist_ok=True)

    def _make_private(self) -> None:
        try:
            self.path.chmod(DIRECTORY_MODE)
        except PermissionError:  # somebody else's, lent to us: a mounted volume, say
            logger.warning("outbox directory %s belongs to somebody else: its permissions stay", self.path)

    def _take_lock(self) -> int:
        fd = os.open(self.path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # For a person who asks who has it; the lock itself does not depend on what is written here.
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())
        except BlockingIOError as error:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise OutboxInUse(
                "the outbox directory %(directory)s is in use by another vigia (process %(holder)s)",
                directory=self.path,
                holder=holder or "?",
            ) from error
        except BaseException:
            os.close(fd)
            raise
        return fd


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
