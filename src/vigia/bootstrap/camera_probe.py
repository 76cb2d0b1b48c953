"""Looking at one camera as a run would: what its stream is, its first picture, and what it will cost."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from vigia.application.call_guard import CallGuard
from vigia.application.errors import SourceEnded, SourceError, SourceStalled
from vigia.application.ports import Clock, FaceDetector, FrameSource
from vigia.application.stream_probe import StreamFigures, StreamProbe
from vigia.bootstrap.capacity import Capacity, measure_samples
from vigia.bootstrap.hot_path import HotPath
from vigia.domain.camera import Camera, CameraOverride, OverrideOrigin
from vigia.domain.frame import Packet, Picture, StreamInfo
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.camera_overrides import settings_for
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.inspection import Inspection, inspect_source
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.picture import av_frame

SAMPLE_PACKETS_MAX = 150
"""So many packets are kept to measure the cost with, from the first key frame on."""
SAMPLE_PACKETS_MIN = 10


@dataclass(frozen=True, slots=True)
class FirstPicture:
    """The first whole picture of a camera."""

    picture: Picture = field(repr=False)
    at_utc: datetime
    """When it was taken."""


@dataclass(frozen=True, slots=True)
class CameraProbe:
    """What was found out about one camera."""

    camera: Camera
    stream: StreamInfo
    figures: StreamFigures
    pixel_format: str
    open_s: float
    """Until the stream was known."""
    first_packet_s: float
    """From the start; ``first_picture_s`` likewise."""
    first_picture_s: float
    damaged: int
    """Packets that gave no whole picture."""
    first: FirstPicture
    inspection: Inspection | None = None
    """None when it did not let itself be opened again."""
    sample: tuple[Packet, ...] = field(default=(), repr=False)
    clock_off_s: float | None = None
    """How far the camera's own clock is ahead of ours, seconds; None when it did not tell."""


@dataclass(slots=True)
class _Look:
    """One look at a stream. Owner: the call that made it."""

    camera: Camera
    clock: Clock
    start_s: float
    probe: StreamProbe = field(default_factory=StreamProbe)
    sample: list[Packet] = field(default_factory=list)
    first: FirstPicture | None = None
    open_s: float = 0.0
    first_packet_s: float | None = None
    first_picture_s: float = 0.0
    damaged: int = 0

    def take(self, packet: Packet, decoder: AvVideoDecoder) -> None:
        """Count and decode one packet."""
        if self.first_packet_s is None:
            self.first_packet_s = self.clock.mono_s() - self.start_s
        self.probe.add(packet)
        if (self.sample or packet.is_key) and len(self.sample) < SAMPLE_PACKETS_MAX:
            self.sample.append(packet)
        decoded = decoder.decode(packet)
        self.damaged += decoded.lost
        for one in decoded.frames:
            if one.corrupt:
                self.damaged += 1
            elif self.first is None:
                self.first = FirstPicture(one.frame.picture, one.frame.at_utc)
                self.first_picture_s = self.clock.mono_s() - self.start_s


def with_transport(camera: Camera, transport: str | None) -> Camera:
    """The camera, read over this transport whatever its settings say."""
    if transport is None:
        return camera
    own = CameraOverride("rtsp_transport", transport, OverrideOrigin.CAMERA)
    return replace(camera, overrides=(*camera.overrides, own))


def probe_camera(
    settings: Settings, camera: Camera, *, seconds: float, clock: Clock, inspect: bool = True
) -> CameraProbe:
    """Read a camera for some seconds, with the limits and options of a run.

    Args:
        settings: of all cameras.
        camera: with its own settings.
        seconds: how long it is measured, from its first packet on; longer until there is a picture.
        clock: times everything.
        inspect: open it once more, to see what it holds beside pictures.

    Raises:
        SourceUnreachable, SourceAuthFailed, SourceStalled, SourceEnded: no picture came; why.
    """
    hot_path = HotPath(settings, clock=clock)
    look = _Look(camera, clock, clock.mono_s())
    with _opened(hot_path, camera, clock) as (source, stream):
        look.open_s = clock.mono_s() - look.start_s
        decoder = AvVideoDecoder(stream)
        with contextlib.closing(decoder), contextlib.suppress(SourceEnded):
            wait_s = _picture_wait_s(settings, camera)
            for packet in source.packets():
                look.take(packet, decoder)
                passed_s = clock.mono_s() - look.start_s - (look.first_packet_s or 0.0)
                if passed_s >= (seconds if look.first is not None else max(seconds, wait_s)):
                    break
    if look.first is None:
        raise _no_picture(camera, look.probe.figures())
    return CameraProbe(
        camera,
        stream,
        look.probe.figures(),
        pixel_format=av_frame(look.first.picture).format.name,
        open_s=look.open_s,
        first_packet_s=look.first_packet_s or 0.0,
        first_picture_s=look.first_picture_s,
        damaged=look.damaged,
        first=look.first,
        inspection=inspect_source(camera, hot_path.source_options(camera)) if inspect else None,
        sample=tuple(look.sample),
        clock_off_s=source.clock_off_s,
    )


def first_picture(settings: Settings, camera: Camera, *, clock: Clock) -> FirstPicture:
    """The first whole picture of a camera, and no more. Raises as ``probe_camera``."""
    hot_path = HotPath(settings, clock=clock)
    look = _Look(camera, clock, clock.mono_s())
    with _opened(hot_path, camera, clock) as (source, stream):
        decoder = AvVideoDecoder(stream)
        with contextlib.closing(decoder), contextlib.suppress(SourceEnded):
            for packet in source.packets():
                look.take(packet, decoder)
                passed_s = clock.mono_s() - look.start_s - (look.first_packet_s or 0.0)
                if look.first is not None or passed_s >= _picture_wait_s(settings, camera):
                    break
    if look.first is None:
        raise _no_picture(camera, look.probe.figures())
    return look.first


def jpeg_of(settings: Settings, camera: Camera, picture: Picture) -> bytes:
    """The picture as a JPEG file, in the quality that the camera's captures have."""
    return SimpleJpegEncoder().encode_jpeg(picture, quality=settings_for(settings, camera).capture.jpeg_quality)


def probe_cost(
    settings: Settings, probe: CameraProbe, make_detector: Callable[[], FaceDetector], *, clock: Clock
) -> Capacity | None:
    """What such a camera costs on this machine, measured with its own packets; None when too few came."""
    if len(probe.sample) < SAMPLE_PACKETS_MIN:
        return None
    own = settings_for(settings, probe.camera)
    capacity = measure_samples(own, [(probe.camera, probe.sample)], make_detector, clock=clock)
    return capacity if probe.figures.fps is None else replace(capacity, fps=probe.figures.fps)


@contextlib.contextmanager
def _opened(hot_path: HotPath, camera: Camera, clock: Clock) -> Iterator[tuple[FrameSource, StreamInfo]]:
    """A camera's source, open; closed at the end."""
    source = hot_path.make_source(camera, CallGuard(clock), 0)
    with contextlib.closing(source):
        yield source, source.open()


def _picture_wait_s(settings: Settings, camera: Camera) -> float:
    return settings_for(settings, camera).source.first_frame_timeout_s


def _no_picture(camera: Camera, figures: StreamFigures) -> SourceError:
    url = camera.url_redacted
    if figures.packets == 0:
        return SourceEnded("%(url)s closed the stream before the first picture", url=url)
    if figures.key_frames == 0:
        return SourceStalled(
            "%(url)s sent no key frame for %(seconds).0f s, and without one there is no picture",
            url=url,
            seconds=figures.seconds,
        )
    return SourceStalled("%(url)s sent nothing that could be decoded to a whole picture", url=url)
