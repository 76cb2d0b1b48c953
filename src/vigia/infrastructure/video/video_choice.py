"""Which of a container's streams is the camera's picture."""

from av.container import InputContainer
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

LEFT_OUT = Discard.all


def choose_video(container: InputContainer) -> VideoStream | None:
    """The video with the largest picture, the first of several; None when there is none that can be decoded.

    Cover pictures of files are no video. All other streams are told to be left out, as far as their format can do that.
    """
    videos = [
        stream
        for stream in container.streams.video
        # One that FFmpeg has no decoder for has no width: PyAV hands such questions on to the decoder.
        if hasattr(stream, "width") and not stream.disposition & Disposition.attached_pic
    ]
    if not videos:
        return None
    best = max(videos, key=lambda stream: stream.codec_context.width * stream.codec_context.height)
    for stream in container.streams:
        if stream is not best:
            stream.discard = LEFT_OUT
    return best
