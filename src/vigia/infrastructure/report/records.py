"""What a report says of tracks and captures: values that JSON can hold, and files of one such value a line."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from vigia.domain.event import FaceEvent
from vigia.domain.obstacles import Obstacle

PX_DIGITS = 1
SHARE_DIGITS = 4
SECONDS_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Shot:
    """One face in one picture of the video."""

    at_s: float
    """Since the first picture of the video, seconds."""
    at_utc: str
    """ISO 8601."""
    frame: int | None
    """Number of the picture within the file, from 0."""
    box_xyxy: list[float]
    """Left, top, right, bottom, pixels of the video's picture."""
    frame_size_wh: list[int]
    size_px: float
    """The smaller side of the box."""
    confidence: float
    quality: float
    quality_parts: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, event: FaceEvent) -> Self:
        """The numbers of an event whose times count from the beginning of the file."""
        return cls(
            at_s=round(event.at_mono_s, SECONDS_DIGITS),
            at_utc=event.at_utc.isoformat(timespec="milliseconds"),
            frame=event.media_index,
            box_xyxy=[round(float(edge), PX_DIGITS) for edge in event.box_xyxy],
            frame_size_wh=list(event.frame_size_wh),
            size_px=round(event.size_px, PX_DIGITS),
            confidence=round(float(event.confidence), SHARE_DIGITS),
            quality=round(float(event.quality.score), SHARE_DIGITS),
            quality_parts={name: round(float(part), SHARE_DIGITS) for name, part in event.quality.parts.items()},
        )


@dataclass(frozen=True, slots=True)
class CaptureRecord:
    """A shot that was captured."""

    capture: int
    """1, 2, 3 … in the order in which they were captured."""
    id: str
    """As the outbox knows it."""
    track: int
    chosen_as: str
    """``best``, ``first``, ``last``, ``realtime`` or ``realtime_first``."""
    shot: Shot
    picture: str
    """The face's own file, relative to the report."""

    def as_json(self) -> dict[str, Any]:
        """One flat object."""
        flat = {"capture": self.capture, "id": self.id, "track": self.track, "chosen_as": self.chosen_as}
        return flat | asdict(self.shot) | {"picture": self.picture}


@dataclass(frozen=True, slots=True)
class TrackRecord:
    """A passage of one face, and what became of it."""

    track: int
    fate: str
    """``captured``, ``filtered`` or ``lost``."""
    reason: str | None
    """Why it was filtered."""
    end: str
    from_s: float
    to_s: float
    events: int
    """Pictures in which the face was found."""
    moved_px: float
    best: Shot
    captures: list[int]
    picture: str | None
    """Of the best shot of a track that was not captured."""
    obstacles: tuple[Obstacle, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """One object."""
        return {
            "track": self.track,
            "fate": self.fate,
            "reason": self.reason,
            "end": self.end,
            "from_s": round(self.from_s, SECONDS_DIGITS),
            "to_s": round(self.to_s, SECONDS_DIGITS),
            "duration_s": round(self.to_s - self.from_s, SECONDS_DIGITS),
            "events": self.events,
            "moved_px": round(self.moved_px, PX_DIGITS),
            "captures": self.captures,
            "picture": self.picture,
            "best": asdict(self.best),
            "would_have_passed_with": [{"setting": one.setting, "value": one.value} for one in self.obstacles],
        }


class JsonLines:
    """A file of one JSON object a line, written as they come. Owner: one thread."""

    def __init__(self, path: Path) -> None:
        self._file: IO[str] = path.open("w", encoding="utf-8", newline="\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self.close()

    def write(self, value: dict[str, Any]) -> None:
        """Add one."""
        self._file.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")

    def close(self) -> None:
        """Have it all in the file. Idempotent."""
        self._file.close()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of such a file, one at a time."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
