"""``/healthz`` and ``/readyz``: answered in bounded time, whatever hangs, and by whatever name they are asked."""

import anyio
import anyio.to_thread
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from vigia.application.site_view import Probed, Readiness

ANSWER_S = 2.0
"""Long enough for a machine that is busy."""
JUDGES = 2
"""Threads for it, besides those of other answers. Of those who ask at the same time one at most has to wait."""


class Probes:
    """Owner: none; its tasks run in the server's loop.

    Args:
        view: whose run is probed.
    """

    def __init__(self, view: Probed) -> None:
        self._view = view
        self._judges = anyio.CapacityLimiter(JUDGES)

    def routes(self) -> APIRouter:
        """Both, as GET and as HEAD."""
        router = APIRouter(include_in_schema=False)
        router.api_route("/healthz", methods=["GET", "HEAD"])(self.healthz)
        router.api_route("/readyz", methods=["GET", "HEAD"])(self.readyz)
        return router

    async def healthz(self) -> Response:
        """Whether it runs: a run that waits for a database is not to be killed for that."""
        alive = self._view.alive()
        return JSONResponse({"status": "ok" if alive else "failing"}, 200 if alive else 503)

    async def readyz(self) -> Response:
        """Whether it does its work, and what keeps it from it."""
        found: Readiness | None = None
        with anyio.move_on_after(ANSWER_S):
            found = await anyio.to_thread.run_sync(self._view.readiness, limiter=self._judges, abandon_on_cancel=True)
        if found is None:
            found = Readiness(alive=self._view.alive(), reasons=[{"code": "outbox_unavailable"}])
        page = {"status": "ready" if found.ready else "not_ready", "reasons": [dict(r) for r in found.reasons]}
        return JSONResponse(page, 200 if found.ready else 503)
