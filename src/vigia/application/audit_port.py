"""Who did what, from where, and what came of it: kept for whoever has to account for it later."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class AuditAction(StrEnum):
    """What is written down."""

    LOGIN = "login"
    LOGOUT = "logout"
    RETRY = "outbox.retry"
    DROP = "outbox.drop"
    RELOAD = "cameras.reload"
    REFUSED = "refused"
    """Somebody without the role for it asked for an action."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who acts."""

    name: str
    role: str = ""
    address: str = ""
    """Network address; without the port."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act."""

    at_utc: datetime
    who: Person
    action: AuditAction
    result: str
    """``ok``, or why not, in one word."""
    target: str = ""
    """What it was done to: a capture's id, a path."""


class AuditLog(Protocol):
    """Keeps what people did. Any thread."""

    def record(self, entry: AuditEntry) -> None:
        """Write it down; on disk when this returns, unless it is a log-in that failed.

        Never raises: what cannot be written is told in the log.
        """
        ...
