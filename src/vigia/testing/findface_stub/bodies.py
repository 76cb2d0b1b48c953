"""JSON bodies: read, checked against FindFace's description, refused with the name of the first wrong field."""

import json
from http import HTTPStatus
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from vigia.testing.findface_stub.errors import ApiError, bad_param

Model = TypeVar("Model", bound=BaseModel)
Name = Annotated[str, Field(min_length=1, max_length=256)]
Comment = Annotated[str, Field(max_length=2048)]
Threshold = Annotated[float, Field(ge=0.0, le=1.0)]
Pixels = Annotated[int, Field(ge=0)]


class _Body(BaseModel):
    """Types are taken literally; unknown fields are passed over, as Django REST framework does."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class LoginBody(_Body):
    """``POST /auth/login/``."""

    uuid: Name
    mobile: bool = False
    device_info: dict[str, Any] = Field(default_factory=dict)
    video_auth_token: Annotated[str, Field(min_length=1)] | None = None


class GroupPatch(_Body):
    """``PATCH /camera-groups/{id}/``."""

    name: Name = "-"
    active: bool = True
    comment: Comment = ""
    deduplicate: bool = False
    deduplicateDelay: Annotated[int, Field(ge=0, le=10_000)] = 15  # noqa: N815 - the name on the wire
    labels: dict[str, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)
    face_threshold: Threshold | None = None
    body_threshold: Threshold | None = None
    car_threshold: Threshold | None = None


class GroupBody(GroupPatch):
    """``POST /camera-groups/``."""

    name: Name


class DetectorSettings(_Body):
    """``external_detector_settings`` of a camera."""

    filter_min_size: Pixels = 0
    filter_max_size: Pixels = 8192
    filter_min_quality: Annotated[float, Field(ge=0.0)] = 0.0
    roi: dict[str, Any] = Field(default_factory=dict)


class CameraPatch(_Body):
    """``PATCH /cameras/{id}/``."""

    name: Name = "-"
    group: int = 0
    active: bool = True
    comment: Comment = ""
    url: Annotated[str, Field(min_length=1)] = "-"
    latitude: Annotated[float, Field(ge=-90.0, le=90.0)] | None = None
    longitude: Annotated[float, Field(ge=-180.0, le=180.0)] | None = None
    azimuth: Annotated[float, Field(ge=0.0, le=359.9)] | None = None
    face_threshold: Threshold | None = None
    body_threshold: Threshold | None = None
    car_threshold: Threshold | None = None
    single_pass: bool = False
    external_detector: bool = False
    external_detector_settings: DetectorSettings = Field(default_factory=DetectorSettings)
    meta: dict[str, Any] = Field(default_factory=dict)


class CameraBody(CameraPatch):
    """``POST /cameras/``."""

    name: Name
    group: int


async def read_body(request: Request, model: type[Model]) -> Model:
    """Read a JSON body into ``model``; a patch tells what was set by ``model_dump(exclude_unset=True)``.

    Raises:
        ApiError: 415 for another content type, 400 BAD_PARAM for no JSON, for a missing field or a wrong one.
    """
    raw = await request.body() or b"{}"  # no body is an empty one, whatever its type
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and raw != b"{}":
        raise ApiError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            desc=f'Unsupported media type "{media_type}" in request.',
        )
    try:
        content: Any = json.loads(raw, parse_constant=_refuse_constant, parse_float=_finite_float)
        json.dumps(content, ensure_ascii=False).encode()  # a lone surrogate can be neither stored nor answered
    except (ValueError, RecursionError):
        raise ApiError(
            HTTPStatus.BAD_REQUEST, "BAD_PARAM", desc="JSON parse error"
        ) from None  # the parser's words would only repeat the body
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        desc = "This field is required." if first["type"] == "missing" else first["msg"]
        if not first["loc"]:
            raise ApiError(HTTPStatus.BAD_REQUEST, "BAD_PARAM", desc=desc) from None  # as above
        raise bad_param(str(first["loc"][0]), desc) from None  # as above


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(word)


def _finite_float(text: str) -> float:
    number = float(text)
    if abs(number) == float("inf"):
        raise ValueError(text)
    return number
