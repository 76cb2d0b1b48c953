"""Where captures wait until FindFace has answered: SQLite for the rows, one fsynced file for each picture."""

from vigia.infrastructure.outbox.sqlite_outbox import SqliteOutbox

__all__ = ["SqliteOutbox"]
