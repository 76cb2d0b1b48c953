"""Face events for tests."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from vigia.domain.camera import CameraId
from vigia.domain.event import EventId, FaceEvent, Quality
from vigia.domain.frame import Picture
from vigia.testing.video import ScriptedPicture, landmarks_for

MakeEvent = Callable[..., FaceEvent]
START_UTC = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def event_maker() -> MakeEvent:
    """A maker of face events: one face of ``side_px`` at (x, y) in frame ``frame``, 30 frames a second."""
    counter = iter(range(1, 1_000_000))

    def make(
        x: float = 100.0,
        y: float = 100.0,
        *,
        frame: int = 0,
        side_px: float = 100.0,
        score: float = 0.5,
        camera: str = "gate",
        picture: Picture | None = None,
        at_s: float | None = None,
    ) -> FaceEvent:
        box = np.array([x, y, x + side_px, y + side_px], dtype=np.float32)
        seconds = frame / 30.0 if at_s is None else at_s
        return FaceEvent(
            id=EventId(next(counter)),
            camera_id=CameraId(camera),
            frame_index=frame,
            at_mono_s=1000.0 + seconds,
            at_utc=START_UTC + timedelta(seconds=seconds),
            box_xyxy=box,
            landmarks=landmarks_for(box[None])[0],
            confidence=0.9,
            frame_size_wh=(1280, 720),
            quality=Quality(score, {"size": score}),
            picture=picture if picture is not None else ScriptedPicture(),
        )

    return make
