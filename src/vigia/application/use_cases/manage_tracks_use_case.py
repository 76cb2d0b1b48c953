"""Manage tracks: which face continues which passage. Safe from any thread.

How it stays correct without holding a lock while it thinks (optimistic concurrency):

1. *Snapshot.* Under the camera's lock, copy references to the immutable snapshots of its tracks, and the camera's
   generation (a number that grows whenever the set of tracks changes).
2. *Match* outside the lock: predict, compare, assign, and work out all that the commit needs.
3. *Commit*, event by event, so that the lock is held no longer for fifty faces than for one. Under the lock again, an
   event joins its track only if that track is still active and its version is the one of the snapshot; a new track is
   made only if the generation is unchanged but for this frame's own. What fails is matched again against what changed.

So no event is lost, none lands in two tracks, no track gets two events of one frame, and no lock is held across
matching, I/O, callbacks or logging. Each failed commit means that another thread's commit succeeded.
"""

import itertools
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple, TypeAlias

import numpy as np

from vigia.application.metered_lock import MeteredLock
from vigia.application.ports import Clock
from vigia.application.recent_durations import DurationStats, RecentDurations
from vigia.domain.camera import CameraId
from vigia.domain.event import EventId, FaceEvent
from vigia.domain.motion import Expected, Motion, TrackEnd, TrackId, TrackSnapshot, room_for_leaving
from vigia.domain.track import Track
from vigia.domain.track_matching_service import Match, MatchKind, TrackMatchingService

logger = logging.getLogger("vigia.tracks")

ROUNDS_MAX = 64
"""After so many lost races an event starts a track of its own: rather a passage in two parts than an event lost."""
INFO_INTERVAL_S = 1.0
"""One line a second and camera at INFO; every association is told at DEBUG."""


@dataclass(frozen=True, slots=True)
class TrackRules:
    """When a face continues a track of one camera, and when a track ends. FindFace's names and meanings."""

    miss_interval_s: float = 1.0
    """``track_miss_interval``: silence that ends a track, seconds."""
    duration_max_s: float = 60.0
    """``track_max_duration``: age that ends a track, seconds; 0 = no limit."""
    overlap_threshold: float = 0.12
    """``track_overlap_threshold``: see ``TrackMatchingService``."""
    distance_max_share: float = 0.10
    """See ``TrackMatchingService``."""

    def matching(self) -> TrackMatchingService:
        """What matches by these rules."""
        return TrackMatchingService(
            overlap_threshold=self.overlap_threshold, distance_max_share=self.distance_max_share
        )


class _Limits(NamedTuple):
    """One camera's rules as they are applied."""

    matching: TrackMatchingService
    miss_interval_s: float
    duration_max_s: float


@dataclass(slots=True)
class _CameraTracks:
    """One camera's tracks. Owner: whoever holds ``lock``; it guards every other field, for moments only.

    ``limits`` is replaced as a whole, so that it is read without the lock.
    """

    limits: _Limits
    lock: AbstractContextManager[object, None] = field(default_factory=threading.Lock)
    tracks: dict[TrackId, Track] = field(default_factory=dict)
    generation: int = 0
    told_at_s: float = float("-inf")
    untold: int = 0


class Association(NamedTuple):
    """Where one event went."""

    event: FaceEvent
    track_id: TrackId
    match: Match | None
    """None when the event started the track."""


class ShownTrack(NamedTuple):
    """An open track as it is shown."""

    snapshot: TrackSnapshot
    quality: float
    """Of its best shot so far, in [0, 1]."""
    confidence: float
    """The detector's, of its last event."""


_Planned: TypeAlias = tuple[FaceEvent, Match | None, TrackSnapshot | None, Motion | None]
"""An event, what it matched, the track as it was then, and its motion afterwards: None for one that starts a track."""


class ManageTracksUseCase:
    """Associates face events with tracks and ends tracks whose time has come.

    Any thread may call any method. Track ids come from one counter and are never used twice in a run.

    Args:
        matching: decides which face continues which track, of cameras without rules of their own (``configure``).
        miss_interval_s: for these: silence that ends a track (``track_miss_interval``), seconds.
        duration_max_s: for these: age that ends a track (``track_max_duration``), seconds; 0 = no limit.
        ids: track numbers; 1, 2, 3 … when not given.
        clock: times how long the cameras' locks are held, one hold in ``ONE_IN``; without one nothing is timed.
    """

    def __init__(
        self,
        matching: TrackMatchingService,
        *,
        miss_interval_s: float = 1.0,
        duration_max_s: float = 60.0,
        ids: Iterator[int] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock
        self._holds = RecentDurations()
        self._limits = _Limits(matching, miss_interval_s, duration_max_s)
        self._ids = ids if ids is not None else itertools.count(1)  # next() on it is atomic
        self._cameras: dict[CameraId, _CameraTracks] = {}
        self._cameras_lock = threading.Lock()  # guards the dictionary, not what is in it
        self._conflicts: Counter[str] = Counter()

    @property
    def conflicts(self) -> int:
        """How often a commit found that its snapshot was out of date. Approximate while threads run."""
        return self._conflicts["commit"]

    @property
    def holds(self) -> DurationStats:
        """How long the cameras' locks were held, where there is a clock."""
        return self._holds.stats

    def configure(self, camera_id: CameraId, rules: TrackRules) -> None:
        """Follow a camera's faces by rules of its own from now on, those of its open tracks too."""
        state = self._state(camera_id)
        with state.lock:
            state.limits = _Limits(rules.matching(), rules.miss_interval_s, rules.duration_max_s)
            for track in state.tracks.values():
                track.limit(miss_interval_s=rules.miss_interval_s, duration_max_s=rules.duration_max_s)

    def execute(self, camera_id: CameraId, events: Sequence[FaceEvent]) -> list[Association]:
        """Associate the events of one frame.

        Args:
            camera_id: whose events they are.
            events: all of one frame; may be empty.

        Returns:
            One association per event, in no particular order; none for one that is not sure and continues no track.
        """
        return self._associate(camera_id, events, frozenset([event.id for event in events if not event.sure]))

    def process_event(self, event: FaceEvent) -> Association:
        """Associate a single event: it starts a track, sure or not, when it continues none."""
        return self._associate(event.camera_id, [event], frozenset())[0]

    def _associate(
        self, camera_id: CameraId, events: Sequence[FaceEvent], weak: frozenset[EventId]
    ) -> list[Association]:
        state = self._state(camera_id)
        done: list[Association] = []
        waiting = list(events)
        for attempt in range(ROUNDS_MAX + 1):
            if not waiting:
                break
            with state.lock:
                generation = state.generation
                snapshots = [track.snapshot for track in state.tracks.values()]
            plan = self._plan(waiting, snapshots, weak, state.limits)
            accepted, waiting = self._commit(state, plan, generation, force=attempt == ROUNDS_MAX)
            done += accepted
            if waiting:
                self._conflicts["commit"] += len(waiting)
        self._tell(state, done)
        return done

    def expire(self, camera_id: CameraId, now: float) -> list[Track]:
        """End and return the tracks whose silence or age is over at ``now`` (the camera's monotonic time, seconds)."""
        state = self._cameras.get(camera_id)
        if state is None or not state.tracks:
            return []
        with state.lock:
            snapshots = [track.snapshot for track in state.tracks.values()]
        limits = state.limits
        last_s, first_s = now - limits.miss_interval_s, now - (limits.duration_max_s or inf)
        due = [s for s in snapshots if s.motion.at_s < last_s or s.first_at_s < first_s]
        return [track for snapshot in due if (track := self._expire_one(state, snapshot.id, now)) is not None]

    def end_all(self, camera_id: CameraId, end: TrackEnd) -> list[Track]:
        """End and return all tracks of a camera."""
        state = self._cameras.get(camera_id)
        if state is None:
            return []
        with state.lock:
            tracks = list(state.tracks.values())
            for track in tracks:
                self._end(state, track, end)
        return tracks

    def _expire_one(self, state: _CameraTracks, track_id: TrackId, now: float) -> Track | None:
        """End one track if it is still there and still due."""
        with state.lock:
            track = state.tracks.get(track_id)
            end = None if track is None else track.due_end(now)
            if track is None or end is None:
                return None
            self._end(state, track, end)
        return track

    def active_count(self, camera_id: CameraId) -> int:
        """How many tracks of a camera are open."""
        state = self._cameras.get(camera_id)
        return 0 if state is None else len(state.tracks)

    def snapshots(self, camera_id: CameraId) -> list[TrackSnapshot]:
        """The open tracks of a camera, for display."""
        state = self._cameras.get(camera_id)
        if state is None:
            return []
        with state.lock:
            return [track.snapshot for track in state.tracks.values()]

    def shown(self, camera_id: CameraId) -> list[ShownTrack]:
        """The open tracks of a camera with how good they are, for display."""
        state = self._cameras.get(camera_id)
        if state is None or not state.tracks:
            return []
        with state.lock:
            tracks = list(state.tracks.values())
            return [ShownTrack(t.snapshot, t.best.quality.score, t.last.confidence) for t in tracks]

    def forget(self, camera_id: CameraId) -> None:
        """Drop a removed camera's state; end its tracks first."""
        with self._cameras_lock:
            self._cameras.pop(camera_id, None)

    def _state(self, camera_id: CameraId) -> _CameraTracks:
        state = self._cameras.get(camera_id)
        if state is None:
            made = _CameraTracks(self._limits, self._new_lock())
            with self._cameras_lock:
                state = self._cameras.setdefault(camera_id, made)
        return state

    def _new_lock(self) -> AbstractContextManager[object, None]:
        return threading.Lock() if self._clock is None else MeteredLock(self._holds, clock=self._clock)

    @staticmethod
    def _plan(
        events: Sequence[FaceEvent], snapshots: Sequence[TrackSnapshot], weak: frozenset[EventId], limits: _Limits
    ) -> list[_Planned]:
        """Match against a snapshot. Pure but for the events' order; holds no lock."""
        first = events[0]
        at_s, frame_index = first.at_mono_s, first.frame_index
        last_s, first_s = at_s - limits.miss_interval_s, at_s - (limits.duration_max_s or inf)
        open_to_frame = [
            s for s in snapshots if s.motion.at_s >= last_s and s.first_at_s >= first_s and not s.has_frame(frame_index)
        ]
        boxes = np.concatenate([event.box_xyxy for event in events]).reshape(-1, 4)
        expected = Expected.of(open_to_frame, at_s, frame_wh=first.frame_size_wh)
        rooms = None
        if expected.at_edge:
            rooms = [
                room_for_leaving(snapshot.motion, place, first.frame_size_wh)
                for snapshot, place in zip(open_to_frame, expected.places, strict=True)
            ]
        weak_rows = np.array([event.id in weak for event in events]) if weak else None
        found = limits.matching.assign(boxes, expected, first.frame_size_wh, weak=weak_rows, rooms=rooms)
        matches = {match.event: match for match in found}
        plan: list[_Planned] = []
        for row, event in enumerate(events):
            match = matches.get(row)
            if match is None and event.id in weak:
                continue
            snapshot = None if match is None else open_to_frame[match.track]
            motion = None if snapshot is None else snapshot.motion.advanced(event)
            plan.append((event, match, snapshot, motion))
        return plan

    def _commit(
        self, state: _CameraTracks, plan: Sequence[_Planned], generation: int, *, force: bool
    ) -> tuple[list[Association], list[FaceEvent]]:
        """Make the plan true as far as it still holds; return what was done and which events must be matched again."""
        accepted: list[Association] = []
        refused: list[FaceEvent] = []
        for event, match, snapshot, motion in plan:
            track_id: TrackId | None = None
            if snapshot is None or force:
                track = self._new_track(event, state.limits)
                with state.lock:
                    if force or state.generation == generation:
                        state.tracks[track.id] = track
                        state.generation += 1
                        generation, track_id = state.generation, track.id
            else:
                with state.lock:
                    if self._still_holds(state.tracks.get(snapshot.id), snapshot):
                        state.tracks[snapshot.id].add_event(event, motion=motion)
                        track_id = snapshot.id
            if track_id is None:
                refused.append(event)
            else:
                accepted.append(Association(event, track_id, None if snapshot is None or force else match))
        return accepted, refused

    @staticmethod
    def _still_holds(track: Track | None, snapshot: TrackSnapshot) -> bool:
        """Whether the chosen track is still as it was when it was chosen; to end it would change it. Under the lock."""
        return track is not None and track.snapshot.version == snapshot.version

    def _new_track(self, event: FaceEvent, limits: _Limits) -> Track:
        return Track(
            TrackId(next(self._ids)),
            event,
            miss_interval_s=limits.miss_interval_s,
            duration_max_s=limits.duration_max_s,
        )

    @staticmethod
    def _end(state: _CameraTracks, track: Track, end: TrackEnd) -> None:
        track.finish(end)
        del state.tracks[track.id]
        state.generation += 1

    def _tell(self, state: _CameraTracks, associations: Sequence[Association]) -> None:
        """Log what was associated: all at DEBUG, else one line a second and camera at INFO."""
        if logger.isEnabledFor(logging.DEBUG):
            for association in associations:
                _log_association(logging.DEBUG, association, more=0)
            return
        matched = [association for association in associations if association.match is not None]
        if not matched:
            return
        now_s = matched[0].event.at_mono_s
        with state.lock:
            state.untold += len(matched)
            if now_s - state.told_at_s < INFO_INTERVAL_S:
                return
            more, state.untold, state.told_at_s = state.untold - 1, 0, now_s
        _log_association(logging.INFO, matched[0], more=more)


def _log_association(level: int, association: Association, *, more: int) -> None:
    match = association.match
    event_id, track_id = association.event.id, association.track_id
    if match is None:
        logger.log(level, "Event %d started track %d", event_id, track_id)
    elif match.kind is MatchKind.IOU:
        if more:
            logger.log(
                level, "Event %d associated with track %d by IoU (%.3f); %d more", event_id, track_id, match.iou, more
            )
        else:
            logger.log(level, "Event %d associated with track %d by IoU (%.3f)", event_id, track_id, match.iou)
    elif more:
        logger.log(
            level,
            "Event %d associated with track %d by distance (%.1f px); %d more",
            event_id,
            track_id,
            match.distance_px,
            more,
        )
    else:
        logger.log(
            level, "Event %d associated with track %d by distance (%.1f px)", event_id, track_id, match.distance_px
        )
