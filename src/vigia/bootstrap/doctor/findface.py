"""FindFace: reached, logged in to, allowed to list cameras; and what it knows of the cameras watched here.

One session for everything. Each answer also tells FindFace's time, and how long it took.
"""

import contextlib
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import cast
from urllib.parse import urlsplit

from vigia.application.diagnosis import Finding, Word
from vigia.application.errors import (
    ConfigurationError,
    CredentialsRejected,
    LicenseRejected,
    NoCameras,
    RecognizerMisaddressed,
    RecognizerUnreachable,
)
from vigia.application.ports import Clock
from vigia.bootstrap.doctor import kinds_sites as kinds
from vigia.bootstrap.doctor.certificates import judge_peer
from vigia.bootstrap.doctor.clocks import Skew
from vigia.bootstrap.doctor.patient import Patient
from vigia.bootstrap.parts import camera_repository, findface_client
from vigia.bootstrap.provisioned import provisioned
from vigia.domain.camera import Camera
from vigia.domain.errors import VigiaError
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_cameras import stream_url
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_wire import FindfaceCamera, FindfaceGroup
from vigia.infrastructure.clients.http_transport import HttpRequest, HttpResponse, HttpTimeouts, HttpTransport
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository
from vigia.infrastructure.i18n import mark

SLOW_MS = 1000.0
LIMITS_S = HttpTimeouts(connect_s=5.0, read_s=15.0, write_s=10.0, pool_s=5.0, total_s=20.0)
"""The doctor does not wait as long as a delivery does."""
KIND_OF_REFUSAL = (
    (CredentialsRejected, kinds.FINDFACE_REFUSED),
    (LicenseRejected, kinds.FINDFACE_LICENCE),
    (RecognizerMisaddressed, kinds.FINDFACE_MISADDRESSED),
)
NO_ANSWER = mark("no answer in time")


@dataclass(frozen=True, slots=True)
class Visit:
    """What FindFace said."""

    findings: tuple[Finding, ...]
    skews: tuple[Skew, ...] = ()
    """This machine's clock against FindFace's, by each answer."""
    cameras: tuple[Camera, ...] | None = None
    """The active ones of this vigia; None when they are not known."""
    camera_findings: tuple[Finding, ...] = ()
    """What hindered reading the list of cameras."""


class WitnessTransport:
    """Notes when answers came and what time the server had. Owner: one thread.

    Args:
        inner: which sends.
        clock: ours.
    """

    def __init__(self, inner: HttpTransport, clock: Clock) -> None:
        self.skews: list[Skew] = []
        self.times_s: list[float] = []
        self._inner = inner
        self._clock = clock

    @property
    def name(self) -> str:
        """The library, for the log."""
        return self._inner.name

    def request(self, request: HttpRequest) -> HttpResponse:
        """See HttpTransport."""
        clock = self._clock
        sent_utc, began_s = clock.utc(), clock.mono_s()
        response = self._inner.request(request)
        skew = Skew.of_answer(response.headers.get("date", ""), sent_utc=sent_utc, received_utc=clock.utc())
        self.times_s.append(clock.mono_s() - began_s)
        if skew is not None:
            self.skews.append(skew)
        return response

    def close(self) -> None:
        """See HttpTransport."""
        self._inner.close()


def visit_findface(patient: Patient) -> Visit:
    """Log in, read lists, log out. Changes nothing, here or there."""
    settings = patient.settings
    try:
        settings.findface_access()
        client = findface_client(_with_uuid(settings), clock=patient.clock)
    except ConfigurationError as error:
        return without_findface(settings, kinds.FINDFACE_NOT_SET.of(why=error))
    with contextlib.closing(client):
        access: FindfaceAccess = client.access
        witness = WitnessTransport(_transport(access, patient.clock), patient.clock)
        session: FindfaceMulti = client.over(witness)
        with contextlib.closing(session):
            try:
                session.login()
            except VigiaError as error:
                return replace(without_findface(settings, log_in_finding(access, error)), skews=tuple(witness.skews))
            try:
                visit = _lists(settings, session)
            finally:
                with contextlib.suppress(VigiaError):
                    session.logout()
    took = judge_time(1000.0 * median(witness.times_s))
    return replace(
        visit, findings=(took, *visit.findings, *judge_peer(access, patient.clock)), skews=tuple(witness.skews)
    )


def log_in_finding(access: FindfaceAccess, error: VigiaError) -> Finding:
    """What a failed log-in means for the person who has to put it right."""
    if not isinstance(error, RecognizerUnreachable):
        told = (kind for of, kind in KIND_OF_REFUSAL if isinstance(error, of))
        return next(told, kinds.FINDFACE_FAILS).of(why=error)
    parts = urlsplit(access.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            return kinds.FINDFACE_UNKNOWN_HOST.of(host=host)
        if isinstance(cause, ssl.SSLError):
            why = getattr(cause, "verify_message", "") or cause.reason or type(cause).__name__
            return kinds.FINDFACE_TLS.of(host=host, why=why)
    why = next((c.strerror for c in _causes(error) if isinstance(c, OSError) and c.strerror), None)
    return kinds.FINDFACE_UNREACHABLE.of(host=host, port=port, why=why or Word(NO_ANSWER))


def judge_time(ms: float) -> Finding:
    """Whether FindFace answers quickly."""
    return (kinds.FINDFACE_SLOW if ms > SLOW_MS else kinds.FINDFACE_WORKS).of(ms=ms)


def _lists(settings: Settings, session: FindfaceMulti) -> Visit:
    """What the session may see."""
    try:
        groups = [group for group in session.camera_groups() if group.id >= 0]
        listed = session.cameras((), external_detector=None, active=None)
    except CredentialsRejected as error:
        return without_findface(settings, kinds.FINDFACE_NO_RIGHTS.of(why=error))
    except VigiaError as error:
        return without_findface(settings, kinds.FINDFACE_FAILS.of(why=error))
    detectors = {camera.id: camera for camera in listed if camera.external_detector}
    count = kinds.FINDFACE_DETECTORS.of(count=len(detectors), groups=len(groups))
    told = _own(settings, session) if settings.reads_findface_cameras else _configured(settings)
    unusable = judge_listed(settings, groups, detectors) if settings.reads_findface_cameras else ()
    known = judge_known(told.cameras or (), detectors)
    return replace(told, findings=(count, *unusable, *known))


def judge_listed(
    settings: Settings, groups: Sequence[FindfaceGroup], detectors: Mapping[int, FindfaceCamera]
) -> Iterator[Finding]:
    """Active detectors of this vigia's groups that cannot be watched."""
    prefix = settings.findface.group_prefix
    chosen = {group.id for group in groups if group.active and group.name.startswith(prefix)}
    addressed = {camera.findface_id for camera in settings.cameras} if settings.reads_configured_cameras else set()
    for camera in detectors.values():
        if not camera.active or camera.group_id not in chosen or camera.id in addressed:
            continue
        name = f"{camera.name} ({camera.id})"
        if stream_url(camera.comment) is None:
            yield kinds.FINDFACE_CAMERA_NO_URL.of(name)
        elif not camera.token:
            yield kinds.FINDFACE_CAMERA_NO_TOKEN.of(name)


def judge_known(cameras: Sequence[Camera], detectors: Mapping[int, FindfaceCamera]) -> Iterator[Finding]:
    """Whether FindFace would take captures of these cameras."""
    for camera in cameras:
        if camera.findface_id is None:
            continue
        detector = detectors.get(camera.findface_id)
        if detector is None:
            yield kinds.FINDFACE_CAMERA_UNKNOWN.of(camera.name, id=camera.findface_id)
        elif camera.token and detector.token and camera.token != detector.token:
            yield kinds.FINDFACE_CAMERA_TOKEN.of(camera.name, id=camera.findface_id)
        elif not detector.active:
            yield kinds.FINDFACE_CAMERA_INACTIVE.of(camera.name, id=camera.findface_id)


def _own(settings: Settings, session: FindfaceMulti) -> Visit:
    """The cameras of a run that asks FindFace for them."""
    client = cast(FindfaceMultiAsync, session)  # for a list of cameras the two are one
    try:
        return Visit((), cameras=_active(camera_repository(settings, client).list()))
    except NoCameras as error:
        return Visit((), cameras=(), camera_findings=(kinds.CAMERAS_NONE.of(why=error),))
    except VigiaError as error:
        return Visit((), camera_findings=(kinds.CAMERAS_LIST.of(why=error),))


def _configured(settings: Settings) -> Visit:
    """The cameras of a run that does not."""
    try:
        return Visit((), cameras=_active(CombinedCameraRepository(provisioned(settings)).list()))
    except NoCameras as error:
        return Visit((), cameras=(), camera_findings=(kinds.CAMERAS_NONE.of(why=error),))
    except VigiaError as error:
        return Visit((), camera_findings=(kinds.CAMERAS_LIST.of(why=error),))


def without_findface(settings: Settings, finding: Finding) -> Visit:
    """FindFace cannot be asked: why, and the cameras that are known all the same."""
    if settings.reads_findface_cameras:
        return Visit((finding,), camera_findings=(kinds.CAMERAS_NOT_KNOWN.of(),))
    return replace(_configured(settings), findings=(finding,))


def known_cameras(patient: Patient) -> Visit:
    """The cameras, where nobody wants FindFace looked at; FindFace is asked all the same where it has the list."""
    settings = patient.settings
    return visit_findface(patient) if settings.reads_findface_cameras else _configured(settings)


def _active(cameras: Sequence[Camera]) -> tuple[Camera, ...]:
    return tuple(camera for camera in cameras if camera.active)


def _with_uuid(settings: Settings) -> Settings:
    """Settings that name this device without writing anything: each new name is one more device in FindFace's list."""
    if settings.findface.uuid is not None or settings.uuid_file.exists():
        return settings
    named = settings.findface.model_copy(update={"uuid": f"vigia-check-{socket.gethostname()}"[:256]})
    return settings.model_copy(update={"findface": named})


def _transport(access: FindfaceAccess, clock: Clock) -> HttpTransport:
    asked = access.timeouts
    limits = HttpTimeouts(
        **{name: min(getattr(asked, name), getattr(LIMITS_S, name)) for name in HttpTimeouts.__slots__}
    )
    try:
        from vigia.infrastructure.clients.httpx_transport import HttpxTransport  # noqa: PLC0415 - vigia works without
    except ImportError:
        from vigia.infrastructure.clients.requests_transport import RequestsTransport  # noqa: PLC0415 - as above

        return RequestsTransport(access.url, clock=clock, timeouts=limits, tls=access.tls)
    return HttpxTransport(access.url, clock=clock, timeouts=limits, tls=access.tls, max_connections=1)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What lies behind an error, the nearest first."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
