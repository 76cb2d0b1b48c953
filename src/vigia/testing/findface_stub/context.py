"""What every endpoint needs, and on which thread its blocking parts run."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import anyio
import anyio.to_thread
from starlette.requests import Request

from vigia.application.ports import Clock
from vigia.testing.findface_stub.errors import unauthorized
from vigia.testing.findface_stub.event_store import Ltrb, StubEventStore
from vigia.testing.findface_stub.registry import StubRegistry
from vigia.testing.findface_stub.settings import StubSettings

P = ParamSpec("P")
T = TypeVar("T")
FindFaces = Callable[[bytes, Ltrb | None], Sequence[Sequence[float]]]
"""Finds faces in a coded picture (JPEG, PNG or WEBP), inside a region (left, top, right, bottom; None: everywhere).

Returns boxes (left, top, right, bottom) in pixels of the whole picture. Raises ValueError when it cannot decode it.
Called by one thread at a time, though not always by the same one.
"""
PICTURE_THREADS = 4


class StubContext:
    """Settings, stores and the face finder, shared by all endpoints.

    Owner: the event loop; the stores and the finder are each entered by one thread at a time through ``in_store`` and
    ``in_finder``, so that neither needs a lock and neither blocks the loop.
    """

    def __init__(
        self,
        settings: StubSettings,
        *,
        registry: StubRegistry,
        events: StubEventStore,
        find_faces: FindFaces,
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self.events = events
        self.find_faces = find_faces
        self.clock = clock
        self.calls: Counter[str] = Counter()
        """Answers since the start, by ``"POST /auth/login/ 200"``; bounded by ``CallCountMiddleware``."""
        self.fault_report: Callable[[], dict[str, Any]] = dict
        """What went wrong on purpose so far."""
        self._store_lane = anyio.CapacityLimiter(1)
        self._finder_lane = anyio.CapacityLimiter(1)
        self._picture_lane = anyio.CapacityLimiter(PICTURE_THREADS)

    async def in_store(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a call of ``registry`` or ``events`` off the loop, alone."""
        return await anyio.to_thread.run_sync(lambda: call(*args, **kwargs), limiter=self._store_lane)

    async def in_finder(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the face finder off the loop, alone."""
        return await anyio.to_thread.run_sync(lambda: call(*args, **kwargs), limiter=self._finder_lane)

    async def with_picture(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Read, write or crop a picture off the loop, beside a few others."""
        return await anyio.to_thread.run_sync(lambda: call(*args, **kwargs), limiter=self._picture_lane)

    async def require_session(self, request: Request, *, optional: bool = False) -> str | None:
        """Return the session's token.

        Args:
            request: its ``Authorization: Token …`` header is looked at.
            optional: no header is fine (None is returned); a wrong one never is, as in Django REST framework.

        Raises:
            ApiError: 401 UNAUTHORIZED.
        """
        header = request.headers.get("authorization", "")
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "token":
            if optional:
                return None
            raise unauthorized("Authentication credentials were not provided.")
        token = token.strip()
        if not token or not await self.in_store(self.registry.session_is_open, token):
            raise unauthorized("Invalid token.")
        return token


def context_of(request: Request) -> StubContext:
    """The context of the application that serves this request."""
    found: Any = request.app.state.stub
    if not isinstance(found, StubContext):
        raise TypeError("the application was not made by create_app")
    return found
