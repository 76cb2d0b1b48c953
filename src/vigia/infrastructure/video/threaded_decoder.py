"""Decoding one file on several cores: while a picture is looked at, the codec's own threads work on the next ones.

For files that are read as fast as they can be; a live camera would pay for it with a delay of some pictures.
"""

import av

from vigia.application.ports import Decoded
from vigia.domain.frame import Packet, StreamInfo
from vigia.infrastructure.video.decoder import AvVideoDecoder, _Tag


class ThreadedVideoDecoder(AvVideoDecoder):
    """The same pictures in the same order as ``AvVideoDecoder`` makes, some packets later.

    Owner: one thread; the codec's threads are FFmpeg's own. Bounds: as ``AvVideoDecoder``, and one picture a thread.

    Args:
        stream: what to decode.
        threads: of the codec; where it cannot use them, it uses one.
    """

    def __init__(self, stream: StreamInfo, *, threads: int) -> None:
        super().__init__(stream)
        self._context.thread_type = "FRAME"
        self._context.thread_count = threads

    def decode(self, packet: Packet) -> Decoded:
        """Feed one packet. What does not come out in time is lost: an error here may be that of an earlier packet."""
        coded = packet.payload
        coded.opaque = _Tag(packet.index)
        self._inside[packet.index] = packet
        try:
            frames = self._context.decode(coded)
        except (av.error.FFmpegError, ValueError, EOFError):
            frames = []
        decoded = self._match(frames)
        return Decoded(decoded, lost=self._give_up(packet.index - self._context.thread_count))
