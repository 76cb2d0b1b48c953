"""The second, sharper look: finds faces that are too small for the ordinary look, now and then and not in every frame.

An ordinary look converts the whole picture to an input in which ``min_face_px`` is just large enough. A sharp look uses
more of the picture's own pixels, so that ``face_px`` is large enough:

- Where the whole picture costs no more than ``WHOLE_AREA_MAX`` ordinary looks, it is looked at sharply *instead*.
- Else one region is looked at sharply, in an input as large as an ordinary look's, *beside* the ordinary look, and both
  are made one. Regions go to faces that are followed but too small for the ordinary look, to those it is not sure of,
  and round what moves (``domain/regions.py``).

So a sharp look costs at most one ordinary look more. It comes every ``WHOLE_S`` or ``SEARCH_S`` of the camera's time,
every ``FOLLOW_S`` while regions show faces that ordinary looks do not find, and never while the shard is short of time.
A passage takes seconds, and to be worth sending it must be found twice. Time is the camera's own: the same clip is
looked at in the same frames.
"""

from collections.abc import Callable
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from vigia.application.ports import Detections, FaceDetector
from vigia.domain.camera import CameraId
from vigia.domain.frame import Frame
from vigia.domain.geometry import Boxes
from vigia.domain.regions import Region, RegionSearch, cut_by, unseen

WHOLE_S = 0.8
"""From one sharp look at the whole picture to the next, seconds of the camera's time: a track waits a second for its
face by default, so that two of them are enough for one. Every half second would cost 1.4 % of a 1080p stream's time at
k=2."""
SEARCH_S = 0.5
"""From one sharp look at a region to the next: there are many regions."""
FOLLOW_S = 0.25
"""The same while regions show what ordinary looks do not find: such a face is found by nothing else."""
FOLLOW_HOLD_S = 1.0
"""For so long after such a find: as long as a track waits for its face by default."""
WHOLE_AREA_MAX = 2.0
"""In ordinary looks, by the input's pixels: up to here the whole picture is cheaper than a region beside it."""
CONFIDENT = 0.7
"""A face that an ordinary look finds with less than this is worth a sharp look too, in [0, 1]; models report from 0.5
or 0.6 on."""
TALL = 1.5
"""A face's box is up to so many times as high as wide: regions overlap by so many smallest faces."""
EDGE_INPUT_PX = 2.0
"""Detectors end a cut face's box so near to the edge, pixels of their own input."""
SAME_FACE_IOU = 0.3
"""As in the detectors' own suppression: boxes of two looks that overlap by more are one face."""
CAMERAS_MAX = 1024
"""More than any shard has; a camera that went to another shard is forgotten by then."""


@dataclass(frozen=True, slots=True)
class SharpAims:
    """What the regions of sharp looks are chosen by."""

    changed: NDArray[np.bool_] | None = None
    """Where it moves: the motion gate's samples, bool (rows, columns) over the frame; None: everywhere."""
    followed: Callable[[], Boxes] | None = None
    """Tells where faces are expected in the frame: float32 (T, 4), frame pixels. Asked only when a region is chosen."""


@dataclass(slots=True)
class _Camera:
    """What is remembered of one camera."""

    frame_wh: tuple[int, int]
    input_width: int
    min_face_px: float
    """What ordinary looks find, frame pixels."""
    whole_width: int
    """Input width of a sharp look at the whole picture, pixels."""
    search: RegionSearch | None
    """None where sharp looks are at the whole picture."""
    last_at_s: float = 0.0
    """When the last sharp look was."""
    follow_until_s: float = float("-inf")

    @property
    def period_s(self) -> float:
        """From one sharp look to the next."""
        return WHOLE_S if self.search is None else SEARCH_S

    def is_due(self, at_s: float) -> bool:
        """Whether the look at ``at_s`` shall be sharp."""
        passed_s = at_s - self.last_at_s
        return passed_s < 0.0 or passed_s >= (FOLLOW_S if at_s <= self.follow_until_s else self.period_s)


class SharpLook:
    """Looks at frames, now and then sharply. Owner: the shard's thread, like the detector.

    Bounds: a few numbers for each of at most CAMERAS_MAX cameras.

    Args:
        detector: finds the faces.
        face_px: the smallest face that sharp looks shall find, frame pixels.
        min_face_px: what ordinary looks find, unless a look says otherwise; larger than ``face_px``, or no look is ever
            sharp.
    """

    def __init__(self, detector: FaceDetector, *, face_px: float, min_face_px: float) -> None:
        self._detector = detector
        self._face_px = face_px
        self._min_face_px = min_face_px
        self._cameras: dict[CameraId, _Camera] = {}

    def detect(
        self, frame: Frame, *, input_width: int, aims: SharpAims, min_face_px: float | None = None
    ) -> Detections:
        """The faces of one frame, by an ordinary or, when one is due, by a sharp look.

        Args:
            frame: as decoded.
            input_width: of the ordinary look, pixels.
            aims: where a sharp look may go.
            min_face_px: what ordinary looks at this camera find.
        """
        camera = self._camera(frame, input_width, self._min_face_px if min_face_px is None else min_face_px)
        if camera.whole_width <= input_width:
            return self._detector.detect(frame.picture, input_width=input_width)
        due = camera.is_due(frame.at_mono_s)
        whole = due and camera.search is None
        found = self._detector.detect(frame.picture, input_width=camera.whole_width if whole else input_width)
        if due:
            camera.last_at_s = frame.at_mono_s
            if camera.search is not None:
                return self._beside(frame, found, camera, camera.search, aims)
        return found

    def _beside(
        self, frame: Frame, ordinary: Detections, camera: _Camera, search: RegionSearch, aims: SharpAims
    ) -> Detections:
        """The faces of an ordinary look and of a sharp one at a region of the same frame."""
        boxes = ordinary.boxes_xyxy
        expected = aims.followed() if aims.followed is not None else boxes[:0]
        missed = expected[_sides(expected) < camera.min_face_px]
        missed = missed[unseen(missed, boxes, iou_max=0.0)]
        small = np.concatenate([boxes[ordinary.confidences < CONFIDENT], missed])
        region = search.choose(small, aims.changed)
        if region is None:
            return ordinary
        sharp = self._detector.detect(frame.picture, input_width=camera.input_width, region=region)
        slack_px = EDGE_INPUT_PX * region.width / camera.input_width
        merged = merge_looks(ordinary, sharp, region=region, frame_wh=frame.size_wh, slack_px=slack_px)
        if len(merged) > len(ordinary):
            camera.follow_until_s = frame.at_mono_s + FOLLOW_HOLD_S
        return merged

    def _camera(self, frame: Frame, input_width: int, min_face_px: float) -> _Camera:
        camera = self._cameras.get(frame.camera_id)
        frame_wh = frame.size_wh
        known = None if camera is None else (camera.frame_wh, camera.input_width, camera.min_face_px)
        if camera is None or known != (frame_wh, input_width, min_face_px):
            if camera is None and len(self._cameras) >= CAMERAS_MAX:
                del self._cameras[next(iter(self._cameras))]
            camera = self._cameras[frame.camera_id] = self._planned(frame_wh, input_width, min_face_px)
            # Cameras that start together do not all look sharply at the same moment, and in every run at the same ones.
            phase = crc32(frame.camera_id.encode()) / 2.0**32
            camera.last_at_s = frame.at_mono_s - phase * camera.period_s
        return camera

    def _planned(self, frame_wh: tuple[int, int], input_width: int, min_face_px: float) -> _Camera:
        """How to look sharply at pictures of this size."""
        whole_width = self._detector.input_width_for(frame_width=frame_wh[0], min_face_px=self._face_px)
        shrink = input_width / whole_width
        if shrink * shrink * WHOLE_AREA_MAX >= 1.0:
            return _Camera(frame_wh, input_width, min_face_px, whole_width, None)
        tile_wh = (round(frame_wh[0] * shrink), round(frame_wh[1] * shrink))
        slack_px = EDGE_INPUT_PX * frame_wh[0] / whole_width
        overlap_px = TALL * min_face_px + 2.0 * slack_px
        return _Camera(frame_wh, input_width, min_face_px, whole_width, RegionSearch(frame_wh, tile_wh, overlap_px))


def merge_looks(
    ordinary: Detections, sharp: Detections, *, region: Region, frame_wh: tuple[int, int], slack_px: float
) -> Detections:
    """One set of faces from an ordinary look at a whole frame and a sharp one at a region of it.

    What the sharp look saw whole is believed; what the region's edge cuts is left to the ordinary look, and to the next
    sharp one: regions overlap.

    Args:
        ordinary: of the whole frame.
        sharp: of the region; boxes in full-frame pixels.
        region: what was looked at sharply.
        frame_wh: width and height, pixels.
        slack_px: see ``cut_by``.

    Returns:
        Most confident first; no two boxes of different looks overlap by more than SAME_FACE_IOU. Pure.
    """
    whole = ~cut_by(region, sharp.boxes_xyxy, frame_wh, slack_px=slack_px)
    others = unseen(ordinary.boxes_xyxy, sharp.boxes_xyxy[whole], iou_max=SAME_FACE_IOU)
    confidences = np.concatenate([sharp.confidences[whole], ordinary.confidences[others]])
    order = np.argsort(-confidences, kind="stable")
    return Detections(
        np.concatenate([sharp.boxes_xyxy[whole], ordinary.boxes_xyxy[others]])[order],
        np.concatenate([sharp.landmarks[whole], ordinary.landmarks[others]])[order],
        confidences[order],
    )


def _sides(boxes_xyxy: Boxes) -> NDArray[np.float32]:
    """The smaller side of each box, pixels, float32 (N,)."""
    sides: NDArray[np.float32] = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).min(axis=1)
    return sides
