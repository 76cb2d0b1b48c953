"""Cameras of the configuration that were provisioned: the settings with what FindFace calls them, and keeping it so."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pydantic import SecretStr

from vigia.application.provisioning import KnownDetector
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.config import CameraSettings, Settings
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository
from vigia.infrastructure.provisioning import known_detectors

FILE_NAME = "cameras-findface.json"


def detector_file(settings: Settings) -> Path:
    """Where ids and tokens of provisioned cameras are kept."""
    return settings.data_dir / FILE_NAME


def provisioned(settings: Settings) -> Settings:
    """The settings with ids and tokens of provisioned cameras, where the configuration does not give them itself.

    Raises:
        ConfigurationError: what was kept cannot be read.
    """
    if all(camera.findface_id is not None and camera.token is not None for camera in settings.cameras):
        return settings
    return with_detectors(settings, known_detectors(detector_file(settings)))


def with_detectors(settings: Settings, known: Mapping[CameraId, KnownDetector]) -> Settings:
    """The same from what is known. A token is taken only together with the id that it belongs to. Pure."""
    cameras = tuple(_with_detector(camera, known.get(CameraId(camera.id))) for camera in settings.cameras)
    return settings if cameras == settings.cameras else settings.model_copy(update={"cameras": cameras})


class ProvisionedCameraRepository:
    """A camera list by the settings and what was provisioned, which may change meanwhile. Behind ``CameraRepository``.

    Owner: the thread that reads the list.

    Args:
        settings: as they stand in the configuration.
        make: the list by completed settings.
    """

    def __init__(self, settings: Settings, make: Callable[[Settings], CombinedCameraRepository]) -> None:
        self._settings = settings
        self._make = make
        self._completed: Settings | None = None
        self._repository: CombinedCameraRepository | None = None

    def list(self) -> list[Camera]:
        """All cameras; see ``CombinedCameraRepository.list``. Raises ConfigurationError as ``provisioned``, too."""
        return self._current().list()

    def all(self) -> Sequence[Camera]:
        """The same, none or only inactive ones too."""
        return self._current().all()

    def _current(self) -> CombinedCameraRepository:
        completed = provisioned(self._settings)
        if self._repository is None or completed != self._completed:
            self._completed, self._repository = completed, self._make(completed)
        return self._repository


def _with_detector(camera: CameraSettings, known: KnownDetector | None) -> CameraSettings:
    if known is None or camera.findface_id not in {None, known.findface_id}:
        return camera
    token = camera.token if camera.token is not None else SecretStr(known.token)
    return camera.model_copy(update={"findface_id": known.findface_id, "token": token})
