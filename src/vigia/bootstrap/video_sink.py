"""Takes what the hot path makes of one video: captures through the commit use case, and the end of every track."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from vigia.application.ports import CaptureStore, Clock
from vigia.application.use_cases.commit_captures import CaptureRequest, CommitCapturesUseCase, CommitOptions
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId
from vigia.domain.errors import TransitionError
from vigia.domain.event import Box
from vigia.domain.face_crop import crop_around
from vigia.domain.frame import Picture
from vigia.domain.ledger import FilterReason, TrackFate
from vigia.domain.obstacles import obstacles
from vigia.domain.posted_picture import PictureRules
from vigia.domain.track import Track
from vigia.domain.track_filter import TrackFilter
from vigia.infrastructure.report.directory import FACES_NAME, ReportDirectory
from vigia.infrastructure.report.records import CaptureRecord, JsonLines, Shot, TrackRecord
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder

CROP_MAX_PX = 640
CROP_QUALITY = 92
THUMB_MAX_PX = 200
THUMB_QUALITY = 82


@dataclass(frozen=True, slots=True)
class VideoIdentity:
    """What makes a video this one: from it follows what its captures are called."""

    camera_id: CameraId
    size_bytes: int
    mtime_ns: int

    def capture_id(self, details: Mapping[str, object]) -> CaptureId:
        """The same shot of the same video has the same id, however often it is processed."""
        box = details["box"]
        rounded = [round(float(edge)) for edge in box] if isinstance(box, list | tuple) else box
        text = f"{self.camera_id}|{self.size_bytes}|{self.mtime_ns}|{details['media_index']}|{rounded}"
        return CaptureId(sha256(text.encode()).hexdigest()[:32])


def _nobody() -> None:
    """No sender waits."""


class _Store:
    """Gives captures their own ids; into the outbox, where there is one. Implements ``CaptureStore``."""

    def __init__(self, identity: VideoIdentity, outbox: CaptureStore | None) -> None:
        self._identity = identity
        self._outbox = outbox
        self.last_id = CaptureId("")

    def commit(self, capture: Capture) -> None:
        """See the port. One that is in the outbox already came from an earlier try, and is not sent again."""
        self.last_id = self._identity.capture_id(capture.details)
        if self._outbox is None:
            return
        try:
            self._outbox.commit(replace(capture, id=self.last_id))
        except TransitionError:
            return


class VideoSink:
    """Writes tracks and captures of one video into its report as they come. A ``CaptureSink`` and ``TrackWitness``.

    Owner: the video's thread. Bounds: one capture in hand; numbers of the captures of open tracks.

    Args:
        directory: of the report, begun.
        identity: of the video.
        outbox: where captures are handed on to be sent; None = nowhere.
        picture: what posted pictures are like.
        track_filter: what tracks are held against.
        clock: the system's; times pauses while an outbox is full.
        stop: ends such pauses.
        wake_senders: told of each capture in the outbox.

    Raises:
        OSError: from every method; the report cannot be written.
    """

    def __init__(
        self,
        directory: ReportDirectory,
        *,
        identity: VideoIdentity,
        outbox: CaptureStore | None,
        picture: PictureRules,
        track_filter: TrackFilter,
        clock: Clock,
        stop: threading.Event,
        wake_senders: Callable[[], None] = _nobody,
    ) -> None:
        self.captures_path = directory.part / "captures.jsonl"
        self.tracks_path = directory.part / "tracks.jsonl"
        self.failure: Exception | None = None
        """Why a capture could not be made."""
        self._directory = directory
        self._store = _Store(identity, outbox)
        self._filter = track_filter
        self._clock = clock
        self._stop = stop
        self._encoder = SimpleJpegEncoder()
        self._captures = JsonLines(self.captures_path)
        self._tracks = JsonLines(self.tracks_path)
        self._count = 0
        self._of_track: dict[int, list[int]] = {}
        self._commit = CommitCapturesUseCase(
            self._store,
            self._encoder,
            clock=clock,
            on_committed=self._committed,
            on_failed=self._failed,
            wake_senders=wake_senders,
            options=CommitOptions(queue_size=1, offer_timeout_s=0.0, picture=picture),
        )

    def offer(self, request: CaptureRequest) -> None:
        """Capture one shot: see ``CaptureSink``. It is in the report, and in the outbox, when this returns."""
        number = self._count + 1
        picture = request.event.picture
        if picture is not None:
            self._save(picture, request.event.box_xyxy, f"capture-{number:05}.jpg")
        self._commit.offer(request)
        while self._commit.pending and not self._stop.is_set():
            delay_s = self._commit.step()
            if delay_s:
                self._clock.wait(self._stop, delay_s)

    def track_ended(self, track: Track, fate: TrackFate, reason: FilterReason | None) -> None:
        """See ``TrackWitness``."""
        picture, name = track.best.picture, f"track-{track.id:05}.jpg"
        keeps = fate is not TrackFate.CAPTURED and picture is not None
        if keeps and picture is not None:
            self._save(picture, track.best.box_xyxy, name)
        record = TrackRecord(
            track=int(track.id),
            fate=fate.value,
            reason=None if reason is None else reason.value,
            end="" if track.end is None else track.end.value,
            from_s=track.first.at_mono_s,
            to_s=track.last.at_mono_s,
            events=track.events_count,
            moved_px=track.moved_max_px,
            best=Shot.of(track.best),
            captures=self._of_track.pop(int(track.id), []),
            picture=f"{FACES_NAME}/{name}" if keeps else None,
            obstacles=obstacles(self._filter, track, reason=reason) if fate is TrackFate.FILTERED else (),
        )
        self._tracks.write(record.as_json())

    def close(self) -> None:
        """Have everything in the files. Idempotent."""
        self._captures.close()
        self._tracks.close()

    def _committed(self, _id: CaptureId, request: CaptureRequest) -> None:
        self._count += 1
        track = int(request.track_id)
        self._of_track.setdefault(track, []).append(self._count)
        record = CaptureRecord(
            capture=self._count,
            id=self._store.last_id,
            track=track,
            chosen_as=str(request.details.get("shot", "")),
            shot=Shot.of(request.event),
            picture=f"{FACES_NAME}/capture-{self._count:05}.jpg",
        )
        self._captures.write(record.as_json())

    def _failed(self, _request: CaptureRequest, error: Exception) -> None:
        self.failure = error

    def _save(self, picture: Picture, box_xyxy: Box, name: str) -> None:
        """The face as a file, and small for the page."""
        ltrb = crop_around(box_xyxy, picture.width, picture.height)
        for folder, side_px, quality in (
            (self._directory.faces, CROP_MAX_PX, CROP_QUALITY),
            (self._directory.thumbs, THUMB_MAX_PX, THUMB_QUALITY),
        ):
            self._write(folder / name, picture, ltrb, side_px, quality)

    def _write(self, path: Path, picture: Picture, ltrb: tuple[int, int, int, int], side_px: int, quality: int) -> None:
        wide, high = ltrb[2] - ltrb[0], ltrb[3] - ltrb[1]
        scale = min(1.0, side_px / max(wide, high))
        size_wh = (max(2, round(wide * scale)), max(2, round(high * scale)))
        path.write_bytes(self._encoder.encode_jpeg(picture, quality=quality, crop_ltrb=ltrb, size_wh=size_wh))
