"""A face event (*evento*): one face found in one frame."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType

import numpy as np
from numpy.typing import NDArray

from vigia.domain.camera import CameraId
from vigia.domain.frame import Picture
from vigia.domain.geometry import Boxes

EventId = NewType("EventId", int)
Box = NDArray[np.float32]
"""float32 (4,): left, top, right, bottom; full-frame pixels."""
Landmarks = NDArray[np.float32]
"""float32 (5, 2): x, y of right eye, left eye, nose tip, right and left mouth corner; full-frame pixels.

Right and left are the person's own: the right eye is left in the picture."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a shot of a face is: a score and the parts it was made of, each in [0, 1]."""

    score: float
    parts: dict[str, float] = field(default_factory=dict)


UNSCORED = Quality(0.0)


@dataclass(frozen=True, slots=True, eq=False)
class FaceEvent:
    """One face found in one frame. Immutable; compared by identity."""

    id: EventId
    camera_id: CameraId
    frame_index: int
    at_mono_s: float
    """When the frame was taken, on the monotonic clock: silences and durations are measured by it."""
    at_utc: datetime
    box_xyxy: Box
    landmarks: Landmarks
    confidence: float
    frame_size_wh: tuple[int, int]
    quality: Quality = UNSCORED
    picture: Picture | None = field(default=None, repr=False)
    """Held only while this event may still be posted."""
    media_index: int | None = None
    loop: int = 0
    postable: bool = True
    """Whether its size is one that may be sent: a shot that may not be never wins over one that may."""
    sure: bool = True
    """Whether the detector was sure enough for a track to start with it; one that is not may still continue a track."""
    frame_boxes_xyxy: Boxes | None = field(default=None, repr=False)
    """float32 (N, 4): all sure faces of the frame, this one among them if it is; shared by its events. The posted
    region keeps clear of the others."""

    def without_picture(self) -> "FaceEvent":
        """The same event, its numbers kept, its picture let go."""
        if self.picture is None:
            return self
        return FaceEvent(  # written out: ``replace`` takes three times as long, several times a frame
            self.id,
            self.camera_id,
            self.frame_index,
            self.at_mono_s,
            self.at_utc,
            self.box_xyxy,
            self.landmarks,
            self.confidence,
            self.frame_size_wh,
            self.quality,
            None,
            self.media_index,
            self.loop,
            self.postable,
            self.sure,
            self.frame_boxes_xyxy,
        )

    def better_than(self, other: "FaceEvent") -> bool:
        """Whether this is the shot to keep of the two; equal ones keep the earlier."""
        return (self.postable, self.quality.score) > (other.postable, other.quality.score)

    @property
    def size_px(self) -> float:
        """The smaller side of the box in pixels: what FindFace calls the size of a face."""
        left, top, right, bottom = (float(v) for v in self.box_xyxy)
        return min(right - left, bottom - top)
