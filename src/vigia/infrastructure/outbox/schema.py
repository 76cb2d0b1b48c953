"""The outbox's tables, their versions, and how an older file becomes a newer one.

``user_version`` holds the version. To change the tables, append a script to ``MIGRATIONS``; never edit an old one:
files in the field were made by it.
"""

import sqlite3
from pathlib import Path

from vigia.application.errors import ConfigurationError

APPLICATION_ID = 0x76696761
"""``viga`` in ASCII: marks the file as ours."""

_VERSION_1 = """
CREATE TABLE capture (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,      -- order of commitment
    id TEXT NOT NULL UNIQUE,
    camera_id TEXT NOT NULL,
    findface_camera_id INTEGER,
    track_id INTEGER NOT NULL,
    at_utc TEXT NOT NULL,                       -- ISO 8601 with offset
    box_xyxy TEXT NOT NULL,                     -- JSON
    roi_ltrb TEXT NOT NULL,                     -- JSON
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    quality REAL NOT NULL,
    details TEXT NOT NULL,                      -- JSON
    file TEXT NOT NULL,                         -- name in the folder of pictures; of a delivered one it is gone
    size_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'leased', 'delivered', 'refused', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    maybe_sent INTEGER NOT NULL DEFAULT 0 CHECK (maybe_sent IN (0, 1)),
    due_at REAL NOT NULL,                       -- wall time, seconds
    lease TEXT,
    lease_until REAL,                           -- wall time, seconds
    reason TEXT NOT NULL DEFAULT '',
    event_ids TEXT NOT NULL DEFAULT '[]',       -- JSON
    committed_at REAL NOT NULL,                 -- wall time, seconds
    CHECK ((state = 'leased') = (lease IS NOT NULL)),
    CHECK ((state = 'leased') = (lease_until IS NOT NULL))
);
CREATE INDEX capture_by_state ON capture (state, seq);
CREATE INDEX capture_waiting ON capture (camera_id, seq) WHERE state = 'pending';
CREATE INDEX capture_due ON capture (due_at) WHERE state = 'pending';
CREATE INDEX capture_lease_end ON capture (lease_until) WHERE state = 'leased';
CREATE TABLE camera (
    camera_id TEXT PRIMARY KEY,
    turn INTEGER NOT NULL                       -- when it was served last; the lowest is served next
) WITHOUT ROWID;
CREATE TABLE pruned (
    state TEXT PRIMARY KEY,
    captures INTEGER NOT NULL                   -- rows no longer kept, so that the counts stay true
) WITHOUT ROWID;
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1,)
"""``MIGRATIONS[n]`` makes version n + 1 of version n."""


def migrate(connection: sqlite3.Connection, path: Path, *, migrations: tuple[str, ...] = MIGRATIONS) -> int:
    """Bring a database to the newest version, each step in a transaction of its own.

    Returns:
        The version it had before.

    Raises:
        ConfigurationError: a newer vigia made the file, or it is not an outbox at all.
        sqlite3.Error: it could not be written; the steps done so far stay.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application_id = int(connection.execute("PRAGMA application_id").fetchone()[0])
    if version > len(migrations):
        raise ConfigurationError(
            "the outbox %(path)s was made by a newer vigia (version %(version)d, this one knows %(known)d)",
            path=path,
            version=version,
            known=len(migrations),
        )
    fresh = version == 0 and connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if not fresh and application_id != APPLICATION_ID:
        raise ConfigurationError("%(path)s is a database, but not an outbox of vigia", path=path)
    for number, script in enumerate(migrations[version:], start=version + 1):
        # executescript commits what is open, so that the transaction has to be part of the script.
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\n"
                f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number};\nCOMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            raise
    return version
