"""What a source holds beside the pictures that vigia reads: profile, declared bit rate, sound, data."""

import contextlib
from dataclasses import dataclass

import av
from av.audio.stream import AudioStream
from av.stream import Stream
from av.video.stream import VideoStream

from vigia.domain.camera import Camera
from vigia.infrastructure.video.source_options import SourceOptions, open_arguments

MEDIA_FILTER = "allowed_media_types"
"""vigia has a camera send its pictures only; here everything is asked for."""
STREAMS_MAX = 32


@dataclass(frozen=True, slots=True)
class OtherStream:
    """A stream that vigia leaves alone."""

    kind: str
    """``audio``, ``data``, ``subtitle``, or ``video`` for a second one."""
    codec: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a source says of itself."""

    profile: str
    """Of the codec; empty when unknown."""
    bit_rate_bps: int
    """As declared; 0 when it is not."""
    others: tuple[OtherStream, ...]


def inspect_source(camera: Camera, options: SourceOptions) -> Inspection | None:
    """Open a camera once more, read what it says of its streams, and close it; None when it does not let us.

    Some cameras take one viewer only, so close everything else before. Takes ``open_timeout_s`` at most.
    """
    chosen = open_arguments(camera.url, options)
    told = {name: value for name, value in chosen.options.items() if name != MEDIA_FILTER}
    timeout = (options.open_timeout_s, options.read_timeout_s)
    with contextlib.suppress(av.error.FFmpegError, OSError, ValueError, IndexError):  # noqa: SIM117 - one line is too long
        with av.open(chosen.url, mode="r", format=chosen.container_format, options=told, timeout=timeout) as container:
            video = container.streams.video[0]
            others = [_other(stream) for stream in list(container.streams)[:STREAMS_MAX] if stream is not video]
            return Inspection(
                profile=video.codec_context.profile or "",
                bit_rate_bps=video.codec_context.bit_rate or container.bit_rate or 0,
                others=tuple(others),
            )
    return None


def _other(stream: Stream) -> OtherStream:
    if isinstance(stream, AudioStream):
        context = stream.codec_context
        return OtherStream("audio", context.name, f"{context.sample_rate} Hz, {context.layout.name}")
    if isinstance(stream, VideoStream):
        return OtherStream("video", stream.codec_context.name, f"{stream.width}x{stream.height}")
    return OtherStream(stream.type, stream.name or "")
