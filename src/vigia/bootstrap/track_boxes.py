"""Tracks boxes that somebody else found, with the product's own tracker: as a shard does it, without video.

Time passes in seconds: a box of frame n was taken at (n - 1) / fps, whatever lies between it and the one before.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from vigia.application.ports import Clock
from vigia.application.use_cases.manage_tracks_use_case import Association, ManageTracksUseCase
from vigia.bootstrap.posting_parts import track_rules
from vigia.domain.camera import CameraId
from vigia.domain.event import EventId, FaceEvent
from vigia.infrastructure.config import Settings
from vigia.infrastructure.mot import MotBoxes, MotFrames

BOX_START_CONFIDENCE = 0.45
"""Boxes less sure than this, in [0, 1], start no track. On the generator's sequences, which it was chosen on, 0.4 to
0.5 are equal; 0.6 loses the beginnings of tracks, 0.3 follows what is no face."""
NOBODY = -1
CAMERA = CameraId("boxes")
EPOCH_UTC = datetime(2000, 1, 1, tzinfo=UTC)
"""When the first frame was taken: nothing depends on it."""


def track_manager(
    settings: Settings, *, ids: Iterator[int] | None = None, clock: Clock | None = None
) -> ManageTracksUseCase:
    """The track manager of these settings; the one place that makes it. Cameras may have rules of their own.

    Args:
        settings: checked.
        ids: track numbers; 1, 2, 3 … when not given.
        clock: to time its locks by; None times nothing.
    """
    rules = track_rules(settings.tracks)
    return ManageTracksUseCase(
        rules.matching(),
        miss_interval_s=rules.miss_interval_s,
        duration_max_s=rules.duration_max_s,
        ids=ids,
        clock=clock,
    )


class BoxTracker:
    """Follows the boxes of one camera. Frames come in ascending order, those without a box too.

    Owner: who makes it; one thread. Bounds: the open tracks.

    Args:
        settings: their section ``tracks`` counts.
        fps: frames a second of the sequence, more than 0.
        size_wh: width and height of its pictures, pixels.
    """

    def __init__(self, settings: Settings, *, fps: float, size_wh: tuple[int, int]) -> None:
        self._tracks = track_manager(settings)
        self._fps = fps
        self._size_wh = size_wh
        self._event_ids = itertools.count()
        self._landmarks = np.zeros((5, 2), dtype=np.float32)

    def events(self, frame: int, boxes: MotBoxes) -> list[FaceEvent]:
        """The boxes as the tracker takes them, in their order. Confidences are clipped to [0, 1]."""
        at_s = self.at_s(frame)
        at_utc = EPOCH_UTC + timedelta(seconds=at_s)
        return [
            FaceEvent(
                id=EventId(next(self._event_ids)),
                camera_id=CAMERA,
                frame_index=frame,
                at_mono_s=at_s,
                at_utc=at_utc,
                box_xyxy=box,
                landmarks=self._landmarks,
                confidence=min(max(confidence, 0.0), 1.0),
                frame_size_wh=self._size_wh,
                sure=confidence >= BOX_START_CONFIDENCE,
            )
            for box, confidence in zip(boxes.boxes_xyxy, boxes.confidences.tolist(), strict=True)
        ]

    def step(self, frame: int, events: Sequence[FaceEvent]) -> list[Association]:
        """One frame, as ``CameraPipeline`` works through it: associate what was found, end what is over."""
        found = self._tracks.execute(CAMERA, events) if events else []
        self._tracks.expire(CAMERA, self.at_s(frame))
        return found

    def update(self, frame: int, boxes: MotBoxes) -> list[int]:
        """The track of every box of one frame, in their order; -1 where it has none."""
        events = self.events(frame, boxes)
        owners = {association.event.id: association.track_id for association in self.step(frame, events)}
        return [int(owners.get(event.id, NOBODY)) for event in events]

    def at_s(self, frame: int) -> float:
        """When a frame (1-based) was taken, seconds after the first."""
        return (frame - 1) / self._fps


def track_boxes(settings: Settings, frames: MotFrames, *, fps: float, size_wh: tuple[int, int]) -> MotFrames:
    """Track a whole sequence.

    Args:
        settings: their section ``tracks`` counts; ``events_min`` decides which tracks are told.
        frames: detections by frame; their ids are not looked at.
        fps: frames a second, more than 0.
        size_wh: width and height of the pictures, pixels.

    Returns:
        The boxes of all tracks that have ``events_min`` or more, each with its track's number.
    """
    tracker = BoxTracker(settings, fps=fps, size_wh=size_wh)
    owners = {frame: tracker.update(frame, boxes) for frame, boxes in frames.items()}
    return long_enough(frames, owners, boxes_min=settings.tracks.events_min)


def long_enough(frames: MotFrames, owners: dict[int, list[int]], *, boxes_min: int) -> MotFrames:
    """Boxes under their tracks' numbers; without those of tracks of fewer than ``boxes_min`` boxes, or of none (-1).

    Pure.
    """
    counts = Counter(owner for row in owners.values() for owner in row if owner >= 0)
    named = {
        frame: boxes.with_ids(owner if counts[owner] >= boxes_min else -1 for owner in owners[frame])
        for frame, boxes in frames.items()
    }
    return {frame: boxes for frame, boxes in named.items() if len(boxes)}
