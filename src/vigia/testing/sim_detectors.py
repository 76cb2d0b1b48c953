"""FindFace's list of external detectors in memory, and the book of them: for tests of provisioning."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import TypeVar

from vigia.application.errors import DeliveryAmbiguous, RecognizerUnreachable
from vigia.application.provisioning import Detector, DetectorGroup, DetectorRefused, KnownDetector
from vigia.domain.camera import CameraId

_Made = TypeVar("_Made")
FIRST_ID = 10


class Killed(Exception):
    """The process would have ended here: something was made, and nobody learnt it."""


class MakingFault(Enum):
    """What happens to one request that makes something."""

    NONE = auto()
    REFUSED = auto()
    UNREACHABLE = auto()
    REQUEST_LOST = auto()
    """No answer, and nothing was made."""
    ANSWER_LOST = auto()
    """No answer, and it was made."""
    KILLED = auto()


class SimDetectorRegistry:
    """Behind ``DetectorRegistry``. Owner: one thread.

    Args:
        groups: that are there.
        faults: one for each request that makes something; without it nothing goes wrong.
    """

    def __init__(self, groups: Sequence[DetectorGroup], *, faults: Iterator[MakingFault] | None = None) -> None:
        self.all_groups = list(groups)
        self.all_detectors: list[Detector] = []
        self._faults = faults if faults is not None else itertools.repeat(MakingFault.NONE)
        self._ids = itertools.count(FIRST_ID)

    def groups(self) -> Sequence[DetectorGroup]:
        """All groups."""
        return list(self.all_groups)

    def detectors(self) -> Sequence[Detector]:
        """All detectors."""
        return list(self.all_detectors)

    def make_group(self, name: str) -> DetectorGroup:
        """Make a group; one without a name is refused."""

        def make() -> DetectorGroup:
            group = DetectorGroup(next(self._ids), name)
            self.all_groups.append(group)
            return group

        return self._made(make, refused=not name)

    def make_detector(self, *, name: str, group_id: int, comment: str) -> Detector:
        """Make an external detector; one without a name, or in no group, is refused."""

        def make() -> Detector:
            number = next(self._ids)
            made = Detector(number, name, group_id, external=True, comment=comment, token=f"t{number}")
            self.all_detectors.append(made)
            return made

        return self._made(make, refused=not name or all(group.id != group_id for group in self.all_groups))

    def _made(self, make: Callable[[], _Made], *, refused: bool) -> _Made:
        fault = next(self._faults)
        if fault is MakingFault.UNREACHABLE:
            raise RecognizerUnreachable("FindFace cannot be reached")
        if refused or fault is MakingFault.REFUSED:
            raise DetectorRefused("FindFace refused it")
        if fault is MakingFault.REQUEST_LOST:
            raise DeliveryAmbiguous("FindFace did not answer")
        made = make()
        if fault is MakingFault.ANSWER_LOST:
            raise DeliveryAmbiguous("FindFace did not answer")
        if fault is MakingFault.KILLED:
            raise Killed
        return made


class MemoryDetectorBook:
    """Behind ``DetectorBook``. Owner: one thread."""

    def __init__(self) -> None:
        self._known: dict[CameraId, KnownDetector] = {}

    def read(self) -> Mapping[CameraId, KnownDetector]:
        """All that is known."""
        return dict(self._known)

    def keep(self, camera_id: CameraId, known: KnownDetector) -> None:
        """Add or replace one."""
        self._known[camera_id] = known
