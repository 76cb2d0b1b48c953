"""Directories that a run writes to: may it, is there room, and does the file system do what an outbox needs?

Nothing is made that stays: where a directory is not there yet, the nearest one above it stands for it.
"""

import fcntl
import os
import pwd
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from vigia.application.diagnosis import Finding
from vigia.application.errors import ConfigurationError
from vigia.bootstrap.doctor import kinds_place as kinds
from vigia.bootstrap.doctor.patient import Patient
from vigia.infrastructure.config import Settings
from vigia.infrastructure.outbox.directory import sync_directory

LOW_BYTES = 1_000_000_000
"""Less than this beyond what is left alone is room for a few thousand captures only."""
CAPTURE_BYTES = 300_000
"""A full picture of 1080p, as a JPEG of quality 95, and its row."""
INODES_MIN = 10_000
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "glusterfs", "ceph", "fuse.sshfs"})
OTHERS_WRITE = 0o002
STICKY = 0o1000


@dataclass(frozen=True, slots=True)
class Room:
    """What a file system has left."""

    free_bytes: int
    inodes: int | None
    """Files that can still be made; None: the file system does not count them."""


def look_at_disk(patient: Patient) -> list[Finding]:
    """The directories of these settings."""
    return list(_findings(patient.settings))


def _findings(settings: Settings) -> Iterator[Finding]:
    data = settings.data_dir
    places = {"data_dir": data}
    if settings.outbox.url is None and settings.outbox_directory.parent != data:
        places["outbox.directory"] = settings.outbox_directory
    if settings.log_file is not None and settings.log_file.parent.parent != data:
        places["log.file"] = settings.log_file.parent
    refused = {key: why for key, path in places.items() if (why := why_not_writable(path)) is not None}
    for key, why in refused.items():
        yield kinds.DISK_NOT_WRITABLE.of(key, directory=places[key], why=why, user=user_name(), key=key)
    yield from _foreign_files(settings)
    yield from _open_directory(data)
    yield from _models(settings)
    if "data_dir" not in refused:
        room = room_of(nearest(data))
        yield _place(data, room.free_bytes, kept_bytes=settings.outbox.free_bytes_min)
    if settings.outbox.url is None and not {"data_dir", "outbox.directory"} & refused.keys():
        outbox = settings.outbox_directory
        yield from judge_room(outbox, room_of(nearest(outbox)), kept_bytes=settings.outbox.free_bytes_min)
        yield from judge_file_system(outbox, kind_of(nearest(outbox)), lacks=lacks_of(nearest(outbox)))


def _place(directory: Path, free_bytes: int, *, kept_bytes: int) -> Finding:
    kind = kinds.DISK_WRITABLE if directory.is_dir() else kinds.DISK_TO_BE_MADE
    return kind.of(directory=directory, free=free_bytes / 1e9, captures=captures_in(free_bytes, kept_bytes=kept_bytes))


def captures_in(free_bytes: int, *, kept_bytes: int) -> int:
    """So many captures fit, about."""
    return max(0, free_bytes - kept_bytes) // CAPTURE_BYTES


def judge_room(directory: Path, room: Room, *, kept_bytes: int) -> Iterator[Finding]:
    """Whether there is enough; nothing where there is."""
    captures = captures_in(room.free_bytes, kept_bytes=kept_bytes)
    free_mb = room.free_bytes // 1_000_000
    if room.free_bytes <= kept_bytes:
        yield kinds.DISK_FULL.of(directory=directory, free=free_mb, kept=kept_bytes // 1_000_000)
    elif room.free_bytes < kept_bytes + LOW_BYTES:
        yield kinds.DISK_LOW.of(directory=directory, free=free_mb, captures=captures)
    if room.inodes is not None and room.inodes < INODES_MIN:
        yield kinds.DISK_FEW_INODES.of(directory=directory, count=room.inodes)


def judge_file_system(directory: Path, kind: str, *, lacks: str) -> Iterator[Finding]:
    """Whether a file system of this kind keeps captures; nothing where it does."""
    if lacks:
        yield kinds.DISK_LACKS.of(directory=directory, kind=kind or "?", lacks=lacks)
    if kind in IN_MEMORY:
        yield kinds.DISK_IN_MEMORY.of(directory=directory, kind=kind)
    elif kind in NETWORK:
        yield kinds.DISK_NETWORK.of(directory=directory, kind=kind)


def nearest(path: Path) -> Path:
    """The path, or the nearest one above it that is there."""
    path = path.absolute()
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def why_not_writable(path: Path) -> str | None:
    """Make a file there, or above it where it is not there yet, and take it away; None when that works."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=".vigia-check-", dir=nearest(path))
        try:
            os.write(descriptor, b"vigia")
        finally:
            os.close(descriptor)
            Path(name).unlink()
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def room_of(directory: Path) -> Room:
    """What is left for this user."""
    facts = os.statvfs(directory)
    return Room(shutil.disk_usage(directory).free, facts.f_favail if facts.f_files else None)


def kind_of(directory: Path) -> str:
    """The kind of its file system, such as ``ext4``; empty when nobody tells."""
    place = directory.resolve()
    with suppress(OSError):
        mounted = [part for part in psutil.disk_partitions(all=True) if place.is_relative_to(part.mountpoint)]
        if mounted:
            return max(mounted, key=lambda part: len(part.mountpoint)).fstype
    return ""


def lacks_of(directory: Path) -> str:
    """What of an outbox's needs does not work in a directory, by the names of the calls; empty when all works."""
    try:
        with tempfile.TemporaryDirectory(prefix=".vigia-check-", dir=directory) as made:
            return ", ".join(name for name, probe in PROBES.items() if not _works(probe, Path(made)))
    except OSError as error:
        return error.strerror or type(error).__name__


def _works(probe: Callable[[Path], None], directory: Path) -> bool:
    try:
        probe(directory)
    except (OSError, sqlite3.Error):
        return False
    return True


def _sync_file(directory: Path) -> None:
    descriptor = os.open(directory / "synced", os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, b"vigia")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock(directory: Path) -> None:
    """Of two descriptors only one may hold it."""
    first, second = (os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600) for _ in range(2))
    try:
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        raise OSError("two processes would hold the same lock")
    finally:
        os.close(first)
        os.close(second)


def _rename(directory: Path) -> None:
    (directory / "before").write_bytes(b"vigia")
    (directory / "after").write_bytes(b"")
    (directory / "before").replace(directory / "after")


def _wal(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "probe.sqlite3", isolation_level=None)) as connection:
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise OSError("no WAL")
        connection.execute("CREATE TABLE probe (one integer)")


PROBES: dict[str, Callable[[Path], None]] = {
    "fsync": _sync_file,
    "fsync of a directory": sync_directory,
    "flock": _lock,
    "rename": _rename,
    "SQLite WAL": _wal,
}


def _foreign_files(settings: Settings) -> Iterator[Finding]:
    """The first file that a run would write and may not: the others will be the same person's."""
    outbox = settings.outbox_directory
    files = [
        outbox / "outbox.sqlite3", outbox / "lock", outbox / "pictures", settings.camera_list_file,
        settings.status_file, settings.uuid_file, settings.web_users_file, settings.audit_file,
        settings.audit_logins_file, settings.web_devices_file, settings.first_password_file,
    ]  # fmt: skip
    files += [] if settings.log_file is None else [settings.log_file]
    for file in files:
        with suppress(OSError):
            facts = file.stat()
            if not os.access(file, os.R_OK | os.W_OK):
                owner = name_of(facts.st_uid)
                yield kinds.DISK_FOREIGN_FILE.of(file=file, owner=owner, user=user_name(), directory=file.parent)
                return


def _models(settings: Settings) -> Iterator[Finding]:
    """A directory without prepared models that cannot take any."""
    try:
        directory = settings.models_directory()
        prepared = any(directory.glob("*-prepared*.onnx"))
    except (ConfigurationError, OSError):
        return  # the look at the model tells why
    why = None if prepared else why_not_writable(directory)
    if why is not None:
        yield kinds.DISK_MODELS.of(directory=directory, why=why)


def _open_directory(directory: Path) -> Iterator[Finding]:
    with suppress(OSError):
        mode = directory.stat().st_mode
        if mode & OTHERS_WRITE and not mode & STICKY:
            yield kinds.DISK_OPEN.of(directory=directory, mode=f"{mode & 0o7777:04o}")


def user_name() -> str:
    """Who this process is."""
    return name_of(os.geteuid())


def name_of(uid: int) -> str:
    """A user's name, or the number of one without."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
