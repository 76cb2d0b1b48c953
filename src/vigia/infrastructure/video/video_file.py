"""What a video file says of itself before it is processed, and which files in a folder are videos."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vigia.application.errors import SourceUnreachable
from vigia.infrastructure.video.source_errors import NATIVE_ERRORS
from vigia.infrastructure.video.video_choice import choose_video

VIDEO_SUFFIXES = frozenset(
    {
        ".3g2", ".3gp", ".264", ".265", ".asf", ".avi", ".dav", ".f4v", ".flv", ".h264", ".h265", ".hevc", ".m2ts",
        ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts",
        ".vob", ".webm", ".wmv",
    }
)  # fmt: skip
"""What a folder is searched for; a file that is named is taken whatever it is called."""
FPS_ASSUMED = 25.0
TIMEOUT_S = 30.0
"""For a file on a share that does not answer."""
TEXT_CODECS = frozenset({"ansi", "bintext", "xbin", "idf"})
"""FFmpeg draws text files as pictures."""
PICTURE_FORMATS = frozenset({"image2", "ico", "gif", "apng"})


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """One video file."""

    width: int
    height: int
    fps: float
    """As declared; FPS_ASSUMED where nothing is."""
    codec: str
    duration_s: float
    """As declared; 0 where nothing is."""
    created_utc: datetime | None
    """The file's own creation time."""


def read_facts(path: Path) -> VideoFacts:
    """Open a file and read what it says.

    Raises:
        SourceUnreachable: it cannot be opened, or is no video.
    """
    try:
        if not path.is_file():  # a pipe would never open
            raise SourceUnreachable("it is no file")
        with av.open(str(path), mode="r", timeout=TIMEOUT_S) as container:
            return _facts(container, choose_video(container))
    except (*NATIVE_ERRORS, ValueError, UnicodeError) as error:
        raise SourceUnreachable("this is no video that can be read: %(why)s", why=_why(error)) from error


def _facts(container: InputContainer, video: VideoStream | None) -> VideoFacts:
    name = container.format.name
    if video is None or video.codec_context.name in TEXT_CODECS:
        raise SourceUnreachable("there is no video in this file")
    if name in PICTURE_FORMATS or name.endswith("_pipe"):
        raise SourceUnreachable("this is a picture, not a video")
    rate = video.average_rate or video.guessed_rate
    length_s = 0.0
    if video.duration is not None and video.time_base is not None:
        length_s = float(video.duration * video.time_base)
    elif container.duration is not None:
        length_s = container.duration / av.time_base
    return VideoFacts(
        width=video.codec_context.width,
        height=video.codec_context.height,
        fps=float(rate) if rate else FPS_ASSUMED,
        codec=video.codec_context.name,
        duration_s=max(0.0, length_s),
        created_utc=_created(container, video),
    )


def _created(container: InputContainer, video: VideoStream) -> datetime | None:
    """The creation time that is written in the file; None where there is none, or the epoch of a clock never set."""
    for told in (container.metadata.get("creation_time"), video.metadata.get("creation_time")):
        if not told:
            continue
        try:
            moment = datetime.fromisoformat(told)
        except ValueError:
            continue
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if moment.year >= 1990:
            return moment
    return None


def _why(error: BaseException) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
