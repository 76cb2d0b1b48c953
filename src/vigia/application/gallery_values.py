"""What the gallery is given to keep: plain values with small JPEG files; picklable."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from vigia.domain.camera import CameraId
from vigia.domain.frame import Picture
from vigia.domain.obstacles import Obstacle

NUMBERS_BYTES = 1200
"""About what an entry takes in memory beside its pictures; a candidate the same."""


class TrackKey(NamedTuple):
    """One track; no two of a run have the same."""

    camera_id: CameraId
    track_id: int


class ShotKey(NamedTuple):
    """One shot of a track: a track has one event of a frame at most."""

    track: TrackKey
    frame_index: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One event of a track that might have been sent."""

    frame_index: int
    at_s: float
    """Since the track began."""
    quality: float
    parts: Mapping[str, float]
    confidence: float
    size_px: float
    sent: bool = False
    face: bytes | None = None
    """JPEG."""


@dataclass(frozen=True, slots=True)
class PassageSheet:
    """What is told of a track: while it goes on, with each shot that is sent, and at its end."""

    track: TrackKey
    began_utc: datetime
    duration_s: float
    events: int
    moved_px: float
    best: Candidate
    """With a picture only when nothing of the track was sent."""
    fate: str | None = None
    """A ``TrackFate``'s value; None while it goes on."""
    reason: str | None = None
    """A ``FilterReason``'s value, of a filtered one."""
    candidates: tuple[Candidate, ...] = ()
    """In order of time, of a track that sent."""
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        pictures = sum(len(one.face) for one in (self.best, *self.candidates) if one.face is not None)
        return pictures + NUMBERS_BYTES * (1 + len(self.candidates))

    def without_pictures(self) -> "PassageSheet":
        """The numbers only."""
        bare = tuple(replace(one, face=None) for one in self.candidates)
        return replace(self, best=replace(self.best, face=None), candidates=bare)

    def without_faces(self, frames: Iterable[int]) -> "PassageSheet":
        """Without the faces of some candidates, told by their frames."""
        gone = frozenset(frames)
        if not gone:
            return self
        kept = tuple(replace(one, face=None) if one.frame_index in gone else one for one in self.candidates)
        return replace(self, candidates=kept)


@dataclass(frozen=True, slots=True)
class ShotPictures:
    """The pictures of one shot that was sent, JPEG."""

    shot: ShotKey
    face: bytes
    frame: bytes
    """What was posted, made smaller."""

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return len(self.face) + len(self.frame) + NUMBERS_BYTES


GalleryItem = PassageSheet | ShotPictures


class FaceCutter(Protocol):
    """Cuts faces out of pictures in two steps: a quick one while the picture is there, and coding later."""

    def cut(self, picture: Picture, crop_ltrb: tuple[int, int, int, int], *, side_px: int) -> Any:
        """Copy a part, every so many pixels, so that no side is longer than ``side_px``. Quick; any thread."""
        ...

    def encode(self, cutting: Any, *, quality: int) -> bytes:
        """The cutting as a JPEG file. Any thread."""
        ...

    def picture_bytes(self, picture: Picture) -> int:
        """What holding a whole picture takes in memory. Quick; any thread."""
        ...
