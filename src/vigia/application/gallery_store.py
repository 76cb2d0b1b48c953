"""What the dashboard remembers of passages: small pictures and numbers, in memory only, within a number of bytes.

Four pools, so that one kind never pushes out another: faces of captures, their frames, how their tracks were judged,
and tracks that were not sent. Each is fair to cameras.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from vigia.application.fair_pool import FairPool
from vigia.application.gallery_values import NUMBERS_BYTES, GalleryItem, PassageSheet, ShotKey, ShotPictures, TrackKey
from vigia.application.gallery_view import UnsentQuery
from vigia.application.ports import CaptureStore, Clock
from vigia.domain.capture import Capture, CaptureId
from vigia.domain.errors import TransitionError
from vigia.domain.ledger import TrackFate

FACES_SHARE, FRAMES_SHARE, SHEETS_SHARE, UNSENT_SHARE = 0.2, 0.4, 0.2, 0.2
COUNT_MAX = 20_000
"""Entries of each kind, however small they are."""
CAPTURES_BYTES_MAX = 4 << 20
"""Of the ids of captures, beside the pictures: some 20 000."""
FORGOTTEN_MAX = 1024
"""Shots that a person had removed, and of which a track that goes on may still tell."""
SWEEP_S = 60.0
_ID_BYTES = 200


@dataclass(frozen=True, slots=True)
class UnsentTrack:
    """A track of which nothing was sent."""

    number: int
    sheet: PassageSheet


class GalleryStore:
    """Keeps what was told of captures and tracks, the latest. A ``Sheddable``.

    Owner: its lock, which guards everything and is held for moments. Any thread. Bounds: ``bytes_max`` of pictures and
    numbers, and ``CAPTURES_BYTES_MAX`` of ids.

    Args:
        bytes_max: of everything together; 0 keeps nothing.
        clock: tells how old entries are; without one none grows old.
        age_max_s: how long an entry is kept, where there is room; 0 = without a limit.
    """

    shed_name = "gallery"

    def __init__(self, bytes_max: int, *, clock: Clock | None = None, age_max_s: float = 0.0) -> None:
        self._clock = clock
        self._age_max_s = age_max_s
        self._lock = threading.Lock()

        def share(part: float) -> int:
            return int(part * bytes_max)

        self._faces: FairPool[ShotKey, bytes] = FairPool(bytes_max=share(FACES_SHARE), count_max=COUNT_MAX)
        self._frames: FairPool[ShotKey, bytes] = FairPool(bytes_max=share(FRAMES_SHARE), count_max=COUNT_MAX)
        self._sheets: FairPool[TrackKey, PassageSheet] = FairPool(bytes_max=share(SHEETS_SHARE), count_max=COUNT_MAX)
        self._unsent: FairPool[int, UnsentTrack] = FairPool(bytes_max=share(UNSENT_SHARE), count_max=COUNT_MAX)
        self._shots: FairPool[CaptureId, ShotKey] = FairPool(bytes_max=CAPTURES_BYTES_MAX, count_max=COUNT_MAX)
        self._numbers = 0
        self._forgotten: OrderedDict[ShotKey, None] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """What is kept, about. Any thread."""
        with self._lock:
            pools = (self._faces, self._frames, self._sheets, self._unsent, self._shots)
            return sum(pool.size_bytes for pool in pools)

    def step(self) -> float:
        """Let go of what is too old; return how long to wait for the next time."""
        if self._age_max_s > 0.0:
            before_s = self._now_s() - self._age_max_s
            for pool in (self._faces, self._frames, self._sheets, self._unsent, self._shots):
                with self._lock:
                    pool.drop_before(before_s)
        return SWEEP_S

    def take(self, item: GalleryItem) -> None:
        """Keep what a gallery desk made."""
        now_s = self._now_s()
        with self._lock:
            if isinstance(item, ShotPictures):
                if item.shot in self._forgotten:
                    return
                camera_id = item.shot.track.camera_id
                face_bytes, frame_bytes = len(item.face) + NUMBERS_BYTES, len(item.frame) + NUMBERS_BYTES
                self._faces.put(item.shot, item.face, camera_id=camera_id, size_bytes=face_bytes, at_s=now_s)
                self._frames.put(item.shot, item.frame, camera_id=camera_id, size_bytes=frame_bytes, at_s=now_s)
            elif item.fate in {None, TrackFate.CAPTURED}:
                sheet = item.without_faces(frame for track, frame in self._forgotten if track == item.track)
                self._sheets.put(
                    sheet.track, sheet, camera_id=sheet.track.camera_id, size_bytes=sheet.size_bytes, at_s=now_s
                )
            else:
                self._numbers += 1
                told = UnsentTrack(self._numbers, item)
                camera_id = item.track.camera_id
                self._unsent.put(told.number, told, camera_id=camera_id, size_bytes=item.size_bytes, at_s=now_s)

    def captured(self, capture: Capture) -> None:
        """A capture is on disk: know its shot by its id from now on."""
        frame_index = capture.details.get("frame_index")
        if not isinstance(frame_index, int):
            return
        key = ShotKey(TrackKey(capture.camera_id, capture.track_id), frame_index)
        now_s = self._now_s()
        with self._lock:
            self._shots.put(capture.id, key, camera_id=capture.camera_id, size_bytes=_ID_BYTES, at_s=now_s)

    def shot(self, capture_id: CaptureId) -> ShotKey | None:
        """The shot of a capture that was committed in this run and not too long ago."""
        with self._lock:
            return self._shots.get(capture_id)

    def face(self, shot: ShotKey) -> bytes | None:
        """The face of a shot, JPEG."""
        with self._lock:
            return self._faces.get(shot)

    def frame(self, shot: ShotKey) -> bytes | None:
        """What was posted, made smaller, JPEG."""
        with self._lock:
            return self._frames.get(shot)

    def sheet(self, track: TrackKey) -> PassageSheet | None:
        """How a track that sent was judged."""
        with self._lock:
            return self._sheets.get(track)

    def unsent(self, query: UnsentQuery) -> Sequence[UnsentTrack]:
        """Tracks of which nothing was sent, the newest first."""
        found: list[UnsentTrack] = []
        with self._lock:
            for number, told in self._unsent.newest_first():
                if len(found) >= query.limit:
                    break
                sheet = told.sheet
                if (
                    (query.before is None or number < query.before)
                    and query.camera_id in {None, sheet.track.camera_id}
                    and query.reason in {None, sheet.reason or sheet.fate}
                ):
                    found.append(told)
        return found

    def unsent_face(self, number: int) -> bytes | None:
        """The best face of such a track, JPEG."""
        with self._lock:
            told = self._unsent.get(number)
        return None if told is None else told.sheet.best.face

    def forget(self, capture_id: CaptureId) -> None:
        """The capture is kept no more, or was removed by a person: neither are its pictures.

        Other captures of its track keep their candidates, without this one's face.
        """
        with self._lock:
            shot = self._shots.pop(capture_id)
            if shot is None:
                return
            self._faces.pop(shot)
            self._frames.pop(shot)
            self._forgotten[shot] = None
            if len(self._forgotten) > FORGOTTEN_MAX:
                self._forgotten.popitem(last=False)
            sheet = self._sheets.get(shot.track)
            if sheet is None:
                return
            if any(other.track == shot.track for _, other in self._shots.newest_first()):
                bare = sheet.without_faces([shot.frame_index])
                self._sheets.shrink(shot.track, bare, size_bytes=bare.size_bytes)
            else:
                self._sheets.pop(shot.track)

    def _now_s(self) -> float:
        return 0.0 if self._clock is None else self._clock.mono_s()

    def shed(self) -> int:
        """Give back the pictures that are largest and told elsewhere too: frames, and candidates."""
        with self._lock:
            return self._frames.clear() + self._sheets.clear()


class WatchedStore:
    """A ``CaptureStore`` that tells the gallery of what is on disk.

    Args:
        store: where captures are committed.
        gallery: learns their ids.
    """

    def __init__(self, store: CaptureStore, gallery: GalleryStore) -> None:
        self._store = store
        self._gallery = gallery

    def commit(self, capture: Capture) -> None:
        """See the port."""
        try:
            self._store.commit(capture)
        except TransitionError:  # it was there already: an attempt that was told as failed
            self._gallery.captured(capture)
            raise
        self._gallery.captured(capture)
