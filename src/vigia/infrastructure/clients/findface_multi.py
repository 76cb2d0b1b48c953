"""``FindfaceMulti``: the plain client of FindFace Multi, one ``requests`` call at a time.

The pooled drop-in is ``findface_async.py``; it shares everything here but the transport.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from vigia.application.errors import SessionRejected
from vigia.application.ports import Clock
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_creating import (
    Creation,
    camera_request,
    creation_error,
    creation_fault,
    group_request,
    read_made_camera,
    read_made_group,
)
from vigia.infrastructure.clients.findface_errors import Call, error_of_answer, error_of_fault
from vigia.infrastructure.clients.findface_session import FindfaceSession, SessionToken
from vigia.infrastructure.clients.findface_wire import (
    GROUPS_LIMIT,
    EventForm,
    FindfaceCamera,
    FindfaceEvent,
    FindfaceGroup,
    MfSelector,
    Page,
    add_event_request,
    cameras_request,
    events_request,
    groups_request,
    log_in_request,
    log_out_request,
    read_camera,
    read_event,
    read_event_ids,
    read_group,
    read_page,
    read_token,
)
from vigia.infrastructure.clients.http_transport import HttpRequest, HttpResponse, HttpTransport, TransportFault
from vigia.infrastructure.clients.requests_transport import RequestsTransport
from vigia.infrastructure.logging import get_logger

logger = get_logger("findface")

PAGES_MAX = 1000
"""A list that goes on after this has lost its end."""


class FindfaceMulti:
    """FindFace Multi's calls, in order, without retries; whoever calls decides what to try again.

    A session is opened when it is first needed. When FindFace does not accept it any more, one caller logs in for all
    (see ``findface_session.py``) and the call is repeated once.

    Args:
        access: address, account and trust.
        clock: times the spacing of log-ins.
        transport: how requests travel; ``requests`` by default. Closed by ``close``.
        session: shared with another client of the same FindFace, if there is one.

    Owner: any thread; its mutable parts, session and transport, guard themselves.
    """

    def __init__(
        self,
        access: FindfaceAccess,
        *,
        clock: Clock,
        transport: HttpTransport | None = None,
        session: FindfaceSession | None = None,
    ) -> None:
        self._access = access
        self._clock = clock
        self._session = session if session is not None else FindfaceSession(clock=clock)
        self._transport: HttpTransport = (
            transport
            if transport is not None
            else RequestsTransport(access.url, clock=clock, timeouts=access.timeouts, tls=access.tls)
        )
        if access.tls.insecure_skip_verify and access.url.startswith("https:"):
            logger.warning(
                "TLS verification is OFF (tls_insecure_skip_verify): anyone between here and %s can read the password "
                "and the faces; give a CA file instead",
                access.url,
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._access.url} over {self._transport.name}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def access(self) -> FindfaceAccess:
        """Address, account and trust."""
        return self._access

    @property
    def clock(self) -> Clock:
        """The clock in use."""
        return self._clock

    def over(self, transport: HttpTransport) -> Self:
        """The same client, of the same class and with the same session, over another transport."""
        other = copy.copy(self)
        other._transport = transport  # noqa: SLF001 - a copy of oneself
        return other

    def login(self) -> None:
        """Open a session, even if there is one; joins a log-in that is under way.

        Raises:
            CredentialsRejected, LicenseRejected, RecognizerUnavailable: also without asking, while the last refusal is
                less than half a minute old.
            SessionRejected: the session opened last was refused at once, or another log-in does not end.
        """
        self._session.refresh(self._log_in)

    def ensure_login(self) -> None:
        """Open a session, unless there is one that FindFace has not refused. Raises as ``login``."""
        self._session.obtain(self._log_in)

    def logout(self) -> None:
        """End the session, if there is one. It is forgotten here even when FindFace cannot be told.

        Raises:
            RecognizerUnavailable, SessionRejected, LicenseRejected, CredentialsRejected.
        """
        token = self._session.clear()
        if token is None:
            return
        self._exchange(Call.QUERY, _authorized(log_out_request(), token), secrets=(token.value,))
        logger.info("logged out of FindFace")

    def camera_groups(self) -> list[FindfaceGroup]:
        """All camera groups, by id; the video archive's pseudo-group (-1) among them.

        Raises:
            RecognizerUnavailable, SessionRejected, LicenseRejected, CredentialsRejected.
        """
        page = read_page(self._in_session(Call.QUERY, groups_request()))
        if len(page.results) >= GROUPS_LIMIT:
            logger.warning("FindFace lists %d camera groups or more: only these are read", GROUPS_LIMIT)
        return [read_group(item) for item in page.results]

    def cameras(
        self, group_ids: Sequence[int] = (), *, external_detector: bool | None = True, active: bool | None = True
    ) -> list[FindfaceCamera]:
        """The cameras of these groups (of all groups when none is named), all pages, each camera once.

        Args:
            group_ids: camera groups.
            external_detector: only external detectors, only others, or (None) both.
            active: only active cameras, only inactive ones, or (None) both.

        Raises:
            RecognizerUnavailable, SessionRejected, LicenseRejected, CredentialsRejected.
        """

        def request(cursor: str | None) -> HttpRequest:
            return cameras_request(
                group_ids=group_ids, external_detector=external_detector, active=active, cursor=cursor
            )

        found: dict[int, FindfaceCamera] = {}
        for page in self._pages(request):
            for item in page.results:
                camera = read_camera(item)
                found[camera.id] = camera
        return list(found.values())

    def add_camera_group(self, name: str) -> FindfaceGroup:
        """Make a camera group. Raises as ``add_camera``."""
        return read_made_group(self._in_session(Creation.GROUP, group_request(name=name)))

    def add_camera(self, *, name: str, group_id: int, comment: str) -> FindfaceCamera:
        """Make an active external detector; the answer holds its token.

        Raises:
            DetectorRefused: a field is wrong; nothing was made.
            DeliveryAmbiguous: it may have been made.
            RecognizerUnavailable, SessionRejected, LicenseRejected, CredentialsRejected: nothing was made.
        """
        request = camera_request(name=name, group_id=group_id, comment=comment)
        return read_made_camera(self._in_session(Creation.CAMERA, request, secrets=(comment,)))

    def add_face_event(  # noqa: PLR0913 - FindFace's form has these fields
        self,
        camera: int,
        token: str,
        *,
        fullframe_jpeg: bytes,
        roi: tuple[int, int, int, int],
        timestamp: datetime,
        mf_selector: MfSelector = "biggest",
        rotate: bool | None = None,
        temperature: float | None = None,
        liveness: float | None = None,
    ) -> tuple[str, ...]:
        """Send one capture once; return the ids of the events made, one or more, as text.

        Args:
            camera: FindFace's primary key of the camera.
            token: the camera's own ``external_detector_token``.
            fullframe_jpeg: the picture; at most 10 MB and 6000 px a side by FindFace's defaults.
            roi: left, top, right, bottom in pixels of the picture.
            timestamp: when it was taken, timezone-aware.
            mf_selector: which face FindFace takes when it sees several.
            rotate: whether FindFace may turn the picture.
            temperature: degrees, as measured by the detector.
            liveness: as judged by the detector.

        Raises:
            ValueError: a field cannot be sent.
            CaptureRefused: ``no_face``, ``bad_param``, ``too_large``, ``no_event``.
            DeliveryAmbiguous: it may have arrived.
            SessionRejected, CredentialsRejected, LicenseRejected, CameraTokenRejected, RecognizerUnavailable: it did
                not arrive.
        """
        form = EventForm(
            camera=camera,
            token=token,
            fullframe_jpeg=fullframe_jpeg,
            roi=roi,
            timestamp=timestamp,
            mf_selector=mf_selector,
            rotate=rotate,
            temperature=temperature,
            liveness=liveness,
        )
        response = self._in_session(Call.POST_EVENT, add_event_request(form), secrets=(token,))
        return read_event_ids(response, secrets=(token,))

    def find_events(self, camera: int, *, from_utc: datetime, to_utc: datetime) -> list[FindfaceEvent]:
        """A camera's face events created within a window, both ends included, all pages.

        Raises:
            RecognizerUnavailable, SessionRejected, LicenseRejected, CredentialsRejected.
        """

        def request(cursor: str | None) -> HttpRequest:
            return events_request(camera=camera, from_utc=from_utc, to_utc=to_utc, cursor=cursor)

        events = [read_event(item) for page in self._pages(request) for item in page.results]
        return list({event.id: event for event in events}.values())

    def close(self) -> None:
        """Close connections; the session stays open at the server. Idempotent."""
        self._transport.close()

    def _pages(self, request: Callable[[str | None], HttpRequest]) -> Iterator[Page]:
        """Every page of a list; a cursor that comes again ends it."""
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(PAGES_MAX):
            page = read_page(self._in_session(Call.QUERY, request(cursor)))
            yield page
            cursor = page.next_cursor
            if cursor is None:
                return
            if cursor in seen:
                logger.warning("FindFace's list names the same next page again: it is taken as complete")
                return
            seen.add(cursor)
        logger.warning("FindFace's list does not end after %d pages: the rest is not read", PAGES_MAX)

    def _log_in(self) -> str:
        """Ask for a session; its token. Called by one thread at a time."""
        access = self._access
        request = log_in_request(user=access.user, password=access.password, uuid=access.uuid)
        basic = request.headers["Authorization"].removeprefix("Basic ")
        token = read_token(self._exchange(Call.LOG_IN, request, secrets=(basic,)))
        logger.info("logged in to FindFace at %s as %s", access.url, access.user)
        return token

    def _in_session(self, call: Call | Creation, request: HttpRequest, *, secrets: Sequence[str] = ()) -> HttpResponse:
        """Send with the session's token; once more after a new log-in when it is not accepted."""
        token = self._session.obtain(self._log_in)
        try:
            return self._with_token(call, request, token, secrets=secrets)
        except SessionRejected:
            pass  # the answer says that nothing was done, so repeating doubles nothing
        token = self._session.obtain(self._log_in)
        return self._with_token(call, request, token, secrets=secrets)

    def _with_token(
        self, call: Call | Creation, request: HttpRequest, token: SessionToken, *, secrets: Sequence[str]
    ) -> HttpResponse:
        try:
            response = self._exchange(call, _authorized(request, token), secrets=(*secrets, token.value))
        except SessionRejected:
            self._session.reject(token)
            raise
        self._session.prove(token)
        return response

    def _exchange(self, call: Call | Creation, request: HttpRequest, *, secrets: Sequence[str]) -> HttpResponse:
        """One request, one answer of 2xx, or the error that it stands for."""
        try:
            response = self._transport.request(request)
        except TransportFault as fault:
            raise (creation_fault(fault) if isinstance(call, Creation) else error_of_fault(call, fault)) from fault
        if 200 <= response.status < 300:
            return response
        now_utc, secrets = self._clock.utc(), (*secrets, self._access.password)
        if isinstance(call, Creation):
            raise creation_error(response, now_utc=now_utc, secrets=secrets)
        raise error_of_answer(call, response, now_utc=now_utc, secrets=secrets)


def _authorized(request: HttpRequest, token: SessionToken) -> HttpRequest:
    return request.with_headers({"Authorization": f"Token {token.value}"})
