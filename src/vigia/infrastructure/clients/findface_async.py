"""``FindfaceMultiAsync``: the same client over a pool of kept-alive connections.

A drop-in for ``FindfaceMulti``: many sender threads share it and none waits for another's connection. Without httpx
it works over the given client's own transport, and says so.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from vigia.application.ports import Clock
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_wire import FindfaceCamera, FindfaceEvent, FindfaceGroup, MfSelector
from vigia.infrastructure.clients.http_transport import PoolStats
from vigia.infrastructure.logging import get_logger

if TYPE_CHECKING:
    from vigia.infrastructure.clients.httpx_transport import HttpxTransport

logger = get_logger("findface")

MAX_CONNECTIONS = 20


class FindfaceMultiAsync:
    """FindFace Multi's calls over one pool; what is not here is the given client's.

    Args:
        client: address, session and everything else come from it. It is closed together with this one.
        max_connections: of the pool, 1 or more. A call that finds none free waits, then fails as not sent.

    Owner: any thread.
    """

    def __init__(self, client: FindfaceMulti, *, max_connections: int = MAX_CONNECTIONS) -> None:
        if max_connections < 1:
            raise ValueError(f"a pool has 1 connection or more, not {max_connections}")
        self._client = client
        pool = _open_pool(client, max_connections=max_connections)
        self._pooled = client if pool is None else client.over(pool)
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        # Called only for names that are not found here. Private ones stay private: asking the client for them while
        # this object is half made would go in circles.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._client, name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._pooled!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        """The last guard: connections of a client that nobody closed."""
        pooled = self.__dict__.get("_pooled")
        if pooled is not None and pooled is not self._client:
            with contextlib.suppress(Exception):  # the interpreter may be half gone
                pooled.close()

    @property
    def is_pooled(self) -> bool:
        """False when httpx is missing and every call opens its own connection."""
        return self._pooled is not self._client

    @property
    def clock(self) -> Clock:
        """The clock in use."""
        return self._client.clock

    def login(self) -> None:
        """See FindfaceMulti.login."""
        self._pooled.login()

    def ensure_login(self) -> None:
        """See FindfaceMulti.ensure_login."""
        self._pooled.ensure_login()

    def logout(self) -> None:
        """See FindfaceMulti.logout."""
        self._pooled.logout()

    def camera_groups(self) -> list[FindfaceGroup]:
        """See FindfaceMulti.camera_groups."""
        return self._pooled.camera_groups()

    def cameras(
        self, group_ids: Sequence[int] = (), *, external_detector: bool | None = True, active: bool | None = True
    ) -> list[FindfaceCamera]:
        """See FindfaceMulti.cameras."""
        return self._pooled.cameras(group_ids, external_detector=external_detector, active=active)

    def add_camera_group(self, name: str) -> FindfaceGroup:
        """See FindfaceMulti.add_camera_group."""
        return self._pooled.add_camera_group(name)

    def add_camera(self, *, name: str, group_id: int, comment: str) -> FindfaceCamera:
        """See FindfaceMulti.add_camera."""
        return self._pooled.add_camera(name=name, group_id=group_id, comment=comment)

    def add_face_event(  # noqa: PLR0913 - FindFace's form has these fields
        self,
        camera: int,
        token: str,
        *,
        fullframe_jpeg: bytes,
        roi: tuple[int, int, int, int],
        timestamp: datetime,
        mf_selector: MfSelector = "biggest",
        rotate: bool | None = None,
        temperature: float | None = None,
        liveness: float | None = None,
    ) -> tuple[str, ...]:
        """See FindfaceMulti.add_face_event."""
        return self._pooled.add_face_event(
            camera,
            token,
            fullframe_jpeg=fullframe_jpeg,
            roi=roi,
            timestamp=timestamp,
            mf_selector=mf_selector,
            rotate=rotate,
            temperature=temperature,
            liveness=liveness,
        )

    def find_events(self, camera: int, *, from_utc: datetime, to_utc: datetime) -> list[FindfaceEvent]:
        """See FindfaceMulti.find_events."""
        return self._pooled.find_events(camera, from_utc=from_utc, to_utc=to_utc)

    @property
    def pool_stats(self) -> PoolStats | None:
        """The pool now; None where there is none. Any thread."""
        return None if self._pool is None else self._pool.stats

    def close(self) -> None:
        """Let running calls end for a moment, then close the pool and the given client. Idempotent."""
        self._pooled.close()
        self._client.close()


def _open_pool(client: FindfaceMulti, *, max_connections: int) -> "HttpxTransport | None":
    try:
        # Imported here and not above: vigia works without httpx.
        from vigia.infrastructure.clients.httpx_transport import HttpxTransport  # noqa: PLC0415 - see the line above
    except ImportError as error:
        logger.warning("httpx cannot be imported (%s): falling back to requests, a new connection for each call", error)
        return None
    access = client.access
    pool = HttpxTransport(
        access.url, clock=client.clock, timeouts=access.timeouts, tls=access.tls, max_connections=max_connections
    )
    logger.info("✓ httpx connection pool configured (max_connections=%d)", max_connections)
    return pool
