"""``/api``: the run over time, load control's decisions, and one camera's settings."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query

from vigia.application.system_view import POINTS, SPAN_MAX_S, SystemView
from vigia.domain.camera import CameraId

SPAN_MIN_S = 1.0


class SystemApi:
    """Owner: none; its methods run in the framework's threads.

    Args:
        view: what is read.
    """

    def __init__(self, view: SystemView) -> None:
        self._view = view

    def routes(self) -> APIRouter:
        """All of them, below ``/api``."""
        router = APIRouter(prefix="/api")
        router.get("/history")(self.history)
        router.get("/decisions")(self.decisions)
        router.get("/cameras/{camera_id}/settings")(self.settings)
        return router

    def history(
        self,
        *,
        span_s: Annotated[float, Query(ge=SPAN_MIN_S, le=SPAN_MAX_S, allow_inf_nan=False)] = 900.0,
        points: Annotated[int, Query(ge=1, le=POINTS)] = POINTS,
    ) -> Mapping[str, Sequence[float | None]]:
        """The run over the last ``span_s`` seconds, as ``points`` moments at most."""
        return self._view.history(span_s=span_s, points_max=points)

    def decisions(self) -> dict[str, Sequence[Mapping[str, Any]]]:
        """What load control decided, the newest first."""
        return {"decisions": self._view.decisions()}

    def settings(
        self, camera_id: Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[\w.-]+$")]
    ) -> dict[str, Sequence[Mapping[str, Any]]]:
        """Every setting of one camera, and who says what it is."""
        found = self._view.settings_of(CameraId(camera_id))
        if found is None:
            raise HTTPException(404, "no_camera")
        return {"settings": found}
