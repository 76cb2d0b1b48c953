"""Writing a file whole or not at all, for its owner's eyes only: what holds passwords, tokens or faces."""

import contextlib
import os
import tempfile
from pathlib import Path

from vigia.application.errors import ConfigurationError


def write_private(
    path: Path, content: bytes, *, replace: bool = True, keep_mode: bool = False, make_directory: bool = False
) -> None:
    """Write ``content`` beside ``path``, have it on disk, then put it in place in one step; mode 0600.

    A link is followed: the file that it names is replaced, not the link.

    Args:
        path: the file; its directory must be there, unless ``make_directory``.
        content: all of it.
        replace: False never replaces a file, however late it appears.
        keep_mode: a file that is there keeps its mode and, as far as this user may set it, its owner.
        make_directory: make its directory, and those above, where they are not there.

    Raises:
        ConfigurationError: it cannot be written, or is there and must not be replaced.
    """
    if make_directory:
        _make_directory_of(path)
    try:
        target = path.resolve()
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # mode 0600
        draft = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                if keep_mode:
                    _keep_mode(stream.fileno(), target)
                os.fsync(stream.fileno())
            if replace:
                draft.replace(target)
            else:
                target.hardlink_to(draft)  # unlike a rename it never replaces
        finally:
            draft.unlink(missing_ok=True)
        _sync_directory(target.parent)
    except FileExistsError as error:
        raise ConfigurationError("%(file)s is there already", file=path) from error
    except (OSError, ValueError, RuntimeError) as error:  # a path that holds NUL, links in a circle
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise ConfigurationError("%(file)s cannot be written: %(reason)s", file=path, reason=reason) from error


def _make_directory_of(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigurationError("%(file)s cannot be written: %(reason)s", file=path, reason=reason) from error


def _keep_mode(handle: int, target: Path) -> None:
    try:
        there = target.stat()
    except FileNotFoundError:
        return
    with contextlib.suppress(PermissionError):
        os.fchown(handle, there.st_uid, there.st_gid)
    os.fchmod(handle, there.st_mode & 0o777)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
