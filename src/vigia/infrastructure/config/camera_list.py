"""The camera list of the configuration file, behind the same port as FindFace's."""

from collections.abc import Sequence

from vigia.application.errors import ConfigurationError
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.config.delivery_sections import CameraSettings


class ConfiguredCameraRepository:
    """The active cameras of ``cameras:``. Immutable; any thread."""

    def __init__(self, cameras: Sequence[CameraSettings]) -> None:
        self._cameras = [
            Camera(
                id=CameraId(camera.id),
                name=camera.shown_name,
                url=camera.url,
                findface_id=camera.findface_id,
                token=camera.token.get_secret_value() if camera.token is not None else "",
                group=camera.group,
            )
            for camera in cameras
            if camera.active
        ]

    def list(self) -> list[Camera]:
        """All active cameras, in the file's order.

        Raises:
            ConfigurationError: none is active.
        """
        if not self._cameras:
            raise ConfigurationError("cameras: none of them is active")
        return self._cameras
