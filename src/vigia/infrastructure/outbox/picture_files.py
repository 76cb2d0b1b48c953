"""The pictures of the outbox: one file each, durable before anybody names it."""

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import RawIOBase
from pathlib import Path
from re import compile as re_compile
from secrets import token_hex
from typing import Protocol

from vigia.application.errors import OutboxCorrupt
from vigia.domain.capture import CaptureId
from vigia.infrastructure.outbox.directory import FILE_MODE, sync_directory
from vigia.infrastructure.outbox.fault_points import FaultPoint, no_fault

_OURS = re_compile(r"[0-9a-f]{32}\.[0-9a-f]{8}\.jpg(\.part)?")
"""A capture's id and a random part; ``.part`` was half a file of earlier versions."""


class PictureCodec(Protocol):
    """How a JPEG lies on the disk: as it is, or encrypted. Any thread."""

    def seal(self, capture_id: CaptureId, jpeg: bytes) -> bytes:
        """What is written."""
        ...

    def open(self, capture_id: CaptureId, data: bytes) -> bytes:
        """The JPEG again.

        Raises:
            OutboxCorrupt: the data was changed, or its key is not among ours.
        """
        ...


class PlainPictures:
    """The codec that changes nothing."""

    def seal(self, _capture_id: CaptureId, jpeg: bytes) -> bytes:
        """The JPEG as it is."""
        return jpeg

    def open(self, _capture_id: CaptureId, data: bytes) -> bytes:
        """The JPEG as it is."""
        return data


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A file that is durable."""

    name: str
    file_bytes: int


@dataclass(frozen=True, slots=True)
class FoundFile:
    """Something in the folder of pictures."""

    name: str
    ours: bool
    """Its name is one that vigia gives."""
    changed_at: float
    """Wall time of its last change, seconds."""


class PictureFiles:
    """Writes, checks and removes picture files in one folder. Stateless; any thread; what the disk does is an OSError.

    Args:
        folder: where.
        codec: how a JPEG lies there.
        fault_point: see ``fault_points.py``.
    """

    def __init__(self, folder: Path, *, codec: PictureCodec | None = None, fault_point: FaultPoint = no_fault) -> None:
        self._folder = folder
        self._codec: PictureCodec = codec if codec is not None else PlainPictures()
        self._fault_point = fault_point

    def write(self, capture_id: CaptureId, jpeg: bytes) -> StoredPicture:
        """Store a picture under a new name; when this returns, a power cut does not harm it.

        Written, fsynced, and the folder fsynced. Nobody knows the name before the row that follows, so that half a file
        is nobody's picture: no second name is needed. It is never used twice, so that a second attempt to commit a
        capture cannot touch the picture of the first. On error nothing is left behind.
        """
        data = self._codec.seal(capture_id, jpeg)
        name = f"{capture_id}.{token_hex(4)}.jpg"
        path, step = self._folder / name, self._fault_point
        try:
            step("picture.create.before")
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
            with open(fd, "wb", buffering=0) as file:  # noqa: PTH123 - made by descriptor, for its mode
                step("picture.create.after")
                step("picture.write.before")
                _write_all(file, data)
                step("picture.write.after")
                step("picture.fsync.before")
                os.fsync(fd)
                step("picture.fsync.after")
            step("picture.folder_fsync.before")
            sync_directory(self._folder)
            step("picture.folder_fsync.after")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return StoredPicture(name, len(data))

    def read(self, name: str, *, capture_id: CaptureId, file_bytes: int, digest: str) -> bytes:
        """A picture's JPEG, compared with what was committed.

        Args:
            name: of the file.
            capture_id: whose picture it is.
            file_bytes: the size that was written.
            digest: ``picture_hash`` of the JPEG.

        Raises:
            FileNotFoundError: it is not there.
            PictureCut: it has another size.
            OutboxCorrupt: its content is not what was written, or its key is not there.
        """
        data = (self._folder / name).read_bytes()
        if len(data) != file_bytes:
            raise PictureCut(
                "its picture is damaged: %(found)d bytes found, %(written)d written",
                found=len(data),
                written=file_bytes,
            )
        jpeg = self._codec.open(capture_id, data)
        if picture_hash(jpeg) != digest:
            raise OutboxCorrupt("its picture is damaged: %(found)d bytes, their content changed", found=len(data))
        return jpeg

    def path(self, name: str) -> Path:
        """Where a picture lies."""
        return self._folder / name

    def size_bytes(self, name: str) -> int | None:
        """The file's size; None when it is not there."""
        try:
            return (self._folder / name).stat().st_size
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Delete a picture that no row needs any more; nothing when it is gone."""
        self._fault_point("picture.remove.before")
        (self._folder / name).unlink(missing_ok=True)
        self._fault_point("picture.remove.after")

    def orphans(self, named: Container[str]) -> list[str]:
        """Files of ours that are not in ``named``, half-written ones included. Strange files are left alone."""
        with os.scandir(self._folder) as items:
            return [item.name for item in items if _OURS.fullmatch(item.name) and item.name not in named]

    def found(self) -> Iterator[FoundFile]:
        """Everything in the folder. What vanishes meanwhile is passed over."""
        with os.scandir(self._folder) as items:
            for item in items:
                try:
                    ours = item.is_file(follow_symlinks=False) and _OURS.fullmatch(item.name) is not None
                    changed_at = item.stat(follow_symlinks=False).st_mtime
                except FileNotFoundError:
                    continue
                yield FoundFile(item.name, ours, changed_at)


class PictureCut(OutboxCorrupt):
    """A picture has another size than was written."""


def _write_all(file: RawIOBase, data: bytes) -> None:
    """``write`` may take only a part: 2 GB at once, or what a disk has left."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) or 0 :]


def picture_hash(jpeg: bytes) -> str:
    """SHA-256, hexadecimal."""
    return sha256(jpeg).hexdigest()
