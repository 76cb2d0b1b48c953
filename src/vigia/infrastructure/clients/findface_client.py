"""What the FindFace ports need of a client: the plain one and the pooled one are interchangeable."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from vigia.application.ports import Clock
from vigia.infrastructure.clients.findface_wire import FindfaceCamera, FindfaceEvent, FindfaceGroup, MfSelector


class FindfaceClient(Protocol):
    """FindFace Multi's calls. Any thread. Errors are those of ``application/errors.py``."""

    @property
    def clock(self) -> Clock:
        """The clock in use."""
        ...

    def login(self) -> None:
        """Open a session."""
        ...

    def ensure_login(self) -> None:
        """Open a session, unless there is one."""
        ...

    def logout(self) -> None:
        """End the session."""
        ...

    def camera_groups(self) -> list[FindfaceGroup]:
        """All camera groups."""
        ...

    def cameras(
        self, group_ids: Sequence[int] = (), *, external_detector: bool | None = True, active: bool | None = True
    ) -> list[FindfaceCamera]:
        """The cameras of these groups, of all groups when none is named."""
        ...

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
        """Send one capture once; the ids of the events made."""
        ...

    def find_events(self, camera: int, *, from_utc: datetime, to_utc: datetime) -> list[FindfaceEvent]:
        """A camera's face events created within a window."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...
