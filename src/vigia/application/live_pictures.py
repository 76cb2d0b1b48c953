"""Small JPEGs of live pictures, made when somebody asks, and once however many browsers show them."""

import threading
from dataclasses import dataclass
from typing import Protocol

from vigia.application.live_tap import WATCH_S, LiveFeed, LiveJpeg, LiveShot
from vigia.application.ports import Clock
from vigia.domain.camera import CameraId
from vigia.domain.errors import DomainError
from vigia.domain.frame import Picture

JPEG_QUALITY = 70
WIDTHS_PX = (320, 480, 640, 960, 1280)
"""What pictures are scaled to: few, so that browsers share them."""


class SmallJpegMaker(Protocol):
    """Makes a small JPEG of a picture, quickly rather than finely. One thread at a time."""

    def small_jpeg(self, picture: Picture, *, size_wh: tuple[int, int], quality: int) -> bytes:
        """The whole picture, scaled.

        Args:
            picture: as decoded.
            size_wh: width and height, even, pixels; not larger than the picture.
            quality: 1 to 100.
        """
        ...


@dataclass(slots=True)
class _Made:
    seq: int
    jpeg: LiveJpeg
    asked_s: float
    """When somebody asked last, monotonic seconds."""


def width_class(width_px: int) -> int:
    """The width that is made for one that was asked for: the next larger of WIDTHS_PX."""
    return next((width for width in WIDTHS_PX if width >= width_px), WIDTHS_PX[-1])


def small_size(size_wh: tuple[int, int], width_px: int) -> tuple[int, int]:
    """Width and height of a small picture: even, of the same shape, never larger than the picture itself."""
    width, height = size_wh
    small = min(width_px, width) // 2 * 2
    return max(2, small), max(2, round(height * small / width / 2) * 2)


class LivePictures:
    """What is shown of the cameras that somebody watches.

    Owner: whoever makes pictures, one thread at a time; ``sweep`` is for any. A lock guards the files, for moments.
    Bounds: one file a camera and width, let go ``WATCH_S`` after the last question.

    Args:
        feed: where pictures come from.
        maker: makes files of them.
        clock: for ages, and for letting go.
    """

    def __init__(self, feed: LiveFeed, maker: SmallJpegMaker, *, clock: Clock) -> None:
        self.feed = feed
        self.made = 0
        """How many files were made."""
        self._maker = maker
        self._clock = clock
        self._lock = threading.Lock()
        self._files: dict[tuple[CameraId, int], _Made] = {}

    def jpeg(self, shot: LiveShot, width_px: int) -> LiveJpeg | None:
        """The file of a picture, of this width at most; None when it cannot be made.

        One that comes as a file from another process is given as it is.
        """
        if shot.jpeg is not None:
            return shot.jpeg
        key, now_s = (shot.camera_id, width_class(width_px)), self._clock.mono_s()
        with self._lock:
            known = self._files.get(key)
            if known is not None and known.seq == shot.seq:
                known.asked_s = now_s
                return known.jpeg
        jpeg = made_jpeg(self._maker, shot, key[1])
        if jpeg is not None:
            self.made += 1
            with self._lock:
                self._files[key] = _Made(shot.seq, jpeg, now_s)
        return jpeg

    def age_s(self, shot: LiveShot) -> float:
        """How long ago a picture's packet arrived, seconds."""
        return max(0.0, self._clock.mono_s() - shot.received_mono_s)

    def sweep(self) -> bool:
        """Let go of files and pictures that nobody asks for any more; True while something is left."""
        until_s = self._clock.mono_s() - WATCH_S
        with self._lock:
            self._files = {key: made for key, made in self._files.items() if made.asked_s > until_s}
            left = bool(self._files)
        return self.feed.sweep() or left


def made_jpeg(maker: SmallJpegMaker, shot: LiveShot, width_px: int) -> LiveJpeg | None:
    """A picture as a file of ``width_px`` at most; None when there is no picture, or none that can be scaled."""
    if shot.picture is None:
        return None
    size_wh = small_size(shot.size_wh, width_px)
    try:
        return LiveJpeg(maker.small_jpeg(shot.picture, size_wh=size_wh, quality=JPEG_QUALITY), size_wh)
    except DomainError:
        return None
