"""The closer look: the landmarks of a face once more, larger, when two shots of its track are nearly equal.

Ordinary looks are made to find faces, in an input where the smallest face is just large enough. What they say of the
pose is rough: YuNet-n's landmarks tell a turn of the head with an error of 28 degrees where faces have 12 to 50 pixels
of its input, and of 14 degrees in the input used here. So at the end of a track the two best shots
(``posting.ShotSelection``) are looked at closer, each alone in a small input, and the better one by that pose wins.

That costs two looks a track, each a sixth to two thirds of an ordinary one, and none while the shard is short of time.
"""

from math import ceil

import numpy as np

from vigia.application.ports import FaceDetector
from vigia.domain.event import FaceEvent, Quality
from vigia.domain.geometry import as_boxes_xyxy, iou_matrix
from vigia.domain.quality import with_pose
from vigia.domain.regions import region_around

INPUT_PX = 128
"""Width of the detector's input. Measured: 96 gives less, 192 no more and costs half as much again."""
REGION_SIDES = 2.0
"""What is looked at is so many times as wide as the face: it then has 64 pixels of the input."""
REGION_STEP_PX = 16
"""Sides of regions are multiples of this: the detector remembers how each size goes into its input."""
SAME_FACE_IOU = 0.25
"""A face that overlaps the known box by less is another one."""
CREDIT_A_LOOK = 0.25
"""A camera's closer looks are so many for each of its ordinary looks, in the long run, at most."""
CREDIT_MAX = 8.0
"""And at most so many at once, when all its tracks end at the same time."""


class CloserLook:
    """Judges the pose of single faces anew. Owner: the shard's thread, like the detector.

    Args:
        detector: finds the face again.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector

    def judge(self, event: FaceEvent) -> Quality:
        """The shot's quality with the pose of a closer look; as it was when the face is not found again.

        Args:
            event: with its picture.
        """
        picture = event.picture
        if picture is None:
            return event.quality
        left, top, right, bottom = event.box_xyxy.tolist()
        side_px = REGION_STEP_PX * ceil(REGION_SIDES * max(right - left, bottom - top, 1.0) / REGION_STEP_PX)
        region = region_around((left, top, right, bottom), (picture.width, picture.height), (side_px, side_px))
        found = self._detector.detect(picture, input_width=INPUT_PX, region=region)
        if not len(found):
            return event.quality
        overlaps = iou_matrix(found.boxes_xyxy, as_boxes_xyxy(event.box_xyxy))[:, 0]
        nearest = int(np.argmax(overlaps))
        if overlaps[nearest] < SAME_FACE_IOU:
            return event.quality
        return with_pose(event.quality, found.landmarks[nearest])


class LookCredit:
    """How many closer looks one camera may have. Owner: the camera's shard. Depends on nothing but its looks."""

    __slots__ = ("_credit",)

    def __init__(self) -> None:
        self._credit = CREDIT_MAX

    def earn(self) -> None:
        """There was an ordinary look."""
        self._credit = min(self._credit + CREDIT_A_LOOK, CREDIT_MAX)

    def take(self, count: int) -> bool:
        """Spend ``count`` closer looks; False, and nothing is spent, where there are not so many."""
        if self._credit < count:
            return False
        self._credit -= count
        return True
