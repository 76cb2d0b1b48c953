"""Frame sources through PyAV: RTSP, any URL that FFmpeg opens, webcams, files. They demultiplex only.

What a source knows of time: a live packet was taken when it arrived; a file's packet at the file's start plus its PTS,
also when the file is read flat out, so that silences and speeds mean the same at any reading speed.
"""

import contextlib
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vigia.application.errors import SourceAuthFailed, SourceEnded, SourceError, SourceStalled, SourceUnreachable
from vigia.application.ports import Clock
from vigia.domain.camera import Camera, redact_url
from vigia.domain.frame import Packet, StreamInfo

CodedPacket: TypeAlias = "av.packet.Packet[VideoStream]"
WEBCAM = re.compile(r"^(?:webcam:(?P<number>\d+)|(?P<device>/dev/video\d+))$")
SCHEME = re.compile(r"^(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*):/")
FPS_ASSUMED = 25.0
"""For files that do not say; only their pace depends on it."""


class SourceKind(StrEnum):
    """How a URL is opened."""

    NETWORK = "network"
    WEBCAM = "webcam"
    FILE = "file"


class Pace(StrEnum):
    """How fast a file is read."""

    TIMESTAMPS = "timestamps"
    """As a camera would deliver it."""
    FLAT_OUT = "none"
    """As fast as its packets are taken."""


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """How sources are opened and read. Times in seconds."""

    open_timeout_s: float = 10.0
    read_timeout_s: float = 10.0
    rtsp_transport: str = "tcp"
    loop: bool = False
    """Files only: start over at the end, for ever."""
    pace: Pace = Pace.TIMESTAMPS
    """Files only."""


def source_kind(url: str) -> SourceKind:
    """Tell from its URL how a source is opened."""
    if WEBCAM.match(url):
        return SourceKind.WEBCAM
    scheme = SCHEME.match(url)
    if scheme is None or scheme["scheme"].lower() == "file":
        return SourceKind.FILE
    return SourceKind.NETWORK


class AvFrameSource:
    """One camera's stream. Owner: one thread; ``interrupt`` may come from any.

    Every native call has a time-out: PyAV's own for opening and reading.
    """

    def __init__(self, camera: Camera, *, clock: Clock, options: SourceOptions | None = None) -> None:
        self._camera = camera
        self._clock = clock
        self._options = options if options is not None else SourceOptions()
        self._kind = source_kind(camera.url)
        self._interrupted = threading.Event()
        self._container: InputContainer | None = None
        self._stream: StreamInfo | None = None
        self._next_index = 0

    def __repr__(self) -> str:
        return f"<AvFrameSource {self._camera.id} {self._camera.url_redacted}>"

    def open(self) -> StreamInfo:
        """Connect and find the video stream."""
        self.close()
        container = self._connect()
        self._container = container
        try:
            video = container.streams.video[0]
        except IndexError as error:
            self.close()
            raise SourceUnreachable("%(url)s has no video stream", url=self._camera.url_redacted) from error
        self._stream = self._stream_info(video)
        return self._stream

    def packets(self) -> Iterator[Packet]:
        """Yield packets until something ends it; raises SourceEnded, SourceStalled or SourceUnreachable."""
        if self._container is None or self._stream is None:
            raise SourceUnreachable("%(url)s is not open", url=self._camera.url_redacted)
        if self._kind is SourceKind.FILE:
            yield from self._file_packets(self._container, self._stream)
        else:
            yield from self._live_packets(self._container, self._stream)

    def interrupt(self) -> None:
        """Make a pacing wait return early. Idempotent; any thread."""
        self._interrupted.set()

    def close(self) -> None:
        """Let go of the stream. Idempotent."""
        container, self._container = self._container, None
        if container is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError):
                container.close()

    def _connect(self) -> InputContainer:
        url, container_format, options = self._open_arguments()
        timeout = (self._options.open_timeout_s, self._options.read_timeout_s)
        try:
            return av.open(url, mode="r", format=container_format, options=options, timeout=timeout)
        except (av.error.FFmpegError, OSError, ValueError) as error:
            failure, cause = self._open_error(error), _without_url(error)
        raise failure from cause  # out here, so that FFmpeg's text with the password is not even its context

    def _rewind(self, container: InputContainer) -> InputContainer:
        """Go back to a file's beginning; opened anew where its format has no index to seek by (raw H.264)."""
        try:
            container.seek(0)
        except (av.error.FFmpegError, OSError):
            self.close()
            container = self._container = self._connect()
        return container

    def _live_packets(self, container: InputContainer, stream: StreamInfo) -> Iterator[Packet]:
        fresh = True
        for coded in self._demux(container):
            now_s, now_utc = self._clock.mono_s(), self._clock.utc()
            yield self._packet(coded, stream, received_mono_s=now_s, at_mono_s=now_s, at_utc=now_utc, fresh=fresh)
            fresh = False
        raise SourceEnded("%(url)s closed the stream", url=self._camera.url_redacted)

    def _file_packets(self, container: InputContainer, stream: StreamInfo) -> Iterator[Packet]:
        fps = stream.fps if stream.fps > 0.0 else FPS_ASSUMED
        start_s, start_utc = self._clock.mono_s(), self._clock.utc()
        loop, offset_s = 0, 0.0
        while True:
            first_pts_s: float | None = None
            end_s, decode_s, fresh = 0.0, 0.0, True
            for coded in self._demux(container):
                pts_s, dts_s = _seconds(coded, coded.pts), _seconds(coded, coded.dts)
                if first_pts_s is None:
                    first_pts_s = pts_s if pts_s is not None else 0.0
                media_s = max(0.0, pts_s - first_pts_s) if pts_s is not None else end_s
                decode_s = max(decode_s, dts_s - first_pts_s) if dts_s is not None else media_s
                end_s = max(end_s, media_s + 1.0 / fps)
                if not self._pace(start_s + offset_s + decode_s):
                    return
                at_s = offset_s + media_s
                yield self._packet(
                    coded,
                    stream,
                    received_mono_s=self._clock.mono_s(),
                    at_mono_s=start_s + at_s,
                    at_utc=start_utc + timedelta(seconds=at_s),
                    fresh=fresh,
                    media_index=round(media_s * fps),
                    loop=loop,
                )
                fresh = False
            if not self._options.loop:
                raise SourceEnded("%(url)s was played to its end", url=self._camera.url_redacted)
            if fresh:
                raise SourceUnreachable("%(url)s holds no pictures", url=self._camera.url_redacted)
            loop, offset_s = loop + 1, offset_s + end_s
            container = self._rewind(container)

    def _pace(self, due_mono_s: float) -> bool:
        """Wait until a file's packet is due; False when interrupted."""
        if self._options.pace is Pace.TIMESTAMPS:
            delay_s = due_mono_s - self._clock.mono_s()
            if delay_s > 0.0:
                self._clock.wait(self._interrupted, delay_s)
        return not self._interrupted.is_set()

    def _demux(self, container: InputContainer) -> Iterator[CodedPacket]:
        """Coded pictures of the first video stream; errors in the application's words."""
        try:
            for coded in container.demux(container.streams.video[0]):
                if coded.size:  # the last one, empty, only tells a decoder to flush
                    yield coded
        except (av.error.TimeoutError, av.error.ExitError) as error:
            failure, cause = self._stalled(), _without_url(error)
        except (av.error.FFmpegError, OSError) as error:
            failure, cause = self._broke_off(error), _without_url(error)
        else:
            return
        raise failure from cause

    def _stalled(self) -> SourceError:
        return SourceStalled(
            "%(url)s sent nothing for %(limit).0f s", url=self._camera.url_redacted, limit=self._options.read_timeout_s
        )

    def _broke_off(self, error: BaseException) -> SourceError:
        return SourceEnded("%(url)s broke off: %(why)s", url=self._camera.url_redacted, why=_reason(error))

    def _packet(
        self,
        coded: CodedPacket,
        stream: StreamInfo,
        *,
        received_mono_s: float,
        at_mono_s: float,
        at_utc: datetime,
        fresh: bool,
        media_index: int | None = None,
        loop: int = 0,
    ) -> Packet:
        index = self._next_index
        self._next_index += 1
        return Packet(
            camera_id=self._camera.id,
            index=index,
            pts_s=_seconds(coded, coded.pts),
            is_key=coded.is_keyframe,
            received_mono_s=received_mono_s,
            at_mono_s=at_mono_s,
            at_utc=at_utc,
            size_bytes=coded.size,
            payload=coded,
            stream=stream,
            discontinuity=fresh,
            media_index=media_index,
            loop=loop,
        )

    def _open_arguments(self) -> tuple[str, str | None, dict[str, str]]:
        """URL, container format and FFmpeg options."""
        url = self._camera.url
        webcam = WEBCAM.match(url)
        if webcam is not None:
            return webcam["device"] or f"/dev/video{webcam['number']}", "v4l2", {}
        if url.lower().startswith(("rtsp://", "rtsps://")):
            socket_timeout_us = int(self._options.read_timeout_s * 1e6)
            return url, None, {"rtsp_transport": self._options.rtsp_transport, "timeout": str(socket_timeout_us)}
        return url, None, {}

    def _open_error(self, error: Exception) -> SourceError:
        url = self._camera.url_redacted
        if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
            return SourceAuthFailed("%(url)s refused the user or password", url=url)
        if isinstance(error, (av.error.TimeoutError, av.error.ExitError)):
            return SourceUnreachable(
                "%(url)s did not answer within %(limit).0f s", url=url, limit=self._options.open_timeout_s
            )
        return SourceUnreachable("%(url)s cannot be opened: %(why)s", url=url, why=_reason(error))

    def _stream_info(self, video: VideoStream) -> StreamInfo:
        context = video.codec_context
        rate = video.average_rate or video.guessed_rate
        return StreamInfo(
            codec=context.name,
            width=context.width,
            height=context.height,
            fps=float(rate) if rate else 0.0,
            extradata=bytes(context.extradata or b""),
            pixel_format=context.pix_fmt or "",
            live=self._kind is not SourceKind.FILE or self._options.pace is Pace.TIMESTAMPS,
        )


def _seconds(coded: CodedPacket, ticks: int | None) -> float | None:
    return None if ticks is None or coded.time_base is None else float(ticks * coded.time_base)


def _reason(error: BaseException) -> str:
    """What FFmpeg said, without the URL that its full text carries."""
    text = getattr(error, "strerror", None) or type(error).__name__
    return redact_url(str(text))


def _without_url(error: BaseException) -> BaseException:
    """The cause to chain: FFmpeg's exceptions name the URL with its password, so a clean twin takes their place."""
    return OSError(f"{type(error).__name__}: {_reason(error)}")
