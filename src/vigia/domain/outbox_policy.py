"""What an outbox keeps, what it gives up first, and what it hands out first. Rules only: adapters apply them.

When there is no room (``captures_max``, ``bytes_max``, or the disk's own end), in this order:

1. The pictures of finished captures go, their rows stay: refused ones first, then dead ones, oldest first.
2. ``when_full`` decides: ``newest`` refuses the new capture, which waits in memory and is lost loudly when it cannot
   wait longer; ``oldest`` gives up the oldest pending captures: their rows are dead with a reason, their pictures go.
   Those that a person put back come last.

A leased capture is never given up: it may be on its way.
"""

from dataclasses import dataclass
from enum import StrEnum

DAY_S = 86_400.0


class GivenUp(StrEnum):
    """Why a capture is dead: a word for machines beside the reason for people."""

    DELIVERY = "delivery"
    """A sender gave up; the reason says after what."""
    EXPIRED = "expired"
    """Older than ``age_max_s``: kept, and not sent any more."""
    OUTBOX_FULL = "outbox_full"
    """Had to make room; its picture is gone."""
    PICTURE_MISSING = "picture_missing"
    PICTURE_DAMAGED = "picture_damaged"
    """Cut off, changed, or not to be decrypted."""


class WhenFull(StrEnum):
    """What is given up when finished captures have no more to give."""

    NEWEST = "newest"
    """The capture that comes is refused."""
    OLDEST = "oldest"
    """The oldest pending one goes."""


class WhenOld(StrEnum):
    """What becomes of a pending capture older than ``age_max_s``."""

    KEEP = "keep"
    """It is dead (``expired``), with its picture; a person may put it back, which exempts it."""
    LAST = "last"
    """It is sent when nothing younger is due."""


class LeaseOrder(StrEnum):
    """Which capture of a camera goes first. Cameras have their turns in any case."""

    OLDEST = "oldest"
    NEWEST = "newest"
    """Under a backlog what happens now is sent now; the backlog follows, youngest first."""


@dataclass(frozen=True, slots=True)
class OutboxPolicy:
    """Limits, order and retention of an outbox; 0 is no limit everywhere."""

    captures_max: int = 100_000
    """Captures that may wait (pending and leased)."""
    bytes_max: int = 0
    """Bytes of all pictures kept."""
    when_full: WhenFull = WhenFull.NEWEST
    order: LeaseOrder = LeaseOrder.OLDEST
    age_max_s: float = 0.0
    """Age since the commit, seconds, from which a pending capture is old."""
    when_old: WhenOld = WhenOld.KEEP
    delivered_kept: int = 10_000
    """Delivered rows kept; their pictures never are. Here 0 keeps none."""
    refused_kept: int = 1_000
    """Refused captures kept, with their pictures. Here 0 keeps none."""
    delivered_days: float = 30.0
    """Days that a delivered row is kept after its delivery."""
    refused_days: float = 7.0
    """Days that a refused capture is kept, with its picture."""
    dead_days: float = 30.0
    """Days that a dead capture is kept, with its picture."""

    def __post_init__(self) -> None:
        negative = [name for name in self.__slots__ if name not in _WORDS and getattr(self, name) < 0]
        if negative:
            raise ValueError(f"an outbox's policy has no negative number: {', '.join(negative)}")

    @property
    def expires(self) -> bool:
        """True when an old capture is not sent any more."""
        return self.age_max_s > 0.0 and self.when_old is WhenOld.KEEP

    @property
    def defers(self) -> bool:
        """True when an old capture is sent last."""
        return self.age_max_s > 0.0 and self.when_old is WhenOld.LAST


_WORDS = frozenset({"when_full", "order", "when_old"})
