"""What people and tests look at: the page at ``/`` and its facts as JSON under ``/_stub/``. No log-in, no secrets."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from vigia.testing.findface_stub.context import StubContext, context_of
from vigia.testing.findface_stub.event_store import (
    UNKNOWN_CAMERA,
    CameraTotals,
    EventQuery,
    StoredEvent,
    refused_in_all,
)
from vigia.testing.findface_stub.fields import EPOCH, datetime_text, parse_int_list
from vigia.testing.findface_stub.page_texts import DEFAULT_LANGUAGE, TEXTS
from vigia.testing.findface_stub.paging import make_cursor, page_limit, read_cursor

EVENTS_ON_PAGE = 24
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


async def show_page(request: Request) -> Response:
    """Events newest first, each with its picture, region and faces; totals by camera. ``?lang=en`` for English."""
    context = context_of(request)
    language = request.query_params.get("lang", DEFAULT_LANGUAGE)
    if language not in TEXTS:
        language = DEFAULT_LANGUAGE
    position = read_cursor(request, parts=1)
    query = EventQuery(after_id=None if position is None else position[0], limit=EVENTS_ON_PAGE + 1)
    events = await context.in_store(context.events.select, query)
    older = make_cursor(int(events[EVENTS_ON_PAGE - 1].id)) if len(events) > EVENTS_ON_PAGE else None
    names = await _camera_names(context)
    totals = await context.in_store(context.events.totals)
    nonce = secrets.token_urlsafe(16)
    text = _TEMPLATES.get_template("events.html.j2").render(
        language=language,
        other_language=next(other for other in TEXTS if other != language),
        t=TEXTS[language],
        events=[_shown(event, names) for event in events[:EVENTS_ON_PAGE]],
        cameras=_shown_totals(totals, names),
        sums=_sums(totals),
        older=older,
        first_page=position is None,
        nonce=nonce,
    )
    policy = (
        f"default-src 'none'; img-src 'self' data:; connect-src 'self'; style-src 'nonce-{nonce}'; "
        f"script-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"})


async def show_stats(request: Request) -> Response:
    """Totals since the data directory was made, and answers by call since the start."""
    context = context_of(request)
    totals = await context.in_store(context.events.totals)
    names = await _camera_names(context)
    return JSONResponse(
        {
            **_sums(totals),
            "refused_by_reason": refused_in_all(totals),
            "sessions": await context.in_store(context.registry.session_count),
            "calls": dict(context.calls),
            "cameras": [
                {
                    "id": camera_id,
                    "name": names.get(camera_id, ""),
                    "posts": entry.posts,
                    "events": entry.events,
                    "duplicates": entry.duplicates,
                    "refused": entry.refused,
                }
                for camera_id, entry in sorted(totals.items())
            ],
        }
    )


async def show_events(request: Request) -> Response:
    """All that was received, oldest first; ``cameras`` and ``limit`` narrow it."""
    context = context_of(request)
    cameras = request.query_params.getlist("cameras")
    query = EventQuery(cameras=parse_int_list("cameras", cameras) if cameras else None, newest_first=False)
    if "limit" in request.query_params:
        query.limit = page_limit(request, default=EVENTS_ON_PAGE)
    events = await context.in_store(context.events.select, query)
    return JSONResponse({"events": [_plain(event) for event in events]})


async def show_faults(request: Request) -> Response:
    """How often each fault happened since the start: the scenario's rules, and what was ordered."""
    return JSONResponse(context_of(request).fault_report())


async def end_sessions(request: Request) -> Response:
    """End every session, as an administrator may: what clients do about it is what is tested."""
    context = context_of(request)
    return JSONResponse({"ended": await context.in_store(context.registry.close_all_sessions)})


async def _camera_names(context: StubContext) -> dict[int, str]:
    cameras = await context.in_store(context.registry.list, "cameras")
    return {camera.id: str(camera.fields.get("name", "")) for camera in cameras}


def _sums(totals: dict[int, CameraTotals]) -> dict[str, int]:
    refused = refused_in_all(totals)
    return {
        "posts": sum(entry.posts for entry in totals.values()),
        "events": sum(entry.events for entry in totals.values()),
        "duplicates": sum(entry.duplicates for entry in totals.values()),
        "zero_objects": refused.get("no_face", 0),
        "refused": sum(refused.values()),
    }


def _shown_totals(totals: dict[int, CameraTotals], names: dict[int, str]) -> list[dict[str, Any]]:
    known = {**{camera_id: CameraTotals() for camera_id in names}, **totals}
    return [
        {
            "id": camera_id,
            "name": names.get(camera_id, ""),
            "unknown": camera_id == UNKNOWN_CAMERA,
            "events": entry.events,
            "duplicates": entry.duplicates,
            "no_face": entry.refused.get("no_face", 0),
            "other": {reason: n for reason, n in sorted(entry.refused.items()) if reason != "no_face"},
        }
        for camera_id, entry in sorted(known.items())
    ]


def _shown(event: StoredEvent, names: dict[int, str]) -> dict[str, Any]:
    moment: datetime = (EPOCH + timedelta(microseconds=event.created_us)).astimezone(UTC)
    return {
        "id": event.id,
        "camera": names.get(event.camera) or str(event.camera),
        "picture": f"/uploads/events/{event.id}/fullframe.{event.picture.format}",
        "width": event.picture.width,
        "height": event.picture.height,
        "roi": event.roi_ltrb,
        "box": event.box_ltrb,
        "iso": datetime_text(event.created_us),
        "moment": moment,
        "duplicate": event.duplicate,
    }


def _plain(event: StoredEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "post": event.post,
        "camera": event.camera,
        "timestamp": None if event.timestamp_us is None else datetime_text(event.timestamp_us),
        "created_date": datetime_text(event.created_us),
        "received": datetime_text(event.received_us),
        "roi": event.roi_ltrb,
        "box": event.box_ltrb,
        "sha256": event.sha256,
        "format": event.picture.format,
        "width": event.picture.width,
        "height": event.picture.height,
        "bytes": event.picture_bytes,
        "mf_selector": event.mf_selector,
        "temperature": event.temperature,
        "duplicate": event.duplicate,
    }
