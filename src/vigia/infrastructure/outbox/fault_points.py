"""Places where a test may end the process: before and after everything that an outbox writes.

An outbox calls its ``fault_point`` with one of ``FAULT_POINTS``; by default that does nothing. A call may kill the
process. Anywhere but at ``NAME.after`` of a transaction, which is durable then, it may also raise what a disk raises:
``OSError`` at ``picture.``, ``sqlite3.OperationalError`` at the others.
"""

from collections.abc import Callable

FaultPoint = Callable[[str], None]

PICTURE_STEPS = ("create", "write", "fsync", "folder_fsync", "remove")
"""Steps with a picture's file, in their order; each has ``picture.STEP.before`` and ``picture.STEP.after``."""
TRANSACTIONS = (
    "recover",  # opening: returns leases, puts damaged rows aside
    "commit",
    "make_room",  # the disk is full: gives up pictures or captures
    "lease",
    "delivered",
    "refused",
    "dead",
    "retry",
    "put_back",
    "drop",
    "sweep",
    "repair",
)
"""Each has ``NAME.before`` (nothing begun), ``NAME.written`` (written, not committed) and ``NAME.after`` (durable)."""

FAULT_POINTS: tuple[str, ...] = (
    *(f"picture.{step}.{when}" for step in PICTURE_STEPS for when in ("before", "after")),
    *(f"{name}.{when}" for name in TRANSACTIONS for when in ("before", "written", "after")),
)
"""Every name there is."""


def no_fault(_name: str) -> None:
    """Go on."""
