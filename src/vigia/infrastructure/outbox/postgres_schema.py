"""The outbox's tables on PostgreSQL, their versions, and how an older schema becomes a newer one.

To change the tables, append a script to ``MIGRATIONS``; never edit an old one. Others may run the version before on
the same tables meanwhile: add columns with defaults, take nothing away. An index alone is no new version: see
``INDICES``.
"""

from contextlib import closing

import psycopg
from psycopg import sql

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.outbox.postgres_address import PostgresAddress
from vigia.infrastructure.outbox.postgres_connections import Connection, connect, told

SCHEMA = "vigia"
"""Where the tables are in the database."""
LOCK_CLASS = 0x76696761
"""``viga`` in ASCII: the advisory lock under which one vigia at a time brings a schema up to date."""
MIGRATION_TIMEOUT_S = 300

_VERSION_1 = """
CREATE TABLE capture (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- order of commitment
    id text NOT NULL UNIQUE,
    camera_id text NOT NULL,
    findface_camera_id bigint,
    track_id bigint NOT NULL,
    at_utc text NOT NULL,                        -- ISO 8601 with offset
    box_xyxy text NOT NULL,                      -- JSON
    roi_ltrb text NOT NULL,                      -- JSON
    width integer NOT NULL,
    height integer NOT NULL,
    quality double precision NOT NULL,
    details text NOT NULL,                       -- JSON; not jsonb, which knows no NUL and changes numbers
    key_id text NOT NULL,                        -- of the key that its picture is sealed with; empty: not sealed
    file_bytes bigint NOT NULL,                  -- of the picture as stored: sealed it is more than size_bytes
    size_bytes bigint NOT NULL,
    sha256 text NOT NULL,                        -- of the JPEG
    picture_kept boolean NOT NULL DEFAULT true,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'leased', 'delivered', 'refused', 'dead')),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    maybe_sent boolean NOT NULL DEFAULT false,
    exempt boolean NOT NULL DEFAULT false,       -- put back by a person: never too old
    due_at double precision NOT NULL,            -- times are the server's, seconds since 1970
    lease text,
    lease_until double precision,
    ended_lease text,                            -- the lease that a sender ended it with
    reason text NOT NULL DEFAULT '',
    code text NOT NULL DEFAULT '',               -- why it is dead, for machines
    event_ids text NOT NULL DEFAULT '[]',        -- JSON
    committed_at double precision NOT NULL,
    ended_at double precision,                   -- NULL while unsent
    CHECK ((state = 'leased') = (lease IS NOT NULL)),
    CHECK ((state = 'leased') = (lease_until IS NOT NULL))
);
CREATE INDEX capture_waiting ON capture (camera_id, seq) WHERE state = 'pending';
CREATE INDEX capture_oldest ON capture (seq) WHERE state = 'pending';
CREATE INDEX capture_due ON capture (due_at) WHERE state = 'pending';
CREATE INDEX capture_age ON capture (committed_at) WHERE state = 'pending';
CREATE INDEX capture_lease_end ON capture (lease_until) WHERE state = 'leased';
CREATE INDEX capture_finished ON capture (state, seq) WHERE ended_at IS NOT NULL;
CREATE INDEX capture_ended ON capture (state, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX capture_spare ON capture (state, seq) WHERE picture_kept AND ended_at IS NOT NULL;
CREATE INDEX capture_bare ON capture (seq) WHERE state = 'dead' AND NOT picture_kept;

CREATE TABLE picture (
    seq bigint PRIMARY KEY REFERENCES capture ON DELETE CASCADE,
    data bytea NOT NULL
);
ALTER TABLE picture ALTER COLUMN data SET STORAGE EXTERNAL;  -- a JPEG cannot be compressed further
-- Rows come and go all day: the space of those that went is used again soon.
ALTER TABLE picture SET (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE capture SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE TABLE camera (
    camera_id text PRIMARY KEY,
    turn bigint NOT NULL DEFAULT 0               -- when it was served last; the lowest is served next
);
CREATE SEQUENCE camera_turn;

-- Sums, kept as what is added to them, so that no two transactions wait for one counter; merged now and then.
-- kept:STATE rows and bytes that are there, forgotten:STATE rows no longer kept, tally:WORD without a sender.
CREATE TABLE movement (
    what text NOT NULL,
    captures bigint NOT NULL,
    bytes bigint NOT NULL DEFAULT 0
);
ALTER TABLE movement SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000);

CREATE FUNCTION capture_came() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO movement (what, captures, bytes)
    SELECT 'kept:' || state, count(*), sum(CASE WHEN picture_kept THEN file_bytes ELSE 0 END)
    FROM new_rows GROUP BY state;
    RETURN NULL;
END $$;
CREATE FUNCTION capture_went() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO movement (what, captures, bytes)
    SELECT 'kept:' || state, -count(*), -sum(CASE WHEN picture_kept THEN file_bytes ELSE 0 END)
    FROM old_rows GROUP BY state;
    RETURN NULL;
END $$;
CREATE FUNCTION capture_changed() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO movement (what, captures, bytes)
    SELECT 'kept:' || state, sum(captures), sum(bytes) FROM (
        SELECT state, 1 AS captures, CASE WHEN picture_kept THEN file_bytes ELSE 0 END AS bytes FROM new_rows
        UNION ALL
        SELECT state, -1, CASE WHEN picture_kept THEN -file_bytes ELSE 0 END FROM old_rows
    ) AS difference GROUP BY state HAVING sum(captures) <> 0 OR sum(bytes) <> 0;
    RETURN NULL;
END $$;
CREATE TRIGGER capture_came AFTER INSERT ON capture
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION capture_came();
CREATE TRIGGER capture_went AFTER DELETE ON capture
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION capture_went();
CREATE TRIGGER capture_changed AFTER UPDATE ON capture
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION capture_changed();
"""

MIGRATIONS: tuple[str, ...] = (_VERSION_1,)
"""``MIGRATIONS[n]`` makes version n + 1 of version n."""
INTERIM_VERSION = 2
"""What some schemas of version 1 say, from days when an index was taken for a version; they are version 1 again when
they are opened. The next version is 3, after an empty script."""
INDICES = {
    "capture_newest": "CREATE INDEX IF NOT EXISTS capture_newest ON capture (seq, state, camera_id, quality)",
    "capture_of_camera": "CREATE INDEX IF NOT EXISTS capture_of_camera ON capture (camera_id, seq, state, quality)",
}
"""Of what is read newest first: made when a schema is opened that lacks them. They are no part of the version, as a
vigia that knows nothing of them works on the same tables all the same."""


def migrate(
    connection: Connection, address: PostgresAddress, schema: str, *, migrations: tuple[str, ...] = MIGRATIONS
) -> int:
    """Bring a schema to the newest version and make the indices it lacks, in one transaction; several may at once.

    Returns:
        The version it had before; 0 when there was none.

    Raises:
        ConfigurationError: a newer vigia made it, it holds other things, or this user may not change it.
    """
    try:
        with connection.transaction():
            connection.execute(f"SET LOCAL statement_timeout = '{MIGRATION_TIMEOUT_S}s'")
            connection.execute(f"SET LOCAL lock_timeout = '{MIGRATION_TIMEOUT_S}s'")
            connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (LOCK_CLASS, schema))
            version = _version(connection, address, schema)
            if version is None:
                name = sql.Identifier(schema)
                if not _exists(connection, schema):  # to ask for one that is there takes a right too many
                    connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
                connection.execute("CREATE TABLE vigia_outbox (version integer NOT NULL)")
                connection.execute("INSERT INTO vigia_outbox (version) VALUES (0)")
            before = version or 0
            for script in migrations[before:]:
                connection.execute(script.encode())
            there = _index_names(connection, schema)  # to ask for one that is there waits for all who write
            for index, text in INDICES.items():
                if index not in there:
                    connection.execute(text.encode())
            if _stored(connection) != len(migrations):
                connection.execute("UPDATE vigia_outbox SET version = %s", (len(migrations),))
    except psycopg.Error as error:
        raise ConfigurationError(
            "the outbox database %(path)s cannot be used: %(cause)s",
            path=address.label,
            cause=address.redacted(told(error)),
        ) from error
    return before


def require_newest(connection: Connection, address: PostgresAddress, schema: str) -> None:
    """Check that a schema is one of this version, without changing it.

    Raises:
        ConfigurationError: it is another version's, or no outbox.
    """
    version = _version(connection, address, schema)
    if version is None:
        raise ConfigurationError("there is no outbox in %(directory)s", directory=address.label)
    if version != len(MIGRATIONS):
        raise ConfigurationError(
            "the outbox %(path)s is of version %(version)d and this vigia knows %(known)d; "
            "start vigia once to bring an older one up to date",
            path=address.label,
            version=version,
            known=len(MIGRATIONS),
        )


def probe(url: str, schema: str = SCHEMA) -> str:
    """See whether an outbox is, or may be made, at ``url``; where that is. Changes nothing.

    Raises:
        ConfigurationError: the server refuses, or what is there cannot be used.
        OutboxUnavailable: the server cannot be reached.
    """
    address = PostgresAddress(url)
    with closing(connect(address)) as connection:
        try:
            connection.execute(sql.SQL("SET search_path TO {}").format(sql.Identifier(schema)))
            _version(connection, address, schema)
        except psycopg.Error as error:
            raise ConfigurationError(
                "the outbox database %(path)s cannot be used: %(cause)s",
                path=address.label,
                cause=address.redacted(told(error)),
            ) from error
    return address.label


def _version(connection: Connection, address: PostgresAddress, schema: str) -> int | None:
    """The schema's version; None when there is nothing in it. Raises ConfigurationError: newer, or foreign."""
    known = {
        row["name"]
        for row in connection.execute(
            "SELECT c.relname AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
            "WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')",
            (schema,),
        )
    }
    if not known:
        return None
    if "vigia_outbox" not in known:
        raise ConfigurationError("%(path)s is a database, but not an outbox of vigia", path=f"{address}/{schema}")
    stored = _stored(connection)
    version = INTERIM_VERSION - 1 if stored == INTERIM_VERSION else stored
    if version > len(MIGRATIONS):
        raise ConfigurationError(
            "the outbox %(path)s was made by a newer vigia (version %(version)d, this one knows %(known)d)",
            path=address.label,
            version=version,
            known=len(MIGRATIONS),
        )
    return version


def _stored(connection: Connection) -> int:
    row = connection.execute("SELECT version FROM vigia_outbox").fetchone()
    return 0 if row is None else int(row["version"])


def _index_names(connection: Connection, schema: str) -> set[str]:
    rows = connection.execute("SELECT indexname AS name FROM pg_indexes WHERE schemaname = %s", (schema,))
    return {row["name"] for row in rows}


def _exists(connection: Connection, schema: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is not None
