"""What each failure means for the capture, for its camera and for the recogniser: one table, by the error's type.

Which answer of FindFace's is which error stands in ``infrastructure/clients/findface_rules.py``; joined they are the
table in docs/delivery.md, which a test holds to both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from vigia.application.errors import (
    CameraTokenRejected,
    CaptureRefused,
    CredentialsRejected,
    DeliveryAmbiguous,
    LicenseRejected,
    LookUpDeferred,
    RecognizerBusy,
    RecognizerMisaddressed,
    RecognizerUnavailable,
    RecognizerUnreachable,
    SessionRejected,
)


class Blame(StrEnum):
    """Whom a failure is about: who has to wait for it to pass."""

    CAPTURE = "capture"
    CAMERA = "camera"
    RECOGNIZER = "recognizer"
    """All senders: the circuit opens."""


class Next(StrEnum):
    """What becomes of the capture."""

    RETRY = "retry"
    """It surely did not arrive."""
    LOOK_UP = "look up first"
    """It may have arrived."""
    REFUSE = "refuse"
    """It will never be taken."""


class Remedy(StrEnum):
    """What is done before the next attempt."""

    NONE = ""
    LOG_IN = "log in"
    REFRESH_CAMERA = "refresh camera"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one kind of failure means."""

    blame: Blame
    then: Next = Next.RETRY
    remedy: Remedy = Remedy.NONE
    certain: bool = False
    """One such answer is enough to call it an outage; else the second in a row is."""
    pause_min_s: float = 0.0
    """Shortest time for which the circuit stays open, seconds."""
    narrows: bool = False
    """Fewer senders at once from now on."""
    suspect: bool = False
    """The capture itself may be the trouble: after the pause another one goes first."""
    counts: bool = True
    """It may be one of those after which a capture is given up."""
    expected: bool = True
    """False is a defect of ours: its traceback is logged."""

    @property
    def maybe_sent(self) -> bool:
        """The capture may have arrived."""
        return self.then is Next.LOOK_UP

    @property
    def log_in(self) -> bool:
        """A session must be opened first."""
        return self.remedy is Remedy.LOG_IN


UNEXPECTED = Outcome(Blame.RECOGNIZER, Next.LOOK_UP, suspect=True, expected=False)
"""Anything that is not in the table."""

OUTCOMES: Mapping[type[BaseException], Outcome] = MappingProxyType(
    {
        CaptureRefused: Outcome(Blame.CAPTURE, Next.REFUSE),
        DeliveryAmbiguous: Outcome(Blame.RECOGNIZER, Next.LOOK_UP, narrows=True, suspect=True),
        LookUpDeferred: Outcome(Blame.CAPTURE, Next.LOOK_UP, counts=False),
        RecognizerUnavailable: Outcome(Blame.RECOGNIZER, suspect=True),
        RecognizerUnreachable: Outcome(Blame.RECOGNIZER),
        RecognizerBusy: Outcome(Blame.RECOGNIZER, narrows=True, suspect=True),
        RecognizerMisaddressed: Outcome(Blame.RECOGNIZER, certain=True, pause_min_s=30.0, suspect=True),
        SessionRejected: Outcome(Blame.RECOGNIZER, remedy=Remedy.LOG_IN, certain=True),
        CredentialsRejected: Outcome(Blame.RECOGNIZER, remedy=Remedy.LOG_IN, certain=True, pause_min_s=30.0),
        LicenseRejected: Outcome(Blame.RECOGNIZER, certain=True, pause_min_s=10.0),
        CameraTokenRejected: Outcome(Blame.CAMERA, remedy=Remedy.REFRESH_CAMERA),
    }
)


def outcome_of(error: BaseException) -> Outcome:
    """Look an error up in the table, by its nearest listed class. Pure."""
    return outcome_of_kind(type(error))


def outcome_of_kind(kind: type[BaseException]) -> Outcome:
    """The same, for an error's class. Pure."""
    return next((OUTCOMES[one] for one in kind.__mro__ if one in OUTCOMES), UNEXPECTED)
