"""The stand-in's database, and the lock that keeps two stand-ins out of one directory."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vigia.application.errors import ConfigurationError

BUSY_TIMEOUT_S = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS groups (
    id INTEGER PRIMARY KEY, deleted INTEGER NOT NULL DEFAULT 0, seed TEXT, doc TEXT NOT NULL,
    created_us INTEGER NOT NULL, modified_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS cameras (
    id INTEGER PRIMARY KEY, deleted INTEGER NOT NULL DEFAULT 0, seed TEXT, doc TEXT NOT NULL,
    created_us INTEGER NOT NULL, modified_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    token_sha256 TEXT PRIMARY KEY, uuid TEXT NOT NULL, created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS posts (
    id INTEGER PRIMARY KEY, camera INTEGER NOT NULL, camera_group INTEGER NOT NULL, timestamp_us INTEGER,
    received_us INTEGER NOT NULL, sha256 TEXT NOT NULL, format TEXT NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, bytes INTEGER NOT NULL, roi TEXT, mf_selector TEXT NOT NULL, temperature REAL,
    duplicate INTEGER NOT NULL, external_detector INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS posts_by_time ON posts (camera, timestamp_us);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, post INTEGER NOT NULL REFERENCES posts (id), camera INTEGER NOT NULL,
    camera_group INTEGER NOT NULL, created_us INTEGER NOT NULL, box_left INTEGER NOT NULL, box_top INTEGER NOT NULL,
    box_right INTEGER NOT NULL, box_bottom INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_time ON events (camera, created_us);
CREATE TABLE IF NOT EXISTS totals (
    camera INTEGER PRIMARY KEY, posts INTEGER NOT NULL DEFAULT 0, events INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS refusals (
    camera INTEGER NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (camera, reason));
"""


class StubDatabase:
    """The open database and the lock on its folder.

    Every commit is on disk when ``transaction`` returns (WAL with ``synchronous=FULL``): a kill -9 or a power cut
    afterwards does not undo it.

    Owner: one thread at a time; which one may change (see ``StubContext.in_store``). Stops when: closed.
    """

    def __init__(self, data_dir: Path) -> None:
        """Open or make it.

        Raises:
            ConfigurationError: the folder cannot be written, or another stand-in uses it.
        """
        self.data_dir = data_dir
        self._lock_fd = _lock_folder(data_dir)
        try:
            self.connection = _connect(data_dir / "stub.sqlite3")
        except sqlite3.Error as error:
            os.close(self._lock_fd)
            raise ConfigurationError("cannot open the stand-in's database in %(path)s", path=data_dir) from error

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing; fsynced when it returns."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # SQLite ends it by itself after some failures, a full disk among them
                self.connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Let go of the files. Idempotent."""
        self.connection.close()
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


def _lock_folder(data_dir: Path) -> int:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock_fd = os.open(data_dir / "stub.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError("cannot write the stand-in's directory %(path)s", path=data_dir) from error
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_fd)
        raise ConfigurationError("another stand-in already uses the directory %(path)s", path=data_dir) from error
    return lock_fd


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
