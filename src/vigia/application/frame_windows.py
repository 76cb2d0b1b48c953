"""Which frames of which file were really looked at: needed to hold a run against the ground truth of its clips."""

from vigia.domain.camera import CameraId
from vigia.domain.frame import Frame
from vigia.domain.passages import ProcessedWindow


class FrameWindows:
    """First and last media index seen, per camera and loop.

    Owner: each camera's entries belong to its shard's thread; readers come after the run.
    Bounds: two numbers per camera and loop of a clip.
    """

    def __init__(self) -> None:
        self._windows: dict[tuple[CameraId, int], ProcessedWindow] = {}

    def see(self, frame: Frame) -> None:
        """Note one decoded frame; frames without a media index are left alone."""
        index = frame.media_index
        if index is None:
            return
        key = (frame.camera_id, frame.loop)
        window = self._windows.get(key)
        if window is None:
            self._windows[key] = ProcessedWindow(index, index)
        elif not window.first_index <= index <= window.last_index:
            self._windows[key] = window.including(index)

    def snapshot(self) -> dict[tuple[CameraId, int], ProcessedWindow]:
        """What was seen of each (camera, loop)."""
        return dict(self._windows)
