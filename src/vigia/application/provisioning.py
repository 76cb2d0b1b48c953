"""What provisioning needs of the world: FindFace's list of external detectors, and a book of what was made for whom."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from vigia.application.errors import PermanentError
from vigia.domain.camera import CameraId


class DetectorRefused(PermanentError):
    """FindFace answered and will not make this camera or group: a field is wrong."""


@dataclass(frozen=True, slots=True)
class DetectorGroup:
    """A camera group of FindFace."""

    id: int
    name: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Detector:
    """A camera of FindFace, as far as it matters here; what may hold credentials is not in its ``repr``."""

    findface_id: int
    name: str
    group_id: int | None
    external: bool
    comment: str = field(default="", repr=False)
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class KnownDetector:
    """What FindFace calls a camera, and the token that its captures are sent with."""

    findface_id: int
    token: str = field(repr=False)


class DetectorRegistry(Protocol):
    """FindFace's cameras and groups. Owner: one thread.

    Every call raises RecognizerUnavailable, SessionRejected, CredentialsRejected or LicenseRejected when FindFace
    cannot be asked.
    """

    def groups(self) -> Sequence[DetectorGroup]:
        """All groups that cameras can be in, active or not."""
        ...

    def detectors(self) -> Sequence[Detector]:
        """All cameras, of any group, active or not, external detectors or not."""
        ...

    def make_group(self, name: str) -> DetectorGroup:
        """Make a group.

        Raises:
            DetectorRefused: a field is wrong; nothing was made.
            DeliveryAmbiguous: it may have been made.
        """
        ...

    def make_detector(self, *, name: str, group_id: int, comment: str) -> Detector:
        """Make an external detector. Raises as ``make_group``."""
        ...


class DetectorBook(Protocol):
    """Which detector belongs to which camera of the configuration, kept on disk. Owner: one thread."""

    def read(self) -> Mapping[CameraId, KnownDetector]:
        """All that is known. Raises ConfigurationError when it cannot be read."""
        ...

    def keep(self, camera_id: CameraId, known: KnownDetector) -> None:
        """Add or replace one; on disk when this returns. Raises ConfigurationError when it cannot be written."""
        ...
