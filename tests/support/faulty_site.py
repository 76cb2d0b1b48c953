"""A FindFace stand-in that fails at three requests in ten, a third of those ambiguously; what arrives is counted."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from short_life import CAMERAS, PASSWORD, SCRAP_FINDFACE_ID, TOKEN, USER
from vigia.domain.capture import Capture
from vigia.testing.findface_stub import ADD_EVENT_PATH, FaultScenario, StubCamera, StubGroup, StubServer, StubSettings

LONG_S = 30.0
Arrival = tuple[int, datetime, tuple[int, ...]]
"""FindFace's camera, the capture's time, its region: two people in a frame differ in the last."""
AMBIGUOUS: dict[str, dict[str, Any]] = {
    "reset-after": {"share": 0.04},
    "bad-gateway": {"share": 0.02, "takes_effect": True},
    "invalid-json": {"share": 0.02},
    "truncated": {"share": 0.02},
}
"""Of the requests that send a capture: it arrives, and the sender is not told."""
CLEAR: dict[str, dict[str, Any]] = {
    "server-error": {"share": 0.08},
    "status": {"share": 0.05, "status": 503},
    "reset-before": {"share": 0.02},
    "too-many-requests": {"share": 0.01, "retry_after_s": 0},
    "forbidden": {"share": 0.02},
    "session-expired": {"share": 0.02},
}
"""It does not arrive; after a reset the sender cannot know."""
LOOK_UPS: dict[str, dict[str, Any]] = {"server-error": {"share": 0.2}, "truncated": {"share": 0.1}}


def thirty_percent(seed: int) -> FaultScenario:
    """The scenario."""
    rules = [
        *({"kind": kind, "path": ADD_EVENT_PATH, **rule} for kind, rule in {**AMBIGUOUS, **CLEAR}.items()),
        *(
            {"kind": kind, "name": f"look-up {kind}", "path": "/events/faces/", **rule}
            for kind, rule in LOOK_UPS.items()
        ),
    ]
    return FaultScenario.model_validate({"seed": seed, "faults": rules})


class UnderWay:
    """How many requests the server is working on. Any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0  # guarded by _changed

    def add(self, number: int) -> None:
        with self._changed:
            self._count += number
            self._changed.notify_all()

    def wait_for_none(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._count == 0, LONG_S), "the stand-in does not finish"


class CountUnderWay:
    """The middleware that counts. Owner: the event loop."""

    def __init__(self, app: ASGIApp, *, under_way: UnderWay) -> None:
        self._app = app
        self._under_way = under_way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._under_way.add(1)
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way.add(-1)


class FaultySite:
    """The stand-in and what arrived there."""

    def __init__(self, stub: StubServer, under_way: UnderWay) -> None:
        self.stub = stub
        self._under_way = under_way

    def settle(self) -> None:
        """Wait until everything that a dead sender left in its sockets has been worked on.

        Connections are accepted and read in order: when this question is answered, what came before it has begun.
        """
        self.stub.stats()
        self._under_way.wait_for_none()

    def arrivals(self) -> Counter[Arrival]:
        """How often each shot arrived."""
        return Counter(
            (event["camera"], datetime.fromisoformat(event["timestamp"]).astimezone(UTC), tuple(event["roi"]))
            for event in self.stub.events()
        )

    def faults(self) -> tuple[int, int, int]:
        """Requests that send a capture, how many of them were spoilt, and how many of these ambiguously."""
        rules = [rule for rule in self.stub.fault_report()["rules"] if rule["path"] == ADD_EVENT_PATH]
        spoilt = sum(rule["happened"] for rule in rules)
        return rules[0]["covered"], spoilt, sum(rule["happened"] for rule in rules if rule["kind"] in AMBIGUOUS)


@contextlib.contextmanager
def faulty_site(directory: Path, *, seed: int) -> Iterator[FaultySite]:
    """A stand-in that knows the cameras of ``short_life``."""
    cameras = tuple(
        StubCamera(id=number, name=f"camera-{number}", group=1, token=TOKEN)
        for number in range(1, SCRAP_FINDFACE_ID + 1)
    )
    assert len(cameras) == CAMERAS + 1
    settings = StubSettings(
        data_dir=directory, user=USER, password=PASSWORD, groups=(StubGroup(id=1, name="site"),), cameras=cameras
    )
    under_way = UnderWay()
    counting = Middleware(CountUnderWay, under_way=under_way)
    with StubServer(settings, faults=thirty_percent(seed), middleware=[counting]) as stub:
        yield FaultySite(stub, under_way)


def arrival_of(capture: Capture) -> Arrival:
    """What its arrival looks like."""
    assert capture.findface_camera_id is not None
    return capture.findface_camera_id, capture.at_utc, capture.roi_ltrb
