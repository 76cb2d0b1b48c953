"""Make the picture that is posted: planned by the domain, coded by the encoder, within the limit of bytes.

The policy for a picture with too many bytes, in this order:

1. a lower JPEG quality: the next of ``QUALITY_STEPS``, as long as there is one;
2. with the last of these, a smaller picture: each side ``SHRINK`` of the one before. Where that would make the face too
   small, less is shown around it instead (``domain/posted_picture.py``).

Most pictures are coded once: a full frame has 10 MB at 4K only when there is little but noise in it.
"""

from dataclasses import dataclass

from vigia.application.errors import PermanentError
from vigia.application.ports import PictureEncoder
from vigia.domain.frame import Picture
from vigia.domain.geometry import Boxes
from vigia.domain.posted_picture import Box, PicturePlan, PictureRules, plan_picture

QUALITY_STEPS = (85, 75, 65)
"""Below 65 blocks show in faces; from there on fewer pixels lose less than more quantisation."""
SHRINK = 0.8
"""Of each side: about two thirds of the bytes."""
SIDE_MIN_PX = 64
"""Nothing is made smaller: a face that FindFace takes would not fit in."""


@dataclass(frozen=True, slots=True)
class PostedPicture:
    """A finished picture."""

    plan: PicturePlan
    jpeg: bytes
    jpeg_quality: int
    """Of this one; not above that of the rules."""


def make_posted_picture(
    encoder: PictureEncoder,
    picture: Picture,
    box_xyxy: Box,
    *,
    rules: PictureRules,
    frame_boxes_xyxy: Boxes | None = None,
) -> PostedPicture:
    """Cut, scale and code until the picture keeps to the rules.

    Args:
        encoder: makes the JPEG.
        picture: as decoded.
        box_xyxy: the face, pixels of ``picture``.
        rules: what is wanted, and what the limits are.
        frame_boxes_xyxy: float32 (N, 4), all faces of the frame, pixels of ``picture``; None when they are not known.

    Raises:
        PermanentError: even the smallest picture has more bytes than ``rules.max_bytes``.
    """

    def planned(max_side_px: int | None = None) -> PicturePlan:
        return plan_picture(
            box_xyxy,
            frame_wh=(picture.width, picture.height),
            rules=rules,
            frame_boxes_xyxy=frame_boxes_xyxy,
            max_side_px=max_side_px,
        )

    plan = planned()
    qualities = (rules.jpeg_quality, *(step for step in QUALITY_STEPS if step < rules.jpeg_quality))
    for quality in qualities:
        jpeg = _coded(encoder, picture, plan, quality)
        if len(jpeg) <= rules.max_bytes:
            return PostedPicture(plan, jpeg, quality)
    while (side_px := max(plan.size_wh)) > SIDE_MIN_PX:
        plan = planned(max(SIDE_MIN_PX, int(side_px * SHRINK)))
        jpeg = _coded(encoder, picture, plan, qualities[-1])
        if len(jpeg) <= rules.max_bytes:
            return PostedPicture(plan, jpeg, qualities[-1])
    raise PermanentError(
        "the picture has %(size)d bytes even at %(width)dx%(height)d pixels; capture.max_bytes is %(limit)d",
        size=len(jpeg),
        width=plan.size_wh[0],
        height=plan.size_wh[1],
        limit=rules.max_bytes,
    )


def _coded(encoder: PictureEncoder, picture: Picture, plan: PicturePlan, quality: int) -> bytes:
    return encoder.encode_jpeg(picture, quality=quality, crop_ltrb=plan.crop_ltrb, size_wh=plan.size_wh)
