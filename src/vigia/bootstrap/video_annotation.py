"""Draws what the tracker knows on each picture of a video, as the picture is done."""

from pathlib import Path

from vigia.application.use_cases.manage_tracks_use_case import ManageTracksUseCase
from vigia.domain.camera import CameraId
from vigia.domain.frame import Frame
from vigia.domain.motion import expected_boxes
from vigia.infrastructure.video.annotated_video import AnnotatedVideo

SHOWN_S = 0.5
"""A face that was not found for so long is not drawn any more, though its track may go on."""


class VideoAnnotation:
    """Owner: the video's thread. Bounds: one picture.

    Args:
        path: of the annotated video.
        tracks: knows where faces are.
        camera_id: whose.
        fps: about how many pictures a second come.
    """

    def __init__(self, path: Path, tracks: ManageTracksUseCase, camera_id: CameraId, *, fps: float) -> None:
        self._video = AnnotatedVideo(path, fps=fps)
        self._tracks = tracks
        self._camera_id = camera_id
        self._frame: Frame | None = None

    def see(self, frame: Frame) -> None:
        """A picture comes: what was found in the one before is known by now, so that one is drawn."""
        self._draw()
        self._frame = frame

    def close(self) -> None:
        """Complete the file."""
        self._draw()
        self._video.close()

    def _draw(self) -> None:
        frame, self._frame = self._frame, None
        if frame is None:
            return
        at_s = frame.at_mono_s
        seen = [one for one in self._tracks.snapshots(self._camera_id) if at_s - one.motion.at_s <= SHOWN_S]
        self._video.write(frame, expected_boxes(seen, at_s), [int(one.id) for one in seen])
