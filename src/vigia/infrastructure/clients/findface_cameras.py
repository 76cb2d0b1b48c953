"""``FindfaceCameraRepository``: the list of cameras as FindFace Multi keeps it."""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum, auto
from urllib.parse import urlsplit

from vigia.application.errors import ConfigurationError, RecognizerUnavailable, SessionRejected
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clients.findface_client import FindfaceClient
from vigia.infrastructure.clients.findface_wire import FindfaceCamera, FindfaceGroup
from vigia.infrastructure.logging import get_logger

logger = get_logger("findface")

STREAM_SCHEMES = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "udp", "tcp", "rtp"})
"""What a comment in FindFace may name: streams. Files of this machine are not for its users to open."""


class _Complaint(Enum):
    """Why a camera cannot be watched."""

    NO_URL = auto()
    NO_TOKEN = auto()


class FindfaceCameraRepository:
    """External detectors of the groups whose name begins with a prefix; groups and cameras must be active.

    A camera's stream address is in its comment, which FindFace leaves to us: the first word of it.

    Args:
        client: plain or pooled; not closed here.
        group_prefix: compared as it is, capitals included; empty takes every group.
        url_schemes: which addresses are taken.

    Owner: any thread; the lock guards the complaints made, never held across a call or the log.
    """

    def __init__(
        self, client: FindfaceClient, *, group_prefix: str, url_schemes: Collection[str] = STREAM_SCHEMES
    ) -> None:
        self._client = client
        self._group_prefix = group_prefix
        self._url_schemes = frozenset(scheme.lower() for scheme in url_schemes)
        self._lock = threading.Lock()  # guards _complaints
        self._complaints: dict[int, _Complaint] = {}

    def list(self) -> list[Camera]:
        """All active cameras of this vigia, by id.

        A camera without a usable address or token is left out, with one WARNING until that changes.

        Raises:
            ConfigurationError: no group or no usable camera; says which groups there are.
            RecognizerUnavailable, CredentialsRejected, LicenseRejected.
        """
        try:
            groups = [group for group in self._client.camera_groups() if group.id >= 0]
            chosen = {g.id: g.name for g in groups if g.active and g.name.startswith(self._group_prefix)}
            if not chosen:
                raise ConfigurationError(
                    "no active camera group in FindFace begins with '%(prefix)s'; active: %(active)s; "
                    "inactive: %(inactive)s",
                    prefix=self._group_prefix,
                    active=_names(g for g in groups if g.active),
                    inactive=_names(g for g in groups if not g.active),
                )
            listed = self._client.cameras(sorted(chosen))
        except SessionRejected as error:
            raise RecognizerUnavailable(error.template, retry_after_s=error.retry_after_s, **error.facts) from error
        # Checked again here: what FindFace does with filters that it does not know is nowhere written.
        wanted = [
            c for c in listed if c.active and c.external_detector and (c.group_id is None or c.group_id in chosen)
        ]
        cameras = self._usable(wanted, chosen)
        if not cameras:
            raise ConfigurationError(
                "no camera to watch in FindFace's groups %(groups)s: it takes an active external detector with its "
                "stream's address in the comment (%(unusable)d without)",
                groups=", ".join(chosen.values()),
                unusable=len(wanted),
            )
        return [*cameras]

    def _usable(self, listed: Sequence[FindfaceCamera], groups: Mapping[int, str]) -> tuple[Camera, ...]:
        """Those that can be watched; a new complaint about another one is logged, a known one is not."""
        usable = []
        complaints: dict[int, _Complaint] = {}
        for camera in sorted(listed, key=lambda c: c.id):
            url = stream_url(camera.comment, schemes=self._url_schemes)
            if url is None:
                complaints[camera.id] = _Complaint.NO_URL
            elif not camera.token:
                complaints[camera.id] = _Complaint.NO_TOKEN
            else:
                usable.append(
                    Camera(
                        id=CameraId(str(camera.id)),
                        name=camera.name or str(camera.id),
                        url=url,
                        findface_id=camera.id,
                        token=camera.token,
                        group=groups.get(camera.group_id, "") if camera.group_id is not None else "",
                    )
                )
        with self._lock:
            known, self._complaints = self._complaints, complaints
        names = {camera.id: camera.name for camera in listed}
        for camera_id, complaint in complaints.items():
            if known.get(camera_id) is complaint:
                continue
            if complaint is _Complaint.NO_URL:
                logger.warning(
                    "camera %s (%s) is left out: its comment in FindFace does not begin with a stream's address",
                    camera_id,
                    names[camera_id],
                )
            else:
                logger.warning(
                    "camera %s (%s) is left out: FindFace gives no token for it", camera_id, names[camera_id]
                )
        return tuple(usable)


def _names(groups: Iterable[FindfaceGroup]) -> str:
    return ", ".join(group.name for group in groups) or "-"


def stream_url(comment: str, *, schemes: Collection[str] = STREAM_SCHEMES) -> str | None:
    """The address that a comment begins with, or None.

    >>> stream_url("  rtsp://10.0.0.5/stream  main gate")
    'rtsp://10.0.0.5/stream'
    """
    words = comment.split(maxsplit=1)
    if not words:
        return None
    scheme, separator, rest = words[0].partition("://")
    if not separator or scheme.lower() not in schemes:
        return None
    try:
        host = urlsplit(words[0]).hostname
    except ValueError:  # half an IPv6 address
        return None
    has_place = bool(host) or (scheme.lower() == "file" and bool(rest))
    return words[0] if has_place else None
