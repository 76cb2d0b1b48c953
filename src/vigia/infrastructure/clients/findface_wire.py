"""FindFace Multi on the wire: how requests are built and successful answers read.

Pure: no socket, no session. What a failing answer means is in ``findface_errors.py``. Everything here was checked
against the server's OpenAPI description: arrays in queries and forms are the key repeated, ids of events are 64-bit
numbers kept as text, trailing slashes matter (a redirect would lose the body of a POST).
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, Literal
from urllib.parse import parse_qs

from vigia.application.errors import (
    CaptureRefused,
    DeliveryAmbiguous,
    RecognizerMisaddressed,
    RecognizerUnavailable,
)
from vigia.infrastructure.clients.http_transport import HttpRequest, HttpResponse, clean_text

LOG_IN_PATH = "/auth/login/"
LOG_OUT_PATH = "/auth/logout/"
GROUPS_PATH = "/camera-groups/"
CAMERAS_PATH = "/cameras/"
ADD_EVENT_PATH = "/events/faces/add/"
EVENTS_PATH = "/events/faces/"

PAGE_LIMIT = 100
GROUPS_LIMIT = 1000

MfSelector = Literal["biggest", "all"]
"""Which faces FindFace takes when it sees several: its own two words."""


@dataclass(frozen=True, slots=True)
class FindfaceGroup:
    """A camera group."""

    id: int
    name: str
    active: bool


@dataclass(frozen=True, slots=True)
class FindfaceCamera:
    """A camera as FindFace lists it; what may hold credentials is not in its ``repr``."""

    id: int
    name: str
    group_id: int | None
    active: bool
    external_detector: bool
    comment: str = field(repr=False)
    token: str = field(repr=False)
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Its ``external_detector_settings``, as they came."""


@dataclass(frozen=True, slots=True)
class FindfaceEvent:
    """A face event as FindFace lists it."""

    id: str
    camera_id: int | None
    created_at_utc: datetime
    face_ltrb: tuple[int, int, int, int] | None
    """The face in the full frame, pixels; None when the server gives no such box."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    results: tuple[Mapping[str, Any], ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class EventForm:
    """What a face event is made of.

    Raises:
        ValueError: a field cannot be sent: a naive time, a ROI that is no box, a picture of no bytes.
    """

    camera: int
    token: str = field(repr=False)
    fullframe_jpeg: bytes = field(repr=False)
    roi: tuple[int, int, int, int]
    """Left, top, right, bottom in pixels of the picture."""
    timestamp: datetime
    """Timezone-aware."""
    mf_selector: MfSelector = "biggest"
    rotate: bool | None = None
    temperature: float | None = None
    liveness: float | None = None

    def __post_init__(self) -> None:
        left, top, right, bottom = self.roi
        if not (0 <= left < right and 0 <= top < bottom):
            raise ValueError(
                f"roi {self.roi} must be left, top, right, bottom with 0 <= left < right, 0 <= top < bottom"
            )
        if self.timestamp.utcoffset() is None:
            raise ValueError("the timestamp has no time zone")
        if not self.fullframe_jpeg:
            raise ValueError("the picture is empty")
        if self.mf_selector not in {"biggest", "all"}:
            raise ValueError(f"mf_selector is 'biggest' or 'all', not {self.mf_selector!r}")
        if any(v is not None and not math.isfinite(v) for v in (self.temperature, self.liveness)):
            raise ValueError("temperature and liveness are finite numbers")


def format_timestamp(at: datetime) -> str:
    """RFC 3339 in UTC with microseconds and offset: a naive value would be read in the server's own zone.

    >>> format_timestamp(datetime(2026, 1, 5, 8, 0, 0, 120_000, tzinfo=UTC))
    '2026-01-05T08:00:00.120000+00:00'

    Raises:
        ValueError: ``at`` has no time zone.
    """
    if at.utcoffset() is None:
        raise ValueError("the timestamp has no time zone")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def log_in_request(*, user: str, password: str, uuid: str) -> HttpRequest:
    """Basic authentication and the device's stable uuid."""
    basic = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
    body = json.dumps({"uuid": uuid, "mobile": False, "device_info": {"client": "vigia"}}).encode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json", "Accept": "application/json"}
    return HttpRequest("POST", LOG_IN_PATH, headers=headers, body=body)


def log_out_request() -> HttpRequest:
    """Ends the session whose token it carries."""
    return HttpRequest("POST", LOG_OUT_PATH, headers={"Accept": "application/json"}, body=b"")


def groups_request() -> HttpRequest:
    """All camera groups: this list has no pages."""
    return _query(GROUPS_PATH, [("limit", str(GROUPS_LIMIT)), ("ordering", "id")])


def cameras_request(
    *, group_ids: Sequence[int], external_detector: bool | None, active: bool | None, cursor: str | None
) -> HttpRequest:
    """One page of cameras. None leaves a filter out."""
    params = [("camera_groups", str(group_id)) for group_id in group_ids]
    if external_detector is not None:
        params.append(("external_detector", _bool(external_detector)))
    if active is not None:
        params.append(("active", _bool(active)))
    params += [("ordering", "id"), ("limit", str(PAGE_LIMIT))]
    return _query(CAMERAS_PATH, params + _cursor(cursor))


def events_request(*, camera: int, from_utc: datetime, to_utc: datetime, cursor: str | None) -> HttpRequest:
    """One page of a camera's face events created within a window, both ends included."""
    params = [
        ("cameras", str(camera)),
        ("created_date_gte", format_timestamp(from_utc)),
        ("created_date_lte", format_timestamp(to_utc)),
        ("ordering", "id"),
        ("limit", str(PAGE_LIMIT)),
    ]
    return _query(EVENTS_PATH, params + _cursor(cursor))


def add_event_request(form: EventForm) -> HttpRequest:
    """The multipart body, built once: a repetition after a new log-in shares it."""
    fields = [
        ("token", form.token),
        ("camera", str(form.camera)),
        ("mf_selector", form.mf_selector),
        ("timestamp", format_timestamp(form.timestamp)),
        *(("roi", str(int(side))) for side in form.roi),
    ]
    if form.rotate is not None:
        fields.append(("rotate", _bool(form.rotate)))
    if form.temperature is not None:
        fields.append(("temperature", repr(float(form.temperature))))
    if form.liveness is not None:
        fields.append(("liveness", repr(float(form.liveness))))
    boundary = f"vigia-{token_hex(16)}"  # 128 random bits: not in the picture, not to be guessed
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields
    )
    file_head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="fullframe"; filename="fullframe.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    )
    body = b"".join(((head + file_head).encode(), form.fullframe_jpeg, f"\r\n--{boundary}--\r\n".encode()))
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Accept": "application/json"}
    return HttpRequest("POST", ADD_EVENT_PATH, headers=headers, body=body)


def parse_json(body: bytes) -> Any:
    """The JSON value, or None when there is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # not UTF-8, not JSON, a number of 5000 digits, a thousand brackets
        return None


def read_token(response: HttpResponse) -> str:
    """The session's token.

    Raises:
        RecognizerMisaddressed: the answer holds none that could be used.
    """
    answer = parse_json(response.body)
    token = answer.get("token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token or not token.isascii() or not all("!" <= c <= "~" for c in token):
        raise RecognizerMisaddressed("what answers the log-in at FindFace's address is not FindFace: check its URL")
    return token


def read_event_ids(response: HttpResponse, *, secrets: Sequence[str] = ()) -> tuple[str, ...]:
    """The ids of the events that a capture made, one or more.

    An answer of 200 without any id has never been seen, but the description allows it. Without errors it means that
    FindFace took the picture and made nothing of it: a refusal, not a delivery, so that the books never claim an event
    that does not exist. With errors (or unreadable) it says neither yes nor no: ambiguous, to be looked up.

    Args:
        response: an answer of 200.
        secrets: texts to be blotted out, should the server repeat them.

    Raises:
        CaptureRefused: ``no_event``.
        DeliveryAmbiguous: the answer does not tell.
    """
    answer = parse_json(response.body)
    events = answer.get("events") if isinstance(answer, dict) else None
    if not isinstance(events, list) or not all(_is_id(event) for event in events):
        raise DeliveryAmbiguous("FindFace's answer to a capture cannot be read: it may have arrived")
    if events:
        return tuple(str(event) for event in events)
    if answer.get("errors"):
        detail = clean_text(str(answer["errors"]), secrets=secrets)
        raise DeliveryAmbiguous(
            "FindFace made no event and told of errors, the capture may have arrived: %(detail)s", detail=detail
        )
    raise CaptureRefused("no_event", "FindFace took the picture and made no event of it")


def read_page(response: HttpResponse) -> Page:
    """One page of any list.

    Raises:
        RecognizerMisaddressed: it is no page.
        RecognizerUnavailable: its next page cannot be asked for.
    """
    answer = parse_json(response.body)
    results = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(results, list) or not all(isinstance(item, dict) for item in results):
        raise RecognizerMisaddressed("what answers at FindFace's address gives no list of FindFace's: check its URL")
    return Page(tuple(results), parse_next_page(answer.get("next_page")))


def parse_next_page(value: object) -> str | None:
    """The cursor in ``next_page``, whose shape the description leaves open: a bare cursor or an address with ``page=``.

    Only the cursor is used: an address that a server names is never called, the session's token would go with it.

    Raises:
        RecognizerUnavailable: there is a next page, but not how to ask for it; stopping there would lose cameras.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        if "?" in value or value.startswith("page="):
            query = value.split("?", 1)[1].split("#", 1)[0] if "?" in value else value
            cursors = parse_qs(query).get("page")
            if cursors:
                return cursors[-1]
        elif "://" not in value:
            return value
    raise RecognizerUnavailable("FindFace names a next page in a form that is not known")


def read_group(item: Mapping[str, Any]) -> FindfaceGroup:
    """A group of the list. Raises RecognizerUnavailable."""
    return FindfaceGroup(id=_int(item, "id"), name=_text(item, "name"), active=item.get("active") is not False)


def read_camera(item: Mapping[str, Any]) -> FindfaceCamera:
    """A camera of the list. Raises RecognizerUnavailable."""
    group, settings = item.get("group"), item.get("external_detector_settings")
    return FindfaceCamera(
        id=_int(item, "id"),
        name=_text(item, "name"),
        group_id=group if isinstance(group, int) and not isinstance(group, bool) else None,
        active=item.get("active") is not False,
        external_detector=item.get("external_detector") is not False,
        comment=_text(item, "comment"),
        token=_text(item, "external_detector_token"),
        settings=settings if isinstance(settings, dict) else {},
    )


def read_event(item: Mapping[str, Any]) -> FindfaceEvent:
    """A face event of the list. Raises RecognizerUnavailable."""
    event_id, camera = item.get("id"), item.get("camera")
    if not _is_id(event_id):
        raise RecognizerUnavailable("FindFace lists an event without an id")
    try:
        created = datetime.fromisoformat(_text(item, "created_date"))
        created_at_utc = (created if created.utcoffset() is not None else created.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RecognizerUnavailable("FindFace lists an event without a date that can be read") from error
    sides = tuple(item.get(f"frame_coords_{side}") for side in ("left", "top", "right", "bottom"))
    face: tuple[int, int, int, int] | None = None
    if all(isinstance(side, int | float) and not isinstance(side, bool) and math.isfinite(side) for side in sides):
        left, top, right, bottom = (int(side) for side in sides if side is not None)
        face = (left, top, right, bottom) if left < right and top < bottom else None
    return FindfaceEvent(
        id=str(event_id),
        camera_id=camera if isinstance(camera, int) and not isinstance(camera, bool) else None,
        created_at_utc=created_at_utc,
        face_ltrb=face,
    )


def _query(path: str, params: Sequence[tuple[str, str]]) -> HttpRequest:
    return HttpRequest("GET", path, tuple(params), headers={"Accept": "application/json"})


def _cursor(cursor: str | None) -> list[tuple[str, str]]:
    return [] if cursor is None else [("page", cursor)]


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _is_id(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit())


def _int(item: Mapping[str, Any], name: str) -> int:
    value = item.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RecognizerUnavailable("FindFace lists an entry without %(name)s", name=name)
    return value


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""
