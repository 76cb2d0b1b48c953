"""What a person does to a running vigia: send again, remove, read the camera list again. Every act is written down."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from vigia.application.audit_port import AuditAction, AuditEntry, AuditLog, Person
from vigia.application.errors import CaptureUnknown, OutboxUnavailable, PictureGone
from vigia.application.ports import Clock, OutboxDesk
from vigia.domain.capture import CaptureId, CaptureState
from vigia.domain.errors import TransitionError

logger = logging.getLogger("vigia.web")


class ActResult(StrEnum):
    """What came of one act."""

    OK = "ok"
    UNKNOWN = "unknown"
    """There is no such capture (any more)."""
    WRONG_STATE = "wrong_state"
    """In this state it cannot be done: only refused and dead ones are sent again, a leased one is not removed."""
    PICTURE_GONE = "picture_gone"
    """Nothing is left to send."""
    UNAVAILABLE = "unavailable"
    """The outbox does not answer: try again."""


@dataclass(frozen=True, slots=True)
class Act:
    """One capture, and what came of it."""

    id: CaptureId
    result: ActResult


def _nobody(_capture_id: CaptureId) -> None:
    """Nothing else knows of it."""


class OperateUseCase:
    """Owner: none; any thread.

    Args:
        desk: the outbox.
        audit: gets a line for each act and capture.
        reload: asks for settings and camera list to be read again; must not block.
        clock: for the lines' times.
        on_dropped: told of each capture that was removed for good.
    """

    def __init__(
        self,
        desk: OutboxDesk,
        audit: AuditLog,
        *,
        reload: Callable[[], None],
        clock: Clock,
        on_dropped: Callable[[CaptureId], None] = _nobody,
    ) -> None:
        self._desk = desk
        self._audit = audit
        self._reload = reload
        self._clock = clock
        self._on_dropped = on_dropped

    def retry(self, ids: Sequence[CaptureId], *, who: Person) -> list[Act]:
        """Make refused and dead captures pending again."""
        return [self._act(capture_id, AuditAction.RETRY, self._put_back, who) for capture_id in dict.fromkeys(ids)]

    def drop(self, ids: Sequence[CaptureId], *, who: Person) -> list[Act]:
        """Remove captures and their pictures for good."""
        return [self._act(capture_id, AuditAction.DROP, self._remove, who) for capture_id in dict.fromkeys(ids)]

    def reload(self, *, who: Person) -> None:
        """Have settings and camera list read again soon."""
        self._reload()
        self._note(AuditAction.RELOAD, ActResult.OK, who)

    def _act(
        self, capture_id: CaptureId, action: AuditAction, do: Callable[[CaptureId, CaptureState], None], who: Person
    ) -> Act:
        result = ActResult.OK
        try:
            entry = self._desk.entry(capture_id)
            if entry is None:
                result = ActResult.UNKNOWN
            else:
                do(capture_id, entry.state)
        except CaptureUnknown:
            result = ActResult.UNKNOWN
        except TransitionError:
            result = ActResult.WRONG_STATE
        except PictureGone:
            result = ActResult.PICTURE_GONE
        except OutboxUnavailable as error:
            logger.warning("The outbox does not answer: %s", error)
            result = ActResult.UNAVAILABLE
        self._note(action, result, who, capture_id)
        return Act(capture_id, result)

    def _put_back(self, capture_id: CaptureId, state: CaptureState) -> None:
        if state not in {CaptureState.REFUSED, CaptureState.DEAD}:
            raise TransitionError(
                "capture %(id)s is %(state)s: only refused and dead ones can be sent again",
                id=capture_id,
                state=state.value,
            )
        self._desk.put_back(capture_id, expected=state)

    def _remove(self, capture_id: CaptureId, state: CaptureState) -> None:
        if state is CaptureState.LEASED:
            raise TransitionError("capture %(id)s is being sent; it can be removed when that has ended", id=capture_id)
        self._desk.drop(capture_id, expected=state)
        self._on_dropped(capture_id)

    def _note(self, action: AuditAction, result: ActResult, who: Person, target: str = "") -> None:
        self._audit.record(AuditEntry(self._clock.utc(), who, action, result.value, target))
