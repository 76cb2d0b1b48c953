"""Video without video: scripted sources, a decoder that hands payloads through, a detector that knows the answer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from vigia.application.errors import SourceEnded, SourceError
from vigia.application.ports import Clock, Decoded, DecodedFrame, Detections
from vigia.domain.camera import CameraId
from vigia.domain.frame import Chroma, Frame, Luma, Packet, Picture, StreamInfo
from vigia.domain.regions import Region

STREAM = StreamInfo(codec="scripted", width=640, height=360, fps=30.0)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class ScriptedPicture:
    """A picture with known faces.

    Args:
        faces_xyxy: (left, top, right, bottom) each, pixels.
        moving: varies the luma so that the motion gate opens.
        tint: blue and red difference everywhere, 128 for grey.
    """

    faces_xyxy: tuple[tuple[float, float, float, float], ...] = ()
    moving: int = 0
    width: int = 640
    height: int = 360
    tint: tuple[int, int] = (100, 160)

    def luma(self) -> Luma:
        """A texture; shifted by ``moving``."""
        row = (np.arange(self.width) * 7 + self.moving * 53) % 200 + 20
        return np.broadcast_to(row.astype(np.uint8), (self.height, self.width))

    def chroma(self) -> Chroma | None:
        """One colour, at half the size."""
        blue, red = (np.broadcast_to(np.uint8(level), (self.height // 2, self.width // 2)) for level in self.tint)
        return blue, red


@dataclass(frozen=True, slots=True)
class ScriptedPacket:
    """What a scripted packet decodes to.

    ``picture`` None is a damaged packet; ``corrupt`` decodes to a damaged picture.
    """

    picture: ScriptedPicture | None = field(default_factory=ScriptedPicture)
    is_key: bool = True
    corrupt: bool = False


def packet(  # noqa: PLR0913 - a packet's fields, all with a default
    camera_id: CameraId,
    index: int,
    *,
    clock: Clock,
    script: ScriptedPacket | None = None,
    stream: StreamInfo = STREAM,
    discontinuity: bool | None = None,
    media_index: int | None = None,
    loop: int = 0,
    at_mono_s: float | None = None,
) -> Packet:
    """A packet that has just arrived; the first one of a source begins anew."""
    script = script if script is not None else ScriptedPacket()
    now_s = clock.mono_s()
    return Packet(
        camera_id=camera_id,
        index=index,
        pts_s=index / 30.0,
        is_key=script.is_key,
        received_mono_s=now_s,
        at_mono_s=now_s if at_mono_s is None else at_mono_s,
        at_utc=clock.utc(),
        size_bytes=1000,
        payload=script,
        stream=stream,
        discontinuity=index == 0 if discontinuity is None else discontinuity,
        media_index=media_index,
        loop=loop,
    )


class ScriptedDecoder:
    """Hands the scripted pictures through. Owner: one thread.

    Args:
        delay: how many pictures it holds back, like a decoder of B-frames.
        cost_s: what decoding one packet takes on ``clock`` when that is a ``SimClock``.
    """

    def __init__(self, stream: StreamInfo, *, delay: int = 0, spend: Callable[[], None] | None = None) -> None:
        self.stream = stream
        self.closed = False
        self._delay = delay
        self._spend = spend
        self._inside: list[Packet] = []

    def decode(self, packet: Packet) -> Decoded:
        """One in; out come the pictures older than the delay."""
        if self._spend is not None:
            self._spend()
        self._inside.append(packet)
        return self._release(keep=self._delay)

    def flush(self) -> Decoded:
        """All that is inside."""
        return self._release(keep=0)

    def close(self) -> None:
        """Nothing to free."""
        self.closed = True

    def _release(self, *, keep: int) -> Decoded:
        frames, lost = [], 0
        while len(self._inside) > keep:
            coded = self._inside.pop(0)
            script: ScriptedPacket = coded.payload
            if script.picture is None:
                lost += 1
                continue
            frame = Frame(
                camera_id=coded.camera_id,
                index=coded.index,
                pts_s=coded.pts_s,
                received_mono_s=coded.received_mono_s,
                at_mono_s=coded.at_mono_s,
                at_utc=coded.at_utc,
                picture=script.picture,
                media_index=coded.media_index,
                loop=coded.loop,
            )
            frames.append(DecodedFrame(frame, corrupt=script.corrupt))
        return Decoded(frames, lost)


class ScriptedDetector:
    """Finds exactly the faces of a ``ScriptedPicture``. Owner: one thread."""

    name = "scripted"
    sure_confidence = 0.6

    def __init__(self, *, spend: Callable[[], None] | None = None) -> None:
        self.calls = 0
        self._spend = spend

    def input_width_for(self, *, frame_width: int, min_face_px: float) -> int:  # noqa: ARG002 - needs no input
        """The frame's own width."""
        return frame_width

    def detect(
        self,
        picture: Picture,
        *,
        input_width: int,  # noqa: ARG002 - needs no input
        region: Region | None = None,
    ) -> Detections:
        """The scripted faces with plausible landmarks; of a region those that reach into it, cut by its edges."""
        self.calls += 1
        if self._spend is not None:
            self._spend()
        faces = picture.faces_xyxy if isinstance(picture, ScriptedPicture) else ()
        boxes = np.array(faces, dtype=np.float32).reshape(-1, 4)
        if region is not None:
            edges = np.array([region.left, region.top, region.right, region.bottom], dtype=np.float32)
            boxes = np.clip(boxes, np.tile(edges[:2], 2), np.tile(edges[2:], 2))
            boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]
        return Detections(boxes, landmarks_for(boxes), np.full(len(boxes), 0.9, dtype=np.float32))


def landmarks_for(boxes_xyxy: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """Frontal landmarks inside each box: float32 (N, 5, 2)."""
    boxes = np.asarray(boxes_xyxy, dtype=np.float32).reshape(-1, 4)
    places = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.76], [0.65, 0.76]], dtype=np.float32)
    sides = boxes[:, None, 2:] - boxes[:, None, :2]
    return (boxes[:, None, :2] + places[None] * sides).astype(np.float32)


class ScriptedSource:
    """Plays one script per ``open``: packets, then an error. Owner: one thread.

    Args:
        runs: for each open, either an error to raise at once, or the packets and the error that ends them.
        clock: stamps packets: live ones when they come, those of a file by their place in it.
        on_packet: called before each packet; moves a ``SimClock``, say.
    """

    def __init__(
        self,
        camera_id: CameraId,
        runs: Iterable[SourceError | tuple[Sequence[ScriptedPacket], SourceError]],
        *,
        clock: Clock,
        on_packet: Callable[[], None] | None = None,
        stream: StreamInfo = STREAM,
    ) -> None:
        self._camera_id = camera_id
        self._runs = iter(runs)
        self._clock = clock
        self._on_packet = on_packet
        self._stream = stream
        self._run: tuple[Sequence[ScriptedPacket], SourceError] = ((), SourceEnded("the script is over"))
        self._index = 0
        self.opens = 0
        self.closes = 0
        self.interrupted = False
        self.bad_stamps = 0
        """Whatever a test says."""
        self.clock_off_s: float | None = None
        """Whatever a test says."""

    def open(self) -> StreamInfo:
        """Begin the next run of the script."""
        self.opens += 1
        run = next(self._runs, SourceEnded("the script is over"))
        if isinstance(run, SourceError):
            raise run
        self._run = run
        return self._stream

    def packets(self) -> Iterator[Packet]:
        """The run's packets, then its error."""
        scripts, error = self._run
        start_s = self._clock.mono_s()
        for number, script in enumerate(scripts):
            if self._on_packet is not None:
                self._on_packet()
            yield packet(
                self._camera_id,
                self._index,
                clock=self._clock,
                script=script,
                stream=self._stream,
                discontinuity=number == 0,
                at_mono_s=None if self._stream.live else start_s + number / self._stream.fps,
            )
            self._index += 1
        raise error

    def interrupt(self) -> None:
        """Nothing waits here."""
        self.interrupted = True

    def close(self) -> None:
        """Count the call."""
        self.closes += 1


def walk(
    *, start_xy: tuple[float, float], step_xy: tuple[float, float], side_px: float, frames: int
) -> list[ScriptedPicture]:
    """Pictures of one face walking in a straight line."""
    pictures = []
    for number in range(frames):
        left, top = start_xy[0] + step_xy[0] * number, start_xy[1] + step_xy[1] * number
        pictures.append(ScriptedPicture(((left, top, left + side_px, top + side_px),), moving=number))
    return pictures


__all__ = [
    "STREAM",
    "ScriptedDecoder",
    "ScriptedDetector",
    "ScriptedPacket",
    "ScriptedPicture",
    "ScriptedSource",
    "landmarks_for",
    "packet",
    "walk",
]
