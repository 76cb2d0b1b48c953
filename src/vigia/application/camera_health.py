"""Watching over the cameras' health: every change of state is told once, as an event, and remembered for a while.

The states themselves come from the cameras (``CameraState``). Added here: what only time tells (no face for long, a
clock that is off), and the history that a person reads when asking what a camera did last night.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from vigia.application.camera_status import CameraReason, CameraStatus
from vigia.application.ports import Clock
from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.camera import Camera, CameraId

logger = logging.getLogger("vigia.health")

STEP_S = 1.0
HISTORY_MAX = 100
"""Events a camera is remembered by: one that comes and goes every two minutes fills it in three hours."""
DELIVERING = frozenset({CameraState.LIVE, CameraState.DEGRADED})


STATE_NAMES: dict[CameraState, CameraReason] = {
    CameraState.CONNECTING: CameraReason.mark("connecting"),
    CameraState.LIVE: CameraReason.mark("live"),
    CameraState.DEGRADED: CameraReason.mark("degraded"),
    CameraState.STALLED: CameraReason.mark("stalled"),
    CameraState.UNREACHABLE: CameraReason.mark("unreachable"),
    CameraState.AUTH_FAILED: CameraReason.mark("password refused"),
    CameraState.DISABLED: CameraReason.mark("disabled"),
    CameraState.ENDED: CameraReason.mark("ended"),
}


class Alarm(StrEnum):
    """What is worth a person's look although the camera delivers."""

    NO_FACE = "no_face"
    CLOCK_OFF = "clock_off"


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """When alarms are raised; 0 = never. Seconds."""

    no_face_s: float = 0.0
    clock_off_s: float = 5.0


@dataclass(frozen=True, slots=True)
class HealthEvent:
    """One change of one camera."""

    camera_id: CameraId
    camera: str
    at_utc: datetime
    before: CameraState | None
    """None at the first sight of it, and for an alarm."""
    state: CameraState
    reason: CameraReason | None = None
    alarm: Alarm | None = None
    raised: bool = True
    """Of an alarm: False when it is over."""


@dataclass(slots=True)
class _Known:
    """What is known of one camera. Owner: the board's thread."""

    state: CameraState
    since_utc: datetime
    faces: int
    unseen_s: float
    """How long it has delivered without a face."""
    looked_s: float
    """When it was looked at last, monotonic seconds."""
    reconnects: int
    alarms: frozenset[Alarm]
    history: deque[HealthEvent]


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """One camera's health at one moment."""

    since_utc: datetime
    """Of its present state."""
    alarms: frozenset[Alarm]
    history: Sequence[HealthEvent]
    """The latest events, oldest first."""


class HealthBoard:
    """Owner: the thread that calls ``step``; ``health`` may be read by any.

    Bounds: HISTORY_MAX events of each camera in the list.

    Args:
        statuses: of all cameras at work, now.
        disabled: cameras in the list that are not to be watched, now.
        limits: of one camera.
        clock: for times and ages.
        on_event: told of every event, after it was logged.
    """

    def __init__(
        self,
        statuses: Callable[[], Iterable[CameraStatus]],
        *,
        disabled: Callable[[], Sequence[Camera]],
        limits: Callable[[CameraId], HealthLimits],
        clock: Clock,
        on_event: Callable[[HealthEvent], None] | None = None,
    ) -> None:
        self._statuses = statuses
        self._disabled = disabled
        self._limits = limits
        self._clock = clock
        self._on_event = on_event
        self._known: dict[CameraId, _Known] = {}

    def health(self, camera_id: CameraId) -> CameraHealth | None:
        """What is known of a camera; None before it was seen. Any thread."""
        known = self._known.get(camera_id)
        if known is None:
            return None
        return CameraHealth(known.since_utc, known.alarms, tuple(known.history))

    def step(self) -> float:
        """Look at every camera once; return seconds until the next look."""
        statuses = list(self._statuses())
        here = {status.id for status in statuses}
        for camera in self._disabled():
            if camera.id not in here:
                here.add(camera.id)
                statuses.append(CameraStatus(camera.id, camera.name, CameraState.DISABLED, shard=""))
        for status in statuses:
            self._look(status)
        for gone in [camera_id for camera_id in self._known if camera_id not in here]:
            del self._known[gone]
        return STEP_S

    def _look(self, status: CameraStatus) -> None:
        now_s, now_utc = self._clock.mono_s(), self._clock.utc()
        known = self._known.get(status.id)
        if known is None:
            known = _Known(
                state=status.source,
                since_utc=now_utc,
                faces=status.page.faces,
                unseen_s=0.0,
                looked_s=now_s,
                reconnects=status.stream.reconnects,
                alarms=frozenset(),
                history=deque(maxlen=HISTORY_MAX),
            )
            self._known[status.id] = known
            self._tell(known, HealthEvent(status.id, status.name, now_utc, None, status.source, status.reason))
        elif known.state is not status.source:
            before, known.state, known.since_utc = known.state, status.source, now_utc
            self._tell(known, HealthEvent(status.id, status.name, now_utc, before, status.source, status.reason))
        elif status.stream.reconnects > known.reconnects and status.source in DELIVERING:
            again = CameraReason.mark("it was away for a moment and is back")
            self._tell(known, HealthEvent(status.id, status.name, now_utc, status.source, status.source, again))
        passed_s = now_s - known.looked_s
        known.looked_s, known.reconnects = now_s, status.stream.reconnects
        delivers = status.source in DELIVERING
        known.unseen_s += passed_s if delivers else 0.0
        if status.page.faces != known.faces:
            known.faces, known.unseen_s = status.page.faces, 0.0
        if not delivers:
            return  # alarms are for what a camera delivers; they are looked at again when it does
        limits = self._limits(status.id)
        silent_s = known.unseen_s
        self._alarm(
            known,
            status,
            Alarm.NO_FACE,
            0.0 < limits.no_face_s <= silent_s,
            CameraReason.mark("no face for %(minutes).0f min", minutes=silent_s / 60.0),
        )
        off_s = status.stream.clock_off_s
        self._alarm(
            known,
            status,
            Alarm.CLOCK_OFF,
            off_s is not None and 0.0 < limits.clock_off_s < abs(off_s),
            CameraReason.mark("its clock is ahead by %(seconds).1f s", seconds=off_s or 0.0)
            if (off_s or 0.0) >= 0.0
            else CameraReason.mark("its clock is behind by %(seconds).1f s", seconds=-(off_s or 0.0)),
        )

    def _alarm(self, known: _Known, status: CameraStatus, alarm: Alarm, raised: bool, reason: CameraReason) -> None:
        if raised is (alarm in known.alarms):
            return
        known.alarms = known.alarms | {alarm} if raised else known.alarms - {alarm}
        event = HealthEvent(
            status.id, status.name, self._clock.utc(), None, status.source, reason, alarm=alarm, raised=raised
        )
        self._tell(known, event)

    def _tell(self, known: _Known, event: HealthEvent) -> None:
        known.history.append(event)
        _log(event)
        if self._on_event is not None:
            self._on_event(event)


def _log(event: HealthEvent) -> None:
    """One line, with what a program would look for in fields of its own."""
    before, alarm, reason = event.before, event.alarm, event.reason
    fields: dict[str, object] = {"camera_id": str(event.camera_id), "state": event.state.value}
    why = None if reason is None else reason.as_error()  # told in the operator's language by the logger
    if alarm is not None:
        fields |= {"alarm": alarm.value, "raised": event.raised}
        if event.raised:
            logger.warning("Camera %s: alarm: %s", event.camera, why, extra=fields)
        else:
            logger.info("Camera %s: alarm over: %s", event.camera, why, extra=fields)
    elif before is None:
        if event.state is not CameraState.CONNECTING:  # else nothing has happened yet
            name = STATE_NAMES[event.state].as_error()
            if why is None:
                logger.info("Camera %s: %s", event.camera, name, extra=fields)
            else:
                logger.info("Camera %s: %s: %s", event.camera, name, why, extra=fields)
    else:
        fields |= {"before": before.value}
        state = STATE_NAMES[event.state].as_error(), STATE_NAMES[before].as_error()
        if why is None:
            logger.info("Camera %s: %s (was: %s)", event.camera, *state, extra=fields)
        else:
            logger.info("Camera %s: %s (was: %s): %s", event.camera, *state, why, extra=fields)
