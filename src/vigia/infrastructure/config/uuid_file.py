"""This device's name for FindFace, made once and kept: each new one would be another device in FindFace's list."""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from vigia.application.errors import ConfigurationError

UUID_CHARACTERS_MAX = 256
"""FindFace's limit."""

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""How a file system says that it has no hard links (FAT, some network shares)."""


def stable_uuid(path: Path) -> str:
    """Return the uuid kept at ``path``; make one (mode 0600) when there is none.

    Any process, any thread: when several start together for the first time, all return the same uuid. The file is
    complete on disk before its uuid is returned, so that it survives a crash right after.

    Raises:
        ConfigurationError: the file cannot be read or made, or holds something else.
    """
    try:
        kept = _read(path)
        if kept is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            _create(path)
            kept = _read(path)
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a path that holds NUL
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not text"
        raise ConfigurationError(
            "%(file)s (this device's FindFace uuid) cannot be read or made: %(reason)s; set FINDFACE_UUID instead",
            file=str(path),
            reason=reason,
        ) from error
    if kept is None or not 1 <= len(kept) <= UUID_CHARACTERS_MAX or not kept.isprintable():
        raise ConfigurationError(
            "%(file)s holds no uuid (1 to %(length)d characters in one line); remove it to have a new one made",
            file=str(path),
            length=UUID_CHARACTERS_MAX,
        )
    return kept


def _read(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.read(UUID_CHARACTERS_MAX * 8).strip()
    except FileNotFoundError:
        return None


def _create(path: Path) -> None:
    """Write beside it, then put it in place in one step, unless another process was quicker."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(f"{uuid4()}\n")
            stream.flush()
            os.fsync(stream.fileno())
        with suppress(FileExistsError):
            _put_in_place(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _put_in_place(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)  # unlike a rename it never replaces
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        draft.replace(path)
