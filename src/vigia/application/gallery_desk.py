"""The gallery's end in the process that looks at the pictures.

Shards tell of shots that are sent and of tracks that are over. What they have to do for it is quick: copy a few rows of
small faces while the picture is there. A thread of its own codes JPEG files and hands plain values on. Nothing waits
for it: when it is behind, pictures are left out and counted, then whole entries.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vigia.application.gallery_values import (
    Candidate,
    FaceCutter,
    GalleryItem,
    PassageSheet,
    ShotKey,
    ShotPictures,
    TrackKey,
)
from vigia.application.ports import PictureEncoder
from vigia.application.track_poster import CaptureSink
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.domain.camera import CameraId
from vigia.domain.event import Box, FaceEvent
from vigia.domain.face_crop import CROP_MARGIN, crop_around
from vigia.domain.frame import Picture
from vigia.domain.ledger import FilterReason, TrackFate
from vigia.domain.obstacles import obstacles
from vigia.domain.posted_picture import PictureRules, plan_picture
from vigia.domain.posting import ShotSelection
from vigia.domain.track_filter import TrackFilter
from vigia.domain.track_note import Moment, TrackNote

logger = logging.getLogger("vigia.gallery")

CANDIDATE_PX = 80
CANDIDATE_MARGIN = 0.3
FACE_PX = 200
FRAME_PX = 960
JPEG_QUALITY = 80
PICTURES_MAX = 8
PICTURES_BYTES_MAX = 32 << 20
"""Full pictures that wait to be coded, 3 MB each at 1080p, 12 MB at 4K; one at least, however large."""
TOLD_MAX = 256
"""Shots and tracks that wait to be coded."""
CUTTINGS_BYTES_MAX = 8 << 20
"""Of the cuttings that wait, about."""
IDLE_S = 5.0
_CANDIDATE_BYTES = CANDIDATE_PX * CANDIDATE_PX * 3 // 2
_FACE_BYTES = FACE_PX * FACE_PX * 3 // 2


@dataclass(frozen=True, slots=True, eq=False)
class _Shot:
    """A shot that was taken, with its full picture."""

    key: ShotKey
    picture: Picture
    box_xyxy: Box
    frame_boxes_xyxy: Any
    rules: PictureRules
    picture_bytes: int


@dataclass(slots=True, eq=False)
class _Cutting:
    """A face that was cut out: as planes, until it is told for the first time and coded; then as a file.

    A track that sends shots while it goes on is told again with each. Owner: the desk's thread, once it is made.
    """

    planes: Any
    jpeg: bytes | None = None


@dataclass(slots=True, eq=False)
class _Told:
    """A track as its shard told it, without full pictures. A ``Passing``: what a filter may ask of it."""

    key: TrackKey
    first: FaceEvent
    last: FaceEvent
    best: FaceEvent
    events_count: int
    moved_max_px: float
    moments: Sequence[Moment] = ()
    """Of a track that sent."""
    sent_frames: frozenset[int] = frozenset()
    fate: TrackFate | None = None
    reason: FilterReason | None = None
    track_filter: TrackFilter | None = None
    cutting: Any = None
    """The best face, larger, where nothing was sent."""
    waiting_bytes: int = 0
    """Of its cuttings, as they were counted when it began to wait."""

    @property
    def sends(self) -> bool:
        """Whether something of it was sent."""
        return self.fate in {None, TrackFate.CAPTURED}

    @property
    def cutting_bytes(self) -> int:
        small = sum(moment.cutting is not None for moment in self.moments)
        return small * _CANDIDATE_BYTES + (_FACE_BYTES if self.cutting is not None else 0)

    def let_go(self) -> None:
        """Numbers are enough."""
        self.moments = [moment._replace(cutting=None) for moment in self.moments]
        self.cutting, self.waiting_bytes = None, 0


class GalleryDesk:
    """Takes what shards tell, and makes of it what the gallery keeps. A ``NoteKeeper`` and a ``Sheddable``.

    Owner: the lock guards the queue and the counts; ``step`` is one thread's. Shards call the other methods.
    Bounds: ``PICTURES_MAX`` pictures within ``PICTURES_BYTES_MAX``, or one; ``CUTTINGS_BYTES_MAX`` of cuttings;
    ``TOLD_MAX`` entries.

    Args:
        cutter: cuts faces, quick.
        encoder: makes small pictures of full ones.
        deliver: takes what is ready; called by the thread of ``step``, must not block.
        rules: what posted pictures are like, of requests that do not say.
    """

    shed_name = "gallery desk"

    def __init__(
        self,
        *,
        cutter: FaceCutter,
        encoder: PictureEncoder,
        deliver: Callable[[GalleryItem], None],
        rules: PictureRules,
    ) -> None:
        self.work = threading.Event()
        """Set when there is something to do: the ``wake`` of its service."""
        self._cutter = cutter
        self._encoder = encoder
        self._deliver = deliver
        self._rules = rules
        self._lock = threading.Lock()  # guards the rest
        self._queue: deque[_Shot | _Told] = deque()
        self._pictures = 0
        self._pictures_bytes = 0
        self._cutting_bytes = 0
        self._dropped = 0
        self._failed = 0

    @property
    def dropped(self) -> int:
        """Pictures and entries that were left out: coding was behind, or memory was short. Any thread."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """Shots and tracks that wait to be coded. Any thread."""
        return len(self._queue)

    def new_note(self) -> TrackNote:
        """See ``NoteKeeper``."""
        return TrackNote(self._cut_candidate)

    def shot_offered(self, request: CaptureRequest) -> None:
        """A shot was taken, to be committed."""
        event = request.event
        if event.picture is None:
            return
        key = ShotKey(TrackKey(request.camera.id, int(request.track_id)), event.frame_index)
        rules = self._rules if request.picture is None else request.picture
        size_bytes = self._cutter.picture_bytes(event.picture)
        self._put(_Shot(key, event.picture, event.box_xyxy, event.frame_boxes_xyxy, rules, size_bytes))

    def shot_sent(self, camera_id: CameraId, track_id: int, selection: ShotSelection) -> None:
        """See ``NoteKeeper``."""
        self._tell(TrackKey(camera_id, int(track_id)), selection)

    def passage_over(
        self,
        camera_id: CameraId,
        track_id: int,
        selection: ShotSelection,
        *,
        fate: TrackFate,
        reason: FilterReason | None,
        track_filter: TrackFilter,
    ) -> None:
        """See ``NoteKeeper``."""
        self._tell(TrackKey(camera_id, int(track_id)), selection, fate=fate, reason=reason, track_filter=track_filter)

    def step(self) -> float:
        """Code one entry and hand it on; return how long to wait for the next."""
        with self._lock:
            task = self._queue.popleft() if self._queue else None
            if isinstance(task, _Told):
                self._cutting_bytes -= task.waiting_bytes
        if task is None:
            return IDLE_S
        try:
            self._deliver(self._pictures_of(task) if isinstance(task, _Shot) else self._sheet(task))
        except Exception as error:
            self._failed += 1
            level = logging.WARNING if self._failed == 1 else logging.DEBUG
            camera_id = (task.key.track if isinstance(task, _Shot) else task.key).camera_id
            logger.log(level, "camera %s: no picture for the gallery: %s", camera_id, error, exc_info=error)
        finally:
            if isinstance(task, _Shot):
                with self._lock:
                    self._let_go(task)
        return 0.0

    def shed(self) -> int:
        """Give back what waits to be coded, pictures and cuttings; numbers are still told. See ``Sheddable``."""
        with self._lock:
            before_bytes = self._pictures_bytes + self._cutting_bytes
            for task in self._queue:
                if isinstance(task, _Shot):
                    self._let_go(task)
                    self._dropped += 1
                elif task.waiting_bytes:
                    task.let_go()
                    self._dropped += 1
            self._queue = deque(task for task in self._queue if isinstance(task, _Told))
            self._cutting_bytes = 0
            return before_bytes - self._pictures_bytes

    def _let_go(self, shot: _Shot) -> None:
        self._pictures -= 1
        self._pictures_bytes -= shot.picture_bytes

    def _tell(
        self,
        key: TrackKey,
        selection: ShotSelection,
        *,
        fate: TrackFate | None = None,
        reason: FilterReason | None = None,
        track_filter: TrackFilter | None = None,
    ) -> None:
        note, best = selection.note, selection.best
        if note is None:
            return
        told = _Told(
            key,
            selection.first_event,
            selection.last_event,
            best.without_picture(),
            selection.events_count,
            selection.moved_max_px,
            fate=fate,
            reason=reason,
            track_filter=track_filter,
        )
        if told.sends:
            told.moments, told.sent_frames = note.moments(), note.sent_frames
        elif best.picture is not None:
            told.cutting = self._cut(best, side_px=FACE_PX)
        else:
            told.cutting = note.best_cutting
        self._put(told)

    def _put(self, task: _Shot | _Told) -> None:
        with self._lock:
            if isinstance(task, _Shot):
                held_bytes = self._pictures_bytes + task.picture_bytes
                if self._pictures >= PICTURES_MAX or (self._pictures and held_bytes > PICTURES_BYTES_MAX):
                    self._dropped += 1
                    return
                self._pictures += 1
                self._pictures_bytes = held_bytes
            else:
                if len(self._queue) >= TOLD_MAX:
                    self._dropped += 1
                    return
                task.waiting_bytes = task.cutting_bytes
                if self._cutting_bytes + task.waiting_bytes > CUTTINGS_BYTES_MAX:
                    self._dropped += 1
                    task.let_go()
                self._cutting_bytes += task.waiting_bytes
            self._queue.append(task)
        self.work.set()

    def _cut_candidate(self, event: FaceEvent) -> Any:
        return self._cut(event, side_px=CANDIDATE_PX, margin=CANDIDATE_MARGIN)

    def _cut(self, event: FaceEvent, *, side_px: int, margin: float = CROP_MARGIN) -> Any:
        picture = event.picture
        if picture is None:
            return None
        return _Cutting(self._cutter.cut(picture, _square(picture, event.box_xyxy, margin), side_px=side_px))

    def _pictures_of(self, shot: _Shot) -> ShotPictures:
        picture = shot.picture
        left, top, right, bottom = shot.box_xyxy.tolist()
        posted = plan_picture(
            (left, top, right, bottom),
            frame_wh=(picture.width, picture.height),
            rules=shot.rules,
            frame_boxes_xyxy=shot.frame_boxes_xyxy,
        )
        return ShotPictures(
            shot.key,
            face=self._coded(picture, _square(picture, shot.box_xyxy), FACE_PX),
            frame=self._coded(picture, posted.crop_ltrb, FRAME_PX),
        )

    def _coded(self, picture: Picture, ltrb: tuple[int, int, int, int], side_px: int) -> bytes:
        size_wh = fitted(ltrb[2] - ltrb[0], ltrb[3] - ltrb[1], side_px)
        return self._encoder.encode_jpeg(picture, quality=JPEG_QUALITY, crop_ltrb=ltrb, size_wh=size_wh)

    def _sheet(self, told: _Told) -> PassageSheet:
        began_s, best = told.first.at_mono_s, told.best
        shown = Moment(
            best.frame_index, best.at_mono_s, best.at_utc, best.quality, best.confidence, best.box_xyxy, told.cutting
        )
        sheet = PassageSheet(
            told.key,
            began_utc=told.first.at_utc,
            duration_s=told.last.at_mono_s - began_s,
            events=told.events_count,
            moved_px=told.moved_max_px,
            best=self._candidate(shown, began_s),
            fate=None if told.fate is None else told.fate.value,
            reason=None if told.reason is None else told.reason.value,
        )
        if told.sends:
            sent = told.sent_frames
            found = (replace(self._candidate(one, began_s), sent=one.frame_index in sent) for one in told.moments)
            return replace(sheet, candidates=tuple(found))
        if told.fate is TrackFate.FILTERED and told.track_filter is not None:
            return replace(sheet, obstacles=obstacles(told.track_filter, told, reason=told.reason))
        return sheet

    def _candidate(self, moment: Moment, began_s: float) -> Candidate:
        return Candidate(
            moment.frame_index,
            at_s=moment.at_mono_s - began_s,
            quality=float(moment.quality.score),
            parts={name: float(share) for name, share in moment.quality.parts.items()},
            confidence=float(moment.confidence),
            size_px=moment.size_px,
            face=None if moment.cutting is None else self._coded_cutting(moment.cutting),
        )

    def _coded_cutting(self, cutting: _Cutting) -> bytes:
        if cutting.jpeg is None:
            cutting.jpeg = self._cutter.encode(cutting.planes, quality=JPEG_QUALITY)
            cutting.planes = None
        return cutting.jpeg


class GallerySink:
    """Hands shots on, and tells the gallery of those that were taken. A ``CaptureSink`` and a ``NoteKeeper``.

    Args:
        captures: where shots are handed on to.
        desk: of the gallery.
    """

    def __init__(self, captures: CaptureSink, desk: GalleryDesk) -> None:
        self._captures = captures
        self._desk = desk
        self.new_note = desk.new_note
        self.shot_sent = desk.shot_sent
        self.passage_over = desk.passage_over

    def offer(self, request: CaptureRequest) -> None:
        """See ``CaptureSink``."""
        self._captures.offer(request)
        self._desk.shot_offered(request)


def fitted(width: int, height: int, side_px: int) -> tuple[int, int]:
    """The size of a picture that is made smaller until no side is longer than ``side_px``; even, 2 or more."""
    scale = min(1.0, side_px / max(width, height))
    return max(2, round(width * scale) & ~1), max(2, round(height * scale) & ~1)


def _square(picture: Picture, box_xyxy: Box, margin: float = CROP_MARGIN) -> tuple[int, int, int, int]:
    return crop_around(box_xyxy, picture.width, picture.height, margin=margin)
