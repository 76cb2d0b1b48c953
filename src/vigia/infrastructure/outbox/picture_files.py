"""The pictures of the outbox: one file each, durable before anybody names it."""

import os
from collections.abc import Container
from hashlib import sha256
from pathlib import Path
from re import compile as re_compile
from secrets import token_hex

from vigia.domain.capture import CaptureId
from vigia.infrastructure.outbox.directory import FILE_MODE, sync_directory

PART_SUFFIX = ".part"
_OURS = re_compile(r"[0-9a-f]{32}\.[0-9a-f]{8}\.jpg(\.part)?")


class PictureFiles:
    """Writes, checks and removes picture files in one folder. Stateless; any thread; every error is an OSError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, capture_id: CaptureId, jpeg: bytes) -> str:
        """Store a picture under a new name and return the name; when this returns, a power cut does not harm it.

        Written beside, fsynced, renamed, and the folder fsynced. The name is never used twice, so that a second
        attempt to commit a capture cannot touch the picture of the first. On error nothing is left behind.
        """
        name = f"{capture_id}.{token_hex(4)}.jpg"
        part, final = self._folder / (name + PART_SUFFIX), self._folder / name
        try:
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            with open(fd, "wb") as file:  # noqa: PTH123 - made by descriptor, for its mode
                file.write(jpeg)
                file.flush()
                os.fsync(fd)
            part.rename(final)
            sync_directory(self._folder)
        except BaseException:
            part.unlink(missing_ok=True)
            final.unlink(missing_ok=True)
            raise
        return name

    def read(self, name: str) -> bytes:
        """A picture's bytes, unchecked. Raises FileNotFoundError when it is not there."""
        return (self._folder / name).read_bytes()

    def size_bytes(self, name: str) -> int | None:
        """The file's size; None when it is not there."""
        try:
            return (self._folder / name).stat().st_size
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Delete a picture that no row needs any more; nothing when it is gone."""
        (self._folder / name).unlink(missing_ok=True)

    def orphans(self, named: Container[str]) -> list[str]:
        """Files of ours that are not in ``named``, half-written ones included. Strange files are left alone."""
        with os.scandir(self._folder) as items:
            return [item.name for item in items if _OURS.fullmatch(item.name) and item.name not in named]


def picture_hash(jpeg: bytes) -> str:
    """SHA-256, hexadecimal."""
    return sha256(jpeg).hexdigest()
