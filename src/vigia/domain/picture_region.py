"""A part of the camera's picture as operators write it: ``WxH+X+Y``, in pixels. FindFace's ``roi`` and ``rot``."""

import re
from dataclasses import dataclass
from typing import Self

from vigia.domain.errors import DomainError
from vigia.domain.event import Box

PIXELS_MAX = 65_536
"""No picture is larger; a number beyond this is a slip of the finger."""
_FORM = re.compile(r"\s*(\d{1,6})[xX](\d{1,6})\+(\d{1,6})\+(\d{1,6})\s*")


@dataclass(frozen=True, slots=True)
class PictureRegion:
    """A rectangle of the camera's picture, pixels, origin top left."""

    left: int
    top: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``WxH+X+Y``, such as ``1280x720+100+50``: width, height, then the left and top edge.

        Raises:
            DomainError: it does not look so, is empty, or lies beyond any picture.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise DomainError(
                "a region is written WxH+X+Y in pixels, such as 1280x720+0+100, not %(value)s", value=repr(text)
            )
        width, height, left, top = (int(number) for number in found.groups())
        if not (width and height and left + width <= PIXELS_MAX and top + height <= PIXELS_MAX):
            raise DomainError(
                "a region is at least 1x1 pixel and ends within %(limit)d pixels, not %(value)s",
                limit=PIXELS_MAX,
                value=repr(text),
            )
        return cls(left, top, width, height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}+{self.left}+{self.top}"

    def holds(self, box_xyxy: Box) -> bool:
        """Whether the centre of a face, float32 (4,) left, top, right, bottom in pixels, is inside.

        The centre and not the whole box: a face that a region's edge cuts belongs to the side where most of it is.
        """
        left, top, right, bottom = box_xyxy.tolist()
        x, y = (left + right) / 2.0, (top + bottom) / 2.0
        return bool(self.left <= x < self.left + self.width and self.top <= y < self.top + self.height)

    def overlaps(self, other: "PictureRegion") -> bool:
        """Whether both have a pixel in common."""
        across = min(self.left + self.width, other.left + other.width) - max(self.left, other.left)
        down = min(self.top + self.height, other.top + other.height) - max(self.top, other.top)
        return across > 0 and down > 0

    def meets(self, size_wh: tuple[int, int]) -> bool:
        """Whether any of it lies in a picture of this width and height, pixels."""
        return self.left < size_wh[0] and self.top < size_wh[1]
