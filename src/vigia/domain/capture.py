"""A capture: what a track is worth sending. The thing that must not be lost."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

from vigia.domain.camera import CameraId

CaptureId = NewType("CaptureId", str)
"""32 hexadecimal digits, unique for ever."""


class CaptureState(StrEnum):
    """Where a capture is in its life. ``delivered``, ``refused`` and ``dead`` are final."""

    PENDING = "pending"
    LEASED = "leased"
    DELIVERED = "delivered"
    REFUSED = "refused"
    """The recogniser answered and will never take it (it saw no face, say)."""
    DEAD = "dead"
    """Given up; kept for a person to decide."""


@dataclass(frozen=True, slots=True)
class Capture:
    """The chosen shot of a track, ready to be committed."""

    id: CaptureId
    camera_id: CameraId
    findface_camera_id: int | None
    track_id: int
    at_utc: datetime
    """When the chosen frame arrived; timezone-aware."""
    box_xyxy: tuple[float, float, float, float]
    """The face, in pixels of the posted picture."""
    roi_ltrb: tuple[int, int, int, int]
    """Where the recogniser shall look: left, top, right, bottom in pixels of the posted picture, inside it."""
    size_wh: tuple[int, int]
    """The posted picture's width and height, pixels."""
    quality: float
    jpeg: bytes = field(repr=False)
    details: dict[str, Any] = field(default_factory=dict)
    """Quality parts, confidence, frame and loop numbers, and the face in pixels of the camera's picture (``box``, in a
    picture of ``frame_size``): JSON-serialisable, for people and reports."""


@dataclass(frozen=True, slots=True)
class LeasedCapture:
    """A capture handed to one sender for a while. ``lease`` proves the holder in every later transition."""

    id: CaptureId
    camera_id: CameraId
    findface_camera_id: int | None
    at_utc: datetime
    roi_ltrb: tuple[int, int, int, int]
    jpeg: bytes = field(repr=False)
    lease: str
    attempts: int
    """Deliveries tried, this one included: 1 on the first."""
    quality: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)
    maybe_sent: bool = False
    """An earlier attempt may have arrived: look it up before it is sent again."""
    committed_at_utc: datetime | None = field(default=None, compare=False)
    """When it was committed, by whoever did; None = not told."""
    is_fresh: bool = field(default=True, compare=False)
    """No attempt was made since it was committed or put back, as far as its row tells."""
    put_back: bool = field(default=False, compare=False)
    """A person made it pending again after it had ended."""
