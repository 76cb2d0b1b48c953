"""FindFace Multi on a simulated clock, without a network: what a client sees of it, and what it keeps.

For simulations of thousands of captures: the real ``FindfaceRecognizer`` over it, with its look-ups, costs no time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import Random

from vigia.application.errors import (
    DeliveryAmbiguous,
    RecognizerBusy,
    RecognizerUnavailable,
    RecognizerUnreachable,
    SessionRejected,
)
from vigia.application.ports import Clock
from vigia.infrastructure.clients.findface_wire import FindfaceCamera, FindfaceEvent, FindfaceGroup, MfSelector
from vigia.testing.flaky_recognizer import FIRST_EVENT_ID
from vigia.testing.sim_clock import SimClock


class Trouble(StrEnum):
    """What may go wrong with one request. A query knows only the first three."""

    UNREACHABLE = "unreachable"
    BUSY = "busy"
    SESSION = "session"
    FAILED = "failed"
    LOST_BEFORE = "lost_before"
    """No answer, and it never arrives."""
    LOST_AFTER = "lost_after"
    """It arrives, the answer does not."""
    LATE = "late"
    """No answer; it arrives up to ``late_max_s`` after it was sent."""


_FOR_QUERIES = frozenset({Trouble.UNREACHABLE, Trouble.BUSY, Trouble.SESSION})
_AMBIGUOUS = frozenset({Trouble.LOST_BEFORE, Trouble.LOST_AFTER, Trouble.LATE})

Arrived = tuple[int, datetime, tuple[int, int, int, int]]
"""What makes two captures the same one: FindFace's camera, time, region."""


@dataclass(frozen=True, slots=True)
class _Late:
    at_mono_s: float
    event: Arrived


class SimFindface:
    """The ``FindfaceClient`` protocol on a simulated clock.

    Args:
        clock: moved on by each request.
        rates: the chance of each trouble, in [0, 1]; together at most 1.
        seed: of that chance.
        request_s: what a request takes, seconds.
        late_max_s: the latest that a late capture arrives after it was sent, seconds.

    Owner: one thread.
    """

    def __init__(
        self,
        clock: SimClock,
        *,
        rates: Mapping[Trouble, float] | None = None,
        seed: int = 0,
        request_s: float = 0.01,
        late_max_s: float = 35.0,
    ) -> None:
        self.arrivals: list[Arrived] = []
        """In order of arrival, doubles included."""
        self.requests: Counter[str] = Counter()
        """By ``log_in``, ``capture``, ``look_up``."""
        self.troubles: Counter[Trouble] = Counter()
        self.down = False
        self.healed = False
        """Nothing goes wrong by chance any more."""
        self._clock = clock
        self._rates = dict(rates) if rates is not None else {}
        self._rng = Random(seed)  # noqa: S311 - chance that can be repeated, not a secret
        self._request_s = request_s
        self._late_max_s = late_max_s
        self._late: list[_Late] = []
        self._by_camera: dict[int, list[FindfaceEvent]] = {}

    @property
    def clock(self) -> Clock:
        """The clock in use."""
        return self._clock

    @property
    def ambiguous(self) -> int:
        """Captures whose sender was left in doubt."""
        return sum(self.troubles[trouble] for trouble in _AMBIGUOUS)

    def login(self) -> None:
        """See FindfaceClient."""
        self._request("log_in")
        self._fail(self._trouble(_FOR_QUERIES - {Trouble.SESSION}))

    def ensure_login(self) -> None:
        """See FindfaceClient."""
        self.login()

    def logout(self) -> None:
        """See FindfaceClient."""

    def camera_groups(self) -> list[FindfaceGroup]:
        """See FindfaceClient. There are none."""
        return []

    def cameras(
        self,
        group_ids: Sequence[int] = (),  # noqa: ARG002 - the protocol's
        *,
        external_detector: bool | None = True,  # noqa: ARG002
        active: bool | None = True,  # noqa: ARG002
    ) -> list[FindfaceCamera]:
        """See FindfaceClient. There are none."""
        return []

    def add_face_event(  # noqa: PLR0913 - FindFace's form has these fields
        self,
        camera: int,
        token: str,  # noqa: ARG002 - any will do
        *,
        fullframe_jpeg: bytes,  # noqa: ARG002 - not looked at
        roi: tuple[int, int, int, int],
        timestamp: datetime,
        mf_selector: MfSelector = "biggest",  # noqa: ARG002
        rotate: bool | None = None,  # noqa: ARG002
        temperature: float | None = None,  # noqa: ARG002
        liveness: float | None = None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """See FindfaceClient."""
        began_mono_s = self._clock.mono_s()
        self._request("capture")
        event, trouble = (camera, timestamp, roi), self._trouble(frozenset(Trouble))
        if trouble is Trouble.LATE:
            self._late.append(_Late(began_mono_s + self._rng.uniform(0.0, self._late_max_s), event))
        elif trouble in {None, Trouble.LOST_AFTER}:
            event_id = self._arrive(event)
            if trouble is None:
                return (event_id,)
        self._fail(trouble)
        raise AssertionError("a trouble raises")

    def find_events(self, camera: int, *, from_utc: datetime, to_utc: datetime) -> list[FindfaceEvent]:
        """See FindfaceClient."""
        self._request("look_up")
        self._fail(self._trouble(_FOR_QUERIES))
        return [event for event in self._by_camera.get(camera, []) if from_utc <= event.created_at_utc <= to_utc]

    def close(self) -> None:
        """See FindfaceClient."""

    def land(self) -> None:
        """Let arrive what is late and due by now."""
        now_mono_s = self._clock.mono_s()
        due = [late for late in self._late if late.at_mono_s <= now_mono_s]
        self._late = [late for late in self._late if late.at_mono_s > now_mono_s]
        for late in sorted(due, key=lambda one: one.at_mono_s):
            self._arrive(late.event)

    def _request(self, kind: str) -> None:
        self.requests[kind] += 1
        self._clock.advance(self._request_s)
        self.land()

    def _trouble(self, possible: frozenset[Trouble]) -> Trouble | None:
        if self.down:
            return Trouble.UNREACHABLE
        if self.healed:
            return None
        chance = self._rng.random()
        for trouble, rate in self._rates.items():
            chance -= rate
            if chance < 0.0:
                return trouble if trouble in possible else None
        return None

    def _fail(self, trouble: Trouble | None) -> None:
        if trouble is None:
            return
        self.troubles[trouble] += 1
        if trouble in _AMBIGUOUS:
            raise DeliveryAmbiguous("no answer, as told")
        if trouble is Trouble.BUSY:
            raise RecognizerBusy("failed, as told", retry_after_s=self._rng.choice([None, 1.0]))
        kinds = {
            Trouble.UNREACHABLE: RecognizerUnreachable,
            Trouble.SESSION: SessionRejected,
            Trouble.FAILED: RecognizerUnavailable,
        }
        raise kinds[trouble]("failed, as told")

    def _arrive(self, event: Arrived) -> str:
        camera, at_utc, (left, top, right, bottom) = event
        event_id = str(FIRST_EVENT_ID + len(self.arrivals))
        self.arrivals.append(event)
        face = (left + 1, top + 1, right - 1, bottom - 1)
        self._by_camera.setdefault(camera, []).append(FindfaceEvent(event_id, camera, at_utc, face))
        return event_id
