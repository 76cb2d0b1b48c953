"""Frame sources through PyAV: RTSP, any URL that FFmpeg opens, webcams, files. They demultiplex only.

What a source knows of time: a live packet was taken when its stamp says, reckoned by ``domain/stream_clock.py``, at the
latest when it arrived; a file's packet at the file's start plus its PTS, also when the file is read flat out, so that
silences and speeds mean the same at any reading speed.
"""

import contextlib
import threading
from collections.abc import Callable, Generator, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TypeAlias, TypeVar, cast

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vigia.application.call_guard import CallGuard
from vigia.application.errors import SourceAbandoned, SourceEnded, SourceError, SourceStalled, SourceUnreachable
from vigia.application.ports import Clock
from vigia.domain.camera import Camera
from vigia.domain.frame import Packet, StreamInfo
from vigia.domain.stream_clock import StampVerdict, StreamClock
from vigia.infrastructure.video.camera_clock import CameraClock
from vigia.infrastructure.video.codec_change import TOLD_APART, codec_in
from vigia.infrastructure.video.source_errors import NATIVE_ERRORS, TIMED_OUT, open_failure, reason, without_url
from vigia.infrastructure.video.source_options import Pace, SourceKind, SourceOptions, open_arguments, source_kind
from vigia.infrastructure.video.video_choice import choose_video

__all__ = ["AvFrameSource", "Pace", "SourceKind", "SourceOptions", "source_kind"]

CodedPacket: TypeAlias = "av.packet.Packet[VideoStream]"
_T = TypeVar("_T")
FPS_ASSUMED = 25.0
"""For files that do not say; only their pace depends on it."""
RTSP_FORMAT = "rtsp"
"""Its description fixes the codec of a session."""
NO_TIMESTAMPS = 0x80
"""AVFMT_NOTIMESTAMPS: of formats whose stamps FFmpeg makes up from a rate that it assumes, MJPEG over HTTP say."""


class AvFrameSource:
    """One camera's stream. Owner: one thread; ``interrupt`` may come from any.

    Every native call has a time-out, PyAV's own for opening and reading, and happens inside ``guard``: what hangs all
    the same is left behind by whoever watches the guard.

    Args:
        camera: whose stream.
        clock: when packets arrive, and when a file's are due.
        options: limits and manners.
        guard: told of native calls; one for each source.
        first_index: of the first packet: for a source that takes over from one that was left behind.

    Raises:
        SourceAbandoned: from every method, when the guard has given it up.
    """

    def __init__(
        self,
        camera: Camera,
        *,
        clock: Clock,
        options: SourceOptions | None = None,
        guard: CallGuard | None = None,
        first_index: int = 0,
    ) -> None:
        self.stamps: dict[StampVerdict, int] = dict.fromkeys(StampVerdict, 0)
        """What the stamps of live packets were worth, over all openings. Any thread may read it."""
        self._camera = camera
        self._clock = clock
        self._options = options if options is not None else SourceOptions()
        self._guard = guard if guard is not None else CallGuard(clock)
        self._kind = source_kind(camera.url)
        self._interrupted = threading.Event()
        self._container: InputContainer | None = None
        self._video_index = 0
        self._stream: StreamInfo | None = None
        self._tick = (1, 1)
        self._has_begun = False  # pictures have come since it was opened
        self._is_fresh = True  # nothing has, since it was opened or a file began again
        self._next_index = first_index
        self._camera_clock = CameraClock()

    def __repr__(self) -> str:
        return f"<AvFrameSource {self._camera.id} {self._camera.url_redacted}>"

    @property
    def bad_stamps(self) -> int:
        """Packets whose stamps could not be believed; any thread."""
        return sum(self.stamps.values()) - self.stamps[StampVerdict.OK]

    @property
    def clock_off_s(self) -> float | None:
        """How far the camera's clock is ahead of ours, seconds; None until it has told. Any thread."""
        return self._camera_clock.off_s

    def open(self) -> StreamInfo:
        """Connect and find the video stream."""
        self.close()
        self._has_begun = False
        began_s = self._clock.mono_s()
        self._container = container = self._connect()
        self._stream = self._stream_info(self._choose(container))
        if not self._stream.width and self._clock.mono_s() - began_s >= self._options.open_timeout_s:
            self.close()  # the probe ran into its limit, without one picture
            raise self._stalled(self._options.open_timeout_s)
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
            # Also by a thread that was left behind: what it held is given back whenever it comes back.
            with contextlib.suppress(av.error.FFmpegError, OSError), self._guard.closing():
                container.close()

    def _native(self, call: Callable[[], _T]) -> _T:
        """Make a native call inside the guard."""
        try:
            with self._guard.call():
                return call()
        except SourceAbandoned as error:
            error.__context__ = None  # may be FFmpeg's own error, with the URL's password in its text
            raise

    def _connect(self) -> InputContainer:
        arguments = open_arguments(self._camera.url, self._options)
        timeout = (self._options.open_timeout_s, self._options.read_timeout_s)

        def connect() -> InputContainer:
            return av.open(
                arguments.url,
                mode="r",
                format=arguments.container_format,
                options=arguments.options,
                timeout=timeout,
            )

        began_s = self._clock.mono_s()
        try:
            return self._native(connect)
        except NATIVE_ERRORS as error:
            passed_s = self._clock.mono_s() - began_s
            look = partial(open_failure, error, self._camera, self._options, passed_s=passed_s)
            failure, cause = self._native(look), without_url(error)
        raise failure from cause  # out here, so that FFmpeg's text with the password is not even its context

    def _rewind(self, container: InputContainer) -> InputContainer:
        """Go back to a file's beginning; opened anew where its format has no index to seek by (raw H.264)."""
        try:
            self._native(lambda: container.seek(0))
        except (av.error.FFmpegError, OSError):
            self.close()
            container = self._container = self._connect()
            self._choose(container)
        return container

    def _choose(self, container: InputContainer) -> VideoStream:
        video = choose_video(container)
        if video is None:
            self.close()
            raise SourceUnreachable("%(url)s has no video stream", url=self._camera.url_redacted)
        self._video_index, self._tick = video.index, _tick(video)
        return video

    def _live_packets(self, container: InputContainer, stream: StreamInfo) -> Iterator[Packet]:
        clock, moments, camera_clock = self._clock, StreamClock(), self._camera_clock
        is_stamped, tick = not container.format.flags & NO_TIMESTAMPS, self._tick
        may_change = container.format.name != RTSP_FORMAT and stream.codec in TOLD_APART
        for coded, arrived_s in self._demux(container):
            if may_change:
                self._check_codec(coded, stream)
            arrived_utc = clock.utc()
            pts_s = _seconds(coded.pts, tick)
            stamp = moments.stamp(pts_s if is_stamped else None, arrived_s)
            self.stamps[stamp.verdict] += 1
            at_s = stamp.at_s
            at_utc = arrived_utc if at_s == arrived_s else arrived_utc - timedelta(seconds=arrived_s - at_s)
            camera_clock.learn(coded, at_utc, arrived_s)
            yield self._packet(coded, stream, pts_s, received_mono_s=arrived_s, at_mono_s=at_s, at_utc=at_utc)
        raise SourceEnded("%(url)s closed the stream", url=self._camera.url_redacted)

    def _check_codec(self, coded: CodedPacket, stream: StreamInfo) -> None:
        told = codec_in(memoryview(coded))
        if told is not None and told != stream.codec:
            raise SourceEnded(
                "%(url)s has changed its codec from %(before)s to %(after)s",
                url=self._camera.url_redacted,
                before=stream.codec,
                after=told,
            )

    def _file_packets(self, container: InputContainer, stream: StreamInfo) -> Iterator[Packet]:
        fps = stream.fps if stream.fps > 0.0 else FPS_ASSUMED
        start_s, start_utc = self._clock.mono_s(), self._clock.utc()
        loop, offset_s, tick = 0, 0.0, self._tick
        while True:
            first_pts_s: float | None = None
            end_s, decode_s = 0.0, 0.0
            for coded, _ in self._demux(container):
                pts_s, dts_s = _seconds(coded.pts, tick), _seconds(coded.dts, tick)
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
                    pts_s,
                    received_mono_s=self._clock.mono_s(),
                    at_mono_s=start_s + at_s,
                    at_utc=start_utc + timedelta(seconds=at_s),
                    media_index=round(media_s * fps),
                    loop=loop,
                )
            if not self._options.loop:
                raise SourceEnded("%(url)s was played to its end", url=self._camera.url_redacted)
            if self._is_fresh:
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

    def _demux(self, container: InputContainer) -> Iterator[tuple[CodedPacket, float]]:
        """Coded pictures of the chosen stream and when they came; errors in the application's words.

        All streams are read: sound that goes on must not hide that the pictures have stopped.
        """
        try:
            yield from self._pictures(container)
        except TIMED_OUT as error:
            failure, cause = self._stalled(self._options.read_timeout_s), without_url(error)
        except (av.error.FFmpegError, OSError) as error:
            failure, cause = self._broke_off(error), without_url(error)
        else:
            return
        raise failure from cause

    def _pictures(self, container: InputContainer) -> Iterator[tuple[CodedPacket, float]]:
        clock, index, is_file = self._clock, self._video_index, self._kind is SourceKind.FILE
        self._is_fresh = True
        packets = cast("Generator[CodedPacket, None, None]", container.demux())
        step = partial(next, packets, None)
        latest_s, limit_s = clock.mono_s(), self._options.first_frame_timeout_s
        try:
            while (coded := self._native(step)) is not None:
                now_s = clock.mono_s()
                if coded.stream_index == index and coded.size:  # an empty one only tells a decoder to flush
                    yield coded, now_s
                    latest_s = now_s
                    if not self._has_begun:
                        self._has_begun, limit_s = True, self._options.read_timeout_s
                elif not is_file and now_s - latest_s > limit_s:
                    raise self._stalled(limit_s)
        finally:
            packets.close()

    def _stalled(self, limit_s: float) -> SourceError:
        url = self._camera.url_redacted
        if self._has_begun:
            return SourceStalled("%(url)s sent nothing for %(limit).0f s", url=url, limit=limit_s)
        return SourceStalled("%(url)s is open, but sent no picture within %(limit).0f s", url=url, limit=limit_s)

    def _broke_off(self, error: BaseException) -> SourceError:
        return SourceEnded("%(url)s broke off: %(why)s", url=self._camera.url_redacted, why=reason(error))

    def _packet(
        self,
        coded: CodedPacket,
        stream: StreamInfo,
        pts_s: float | None,
        *,
        received_mono_s: float,
        at_mono_s: float,
        at_utc: datetime,
        media_index: int | None = None,
        loop: int = 0,
    ) -> Packet:
        index, is_fresh = self._next_index, self._is_fresh
        self._next_index, self._is_fresh = index + 1, False
        return Packet(
            camera_id=self._camera.id,
            index=index,
            pts_s=pts_s,
            is_key=coded.is_keyframe,
            received_mono_s=received_mono_s,
            at_mono_s=at_mono_s,
            at_utc=at_utc,
            size_bytes=coded.size,
            payload=coded,
            stream=stream,
            discontinuity=is_fresh,
            media_index=media_index,
            loop=loop,
        )

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


def _seconds(ticks: int | None, tick: tuple[int, int]) -> float | None:
    """A stamp in seconds; whole numbers, because a fraction would cost more than reading the packet."""
    return None if ticks is None else ticks * tick[0] / tick[1]


def _tick(video: VideoStream) -> tuple[int, int]:
    """What one count of its stamps is worth: numerator and denominator of seconds."""
    base = video.time_base
    return (1, 1) if base is None else (base.numerator, base.denominator)
