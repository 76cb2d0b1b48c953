"""Decoding with PyAV: one codec context per camera, one thread, one frame out for each good packet in.

The context is made from the stream's parameters, apart from the container that demultiplexes: so the demultiplexing
thread and the shard share nothing. Each frame finds its packet again through FFmpeg's ``opaque``, which survives
reordering; time stamps would not tell equal or missing ones apart.
"""

import av
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from vigia.application.errors import SourceUnreachable
from vigia.application.ports import Decoded, DecodedFrame
from vigia.domain.frame import Frame, Packet, StreamInfo
from vigia.infrastructure.video.picture import AvPicture

REORDER_MAX = 16
"""H.264 and H.265 hold back at most 16 pictures; a packet overtaken by more than this will not come out any more."""

PIXELS_MAX = 8192 * 8192
"""No camera's picture is larger; a damaged header may say that it is, and each picture would take gigabytes."""


class _Tag:
    """Marks one packet. PyAV keeps opaque objects in one table for the whole process, by ``id()``: two cameras that
    used the same small integer would take each other's mark away, so each packet gets an object of its own.
    """

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class AvVideoDecoder:
    """Decodes one stream. Owner: one thread (its shard's).

    Bounds: at most REORDER_MAX packets inside; older ones are given up as lost.

    Raises:
        SourceUnreachable: FFmpeg has no decoder for the codec, or refuses its parameters.
    """

    def __init__(self, stream: StreamInfo) -> None:
        try:
            context = CodecContext.create(stream.codec, "r")
        except (av.error.FFmpegError, ValueError) as error:
            raise SourceUnreachable("no decoder for codec %(codec)s", codec=stream.codec) from error
        if not isinstance(context, VideoCodecContext):
            raise SourceUnreachable("codec %(codec)s is not video", codec=stream.codec)
        if stream.extradata:
            context.extradata = stream.extradata
        if stream.codec == "rawvideo":
            context.width, context.height, context.pix_fmt = stream.width, stream.height, stream.pixel_format
        context.options = {"max_pixels": str(PIXELS_MAX)}
        context.thread_type = "NONE"  # one core a shard: frame threads would only add latency and memory
        context.thread_count = 1
        context.flags |= Flags.copy_opaque
        self._context = context
        self._inside: dict[int, Packet] = {}
        self._closed = False

    def decode(self, packet: Packet) -> Decoded:
        """Feed one packet; damaged ones are counted, never raised."""
        coded = packet.payload
        coded.opaque = _Tag(packet.index)
        self._inside[packet.index] = packet
        try:
            frames = self._context.decode(coded)
        except (av.error.FFmpegError, ValueError, EOFError):
            self._inside.pop(packet.index, None)
            return Decoded(lost=1)
        decoded = self._match(frames)
        if not self._context.has_b_frames and packet.index in self._inside:
            del self._inside[packet.index]
            return Decoded(decoded, lost=1 + self._give_up(packet.index))
        return Decoded(decoded, lost=self._give_up(packet.index))

    def flush(self) -> Decoded:
        """Empty the decoder; whatever does not come out now is lost."""
        if self._closed:
            return Decoded()
        try:
            frames = self._context.decode(None)
        except (av.error.FFmpegError, ValueError, EOFError):
            frames = []
        decoded = self._match(frames)
        lost = len(self._inside)
        self._inside.clear()
        self._context.flush_buffers()
        return Decoded(decoded, lost=lost)

    def close(self) -> None:
        """Let go of the codec; PyAV frees it when the last reference is gone."""
        self._closed = True
        self._inside.clear()

    def _match(self, frames: list[VideoFrame]) -> list[DecodedFrame]:
        decoded = []
        for frame in frames:
            tag = frame.opaque
            packet = self._inside.pop(tag.index, None) if isinstance(tag, _Tag) else None
            frame.opaque = None
            if packet is None:
                continue  # a second field or a repeated picture of a packet that is booked already
            decoded.append(DecodedFrame(_frame(packet, frame), corrupt=frame.is_corrupt))
        return decoded

    def _give_up(self, newest: int) -> int:
        late = [index for index in self._inside if index < newest - REORDER_MAX]
        for index in late:
            del self._inside[index]
        return len(late)


def _frame(packet: Packet, frame: VideoFrame) -> Frame:
    return Frame(
        camera_id=packet.camera_id,
        index=packet.index,
        pts_s=packet.pts_s,
        received_mono_s=packet.received_mono_s,
        at_mono_s=packet.at_mono_s,
        at_utc=packet.at_utc,
        picture=AvPicture(frame),
        media_index=packet.media_index,
        loop=packet.loop,
    )
