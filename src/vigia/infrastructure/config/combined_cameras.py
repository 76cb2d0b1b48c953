"""The camera list of a run: the configuration's, FindFace's, or both mixed; each camera with its group's settings."""

import logging
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vigia.application.errors import NoCameras
from vigia.domain.camera import Camera, CameraId, CameraOverride, OverrideOrigin
from vigia.infrastructure.config.camera_list import ConfiguredCameraRepository, configured_camera
from vigia.infrastructure.config.camera_overrides import LeftOut, overrides_from, sound
from vigia.infrastructure.config.delivery_sections import CameraSettings
from vigia.infrastructure.config.settings import Settings

logger = logging.getLogger("vigia.cameras")


class OtherCameras(Protocol):
    """FindFace's list of cameras."""

    def list(self) -> list[Camera]:
        """All cameras; raises NoCameras when none is active, and says what would be right."""
        ...

    def all(self) -> Sequence[Camera]:
        """All cameras, none or only inactive ones too."""
        ...


class _NoOthers:
    """Where nobody reads FindFace's list."""

    def list(self) -> list[Camera]:
        raise NoCameras("no camera to watch: FindFace's list is not read")

    def all(self) -> Sequence[Camera]:
        return ()


class CombinedCameraRepository:
    """Behind ``CameraRepository``. Which lists it reads follows from ``camera_list``.

    A camera of the configuration whose ``findface_id`` is one of FindFace's *is* that camera: its id, URL and settings
    count, and what it gives of name, group, token and ``active``; the rest is FindFace's. The others stand side by
    side; of two that have the same id, the configuration's counts.

    Args:
        settings: checked.
        findface: FindFace's list, which is read where ``camera_list`` asks for it; needed there only.

    Owner: any thread; the lock guards what was told, never held across a call or the log.
    """

    def __init__(self, settings: Settings, findface: OtherCameras | None = None) -> None:
        self._settings = settings
        self._findface = findface if findface is not None else _NoOthers()
        self._lock = threading.Lock()  # guards _told
        self._told: frozenset[_Told] = frozenset()

    def list(self) -> list[Camera]:
        """All cameras, the configuration's first; some may be inactive.

        What does not agree in the settings of a camera is left out, with one WARNING until that changes.

        Raises:
            NoCameras: none is active; says what would be right.
            RecognizerUnavailable, CredentialsRejected, LicenseRejected: FindFace's list cannot be read.
        """
        settings = self._settings
        if not settings.reads_configured_cameras:
            return [*self._finished(_Mixed(self._findface.list()))]
        if not settings.reads_findface_cameras:
            ConfiguredCameraRepository(settings.cameras).list()  # says so when there is none to watch
        cameras = self.all()
        if not any(camera.active for camera in cameras):
            raise NoCameras("no camera to watch: neither cameras: nor FindFace lists an active one")
        return [*cameras]

    def all(self) -> Sequence[Camera]:
        """The same, none or only inactive ones too. Raises as ``list`` does, but never NoCameras."""
        theirs = self._findface.all() if self._settings.reads_findface_cameras else ()
        return self._finished(_mixed(self._settings, theirs))

    def _finished(self, mixed: "_Mixed") -> Sequence[Camera]:
        """The cameras with their groups' settings; what does not agree is told, once."""
        with self._lock:
            known = self._told
        finished, told = [], {_Told(camera.id) for camera in mixed.hidden}
        for camera in mixed.hidden:
            if _Told(camera.id) not in known:
                logger.warning(
                    "Camera %s of FindFace is left out: the configuration has a camera with this id", camera.id
                )
        for camera in mixed.cameras:
            complete, left_out = _complete(self._settings, camera)
            finished.append(complete)
            for left in left_out:
                mark = _Told(camera.id, left.override, str(left.problem))
                told.add(mark)
                if mark not in known:
                    _tell(camera, left)
        with self._lock:
            self._told = frozenset(told)
        return finished


@dataclass(frozen=True, slots=True)
class _Told:
    """Something that was told of a camera: its id is taken, or a setting of it is left out."""

    camera_id: CameraId
    override: CameraOverride | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Mixed:
    """Both lists as one."""

    cameras: Sequence[Camera]
    hidden: Sequence[Camera] = ()
    """FindFace's whose id is another camera's in the configuration."""


def recombined(settings: Settings, known: Iterable[Camera]) -> list[Camera]:
    """The list as it would be read if FindFace still said what it said last: while it is away, or at the start.

    What does not agree is left out without a word: it is told when the list is read again. Pure.

    Args:
        settings: as they are now.
        known: the list as it was read last, with older settings maybe.
    """
    theirs = [
        replace(camera, overrides=tuple(o for o in camera.overrides if o.origin is OverrideOrigin.FINDFACE))
        for camera in known
        if camera.findface_id is not None and settings.reads_findface_cameras
    ]
    own = {camera.id for camera in settings.cameras} if settings.reads_configured_cameras else set()
    return [
        _complete(settings, camera)[0]
        for camera in _mixed(settings, theirs).cameras
        # What is left of a camera that the configuration had is no camera of FindFace's.
        if camera.id in own or camera.id == str(camera.findface_id)
    ]


def _mixed(settings: Settings, theirs: Sequence[Camera]) -> _Mixed:
    by_number = {camera.findface_id: camera for camera in theirs if camera.findface_id is not None}
    by_id = {camera.id: camera for camera in theirs}
    mixed: dict[CameraId, Camera] = {}
    same: set[int | None] = set()
    if settings.reads_configured_cameras:
        for given in settings.cameras:
            camera = configured_camera(given)
            twin = by_id.get(camera.id)  # itself, in a list that was kept; two may be the same camera of FindFace's
            if twin is None or twin.findface_id != given.findface_id:
                twin = by_number.get(given.findface_id) if given.findface_id is not None else None
            if twin is not None:
                same.add(given.findface_id)
                camera = _completed(camera, given, twin)
            mixed[camera.id] = camera
    others = [camera for camera in theirs if camera.findface_id not in same]
    hidden = [camera for camera in others if camera.id in mixed]
    return _Mixed([*mixed.values(), *(camera for camera in others if camera.id not in mixed)], hidden)


def _completed(camera: Camera, given: CameraSettings, twin: Camera) -> Camera:
    """A camera of the configuration, with what it does not say itself taken from FindFace."""
    return replace(
        camera,
        name=camera.name if given.name else twin.name,
        token=camera.token or twin.token,
        group=camera.group or twin.group,
        active=camera.active if "active" in given.model_fields_set else twin.active,
        overrides=(*twin.overrides, *camera.overrides),
    )


def _complete(settings: Settings, camera: Camera) -> tuple[Camera, tuple[LeftOut, ...]]:
    """The camera with its group's settings before its own, and what of them does not agree."""
    shared = settings.groups.get(camera.group)
    if shared is not None:
        camera = replace(camera, overrides=(*overrides_from(shared, OverrideOrigin.GROUP), *camera.overrides))
    return sound(settings, camera) if camera.overrides else (camera, ())


def _tell(camera: Camera, left: LeftOut) -> None:
    facts = (camera.name, left.override.name, left.override.value, left.problem)
    if left.override.origin is OverrideOrigin.FINDFACE:
        logger.warning("Camera %s: its %s in FindFace (%s) is left out: %s", *facts)
    elif left.override.origin is OverrideOrigin.GROUP:
        logger.warning("Camera %s: its group's %s (%s) is left out for it: %s", *facts)
    else:
        logger.warning("Camera %s: its %s (%s) is left out: %s", *facts)
