"""Connections to the outbox's PostgreSQL server: a few, each used by one thread at a time, made when they are needed.

Not ``psycopg_pool``: it connects in threads of its own and answers with a time-out; here a server that refuses is told
at once, in the thread that asks, so that captures wait where they are counted.

Nothing waits for ever: connecting, statements, locks, an open transaction and a silent network each have a time-out. A
connection that was lost is dropped with all the idle ones; the next call makes a new one. A call whose connection turns
out to be lost before it did anything begins anew by itself.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from re import compile as re_compile
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from vigia.application.errors import ApplicationError, ConfigurationError, OutboxUnavailable
from vigia.application.ports import Clock
from vigia.infrastructure.outbox.fault_points import FaultPoint, no_fault
from vigia.infrastructure.outbox.postgres_address import PostgresAddress

CONNECTIONS_MAX = 8
"""Of one vigia: senders, the committing thread, upkeep and a person's questions rarely meet in more."""
CONNECTION_WAIT_S = 10.0
"""How long a call waits for a connection that others use."""
REFUSED_PAUSE_S = 0.5
"""After a failed attempt to connect, other calls fail at once for so long: nobody hammers a server that starts."""
STATEMENT_TIMEOUT_S = 30.0
LOCK_TIMEOUT_S = 10.0
IDLE_TRANSACTION_TIMEOUT_S = 30.0
"""After so long the server ends a transaction whose vigia hangs, and lets go of its rows."""
SERVER_VERSION_MIN = 130000
_CONNECT: Mapping[str, Any] = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # ms
    "application_name": "vigia",
}
"""libpq's words. What the URL says comes first."""
# What a server answers while it starts, stops or is busy; anything else that it refuses a connection with is for a
# person. A server that speaks another language than English is waited for, and what it says is told.
_PASSING = re_compile(
    r"starting up|shutting down|in recovery mode|not yet accepting|too many clients|too many connections|"
    r"connection slots|administrator command|temporarily unavailable"
)
_NO_LOG_IN = re_compile(r"password authentication failed|no password supplied|role .* does not exist")
_NO_DATABASE = re_compile(r"database .* does not exist")
_NO_ENTRY = re_compile(r"no pg_hba\.conf entry")
_LATER = {"42501", "42P01", "3F000"}
"""Missing rights, table, schema: a person is at work on the server."""
_TIME = "SELECT extract(epoch FROM clock_timestamp())::float8 AS now"
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {_TIME}"

Row = dict[str, Any]
Connection = psycopg.Connection[Row]


class ConnectionLost(OutboxUnavailable):
    """The connection broke: whether a transaction that was being committed holds is not known."""


@dataclass(frozen=True, slots=True)
class PostgresSession:
    """A connection while one call has it. Owner: the thread of that call."""

    connection: Connection
    now: float
    """The server's time when the call began: wall time, seconds."""

    def execute(self, statement: str, places: Mapping[str, Any] | None = None) -> psycopg.Cursor[Row]:
        """Run one statement, with ``%(name)s`` places."""
        # Our own constant texts, put together of constants.
        return self.connection.cursor(binary=True).execute(statement.encode(), places)

    def one(self, statement: str, places: Mapping[str, Any] | None = None) -> Row:
        """The only row of a query that always has one."""
        row = self.execute(statement, places).fetchone()
        if row is None:
            raise AssertionError("the query has a row")
        return row


class PostgresConnections:
    """Transactions and reads on one server.

    Owner: the lock, held for moments, guards the idle connections and the flags; a connection belongs to the call that
    has it. Bounds: ``connections_max``. Any thread; ``close`` is idempotent.

    Args:
        address: where.
        schema: of the outbox's tables.
        clock: times the pause after a failed attempt.
        connections_max: at most so many at once.
        time_source: replaces the server's clock in a simulation.
        fault_point: see ``fault_points.py``.
    """

    def __init__(
        self,
        address: PostgresAddress,
        *,
        schema: str,
        clock: Clock,
        connections_max: int = CONNECTIONS_MAX,
        time_source: Callable[[], float] | None = None,
        fault_point: FaultPoint = no_fault,
    ) -> None:
        self.address = address
        self.schema = schema
        self._clock = clock
        self._time_source = time_source
        self._fault_point = fault_point
        self._free = threading.BoundedSemaphore(connections_max)
        self._lock = threading.Lock()  # guards the next three
        self._idle: list[Connection] = []
        self._closed = False
        self._refused: tuple[float, ApplicationError] | None = None

    @contextmanager
    def transaction(self, name: str) -> Iterator[PostgresSession]:
        """Run statements as one transaction: all of them are durable afterwards, or none happened.

        Args:
            name: one of ``fault_points.TRANSACTIONS``.

        Raises:
            ConnectionLost: while it was committed, perhaps: whether it holds is not known.
            OutboxUnavailable: nothing was written.
        """
        with self._session(_BEGIN, name) as session:
            try:
                yield session
                self._fault_point(f"{name}.written")
                session.connection.execute("COMMIT")
            except BaseException:
                with suppress(psycopg.Error):  # a lost connection rolls back by itself
                    session.connection.execute("ROLLBACK")
                raise
            self._fault_point(f"{name}.after")

    @contextmanager
    def reading(self) -> Iterator[PostgresSession]:
        """Run queries, each by itself. Raises OutboxUnavailable."""
        with self._session(_TIME) as session:
            yield session

    def open(self) -> Connection:
        """A first connection, outside of the others: the caller closes it.

        Raises:
            ConfigurationError: the server is there and refuses, or is none that can be used.
            OutboxUnavailable: it cannot be reached, or starts.
        """
        return self._connect()

    def close(self) -> None:
        """Let go of all connections; those in use when their calls end. Idempotent."""
        with self._lock:
            self._closed = True
        self._drop_idle()

    @contextmanager
    def _session(self, first: str, name: str | None = None) -> Iterator[PostgresSession]:
        self._check()
        if not self._free.acquire(timeout=CONNECTION_WAIT_S):
            raise OutboxUnavailable("all connections to the outbox's server are in use")
        try:
            if name is not None:
                self._fault_point(f"{name}.before")
            with self._translated():
                connection, now = self._begun(first)
                try:
                    yield PostgresSession(connection, now)
                finally:
                    self._put_back(connection)
        finally:
            self._free.release()

    def _begun(self, first: str) -> tuple[Connection, float]:
        """A connection that has answered, and the server's time."""
        connection = self._taken()
        if connection is not None:
            try:
                return connection, self._run_first(connection, first)
            except psycopg.OperationalError:  # it was lost while idle, and nothing was done yet
                connection.close()
                self._drop_idle()
        connection = self._made()
        try:
            return connection, self._run_first(connection, first)
        except BaseException:
            connection.close()
            raise

    def _run_first(self, connection: Connection, first: str) -> float:
        cursor = connection.execute(first.encode())
        cursor.nextset()  # BEGIN's, if there is one
        row = cursor.fetchone()
        if row is None:
            raise AssertionError("the server tells its time")
        return float(row["now"]) if self._time_source is None else self._time_source()

    def _taken(self) -> Connection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _put_back(self, connection: Connection) -> None:
        usable = not connection.broken and connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        with self._lock:
            if usable and not self._closed:
                self._idle.append(connection)
                return
        connection.close()
        if not usable:
            self._drop_idle()

    def _made(self) -> Connection:
        """A new connection; ConfigurationError becomes OutboxUnavailable: it was good when the outbox was opened."""
        with self._lock:
            refused = self._refused
        if refused is not None and self._clock.mono_s() < refused[0] + REFUSED_PAUSE_S:
            raise _unavailable(refused[1])
        try:
            connection = self._connect()
        except (ConfigurationError, OutboxUnavailable) as error:
            with self._lock:
                self._refused = (self._clock.mono_s(), error)
            raise _unavailable(error) from error
        with self._lock:
            self._refused = None
        return connection

    def _connect(self) -> Connection:
        connection = connect(self.address)
        try:
            _prepare(connection, self.address, self.schema)
        except psycopg.Error as error:
            connection.close()
            raise OutboxUnavailable(
                "the outbox's server %(server)s cannot be used: %(cause)s",
                server=self.address.label,
                cause=self.address.redacted(told(error)),
            ) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _drop_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _check(self) -> None:
        with self._lock:
            if self._closed:
                raise OutboxUnavailable("the outbox is closed")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what a server and a network may do to us into OutboxUnavailable; our own mistakes pass as they are."""
        try:
            yield
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.InternalError) as error:
            lost = error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
            raise (ConnectionLost if lost else OutboxUnavailable)(
                "the outbox database cannot be used: %(cause)s", cause=self.address.redacted(told(error))
            ) from error
        except psycopg.ProgrammingError as error:
            if error.sqlstate not in _LATER:
                raise
            raise OutboxUnavailable(
                "the outbox database cannot be used: %(cause)s", cause=self.address.redacted(told(error))
            ) from error


def connect(address: PostgresAddress) -> Connection:
    """One connection, autocommitting.

    The driver's errors are neither chained nor left as a context: they keep the password in their ``pgconn``.

    Raises:
        ConfigurationError: the URL cannot be used, or the server is there and refuses.
        OutboxUnavailable: it cannot be reached, or starts or stops just now.
    """
    places = _places(address)
    try:
        # Not prepared: plans made for an empty table would stay when it fills.
        return psycopg.Connection[Row].connect(**places, autocommit=True, prepare_threshold=None, row_factory=dict_row)
    except psycopg.Error as error:
        cause = address.redacted(told(error))
    if "FATAL" not in cause or _PASSING.search(cause):  # the word that a server that answers begins with
        raise OutboxUnavailable(
            "the outbox's server %(server)s cannot be reached: %(cause)s", server=address.label, cause=cause
        )
    raise _refusal(address, cause)


def told(error: psycopg.Error) -> str:
    """A driver's error as one line."""
    text = error.diag.message_primary or str(error)
    return " ".join(text.split()) or type(error).__name__


def _places(address: PostgresAddress) -> dict[str, Any]:
    address.require_usable()
    with suppress(psycopg.Error):  # its text may hold a part of the URL
        return {**_CONNECT, **conninfo_to_dict(address.url), "client_encoding": "UTF8"}
    raise ConfigurationError(
        "outbox.url has options that PostgreSQL does not know, or characters that are not in percent code"
    )


def _unavailable(error: ApplicationError) -> OutboxUnavailable:
    return OutboxUnavailable(error.template, retry_after_s=None, **error.facts)


def _refusal(address: PostgresAddress, cause: str) -> ConfigurationError:
    server = address.label
    if _NO_LOG_IN.search(cause):
        return ConfigurationError(
            "the outbox's server %(server)s refuses the user name or the password in outbox.url: %(cause)s",
            server=server,
            cause=cause,
        )
    if _NO_DATABASE.search(cause):
        return ConfigurationError(
            "the outbox's server %(server)s has no such database: %(cause)s; createdb makes one",
            server=server,
            cause=cause,
        )
    if _NO_ENTRY.search(cause):
        return ConfigurationError(
            "the outbox's server %(server)s lets nobody in from this machine: %(cause)s; see its pg_hba.conf",
            server=server,
            cause=cause,
        )
    return ConfigurationError(
        "the outbox's server %(server)s refuses the connection: %(cause)s", server=server, cause=cause
    )


def _prepare(connection: Connection, address: PostgresAddress, schema: str) -> None:
    """Set what every session has, and see that the server can be used."""
    if connection.info.server_version < SERVER_VERSION_MIN:
        raise ConfigurationError(
            "the outbox's server %(server)s is PostgreSQL %(version)d; 13 or newer is needed",
            server=address.label,
            version=connection.info.server_version // 10_000,
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise ConfigurationError(
            "the outbox's database on %(server)s has the encoding %(encoding)s; it must be UTF8",
            server=address.label,
            encoding=encoding,
        )
    connection.execute(
        "SELECT set_config('search_path', %(path)s, false), set_config('statement_timeout', %(statement)s, false), "
        "set_config('lock_timeout', %(lock)s, false), "
        "set_config('idle_in_transaction_session_timeout', %(idle)s, false), "
        # What is called committed is on the server's disk, whatever its default; more than that may be asked of it.
        "CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false) END",
        {
            "path": sql.Identifier(schema).as_string(connection),
            "statement": f"{STATEMENT_TIMEOUT_S * 1000:.0f}",
            "lock": f"{LOCK_TIMEOUT_S * 1000:.0f}",
            "idle": f"{IDLE_TRANSACTION_TIMEOUT_S * 1000:.0f}",
        },
    )
