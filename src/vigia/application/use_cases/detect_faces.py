"""Detect faces: from one decoded frame to its face events, judged."""

import itertools
from collections.abc import Callable, Iterator

from vigia.application.ports import FaceDetector
from vigia.domain.best_shot import assess
from vigia.domain.event import Box, EventId, FaceEvent
from vigia.domain.frame import Frame


def _any_size(_box_xyxy: Box) -> bool:
    return True


class DetectFacesUseCase:
    """Finds the faces of a frame and scores each as a shot.

    Owner: the shard's thread, like the detector.

    Args:
        detector: finds the faces.
        min_face_px: the smallest face worth finding, frame pixels; decides the detector's input size.
        ids: event numbers; shared by all shards of a process so that none is used twice.
        input_width: fixes the detector's input, pixels, whatever ``min_face_px`` says.
    """

    def __init__(
        self,
        detector: FaceDetector,
        *,
        min_face_px: float,
        ids: Iterator[int] | None = None,
        input_width: int | None = None,
    ) -> None:
        self._detector = detector
        self._min_face_px = min_face_px
        self._ids = ids if ids is not None else itertools.count(1)
        self._input_width = input_width
        self._widths: dict[int, int] = {}

    @property
    def model(self) -> str:
        """The detector's name."""
        return self._detector.name

    def input_width_for(self, frame_width: int) -> int:
        """The detector's input width for frames of ``frame_width`` pixels."""
        if self._input_width is not None:
            return self._input_width
        width = self._widths.get(frame_width)
        if width is None:
            width = self._detector.input_width_for(frame_width=frame_width, min_face_px=self._min_face_px)
            self._widths[frame_width] = width
        return width

    def execute(self, frame: Frame, *, size_fits: Callable[[Box], bool] = _any_size) -> list[FaceEvent]:
        """The face events of one frame, most confident first; each refers to the frame's picture.

        Args:
            frame: as decoded.
            size_fits: whether a face of this box may be sent: see ``FaceEvent.postable``.
        """
        picture = frame.picture
        size_wh = frame.size_wh
        found = self._detector.detect(picture, input_width=self.input_width_for(size_wh[0]))
        if not len(found):
            return []
        luma = picture.luma()
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
                    postable=size_fits(box),
                )
            )
        return events
