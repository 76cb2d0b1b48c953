"""``/camera-groups/`` and ``/cameras/``: list, read, add, change, delete."""

from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vigia.testing.findface_stub.bodies import CameraBody, CameraPatch, GroupBody, GroupPatch, read_body
from vigia.testing.findface_stub.context import StubContext, context_of
from vigia.testing.findface_stub.errors import bad_param, not_found
from vigia.testing.findface_stub.event_store import CameraTotals
from vigia.testing.findface_stub.fields import datetime_text, parse_bool, parse_int_list
from vigia.testing.findface_stub.paging import (
    MAX_PAGE_SIZE,
    make_cursor,
    next_page_url,
    ordering,
    page_limit,
    read_cursor,
    time_range,
)
from vigia.testing.findface_stub.registry import Kind, Record
from vigia.testing.findface_stub.settings import VIDEO_ARCHIVE_GROUP_ID

_GROUP_DEFAULTS: dict[str, Any] = GroupBody(name="-").model_dump()
_CAMERA_DEFAULTS: dict[str, Any] = CameraBody(name="-", group=0).model_dump()


async def groups(request: Request) -> Response:
    """GET and POST of the groups."""
    return await (_add_group(request) if request.method == "POST" else _list_groups(request))


async def _list_groups(request: Request) -> Response:
    """``{results}``, never in pages; the video archive's pseudo-group is among them."""
    context = context_of(request)
    await context.require_session(request)
    passes = time_range(request)
    wanted_ids = request.query_params.getlist("id_in")
    ids = set(parse_int_list("id_in", wanted_ids)) if wanted_ids else None
    key, reverse = ordering(request, allowed=("id", "created_date", "modified_date", "name", "active"), default="id")
    limit = page_limit(request, default=MAX_PAGE_SIZE)
    known = [_video_archive(), *await context.in_store(context.registry.list, "groups")]
    found = [_group_body(g) for g in known if passes(g.created_us) and (ids is None or g.id in ids)]
    found.sort(key=lambda body: (body[key], body["id"]), reverse=reverse)
    return JSONResponse({"results": found[:limit]})


async def _add_group(request: Request) -> Response:
    """201 with the new group."""
    context = context_of(request)
    await context.require_session(request)
    body = await read_body(request, GroupBody)
    record = await context.in_store(context.registry.add, "groups", body.model_dump())
    return JSONResponse(_group_body(record), status_code=HTTPStatus.CREATED)


async def one_group(request: Request) -> Response:
    """GET, PATCH, DELETE of a group. One that still has cameras is not deleted."""
    context = context_of(request)
    await context.require_session(request)
    record = await _found(request, context, "groups")
    if request.method == "PATCH":
        body = await read_body(request, GroupPatch)
        record = await context.in_store(context.registry.change, "groups", record, body.model_dump(exclude_unset=True))
    elif request.method == "DELETE":
        members = await context.in_store(context.registry.list, "cameras")
        if any(camera.fields.get("group") == record.id for camera in members):
            raise bad_param("id", "The camera group is not empty.")
        await context.in_store(context.registry.delete, "groups", record.id)
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return JSONResponse(_group_body(record))


async def cameras(request: Request) -> Response:
    """GET and POST of the cameras."""
    return await (_add_camera(request) if request.method == "POST" else _list_cameras(request))


async def _list_cameras(request: Request) -> Response:
    """One page: ``{next_page, prev_page, results}``. ``prev_page`` is always null here."""
    context = context_of(request)
    await context.require_session(request)
    key, reverse = ordering(request, allowed=("id", "created_date"), default="id")
    limit = page_limit(request, default=context.settings.page_size)
    position = read_cursor(request, parts=2)
    found = await _selected(request, context)

    def place(camera: Record) -> tuple[int, int]:
        return (camera.id if key == "id" else camera.created_us), camera.id

    found.sort(key=place, reverse=reverse)
    if position is not None:
        found = [c for c in found if (place(c) < position if reverse else place(c) > position)]
    page = found[:limit]
    next_page = None
    if len(found) > limit:
        cursor = make_cursor(*place(page[-1]))
        next_page = cursor if context.settings.camera_next_page == "cursor" else next_page_url(request, cursor)
    totals = await context.in_store(context.events.totals)
    results = [_camera_body(c, request, totals.get(c.id, CameraTotals())) for c in page]
    return JSONResponse({"next_page": next_page, "prev_page": None, "results": results})


async def _add_camera(request: Request) -> Response:
    """201 with the new camera and its token."""
    context = context_of(request)
    await context.require_session(request)
    body = await read_body(request, CameraBody)
    await _check_group(context, body.group)
    record = await context.in_store(context.registry.add, "cameras", body.model_dump())
    return JSONResponse(_camera_body(record, request, CameraTotals()), status_code=HTTPStatus.CREATED)


async def one_camera(request: Request) -> Response:
    """GET, PATCH, DELETE of a camera."""
    context = context_of(request)
    await context.require_session(request)
    record = await _found(request, context, "cameras")
    if request.method == "PATCH":
        body = await read_body(request, CameraPatch)
        changes = body.model_dump(exclude_unset=True)
        if "group" in changes:
            await _check_group(context, changes["group"])
        record = await context.in_store(context.registry.change, "cameras", record, changes)
    elif request.method == "DELETE":
        await context.in_store(context.registry.delete, "cameras", record.id)
        return Response(status_code=HTTPStatus.NO_CONTENT)
    totals = await context.in_store(context.events.totals)
    return JSONResponse(_camera_body(record, request, totals.get(record.id, CameraTotals())))


async def _selected(request: Request, context: StubContext) -> list[Record]:
    query = request.query_params
    passes = time_range(request)
    flags = {name: parse_bool(name, query[name]) for name in ("active", "external_detector") if query.get(name)}
    choices = {
        name: set(parse_int_list(parameter, query.getlist(parameter)))
        for name, parameter in (("id", "id_in"), ("group", "camera_groups"))
        if query.getlist(parameter)
    }
    part = query.get("name_contains", "").lower()

    def selected(camera: Record) -> bool:
        fields = {**_CAMERA_DEFAULTS, **camera.fields, "id": camera.id}
        return (
            passes(camera.created_us)
            and all(fields[name] == wanted for name, wanted in flags.items())
            and all(fields[name] in wanted for name, wanted in choices.items())
            and part in str(fields["name"]).lower()
        )

    return [camera for camera in await context.in_store(context.registry.list, "cameras") if selected(camera)]


async def _found(request: Request, context: StubContext, kind: Kind) -> Record:
    record = await context.in_store(context.registry.get, kind, int(request.path_params["id"]))
    if record is None:
        raise not_found()
    return record


async def _check_group(context: StubContext, group_id: int) -> None:
    if await context.in_store(context.registry.get, "groups", group_id) is None:
        raise bad_param("group", f'Invalid pk "{group_id}" - object does not exist.')


def _video_archive() -> Record:
    return Record(VIDEO_ARCHIVE_GROUP_ID, {"name": "Video archive"}, 0, 0)


def _group_body(record: Record) -> dict[str, Any]:
    return {
        **_GROUP_DEFAULTS,
        **record.fields,
        "id": record.id,
        "created_date": datetime_text(record.created_us),
        "modified_date": datetime_text(record.modified_us),
    }


def _camera_body(record: Record, request: Request, totals: CameraTotals) -> dict[str, Any]:
    active = bool(record.fields.get("active", True))
    body = {**_CAMERA_DEFAULTS, "url": "", **record.fields}
    return {
        **body,
        "id": record.id,
        "created_date": datetime_text(record.created_us),
        "modified_date": datetime_text(record.modified_us),
        "screenshot": f"{request.base_url}cameras/{record.id}/screenshot/",
        "health_status": {
            "enabled": active,
            "status": "INPROGRESS" if totals.events else "AWAITING",
            "msg": "",
            "statistic": {},
            "code": "green" if totals.events else "gray",
            "code_desc": "",
        },
        "face_count": totals.events,
        "body_count": 0,
        "car_count": 0,
    }
