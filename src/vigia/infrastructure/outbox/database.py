"""The outbox's SQLite connections: one writer behind a lock, one reader that does not wait for it.

WAL, ``synchronous=FULL``: a transaction that has been committed survives a power cut, and reading goes on while
another transaction is being written.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vigia.application.errors import ConfigurationError, OutboxUnavailable
from vigia.infrastructure.outbox.directory import FILE_MODE, sync_directory
from vigia.infrastructure.outbox.fault_points import FaultPoint, no_fault
from vigia.infrastructure.outbox.schema import index_names, migrate, require_newest

CACHE_KIB = 512
"""Pages that each connection keeps. What is due lies in a few of them; SQLite's 2 MB would only fill up with rows that
are done."""
BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for somebody from outside (a person with ``sqlite3``) to let go of the file."""


class OutboxDatabase:
    """Transactions and reads on one database file.

    Owner: two locks, one for each connection. Unlike others here, these locks are held across disk access: to have one
    statement at a time on its connection is all they are for. Whoever holds one waits for nothing but the disk.
    Any thread; ``close`` is idempotent.

    Args:
        path: the file.
        fault_point: see ``fault_points.py``.
        beside: the file is another process's: it is neither made nor brought up to date.

    Raises:
        ConfigurationError: the file cannot be opened or written, is damaged, foreign, or of a newer vigia.
    """

    def __init__(self, path: Path, *, fault_point: FaultPoint = no_fault, beside: bool = False) -> None:
        self._path = path
        self._fault_point = fault_point
        self._writer_lock = threading.Lock()  # guards _writer and _is_durable
        self._reader_lock = threading.Lock()  # guards _reader
        self._writer: sqlite3.Connection | None = None
        self._is_durable = True  # the writer's setting
        self._reader: sqlite3.Connection | None = None
        try:
            flags = os.O_RDWR | os.O_CLOEXEC | (0 if beside else os.O_CREAT)
            os.close(os.open(path, flags, FILE_MODE))  # SQLite would make it 0644
            self._writer = self._connect()
            self._prepare(self._writer, beside=beside)
            self._reader = self._connect()
            self._reader.execute("PRAGMA query_only = ON")
            self.indices = index_names(self._reader)
            """Those that may be named in a query. Never changes."""
            if not beside:
                sync_directory(path.parent)
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise ConfigurationError(
                "the outbox database %(path)s cannot be used: %(cause)s", path=path, cause=error
            ) from error
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self, name: str, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Run statements as one IMMEDIATE transaction: all of them are durable afterwards, or none happened.

        Args:
            name: one of ``fault_points.TRANSACTIONS``.
            durable: False: it survives this process at once, a power cut only together with the next durable
                transaction: the log is one file, written in order.

        Raises:
            OutboxUnavailable: disk full, locked, damaged or closed; nothing was written.
        """
        with self._writer_lock, _translated():
            connection = _opened(self._writer)
            self._fault_point(f"{name}.before")
            if durable is not self._is_durable:
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._is_durable = durable
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                self._fault_point(f"{name}.written")
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk makes SQLite roll back by itself
                    connection.rollback()
                raise
            self._fault_point(f"{name}.after")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Run queries that do not wait for a transaction being written. Raises OutboxUnavailable."""
        with self._reader_lock, _translated():
            yield _opened(self._reader)

    def flush(self) -> None:
        """Make durable what was committed without. Raises OutboxUnavailable."""
        with self._writer_lock, _translated():
            _opened(self._writer).execute("PRAGMA wal_checkpoint(PASSIVE)")  # which syncs the log first

    def close(self) -> None:
        """Close both connections, waiting for what they are doing. Idempotent."""
        with self._reader_lock:
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.close()
        with self._writer_lock:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        connection.row_factory = sqlite3.Row
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        return connection

    def _prepare(self, writer: sqlite3.Connection, *, beside: bool) -> None:
        if beside:
            require_newest(writer, self._path)
            writer.execute("PRAGMA synchronous = FULL")
            return
        mode = writer.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise ConfigurationError(
                "the outbox database %(path)s needs a file system with shared memory (WAL), which this one lacks",
                path=self._path,
            )
        writer.execute("PRAGMA synchronous = FULL")
        verdict = writer.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise ConfigurationError(
                "the outbox database %(path)s is damaged: %(cause)s", path=self._path, cause=verdict
            )
        migrate(writer, self._path)


def _opened(connection: sqlite3.Connection | None) -> sqlite3.Connection:
    if connection is None:
        raise OutboxUnavailable("the outbox is closed")
    return connection


@contextmanager
def _translated() -> Iterator[None]:
    """Turn what the disk may do to us into OutboxUnavailable; our own mistakes pass as they are."""
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.IntegrityError, sqlite3.InterfaceError):
        raise
    except sqlite3.Error as error:
        raise OutboxUnavailable("the outbox database cannot be used: %(cause)s", cause=error) from error
