"""``FindfaceCameraRepository``: the list of cameras as FindFace Multi keeps it."""

import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias
from urllib.parse import urlsplit

from vigia.application.errors import NoCameras, RecognizerUnavailable, SessionRejected
from vigia.domain.camera import Camera, CameraId, CameraOverride
from vigia.infrastructure.clients.findface_client import FindfaceClient
from vigia.infrastructure.clients.findface_overrides import RefusedSetting, external_overrides
from vigia.infrastructure.clients.findface_wire import FindfaceCamera, FindfaceGroup
from vigia.infrastructure.logging import get_logger

logger = get_logger("findface")

STREAM_SCHEMES = frozenset({"rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "srt", "udp", "tcp", "rtp"})
"""What a comment in FindFace may name: streams. Files of this machine are not for its users to open."""


class _Complaint(Enum):
    """Why a camera cannot be watched."""

    NO_URL = auto()
    NO_TOKEN = auto()


_Complaints: TypeAlias = tuple[_Complaint | RefusedSetting, ...]
"""What is wrong with one camera."""


@dataclass(frozen=True, slots=True)
class _Listed:
    """One reading of FindFace's list."""

    groups: Sequence[FindfaceGroup]
    """All of them."""
    chosen: Mapping[int, FindfaceGroup]
    """Those of this vigia, inactive ones too."""
    cameras: Sequence[Camera]
    unusable: int
    """Active ones that cannot be watched."""


class FindfaceCameraRepository:
    """External detectors of the groups whose name begins with a prefix. Of inactive groups they are inactive.

    A camera's stream address is in its comment, which FindFace leaves to us: the first word of it. What FindFace has as
    its ``external_detector_settings`` becomes its overrides; only whether they make sense for themselves is checked.

    Args:
        client: plain or pooled; not closed here.
        group_prefix: compared as it is, capitals included; empty takes every group.
        url_schemes: which addresses are taken.
        apply_settings: False leaves ``external_detector_settings`` alone.
        addressed: ids in FindFace of cameras whose address is known elsewhere; they need none here, and no token.

    Owner: any thread; the lock guards the complaints made, never held across a call or the log.
    """

    def __init__(
        self,
        client: FindfaceClient,
        *,
        group_prefix: str,
        url_schemes: Collection[str] = STREAM_SCHEMES,
        apply_settings: bool = True,
        addressed: Collection[int] = (),
    ) -> None:
        self._client = client
        self._group_prefix = group_prefix
        self._url_schemes = frozenset(scheme.lower() for scheme in url_schemes)
        self._apply_settings = apply_settings
        self._addressed = frozenset(addressed)
        self._lock = threading.Lock()  # guards _complaints
        self._complaints: dict[int, _Complaints] = {}

    def list(self) -> list[Camera]:
        """All cameras of this vigia, by id; some may be inactive.

        A camera without a usable address or token is left out, with one WARNING until that changes; so is a setting
        that cannot be used.

        Raises:
            NoCameras: no group or no active, usable camera; says which groups there are.
            RecognizerUnavailable, CredentialsRejected, LicenseRejected.
        """
        listed = self._read()
        if not any(group.active for group in listed.chosen.values()):
            raise NoCameras(
                "no active camera group in FindFace begins with '%(prefix)s'; active: %(active)s; "
                "inactive: %(inactive)s",
                prefix=self._group_prefix,
                active=_names(g for g in listed.groups if g.active),
                inactive=_names(g for g in listed.groups if not g.active),
            )
        if not any(camera.active for camera in listed.cameras):
            raise NoCameras(
                "no camera to watch in FindFace's groups %(groups)s: it takes an active external detector with its "
                "stream's address in the comment (%(unusable)d without)",
                groups=_names(group for group in listed.chosen.values() if group.active),
                unusable=listed.unusable,
            )
        return [*listed.cameras]

    def all(self) -> Sequence[Camera]:
        """The same, none or only inactive ones too. Raises as ``list`` does, but never NoCameras."""
        return self._read().cameras

    def _read(self) -> _Listed:
        try:
            groups = [group for group in self._client.camera_groups() if group.id >= 0]
            chosen = {group.id: group for group in groups if group.name.startswith(self._group_prefix)}
            found = self._client.cameras(sorted(chosen), active=None) if chosen else []
        except SessionRejected as error:
            raise RecognizerUnavailable(error.template, retry_after_s=error.retry_after_s, **error.facts) from error
        # Checked again here: what FindFace does with filters that it does not know is nowhere written.
        wanted = [c for c in found if c.external_detector and (c.group_id is None or c.group_id in chosen)]
        cameras, complaints = [], dict[int, _Complaints]()
        unusable = 0
        for camera in sorted(wanted, key=lambda c: c.id):
            group = chosen.get(camera.group_id) if camera.group_id is not None else None
            active = camera.active and (group is None or group.active)
            usable, wrong = self._read_camera(camera, group="" if group is None else group.name, active=active)
            if usable is not None:
                cameras.append(usable)
            if active:  # of others nobody expects anything
                complaints[camera.id] = wrong
                unusable += usable is None
        self._complain(complaints, {camera.id: camera.name for camera in wanted})
        return _Listed(groups, chosen, cameras, unusable)

    def _read_camera(self, camera: FindfaceCamera, *, group: str, active: bool) -> tuple[Camera | None, _Complaints]:
        """The camera, None where it cannot be watched; and what is wrong with it."""
        url = stream_url(camera.comment, schemes=self._url_schemes)
        if camera.id not in self._addressed:
            if url is None:
                return None, (_Complaint.NO_URL,)
            if not camera.token and active:
                return None, (_Complaint.NO_TOKEN,)
        overrides: tuple[CameraOverride, ...] = ()
        refused: tuple[RefusedSetting, ...] = ()
        if self._apply_settings:
            overrides, refused = external_overrides(camera.settings)
        return (
            Camera(
                id=CameraId(str(camera.id)),
                name=camera.name or str(camera.id),
                url=url or "",
                findface_id=camera.id,
                token=camera.token,
                group=group,
                active=active,
                overrides=overrides,
            ),
            refused,
        )

    def _complain(self, complaints: dict[int, _Complaints], names: Mapping[int, str]) -> None:
        """Log what is new about a camera; what is known already is not told again."""
        with self._lock:
            known, self._complaints = self._complaints, complaints
        for camera_id, wrong in complaints.items():
            name = names[camera_id]
            for complaint in wrong:
                if complaint in known.get(camera_id, ()):
                    continue
                if isinstance(complaint, RefusedSetting):
                    logger.warning(
                        "camera %s (%s): its %s in FindFace is left out, it cannot be used: %s",
                        camera_id,
                        name,
                        complaint.name,
                        complaint.shown,
                    )
                elif complaint is _Complaint.NO_URL:
                    logger.warning(
                        "camera %s (%s) is left out: its comment in FindFace does not begin with a stream's address",
                        camera_id,
                        name,
                    )
                else:
                    logger.warning("camera %s (%s) is left out: FindFace gives no token for it", camera_id, name)


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
