"""``/events/faces/``: list and read events, and the pictures that they point to."""

from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from vigia.testing.findface_stub.context import StubContext, context_of
from vigia.testing.findface_stub.errors import ApiError, not_found
from vigia.testing.findface_stub.event_store import EventQuery, StoredEvent
from vigia.testing.findface_stub.fields import (
    INT64_MAX,
    datetime_text,
    parse_bool,
    parse_datetime_us,
    parse_int_list,
    parse_number,
)
from vigia.testing.findface_stub.paging import make_cursor, next_page_url, ordering, page_limit, read_cursor
from vigia.testing.findface_stub.pictures import MEDIA_TYPES, crop_jpeg

_PICTURE_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=86400, immutable"}


async def list_events(request: Request) -> Response:
    """One page: ``{next_page, results}``, newest first unless ``ordering=id``."""
    context = context_of(request)
    await context.require_session(request)
    limit = page_limit(request, default=context.settings.page_size)
    query = _read_query(request)
    query.limit = limit + 1  # one more tells whether there is another page
    events = await context.in_store(context.events.select, query)
    next_page = None
    if len(events) > limit:
        events = events[:limit]
        next_page = next_page_url(request, make_cursor(int(events[-1].id)))
    return JSONResponse({"next_page": next_page, "results": [_event_body(e, request) for e in events]})


async def one_event(request: Request) -> Response:
    """GET of an event."""
    if request.path_params["id"] == "add":  # the address of another call, which this one would take for an id
        raise ApiError(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            desc=f'Method "{request.method}" not allowed.',
            headers={"Allow": "POST"},
        )
    context = context_of(request)
    await context.require_session(request)
    return JSONResponse(_event_body(await _found(request, context), request))


async def event_fullframe(request: Request) -> Response:
    """The picture as it was received. No session is asked for, as for FindFace's own ``/uploads/``."""
    context = context_of(request)
    event = await _found(request, context)
    path = context.events.picture_path(event.sha256, event.picture.format)
    return FileResponse(path, media_type=MEDIA_TYPES[event.picture.format], headers=_PICTURE_HEADERS)


async def event_thumbnail(request: Request) -> Response:
    """The face cut out of a JPEG; of another format the whole picture."""
    context = context_of(request)
    event = await _found(request, context)
    if event.picture.format != "jpeg":
        return await event_fullframe(request)
    path = context.events.picture_path(event.sha256, event.picture.format)
    crop = await context.with_picture(lambda: crop_jpeg(path.read_bytes(), event.box_ltrb))
    return Response(crop, media_type="image/jpeg", headers=_PICTURE_HEADERS)


def _read_query(request: Request) -> EventQuery:
    params = request.query_params

    def ids(name: str) -> list[int] | None:
        return parse_int_list(name, params.getlist(name)) if params.getlist(name) else None

    _, newest_first = ordering(request, allowed=("id",), default="-id")
    query = EventQuery(
        cameras=ids("cameras"), camera_groups=ids("camera_groups"), ids=ids("id_in"), newest_first=newest_first
    )
    if text := params.get("id"):
        exact = parse_number("id", text)
        query.id_gte = query.id_lte = exact  # a fraction lies between two ids and matches none
    if text := params.get("id_gte"):
        bound = parse_number("id_gte", text)
        query.id_gte = bound if query.id_gte is None else max(bound, query.id_gte)
    if text := params.get("id_lte"):
        bound = parse_number("id_lte", text)
        query.id_lte = bound if query.id_lte is None else min(bound, query.id_lte)
    if text := params.get("created_date_gte"):
        query.created_gte_us = parse_datetime_us("created_date_gte", text)
    if text := params.get("created_date_lte"):
        query.created_lte_us = parse_datetime_us("created_date_lte", text)
    if text := params.get("external_detector"):
        query.external_detector = parse_bool("external_detector", text)
    position = read_cursor(request, parts=1)
    query.after_id = None if position is None else position[0]
    return query


async def _found(request: Request, context: StubContext) -> StoredEvent:
    text = request.path_params["id"]
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else INT64_MAX + 1
    event = await context.in_store(context.events.get, number)
    if event is None:
        raise not_found()
    return event


def _event_body(event: StoredEvent, request: Request) -> dict[str, Any]:
    left, top, right, bottom = event.box_ltrb
    uploads = f"{request.base_url}uploads/events/{event.id}"
    created = datetime_text(event.created_us)
    return {
        "id": event.id,
        "created_date": created,
        "bs_type": "overall",
        "camera": event.camera,
        "camera_group": event.camera_group,
        "case": None,
        "thumbnail": f"{uploads}/thumbnail.jpg",
        "fullframe": f"{uploads}/fullframe.{event.picture.format}",
        "frame_coords_left": left,
        "frame_coords_top": top,
        "frame_coords_right": right,
        "frame_coords_bottom": bottom,
        "external_detector": event.external_detector,
        "temperature": event.temperature,
        # Nothing is recognised here, so nothing matched, and nothing waits to be acknowledged.
        "acknowledged": True,
        "acknowledged_date": created,
        "acknowledged_by": None,
        "acknowledged_reaction": "",
        "matched": False,
        "matched_card": None,
        "verbose_matched_card": None,
        "matched_cluster": None,
        "matched_object": "",
        "matched_lists": [],
        "episode": None,
        "video_archive": None,
        "detector_params": {},
        "looks_like_confidence": None,
        "confidence": 0.0,
        "cluster_confidence": 0.0,
        "quality": 0.0,
        "features": {},
        "meta": {},
    }
