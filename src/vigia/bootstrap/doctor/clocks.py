"""This machine's clock: kept by somebody, near FindFace's, and not moved in steps.

FindFace says what time it has in the ``Date`` of each answer, in whole seconds, and some servers write that text once a
second. One answer so leaves two seconds and the time on the way open; several answers together leave less.
"""

import ctypes
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf

from vigia.application.diagnosis import Finding, Word
from vigia.application.ports import Clock
from vigia.bootstrap.doctor import kinds_machine as kinds

OFF_S = 2.0
"""Above it FindFace shows what this machine saw before or after what others saw: people walk faster than that between
two cameras."""
FAR_OFF_S = 30.0
"""Twice the interval within which FindFace takes repeated faces of a group for one (15 s by default): beyond it what
two machines see of one person is two events, and a person who looks for a time finds another one."""
DATE_AGE_S = 2.0
"""A ``Date`` is at most so much older than it was sent: cut off to a second, and used for another."""
JUMP_S = 0.5
READING_S = 0.05
READINGS_MAX = 20
STA_UNSYNC = 0x0040
TIME_ERROR = 5
STATUS_AT = 2 * struct.calcsize("l") + 3 * struct.calcsize("l")
"""Where ``status`` stands in C's ``struct timex``: after modes (padded), offset, freq, maxerror, esterror."""
TIMEX_BYTES = 512
"""More than any system's ``struct timex``."""


@dataclass(frozen=True, slots=True)
class Skew:
    """By how much this machine's clock is ahead of another's, seconds: somewhere from ``low_s`` to ``high_s``."""

    low_s: float = -inf
    high_s: float = inf

    @classmethod
    def of_answer(cls, date: str, *, sent_utc: datetime, received_utc: datetime) -> "Skew | None":
        """What one answer tells; None when it does not tell its time.

        The other clock showed ``date``, or up to DATE_AGE_S more, at some moment between sending and receiving.
        """
        try:
            told = parsedate_to_datetime(date)
        except (TypeError, ValueError):
            return None
        told = told.replace(tzinfo=UTC) if told.tzinfo is None else told
        return cls((sent_utc - told).total_seconds() - DATE_AGE_S, (received_utc - told).total_seconds())

    def both(self, other: "Skew") -> "Skew":
        """What two answers leave open together; the later one alone where they contradict each other."""
        low_s, high_s = max(self.low_s, other.low_s), min(self.high_s, other.high_s)
        return Skew(low_s, high_s) if low_s <= high_s else other

    @property
    def least_s(self) -> float:
        """The smallest skew that it may be, with its sign; 0 when the clocks may agree."""
        return max(0.0, self.low_s) + min(0.0, self.high_s)

    @property
    def most_s(self) -> float:
        """The largest one, without a sign."""
        return max(abs(self.low_s), abs(self.high_s))


def judge_skew(skews: Iterable[Skew]) -> Iterator[Finding]:
    """What the answers of FindFace say together; nothing when none told its time."""
    found = Skew()
    for skew in skews:
        found = found.both(skew)
    if found == Skew():
        return
    off_s = found.least_s
    if abs(off_s) <= OFF_S:
        yield kinds.CLOCK_AGREES.of(within=found.most_s)
        return
    kind = kinds.CLOCK_FAR_OFF if abs(off_s) > FAR_OFF_S else kinds.CLOCK_OFF
    yield kind.of(seconds=abs(off_s), direction=Word(kinds.AHEAD_OF if off_s > 0 else kinds.BEHIND))


def judge_synchronisation(synchronised: bool | None) -> Iterator[Finding]:
    """Whether somebody keeps the clock; nothing where the system does not tell."""
    if synchronised is not None:
        yield (kinds.CLOCK_SYNCED if synchronised else kinds.CLOCK_UNSYNCED).of()


class JumpWitness:
    """Compares the wall clock with the one that is never set, from now on. Owner: whoever made it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._difference_s = self._now_s()

    def findings(self) -> Iterator[Finding]:
        """Whether somebody moved the wall clock since."""
        moved_s = self._now_s() - self._difference_s
        if abs(moved_s) > JUMP_S:
            yield kinds.CLOCK_JUMPED.of(seconds=moved_s)

    def _now_s(self) -> float:
        """The difference of both, read again when this thread was held up between one and the other."""
        for _ in range(READINGS_MAX):
            before_s, wall_s, after_s = self._clock.mono_s(), self._clock.utc().timestamp(), self._clock.mono_s()
            if after_s - before_s < READING_S:
                break
        return wall_s - before_s


def is_synchronised() -> bool | None:
    """Whether the kernel knows that its clock is kept (``adjtimex``); None where it does not say."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = ctypes.create_string_buffer(TIMEX_BYTES)  # modes 0: it only reads
    answer = int(adjtimex(state))
    if answer < 0:
        return None
    (status,) = struct.unpack_from("i", state.raw, STATUS_AT)
    return answer != TIME_ERROR and not status & STA_UNSYNC
