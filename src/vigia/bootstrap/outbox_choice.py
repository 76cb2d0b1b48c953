"""Which outbox a vigia has: SQLite and files in a directory, or a PostgreSQL server that several vigias share."""

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from vigia.application.errors import ConfigurationError, OutboxUnavailable
from vigia.application.ports import Clock, ManagedOutbox
from vigia.application.retry import RetryPolicy
from vigia.bootstrap.parts import picture_sealer, sufficient_sealer
from vigia.infrastructure.config import Settings
from vigia.infrastructure.outbox.sqlite_outbox import SqliteOutbox

if TYPE_CHECKING:
    from vigia.infrastructure.outbox.postgres_outbox import PostgresOutbox

logger = logging.getLogger("vigia.bootstrap")

SERVER_RETRY_MAX_S = 15.0


def open_outbox(settings: Settings, *, clock: Clock) -> ManagedOutbox:
    """The outbox of a run. Close it.

    Raises:
        ConfigurationError: it cannot be used as configured.
        OutboxUnavailable: its server cannot be reached just now.
    """
    if settings.outbox.url is not None:
        return postgres_outbox(settings, clock=clock)
    return SqliteOutbox(
        settings.outbox_directory,
        clock,
        policy=settings.outbox.policy,
        free_bytes_min=settings.outbox.free_bytes_min,
        codec=sufficient_sealer(settings),
    )


def wait_for_outbox(
    settings: Settings, *, clock: Clock, stop: threading.Event, on_wait: Callable[[], None] = lambda: None
) -> ManagedOutbox | None:
    """``open_outbox``; wait until its server can be reached. None when stopped meanwhile.

    Args:
        settings: where it is.
        clock: for the pauses.
        stop: ends the waiting.
        on_wait: called before each pause.

    Raises:
        ConfigurationError: waiting would not help.
    """
    delay_s = 1.0
    while not stop.is_set():
        try:
            return open_outbox(settings, clock=clock)
        except OutboxUnavailable as error:
            logger.warning("The outbox cannot be opened: %s; next try in %.0f s", error, delay_s)
            on_wait()
            clock.wait(stop, delay_s)
            delay_s = min(SERVER_RETRY_MAX_S, delay_s * 2.0)
    return None


def settle_s(settings: Settings) -> float:
    """How long a capture that may have arrived is left alone before it is looked up, seconds.

    On a shared outbox another vigia may look it up, which does not know when it was sent: by then FindFace must have
    finished with it.
    """
    least_s = RetryPolicy().settle_s
    return least_s if settings.outbox.url is None else max(least_s, settings.findface.processing_max_s)


def postgres_outbox(
    settings: Settings, *, clock: Clock, beside: bool = False, all_pictures: bool = False
) -> "PostgresOutbox":
    """The one on ``outbox.url``.

    Args:
        settings: where, and with which keys.
        clock: times pauses.
        beside: for a person's questions; see ``PostgresOutbox``.
        all_pictures: refuse to open unless every picture can be opened; a run does so in any case.

    Raises:
        ConfigurationError, OutboxUnavailable: see there; also when the driver is not installed.
    """
    try:
        from vigia.infrastructure.outbox.postgres_outbox import PostgresOutbox  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise _no_driver(error) from error
    outbox = PostgresOutbox(
        _url(settings), clock, policy=settings.outbox.policy, codec=picture_sealer(settings), beside=beside
    )
    with contextlib.ExitStack() as opened:
        opened.callback(outbox.close)
        if beside and all_pictures:
            outbox.require_keys()
        opened.pop_all()
    return outbox


def probe_outbox(settings: Settings) -> str:
    """See whether the outbox can be reached; where it is, for people. Changes nothing.

    Raises:
        ConfigurationError, OutboxUnavailable: as ``open_outbox``.
    """
    if settings.outbox.url is None:
        return str(settings.outbox_directory)
    try:
        from vigia.infrastructure.outbox.postgres_schema import probe  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise _no_driver(error) from error
    return probe(_url(settings))


def _url(settings: Settings) -> str:
    url = settings.outbox.url
    if url is None:
        raise AssertionError("there is an outbox.url")
    return url.get_secret_value()


def _no_driver(error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        "an outbox on PostgreSQL needs %(package)s: install vigia[postgres]", package=error.name or "psycopg"
    )
