"""A crew, and what the rest of a run needs of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vigia.application.crew import Crew
from vigia.application.ports import Sheddable
from vigia.application.service import LoopService
from vigia.domain.camera import CameraId
from vigia.domain.passages import ProcessedWindow


@dataclass(frozen=True, slots=True)
class Hands:
    """A crew, and what the rest of a run needs of it."""

    crew: Crew
    sheddables: Sequence[Sheddable]
    windows: Callable[[], Mapping[tuple[CameraId, int], ProcessedWindow]]
    """What was seen of each clip, after the run."""
    is_idle: Callable[[], bool]
    """Whether a garbage collection in this process would hold up nobody."""
    side_services: Sequence[LoopService] = ()
