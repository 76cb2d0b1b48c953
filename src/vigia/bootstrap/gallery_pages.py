"""Captures and unsent tracks as the dashboard reads them: the outbox's rows, with what the gallery remembers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vigia.application.errors import OutboxCorrupt
from vigia.application.gallery_desk import FACE_PX, FRAME_PX, JPEG_QUALITY, fitted
from vigia.application.gallery_store import GalleryStore, UnsentTrack
from vigia.application.gallery_values import Candidate, ShotKey
from vigia.application.gallery_view import FeedQuery, ShotView, UnsentQuery
from vigia.application.ports import ManagedOutbox, OutboxEntry, PictureEncoder
from vigia.bootstrap.web_pages import capture_page
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import CaptureId
from vigia.domain.errors import DomainError
from vigia.domain.face_crop import crop_around
from vigia.domain.frame import Picture
from vigia.domain.quality import furthest_behind

Shares = list[float]


class GalleryPages:
    """The ``GalleryView`` port. Any thread; never changes after it was made.

    Args:
        outbox: the books, and posted pictures while they are kept.
        store: pictures and numbers of this run; None where nothing is remembered.
        cameras: those of the list, for their names.
        decode: makes a picture of a JPEG file; raises DomainError.
        encoder: makes small pictures of it.
    """

    def __init__(
        self,
        outbox: ManagedOutbox,
        store: GalleryStore | None,
        *,
        cameras: Callable[[], Sequence[Camera]],
        decode: Callable[[bytes], Picture],
        encoder: PictureEncoder,
    ) -> None:
        self._outbox = outbox
        self._store = store if store is not None else GalleryStore(0)
        self._cameras = cameras
        self._decode = decode
        self._encoder = encoder

    def feed(self, query: FeedQuery) -> list[dict[str, Any]]:
        """See the port."""
        entries = self._outbox.newest(
            state=query.state,
            camera_id=query.camera_id,
            quality_min=query.quality_min,
            limit=query.limit,
            before=query.before,
        )
        names = self._names()
        return [self._page(entry, names) for entry in entries]

    def capture(self, capture_id: CaptureId) -> dict[str, Any] | None:
        """See the port."""
        entry = self._entry(capture_id)
        if entry is None:
            return None
        shot = self._store.shot(capture_id)
        width, height = entry.size_wh
        frame_size = entry.details.get("frame_size")
        return self._page(entry, self._names()) | {
            "frame_kept": entry.picture_kept or (shot is not None and self._store.frame(shot) is not None),
            "frame_size": list(frame_size) if frame_size else [width, height],
            "face_box": _shares(entry.box_xyxy, entry.size_wh),
            "roi_box": _shares(entry.roi_ltrb, entry.size_wh),
            "candidates": self._candidate_pages(entry, shot),
        }

    def shot(self, capture_id: CaptureId, view: ShotView) -> bytes | None:
        """See the port."""
        entry = self._entry(capture_id)
        if entry is None:
            return None
        shot = self._store.shot(capture_id)
        if shot is not None:
            kept = self._store.face(shot) if view is ShotView.FACE else self._store.frame(shot)
            if kept is not None:
                return kept
        return self._of_posted(entry, view) if entry.picture_kept else None

    def candidate(self, capture_id: CaptureId, number: int) -> bytes | None:
        """See the port."""
        entry = self._entry(capture_id)
        shot = self._store.shot(capture_id)
        if entry is None or shot is None:
            return None
        found = next((one for one in self._candidates(entry, shot) if one.frame_index == number), None)
        if found is not None and found.face is not None:
            return found.face
        return self.shot(capture_id, ShotView.FACE) if number == shot.frame_index else None

    def unsent(self, query: UnsentQuery) -> list[dict[str, Any]]:
        """See the port."""
        names = self._names()
        return [_unsent_page(told, names) for told in self._store.unsent(query)]

    def unsent_face(self, number: int) -> bytes | None:
        """See the port."""
        return self._store.unsent_face(number)

    def _names(self) -> dict[CameraId, str]:
        return {camera.id: camera.name for camera in self._cameras()}

    def _entry(self, capture_id: CaptureId) -> OutboxEntry | None:
        """The capture's row; where there is none any more, its pictures are forgotten too."""
        entry = self._outbox.entry(capture_id)
        if entry is None:
            self._store.forget(capture_id)
        return entry

    def _page(self, entry: OutboxEntry, names: Mapping[CameraId, str]) -> dict[str, Any]:
        shot = self._store.shot(entry.id)
        kept = entry.picture_kept or (shot is not None and self._store.face(shot) is not None)
        name = names.get(entry.camera_id, entry.camera_id)
        return capture_page(entry) | {"camera_name": name, "face_kept": kept}

    def _of_posted(self, entry: OutboxEntry, view: ShotView) -> bytes | None:
        """Made of the posted picture; None where that is no good."""
        try:
            posted = self._outbox.picture(entry.id)
            if posted is None:
                return None
            picture = self._decode(posted)
            whole = (0, 0, picture.width, picture.height)
            box = np.asarray(entry.box_xyxy, dtype=np.float32)
            ltrb = whole if view is ShotView.FRAME else crop_around(box, picture.width, picture.height)
            side_px = FRAME_PX if view is ShotView.FRAME else FACE_PX
            size_wh = fitted(ltrb[2] - ltrb[0], ltrb[3] - ltrb[1], side_px)
            return self._encoder.encode_jpeg(picture, quality=JPEG_QUALITY, crop_ltrb=ltrb, size_wh=size_wh)
        except (OutboxCorrupt, DomainError):
            return None

    def _candidates(self, entry: OutboxEntry, shot: ShotKey) -> list[Candidate]:
        """Those that the gallery remembers; the chosen one is among them in any case."""
        sheet = self._store.sheet(shot.track)
        if sheet is None:
            return []
        found = list(sheet.candidates)
        if all(one.frame_index != shot.frame_index for one in found):
            box = entry.details.get("box") or (0.0, 0.0, 0.0, 0.0)
            found.append(
                Candidate(
                    shot.frame_index,
                    at_s=(entry.at_utc - sheet.began_utc).total_seconds(),
                    quality=entry.quality,
                    parts=entry.details.get("quality_parts") or {},
                    confidence=float(entry.details.get("confidence") or 0.0),
                    size_px=min(box[2] - box[0], box[3] - box[1]),
                    sent=True,
                )
            )
        return sorted(found, key=lambda one: one.at_s)

    def _candidate_pages(self, entry: OutboxEntry, shot: ShotKey | None) -> list[dict[str, Any]]:
        found = [] if shot is None else self._candidates(entry, shot)
        chosen = next((one for one in found if shot is not None and one.frame_index == shot.frame_index), None)
        return [
            {
                "number": one.frame_index,
                "at_s": round(one.at_s, 3),
                "quality": round(one.quality, 4),
                "parts": _rounded(one.parts),
                "confidence": round(one.confidence, 4),
                "size_px": round(one.size_px, 1),
                "chosen": one is chosen,
                "sent": one.sent or one is chosen,
                "face_kept": one.face is not None or one is chosen,
                "behind": None if chosen is None or one is chosen else furthest_behind(one.parts, chosen.parts),
            }
            for one in found
        ]


def _unsent_page(told: UnsentTrack, names: Mapping[CameraId, str]) -> dict[str, Any]:
    sheet, best = told.sheet, told.sheet.best
    return {
        "number": told.number,
        "camera": sheet.track.camera_id,
        "camera_name": names.get(sheet.track.camera_id, sheet.track.camera_id),
        "track": sheet.track.track_id,
        "at_utc": sheet.began_utc.isoformat(),
        "duration_s": round(sheet.duration_s, 3),
        "events": sheet.events,
        "fate": sheet.fate,
        "reason": sheet.reason or sheet.fate,
        "quality": round(best.quality, 4),
        "parts": _rounded(best.parts),
        "confidence": round(best.confidence, 4),
        "size_px": round(best.size_px, 1),
        "moved_px": round(sheet.moved_px, 1),
        "face_kept": best.face is not None,
        "obstacles": [
            {"setting": one.setting, "reason": one.reason.value, "value": one.value} for one in sheet.obstacles
        ],
    }


def _rounded(parts: Mapping[str, float]) -> dict[str, float]:
    return {name: round(share, 4) for name, share in parts.items()}


def _shares(box: Sequence[float], size_wh: tuple[int, int]) -> Shares | None:
    """A box in shares of the picture, inside it; None where its size is not known."""
    width, height = size_wh
    if width <= 0 or height <= 0:
        return None
    sides = (width, height, width, height)
    return [round(min(max(edge / side, 0.0), 1.0), 5) for edge, side in zip(box, sides, strict=True)]
