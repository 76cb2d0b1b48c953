"""What the use cases need from the world, as protocols. Adapters are in ``infrastructure``, fakes in ``testing``.

Every call that touches a network, a disk or native code has a time-out inside the adapter, and raises only the errors
of ``application/errors.py``.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vigia.application.outbox_port import (
    CaptureStore,
    Damage,
    Finding,
    ManagedOutbox,
    Outbox,
    OutboxDesk,
    OutboxEntry,
    OutboxStats,
    OutboxTally,
    SweepReport,
    VerifyReport,
)
from vigia.domain.camera import Camera
from vigia.domain.capture import LeasedCapture
from vigia.domain.frame import Frame, Packet, Picture, StreamInfo
from vigia.domain.regions import Region

__all__ = [
    "CameraRepository",
    "CaptureStore",
    "Clock",
    "Damage",
    "Decoded",
    "DecodedFrame",
    "DecoderFactory",
    "Detections",
    "FaceDetector",
    "Finding",
    "FrameSource",
    "ManagedOutbox",
    "Outbox",
    "OutboxDesk",
    "OutboxEntry",
    "OutboxStats",
    "OutboxTally",
    "PictureEncoder",
    "PictureScaler",
    "ProgressSink",
    "ProgressTask",
    "Recognizer",
    "Sheddable",
    "SweepReport",
    "VerifyReport",
    "VideoDecoder",
]


class Clock(Protocol):
    """Where time comes from. Thread-safe."""

    def mono_s(self) -> float:
        """Monotonic seconds: for ages, silences and delays."""
        ...

    def utc(self) -> datetime:
        """Wall time, timezone-aware: for people and for FindFace."""
        ...

    def wait(self, event: Event, timeout_s: float) -> bool:
        """Wait until ``event`` is set or ``timeout_s`` passed; True when it is set. The only way to sleep."""
        ...


class FrameSource(Protocol):
    """One camera's stream, demultiplexed only. Owner: one thread, but ``interrupt`` may come from any."""

    def open(self) -> StreamInfo:
        """Connect and find the video stream.

        Raises:
            SourceUnreachable, SourceAuthFailed: the text names the URL without its credentials.
        """
        ...

    def packets(self) -> Iterator[Packet]:
        """Yield packets until something ends it; never returns normally.

        Raises:
            SourceEnded, SourceStalled, SourceUnreachable.
        """
        ...

    def interrupt(self) -> None:
        """Make a pacing wait return early. Idempotent; any thread."""
        ...

    def close(self) -> None:
        """Let go of the stream. Idempotent."""
        ...

    @property
    def bad_stamps(self) -> int:
        """Packets whose time stamps were missing, went back or jumped. Any thread."""
        ...

    @property
    def clock_off_s(self) -> float | None:
        """How far the camera's clock is ahead of this machine's, seconds; None when it does not tell. Any thread."""
        ...


class VideoDecoder(Protocol):
    """Turns one stream's packets into frames. Owner: one thread."""

    def decode(self, packet: Packet) -> "Decoded":
        """Feed one packet; return what came out, in presentation order (often one frame, with B-frames 0 or 2).

        A damaged packet gives no frame, or one with ``corrupt`` set; it never raises.
        """
        ...

    def flush(self) -> "Decoded":
        """Return what the decoder still holds and forget its state; it can be fed again from a key frame on.

        Afterwards every packet that went in has come out as a frame or been counted as lost.
        """
        ...

    def close(self) -> None:
        """Free the native decoder. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame out of the decoder."""

    frame: Frame
    corrupt: bool = False


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one call to the decoder gave."""

    frames: Sequence[DecodedFrame] = ()
    lost: int = 0
    """Packets given up: they went in and no frame will come of them."""


class DecoderFactory(Protocol):
    """Makes a decoder for a stream."""

    def __call__(self, stream: StreamInfo, /) -> VideoDecoder:
        """Raises SourceUnreachable when there is no decoder for the codec."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The faces of one frame, most confident first."""

    boxes_xyxy: NDArray[np.float32]
    """float32 (N, 4), full-frame pixels, clipped to the frame."""
    landmarks: NDArray[np.float32]
    """float32 (N, 5, 2), full-frame pixels; order as in ``domain/event.py``."""
    confidences: NDArray[np.float32]
    """float32 (N,), in [0, 1]."""

    def __len__(self) -> int:
        return len(self.confidences)


class FaceDetector(Protocol):
    """Finds faces in one picture. Owner: one thread (each shard has its own)."""

    @property
    def name(self) -> str:
        """The model's name in the registry, such as ``yunet-s`` or ``centerface``."""
        ...

    @property
    def sure_confidence(self) -> float:
        """A face less confident than this, in [0, 1], may continue a track but starts none."""
        ...

    def detect(self, picture: Picture, *, input_width: int, region: Region | None = None) -> Detections:
        """Find faces.

        Args:
            picture: as decoded.
            input_width: width of the model's input in pixels; the height follows from the picture's shape, or the
                region's. Rounded up to what the model needs.
            region: look at this part only; None is the whole picture. Boxes are in pixels of the picture all the same,
                and those at the region's edges may be cut by them.
        """
        ...

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:
        """The smallest input width at which a face of ``min_face_px`` frame pixels is above the model's floor."""
        ...


class PictureScaler(Protocol):
    """Makes the small input of a detector straight from the decoded planes. Owner: one thread."""

    def scale_planar(
        self, picture: Picture, *, width: int, height: int, region: Region | None = None
    ) -> Sequence[NDArray[np.uint8]]:
        """Scale to ``width`` by ``height`` pixels: three uint8 (height, width) planes, blue, green, red.

        Of the whole picture, or of a region of it. The planes are views, valid until the next call.
        """
        ...


class PictureEncoder(Protocol):
    """Makes a JPEG of a decoded picture. Any thread."""

    def encode_jpeg(
        self,
        picture: Picture,
        *,
        quality: int,
        crop_ltrb: tuple[int, int, int, int] | None = None,
        size_wh: tuple[int, int] | None = None,
    ) -> bytes:
        """A picture or a part of it as a JPEG file, in the colours of the scene, without any text or EXIF.

        Args:
            picture: as decoded.
            quality: 1 to 100.
            crop_ltrb: left, top, right, bottom of what is cut out, pixels inside ``picture``; None: all of it.
            size_wh: width and height that the cut is scaled to, pixels, 1 or more; None: as it is.

        Raises:
            DomainError: the part is not inside the picture.
        """
        ...


class Recognizer(Protocol):
    """Takes captures: FindFace Multi, or a fake. Any thread."""

    def log_in(self) -> None:
        """Open a session, unless there is one. Raises CredentialsRejected, LicenseRejected, RecognizerUnavailable."""
        ...

    def deliver(self, capture: LeasedCapture, *, camera_token: str) -> tuple[str, ...]:
        """Send one capture once; return the ids of the events made, as text.

        Raises:
            CaptureRefused: never to be retried.
            DeliveryAmbiguous: it may have arrived.
            SessionRejected, LicenseRejected, CameraTokenRejected, RecognizerUnavailable: it did not arrive.
        """
        ...

    def find_delivered(self, capture: LeasedCapture) -> tuple[str, ...]:
        """Look an ambiguous capture up by camera and time; its event ids, or empty when it surely did not arrive.

        Raises:
            LookUpDeferred: it is not known before some time has passed; ask again then.
            SessionRejected, LicenseRejected, RecognizerUnavailable: it is not known yet.
        """
        ...

    def log_out(self) -> None:
        """End the session; failures are logged, not raised."""
        ...

    def close(self) -> None:
        """Close connections. Idempotent."""
        ...


class CameraRepository(Protocol):
    """Where the list of cameras comes from: FindFace or the configuration file."""

    def list(self) -> list[Camera]:
        """All cameras of this vigia; some may be inactive.

        Raises:
            NoCameras: none is active; says what would be right.
            RecognizerUnavailable, CredentialsRejected, LicenseRejected.
        """
        ...

    def all(self) -> Sequence[Camera]:
        """The same, none or only inactive ones too. Raises as ``list`` does, but never NoCameras."""
        ...


class Sheddable(Protocol):
    """A component that can give memory back when asked. Called from the memory manager's thread."""

    @property
    def shed_name(self) -> str:
        """For the log."""
        ...

    def shed(self) -> int:
        """Give back what can be spared; return an estimate of the bytes freed."""
        ...


class ProgressSink(Protocol):
    """Shows a long job's progress: a bar on a terminal, lines in a log."""

    def task(self, label: str, total: int) -> AbstractContextManager["ProgressTask"]:
        """Open a task of ``total`` units."""
        ...


class ProgressTask(Protocol):
    """One running task."""

    def advance(self, amount: int = 1) -> None:
        """Report ``amount`` more units done."""
        ...
