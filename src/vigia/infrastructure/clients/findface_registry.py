"""``FindfaceDetectorRegistry``: FindFace's cameras and groups, to be read and made."""

from collections.abc import Sequence
from typing import Protocol

from vigia.application.provisioning import Detector, DetectorGroup
from vigia.infrastructure.clients.findface_client import FindfaceClient
from vigia.infrastructure.clients.findface_wire import FindfaceCamera, FindfaceGroup


class MakingClient(FindfaceClient, Protocol):
    """A client that also makes cameras and groups."""

    def add_camera_group(self, name: str) -> FindfaceGroup:
        """Make a camera group."""
        ...

    def add_camera(self, *, name: str, group_id: int, comment: str) -> FindfaceCamera:
        """Make an external detector."""
        ...


class FindfaceDetectorRegistry:
    """Behind ``DetectorRegistry``. Owner: any thread, as its client, which is not closed here."""

    def __init__(self, client: MakingClient) -> None:
        self._client = client

    def groups(self) -> Sequence[DetectorGroup]:
        """All groups but the video archive's pseudo-group."""
        return [DetectorGroup(g.id, g.name, g.active) for g in self._client.camera_groups() if g.id >= 0]

    def detectors(self) -> Sequence[Detector]:
        """All cameras, by id."""
        listed = self._client.cameras(external_detector=None, active=None)
        return [_detector(camera) for camera in sorted(listed, key=lambda camera: camera.id)]

    def make_group(self, name: str) -> DetectorGroup:
        """Make a group."""
        made = self._client.add_camera_group(name)
        return DetectorGroup(made.id, made.name, made.active)

    def make_detector(self, *, name: str, group_id: int, comment: str) -> Detector:
        """Make an external detector."""
        return _detector(self._client.add_camera(name=name, group_id=group_id, comment=comment))


def _detector(camera: FindfaceCamera) -> Detector:
    return Detector(
        findface_id=camera.id,
        name=camera.name,
        group_id=camera.group_id,
        external=camera.external_detector,
        comment=camera.comment,
        token=camera.token,
    )
