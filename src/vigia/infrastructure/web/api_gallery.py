"""``/api/feed``, ``/api/captures/…`` and ``/api/unsent``: what was sent and what was not, with pictures.

All of it is read from the outbox or from memory: plain functions, which the framework runs in its threads.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query
from starlette.responses import Response

from vigia.application.gallery_view import FeedQuery, GalleryView, ShotView, UnsentQuery
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, CaptureState
from vigia.domain.ledger import FilterReason

PAGE_MAX = 200
SEQ_MAX = 2**62

CaptureIdPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
CameraIdQuery = Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[\w.-]+$")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Before = Annotated[int | None, Query(ge=1, le=SEQ_MAX)]
Number = Annotated[int, Path(ge=0, le=SEQ_MAX)]
Reason = FilterReason | Literal["lost"]


class GalleryApi:
    """Owner: none; its methods run in the framework's threads.

    Args:
        gallery: what is read.
    """

    def __init__(self, gallery: GalleryView) -> None:
        self._gallery = gallery

    def routes(self) -> APIRouter:
        """Everything of the gallery below ``/api``."""
        router = APIRouter(prefix="/api")
        router.get("/feed")(self.feed)
        router.get("/captures/{capture_id}")(self.capture)
        router.get("/captures/{capture_id}/face")(self.face)
        router.get("/captures/{capture_id}/frame")(self.frame)
        router.get("/captures/{capture_id}/candidates/{number}")(self.candidate)
        router.get("/unsent")(self.unsent)
        router.get("/unsent/{number}/face")(self.unsent_face)
        return router

    def feed(
        self,
        *,
        state: CaptureState | None = None,
        camera: CameraIdQuery = None,
        quality_min: Annotated[float | None, Query(ge=0.0, le=1.0, allow_inf_nan=False)] = None,
        before: Before = None,
        limit: Limit = 60,
    ) -> dict[str, Any]:
        """Captures, the newest first; ``next_before`` asks for the next page."""
        camera_id = None if camera is None else CameraId(camera)
        found = self._gallery.feed(FeedQuery(state, camera_id, quality_min, before, limit))
        return {"captures": found, "next_before": found[-1]["seq"] if len(found) == limit else None}

    def capture(self, capture_id: CaptureIdPath) -> Mapping[str, Any]:
        """One capture, and how it was chosen."""
        found = self._gallery.capture(CaptureId(capture_id))
        if found is None:
            raise HTTPException(404, "no_capture")
        return found

    def face(self, capture_id: CaptureIdPath) -> Response:
        """The face, cut out."""
        return _jpeg(self._gallery.shot(CaptureId(capture_id), ShotView.FACE))

    def frame(self, capture_id: CaptureIdPath) -> Response:
        """The posted picture, made smaller."""
        return _jpeg(self._gallery.shot(CaptureId(capture_id), ShotView.FRAME))

    def candidate(self, capture_id: CaptureIdPath, number: Number) -> Response:
        """The face of a candidate."""
        return _jpeg(self._gallery.candidate(CaptureId(capture_id), number))

    def unsent(
        self, *, camera: CameraIdQuery = None, reason: Reason | None = None, before: Before = None, limit: Limit = 60
    ) -> dict[str, Any]:
        """Tracks of which nothing was sent, the newest first; ``next_before`` asks for the next page."""
        camera_id = None if camera is None else CameraId(camera)
        found = self._gallery.unsent(UnsentQuery(camera_id, reason, before, limit))
        return {"unsent": found, "next_before": found[-1]["number"] if len(found) == limit else None}

    def unsent_face(self, number: Number) -> Response:
        """The best face of such a track."""
        return _jpeg(self._gallery.unsent_face(number))


def _jpeg(content: bytes | None) -> Response:
    if content is None:
        raise HTTPException(404, "no_picture")
    return Response(content, media_type="image/jpeg")
