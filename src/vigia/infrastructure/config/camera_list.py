"""The camera list of the configuration file, behind the same port as FindFace's."""

from collections.abc import Sequence

from vigia.application.errors import NoCameras
from vigia.domain.camera import Camera, CameraId, OverrideOrigin
from vigia.infrastructure.config.camera_overrides import overrides_from, playback_overrides
from vigia.infrastructure.config.delivery_sections import CameraSettings


class ConfiguredCameraRepository:
    """The cameras of ``cameras:``, with what each has of its own. Immutable; any thread."""

    def __init__(self, cameras: Sequence[CameraSettings]) -> None:
        self._cameras = [configured_camera(camera) for camera in cameras]

    def list(self) -> list[Camera]:
        """All cameras in the file's order; some may be inactive.

        Raises:
            NoCameras: none is active.
        """
        if not self._cameras:
            raise NoCameras("cameras: none is listed")
        if not any(camera.active for camera in self._cameras):
            raise NoCameras("cameras: none of them is active")
        return [*self._cameras]

    def all(self) -> Sequence[Camera]:
        """The same, none or only inactive ones too."""
        return tuple(self._cameras)


def configured_camera(given: CameraSettings) -> Camera:
    """A camera as the configuration describes it."""
    return Camera(
        id=CameraId(given.id),
        name=given.shown_name,
        url=given.url,
        findface_id=given.findface_id,
        token=given.token.get_secret_value() if given.token is not None else "",
        group=given.group,
        active=given.active,
        overrides=(*playback_overrides(given), *overrides_from(given.settings, OverrideOrigin.CAMERA)),
    )
