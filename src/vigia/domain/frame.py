"""Packets and frames: one coded, one decoded picture of a camera.

A frame stays as the codec made it: ``picture`` is a reference to the decoded planes, and nothing is converted or
copied until somebody needs it. The payload of a packet and the picture of a frame are opaque here.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vigia.domain.camera import CameraId

Luma = NDArray[np.uint8]
Chroma = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Blue and red difference, uint8 (rows, columns) each: 128 is grey. As the codec has them, mostly of half the size."""


class Picture(Protocol):
    """A decoded picture. Immutable; any thread may read it."""

    @property
    def width(self) -> int:
        """Pixels."""
        ...

    @property
    def height(self) -> int:
        """Pixels."""
        ...

    def luma(self) -> Luma:
        """The full-size luma plane, uint8 (height, width): a view, not a copy, valid while the picture lives."""
        ...

    def chroma(self) -> Chroma | None:
        """The blue and the red difference plane, views like ``luma``; None where the format has no such planes."""
        ...


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a source says of its video stream once it is open."""

    codec: str
    width: int
    height: int
    fps: float
    """Average frame rate as declared; 0 when unknown."""
    extradata: bytes = field(default=b"", repr=False)
    """Codec configuration record (SPS/PPS and the like) that a decoder needs before the first packet."""
    pixel_format: str = ""
    """Needed by decoders of uncompressed video (webcams) only."""
    live: bool = True
    """A live source cannot be asked to wait; a file that is read flat out can."""


@dataclass(frozen=True, slots=True)
class Packet:
    """One coded picture, as it came out of the demultiplexer."""

    camera_id: CameraId
    index: int
    """0, 1, 2 … in order of arrival, over all reconnects of this source."""
    pts_s: float | None
    """Presentation time on the stream's own clock, seconds; ``None`` when the stream gives none."""
    is_key: bool
    received_mono_s: float
    """When it arrived: the age of a frame is counted from here."""
    at_mono_s: float
    """When it was taken, on the monotonic clock: of a live source by its stamp, or by arrival where that is no good; of
    a file at its start plus PTS.
    """
    at_utc: datetime
    """The same moment for people and for FindFace; timezone-aware."""
    size_bytes: int
    payload: Any = field(repr=False, compare=False)
    stream: StreamInfo = field(repr=False, compare=False, kw_only=True)
    discontinuity: bool = False
    """True on the first packet after an open, a reconnect or a loop: decoder state and tracks do not carry over."""
    media_index: int | None = None
    """Number of the frame within its file, 0-based, where the source is a file; restarts with every loop."""
    loop: int = 0
    """How often the file has been started over."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture with the times of the packet it came from."""

    camera_id: CameraId
    index: int
    pts_s: float | None
    received_mono_s: float
    at_mono_s: float
    at_utc: datetime
    picture: Picture = field(repr=False, compare=False)
    media_index: int | None = None
    loop: int = 0

    @property
    def size_wh(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.picture.width, self.picture.height
