"""``/api``: what the dashboard and scripts read and do. Parameters are checked first: 422 says which is wrong.

Endpoints that touch the disk are plain functions: the framework runs them in its threads, and the event loop goes on.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from vigia.application.audit_port import AuditAction, AuditEntry, AuditLog
from vigia.application.errors import OutboxCorrupt
from vigia.application.ports import Clock
from vigia.application.site_view import CaptureQuery, SiteView
from vigia.application.use_cases.operate import Act, OperateUseCase
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, CaptureState
from vigia.infrastructure.web.access import session_of
from vigia.infrastructure.web.sessions import Session
from vigia.infrastructure.web.users import Role

IDS_MAX = 200
PAGE_MAX = 500
SEQ_MAX = 2**62
AGE_MAX_S = 1e9

CaptureIdText = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Chosen(BaseModel):
    """The captures that an act is about."""

    model_config = ConfigDict(extra="forbid")
    ids: Annotated[list[CaptureIdText], Field(min_length=1, max_length=IDS_MAX)]


class ChosenForGood(Chosen):
    """What cannot be undone has to be said twice."""

    confirm: Literal[True]


class Api:
    """Owner: none; its methods run in the framework's threads.

    Args:
        view: what is read.
        operate: what is done.
        audit: gets a line when somebody asks for what their role does not include.
        clock: for the line's time.
    """

    def __init__(self, view: SiteView, operate: OperateUseCase, *, audit: AuditLog, clock: Clock) -> None:
        self._view = view
        self._operate = operate
        self._audit = audit
        self._clock = clock

    def routes(self) -> APIRouter:
        """Everything below ``/api``."""
        router = APIRouter(prefix="/api")
        router.get("/session")(self.session)
        router.get("/status")(self.status)
        router.get("/cameras")(self.cameras)
        router.get("/captures")(self.captures)
        router.get("/captures/{capture_id}/picture")(self.picture)
        router.post("/outbox/retry")(self.retry)
        router.post("/outbox/drop")(self.drop)
        router.post("/cameras/reload", status_code=202)(self.reload)
        return router

    def session(self, request: Request) -> dict[str, str]:
        """Who one is, and the token that requests which change something have to bring."""
        session = _somebody(request)
        return {"user": session.user, "role": session.role.value, "csrf": session.csrf}

    def status(self) -> Mapping[str, Any]:
        """The run as a whole."""
        return self._view.status()

    def cameras(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """Every camera of the list."""
        return {"cameras": self._view.cameras()}

    def captures(
        self,
        *,
        state: CaptureState | None = None,
        camera: Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[\w.-]+$")] = None,
        older_than_s: Annotated[float | None, Query(ge=0.0, le=AGE_MAX_S, allow_inf_nan=False)] = None,
        younger_than_s: Annotated[float | None, Query(ge=0.0, le=AGE_MAX_S, allow_inf_nan=False)] = None,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = 100,
        after: Annotated[int, Query(ge=0, le=SEQ_MAX)] = 0,
    ) -> dict[str, Any]:
        """Captures, the oldest first; ``next_after`` asks for the next page."""
        camera_id = None if camera is None else CameraId(camera)
        found = self._view.captures(CaptureQuery(state, camera_id, older_than_s, younger_than_s, limit, after))
        return {"captures": found, "next_after": found[-1]["seq"] if len(found) == limit else None}

    def picture(self, capture_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]) -> Response:
        """A capture's picture."""
        try:
            content = self._view.picture(CaptureId(capture_id))
        except OutboxCorrupt as error:
            raise HTTPException(410, "picture_damaged") from error
        if content is None:
            raise HTTPException(404, "no_picture")
        return Response(content, media_type="image/jpeg")

    def retry(self, chosen: Chosen, request: Request) -> dict[str, Any]:
        """Send refused and dead captures again. Operators only."""
        who = self._operator(request).person
        return _told(self._operate.retry([CaptureId(text) for text in chosen.ids], who=who))

    def drop(self, chosen: ChosenForGood, request: Request) -> dict[str, Any]:
        """Remove captures and their pictures for good. Operators only."""
        who = self._operator(request).person
        return _told(self._operate.drop([CaptureId(text) for text in chosen.ids], who=who))

    def reload(self, request: Request) -> dict[str, str]:
        """Read settings and camera list again. Operators only."""
        self._operate.reload(who=self._operator(request).person)
        return {"result": "ok"}

    def _operator(self, request: Request) -> Session:
        session = _somebody(request)
        if not session.role.includes(Role.OPERATOR):
            entry = AuditEntry(self._clock.utc(), session.person, AuditAction.REFUSED, "role", request.url.path)
            self._audit.record(entry)
            raise HTTPException(403, "role")
        return session


def _somebody(request: Request) -> Session:
    session = session_of(request)
    if session is None:  # the door lets nobody through without one
        raise HTTPException(401, "log_in")
    return session


def _told(acts: Sequence[Act]) -> dict[str, Any]:
    return {"results": [{"id": act.id, "result": act.result.value} for act in acts]}
