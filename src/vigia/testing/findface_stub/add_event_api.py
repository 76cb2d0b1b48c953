"""``POST /events/faces/add/``: the form is checked, faces are found, the event is stored, then it is answered.

Where FindFace's behaviour is not known, the stand-in is strict, so that a client's mistake shows here first: a ``roi``
must lie inside the picture, and only an external detector may post. An inactive camera is accepted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from vigia.testing.findface_stub.context import StubContext, context_of
from vigia.testing.findface_stub.errors import ApiError, bad_param, no_face, wrong_camera_token
from vigia.testing.findface_stub.event_store import UNKNOWN_CAMERA, AcceptedPost, Ltrb
from vigia.testing.findface_stub.fields import parse_bool, parse_datetime_us, parse_float, parse_int, parse_roi
from vigia.testing.findface_stub.pictures import PictureInfo, check_whole, inspect_picture
from vigia.testing.findface_stub.registry import Record

REQUIRED = "This field is required."
BAD_PICTURE = "Upload a valid image. The file you uploaded was either not an image or a corrupted image."


@dataclass(slots=True)
class _Post:
    """The form as far as it was read."""

    token: str
    data: bytes
    picture: PictureInfo
    camera: Record
    timestamp_us: int | None
    mf_selector: Literal["biggest", "all"]
    roi_ltrb: Ltrb | None
    temperature: float | None


async def add_event(request: Request) -> Response:
    """200 ``{events, errors}`` once the events are on disk; 400 BAD_PARAM fullframe when no face is found."""
    context = context_of(request)
    await context.require_session(request, optional=not context.settings.require_session)
    async with request.form(max_files=8, max_fields=64) as form:
        camera_id = UNKNOWN_CAMERA
        try:
            camera = await _read_camera(form, context)
            camera_id = camera.id if isinstance(camera, Record) else UNKNOWN_CAMERA
            post = await _read_post(form, context, camera)
            boxes = await _find_boxes(context, post)
        except ApiError as error:
            await context.in_store(context.events.count_refusal, camera_id, error.reason)
            raise
    sha256 = await context.with_picture(context.events.keep_picture, post.data, post.picture.format)
    ids = await context.in_store(
        context.events.add,
        AcceptedPost(
            camera=post.camera.id,
            camera_group=int(post.camera.fields["group"]),
            external_detector=True,
            timestamp_us=post.timestamp_us,
            sha256=sha256,
            picture=post.picture,
            picture_bytes=len(post.data),
            roi_ltrb=post.roi_ltrb,
            mf_selector=post.mf_selector,
            temperature=post.temperature,
            boxes_ltrb=boxes,
        ),
    )
    return JSONResponse({"events": ids, "errors": []})


async def _read_camera(form: FormData, context: StubContext) -> Record | ApiError:
    """The camera, or why there is none: told only when the fields before it are right, as the real one would."""
    text = _text(form, "camera")
    if text is None:
        return bad_param("camera", REQUIRED)
    try:
        camera_id = parse_int("camera", text)
    except ApiError:
        return bad_param("camera", "Incorrect type. Expected pk value, received str.")
    record = await context.in_store(context.registry.get, "cameras", camera_id)
    return record if record is not None else bad_param("camera", f'Invalid pk "{camera_id}" - object does not exist.')


async def _read_post(form: FormData, context: StubContext, camera: Record | ApiError) -> _Post:
    """Check every field in the description's order; the first wrong one is told."""
    token = (_text(form, "token") or "").strip()
    if not token:
        raise bad_param("token", REQUIRED if "token" not in form else "This field may not be blank.")
    data, picture = await _read_picture(form, context)
    if rotate := _text(form, "rotate"):
        parse_bool("rotate", rotate)
    if isinstance(camera, ApiError):
        raise camera
    timestamp = _text(form, "timestamp")
    timestamp_us = parse_datetime_us("timestamp", timestamp) if timestamp else None
    selector = _text(form, "mf_selector")
    if selector not in {"biggest", "all"}:
        raise bad_param("mf_selector", REQUIRED if selector is None else f'"{selector}" is not a valid choice.')
    roi = parse_roi(_texts(form, "roi")) if _texts(form, "roi") else None
    temperature = _text(form, "temperature")
    temperature_value = parse_float("temperature", temperature) if temperature else None
    if liveness := _text(form, "liveness"):
        parse_float("liveness", liveness)
    if token != camera.fields.get("external_detector_token"):
        raise wrong_camera_token()
    if not camera.fields.get("external_detector"):
        raise bad_param("camera", "The camera is not an external detector.")
    if roi is not None and (roi[2] > picture.width or roi[3] > picture.height):
        raise bad_param("roi", f"The region must lie inside the picture ({picture.width}x{picture.height}).")
    chosen = cast('Literal["biggest", "all"]', selector)
    return _Post(token, data, picture, camera, timestamp_us, chosen, roi, temperature_value)


async def _read_picture(form: FormData, context: StubContext) -> tuple[bytes, PictureInfo]:
    upload = form.getlist("fullframe")[-1] if "fullframe" in form else None
    if upload is None:
        raise bad_param("fullframe", "No file was submitted.")
    if not isinstance(upload, UploadFile):
        raise bad_param("fullframe", "The submitted data was not a file. Check the encoding type on the form.")
    data = await upload.read()
    if not data:
        raise bad_param("fullframe", "The submitted file is empty.")
    limit = context.settings.max_picture_bytes
    if len(data) > limit:
        raise bad_param("fullframe", f"The picture must not be larger than {limit} bytes.")
    try:
        picture = inspect_picture(data)
        if max(picture.width, picture.height) <= context.settings.max_side_px:
            await context.with_picture(check_whole, data, picture)
    except ValueError:
        raise bad_param("fullframe", BAD_PICTURE) from None  # the decoder's words name no field
    if max(picture.width, picture.height) > context.settings.max_side_px:
        raise bad_param("fullframe", f"The picture's longest side must not exceed {context.settings.max_side_px} px.")
    return data, picture


async def _find_boxes(context: StubContext, post: _Post) -> list[Ltrb]:
    """Whole-pixel boxes of the faces that count, largest first; one for ``biggest``."""
    try:
        found = await context.in_finder(context.find_faces, post.data, post.roi_ltrb)
    except ValueError:
        raise bad_param("fullframe", BAD_PICTURE) from None  # the decoder's words name no field
    region = post.roi_ltrb or (0, 0, post.picture.width, post.picture.height)
    boxes = [_clipped(box, post.picture) for box in found if _centre_inside(box, region)]
    boxes = [b for b in boxes if min(b[2] - b[0], b[3] - b[1]) >= context.settings.min_face_px]
    if not boxes:
        raise no_face()
    boxes.sort(key=lambda b: (b[2] - b[0]) * (b[3] - b[1]), reverse=True)
    return boxes[:1] if post.mf_selector == "biggest" else boxes


def _clipped(box: Sequence[float], picture: PictureInfo) -> Ltrb:
    left, top, right, bottom = (round(float(side)) for side in box)
    return max(0, left), max(0, top), min(picture.width, right), min(picture.height, bottom)


def _centre_inside(box: Sequence[float], region: Ltrb) -> bool:
    x, y = (float(box[0]) + float(box[2])) / 2.0, (float(box[1]) + float(box[3])) / 2.0
    return region[0] <= x <= region[2] and region[1] <= y <= region[3]


def _texts(form: FormData, name: str) -> list[str]:
    """The values of a repeated key, or of ``name[0]``, ``name[1]`` …; files do not count."""
    values = [value for value in form.getlist(name) if isinstance(value, str)]
    if values:
        return values
    indexed: list[str] = []
    while isinstance(value := form.get(f"{name}[{len(indexed)}]"), str):
        indexed.append(value)
    return indexed


def _text(form: FormData, name: str) -> str | None:
    values = [value for value in form.getlist(name) if isinstance(value, str)]
    return values[-1] if values else None
