"""A track: one passage of one face before one camera.

It keeps its first, best and last event, and a picture only for the best. Whatever else of it may be sent is kept beside
it, by ``posting.ShotSelection``.
"""

from math import hypot

from vigia.domain.camera import CameraId
from vigia.domain.errors import TransitionError
from vigia.domain.event import FaceEvent
from vigia.domain.motion import Motion, TrackEnd, TrackId, TrackSnapshot, floats_of

RECENT_FRAMES = 32
"""How many frames back a late event is still recognised as one the track already has."""


class Track:
    """One passage of one face.

    Owner: whoever holds the camera's lock in ``ManageTracksUseCase``.
    Bounds: three events, one picture and the numbers of the last frames, whatever its length.
    Stops when: silent for ``miss_interval_s``, older than ``duration_max_s`` (0 = no limit), or told to end.

    Args:
        track_id: never used again within a run.
        event: the first one.
        miss_interval_s: silence after which it is over, seconds.
        duration_max_s: longest life, seconds; 0 for no limit.
    """

    __slots__ = (
        "_duration_max_s",
        "_miss_interval_s",
        "_start_xy",
        "best",
        "camera_id",
        "end",
        "events_count",
        "first",
        "id",
        "last",
        "moved_max_px",
        "snapshot",
    )

    def __init__(self, track_id: TrackId, event: FaceEvent, *, miss_interval_s: float, duration_max_s: float) -> None:
        self.id = track_id
        self.camera_id: CameraId = event.camera_id
        self.first = event.without_picture()
        self.best = event
        self.last = self.first
        self.events_count = 1
        self.moved_max_px = 0.0
        """Farthest that the centre has been from where it began, pixels."""
        self.end: TrackEnd | None = None
        motion = Motion.started(event)
        self.snapshot = TrackSnapshot(track_id, 1, motion, (event.frame_index,), event.frame_index, event.at_mono_s)
        self._start_xy = _centre(motion.box_xyxy)
        self._miss_interval_s = miss_interval_s
        self._duration_max_s = duration_max_s

    def __repr__(self) -> str:
        state = "active" if self.end is None else self.end.value
        return f"<Track {self.id} of {self.camera_id}: {self.events_count} events, {state}>"

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self.snapshot.version

    @property
    def duration_s(self) -> float:
        """From the first to the last event, seconds."""
        return self.last.at_mono_s - self.first.at_mono_s

    def is_active(self, now: float) -> bool:
        """True while the track may still get events at ``now`` (the camera's monotonic time, seconds)."""
        return self.end is None and self.due_end(now) is None

    def due_end(self, now: float) -> TrackEnd | None:
        """Why the track would have to end at ``now``, or None."""
        return self.snapshot.due_end(now, miss_interval_s=self._miss_interval_s, duration_max_s=self._duration_max_s)

    def limit(self, *, miss_interval_s: float, duration_max_s: float) -> None:
        """End by other limits from now on. See the constructor."""
        self._miss_interval_s = miss_interval_s
        self._duration_max_s = duration_max_s

    def add_event(self, event: FaceEvent, *, motion: Motion | None = None) -> None:
        """Take one more event of the same face. A late one, from a frame before the last, is taken too.

        Args:
            event: of the same camera, of a frame that has not given this track an event yet.
            motion: ``self.snapshot.motion.advanced(event)`` when the caller has worked it out beforehand.

        Raises:
            TransitionError: the track has ended, or the event is of another camera or of a frame it already has.
        """
        if self.end is not None:
            raise TransitionError("track %(track)d has ended", track=self.id)
        if event.camera_id != self.camera_id:
            raise TransitionError(
                "track %(track)d is of camera %(camera)s, not of %(other)s",
                track=self.id,
                camera=self.camera_id,
                other=event.camera_id,
            )
        before = self.snapshot
        if before.has_frame(event.frame_index):
            raise TransitionError("track %(track)d already has an event of that frame", track=self.id)
        motion = before.motion.advanced(event) if motion is None else motion
        frames = (*before.recent_frames[-(RECENT_FRAMES - 1) :], event.frame_index)
        first_at_s = min(before.first_at_s, event.at_mono_s)
        newest = max(before.newest_frame, event.frame_index)
        self.snapshot = TrackSnapshot(self.id, before.version + 1, motion, frames, newest, first_at_s)
        self.events_count += 1
        x, y = _centre(motion.box_xyxy if motion.at_s == event.at_mono_s else floats_of(event.box_xyxy))
        moved_px = hypot(x - self._start_xy[0], y - self._start_xy[1])
        self.moved_max_px = max(self.moved_max_px, moved_px)
        if event.better_than(self.best):
            self.best = event
        if event.at_mono_s >= self.last.at_mono_s:
            self.last = event.without_picture()
        elif event.at_mono_s < self.first.at_mono_s:
            self.first = event.without_picture()

    def finish(self, end: TrackEnd) -> None:
        """End the track. Raises TransitionError when it already has."""
        if self.end is not None:
            raise TransitionError("track %(track)d has already ended", track=self.id)
        self.end = end
        before = self.snapshot
        self.snapshot = before._replace(version=before.version + 1)


def _centre(box_xyxy: tuple[float, float, float, float]) -> tuple[float, float]:
    return (box_xyxy[0] + box_xyxy[2]) / 2.0, (box_xyxy[1] + box_xyxy[3]) / 2.0
