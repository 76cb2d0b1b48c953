"""Making cameras and groups in FindFace: requests, and what a failure leaves in doubt.

Making one is not idempotent and has no key that would make it so. What surely had no effect is an error as of any
question; what may have had one is ``DeliveryAmbiguous``, to be looked up; a field that FindFace does not take is
``DetectorRefused``.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum

from vigia.application.errors import ApplicationError, DeliveryAmbiguous, RecognizerMisaddressed, RecognizerUnavailable
from vigia.application.provisioning import DetectorRefused
from vigia.infrastructure.clients.findface_errors import Call, error_of_answer, error_of_fault
from vigia.infrastructure.clients.findface_wire import (
    CAMERAS_PATH,
    GROUPS_PATH,
    FindfaceCamera,
    FindfaceGroup,
    parse_json,
    read_camera,
    read_group,
)
from vigia.infrastructure.clients.http_transport import (
    HttpRequest,
    HttpResponse,
    ResponseLost,
    TransportFault,
    clean_text,
)


class Creation(Enum):
    """What a request makes."""

    CAMERA = "camera"
    GROUP = "group"


def camera_request(*, name: str, group_id: int, comment: str) -> HttpRequest:
    """Makes an active external detector."""
    fields = {"name": name, "group": group_id, "comment": comment, "active": True, "external_detector": True}
    return _post(CAMERAS_PATH, fields)


def group_request(*, name: str) -> HttpRequest:
    """Makes an active group; FindFace's deduplication stays off, as it is by default."""
    return _post(GROUPS_PATH, {"name": name, "active": True})


def read_made_camera(response: HttpResponse) -> FindfaceCamera:
    """The camera that was made. Raises DeliveryAmbiguous when the answer does not tell."""
    try:
        return read_camera(_fields(response))
    except RecognizerUnavailable as error:
        raise DeliveryAmbiguous("FindFace's answer cannot be read; it may have been made") from error


def read_made_group(response: HttpResponse) -> FindfaceGroup:
    """The group that was made. Raises DeliveryAmbiguous when the answer does not tell."""
    try:
        return read_group(_fields(response))
    except RecognizerUnavailable as error:
        raise DeliveryAmbiguous("FindFace's answer cannot be read; it may have been made") from error


def creation_fault(fault: TransportFault) -> ApplicationError:
    """The error that an exchange without an answer stands for."""
    if isinstance(fault, ResponseLost):
        return DeliveryAmbiguous("FindFace did not answer; it may have been made: %(detail)s", detail=fault)
    return error_of_fault(Call.QUERY, fault)


def creation_error(response: HttpResponse, *, now_utc: datetime, secrets: Sequence[str]) -> ApplicationError:
    """The error that an answer outside 2xx stands for."""
    ordinary = error_of_answer(Call.QUERY, response, now_utc=now_utc, secrets=secrets)
    body = parse_json(response.body)
    fields = body if isinstance(body, dict) else {}
    code = fields.get("code")
    busy = response.status == 503 and isinstance(code, str) and bool(code)
    if response.status >= 500 and not response.early and not busy:
        return DeliveryAmbiguous("FindFace failed (%(status)s); it may have been made", status=response.status)
    if response.status in {400, 409, 422} and fields and not isinstance(ordinary, RecognizerMisaddressed):
        return DetectorRefused("FindFace refused it: %(detail)s", detail=_words(fields, secrets))
    return ordinary


def _words(fields: Mapping[str, object], secrets: Sequence[str]) -> str:
    told = [str(fields[name]) for name in ("code", "param", "desc") if isinstance(fields.get(name), str)]
    return clean_text(" ".join(told) or ", ".join(map(str, fields)), secrets=secrets)


def _fields(response: HttpResponse) -> Mapping[str, object]:
    answer = parse_json(response.body)
    return answer if isinstance(answer, dict) else {}


def _post(path: str, fields: Mapping[str, object]) -> HttpRequest:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    return HttpRequest("POST", path, headers=headers, body=json.dumps(fields).encode())
