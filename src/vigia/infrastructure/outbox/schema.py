"""The outbox's tables, their versions, and how an older file becomes a newer one.

``user_version`` holds the version. To change the tables, append a script to ``MIGRATIONS``; never edit an old one:
files in the field were made by it. An index alone is no new version: see ``INDICES``.
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

_VERSION_2 = """
ALTER TABLE capture ADD COLUMN code TEXT NOT NULL DEFAULT '';        -- why it is dead, for machines
ALTER TABLE capture ADD COLUMN picture_kept INTEGER NOT NULL DEFAULT 1 CHECK (picture_kept IN (0, 1));
ALTER TABLE capture ADD COLUMN file_bytes INTEGER NOT NULL DEFAULT 0; -- as written: sealed it is more than size_bytes
ALTER TABLE capture ADD COLUMN exempt INTEGER NOT NULL DEFAULT 0 CHECK (exempt IN (0, 1)); -- put back: never too old
ALTER TABLE capture ADD COLUMN ended_at REAL;                        -- wall time, seconds; NULL while unsent
UPDATE capture SET file_bytes = size_bytes, picture_kept = (state <> 'delivered'),
       code = CASE state WHEN 'dead' THEN 'delivery' ELSE '' END,
       -- When it ended was not written down: its time to be kept begins now.
       ended_at = CASE WHEN state IN ('pending', 'leased') THEN NULL ELSE CAST(strftime('%s', 'now') AS REAL) END;
CREATE INDEX capture_age ON capture (committed_at) WHERE state = 'pending';
CREATE INDEX capture_ended ON capture (state, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX capture_spare ON capture (state, seq) WHERE picture_kept = 1 AND ended_at IS NOT NULL;
CREATE INDEX capture_bare ON capture (seq) WHERE picture_kept = 0 AND state = 'dead';
CREATE TABLE tally (
    what TEXT PRIMARY KEY,
    captures INTEGER NOT NULL                   -- what happened to captures without a sender, since the file was made
) WITHOUT ROWID;
CREATE TABLE usage (                            -- kept by the triggers below, so that limits cost no scan
    state TEXT PRIMARY KEY,
    captures INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO usage (state, captures, bytes)
SELECT s.state, count(c.seq), coalesce(sum(c.file_bytes * c.picture_kept), 0)
FROM (SELECT 'pending' AS state UNION SELECT 'leased' UNION SELECT 'delivered' UNION SELECT 'refused'
      UNION SELECT 'dead') AS s LEFT JOIN capture AS c ON c.state = s.state GROUP BY s.state;
CREATE TRIGGER capture_came AFTER INSERT ON capture BEGIN
    UPDATE usage SET captures = captures + 1, bytes = bytes + new.file_bytes * new.picture_kept
    WHERE state = new.state;
END;
CREATE TRIGGER capture_went AFTER DELETE ON capture BEGIN
    UPDATE usage SET captures = captures - 1, bytes = bytes - old.file_bytes * old.picture_kept
    WHERE state = old.state;
END;
CREATE TRIGGER capture_changed AFTER UPDATE OF state, picture_kept, file_bytes ON capture BEGIN
    UPDATE usage SET captures = captures - 1, bytes = bytes - old.file_bytes * old.picture_kept
    WHERE state = old.state;
    UPDATE usage SET captures = captures + 1, bytes = bytes + new.file_bytes * new.picture_kept
    WHERE state = new.state;
END;
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1, _VERSION_2)
"""``MIGRATIONS[n]`` makes version n + 1 of version n."""
INTERIM_VERSION = 3
"""What some files of version 2 say, from days when an index was taken for a version; they are version 2 again when they
are opened. The next version is 4, after an empty script."""

NEWEST = "capture_newest"
NEWEST_OF_CAMERA = "capture_of_camera"
NEWEST_OF_STATE = "capture_by_state"
INDICES = {
    NEWEST: f"CREATE INDEX IF NOT EXISTS {NEWEST} ON capture (seq, state, camera_id, quality);",
    NEWEST_OF_CAMERA: f"CREATE INDEX IF NOT EXISTS {NEWEST_OF_CAMERA} ON capture (camera_id, seq, state, quality);",
}
"""Of what is read newest first: made when a file is opened that lacks them. They are no part of the version, as a vigia
that knows nothing of them reads and writes the file all the same."""


def migrate(connection: sqlite3.Connection, path: Path, *, migrations: tuple[str, ...] = MIGRATIONS) -> int:
    """Bring a database to the newest version, each step in a transaction of its own; then make the indices it lacks.

    Returns:
        The version it had before.

    Raises:
        ConfigurationError: a newer vigia made the file, or it is not an outbox at all.
        sqlite3.Error: it could not be written; the steps done so far stay.
    """
    stored = int(connection.execute("PRAGMA user_version").fetchone()[0])
    version = _meant(stored)
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
        _run(connection, f"{script}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number};")
    there = index_names(connection)
    missing = [text for name, text in INDICES.items() if name not in there]
    if missing or stored == INTERIM_VERSION:
        _run(connection, "\n".join([*missing, f"PRAGMA user_version = {len(migrations)};"]))
    return version


def require_newest(connection: sqlite3.Connection, path: Path) -> None:
    """Check that a database is one of this version, without changing it.

    Raises:
        ConfigurationError: it is another version's, or no outbox.
    """
    version = _meant(int(connection.execute("PRAGMA user_version").fetchone()[0]))
    if int(connection.execute("PRAGMA application_id").fetchone()[0]) != APPLICATION_ID:
        raise ConfigurationError("%(path)s is a database, but not an outbox of vigia", path=path)
    if version != len(MIGRATIONS):
        raise ConfigurationError(
            "the outbox %(path)s is of version %(version)d and this vigia knows %(known)d; "
            "start vigia once to bring an older one up to date",
            path=path,
            version=version,
            known=len(MIGRATIONS),
        )


def index_names(connection: sqlite3.Connection) -> frozenset[str]:
    """The indices that a database has: one that an older vigia runs on may lack some."""
    return frozenset(row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'"))


def _meant(version: int) -> int:
    return INTERIM_VERSION - 1 if version == INTERIM_VERSION else version


def _run(connection: sqlite3.Connection, script: str) -> None:
    """Run a script as one transaction: executescript commits what is open, so that it has to be part of the script."""
    try:
        connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nCOMMIT;")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.rollback()
        raise
