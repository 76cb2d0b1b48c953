"""What the FindFace stand-in sees with: vigia's own detector, on the region it was sent."""

from collections.abc import Callable, Sequence

import numpy as np

from vigia.bootstrap.parts import detector_factory
from vigia.domain.errors import DomainError
from vigia.infrastructure.config import Settings
from vigia.infrastructure.video.picture import AvPicture, picture_from_image, picture_from_rgb

FACE_MIN_PX = 50.0
"""FindFace takes no smaller face."""
NATIVE_PX = 320
"""Regions up to this width are looked at pixel by pixel: a server spares no work on the little it was sent. What the
smallest face needs would leave a region of 100 pixels at 32, where a detector misses what anybody would find."""

Ltrb = tuple[int, int, int, int]


def face_finder(settings: Settings) -> Callable[[bytes, Ltrb | None], Sequence[Sequence[float]]]:
    """A function from a picture file and a region to the faces in it.

    Args:
        settings: whose detector is used.

    Returns:
        Called by one thread at a time with the file's bytes and (left, top, right, bottom) or None for the whole
        picture; returns boxes (left, top, right, bottom) in pixels of the whole picture, none when it is no picture.
    """
    detector = detector_factory(settings)()

    def find(data: bytes, region: Ltrb | None) -> Sequence[Sequence[float]]:
        try:
            picture = picture_from_image(data)
        except DomainError:
            return []
        left, top = 0, 0
        if region is not None:
            left, top = region[0], region[1]
            picture = _cropped(picture, region)
        needed = detector.input_width_for(frame_width=picture.width, min_face_px=FACE_MIN_PX)
        width = max(needed, min(picture.width, NATIVE_PX))
        found = detector.detect(picture, input_width=width)
        return [[x0 + left, y0 + top, x1 + left, y1 + top] for x0, y0, x1, y1 in found.boxes_xyxy.tolist()]

    return find


def _cropped(picture: AvPicture, region: Ltrb) -> AvPicture:
    left, top, right, bottom = region
    rgb = np.asarray(picture.frame.to_ndarray(format="rgb24"), dtype=np.uint8)[top:bottom, left:right]
    rows, columns = rgb.shape[0] & ~1, rgb.shape[1] & ~1  # 4:2:0 video has even sides
    return picture if rows < 2 or columns < 2 else picture_from_rgb(rgb[:rows, :columns])
