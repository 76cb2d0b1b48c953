"""``FindfaceRecognizer``: the Recognizer port over either FindFace client."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime

from vigia.application.errors import (
    ApplicationError,
    CameraTokenRejected,
    CaptureRefused,
    CredentialsRejected,
    DeliveryAmbiguous,
    RecognizerUnavailable,
    RetryableError,
    SessionRejected,
)
from vigia.domain.capture import CaptureId, LeasedCapture
from vigia.infrastructure.clients.findface_client import FindfaceClient
from vigia.infrastructure.clients.findface_wire import FindfaceEvent, MfSelector
from vigia.infrastructure.clients.look_ups import LookUpRules, LookUps
from vigia.infrastructure.logging import get_logger

logger = get_logger("findface")

TIMESTAMP_TOLERANCE_S = 0.001
"""FindFace may keep milliseconds only."""
KNOWN_EVENTS_MAX = 4096
"""Events whose capture is remembered: more than can be made between a failure and its look-up."""


class FindfaceRecognizer:
    """Delivers captures to FindFace Multi, and finds those that may have arrived.

    An event belongs to a capture when camera and time agree, and the face that FindFace found lies in the region that
    was asked for: two people in the same frame have the same camera and time. An event that answered the delivery of
    another capture is not taken for this one.

    Args:
        client: plain or pooled; closed by ``close``. Its clock times attempts and look-ups.
        mf_selector: which face FindFace takes when it sees several in the region.
        look_ups: bounds of the look-ups.
        sole_sender: see ``LookUps``.

    Owner: any thread; the lock guards the remembered events, never held across a call.
    """

    def __init__(
        self,
        client: FindfaceClient,
        *,
        mf_selector: MfSelector = "biggest",
        look_ups: LookUpRules | None = None,
        sole_sender: bool = False,
    ) -> None:
        self._client = client
        self._clock = client.clock
        self._look_ups = LookUps(self._events, clock=client.clock, rules=look_ups, sole_sender=sole_sender)
        self._mf_selector: MfSelector = mf_selector
        self._lock = threading.Lock()  # guards _known
        self._known: OrderedDict[str, CaptureId] = OrderedDict()

    def __repr__(self) -> str:
        return f"<FindfaceRecognizer {self._client!r}>"

    @property
    def look_ups(self) -> LookUps:
        """What is known of doubtful captures, and how often FindFace was asked."""
        return self._look_ups

    def log_in(self) -> None:
        """Open a session, unless there is a good one.

        Raises:
            CredentialsRejected, LicenseRejected, RecognizerUnavailable: also without asking, when the last failure is
                too young (see ``findface_session.py``).
        """
        try:
            self._client.ensure_login()
        except SessionRejected as error:
            raise RecognizerUnavailable(error.template, retry_after_s=error.retry_after_s, **error.facts) from error

    def deliver(self, capture: LeasedCapture, *, camera_token: str) -> tuple[str, ...]:
        """Send one capture once; return the ids of the events made, as text.

        A refused log-in is told as SessionRejected: for a capture it means the same, it did not arrive.

        Raises:
            CaptureRefused: ``no_face``, ``bad_param``, ``too_large``, ``no_event``, ``no_camera``.
            DeliveryAmbiguous: it may have arrived.
            SessionRejected, LicenseRejected, CameraTokenRejected, RecognizerUnavailable: it did not arrive.
        """
        if capture.findface_camera_id is None:
            raise CaptureRefused("no_camera", "camera %(camera)s is not one of FindFace's", camera=capture.camera_id)
        if not camera_token:
            raise CameraTokenRejected("camera %(camera)s has no FindFace token", camera=capture.camera_id)
        began_mono_s = self._clock.mono_s()
        try:
            event_ids = self._client.add_face_event(
                capture.findface_camera_id,
                camera_token,
                fullframe_jpeg=capture.jpeg,
                roi=capture.roi_ltrb,
                timestamp=capture.at_utc,
                mf_selector=self._mf_selector,
            )
        except ValueError as error:  # before anything was sent
            raise CaptureRefused("bad_param", "the capture cannot be sent: %(detail)s", detail=error) from error
        except CredentialsRejected as error:
            raise _session_rejected(error) from error
        except RetryableError as error:
            if isinstance(error, DeliveryAmbiguous):
                self._look_ups.doubt(capture.id, began_mono_s=began_mono_s)
            raise
        except Exception:  # a defect of ours: whether it was sent is not known
            self._look_ups.doubt(capture.id, began_mono_s=began_mono_s)
            raise
        with self._lock:
            for event_id in event_ids:
                self._known[event_id] = capture.id
            while len(self._known) > KNOWN_EVENTS_MAX:
                self._known.popitem(last=False)
        return event_ids

    def find_delivered(self, capture: LeasedCapture) -> tuple[str, ...]:
        """Look an ambiguous capture up by camera and time; its event ids, or empty when it surely did not arrive.

        One question serves every doubtful capture of the same camera and minute, as far as its answer tells.

        Raises:
            LookUpDeferred: FindFace may still be working on it, or there were too many questions of late.
            SessionRejected, LicenseRejected, RecognizerUnavailable: it is not known yet.
        """
        camera = capture.findface_camera_id
        if camera is None:
            return ()
        try:
            return self._look_ups.find(capture.id, camera, capture.at_utc, lambda event: self._is_of(event, capture))
        except CredentialsRejected as error:
            raise _session_rejected(error) from error

    def _events(self, camera: int, from_utc: datetime, to_utc: datetime) -> Sequence[FindfaceEvent]:
        return self._client.find_events(camera, from_utc=from_utc, to_utc=to_utc)

    def _is_of(self, event: FindfaceEvent, capture: LeasedCapture) -> bool:
        if not _belongs(event, capture):
            return False
        with self._lock:
            return self._known.get(event.id, capture.id) == capture.id

    def log_out(self) -> None:
        """End the session; failures are logged, not raised."""
        try:
            self._client.logout()
        except ApplicationError as error:
            logger.warning("could not log out of FindFace: %s", error)

    def close(self) -> None:
        """Close connections. Idempotent."""
        self._client.close()


def _belongs(event: FindfaceEvent, capture: LeasedCapture) -> bool:
    if event.camera_id is not None and event.camera_id != capture.findface_camera_id:
        return False
    if abs((event.created_at_utc - capture.at_utc).total_seconds()) > TIMESTAMP_TOLERANCE_S:
        return False
    if event.face_ltrb is None:
        return True
    face_left, face_top, face_right, face_bottom = event.face_ltrb
    left, top, right, bottom = capture.roi_ltrb
    return left <= (face_left + face_right) / 2 <= right and top <= (face_top + face_bottom) / 2 <= bottom


def _session_rejected(error: RetryableError) -> SessionRejected:
    return SessionRejected(error.template, retry_after_s=error.retry_after_s, **error.facts)
