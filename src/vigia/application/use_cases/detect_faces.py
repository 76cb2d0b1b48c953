"""Detect faces: from one decoded frame to its face events, judged."""

import itertools
from collections.abc import Callable, Iterator
from math import ceil

from vigia.application.closer_look import CloserLook
from vigia.application.ports import FaceDetector
from vigia.application.sharp_look import SharpAims, SharpLook
from vigia.domain.event import Box, EventId, FaceEvent, Quality
from vigia.domain.frame import Frame
from vigia.domain.quality import assess

WIDTHS_MAX = 1000
"""Frame sizes, steps under overload and smallest faces whose input width is remembered."""


def _any_size(_box_xyxy: Box) -> bool:
    return True


class DetectFacesUseCase:
    """Finds the faces of a frame and scores each as a shot.

    Owner: the shard's thread, like the detector.

    Args:
        detector: finds the faces.
        min_face_px: the smallest face worth finding, frame pixels; decides the detector's input size, where a camera
            does not say otherwise.
        ids: event numbers; shared by all shards of a process so that none is used twice.
        input_width: fixes the detector's input, pixels, whatever ``min_face_px`` says.
        overload_face_px: under overload faces below this may be missed; none when not given.
        sharp_face_px: the smallest face that sharp looks shall find, frame pixels (``sharp_look.py``); without it there
            are none.
    """

    def __init__(
        self,
        detector: FaceDetector,
        *,
        min_face_px: float,
        ids: Iterator[int] | None = None,
        input_width: int | None = None,
        overload_face_px: float | None = None,
        sharp_face_px: float | None = None,
    ) -> None:
        self._detector = detector
        self._closer = CloserLook(detector)
        self._min_face_px = min_face_px
        self._ids = ids if ids is not None else itertools.count(1)
        self._input_width = input_width
        self._overload_face_px = overload_face_px if overload_face_px is not None else 0.0
        self._widths: dict[tuple[int, float, float], int] = {}
        self._sharp: SharpLook | None = None
        if sharp_face_px is not None:
            self._sharp = SharpLook(detector, face_px=sharp_face_px, min_face_px=min_face_px)

    @property
    def model(self) -> str:
        """The detector's name."""
        return self._detector.name

    def input_width_for(self, frame_width: int, scale: float = 1.0, *, min_face_px: float | None = None) -> int:
        """The detector's input width for frames of ``frame_width`` pixels.

        Args:
            frame_width: pixels.
            scale: of the ordinary width, in (0, 1]: under overload. Never below what ``overload_face_px`` needs.
            min_face_px: the smallest face worth finding by this camera, frame pixels.
        """
        face_px = self._min_face_px if min_face_px is None else min_face_px
        key = (frame_width, scale, face_px)
        width = self._widths.get(key)
        if width is None:
            if len(self._widths) >= WIDTHS_MAX:
                self._widths.clear()
            width = self._input_width or self._needed(frame_width, face_px)
            if scale < 1.0:
                least = self._needed(frame_width, max(self._overload_face_px, face_px))
                width = max(min(width, least), ceil(width * scale))
            self._widths[key] = width
        return width

    def judge_closer(self, event: FaceEvent) -> Quality:
        """The quality of one shot, with the pose of a closer look at its face; see ``CloserLook``."""
        return self._closer.judge(event)

    def _needed(self, frame_width: int, face_px: float) -> int:
        return self._detector.input_width_for(frame_width=frame_width, min_face_px=face_px)

    def execute(
        self,
        frame: Frame,
        *,
        size_fits: Callable[[Box], bool] = _any_size,
        scale: float = 1.0,
        aims: SharpAims | None = None,
        min_face_px: float | None = None,
    ) -> list[FaceEvent]:
        """The face events of one frame, most confident first; each refers to the frame's picture.

        Args:
            frame: as decoded.
            size_fits: whether a face of this box may be sent: see ``FaceEvent.postable``.
            scale: of the detector's input, in (0, 1]; see ``input_width_for``.
            aims: given when this look may be a sharp one, if one is due: where it may go; see ``SharpLook``.
            min_face_px: the smallest face worth finding by this camera, frame pixels.
        """
        picture = frame.picture
        size_wh = frame.size_wh
        input_width = self.input_width_for(size_wh[0], scale, min_face_px=min_face_px)
        if aims is not None and self._sharp is not None:
            found = self._sharp.detect(frame, input_width=input_width, aims=aims, min_face_px=min_face_px)
        else:
            found = self._detector.detect(picture, input_width=input_width)
        if not len(found):
            return []
        luma = picture.luma()
        sure_confidence = self._detector.sure_confidence
        # A weak box beside a face is nobody more often than not: no posted region gives way to it.
        sure_boxes = found.boxes_xyxy[found.confidences >= sure_confidence]
        events = []
        for box, landmarks, confidence in zip(
            found.boxes_xyxy, found.landmarks, found.confidences.tolist(), strict=True
        ):
            quality = assess(luma=luma, box_xyxy=box, landmarks=landmarks, confidence=confidence, frame_size_wh=size_wh)
            events.append(
                FaceEvent(
                    id=EventId(next(self._ids)),
                    camera_id=frame.camera_id,
                    frame_index=frame.index,
                    at_mono_s=frame.at_mono_s,
                    at_utc=frame.at_utc,
                    box_xyxy=box,
                    landmarks=landmarks,
                    confidence=confidence,
                    frame_size_wh=size_wh,
                    quality=quality,
                    picture=picture,
                    media_index=frame.media_index,
                    loop=frame.loop,
                    postable=confidence >= sure_confidence and size_fits(box),
                    sure=confidence >= sure_confidence,
                    frame_boxes_xyxy=sure_boxes,
                )
            )
        return events
