"""A recogniser in memory that fails when told to: the fake for use cases and simulations.

Over HTTP the same is ``flaky_http_server.py``.
"""

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from random import Random

from vigia.application.errors import (
    CameraTokenRejected,
    CaptureRefused,
    CredentialsRejected,
    DeliveryAmbiguous,
    LicenseRejected,
    RecognizerBusy,
    RecognizerUnavailable,
    RecognizerUnreachable,
    SessionRejected,
)
from vigia.domain.capture import CaptureId, LeasedCapture

FIRST_EVENT_ID = 4737770269510631760
"""64 bits, as FindFace's are: more than a float holds."""


class Fault(StrEnum):
    """What may go wrong with one delivery."""

    NO_FACE = "no_face"
    BAD_PARAM = "bad_param"
    TOO_LARGE = "too_large"
    UNAVAILABLE = "unavailable"
    BUSY = "busy"
    """429 or 503."""
    LOST_BEFORE = "lost_before"
    """Ambiguous for the sender; it did not arrive."""
    LOST_AFTER = "lost_after"
    """Ambiguous for the sender; it did arrive."""
    SESSION = "session"
    LICENSE = "license"
    CAMERA_TOKEN = "camera_token"  # noqa: S105 - a fault's name


REFUSALS = frozenset({Fault.NO_FACE, Fault.BAD_PARAM, Fault.TOO_LARGE})


@dataclass(frozen=True, slots=True)
class Arrival:
    """One capture that arrived, each time that it did."""

    capture_id: CaptureId
    findface_camera_id: int
    at_utc: datetime
    roi_ltrb: tuple[int, int, int, int]
    event_id: str


class FlakyRecognizer:
    """The Recognizer port without a network: remembers what arrived, fails by script, then by chance.

    Args:
        script: the fates of the first deliveries, in the order of the calls; None lets one through.
        rates: after the script, the chance of each fault, in [0, 1]; together at most 1.
        seed: of that chance. The same seed and the same order of calls give the same faults.
        tokens: the cameras' own tokens by FindFace id; a camera that is not named takes any token.

    Owner: any thread; the lock guards everything.
    """

    def __init__(
        self,
        script: Iterable[Fault | None] = (),
        *,
        rates: Mapping[Fault, float] | None = None,
        seed: int = 0,
        tokens: Mapping[int, str] | None = None,
    ) -> None:
        self._lock = threading.Lock()  # guards everything below
        self._script = deque(script)
        self._rates = dict(rates) if rates is not None else {}
        if any(rate < 0.0 for rate in self._rates.values()) or sum(self._rates.values()) > 1.0:
            raise ValueError("rates are 0 or more and add up to 1 at most")
        self._rng = Random(seed)  # noqa: S311 - chance that can be repeated, not a secret
        self._tokens = dict(tokens) if tokens is not None else {}
        self._arrivals: list[Arrival] = []
        self._down = False
        self._credentials_good = True
        self._closed = False
        self._logged_in = False
        self._log_ins = 0
        self._deliveries = 0
        self._look_ups = 0

    def __repr__(self) -> str:
        with self._lock:
            return f"<FlakyRecognizer {self._deliveries} deliveries, {len(self._arrivals)} arrived>"

    @property
    def arrivals(self) -> tuple[Arrival, ...]:
        """What arrived, in order, doubles included."""
        with self._lock:
            return tuple(self._arrivals)

    @property
    def log_ins(self) -> int:
        """Log-ins tried."""
        with self._lock:
            return self._log_ins

    @property
    def deliveries(self) -> int:
        """Deliveries tried."""
        with self._lock:
            return self._deliveries

    @property
    def look_ups(self) -> int:
        """Look-ups tried."""
        with self._lock:
            return self._look_ups

    @property
    def logged_in(self) -> bool:
        """Whether a session is open."""
        with self._lock:
            return self._logged_in

    def then(self, *faults: Fault | None) -> None:
        """Add to the script."""
        with self._lock:
            self._script.extend(faults)

    def set_down(self, down: bool) -> None:
        """Unreachable for every call, or back again."""
        with self._lock:
            self._down = down

    def set_credentials_good(self, good: bool) -> None:
        """Whether log-ins are accepted."""
        with self._lock:
            self._credentials_good = good

    def log_in(self) -> None:
        """See Recognizer."""
        with self._lock:
            self._log_ins += 1
            self._check_reachable()
            if not self._credentials_good:
                raise CredentialsRejected("the log-in is refused, as told")
            self._logged_in = True

    def deliver(self, capture: LeasedCapture, *, camera_token: str) -> tuple[str, ...]:
        """See Recognizer."""
        with self._lock:
            self._deliveries += 1
            self._check_reachable()
            camera = capture.findface_camera_id
            if camera is None:
                raise CaptureRefused("no_camera", "the capture has no FindFace camera")
            if not camera_token or camera_token != self._tokens.get(camera, camera_token):
                raise CameraTokenRejected("the camera's token is wrong")
            fault = self._next_fault()
            if fault is None or fault is Fault.LOST_AFTER:
                event_id = str(FIRST_EVENT_ID + len(self._arrivals))
                self._arrivals.append(Arrival(capture.id, camera, capture.at_utc, capture.roi_ltrb, event_id))
                if fault is None:
                    self._logged_in = True
                    return (event_id,)
            if fault is Fault.SESSION:
                self._logged_in = False
            raise error_of(fault)

    def find_delivered(self, capture: LeasedCapture) -> tuple[str, ...]:
        """See Recognizer."""
        with self._lock:
            self._look_ups += 1
            self._check_reachable()
            return tuple(a.event_id for a in self._arrivals if a.capture_id == capture.id)

    def log_out(self) -> None:
        """See Recognizer."""
        with self._lock:
            self._logged_in = False

    def close(self) -> None:
        """See Recognizer."""
        with self._lock:
            self._closed = True

    def _check_reachable(self) -> None:
        if self._down or self._closed:
            raise RecognizerUnreachable("the recogniser is down, as told" if self._down else "it is closed")

    def _next_fault(self) -> Fault | None:
        if self._script:
            return self._script.popleft()
        chance = self._rng.random()
        for fault, rate in self._rates.items():
            chance -= rate
            if chance < 0.0:
                return fault
        return None


def error_of(fault: Fault) -> Exception:
    """What a sender sees of a fault."""
    if fault in REFUSALS:
        return CaptureRefused(fault.value, "refused, as told")
    if fault in {Fault.LOST_BEFORE, Fault.LOST_AFTER}:
        return DeliveryAmbiguous("no answer, as told")
    kinds = {
        Fault.UNAVAILABLE: RecognizerUnavailable,
        Fault.BUSY: RecognizerBusy,
        Fault.SESSION: SessionRejected,
        Fault.LICENSE: LicenseRejected,
        Fault.CAMERA_TOKEN: CameraTokenRejected,
    }
    return kinds[fault]("failed, as told")
